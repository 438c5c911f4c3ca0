package queues

import (
	"context"

	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// names are those of accounts and people, by what identifies them. Who is gone is called
// by that.
type names map[string]string

func (n names) of(id string) string {
	if name := n[id]; name != "" {
		return name
	}
	return id
}

// names looks up everybody whom orders and commands name.
func (o office) names(ctx context.Context, p frame.Page, orders []queue.Order, log []queue.LogEntry) names {
	n := names{"operator": p.T("queues.actor.console"), p.Who.User.ID.String(): p.Who.User.Name}
	for _, one := range orders {
		o.name(ctx, p, n, one.Scope.Tenant, one.Giver, one.Actor)
	}
	for _, one := range log {
		o.name(ctx, p, n, one.Act.Selection.Tenant, one.Tenant, one.Actor)
	}
	return n
}

// name looks up the account a thing is about and the person who did it, who is of the
// account that gave it, or of the platform's staff.
func (o office) name(ctx context.Context, p frame.Page, n names, about, giver tenant.ID, actor string) {
	if _, known := n[about.String()]; !known && !about.IsZero() && about != p.Tenant() {
		n[about.String()] = o.accountName(ctx, about.String())
	}
	if _, known := n[actor]; known {
		return
	}
	n[actor] = actor
	if u, err := id.Parse[tenant.UserKind](actor); err == nil {
		if person, err := o.People.User(ctx, giver, u); err == nil { // without a name the page still tells
			n[actor] = person.Name
		}
	}
}

// accountName is the name of an account, or what identifies it.
func (o office) accountName(ctx context.Context, text string) string {
	if t, err := id.Parse[tenant.Kind](text); err == nil {
		if v, err := o.People.Tenant(ctx, t); err == nil {
			return v.Name
		}
	}
	return text
}

// account names a tenant to staff; to its own people it goes without saying.
func account(p frame.Page, n names, t tenant.ID) string {
	if t == p.Tenant() || t.IsZero() {
		return ""
	}
	return n.of(t.String())
}

func scopeText(p frame.Page, n names, o queue.Order) string {
	return about(p, account(p, n, o.Scope.Tenant), stream(p, o.Scope.Stream), o.Scope.Tag, o.Scope.Domain, o.Scope.Site)
}

func actText(p frame.Page, n names, a queue.Act) string {
	states := ""
	for _, s := range a.Selection.States {
		states = p.T("state." + string(s) + ".label")
	}
	return about(p, account(p, n, a.Selection.Tenant), stream(p, a.Selection.Stream), a.Selection.Tag, a.Selection.Domain, a.Site,
		a.Selection.Message.String(), a.Selection.Delivery.String(), states, a.Order.String())
}

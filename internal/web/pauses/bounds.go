package pauses

import (
	"net/http"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// For whom an account sets limits of its own; the names of its two forms.
const (
	forGroup   = "group"
	forAccount = "account"
)

// boundField names a field of one of the forms.
func boundField(scope string, c pause.Cause) string { return scope + "-" + string(c) }

// sharesOf reads the fields of a form; what is left empty is no limit of one's own.
func sharesOf(r *http.Request, f *frame.Form, scope string) pause.Shares {
	read := func(c pause.Cause) int64 {
		name := boundField(scope, c)
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
		if f.Values[name] == "" {
			return 0
		}
		if n := share(f.Values[name]); n != 0 {
			return n
		}
		return -1 // nobody switches a limit off here
	}
	return pause.Shares{Hard: read(pause.Hard), Complaints: read(pause.Complaints), Unsubscribes: read(pause.Unsubscribes)}
}

// boundValue is what a field shows: what was sent, or what is set.
func boundValue(p frame.Page, f frame.Form, scope string, c pause.Cause, set pause.Shares) frame.Form {
	name := boundField(scope, c)
	if _, sent := f.Values[name]; !sent && set.Of(c) > 0 {
		f.Values[name] = percent(p, set.Of(c))
	}
	return f
}

// tighten sets limits that an account gives itself, for one group or for all.
func (c Config) tighten(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	g, err := c.group(r, p)
	if err != nil {
		return err
	}
	scope, which := forGroup, g.ID
	if r.PostForm.Get("for") == forAccount {
		scope, which = forAccount, audience.GroupID{}
	}
	f := frame.Form{Values: map[string]string{}}
	err = c.Pauses.Tighten(r.Context(), p.Tenant(), which, sharesOf(r, &f, scope), p.Who.User.ID.String())
	if refused(p, &f, err, scope) {
		return c.page(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, Path(g.ID), "limits")
	return nil
}

// refused puts refusals beside the fields of a form.
func refused(p frame.Page, f *frame.Form, err error, scope string) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		name := one.Field
		if name != "reason" {
			name = boundField(scope, pause.Cause(name))
		}
		f.Add(name, p.FaultText(one, ""))
	}
	return true
}

func singlePath(t tenant.ID, g audience.GroupID) string {
	return "/platform/tenants/" + t.String() + "/groups/" + g.String() + "/limits"
}

func (c Config) showSingle(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.singlePage(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{}})
}

// theirs are the account and the group of another account's page.
func (c Config) theirs(r *http.Request) (tenant.Tenant, audience.Group, error) {
	t, err := tenantOf(r)
	if err != nil {
		return tenant.Tenant{}, audience.Group{}, err
	}
	of, err := c.Tenants.Tenant(r.Context(), t)
	if err != nil {
		return of, audience.Group{}, err
	}
	g, err := id.Parse[audience.GroupKind](r.PathValue("id"))
	if err != nil {
		return of, audience.Group{}, fault.New(fault.NotFound, "group_not_found", "There is no such group.")
	}
	group, err := c.Groups.Group(r.Context(), t, g)
	return of, group, err
}

func (c Config) singlePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	of, g, err := c.theirs(r)
	if err != nil {
		return err
	}
	b, err := c.Pauses.BoundsOf(r.Context(), of.ID, g.ID)
	if err != nil {
		return err
	}
	p.Room, p.Title = "pauses", p.T("pauses.limits.of", "name", g.Name)
	return p.Render(w, r, status, singleForm(p, of, g, b, f))
}

// allow sets the limits of one group by staff, who say why.
func (c Config) allow(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	of, g, err := c.theirs(r)
	if err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{"reason": strings.TrimSpace(r.PostForm.Get("reason"))}}
	v, reason := sharesOf(r, &f, forGroup), f.Value("reason")
	ctx := audit.Note(r.Context(), func(a *audit.Act) { a.Target, a.Detail = g.ID.String(), reason })
	err = c.Pauses.Allow(ctx, of.ID, g.ID, v, p.Who.User.ID.String(), reason)
	if refused(p, &f, err, forGroup) {
		return c.singlePage(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, singlePath(of.ID, g.ID), "saved")
	return nil
}

package insight

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/ledger"
	"stafette/internal/pause"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

// PlanUse has to do where an account's plan is nearly or quite used.
type PlanUse struct {
	Ledger interface {
		Account(ctx context.Context, t tenant.ID) (ledger.Account, error)
	}
}

// Todos implements TodoSource.
func (s PlanUse) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	a, err := s.Ledger.Account(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("plan to do: %w", err)
	}
	level := a.Level()
	if level == 0 {
		return nil, nil
	}
	todo := Todo{Key: fmt.Sprintf("plan/%d/%d/%d", a.Month.Unix(), a.Base, level), Kind: fmt.Sprintf("plan_%d", level), Mark: "deferred", Optional: level < 100,
		Args: i18n.Args{"percent": a.Percent(), "left": a.Left()}, Link: "/plan", Needs: tenant.SettingsRead}
	if level == 100 {
		todo.Mark = "held"
	}
	return []Todo{todo}, nil
}

// PausedGroups has to do where mail to a group is paused.
type PausedGroups struct {
	Pauses interface {
		PausesOf(ctx context.Context, t tenant.ID) ([]pause.Pause, error)
	}
	Groups interface {
		Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	}
}

// Todos implements TodoSource.
func (s PausedGroups) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	found, err := s.Pauses.PausesOf(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("paused groups to do: %w", err)
	}
	var list []Todo
	for _, p := range found {
		if !p.InForce() {
			continue
		}
		g, err := s.Groups.Group(ctx, t, p.Group)
		if err != nil {
			continue // it was deleted; nobody writes to it any more
		}
		list = append(list, Todo{Key: fmt.Sprintf("pause/%s/%d", p.Group, p.At.UnixMilli()), Kind: "group_paused", Mark: "held", Since: p.At, Needs: tenant.ContactsWrite,
			Args: i18n.Args{"group": g.Name, "n": p.Figures.Of(p.Cause), "sent": p.Figures.Sent}, Link: "/groups/" + p.Group.String() + "/pause"})
	}
	return list, nil
}

// Tickets has to do where the platform has answered; of the zero tenant, where accounts wait
// for an answer or for the decision of an appeal.
type Tickets struct {
	Tickets interface {
		Tickets(ctx context.Context, t tenant.ID) ([]ticket.Ticket, error)
		Queue(ctx context.Context, states ...ticket.State) ([]ticket.Ticket, error)
	}
}

// Todos implements TodoSource.
func (s Tickets) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	var found []ticket.Ticket
	var err error
	if t.IsZero() {
		found, err = s.Tickets.Queue(ctx, ticket.Open)
	} else {
		found, err = s.Tickets.Tickets(ctx, t)
	}
	if err != nil {
		return nil, fmt.Errorf("tickets to do: %w", err)
	}
	kinds := map[string]*Todo{
		"tickets_open":     {Mark: "queued", Link: "/platform/requests", Needs: tenant.PlatformReviews},
		"appeals_open":     {Mark: "deferred", Link: "/platform/requests", Needs: tenant.PlatformReview},
		"tickets_answered": {Mark: "queued", Link: "/requests?state=answered", Needs: tenant.ContactsWrite, Optional: true},
	}
	counts := map[string]int{}
	for _, k := range found {
		kind := "tickets_open"
		switch {
		case !t.IsZero() && k.State != ticket.Answered:
			continue
		case !t.IsZero():
			kind = "tickets_answered"
		case k.Category == ticket.Appeal:
			kind = "appeals_open"
		}
		counts[kind]++
		if one := kinds[kind]; one.Since.IsZero() || k.ChangedAt.Before(one.Since) {
			one.Since = k.ChangedAt
		}
	}
	var list []Todo
	for _, kind := range []string{"appeals_open", "tickets_open", "tickets_answered"} {
		if n := counts[kind]; n > 0 {
			one := *kinds[kind]
			one.Key, one.Kind, one.Args = fmt.Sprintf("%s/%d", kind, one.Since.UnixMilli()), kind, i18n.Args{"n": n, "since": one.Since}
			list = append(list, one)
		}
	}
	return list, nil
}

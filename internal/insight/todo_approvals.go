package insight

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// Approvals has to do where a group of the account may not be written to yet, or any more.
type Approvals struct {
	Cases interface {
		Cases(ctx context.Context, t tenant.ID) (map[audience.GroupID]approval.Case, error)
	}
	Groups interface {
		Groups(ctx context.Context, t tenant.ID) ([]audience.Group, error)
	}
}

// approvalNews is how long it is worth a word that a group was approved.
const approvalNews = 24 * time.Hour

// Todos implements TodoSource. What only needs patience may be put aside; so may groups
// that nobody has begun with, and rejections.
func (a Approvals) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error) {
	groups, err := a.Groups.Groups(ctx, t)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	cases, err := a.Cases.Cases(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("approvals to do: %w", err)
	}
	var list []Todo
	for _, g := range groups {
		c, begun := cases[g.ID]
		if !begun {
			c = approval.Case{Group: g.ID, State: approval.Required, Since: g.CreatedAt}
		}
		if g.Members == 0 && c.State == approval.Required {
			continue // nobody to write to
		}
		if todo, ok := approvalTodo(c, g, now); ok {
			list = append(list, todo)
		}
	}
	return list, nil
}

func approvalTodo(c approval.Case, g audience.Group, now time.Time) (Todo, bool) {
	todo := Todo{Kind: "approval_" + string(c.State), Args: i18n.Args{"group": g.Name, "n": g.Members, "since": c.Since, "due": c.Due},
		Link: approval.Path(g.ID), Since: c.Since, Needs: tenant.ContactsWrite, Optional: true}
	switch c.State {
	case approval.Required:
		todo.Mark = "held"
		if !c.Change.IsZero() {
			todo.Kind, todo.Optional = "approval_reopened", false
		}
	case approval.InReview:
		todo.Mark = "queued"
	case approval.Question:
		todo.Mark, todo.Optional = "signal", false
	case approval.Rejected:
		todo.Mark = "bounced"
	case approval.Approved:
		todo.Mark = "delivered"
		if now.Sub(c.DecidedAt) > approvalNews {
			return Todo{}, false
		}
	}
	todo.Key = fmt.Sprintf("approval/%s/%s/%d", g.ID, todo.Kind, c.Since.UnixMilli())
	return todo, true
}

// Reviews has to do where the promise of an answer is in danger, and where mail goes round
// approvals. It is for staff.
type Reviews struct {
	Cases interface {
		Queue(ctx context.Context) ([]approval.Case, error)
		Calendar() approval.Calendar
	}
	Alarms interface {
		PatternAlarms(ctx context.Context) ([]approval.Alarm, error)
	}
}

// Todos implements TodoSource.
func (r Reviews) Todos(ctx context.Context, _ tenant.ID, now time.Time) ([]Todo, error) {
	queue, err := r.Cases.Queue(ctx)
	if err != nil {
		return nil, fmt.Errorf("reviews to do: %w", err)
	}
	var open, soon, late int
	var first time.Time
	for _, c := range queue {
		k := r.Cases.Calendar().Clock(c, now)
		switch {
		case k.Rest:
			continue
		case k.Late:
			late++
		case k.Soon:
			soon++
		default:
			open++
		}
		if first.IsZero() {
			first = c.SubmittedAt
		}
	}
	var list []Todo
	for _, v := range []struct {
		kind, mark string
		n          int
	}{{"reviews_late", "bounced", late}, {"reviews_soon", "deferred", soon}, {"reviews_open", "queued", open}} {
		if v.n > 0 {
			list = append(list, Todo{Key: v.kind, Kind: v.kind, Mark: v.mark, Args: i18n.Args{"n": v.n}, Link: "/platform/reviews", Since: first, Needs: tenant.PlatformReview})
		}
	}
	alarms, err := r.Alarms.PatternAlarms(ctx)
	if len(alarms) > 0 {
		list = append(list, Todo{Key: "approval_alarms", Kind: "approval_alarms", Mark: "bounced", Args: i18n.Args{"n": len(alarms)},
			Link: "/platform/reviews#alarms", Since: alarms[len(alarms)-1].At, Needs: tenant.PlatformReviews})
	}
	return list, err
}

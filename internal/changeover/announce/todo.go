package announce

import (
	"context"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Unconfirmed has to do where customers were told of a changeover and did not answer, and
// where nobody was told of one yet. It implements insight.TodoSource; without a Service
// there is nothing to do.
type Unconfirmed struct{ Service *Service }

// answersTake is how long customers are given before they are worth a word.
const answersTake = 3 * 24 * time.Hour

// CustomersPath is the page of the customers of a changeover in the office.
const CustomersPath = "/affected/"

// Todos implements insight.TodoSource.
func (u Unconfirmed) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]insight.Todo, error) {
	if u.Service == nil {
		return nil, nil
	}
	plans, err := u.Service.c.Changeovers.Changeovers(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []insight.Todo
	for _, plan := range plans {
		if !tellable(plan) || !plan.Concerns(t) {
			continue
		}
		a, err := u.Service.c.Store.Announcement(ctx, t, plan.ID)
		if err != nil {
			return list, err
		}
		to := CustomersPath + plan.ID.String()
		args := i18n.Args{"name": plan.Name, "until": plan.CutoverAt}
		if !a.Published() {
			list = append(list, insight.Todo{Key: "changeover/tell/" + plan.ID.String(), Kind: "changeover_tell", Args: args, Mark: "queued",
				Link: to + "/announcement", Since: plan.AnnounceAt, Optional: true})
			continue
		}
		n, since, err := u.Service.c.Customers.SilentCustomers(ctx, t, plan.ID)
		if err != nil {
			return list, err
		}
		if n > 0 && now.Sub(since) >= answersTake {
			args["n"] = n
			list = append(list, insight.Todo{Key: "changeover/silent/" + plan.ID.String(), Kind: "changeover_silent", Args: args, Mark: "deferred",
				Link: to + "?state=informed", Since: since, Optional: true})
		}
	}
	return list, nil
}

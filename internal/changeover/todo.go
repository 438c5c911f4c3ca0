package changeover

import (
	"context"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Path is where staff find changeovers in the office; an identifier follows.
const Path = "/platform/changeovers/"

// Overdue has to do for staff where the overlap of a changeover has lasted as long as was
// planned: the old sources go on until somebody retires them or moves the end. It
// implements insight.TodoSource; tenants have nothing to do.
type Overdue struct {
	Store interface {
		Changeovers(ctx context.Context, t tenant.ID) ([]Changeover, error)
	}
}

// Todos implements insight.TodoSource.
func (o Overdue) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]insight.Todo, error) {
	if !t.IsZero() {
		return nil, nil
	}
	plans, err := o.Store.Changeovers(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []insight.Todo
	for _, c := range plans {
		if c.Overdue(now) {
			list = append(list, insight.Todo{Key: "changeover/overdue/" + c.ID.String() + "/" + c.OverlapUntil.Format(time.DateOnly), Kind: "changeover_overdue",
				Args: i18n.Args{"name": c.Name, "until": c.OverlapUntil}, Mark: "deferred", Link: Path + c.ID.String(), Since: c.OverlapUntil, Needs: tenant.PlatformSystem})
		}
	}
	return list, nil
}

var _ insight.TodoSource = Overdue{}

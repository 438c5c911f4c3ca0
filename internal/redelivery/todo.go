package redelivery

import (
	"context"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Approval has to do where redeliveries wait for a second person. It implements
// insight.TodoSource.
type Approval struct {
	// Store counts a tenant's jobs that wait, and tells since when the first does.
	Store interface {
		AwaitingRedeliveries(ctx context.Context, t tenant.ID) (n int, since time.Time, err error)
	}
}

// Todos implements insight.TodoSource.
func (a Approval) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	n, since, err := a.Store.AwaitingRedeliveries(ctx, t)
	if err != nil || n == 0 {
		return nil, err
	}
	return []insight.Todo{{Key: "redeliveries", Kind: "redelivery_awaiting", Args: i18n.Args{"n": n}, Mark: "held", Link: "/redeliveries", Since: since, Needs: tenant.MessagesSend}}, nil
}

var _ insight.TodoSource = Approval{}

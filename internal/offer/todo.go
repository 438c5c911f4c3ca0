package offer

import (
	"context"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Waiting has to do where somebody withdrew from a contract; it implements
// insight.TodoSource.
type Waiting struct {
	Store interface {
		CountOfferWithdrawals(ctx context.Context, t tenant.ID) (int, time.Time, error)
	}
}

// Todos implements insight.TodoSource.
func (w Waiting) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	n, since, err := w.Store.CountOfferWithdrawals(ctx, t)
	if err != nil || n == 0 {
		return nil, err
	}
	return []insight.Todo{{Key: "offer_withdrawals", Kind: "offer_withdrawals", Args: i18n.Args{"n": n}, Mark: "held", Link: "/offers/withdrawals", Since: since}}, nil
}

var _ insight.TodoSource = Waiting{}

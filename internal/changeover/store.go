package changeover

import (
	"context"
	"time"

	"stafette/internal/tenant"
)

// Store keeps changeovers and the marks of customers on fallback. Every method is one
// short transaction.
type Store interface {
	// Changeovers returns those that concern a tenant's mail, its own and the
	// platform's; for the zero tenant all of all tenants. Newest first.
	Changeovers(ctx context.Context, t tenant.ID) ([]Changeover, error)
	// Changeover returns one; NotFound "changeover_unknown".
	Changeover(ctx context.Context, c ID) (Changeover, error)
	// PutChangeover writes one and a deed of its history. Conflict "changeover_changed"
	// if its Version is not that of the one written before; the stored one counts one
	// up.
	PutChangeover(ctx context.Context, c Changeover, d Deed) error
	// ChangeoverDeeds returns the history, newest first, at most 500.
	ChangeoverDeeds(ctx context.Context, c ID) ([]Deed, error)
	// FallbackMarks returns the customers on fallback, most refusals first, at most 10,000; for
	// the zero tenant those of all tenants.
	FallbackMarks(ctx context.Context, t tenant.ID, c ID) ([]Mark, error)
	// AddFallbackMark counts a delivery that fell back: Count is added, the rest is of the last.
	AddFallbackMark(ctx context.Context, m Mark) error
	// DropFallbackMarks forgets the marks of changeovers that ended before a time, and reports
	// how many.
	DropFallbackMarks(ctx context.Context, before time.Time) (int, error)
}

package returns

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// SuppressFunc keeps mail of a stream from an address, until expires or, if that is
// zero, for good.
type SuppressFunc func(ctx context.Context, t tenant.ID, s tenant.Stream, a message.Address, reason string, now, expires time.Time) error

// PlainRules is the simplest Suppressor that is true: an address is given up, on the
// stream of the mail, when it will never work, when its owner complained and when its
// owner unsubscribed. A bounce that may pass changes nothing.
type PlainRules struct {
	Suppress SuppressFunc
}

var _ Suppressor = PlainRules{}

// Bounced implements Suppressor.
func (p PlainRules) Bounced(ctx context.Context, t tenant.ID, s tenant.Stream, recipient message.Address, _ string, hard bool, at time.Time) error {
	if !hard {
		return nil
	}
	return p.Suppress(ctx, t, s, recipient, "hard_bounce", at, time.Time{})
}

// Complained implements Suppressor.
func (p PlainRules) Complained(ctx context.Context, t tenant.ID, s tenant.Stream, recipient message.Address, at time.Time) error {
	return p.Suppress(ctx, t, s, recipient, "complaint", at, time.Time{})
}

// Unsubscribed implements Suppressor.
func (p PlainRules) Unsubscribed(ctx context.Context, t tenant.ID, s tenant.Stream, recipient message.Address, at time.Time) error {
	return p.Suppress(ctx, t, s, recipient, "unsubscribed", at, time.Time{})
}

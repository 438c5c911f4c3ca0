package audit

import "context"

// Actor is who does what ctx is about, as the act that it owes or has paid says; "" where
// nobody is named.
func Actor(ctx context.Context) string {
	o, _ := ctx.Value(debtKey{}).(owed)
	return o.act.Actor
}

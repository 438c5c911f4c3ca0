package insight

import (
	"context"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Addressed is one delivery with the message it belongs to, whose Deliveries are empty.
type Addressed struct {
	Message
	Delivery
}

// PersonFilter narrows what was written to a person.
type PersonFilter struct {
	Streams []tenant.Stream    // none: all
	After   message.DeliveryID // continue below this delivery (lists run from new to old)
	Limit   int                // 0: 50; at most 500
}

// PersonStore reads what was written to a person, whichever of their addresses it went
// to.
type PersonStore interface {
	// To lists from new to old; more says that another page follows.
	To(ctx context.Context, t tenant.ID, to []message.Address, f PersonFilter) (list []Addressed, more bool, err error)
	// CountTo counts what To would list in all, up to limit.
	CountTo(ctx context.Context, t tenant.ID, to []message.Address, streams []tenant.Stream, limit int) (int, error)
}

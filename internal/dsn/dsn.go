// Package dsn tells senders by mail what became of their message: delivery status
// notifications (RFC 3461, 3464), which everybody here calls reports.
//
// It stands behind the journey. Delivery writes the fact that a report is due together
// with the verdict that makes it due; a Reporter picks such facts up, on whichever
// node, composes the report and hands it to ingest like any other mail: null reverse
// path, stream "system", an idempotency key that names the deliveries, so that a crash
// at any moment leaves exactly one. Reports of other servers that come back to us are
// told on by Forward.
//
// It does not read reports (bounce), nor decide that a delivery failed (delivery), nor
// whom nobody is told about: mail of the HTTP API and mail with the null reverse path
// never get here.
package dsn

import (
	"context"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Due is a report that a Reporter has taken upon itself: one action, one message, one
// or more of its deliveries.
type Due struct {
	Tenant     tenant.ID
	Action     bounce.Action
	Batch      message.DeliveryID // names the report; the same however often it is claimed
	Deliveries []message.DeliveryID
}

// Claim asks for due reports.
type Claim struct {
	Now time.Time
	// Gather is how long a report waits after its time for others of its message.
	Gather time.Duration
	// Lease is how long the claimed reports are left alone by other claims.
	Lease time.Duration
	Limit int // of reports
}

// Letter is a message that reports are about.
type Letter struct {
	Sender     string // of the envelope; "" for the null reverse path
	SignDomain string
	MessageID  string // without angle brackets
	Subject    string // decoded
	AcceptedAt time.Time
	Return     message.Return
	EnvelopeID string
	Body       spool.Handle
	Fates      []Fate
}

// Fate is what became of one recipient so far.
type Fate struct {
	Delivery  message.DeliveryID
	Recipient message.Address
	Notify    message.Notify
	Original  message.OriginalRecipient
	State     event.State
	Reason    string // bounce class of the verdict
	UpdatedAt time.Time
	ExpiresAt time.Time
	// Attempt is the last one, nil if there was none; At is when it was.
	Attempt *event.Attempt
	At      time.Time
}

// Store is what reports need of the database. Each method is one transaction.
type Store interface {
	// ClaimReports takes reports that are due and claimed by nobody, the longest due
	// first. A claim that is not ended runs out with its lease, and is then given
	// again with the same Batch and Deliveries.
	ClaimReports(ctx context.Context, c Claim) ([]Due, error)
	// EndReports forgets due reports and records the facts of those that were still
	// there, so that of two who did the same work one leaves the facts.
	EndReports(ctx context.Context, d Due, facts []event.Event) error
	// NoteReports records facts of reports that no settlement made due. A fact that is
	// there already, by its ID, stays as it is.
	NoteReports(ctx context.Context, t tenant.ID, facts []event.Event) error
	// Letter returns a message with the fates of the deliveries named, all of one
	// message, in their order. Deliveries that are not there are left out; a message
	// that is not is NotFound.
	Letter(ctx context.Context, t tenant.ID, deliveries []message.DeliveryID) (Letter, error)
}

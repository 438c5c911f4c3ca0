package ingest

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Store is what acceptance needs of the database.
type Store interface {
	// Accept stores message, body, deliveries and events durably, together with
	// other acceptances that wait at the same time, and returns only then. On any
	// error nothing of this acceptance is stored. A full disk is *fault.Error
	// Unavailable "storage_full". A used idempotency key is *Replay. More deliveries
	// than are left of the tenant's quota for the day are refused with QuotaSpent,
	// exactly, whichever node takes them. What a plan has not enough left for is refused
	// with PlanSpent, or ErrPlanHolds where the plan says that it waits.
	Accept(ctx context.Context, a *Acceptance) error
	// AcceptAll is Accept for many that wait together. Each is stored or refused by
	// itself; its error, or nil, stands at its place.
	AcceptAll(ctx context.Context, list []*Acceptance) []error
	// Replay looks an idempotency key up before the work is done: nil if unknown
	// or expired at now.
	Replay(ctx context.Context, t tenant.ID, key string, now time.Time) (*Replay, error)
	// Allot deducts from what an actor may still send on a UTC day (its midnight), of most
	// in all, at least want, or nothing where less is left, and returns how much: a part of
	// what is left, so that other nodes find some too. The first question of a day deducts
	// what was accepted before it.
	Allot(ctx context.Context, t tenant.ID, actor string, day time.Time, most, want int64) (int64, error)
	// Disallot gives n of it back.
	Disallot(ctx context.Context, t tenant.ID, actor string, day time.Time, n int64) error
	// Suppressed returns which of the addresses may not be written to on the
	// stream, each with the reason code of its suppression.
	Suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error)
}

// Acceptance is one message on its way into the store.
type Acceptance struct {
	Message     Message
	Sealed      []byte // the body, sealed with Message.Salt
	Deliveries  []Delivery
	Events      []event.Event
	Idempotency *Idempotency // nil if none
	// Quota says that the tenant has a daily quota, as far as we know; how much of it
	// is left, the store finds out. 0: there is none to ask for.
	Quota int64
	// Metered says that the tenant has a plan, as far as we know: what is not Suppressed or
	// Held for its plan is charged. What is left, the store finds out.
	Metered bool
	// Epoch holds the deliveries in memory at once; 0 leaves them to Claim.
	Epoch queue.Epoch
	// Tracked is kept beside the message where somebody may ask whether it tells of its
	// recipients; nil: nothing is.
	Tracked *tracking.Tracked
	// Ref is filled in by Accept: where the body lies.
	Ref spool.Ref
}

// Message is the row of a message.
type Message struct {
	ID         message.ID
	Tenant     tenant.ID
	Stream     tenant.Stream
	Actor      string // key or user that submitted it
	Door       string // "http", "smtp", "office", …
	Sender     string // envelope sender; "" is the null reverse path
	From       message.Mailbox
	To         []message.Mailbox // header To and Cc as shown to people
	Subject    string            // decoded
	MessageID  string            // Message-ID header without angle brackets
	SignDomain string
	Size       int64 // of the body in clear
	Salt       seal.Salt
	EightBit   bool
	UTF8       bool
	TLS        message.TLSNeed
	Digests    []message.Digest
	Tags       []string
	Metadata   map[string]string
	AcceptedAt time.Time
	SendAt     time.Time // zero: at once
	ExpiresAt  time.Time // when retries end
	Return     message.Return
	EnvelopeID string // "" if the client gave none
}

// Delivery is the row of a delivery at acceptance.
type Delivery struct {
	ID        message.DeliveryID
	Recipient message.Address
	Hidden    bool        // Bcc: in no header
	State     event.State // Queued, or Suppressed at once, or Held
	Reason    string      // of Suppressed and Held
	DueAt     time.Time
	Notify    message.Notify // which reports the sender gets; 0: none
	Original  message.OriginalRecipient
	// Report is due from the start: the sender was told that the message is accepted and
	// must hear of who does not get it. Zero: none.
	Report queue.Report
}

// Idempotency is a client's key for one request.
type Idempotency struct {
	Key       string
	Hash      [32]byte // of the request
	ExpiresAt time.Time
}

// Replay is the error and the answer for an idempotency key that was used before.
type Replay struct { //nolint:errname // as the answer of Store.Replay it is no error
	Hash    [32]byte
	Message message.ID
}

// Error implements error.
func (r *Replay) Error() string { return "idempotency key was used for " + r.Message.String() }

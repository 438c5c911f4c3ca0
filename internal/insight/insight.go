// Package insight reads what became of mail: search, the status of one message
// and its deliveries, figures. It changes nothing.
package insight

import (
	"context"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Message is a message as people and programs read it.
type Message struct {
	ID         message.ID
	Tenant     tenant.ID
	Stream     tenant.Stream
	Actor      string
	Door       string
	From       message.Mailbox
	To         []message.Mailbox
	Subject    string
	MessageID  string // header, without angle brackets
	Size       int64
	Digests    []message.Digest
	Tags       []string
	Metadata   map[string]string
	AcceptedAt time.Time
	SendAt     time.Time // zero: at once
	Body       spool.Handle
	Deliveries []Delivery // in order of their numbers; in lists at most 20, see DeliveryCount
	// DeliveryCount is how many deliveries the message has.
	DeliveryCount int
}

// Erased reports whether the content is gone for good.
func (m Message) Erased() bool { return m.Body.Salt == seal.Salt{} }

// Delivery is one recipient's part.
type Delivery struct {
	ID        message.DeliveryID
	Recipient message.Address
	Hidden    bool // Bcc
	State     event.State
	Reason    string // bounce class or code behind the state, "" if none
	Host      string // the server that spoke last
	Attempts  int
	DueAt     time.Time // next attempt while queued or deferred
	ExpiresAt time.Time
	UpdatedAt time.Time // when the state was reached
	// Marks are what became known after the state was reached, in the order of
	// event.Marks.
	Marks []event.Mark
	// LateReason is the bounce class behind event.MarkLateBounce, "" without it.
	LateReason string
}

// Marked reports whether the delivery bears the mark.
func (d Delivery) Marked(m event.Mark) bool { return slices.Contains(d.Marks, m) }

// Filter narrows a list. Empty fields match everything.
type Filter struct {
	Recipient string // whole address, or "@domain", case-insensitive
	State     event.State
	Mark      event.Mark
	Stream    tenant.Stream
	Tag       string
	// Hosts are ends of names of receiving servers: "gmx.net" is that host and every one
	// below it. Deliveries whose server spoke last is one of them.
	Hosts    []string
	From, To time.Time // accepted in [From, To)
	// Opened selects mail by who opened it, of the newest mail that the rest of the filter
	// leaves.
	Opened tracking.OpenedBy
	// Text is what a person typed into the one search box: an address, part of an
	// address or name, part of a subject, tag or value of the metadata (an order's
	// number), a Message-ID, a msg_ or dlv_ identifier.
	Text  string
	After message.ID // continue behind this message
	// OldestFirst turns the list round; it runs from new to old otherwise.
	OldestFirst bool
	Limit       int // 0: 50; at most 200
}

// Page is one page of a list.
type Page struct {
	Messages []Message
	More     bool // another page follows; it starts after the last message
}

// Store reads. A message of another tenant is NotFound "message_not_found".
type Store interface {
	// Message returns one message with all its deliveries.
	Message(ctx context.Context, t tenant.ID, m message.ID) (Message, error)
	// Messages lists what matches, from new to old unless the filter says otherwise.
	Messages(ctx context.Context, t tenant.ID, f Filter) (Page, error)
	// Events returns the facts about one message in order.
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
	// Counts returns how many deliveries accepted in [from, to) are in each state.
	Counts(ctx context.Context, t tenant.ID, from, to time.Time) (map[event.State]int64, error)
}

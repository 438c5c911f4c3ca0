// Package ingest is the one entrance: everything that sends goes through Accept,
// whichever door it came by. It asks whether this tenant may send this, on this
// stream, to these people, and returns only when the message is safe.
//
// It is the first station of the journey. It does not speak any protocol and does
// not deliver.
package ingest

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Principal is who submits, as the door has authenticated them.
type Principal struct {
	Tenant tenant.ID
	Actor  string // text of a key or user ID
	Door   string // "http", "smtp", "office"
	// Cap is how many deliveries Actor may have accepted on a UTC day; 0: no cap. It is
	// held to within what other nodes take in a minute.
	Cap int64
}

// Submission is one message as a door hands it over. Exactly one of Draft and Raw
// is set.
type Submission struct {
	// ID is the message's own, made by a room that prints what follows from it in the
	// content (message.NewID of this moment, never used before); zero: Accept makes one. No
	// door sets it.
	ID    message.ID
	Draft *message.Draft
	// Raw is a whole RFC 5322 message whose bytes are kept as they came, except
	// that X-Stafette-* fields are taken out (they fill the fields below) and Date
	// or Message-ID are put before it where missing.
	Raw []byte
	// Bcc recipients of a Draft.
	Bcc []message.Mailbox
	// Recipients of Raw (the SMTP envelope); nil takes To, Cc and Bcc of the header.
	Recipients []message.Address
	// Sender is the envelope sender the client named; it must be of a usable domain.
	Sender *message.Address
	// RequireTLS demands proven, encrypted sessions on the whole way (RFC 8689); it
	// overrides a TLS-Required field.
	RequireTLS bool
	// Reports are what the client of SMTP submission wants to be told by mail; nil, as
	// from doors that tell otherwise: nothing.
	Reports *Reports
	// PassedOn marks Raw as somebody else's mail that is passed on to the tenant
	// itself, as it is: its From is not asked about and no key of the tenant signs it.
	// Sender must be the null reverse path. No door that strangers reach sets it.
	PassedOn bool
	Stream   tenant.Stream // "" is transactional
	// Tracking is how much may be told of the recipients at most; Unset leaves it to tenant
	// and stream. It never raises anything.
	Tracking tracking.Level
	Tags     []string
	// Letter, of a Draft without texts, says what the mail is made of when it is read or sent
	// (spool.Record): it is kept in place of a body. Date, Domain and Level are filled in. Its
	// form becomes a tag that clients cannot set (queue.CampaignTag). nil: the Draft is all
	// of the mail. No door that strangers reach sets it.
	Letter *spool.Record
	// Size is about how many bytes the mail of a Letter will have.
	Size int64
	// Source is the name of the egress.Source that the mail must leave from, whatever else
	// is said of its way; "": any. It becomes a tag that clients cannot set
	// (queue.SourceTag). No door that strangers reach sets it.
	Source string
	// Group is the group of contacts that is written to: it must be approved and all
	// recipients be in it. It becomes a tag that clients cannot set (queue.GroupTag). Zero:
	// none is named.
	Group       audience.GroupID
	Metadata    map[string]string
	SendAt      time.Time
	Idempotency string   // key, "" if none
	RequestHash [32]byte // of the request, to tell a replay from a misuse
}

// Reports are the delivery reports a client asked for (RFC 3461). The zero value asks
// for nothing in particular: the sender is told of failures, unless the tenant has
// switched that off.
type Reports struct {
	Return     message.Return
	EnvelopeID string // decoded
	// Recipients holds those of whom something was said.
	Recipients map[message.Address]RecipientReports
}

// RecipientReports is what was said of one recipient. The zero Notify says nothing.
type RecipientReports struct {
	Notify   message.Notify
	Original message.OriginalRecipient
}

// Receipt says what was accepted. It exists only when the message is safe.
type Receipt struct {
	ID         message.ID
	MessageID  string // header
	AcceptedAt time.Time
	Deliveries []ReceiptLine
	Replayed   bool // the idempotency key was used before: this is the first answer again
}

// ReceiptLine is one recipient of a Receipt.
type ReceiptLine struct {
	ID        message.DeliveryID
	Recipient message.Address
	State     event.State
	Reason    string
}

// Acceptor is what doors need of this room. Errors are *fault.Error, see codes.go.
type Acceptor interface {
	Accept(ctx context.Context, p Principal, s Submission) (Receipt, error)
	// AcceptAll accepts up to 1,000 submissions in one go; result i belongs to
	// submission i and each succeeds or fails by itself.
	AcceptAll(ctx context.Context, p Principal, list []Submission) []Result
}

// Result of one submission of several.
type Result struct {
	Receipt Receipt
	Err     error
}

// Feed takes accepted deliveries into memory so that the first attempt needs no
// database. Package queue implements it.
type Feed interface {
	// Reserve asks for room for n deliveries; epoch 0 means there is none now and
	// the deliveries will be claimed later.
	Reserve(t tenant.ID, urgency, n int) queue.Epoch
	// Offer hands over what was reserved, after the commit.
	Offer(entries []queue.Entry)
	// Cancel gives a reservation back when the commit failed.
	Cancel(t tenant.ID, urgency, n int)
}

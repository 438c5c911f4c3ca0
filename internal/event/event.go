// Package event keeps the facts: one append-only record for everything that
// happened to a message, and the delivery states that are folds of these facts.
//
// It is the sixth station of a message's journey. It does not decide what to do
// next (queue), nor explain it to people (insight, i18n).
package event

import (
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
)

// Kind is the id.Kind of events.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "evt" }

// ID names one fact.
type ID = id.Of[Kind]

// State is where a delivery stands.
type State string

// The delivery states. Delivered means exactly: the recipient's server took
// responsibility (a 2xx reply after the final dot).
const (
	Queued     State = "queued"
	Sending    State = "sending" // seen in memory only; the database says queued or deferred
	Deferred   State = "deferred"
	Held       State = "held"
	Delivered  State = "delivered"
	Bounced    State = "bounced"
	Expired    State = "expired"
	Suppressed State = "suppressed"
	Cancelled  State = "cancelled"
)

// Final reports whether no further attempt can follow.
func (s State) Final() bool {
	switch s {
	case Delivered, Bounced, Expired, Suppressed, Cancelled:
		return true
	}
	return false
}

// CanBecome reports whether a fact may move a delivery from s to next. Attempts
// may repeat a state (deferred again); nothing leaves a final state.
func (s State) CanBecome(next State) bool {
	switch s {
	case Queued, Sending, Deferred:
		return next != Queued || s == Deferred
	case Held:
		return next == Queued || next == Cancelled || next == Expired
	}
	return false
}

// States lists every state in the order a mail can meet them.
func States() []State {
	return []State{Queued, Sending, Deferred, Held, Delivered, Bounced, Expired, Suppressed, Cancelled}
}

// Type names what happened.
type Type string

// The event types of the journey. Later rooms add their own.
const (
	Accepted      Type = "accepted"   // the message is safe; once per message
	AttemptFailed Type = "deferred"   // an attempt failed for now
	Completed     Type = "delivered"  // the recipient's server took responsibility
	Refused       Type = "bounced"    // refused for good
	GaveUp        Type = "expired"    // the time for retries is over
	Withheld      Type = "suppressed" // not sent because of a suppression
	Stopped       Type = "cancelled"  // a person or the API stopped it
	Paused        Type = "held"       // a person, a rule or a missing attachment holds it
	Released      Type = "released"   // taken off hold
	Retried       Type = "retried"    // a person asked for an attempt now
	Reported      Type = "reported"   // the sender was told by mail; Reason is the action of RFC 3464
)

// What comes back after a receiving server took responsibility. These change no
// state: the server's 250 stays true. Some leave a mark on the delivery.
const (
	LateBounced       Type = "late_bounced"       // the server sent it back after all
	Complained        Type = "complained"         // the recipient reported it as spam
	Unsubscribed      Type = "unsubscribed"       // the recipient asked for no more of it
	AutoReplied       Type = "auto_replied"       // a program answered (RFC 3834)
	Replied           Type = "replied"            // a person answered; it was passed on
	ReportedDelayed   Type = "reported_delayed"   // a server behind the first one waits
	ReportedRelayed   Type = "reported_relayed"   // handed on to a server that sends no reports
	ReportedDelivered Type = "reported_delivered" // a server behind the first one delivered it
)

// Mark is what a fact adds to a delivery whose state is reached: `delivered` stays
// true, and something else is true now too.
type Mark string

// The marks.
const (
	MarkLateBounce Mark = "late_bounce"
	MarkComplained Mark = "complained"
)

// Marks lists every mark. New ones are added at the end: stores keep their places.
func Marks() []Mark { return []Mark{MarkLateBounce, MarkComplained} }

// Mark returns the mark that a fact of the type leaves, or "".
func (t Type) Mark() Mark {
	switch t {
	case LateBounced:
		return MarkLateBounce
	case Complained:
		return MarkComplained
	}
	return ""
}

// Event is one fact.
type Event struct {
	ID       ID
	Message  message.ID
	Delivery message.DeliveryID // zero for facts about the whole message
	Type     Type
	At       time.Time // UTC, milliseconds
	Actor    string    // who caused it: "system", a key id or a user id
	Reason   string    // stable code: bounce class, fault code; "" if none
	Note     string    // why a person commanded it, in their words; "" if they did not say
	Attempt  *Attempt  // set on facts that an attempt found out
	Report   *Report   // set on facts that return mail told
}

// Report is what a return mail says of one delivery. Its words are foreign text:
// valid UTF-8 without control characters but line feeds.
type Report struct {
	Return    string `json:"return,omitempty"`    // id of the return mail, ret_…
	From      string `json:"from,omitempty"`      // who wrote it: the reporting host, or an address
	Recipient string `json:"recipient,omitempty"` // the address reported on, where it is another than the delivery's
	Host      string `json:"host,omitempty"`      // the server whose words Reply are
	Status    string `json:"status,omitempty"`    // RFC 3463 code
	Code      int    `json:"code,omitempty"`      // SMTP reply code; 0 if none is told
	Reply     string `json:"reply,omitempty"`     // that server's words, at most 4 KB
	Hard      bool   `json:"hard,omitempty"`      // the address will never work
	Feedback  string `json:"feedback,omitempty"`  // type of a complaint (RFC 5965, 3.1)
	// Unproven: SPF, DKIM and DMARC of the report itself all failed or are missing.
	// That it speaks of this delivery is proven all the same.
	Unproven bool `json:"unproven,omitempty"`
}

// Attempt is one try to hand a message to a receiving server.
type Attempt struct {
	Number   int           `json:"number"`             // from 1
	Source   string        `json:"source,omitempty"`   // local address used
	EHLO     string        `json:"ehlo,omitempty"`     // name we gave
	MX       string        `json:"mx,omitempty"`       // host name of the server talked to
	Address  string        `json:"address,omitempty"`  // its IP and port
	TLS      string        `json:"tls,omitempty"`      // "TLS 1.3", or "" for plain
	Cipher   string        `json:"cipher,omitempty"`   // cipher suite of the session
	Stage    string        `json:"stage,omitempty"`    // SMTP command that drew the reply: connect, ehlo, starttls, mail, rcpt, data, dot
	Code     int           `json:"code,omitempty"`     // SMTP reply code; 0 if no reply came
	Enhanced string        `json:"enhanced,omitempty"` // RFC 3463 code as sent, "5.1.1"
	Reply    string        `json:"reply,omitempty"`    // the server's words, all lines joined by \n, at most 4 KB
	Local    string        `json:"local,omitempty"`    // our own finding where no reply came ("connection timed out")
	Outcome  Outcome       `json:"outcome"`
	Class    string        `json:"class,omitempty"`   // bounce class of the reply
	Scope    string        `json:"scope,omitempty"`   // whom it blames: session, source, site, tenant_domain, message, recipient
	Took     time.Duration `json:"took_ns,omitempty"` // from taking it up to the verdict
	NextAt   time.Time     `json:"next_at,omitzero"`  // when the next attempt is due, if one follows

	// TLSPolicy is what decided how the session had to be protected (tlspolicy.Kind);
	// "" is opportunistic. TLSResult is what came of it: "verified", "encrypted", or
	// what was wrong in the words of RFC 8460, 4.3; "" if nothing was demanded.
	TLSPolicy string `json:"tls_policy,omitempty"`
	TLSResult string `json:"tls_result,omitempty"`
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of an attempt. Uncertain: the reply to the final dot was lost, so
// the server may have taken the message; the copy sent again bears the same
// Message-ID.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeDeferred  Outcome = "deferred"
	OutcomeBounced   Outcome = "bounced"
	OutcomeUncertain Outcome = "uncertain"
)

// Package webhook tells a tenant's own programs what became of its mail: calls over
// HTTPS, signed as Standard Webhooks describes, of the types a tenant chose.
//
// It stands beside the journey (floor 2), behind event. Facts reach it by notes that
// the transaction which records a fact leaves for tenants that have an endpoint, so a
// fact is told at least once, whatever dies when, and mail of tenants without one costs
// nothing more. A fold makes calls of notes; a Service, on whichever node, makes the
// calls, tries again for days and turns off what answers no more.
//
// It does not decide what is a fact (event, tracking), keeps no content of mail and
// follows no redirect. What an endpoint answers is judged by its status only.
package webhook

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of endpoints.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "whk" }

// ID names an endpoint.
type ID = id.Of[Kind]

// CallKind is the id.Kind of calls.
type CallKind struct{}

// Prefix implements id.Kind.
func (CallKind) Prefix() string { return "wev" }

// CallID names what is told: it is made of the fact's own identifier, so it is the same
// for all endpoints, at each try and when a call is repeated. Receivers tell by it, as
// webhook-id, what they have had before.
type CallID = id.Of[CallKind]

// CallOf names the call about a fact.
func CallOf[K id.Kind](fact id.Of[K]) CallID { return CallID(fact) }

// Type is what a call is about, as programs choose it: "message.delivered".
type Type string

// Test is the type of calls that a person asks for to try an endpoint.
const Test Type = "webhook.test"

// typed are the facts that are told. What a person of the tenant commands is among them
// where it changes what will become of a mail.
func typed() []struct {
	fact event.Type
	told Type
} {
	return []struct {
		fact event.Type
		told Type
	}{
		{event.Accepted, "message.accepted"},
		{event.AttemptFailed, "message.deferred"},
		{event.Completed, "message.delivered"},
		{event.Refused, "message.bounced"},
		{event.GaveUp, "message.expired"},
		{event.Withheld, "message.suppressed"},
		{event.Stopped, "message.cancelled"},
		{event.Paused, "message.held"},
		{event.Released, "message.released"},
		{event.LateBounced, "message.late_bounced"},
		{event.Complained, "message.complained"},
		{event.Unsubscribed, "message.unsubscribed"},
		{event.AutoReplied, "message.auto_replied"},
		{event.Replied, "message.replied"},
	}
}

// TypeOf is what a fact is told as; "" for facts that are not.
func TypeOf(t event.Type) Type {
	for _, one := range typed() {
		if one.fact == t {
			return one.told
		}
	}
	return ""
}

// MessageTypes lists what can be told of mail, in the order mail meets it.
func MessageTypes() []Type {
	var list []Type
	for _, one := range typed() {
		list = append(list, one.told)
	}
	return list
}

// State is whether an endpoint is called.
type State string

// The states of an endpoint. What happens while it is off is not told later.
const (
	Active  State = "active"
	Off     State = "off"     // by a person
	Failing State = "failing" // turned off: it did not answer for days, or said that it is gone
)

// Endpoint is an address that is called.
type Endpoint struct {
	Tenant tenant.ID
	ID     ID
	Name   string // for people
	Types  []Type // what it is told; empty: everything
	State  State
	// Sealed is its Target, which only a Service reads: an address may bear a secret.
	Sealed    []byte
	CreatedAt time.Time
	CreatedBy string
	// FailingSince is when the first of the calls failed that have all failed since; zero
	// while it answers. Failures counts them.
	FailingSince time.Time
	Failures     int
	// RestsUntil: after failures it is left alone for a while.
	RestsUntil time.Time
	// OffAt is when it was turned off, zero while it is active.
	OffAt time.Time
}

// Wants reports whether the endpoint is told of a type.
func (e *Endpoint) Wants(t Type) bool {
	return e.State == Active && (len(e.Types) == 0 || slices.Contains(e.Types, t))
}

// Target is where an endpoint is and how calls to it are signed. It is sealed when kept.
type Target struct {
	URL     string   `json:"url"`
	Secrets []Secret `json:"secrets"` // the newest first
}

// Secret signs calls until it is over.
type Secret struct {
	Key   string    `json:"key"` // whsec_ and base64
	Until time.Time `json:"until,omitzero"`
}

// Origin is where the fact behind a call is found.
type Origin string

// The origins. Those of calls that a room raises by Raise are the room's.
const (
	OfEvent Origin = "event"
	OfTest  Origin = "test"
)

// CallState is how far a call is.
type CallState string

// The states of a call.
const (
	Due     CallState = "due"      // to be made, or made again
	Told    CallState = "told"     // answered with 2xx
	GivenUp CallState = "given_up" // tried in vain for as long as it is worth it
	Void    CallState = "void"     // what it was about is gone
)

// Call is one fact to one endpoint.
type Call struct {
	Tenant   tenant.ID
	Endpoint ID
	ID       CallID
	Type     Type
	Origin   Origin
	Message  message.ID // zero for none
	At       time.Time  // of the fact, UTC, milliseconds
	State    CallState
	Attempts int
	DueAt    time.Time // zero when it is settled
	TriedAt  time.Time // zero before the first try
	Code     int       // HTTP status of the last answer; 0 if none came
	Failure  Failure   // what was wrong with the last try
	Took     time.Duration
}

// Failure is a stable word for what was wrong with a try. It tells nothing of our
// network: where a forbidden address leads is not said.
type Failure string

// The failures.
const (
	NoFailure  Failure = ""
	NoHost     Failure = "host"      // its name leads nowhere
	Forbidden  Failure = "forbidden" // its name leads where calls may not go
	NoConnect  Failure = "connect"
	NoTLS      Failure = "tls" // not encrypted, or not proven to be the host
	TooSlow    Failure = "timeout"
	BadStatus  Failure = "status"   // answered with anything but 2xx
	Redirected Failure = "redirect" // calls follow nobody elsewhere
)

// Fact is what is known of a fact of a mail, for the body of a call.
type Fact struct {
	event.Event
	Stream    tenant.Stream
	Subject   string
	MessageID string // header, without angle brackets
	Tags      []string
	Metadata  map[string]string
	Recipient string // "" for facts about the whole message
}

// Store is what webhooks need of the database. Each method is one transaction.
type Store interface {
	// AddWebhook keeps a new endpoint unless the tenant has max already: Conflict
	// "webhooks_full".
	AddWebhook(ctx context.Context, e Endpoint, max int) error
	// Webhooks lists a tenant's endpoints, the oldest first.
	Webhooks(ctx context.Context, t tenant.ID) ([]Endpoint, error)
	// Webhook returns one, or NotFound "webhook_not_found".
	Webhook(ctx context.Context, t tenant.ID, w ID) (Endpoint, error)
	// ChangeWebhook replaces name, types, state, target and what is known of its health.
	// NotFound "webhook_not_found".
	ChangeWebhook(ctx context.Context, e Endpoint) error
	// RemoveWebhook drops an endpoint with its calls. NotFound "webhook_not_found".
	RemoveWebhook(ctx context.Context, t tenant.ID, w ID) error
	// NoteHealth keeps FailingSince, Failures and RestsUntil, and the state with OffAt
	// where the endpoint is still active.
	NoteHealth(ctx context.Context, e Endpoint) error

	// FollowWebhooks brings up to date for which tenants the process leaves notes.
	FollowWebhooks(ctx context.Context) error
	// FoldFacts makes calls of the notes of up to limit commits and returns how many
	// notes there were. An endpoint is not told of facts from before it was made.
	FoldFacts(ctx context.Context, limit int) (int, error)
	// AddCalls keeps calls; those that are there already stay as they are.
	AddCalls(ctx context.Context, list []Call) error
	// DueEndpoints returns active endpoints that do not rest and have a call due.
	DueEndpoints(ctx context.Context, now time.Time, limit int) ([]Endpoint, error)
	// ClaimCalls takes due calls of an endpoint, the oldest first; others leave them
	// alone until the lease is over.
	ClaimCalls(ctx context.Context, t tenant.ID, w ID, now time.Time, lease time.Duration, limit int) ([]Call, error)
	// SettleCall keeps what came of a call: State, Attempts, DueAt, TriedAt, Code, Failure
	// and Took.
	SettleCall(ctx context.Context, c Call) error
	// Calls lists an endpoint's calls, the newest fact first, those before Before if it is
	// not zero.
	Calls(ctx context.Context, t tenant.ID, w ID, f CallFilter) ([]Call, error)
	// RepeatCalls makes settled calls due again: the one named, or all with a fact at or
	// after since. It returns how many.
	RepeatCalls(ctx context.Context, t tenant.ID, w ID, one CallID, since, now time.Time) (int, error)
	// DropCalls forgets settled calls of facts before the time, calls to endpoints that are
	// off, and what calls of OfAccount tell once they are not tried any more.
	DropCalls(ctx context.Context, before time.Time) error
	// DeedOf returns the data of a call of OfAccount as it was written down, or NotFound
	// "fact_not_found" when it is gone.
	DeedOf(ctx context.Context, t tenant.ID, c CallID) (json.RawMessage, error)
	// FactOf returns what a call tells, or NotFound "fact_not_found" when it is gone.
	FactOf(ctx context.Context, t tenant.ID, m message.ID, e event.ID) (Fact, error)
}

// CallFilter chooses calls.
type CallFilter struct {
	State  CallState // "": all
	Before CallID    // zero: from the newest on
	Limit  int
}

// Package redelivery sends kept mail once more (Nachlieferung): one mail or many, picked
// by a filter, told beforehand in a dry run and sent at a rate that grows; and it keeps
// the archive that this needs: how long content is kept, and the proof of what was
// dropped.
//
// It is floor 3 and stands behind the journey: it reads what became of mail, makes each
// letter anew (a lead from its kept enquiry, any other mail from its kept bytes) and
// hands it to ingest. A job is rows in the database, one for each delivery, and each
// mail is accepted under a key of its own, so that a process that dies loses nothing and
// sends nothing twice. It decides nothing about who may receive mail (ingest, audience)
// and keeps no content itself (spool, lead).
package redelivery

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of jobs.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "rdl" }

// ID names a job.
type ID = id.Of[Kind]

// State is how far a job is.
type State string

// The states of a job.
const (
	Planning  State = "planning"  // its deliveries are being written down
	Awaiting  State = "awaiting"  // a second person must confirm
	Running   State = "running"   // being sent
	Paused    State = "paused"    // by a person, or by what Reason says
	Done      State = "done"      // every delivery has its answer
	Cancelled State = "cancelled" // by a person; what was sent stays sent
)

// Over reports whether nothing more will be sent.
func (s State) Over() bool { return s == Done || s == Cancelled }

// Filter picks deliveries. Empty fields match everything.
type Filter struct {
	Stream     tenant.Stream      `json:"stream,omitempty"`
	Recipient  string             `json:"recipient,omitempty"`  // whole address, or "@domain"
	Advertiser string             `json:"advertiser,omitempty"` // the tenant's number of the customer
	Object     string             `json:"object,omitempty"`     // as the metadata "object" says
	From       time.Time          `json:"from,omitzero"`        // accepted at or after
	To         time.Time          `json:"to,omitzero"`          // accepted before
	States     []event.State      `json:"states,omitempty"`
	Reply      string             `json:"reply,omitempty"`  // part of the receiving server's last words
	Class      string             `json:"class,omitempty"`  // bounce class behind the state
	Source     string             `json:"source,omitempty"` // address of ours that the last attempt left from
	Message    message.ID         `json:"message,omitzero"`
	Delivery   message.DeliveryID `json:"delivery,omitzero"`
}

// one reports whether the filter names a single mail, which somebody looks at.
func (f Filter) one() bool { return !f.Message.IsZero() || !f.Delivery.IsZero() }

// Options are how a job sends. The zero value of a rate is its default.
type Options struct {
	// To is another address for all of it; "": to whom it went.
	To string `json:"to,omitempty"`
	// Delivered sends also what has arrived.
	Delivered bool `json:"delivered,omitempty"`
	// Mark puts „Nachlieferung“ into the subject of mail that is no lead; leads always
	// have it.
	Mark bool `json:"mark,omitempty"`
	// Old sends it over an old source of the changeover that moves the tenant's mail, for
	// receivers who do not let the new ones in yet, or take something out of their mail.
	Old bool `json:"old,omitempty"`
	// PerMinute is the rate of the first minute, which doubles every minute up to Ceiling.
	PerMinute int `json:"per_minute,omitempty"`
	Ceiling   int `json:"ceiling,omitempty"`
	// Reason is why, in the words of who started it.
	Reason string `json:"reason,omitempty"`
}

// Job is one redelivery.
type Job struct {
	ID          ID
	Tenant      tenant.ID
	Key         string // of the client, "" if none: starting twice under it is starting once
	State       State
	Reason      string // code of what paused it, "" for a person
	Actor, Door string // who started it
	Filter      Filter
	Options     Options
	// Total counts items; Sent, Skipped and Failed those that have their answer.
	Total, Sent, Skipped, Failed int
	CreatedAt                    time.Time
	ConfirmedBy                  string // "" if nobody had to
	ConfirmedAt                  time.Time
	RampAt                       time.Time // since when the rate grows; zero: not running
	DueAt                        time.Time // when the next items are to be sent
	FinishedAt                   time.Time
}

// Left is how many items wait.
func (j Job) Left() int { return j.Total - j.Sent - j.Skipped - j.Failed }

// ItemState is what became of one delivery of a job.
type ItemState string

// The states of an item.
const (
	Waiting ItemState = "waiting"
	Sending ItemState = "sending" // taken; the process may have died before it said more
	Sent    ItemState = "sent"
	Skipped ItemState = "skipped"
	Failed  ItemState = "failed"
)

// Why an item is skipped.
const (
	SkipDelivered   = "delivered"     // it has arrived, and that was not asked for
	SkipOnItsWay    = "on_its_way"    // it waits for its next attempt, or for a person who holds it
	SkipErased      = "erased"        // its content was erased on request
	SkipExpired     = "content_ended" // its content is past its retention time
	SkipSuppressed  = "suppressed"    // the recipient may not be written to
	SkipRedelivered = "redelivered"   // an earlier job sent it; look at that mail instead
	SkipSameAddress = "same_address"  // another recipient of the same mail, and all goes to one address
)

// Item is one delivery of a job.
type Item struct {
	Number   int // from 1, in the order they are sent
	Delivery message.DeliveryID
	State    ItemState
	Reason   string     // Skip… or the code of the refusal
	Message  message.ID // the new mail, of Sent
	At       time.Time  // when it got its state
	// Elsewhere: another job has sent the delivery, or is about to. NextItems fills it in.
	Elsewhere bool
}

// Candidate is a delivery that may be sent once more, with what is known of it.
type Candidate struct {
	Message  insight.Message // without its deliveries
	Delivery insight.Delivery
	// Last is the last attempt; zero if there was none.
	Last event.Attempt
	// Redelivered: a job has sent it already.
	Redelivered bool
}

// ItemFilter narrows a list of items.
type ItemFilter struct {
	State ItemState // "" for all
	After int       // only those behind this number
	Limit int
}

// Store is what redelivery needs of the database. Each method is one transaction. A job
// that the tenant does not have is NotFound "redelivery_not_found".
type Store interface {
	// Candidates returns deliveries in the filter's time, states, message, delivery and
	// whole recipient, from old to new behind after: at most limit, with last the place to
	// go on from and more if there are others. The other fields of the filter are not asked.
	Candidates(ctx context.Context, t tenant.ID, f Filter, after message.DeliveryID, limit int) (list []Candidate, more bool, err error)
	// Suppressed returns which addresses may not be written to, see ingest.Store.
	Suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error)
	// AddJob keeps a new job. If its key was used before it keeps nothing and returns the
	// job of then and the hash of the request of then.
	AddJob(ctx context.Context, j Job, hash [32]byte) (*Job, [32]byte, error)
	// AddItems writes items of a job down, some hundreds at once, and counts them.
	AddItems(ctx context.Context, t tenant.ID, j ID, list []Item) error
	// ChangeJob sets state, reason, confirmation, ramp, due time and end of a job that is
	// still in state from; else Conflict "redelivery_state".
	ChangeJob(ctx context.Context, j Job, from State) error
	Redelivery(ctx context.Context, t tenant.ID, j ID) (Job, error)
	// Redeliveries lists from new to old, below after if it is not zero.
	Redeliveries(ctx context.Context, t tenant.ID, after ID, limit int) (list []Job, more bool, err error)
	RedeliveryItems(ctx context.Context, t tenant.ID, j ID, f ItemFilter) (list []Item, more bool, err error)
	// OpenJobs are those of all tenants that are running and due, or in Planning since
	// before stale.
	OpenJobs(ctx context.Context, now, stale time.Time) ([]Job, error)
	// NextItems takes up to limit items that wait, those first that were taken before.
	// Items come as they were; they are Sending from now on.
	NextItems(ctx context.Context, t tenant.ID, j ID, limit int) ([]Item, error)
	// SettleItem writes the answer of an item down, counts it, and tells the job's state.
	SettleItem(ctx context.Context, t tenant.ID, j ID, i Item) (State, error)
	// Terms are the tenant's retention times, see ArchiveStore.
	Terms(ctx context.Context, t tenant.ID) ([]Term, error)
	// Tagged finds the mail that bears a tag; false if there is none.
	Tagged(ctx context.Context, t tenant.ID, tag string) (message.ID, bool, error)
}

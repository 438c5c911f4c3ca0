// Package privacy serves the rights of the people a tenant writes to, and the end of
// what is kept about them (GDPR, articles 5(1)(e), 15, 17 and 20).
//
// It puts together everything that is known of a person (an access request), erases a
// person from every room that holds something (an erasure request) and keeps the proof,
// and drops rows of mail whose time is over. Requests are jobs in the database: any node
// works them off, and takes up what a node that died has left.
//
// The package holds no personal data of its own: rooms that do are told to it as Holders
// (to count and to erase) and Sections (to hand out). Who comes later registers there and
// nothing else changes. It sends nothing, decides no legal question, and does not reach
// backups: docs/privacy.md says what that means.
package privacy

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// RequestKind is the id.Kind of requests.
type RequestKind struct{}

// Prefix implements id.Kind: data subject request.
func (RequestKind) Prefix() string { return "dsr" }

// RequestID names a request.
type RequestID = id.Of[RequestKind]

// Person is whom a request is about.
type Person struct {
	Tenant  tenant.ID
	Contact audience.ContactID // zero where none is stored
	Name    string             // "" where it is not known
	// Addresses are all the tenant knows; at least one.
	Addresses []message.Address
}

// Holder is a room, or a part of one, that holds something about people.
type Holder interface {
	// Name is the key of its counts and of its words in the catalogue
	// ("privacy.holding.<name>"), lower case.
	Name() string
	// Count tells how much it holds about the person.
	Count(ctx context.Context, p Person) (int64, error)
	// Erase takes everything about the person out, in short transactions, and calls note
	// after each with how much that was. What was erased before is no error, so that a job
	// that was cut short begins anew. An error of note ends it.
	Erase(ctx context.Context, p Person, note func(n int64) error) error
}

// Section is a part of what is handed out to a person: what a room keeps beside contact,
// mail and suppressions.
type Section struct {
	// Name is the key in the file, lower case.
	Name string
	// Read returns what is kept, in the form in which it is written as JSON; nil for
	// nothing.
	Read func(ctx context.Context, p Person) (any, error)
}

// Kind says what a request asks for.
type Kind string

// The kinds of request.
const (
	Access  Kind = "access"  // to be told everything, in a form to take along (art. 15, 20)
	Erasure Kind = "erasure" // to be forgotten (art. 17)
)

// State is how far a request is.
type State string

// The states of a request.
const (
	Waiting State = "waiting"
	Running State = "running"
	// Settling: everything is erased; attempts that were under way may still report, and
	// are erased after a while.
	Settling State = "settling"
	Done     State = "done"
	Failed   State = "failed"
	Expired  State = "expired" // the file was dropped
)

// Open reports whether a request is still to be worked on.
func (s State) Open() bool { return s == Waiting || s == Running || s == Settling }

// Request is one request of a person, as the tenant's staff entered it.
type Request struct {
	ID     RequestID
	Tenant tenant.ID
	Kind   Kind
	State  State
	Actor  string // text of a key's or user's identifier, or "operator"
	// Person is whom it is about: empty but for the tenant once an erasure is done or a
	// file has expired.
	Person Person
	// Hashes are the keyed hashes of the addresses. They stay.
	Hashes []audience.Hash
	// Block keeps the addresses from being written to again, by their hashes alone.
	Block  bool
	Locale string // of the page the file is read on, "de" or "en"
	// Idempotency is the SHA-256 of the key a program gave; nil: it gave none.
	Idempotency []byte
	Tries       int // grows when a node takes the request up
	// Done and Total tell how far it is, in deliveries and other things.
	Done, Total int64
	Size        int64            // of the file in bytes
	Counts      map[string]int64 // by the names of holders: what was erased or handed out
	Why         string           // code of the last error, "" for none
	CreatedAt   time.Time
	FinishedAt  time.Time // zero: not yet
	ExpiresAt   time.Time // when the file is dropped; zero: never
}

// Settings are a tenant's own.
type Settings struct {
	// Months is how long rows of mail are kept; 0: as the platform does.
	Months int
	// Gather makes contacts of the people that mail is written to.
	Gather bool
	// Notes hands the notes of staff out with an access request.
	Notes bool
}

// Part is a piece of a file, sealed with a key of its own.
type Part struct {
	Salt   seal.Salt
	Sealed []byte
}

// Store keeps requests, files and settings. Every method is one whole transaction. What
// is not there is NotFound "privacy_request_not_found".
type Store interface {
	// AddRequest stores a new request. Conflict "idempotency_conflict" if another one has its
	// Idempotency.
	AddRequest(ctx context.Context, r Request) error
	// RequestByKey returns the request with an Idempotency.
	RequestByKey(ctx context.Context, t tenant.ID, key []byte) (Request, error)
	// Request returns one.
	Request(ctx context.Context, t tenant.ID, r RequestID) (Request, error)
	// Requests lists from new to old, below after if it is not zero.
	Requests(ctx context.Context, t tenant.ID, after RequestID, limit int) (list []Request, more bool, err error)
	// TakeRequest gives one that is due to the caller, until an instant; false if none is.
	TakeRequest(ctx context.Context, now, until time.Time) (Request, bool, error)
	// AdvanceRequest writes down how far a request is (state, counts, figures, why) and
	// keeps it until an instant. Nobody else may have taken it since: ErrTaken.
	AdvanceRequest(ctx context.Context, r Request, until time.Time) error
	// ConcludeRequest ends a request. Of an erasure that is done only the hashes stay.
	ConcludeRequest(ctx context.Context, r Request) error
	// ExpireRequests drops the files of requests that expired, and whom they were about.
	ExpireRequests(ctx context.Context, now time.Time) (int, error)

	// PutPart stores a piece of a request's file; part 0 drops all that were there.
	PutPart(ctx context.Context, t tenant.ID, r RequestID, n int, p Part) error
	// Part returns a piece; false after the last.
	Part(ctx context.Context, t tenant.ID, r RequestID, n int) (Part, bool, error)

	// PrivacySettings returns a tenant's settings; of one that never set any, the zero
	// value with Notes.
	PrivacySettings(ctx context.Context, t tenant.ID) (Settings, error)
	// SetPrivacySettings replaces them. Gathering begins with what is accepted from now on.
	SetPrivacySettings(ctx context.Context, t tenant.ID, v Settings, now time.Time) error

	RetentionStore
	GatherStore
}

// Package ticket keeps what accounts and the platform write to each other: an account asks,
// the platform answers, each with files, until it is closed; and the appeal of a locked
// account, which another person decides than the one who locked it.
//
// It is floor 1, beside approval, whose questions have a place of their own. It sends no
// mail: whoever makes a Service is told of each entry (Config.Tell). It does not decide who
// may see a page; doors do.
package ticket

import (
	"slices"
	"time"

	"stafette/internal/approval"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Identifier kinds.
type (
	// Kind is the id.Kind of tickets.
	Kind struct{}
	// EntryKind is the id.Kind of entries.
	EntryKind struct{}
)

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "tkt" }

// Prefix implements id.Kind.
func (EntryKind) Prefix() string { return "tke" }

// Identifiers of tickets, entries and files. Files are taken by the rules of evidence.
type (
	// ID names a ticket.
	ID = id.Of[Kind]
	// EntryID names an entry.
	EntryID = id.Of[EntryKind]
	// FileID names a file.
	FileID = approval.FileID
)

// The codes of this room's refusals.
const (
	// CodeUnknown (NotFound): there is no such ticket.
	CodeUnknown = "ticket_not_found"
	// CodeChanged (Conflict): somebody else wrote meanwhile.
	CodeChanged = "ticket_changed"
	// CodeClosed (Conflict): the ticket is closed.
	CodeClosed = "ticket_closed"
	// CodeMany (Conflict): too many tickets are open, or a ticket is too long.
	CodeMany = "ticket_many"
	// CodeLocked (Conflict): a locked account may appeal, and nothing else; one that is not
	// locked has nothing to appeal against.
	CodeLocked = "ticket_locked"
	// CodeOwn (Forbidden): who locked an account does not decide its appeal.
	CodeOwn = "appeal_own"
	// CodePartial (Forbidden): nobody of the platform reads or decides the appeal of an account
	// they have to do with.
	CodePartial = "appeal_partial"
)

// Category is what a ticket is about.
type Category string

// The categories.
const (
	Approval Category = "approval"
	Delivery Category = "delivery"
	Plan     Category = "plan"
	Account  Category = "account"
	Other    Category = "other"
	Appeal   Category = "appeal" // against a lock
)

// Categories are all categories.
func Categories() []Category { return []Category{Approval, Delivery, Plan, Account, Other, Appeal} }

// Asked are those that people choose from.
func Asked() []Category { return []Category{Approval, Delivery, Plan, Account, Other} }

// Valid reports whether c is a category.
func (c Category) Valid() bool { return slices.Contains(Categories(), c) }

// State says whose turn it is.
type State string

// The states.
const (
	Open     State = "open"     // the platform's
	Answered State = "answered" // the account's
	Closed   State = "closed"   // nobody's
)

// States are all states.
func States() []State { return []State{Open, Answered, Closed} }

// Act is what an entry does.
type Act string

// The acts.
const (
	Ask    Act = "ask"    // the account asks, or asks again
	Answer Act = "answer" // the platform answers
	Close  Act = "close"  // either side closes
	Grant  Act = "grant"  // the appeal is right: the account is unlocked
	Deny   Act = "deny"   // the appeal is not
)

// Acts are all acts.
func Acts() []Act { return []Act{Ask, Answer, Close, Grant, Deny} }

// Ticket is one matter.
type Ticket struct {
	ID        ID
	Tenant    tenant.ID
	Version   int64 // grows with every change, from 1
	Category  Category
	State     State
	ChangedAt time.Time
	Subject   string
	// Ref is the page of the office that it is about, a path; "": none.
	Ref      string
	OpenedBy string // text of a user's identifier
}

// At is when it was opened.
func (t Ticket) At() time.Time { return t.ID.Time() }

// Entry is one thing said. It is never changed.
type Entry struct {
	ID    EntryID  `json:"-"`
	Act   Act      `json:"act"`
	Actor string   `json:"actor"` // text of a user's identifier
	Staff bool     `json:"staff,omitempty"`
	Text  string   `json:"text"`
	Files []FileID `json:"files,omitempty"`
}

// At is when it was said.
func (e Entry) At() time.Time { return e.ID.Time() }

// File is what came with an entry. Body is nil in lists.
type File = approval.File

// Limits of what may be written.
const (
	MaxText    = 4000 // characters
	MaxFiles   = 20   // of a ticket
	maxSubject = 150
	maxRef     = 200
	maxEntries = 200 // of a ticket
	maxOpen    = 50  // of an account
)

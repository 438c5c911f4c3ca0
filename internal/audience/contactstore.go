package audience

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// ContactStore keeps contacts. Every method is one whole transaction. What is not
// there, or belongs to another tenant, is *fault.Error NotFound "contact_not_found" or
// "note_not_found". An address or a reference that another contact has is Conflict
// "contact_address_taken" or "contact_reference_taken".
type ContactStore interface {
	Mergers

	// CreateContact stores a contact with the first act of its history.
	CreateContact(ctx context.Context, c Contact, act ContactAct) error
	// ChangeContact replaces a contact that is in the version before c's; any other is
	// Conflict "contact_changed".
	ChangeContact(ctx context.Context, c Contact, act ContactAct) error
	// MergeContacts replaces the contact kept by c and takes the other one away; notes and
	// history go over. Both must be in the version before c's and in otherVersion, else
	// Conflict "contact_changed". What both were is kept for Unmerge for MergeLasts, or until
	// the contact is changed.
	MergeContacts(ctx context.Context, c Contact, other ContactID, otherVersion int64, act ContactAct) error
	// DeleteContact takes a contact away with its notes and history. The mail that was
	// written to it stays.
	DeleteContact(ctx context.Context, t tenant.ID, c ContactID) error

	// Contact returns one.
	Contact(ctx context.Context, t tenant.ID, c ContactID) (Contact, error)
	// ContactOf returns the one that has an address; false if none has.
	ContactOf(ctx context.Context, t tenant.ID, a message.Address) (Contact, bool, error)
	// Contacts returns a page of those that the filter matches.
	Contacts(ctx context.Context, t tenant.ID, f ContactFilter) (ContactPage, error)
	// ContactTags returns the tags in use, sorted, at most limit.
	ContactTags(ctx context.Context, t tenant.ID, limit int) ([]string, error)

	// Notes returns the notes about a contact, new ones first, at most 500.
	Notes(ctx context.Context, t tenant.ID, c ContactID) ([]Note, error)
	// PutNote stores a note, or replaces the text of the one with its identifier if it has
	// the same author; else "note_not_found".
	PutNote(ctx context.Context, t tenant.ID, n Note) error
	// DeleteNote takes an author's note away.
	DeleteNote(ctx context.Context, t tenant.ID, c ContactID, n NoteID, author string) error
	// ContactActs returns what was done to a contact, new ones first, at most 200.
	ContactActs(ctx context.Context, t tenant.ID, c ContactID) ([]ContactAct, error)

	// Fields returns the tenant's own fields in their order.
	Fields(ctx context.Context, t tenant.ID) ([]Field, error)
	// SetFields replaces them. Values of fields that are gone stay in the contacts until
	// these are changed.
	SetFields(ctx context.Context, t tenant.ID, list []Field) error
}

// ContactFilter picks contacts of a tenant. The zero ContactFilter is all, new ones first.
type ContactFilter struct {
	// Text is what a person typed: beginnings of words of a name, company or reference, of
	// an address, or a domain after @. All of them must fit. At most 1,000 are found, and
	// of several words each is looked for among the first 20,000 that begin like it.
	Text string
	Tag  string // "" any
	// ByName orders by name instead of by time; Ascending from low to high.
	ByName, Ascending bool
	After             ContactID // last one of the page before
	Limit             int       // 0: 50
}

// ContactPage is a part of a list.
type ContactPage struct {
	Contacts []Contact
	More     bool
}

// Note is what somebody of the tenant wrote about a contact.
type Note struct {
	ID        NoteID
	Contact   ContactID
	Author    string // text of a key's or user's identifier
	Text      string // several lines
	CreatedAt time.Time
	EditedAt  time.Time // zero: never
}

// ContactAct is one thing that was done to a contact. It holds no values: they must not
// outlive the contact.
type ContactAct struct {
	ID     NoteID
	At     time.Time
	Type   ContactActType
	Actor  string
	Fields []string // names of what was changed
}

// ContactActType says what was done.
type ContactActType string

// The acts.
const (
	ContactCreated ContactActType = "created"
	ContactChanged ContactActType = "changed"
	ContactMerged  ContactActType = "merged" // another contact was merged into this one
	// ContactUnmerged is that a merge was taken back; it stands with both contacts.
	ContactUnmerged ContactActType = "unmerged"
	ContactLeft     ContactActType = "left" // taken out of a group; Fields names it by its identifier
)

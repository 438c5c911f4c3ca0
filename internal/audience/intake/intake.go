// Package intake takes lists of contacts into groups: a file is read once and kept in
// parts, its columns are mapped and previewed, and then its rows become contacts and
// members, some thousands in each transaction, while mail goes on. An import can be stopped,
// and taken back as a whole.
//
// It is a part of audience (floor 1), which knows contacts and groups. It does not decide
// whether a group may be written to.
package intake

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// ID names an import and the batch that it makes.
type ID = audience.BatchID

// State is how far an import is.
type State string

// The states.
const (
	Receiving State = "receiving" // the file is being read
	Draft     State = "draft"     // waits for its columns to be mapped
	Running   State = "running"
	Done      State = "done"
	Cancelled State = "cancelled" // stopped by a person; what was imported before stays
	Undoing   State = "undoing"
	Undone    State = "undone"
)

// Open reports whether work is to be done.
func (s State) Open() bool { return s == Running || s == Undoing }

// Limits of imports.
const (
	MaxRows   = 1_000_000
	MaxBytes  = 200 << 20 // of a text file
	MaxOpen   = 5         // that a tenant has under way or not yet begun
	MaxFaults = 10_000    // rows that are told of; the others are counted
	// DraftLasts is how long a list waits for its columns, UndoLasts how long an import can
	// be taken back and its refused rows can be read.
	DraftLasts = 24 * time.Hour
	UndoLasts  = 30 * 24 * time.Hour
)

// Import is one list on its way into a group.
type Import struct {
	ID     ID
	Tenant tenant.ID
	Group  audience.GroupID
	Name   string // of the file
	Actor  string
	State  State
	Plan   Plan
	Progress
	Parts     int   // of the list
	Done      int   // parts that are imported
	Total     int64 // rows
	CreatedAt time.Time
	EndedAt   time.Time // zero until it is done or cancelled
	// ExpiresAt is until when a draft waits, or an import can be taken back; zero: no more.
	ExpiresAt time.Time
}

// Batch is what the import brings into its group.
func (i Import) Batch() audience.Batch {
	return audience.Batch{ID: i.ID, Tenant: i.Tenant, Group: i.Group, Origin: audience.OriginImport, Name: i.Name, Source: i.Plan.Source,
		Actor: i.Actor, At: i.CreatedAt}
}

// Revocable reports whether the import can be taken back at an instant.
func (i Import) Revocable(now time.Time) bool {
	return (i.State == Done || i.State == Cancelled && i.Done > 0) && i.ExpiresAt.After(now)
}

// Plan is what is to be done with the rows of a list.
type Plan struct {
	Headed   bool              `json:"headed"`   // the first row names the columns
	Headings []string          `json:"headings"` // that row, or nothing
	Columns  []string          `json:"columns"`  // target of each column (audience.Targets), "" is left out
	Tags     []string          `json:"tags,omitempty"`
	Source   string            `json:"source"` // where the addresses come from
	Existing audience.Existing `json:"existing"`
}

// Progress is what became of the rows so far.
type Progress struct {
	Created  int64              `json:"created"`
	Joined   int64              `json:"joined"`
	Changed  int64              `json:"changed"`
	Known    int64              `json:"known"`
	Twice    int64              `json:"twice"`
	Refused  int64              `json:"refused"`
	Removed  int64              `json:"removed,omitempty"`  // by taking it back: members
	Deleted  int64              `json:"deleted,omitempty"`  // contacts the import had made
	Restored int64              `json:"restored,omitempty"` // contacts it had changed
	Kept     int64              `json:"kept,omitempty"`     // contacts that were changed or used since
	Cursor   audience.ContactID `json:"cursor,omitzero"`    // how far taking back is
}

// Rows is how many rows have an outcome.
func (p Progress) Rows() int64 {
	return p.Created + p.Joined + p.Changed + p.Known + p.Twice + p.Refused
}

// Count adds an outcome.
func (p *Progress) Count(r audience.EnlistResult) {
	switch r {
	case audience.EnlistCreated:
		p.Created++
	case audience.EnlistJoined:
		p.Joined++
	case audience.EnlistChanged:
		p.Changed++
	case audience.EnlistKnown:
		p.Known++
	case audience.EnlistTwice:
		p.Twice++
	case audience.EnlistRefused:
		p.Refused++
	}
}

// Fault is a row that was not taken.
type Fault struct {
	Line    int    // in the file, from 1
	Field   string // target at fault, "" for the row
	Code    string // of the refusal
	Value   string // what stood there, shortened
	Address string // of the row, as addresses are compared; "" if it has none
}

// Step is the next parts of an import on their way into the store.
type Step struct {
	Import     Import // as it is before
	Parts      int    // how many; 0 is 1
	Enlistment audience.Enlistment
	Lines      []int   // of the people, in the file
	Faults     []Fault // rows that cannot become people
	Last       bool    // no part follows
	Ready      any     // the store's own, see Store.PrepareStep
}

// Store keeps imports. Every method is one whole transaction, unless it says otherwise.
// What is not there, or belongs to another tenant, is *fault.Error NotFound
// "import_not_found".
type Store interface {
	// BeginImport stores an import that is being received. Errors: Limited
	// "imports_too_many", "group_not_found", Conflict "group_dynamic".
	BeginImport(ctx context.Context, i Import) error
	// AddImportPart stores a part of a list that is being received.
	AddImportPart(ctx context.Context, t tenant.ID, i ID, part int, data []byte) error
	// ReadyImport makes a received list a draft: plan, parts and total are those of i.
	ReadyImport(ctx context.Context, i Import) error
	// StartImport lets a draft run by the plan of i. One that is no draft is Conflict
	// "import_begun".
	StartImport(ctx context.Context, i Import) error
	// CancelImport stops an import that runs, or was not begun; any other stays as it is.
	CancelImport(ctx context.Context, t tenant.ID, i ID, now time.Time) error
	// UndoImport lets an import be taken back that can be, see Import.Revocable; any
	// other is Conflict "import_not_revocable".
	UndoImport(ctx context.Context, t tenant.ID, i ID, now time.Time) error

	// OpenImports returns the oldest import of each tenant that has work to do.
	OpenImports(ctx context.Context) ([]Import, error)
	// PrepareStep works out what of a step can be while others have the database, on the
	// supposition that nobody in it is known; SettlePart finds out. It changes nothing, and
	// a step may go without.
	PrepareStep(s Step, now time.Time) Step
	// SettlePart imports the next parts; false if somebody else did, or stopped it.
	SettlePart(ctx context.Context, s Step, now time.Time) (bool, error)
	// UndoSome takes back so many members or changes and reports whether more is left.
	UndoSome(ctx context.Context, i Import, limit int, now time.Time) (more bool, err error)

	// Import returns one.
	Import(ctx context.Context, t tenant.ID, i ID) (Import, error)
	// Imports returns those of a group, new ones first, at most 100.
	Imports(ctx context.Context, t tenant.ID, g audience.GroupID) ([]Import, error)
	// ImportPart returns one part of a list, from 0; nil if it is not kept any more.
	ImportPart(ctx context.Context, t tenant.ID, i ID, part int) ([]byte, error)
	// ImportFaults returns refused rows in order, after a line.
	ImportFaults(ctx context.Context, t tenant.ID, i ID, after, limit int) ([]Fault, error)
	// DropImports takes away drafts, refused rows and what undoing needs once they have
	// expired, of all tenants, in several short transactions.
	DropImports(ctx context.Context, now time.Time) error
}

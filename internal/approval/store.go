package approval

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Row is a case as the database keeps it: what is asked for alone, and the rest sealed.
type Row struct {
	ID          ID
	Tenant      tenant.ID
	Group       audience.GroupID
	Version     int64
	State       State
	Since       time.Time
	SubmittedAt time.Time // zero: never
	Due         time.Time // zero: no clock runs
	DecidedAt   time.Time // zero: never
	ClaimedBy   string    // "": nobody
	Examined    bool      // findings need not be gathered
	Freed       bool      // nothing is held any more that an approval lets go
	Sealed      []byte
}

// Line is an Entry as the database keeps it.
type Line struct {
	ID     EntryID
	Act    Act
	Actor  string
	Sealed []byte
}

// Exhibit is a File as the database keeps it. Body is nil in lists.
type Exhibit struct {
	ID   FileID
	Meta []byte // sealed
	Body []byte // sealed
}

// Alarm says that a tenant wrote the same to many members of groups that are not
// approved, on a stream that asks nobody.
type Alarm struct {
	Tenant  tenant.ID
	Group   audience.GroupID // of most of them
	Shape   [16]byte         // of the subject
	Stream  tenant.Stream
	Members int // recipients within the hour that are in such groups
	At      time.Time
	EndedAt time.Time // zero while nobody has looked at it
}

// Store is what this room needs of the database. Each method is one whole transaction.
type Store interface {
	// Approval returns the case of a group; false if there is none yet.
	Approval(ctx context.Context, t tenant.ID, g audience.GroupID) (Row, bool, error)
	// Approvals returns all cases of a tenant.
	Approvals(ctx context.Context, t tenant.ID) ([]Row, error)
	// Review returns a case by its own identifier, whosever it is; NotFound
	// "approval_not_found".
	Review(ctx context.Context, c ID) (Row, error)
	// Reviews returns the cases of all tenants in the states, those due first first, at
	// most limit.
	Reviews(ctx context.Context, states []State, limit int) ([]Row, error)
	// SaveApproval keeps a case with what is new in its log and evidence, or nothing. It
	// must be in the version before r's (none for version 1), else Conflict
	// "approval_changed". More files than MaxFiles are Invalid "approval_files".
	SaveApproval(ctx context.Context, r Row, lines []Line, files []Exhibit) error
	// NoteApproval replaces what is sealed and the marks Examined and Freed of a case that
	// is still in r's version, and reports whether it was.
	NoteApproval(ctx context.Context, r Row) (bool, error)
	// ApprovalLog returns the log of a case from old to new.
	ApprovalLog(ctx context.Context, t tenant.ID, c ID) ([]Line, error)
	// Exhibits lists the evidence of a case, without its bodies.
	Exhibits(ctx context.Context, t tenant.ID, c ID) ([]Exhibit, error)
	// Exhibit returns a piece of evidence; NotFound "approval_not_found".
	Exhibit(ctx context.Context, t tenant.ID, c ID, f FileID) (Exhibit, error)
	// Decisions counts the acts of a kind in the logs of all cases of a tenant.
	Decisions(ctx context.Context, t tenant.ID) (map[Act]int, error)
	// Voided is when an approval of the tenant was last taken back, or a group rejected;
	// zero: never.
	Voided(ctx context.Context, t tenant.ID) (time.Time, error)
	// UnfreedApprovals returns approved cases for which mail may be held, at most limit.
	UnfreedApprovals(ctx context.Context, limit int) ([]Row, error)
	// FreeUnapproved lets at most limit deliveries of a tenant go on that are held with
	// ReasonHeld, and returns how many these were.
	FreeUnapproved(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error)

	// RaisePatternAlarm keeps an alarm, unless one of its tenant and shape stands, and reports
	// whether it did.
	RaisePatternAlarm(ctx context.Context, a Alarm) (bool, error)
	// PatternAlarms returns the alarms of all tenants that stand, new ones first, at most 200.
	PatternAlarms(ctx context.Context) ([]Alarm, error)
	// EndPatternAlarm ends an alarm; NotFound "approval_not_found".
	EndPatternAlarm(ctx context.Context, t tenant.ID, shape [16]byte, now time.Time) error

	// DropApprovals removes what is kept of cases whose group is gone: evidence at once,
	// the rest if nothing was done in them since before. It returns how many cases went.
	DropApprovals(ctx context.Context, before time.Time, limit int) (int, error)
}

// Groups is what this room needs of groups; audience.GroupStore has it.
type Groups interface {
	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Groups(ctx context.Context, t tenant.ID) ([]audience.Group, error)
	MemberOf(ctx context.Context, t tenant.ID, list []message.Address) (map[message.Address][]audience.GroupID, error)
	SampleMembers(ctx context.Context, t tenant.ID, g audience.GroupID, n int, seed uint64) ([]audience.Contact, error)
	GroupFacts(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (audience.GroupFacts, error)
}

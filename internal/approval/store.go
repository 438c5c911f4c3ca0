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

// Pattern is who got mail of one shape, of members of groups that are not approved.
type Pattern struct {
	Tenant  tenant.ID
	Shape   Shape
	Members []PatternMember
	At      time.Time
}

// PatternMember is one of them; the address itself is not kept.
type PatternMember struct {
	Hash  audience.Hash
	Group audience.GroupID
}

// Alarm says that a tenant wrote the same to many members of groups that are not
// approved, on a stream that asks nobody.
type Alarm struct {
	Tenant  tenant.ID
	Group   audience.GroupID // of most of them
	Shape   Shape            // of the subject, or of a part of the body
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
	// RewriteApproval keeps a case's sealed content in the version it is in, and those of its
	// log; what was there before is not to be found afterwards. A case in another version keeps
	// its own.
	RewriteApproval(ctx context.Context, r Row, lines []Line) error
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
	// Of those about one group and stream it returns the one with the most members: the same
	// mail strikes by several of its shapes.
	PatternAlarms(ctx context.Context) ([]Alarm, error)
	// StandingPatterns returns all alarms that stand, at most 10,000.
	StandingPatterns(ctx context.Context) ([]Alarm, error)
	// EndPatternAlarm ends an alarm, with all others of its tenant about the same group and
	// stream; NotFound "approval_not_found".
	EndPatternAlarm(ctx context.Context, t tenant.ID, shape Shape, now time.Time) error
	// CountPattern adds members to those that got mail of a shape, each once, and returns how
	// many did within PatternWindow and since the last alarm about the shape ended, on all
	// nodes, and the group of most of them.
	CountPattern(ctx context.Context, p Pattern) (members int, most audience.GroupID, err error)
	// FreePatterns lets mail go on that was held with ReasonShape, of tenants with an alarm
	// that ended and none that stands, limit deliveries in one transaction, and returns how
	// many these were.
	FreePatterns(ctx context.Context, limit int, now time.Time) (int, error)
	// DropPatterns forgets members that were counted before.
	DropPatterns(ctx context.Context, before time.Time) error

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

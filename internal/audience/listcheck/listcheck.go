// Package listcheck tells of whole lists of addresses what audience.Validator tells of
// one: a list is handed in, checked in the background, and its results can be read for
// a week.
//
// It is a part of the room audience (floor 1), beside the journey of a message: nothing
// is sent, no receiving server is asked, and nobody is suppressed or enrolled by it. The
// doors hand lists in (Service.Take) and read results; one node at a time works them off
// (Service.Run), page by page and tenant by tenant in turn. A page's results and the
// place the list is checked up to are one transaction, so that a process that dies, or
// two that work at once, leave no row out and none twice.
package listcheck

import (
	"context"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of checks.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "chk" }

// ID names a check.
type ID = id.Of[Kind]

// Limits of a list.
const (
	MaxRows  = 1_000_000
	MaxBytes = 100 << 20
	// MaxKept is how many rows of all its lists a tenant has at a time, MaxOpen how many
	// lists are received and checked.
	MaxKept = 3_000_000
	MaxOpen = 5
	// Lasts is how long a list is there after it was handed in.
	Lasts = 7 * 24 * time.Hour
	// receiving is how long handing a list in may take before it is given up.
	receiving = time.Hour
)

// State is how far a check is.
type State string

// The states; Done and Cancelled are final.
const (
	Receiving State = "receiving" // its rows are coming in
	Running   State = "running"
	Done      State = "done"
	Cancelled State = "cancelled" // rows checked before stay
)

// Result is what a row comes to: of several findings the one that matters most.
type Result string

// The results. Only Valid is an address to write to without a second look.
const (
	Valid       Result = "valid"
	Typo        Result = "typo"        // another domain is probably meant
	Unsure      Result = "unsure"      // no answer of the domain now, no MX, or a server that must know SMTPUTF8
	Role        Result = "role"        // belongs to a job, not to a person
	Disposable  Result = "disposable"  // vanishes after minutes
	Unreachable Result = "unreachable" // the domain takes no mail
	Suppressed  Result = "suppressed"  // on the suppression list
	Duplicate   Result = "duplicate"   // stood further up in the list
	Malformed   Result = "malformed"   // no address
)

// Results lists all of them, good ones first.
func Results() []Result {
	return []Result{Valid, Typo, Unsure, Role, Disposable, Unreachable, Suppressed, Duplicate, Malformed}
}

// Valid reports whether r is a result.
func (r Result) Valid() bool { return slices.Contains(Results(), r) }

// Rating is how much may be expected of such an address. A duplicate is bad: it must
// not be written to a second time.
func (r Result) Rating() audience.Rating {
	switch r {
	case Valid:
		return audience.Fine
	case Typo, Unsure, Role, Disposable:
		return audience.Risky
	}
	return audience.Bad
}

// Counts says how many rows came to each result; none is left out.
type Counts map[Result]int

// Check is one list and how far it is.
type Check struct {
	ID     ID
	Tenant tenant.ID
	Name   string        // of the file, "" if it has none; at most 200 characters
	Column string        // heading of the column the addresses stand in, "" if it has none
	Stream tenant.Stream // whose suppressions count
	Actor  string        // who handed it in: a key or user
	State  State
	Rows   int // 0 while it is received
	Done   int // rows checked, the first of the list
	Counts Counts
	// CreatedAt is when it came, EndedAt when it was done or cancelled. At ExpiresAt it
	// is gone with its results. All are to the millisecond.
	CreatedAt, EndedAt, ExpiresAt time.Time
}

// Open reports whether it is still received or checked.
func (c Check) Open() bool { return c.State == Receiving || c.State == Running }

// Row is one address of a list.
type Row struct {
	Number int    // from 1, without gaps
	Line   int    // in the file, from 1
	Text   string // as it stands there, at most 320 characters
	// Print is equal for equal addresses of one list.
	Print int64
	// First is the row with the same Print that comes first. Only NextRows sets it.
	First int

	Result     Result   // "" not checked yet
	Codes      []string // of the findings; see audience.Finding
	Reason     string   // of a suppression
	Suggestion string   // the address that may be meant, "" if none comes to mind
}

// Filter picks rows of a list, in its order. The zero Filter is the first 50.
type Filter struct {
	Results []Result // none: all that are checked
	After   int      // Number of the last row of the page before
	Limit   int      // 0: 50
}

// Store keeps lists. Every method is one whole transaction. What is not there, or
// belongs to another tenant, is NotFound "check_not_found".
type Store interface {
	// BeginCheck stores a check in state Receiving. It refuses with Limited
	// "checks_too_many" if the tenant has MaxOpen open ones, "check_rows_too_many" if
	// it has MaxKept rows.
	BeginCheck(ctx context.Context, c Check) error
	// AddCheckRows adds rows to a check that is being received.
	AddCheckRows(ctx context.Context, t tenant.ID, c ID, rows []Row) error
	// ReadyCheck ends the receiving: the list has so many rows and runs.
	ReadyCheck(ctx context.Context, t tenant.ID, c ID, rows int, column string) error
	// OpenChecks returns the oldest running check of each tenant that has one.
	OpenChecks(ctx context.Context) ([]Check, error)
	// NextRows returns the rows after a number, at most limit, in order.
	NextRows(ctx context.Context, t tenant.ID, c ID, after, limit int) ([]Row, error)
	// SettleRows writes the results of the rows that follow the first before, and how
	// far the check is then (Done, Counts, State, EndedAt). Nothing changes and it
	// reports false if the check is not running or was checked further meanwhile.
	SettleRows(ctx context.Context, c Check, before int, rows []Row) (bool, error)
	// CancelCheck ends a check that is open. One that has ended stays as it is.
	CancelCheck(ctx context.Context, t tenant.ID, c ID, now time.Time) (Check, error)
	// ForgetCheck lets a check expire now, whatever its state.
	ForgetCheck(ctx context.Context, t tenant.ID, c ID, now time.Time) error
	// Check returns one that has not expired.
	Check(ctx context.Context, t tenant.ID, c ID, now time.Time) (Check, error)
	// Checks returns those that have not expired, new ones first, at most 100.
	Checks(ctx context.Context, t tenant.ID, now time.Time) ([]Check, error)
	// CheckRows returns rows that were checked.
	CheckRows(ctx context.Context, t tenant.ID, c ID, f Filter) ([]Row, error)
	// DropChecks removes what has expired, and what has been received for longer than
	// stale, in steps, and returns how many checks that were.
	DropChecks(ctx context.Context, now, stale time.Time) (int, error)
}

// sum is what a row comes to by what was found of its address.
func (r *Row) sum(v audience.Verdict) {
	r.Suggestion = v.Suggestion
	has := map[string]bool{}
	for _, f := range v.Findings {
		r.Codes = append(r.Codes, f.Code)
		if has[f.Code] = true; f.Code == audience.FindSuppressed {
			r.Reason = f.Detail
		}
	}
	switch {
	case has[audience.FindSyntax]:
		r.Result = Malformed
	case has[audience.FindSuppressed]:
		r.Result = Suppressed
	case has[audience.FindNoDomain], has[audience.FindNoMail], has[audience.FindNoHost]:
		r.Result = Unreachable
	case has[audience.FindTypo]:
		r.Result = Typo
	case has[audience.FindDisposable]:
		r.Result = Disposable
	case has[audience.FindRole]:
		r.Result = Role
	case len(v.Findings) > 0:
		r.Result = Unsure
	default:
		r.Result = Valid
	}
	if r.Result == Unreachable && has[audience.FindTypo] {
		r.Result = Typo // the way out is worth more than the dead end
	}
}

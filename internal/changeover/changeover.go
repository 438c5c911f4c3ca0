// Package changeover moves mail from old sources to new ones (Umstellung) without
// losing any: a plan with dates, checks before the start, a share of mail over the new
// sources that grows by schedule, and an overlap in which mail that a receiving server
// refuses because of a new source goes at once through an old one.
//
// It is floor 3: it plans and decides, and puts what it decided into the plan of egress
// as an egress.Shift, which delivery follows with each attempt. It chooses no source and
// sends nothing itself. Whom a changeover affects and how they are told are its
// subpackages' business.
package changeover

import (
	"slices"
	"time"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of changeovers.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "chg" }

// ID names a changeover.
type ID = id.Of[Kind]

// Stage is where a changeover stands.
type Stage string

// The stages. The clock leads from Announced to Overlap; everything else is a person's
// deed.
const (
	Draft      Stage = "draft"       // may be changed in everything; nothing of it is in force
	Announced  Stage = "announced"   // started: new sources send nothing yet
	Testing    Stage = "testing"     // a small share goes over the new sources
	Shifting   Stage = "shifting"    // after the cut-over, while the share grows
	Overlap    Stage = "overlap"     // all mail goes over the new sources, old ones catch refusals
	Done       Stage = "done"        // the old sources are retired
	Paused     Stage = "paused"      // the share is frozen; refusals still go through the old ones
	RolledBack Stage = "rolled_back" // all mail goes over the old sources again
)

// Valid reports whether s is a stage.
func (s Stage) Valid() bool {
	switch s {
	case Draft, Announced, Testing, Shifting, Overlap, Done, Paused, RolledBack:
		return true
	}
	return false
}

// Under reports whether the changeover has begun and is not over: its sources, dates
// and shares are in force.
func (s Stage) Under() bool { return s != Draft && s != Done && s.Valid() }

// Moving reports whether the clock moves the changeover on.
func (s Stage) Moving() bool { return s == Announced || s == Testing || s == Shifting }

// Step raises the share of mail over the new sources at a time.
type Step struct {
	At    time.Time `json:"at"`
	Share int       `json:"share"` // percent
}

// Changeover is one plan and where it stands. Times are UTC, to the millisecond.
type Changeover struct {
	ID   ID `json:"-"`
	Name string
	// Tenant whose mail it is about; zero: the whole platform's.
	Tenant tenant.ID `json:"-"`
	// Old and New are names of egress.Source; none stands in both.
	Old, New []string

	AnnounceAt   time.Time // when customers are told
	TestFrom     time.Time // a share of TestShare from here to CutoverAt
	CutoverAt    time.Time // from here on the share follows Steps
	OverlapUntil time.Time // until here old sources catch refusals

	Stage Stage `json:"-"`
	// Before is the stage that a pause or roll-back interrupted; "" otherwise.
	Before Stage
	// Share is the percentage of mail that goes over the new sources now, where Shares
	// says nothing else.
	Share int
	// Shares are exceptions for tenants, streams and providers; the most exact counts.
	Shares []egress.Share
	// TestShare is the share of the test phase; Steps are those from the cut-over on, by
	// time, of which Taken are behind us.
	TestShare int
	Steps     []Step
	Taken     int
	// HaltedAt is when the pause or roll-back began; zero otherwise.
	HaltedAt time.Time

	// ImprintHost is the host name under which the imprint of the sending addresses
	// must be found, as T-Online demands; "" for each source's own EHLO name.
	ImprintHost string
	// Domains are sending domains whose SPF records must carry the old and the new
	// addresses.
	Domains []string

	Checks    []Check   // of the last pre-flight
	CheckedAt time.Time // zero: never checked

	CreatedBy string    // a person's identifier or "cli"
	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
	// Version counts the writes; 0 is one that was never written.
	Version int `json:"-"`
}

// Concerns reports whether the changeover is about a tenant's mail.
func (c Changeover) Concerns(t tenant.ID) bool { return c.Tenant.IsZero() || c.Tenant == t }

// Catches reports whether a refusal of a new source goes through an old one now. It does
// from the test phase on until somebody ends the changeover: while customers are left
// who refuse the new sources, the date alone must not make their mail bounce.
func (c Changeover) Catches() bool {
	return c.Stage.Under() && c.Stage != Announced && c.Stage != RolledBack
}

// Overdue reports whether the overlap has lasted as long as was planned, so that somebody
// should look at who is left and end or extend it.
func (c Changeover) Overdue(now time.Time) bool {
	return c.Stage == Overlap && !now.Before(c.OverlapUntil)
}

// Uses reports whether the source is one of the changeover's, and whether a new one.
func (c Changeover) Uses(source string) (new, used bool) {
	if slices.Contains(c.New, source) {
		return true, true
	}
	return false, slices.Contains(c.Old, source)
}

// Mark says that mail to a customer fell back to an old source: one row for each
// recipient domain of a tenant.
type Mark struct {
	Changeover ID
	Tenant     tenant.ID
	Domain     string // of the recipients, A-labels
	Site       string // the MX set it rolled up to
	Source     string // the new source refused last
	Count      int    // of deliveries that fell back
	Reply      string // the last refusal, the server's words
	FirstAt    time.Time
	LastAt     time.Time
	// Delivery is the last one that fell back, the evidence.
	Delivery string
}

// Deed is an entry of a changeover's history.
type Deed struct {
	At     time.Time
	Actor  string // a person's identifier, "cli" or "clock"
	What   string // created, changed, started, announced, testing, shifting, overlap, share, checked, paused, resumed, rolled_back, extended, done
	Detail string // for readers, without personal data; the share in percent for "share"
}

// Package series sends mail by itself (a Serie): what begins it for a contact (a confirmed
// subscription, a tag, a day of the year, an event by API), and the steps that follow: wait,
// look, send, tag, end.
//
// It is floor 3 and stands behind the journey, beside campaign. A series is a row with
// versions; a contact that goes through it is a run, which stands at one step. Each step is
// written down in the transaction that moves the run, and a mail has its identifier before it
// is handed to ingest, so that a process that dies loses nothing and sends nothing twice
// (ADR 54). The letter of a step has an identifier of the kind of campaigns, and its mail is
// made as theirs is (campaign.Merger).
//
// It decides nothing about who may receive mail (ingest, audience, approval), composes
// nothing and shows no pages.
package series

import (
	"context"
	"encoding/json"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Identifier kinds of series.
type (
	// Kind is the id.Kind of series.
	Kind struct{}
	// SignalKind is the id.Kind of signals.
	SignalKind struct{}
)

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "ser" }

// Prefix implements id.Kind.
func (SignalKind) Prefix() string { return "sig" }

// Identifiers of series and signals.
type (
	// ID names a series.
	ID = id.Of[Kind]
	// SignalID names a signal.
	SignalID = id.Of[SignalKind]
)

// State is how far a series is.
type State string

// The states of a series.
const (
	Draft  State = "draft"  // may be changed and deleted; nobody goes through it
	Active State = "active" // contacts begin it and go on
	Paused State = "paused" // nobody begins and nobody goes on: by a person, or by what Reason says
	Ended  State = "ended"  // for good; who was under way is stopped
)

// States lists them in their order.
func States() []State { return []State{Draft, Active, Paused, Ended} }

// On is what begins a series for a contact.
type On string

// The triggers.
const (
	Confirmed On = "confirmed" // signed up by a form, confirmed it, and so came into the series' group
	Tagged    On = "tag"       // got the tag
	Dated     On = "date"      // the day and month of a date field are today's
	Event     On = "event"     // a program told of it, see Service.Tell
)

// Triggers lists them.
func Triggers() []On { return []On{Confirmed, Tagged, Dated, Event} }

// Trigger is what begins a series. What does not belong to On is empty.
type Trigger struct {
	On    On     `json:"on"`
	Tag   string `json:"tag,omitempty"`
	Event string `json:"event,omitempty"` // name of the event
	Field string `json:"field,omitempty"` // key of a date field of the tenant's own
	// Hour of the day in the series' zone at which dates are looked at; a 29 February counts as
	// the 28th in other years.
	Hour int `json:"hour,omitempty"`
}

// Key is what a trigger waits for beside its kind: tag or event; "" for others.
func (t Trigger) Key() string {
	switch t.On {
	case Tagged:
		return t.Tag
	case Event:
		return t.Event
	case Confirmed, Dated:
	}
	return ""
}

// Do is what a step does.
type Do string

// The steps.
const (
	Wait  Do = "wait"
	Check Do = "check" // goes on where the condition holds, else at Else
	Send  Do = "send"
	Tag   Do = "tag"
	Untag Do = "untag"
	End   Do = "end"
)

// Does lists them.
func Does() []Do { return []Do{Send, Wait, Check, Tag, Untag, End} }

// What a Check may look for in a mail that an earlier step sent.
const (
	Opened  = "opened"
	Clicked = "clicked"
)

// Step is one step of a series. What does not belong to Do is empty.
type Step struct {
	// Key names the step within its series in all versions: letters from a to z, digits, -.
	// A step that keeps its key through a change is the same step.
	Key string `json:"key"`
	Do  Do     `json:"do"`
	// Minutes to wait; else until the hour of the next Weekday ("monday" … "sunday", or "day"
	// for any), in the series' zone.
	Minutes int64  `json:"minutes,omitempty"`
	Weekday string `json:"weekday,omitempty"`
	Hour    int    `json:"hour,omitempty"`
	// Local: the hour is that of each contact's own clock (the field of the type zone); who has
	// no zone goes by the series'.
	Local bool `json:"local,omitempty"`
	// Filter or Did is the condition of a Check. Did is Opened or Clicked, by a person, of the
	// mail of the step Of.
	Filter *audience.Segment `json:"filter,omitempty"`
	Did    string            `json:"did,omitempty"`
	Of     string            `json:"of,omitempty"`
	Else   string            `json:"else,omitempty"` // key of a later step; "": the series ends there
	Tag    string            `json:"tag,omitempty"`
	// Form names the letter of a Send; it is new when the letter is another one.
	Form   campaign.ID      `json:"form,omitzero"`
	Letter *campaign.Letter `json:"letter,omitempty"`
}

// Definition is what a version of a series says. Steps follow one another from top to bottom;
// nothing leads back.
type Definition struct {
	Trigger Trigger `json:"trigger"`
	// Zone is that of hours, a name of the tz database; "": the tenant's.
	Zone  string `json:"zone,omitempty"`
	Steps []Step `json:"steps"`
}

// Step returns the one with a key, and its place; -1 if there is none.
func (d Definition) Step(key string) (Step, int) {
	for i, s := range d.Steps {
		if s.Key == key {
			return s, i
		}
	}
	return Step{}, -1
}

// Series is an automation of a tenant.
type Series struct {
	ID     ID
	Tenant tenant.ID
	// Revision grows with every change by a person, from 1.
	Revision int64
	Name     string
	// Group is who is written to: everybody in a series is a member, and its approval covers
	// all mail of it.
	Group audience.GroupID
	// Again is after how many days a contact that went through may begin anew; 0: never.
	Again  int
	State  State
	Reason string // code of what paused it or holds it up, "" for a person
	Actor  string // who made it, and under whose name it sends
	// Version is the newest one; who is under way in one below Since goes on in Version.
	Version, Since int64
	Definition     Definition // of Version; without letters in lists
	// RestAt puts the next steps off; ScanAt is when dates are looked at next, ScanAfter the
	// last contact that was looked at for ScanAt. Zero: not at all.
	RestAt, ScanAt time.Time
	ScanAfter      audience.ContactID
	Entered        int64 // how many contacts began it
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Run is one way of a contact through a series.
type Run struct {
	Contact audience.ContactID
	Entry   int64 // how often the contact has begun it, this time included
	Version int64
	// Step is the key of the step to be done next, At when the run came to it.
	Step string
	At   time.Time
	// DueAt is when the step is looked at; zero when the run is over.
	DueAt time.Time
	// Reason says why it is over: ReasonEnd or another; "" while it goes on.
	Reason    string
	Turn      int64           // fences one process from another
	Data      json.RawMessage // of the event that began it, while it goes on
	EnteredAt time.Time
	EndedAt   time.Time
}

// Over reports whether nothing more happens in it.
func (r Run) Over() bool { return r.Reason != "" }

// Why a run is over, beside the reasons of suppressions (audience.Reason).
const (
	ReasonEnd     = "end" // went through
	ReasonReplied = "replied"
	ReasonLeft    = campaign.ExcludedLeft
	ReasonGone    = campaign.ExcludedGone
	ReasonEnded   = "series_ended" // a person ended the series
	ReasonTaken   = "taken_out"    // a person took the contact out
)

// Outcome is what a step came to.
type Outcome string

// The outcomes.
const (
	Naming   Outcome = "waiting"  // a mail has its identifier; it may have been handed over
	Sent     Outcome = "sent"     // its mail is on its way, or arrived, or failed: see the delivery
	Excluded Outcome = "excluded" // got no mail, for Reason; the run goes on
	Passed   Outcome = "passed"   // waited, tagged, ended
	Yes      Outcome = "yes"      // the condition held
	No       Outcome = "no"
)

// Deed is a step that a run has done.
type Deed struct {
	Contact  audience.ContactID
	Entry    int64
	Step     string
	Outcome  Outcome
	Reason   string
	Form     campaign.ID        // of a Send
	Delivery message.DeliveryID // of a Send; zero for who was excluded
	At       time.Time
	// Known: the mail of Naming was accepted.
	Known bool
}

// Move is a step that was done, and where the run stands then, with the Turn it was seen in.
type Move struct {
	Run  Run
	Deed Deed // zero: none, the run was only put off
}

// Signal is a trigger that fired and is not yet dealt with.
type Signal struct {
	ID      SignalID
	Series  ID
	Contact audience.ContactID
	Data    json.RawMessage
	At      time.Time
}

// Place counts who is at a step.
type Place struct {
	Step    string
	Waiting int64
}

// Count counts deeds of a step.
type Count struct {
	Step    string
	Outcome Outcome
	Reason  string
	N       int64
}

// Report is how a series stands.
type Report struct {
	Places []Place
	Counts []Count
	Over   map[string]int64 // runs that are over, by reason
	At     time.Time
}

// RunFilter narrows a list of runs.
type RunFilter struct {
	Step    string             // those at this step; "": all
	State   string             // "on" or "over"; "": both
	Contact audience.ContactID // of one contact; zero: all
	After   audience.ContactID
	Limit   int
}

// Line is a run with who it is.
type Line struct {
	Run
	Address message.Address // the contact's main one; zero if it is gone
	Name    string
}

// Store is what series need of the database. Each method is one transaction; a series that the
// tenant does not have is NotFound CodeNotFound.
type Store interface {
	// CreateSeries keeps a new series with its first version; Conflict CodeMany if the tenant
	// has most already.
	CreateSeries(ctx context.Context, s Series, most int) error
	// ChangeSeries sets what a person may set, of a series that is in state from and of the
	// revision before s's; else Conflict CodeState. fresh: Definition is kept as Version, in
	// place of what that version was.
	ChangeSeries(ctx context.Context, s Series, from State, fresh bool) error
	// DeleteSeries takes a draft or what is ended away, with all runs of it; in another state
	// it is Conflict CodeState.
	DeleteSeries(ctx context.Context, t tenant.ID, s ID) error
	Series(ctx context.Context, t tenant.ID, s ID) (Series, error)
	// SeriesList lists from new to old, all of a tenant.
	SeriesList(ctx context.Context, t tenant.ID) ([]Series, error)
	// SeriesVersion returns one with its letters.
	SeriesVersion(ctx context.Context, t tenant.ID, s ID, version int64) (Definition, error)
	// SeriesLetter returns the letter of a form, and the series' group; NotFound CodeNotFound.
	SeriesLetter(ctx context.Context, t tenant.ID, form campaign.ID) (campaign.Letter, audience.GroupID, error)

	// OpenSeries are those of all tenants that may have something to do: signals, due runs, a
	// scan, or runs that an ended one left. At most limit, those first that waited longest.
	OpenSeries(ctx context.Context, now time.Time, limit int) ([]Series, error)
	// SleepSeries finds out when an active series has something to do next, and lets
	// OpenSeries leave it out until then.
	SleepSeries(ctx context.Context, t tenant.ID, s ID, now time.Time) error
	// MoveSeries sets state, reason and RestAt of a series in state from, as a step of the
	// worker; false if it is in another one.
	MoveSeries(ctx context.Context, s Series, from State) (bool, error)
	SeriesSignals(ctx context.Context, t tenant.ID, s ID, limit int) ([]Signal, error)
	// AddSignals keeps signals for the active series of a tenant that an event begins, and
	// returns how many series that are.
	AddSignals(ctx context.Context, t tenant.ID, on On, key string, c audience.ContactID, data json.RawMessage, now time.Time) (int, error)
	// EnterSeries begins runs for those who are not under way, and did not begin within the
	// days of Again (not at all where it is 0), takes the signals away, and sets ScanAt and
	// ScanAfter. It returns how many began; nothing happens if the series is not active.
	EnterSeries(ctx context.Context, s Series, list []Run, seen []SignalID) (int, error)
	// DueRuns are the runs of a series that are due, those first that were due first.
	DueRuns(ctx context.Context, t tenant.ID, s ID, now time.Time, limit int) ([]Run, error)
	// NameMails writes mails down that are about to be handed over, each with its identifier,
	// unless the step has its deed already, and returns what stands there then, in the order of
	// the list. A run that is not in its Turn any more gets none: its deed is zero.
	NameMails(ctx context.Context, t tenant.ID, s ID, list []Move) ([]Deed, error)
	// MoveRuns writes deeds down and moves runs, each unless it is in another Turn.
	MoveRuns(ctx context.Context, t tenant.ID, s ID, list []Move) error
	// StopRuns ends runs of a series that is ended, at most limit, and returns how many.
	StopRuns(ctx context.Context, s Series, now time.Time, limit int) (int, error)
	// StopRun ends the run of a contact that is under way; false if there is none.
	StopRun(ctx context.Context, t tenant.ID, s ID, c audience.ContactID, reason string, now time.Time) (bool, error)

	// SeriesContacts returns contacts by identifier; who is gone is not in the map.
	SeriesContacts(ctx context.Context, t tenant.ID, list []audience.ContactID) (map[audience.ContactID]audience.Contact, error)
	// InGroup returns which of the contacts are members of a group of either kind.
	InGroup(ctx context.Context, t tenant.ID, g audience.GroupID, list []audience.ContactID) (map[audience.ContactID]bool, error)
	// Picked returns which of the contacts a checked filter picks.
	Picked(ctx context.Context, t tenant.ID, f audience.Segment, list []audience.ContactID) (map[audience.ContactID]bool, error)
	// Replied returns the contacts whose person answered a mail of their present run.
	Replied(ctx context.Context, t tenant.ID, s ID, list []Run) (map[audience.ContactID]bool, error)
	// Acted returns the contacts whose person did something ("opened", "clicked") in the mail
	// that a step of their present run sent.
	Acted(ctx context.Context, t tenant.ID, s ID, step, did string, list []Run) (map[audience.ContactID]bool, error)

	SeriesReport(ctx context.Context, t tenant.ID, s ID) (Report, error)
	SeriesRuns(ctx context.Context, t tenant.ID, s ID, f RunFilter) (list []Line, more bool, err error)
	// SeriesDeeds is what the runs of a contact have done, in order.
	SeriesDeeds(ctx context.Context, t tenant.ID, s ID, c audience.ContactID) ([]Deed, error)

	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Members(ctx context.Context, t tenant.ID, g audience.GroupID, f audience.MemberFilter) (audience.MemberPage, error)
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
	Suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

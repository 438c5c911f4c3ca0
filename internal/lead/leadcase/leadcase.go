// Package leadcase keeps the cases that an advertiser or the office opens when leads come
// incomplete or not at all: what was reported, what is known about it, what to do next,
// what was noted and how it ended.
//
// It is floor 3, beside package lead. It gathers its evidence itself from what other rooms
// know: the lead, its XML, what receiving servers said, test leads and the advertiser's
// other leads. It sends nothing.
package leadcase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// IDKind is the id.Kind of cases.
type IDKind struct{}

// Prefix implements id.Kind.
func (IDKind) Prefix() string { return "case" }

// ID names a case.
type ID = id.Of[IDKind]

// Kind is how leads fail.
type Kind string

// The kinds of failure.
const (
	NoXML    Kind = "no_xml"   // the mail came without its XML
	Damaged  Kind = "damaged"  // the XML or the mail came incomplete
	Refused  Kind = "refused"  // the receiving server blocked the mail
	Vanished Kind = "vanished" // accepted, and discarded without notice
	Missing  Kind = "missing"  // did not arrive at all
)

// Kinds are all kinds.
func Kinds() []Kind { return []Kind{NoXML, Damaged, Refused, Vanished, Missing} }

// State of a case.
type State string

// The states.
const (
	Open   State = "open"
	Closed State = "closed"
)

// Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	Redelivered Outcome = "redelivered" // the leads have arrived since
	Receiver    Outcome = "receiver"    // the receiving side changed something
	Sender      Outcome = "sender"      // we, or the tenant, changed something
	Unfounded   Outcome = "unfounded"   // everything had arrived
	Unsolved    Outcome = "unsolved"
)

// Outcomes are all outcomes.
func Outcomes() []Outcome { return []Outcome{Redelivered, Receiver, Sender, Unfounded, Unsolved} }

// Case is one report and what came of it.
type Case struct {
	ID         ID
	Tenant     tenant.ID
	Number     int64 // counted by tenant, from 1
	Kind       Kind
	State      State
	Outcome    Outcome // of Closed
	Advertiser string
	Object     string  // what the advertiser calls it; "" if the report names none
	Lead       lead.ID // zero: the report names none
	Test       lead.ID // the test lead that was sent for it; zero: none
	From, To   time.Time
	// ByAdvertiser tells a report from outside from one of the office.
	ByAdvertiser bool
	Evidence     Evidence
	OpenedAt     time.Time
	ClosedAt     time.Time
}

// Note is something that was said or done in a case.
type Note struct {
	ID     NoteID
	Actor  string // a user's identifier; "" is whoever reported from outside
	Sealed []byte // nil once its time is over
	Text   string // of Sealed; stores do not know it
}

// NoteKind is the id.Kind of notes.
type NoteKind struct{}

// Prefix implements id.Kind.
func (NoteKind) Prefix() string { return "cnote" }

// NoteID names a note and carries its time.
type NoteID = id.Of[NoteKind]

// Filter narrows a list. Zero fields do not.
type Filter struct {
	State      State
	Kind       Kind
	Advertiser string
	Oldest     bool // from old to new; else from new to old
	After      ID   // only those behind it in this order
	Limit      int
}

// Page is a part of a list.
type Page struct {
	Cases []Case
	More  bool
}

// Store is what cases need of the database. Each method is one transaction.
type Store interface {
	// OpenLeadCase opens a case with the next number and its first note. If a case of the
	// same tenant, advertiser, object and lead is open already, it gets the note, as long
	// as it has fewer than notes, and is returned with false.
	OpenLeadCase(ctx context.Context, c Case, first Note, notes int) (Case, bool, error)
	// LeadCase returns one with its notes in order; fault.NotFound "lead_case_not_found".
	LeadCase(ctx context.Context, t tenant.ID, c ID) (Case, []Note, error)
	LeadCases(ctx context.Context, t tenant.ID, f Filter) (Page, error)
	// SettleLeadCase sets state, outcome, test, evidence and closing of a case, and adds
	// the note if there is one.
	SettleLeadCase(ctx context.Context, c Case, n *Note) error
	// CountLeadCases counts the open ones, and says since when the oldest is.
	CountLeadCases(ctx context.Context, t tenant.ID) (n int, since time.Time, err error)
	// DropLeadCaseNotes erases the words of up to limit cases that were closed before, and
	// says how many there were.
	DropLeadCaseNotes(ctx context.Context, before time.Time, limit int) (int, error)
}

// Leads tells of leads; *lead.Service does.
type Leads interface {
	Lead(ctx context.Context, t tenant.ID, number lead.ID) (lead.Lead, error)
	Leads(ctx context.Context, t tenant.ID, f lead.Filter) (lead.Page, error)
	Open(ctx context.Context, l lead.Lead) (lead.Enquiry, []byte, error)
	Proven(ctx context.Context, t tenant.ID, number lead.ID) (lead.Proven, error)
}

// Mail tells what became of messages; insight.Store does.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
}

// Config is what a Service needs; all of it is needed.
type Config struct {
	Store  Store
	Leads  Leads
	Mail   Mail
	Keeper *seal.Keeper
	Now    func() time.Time
}

// Service keeps cases. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service { return &Service{c} }

// Report is what somebody says about leads.
type Report struct {
	Kind       Kind
	Advertiser string
	Lead       *lead.Lead // nil: the report names none
	Object     string     // of a report without a lead
	From, To   time.Time  // of a report without a lead; zero: not said
	Text       string
	// Actor is the user who reports, "" for an advertiser without an account.
	Actor string
}

const (
	maxObject = 200
	maxText   = 4000
	// maxNotes bounds what reports from outside add to a case.
	maxNotes = 30
)

// Codes of refused reports.
const (
	CodeUnknown = "lead_case_not_found"
	CodeKind    = "lead_case_kind"
	CodeText    = "lead_case_text"
	CodeSpan    = "lead_case_span"
	CodeClosed  = "lead_case_closed"
	CodeOutcome = "lead_case_outcome"
)

// Report opens a case, or adds to the one that is open about the same. Errors of the input
// are Invalid with the fields "kind", "object", "text" and "from".
func (s *Service) Report(ctx context.Context, t tenant.ID, r Report) (Case, error) {
	if err := check(r); err != nil {
		return Case{}, err
	}
	now := s.now()
	c := Case{ID: id.New[IDKind](now), Tenant: t, Kind: r.Kind, State: Open, Advertiser: r.Advertiser, Object: r.Object,
		From: r.From, To: r.To, ByAdvertiser: r.Actor == "", OpenedAt: now}
	if r.Lead != nil {
		c.Lead, c.Object = r.Lead.ID, r.Lead.Object
	}
	var err error
	if c.Evidence, err = s.gather(ctx, c); err != nil {
		return Case{}, err
	}
	opened, _, err := s.c.Store.OpenLeadCase(ctx, c, s.note(r.Actor, r.Text), maxNotes)
	if err != nil {
		return Case{}, fmt.Errorf("open case: %w", err)
	}
	return opened, nil
}

func check(r Report) error {
	var found []*fault.Error
	if !slices.Contains(Kinds(), r.Kind) {
		found = append(found, fault.Field("kind", CodeKind, "one of the kinds of failure"))
	}
	if utf8.RuneCountInString(r.Object) > maxObject || strings.ContainsAny(r.Object, "\r\n\x00") {
		found = append(found, fault.Field("object", lead.CodeLong, fmt.Sprintf("at most %d characters on one line", maxObject)))
	}
	if utf8.RuneCountInString(r.Text) > maxText {
		found = append(found, fault.Field("text", CodeText, fmt.Sprintf("at most %d characters", maxText)))
	}
	if !r.From.IsZero() && !r.To.IsZero() && r.To.Before(r.From) {
		found = append(found, fault.Field("from", CodeSpan, "begins after its end"))
	}
	return fault.Join(found)
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// note seals the words of a note under the root key, bound to their place: what
// advertisers write may name prospects.
func (s *Service) note(actor, text string) Note {
	n := Note{ID: id.New[NoteKind](s.now()), Actor: actor, Text: text}
	n.Sealed = s.c.Keeper.Seal([]byte(strings.ToValidUTF8(text, "\uFFFD")), place(n))
	return n
}

func place(n Note) string { return "lead case note/" + n.ID.String() }

// Case returns one with its notes, of which those whose time is over have no text.
func (s *Service) Case(ctx context.Context, t tenant.ID, number ID) (Case, []Note, error) {
	c, notes, err := s.c.Store.LeadCase(ctx, t, number)
	if err != nil {
		return c, nil, fmt.Errorf("read case: %w", err)
	}
	for i, n := range notes {
		if n.Sealed == nil {
			continue
		}
		plain, err := s.c.Keeper.Open(n.Sealed, place(n))
		if err != nil {
			return c, nil, fmt.Errorf("open note of case %s: %w", c.ID, err)
		}
		notes[i].Text = string(plain)
	}
	return c, notes, nil
}

// Cases lists cases.
func (s *Service) Cases(ctx context.Context, t tenant.ID, f Filter) (Page, error) {
	return s.c.Store.LeadCases(ctx, t, f)
}

// casesOf bounds the cases of one advertiser that are looked at.
const casesOf = 200

// CasesOf lists the cases of an advertiser from new to old, the newest two hundred.
func (s *Service) CasesOf(ctx context.Context, t tenant.ID, advertiser string) ([]Case, error) {
	p, err := s.c.Store.LeadCases(ctx, t, Filter{Advertiser: advertiser, Limit: casesOf})
	return p.Cases, err
}

// Say adds a note. An empty one is Invalid with the field "text".
func (s *Service) Say(ctx context.Context, t tenant.ID, number ID, actor, text string) error {
	if text = strings.TrimSpace(text); text == "" || utf8.RuneCountInString(text) > maxText {
		return fault.Field("text", CodeText, fmt.Sprintf("1 to %d characters", maxText))
	}
	return s.settle(ctx, t, number, func(*Case) (*Note, error) {
		n := s.note(actor, text)
		return &n, nil
	})
}

// Look gathers the evidence anew.
func (s *Service) Look(ctx context.Context, t tenant.ID, number ID) error {
	return s.settle(ctx, t, number, func(*Case) (*Note, error) { return nil, nil })
}

// Tested notes the test lead that was sent for a case.
func (s *Service) Tested(ctx context.Context, t tenant.ID, number ID, test lead.ID) error {
	return s.settle(ctx, t, number, func(c *Case) (*Note, error) {
		c.Test = test
		return nil, nil
	})
}

// Close ends a case. Text may be empty.
func (s *Service) Close(ctx context.Context, t tenant.ID, number ID, actor string, how Outcome, text string) error {
	if !slices.Contains(Outcomes(), how) {
		return fault.Field("outcome", CodeOutcome, "one of the outcomes")
	}
	if utf8.RuneCountInString(text) > maxText {
		return fault.Field("text", CodeText, fmt.Sprintf("at most %d characters", maxText))
	}
	return s.settle(ctx, t, number, func(c *Case) (*Note, error) {
		if c.State == Closed {
			return nil, fault.New(fault.Conflict, CodeClosed, "This case is closed already.")
		}
		c.State, c.Outcome, c.ClosedAt = Closed, how, s.now()
		if text = strings.TrimSpace(text); text == "" {
			return nil, nil
		}
		n := s.note(actor, text)
		return &n, nil
	})
}

// settle changes a case, with evidence as it is now.
func (s *Service) settle(ctx context.Context, t tenant.ID, number ID, change func(*Case) (*Note, error)) error {
	c, _, err := s.c.Store.LeadCase(ctx, t, number)
	if err != nil {
		return fmt.Errorf("read case: %w", err)
	}
	n, err := change(&c)
	if err != nil {
		return err
	}
	if c.Evidence, err = s.gather(ctx, c); err != nil {
		return err
	}
	if err := s.c.Store.SettleLeadCase(ctx, c, n); err != nil {
		return fmt.Errorf("settle case: %w", err)
	}
	return nil
}

// NotesKept is how long the words of a case are kept after it was closed.
const NotesKept = 180 * 24 * time.Hour

// Drop erases the words of cases whose time is over.
func (s *Service) Drop(ctx context.Context, now time.Time) error {
	const batch = 500
	for {
		n, err := s.c.Store.DropLeadCaseNotes(ctx, now.Add(-NotesKept), batch)
		if err != nil {
			return fmt.Errorf("drop words of cases: %w", err)
		}
		if n < batch {
			return nil
		}
	}
}

// Waiting has to do where cases are open; it implements insight.TodoSource.
type Waiting struct {
	Store interface {
		CountLeadCases(ctx context.Context, t tenant.ID) (int, time.Time, error)
	}
}

// Todos implements insight.TodoSource.
func (w Waiting) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	n, since, err := w.Store.CountLeadCases(ctx, t)
	if err != nil || n == 0 {
		return nil, err
	}
	return []insight.Todo{{Key: "lead_cases", Kind: "lead_cases", Args: i18n.Args{"n": n}, Mark: "deferred", Link: "/lead-cases?state=open", Since: since}}, nil
}

var _ insight.TodoSource = Waiting{}

// gone reports that a thing a case is about is not there any more.
func gone(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.NotFound
}

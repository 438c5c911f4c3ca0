package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Rules are what a platform decides about approvals.
type Rules struct {
	// Growth is how many new members, in percent of the approved, an approval covers.
	Growth int
	// FourEyes is from how many members on two people approve; 0: never for the size.
	FourEyes int64
}

// DefaultRules are those where nothing is configured.
func DefaultRules() Rules { return Rules{Growth: 10, FourEyes: 5000} }

// Told is what an account is to be told of.
type Told struct {
	Case  Case
	Group audience.Group
	Act   Act // Submit, AskAct, Answer, Approve, Reject or Reopen
	Entry EntryID
}

// Config is what a Service needs. Fields without a stated default are demanded.
type Config struct {
	Store    Store
	Groups   Groups
	Keeper   *seal.Keeper
	Calendar Calendar
	Rules    Rules // zero: DefaultRules
	// Related reports whether whoever has the address email has to do with an account; nil:
	// nobody has.
	Related func(ctx context.Context, email string, t tenant.ID) (bool, error)
	// Tell writes to the people of an account; nil: nobody is told. Its errors are logged.
	Tell func(ctx context.Context, t Told) error
	// Decided is called after each change of a state, to drop what was remembered; nil:
	// nothing is.
	Decided func(t tenant.ID)
	Now     func() time.Time
	Log     *slog.Logger // nil: discard
}

// Service keeps cases. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Groups == nil || c.Keeper == nil || c.Now == nil {
		return nil, errors.New("approval: a demanded part is missing from its configuration")
	}
	if err := c.Calendar.Check(); err != nil {
		return nil, err
	}
	if c.Rules == (Rules{}) {
		c.Rules = DefaultRules()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}, nil
}

// Calendar is the clock of this platform's reviewers.
func (s *Service) Calendar() Calendar { return s.c.Calendar }

// Rules are those in force.
func (s *Service) Rules() Rules { return s.c.Rules }

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// secret is what of a case is kept unreadable.
type secret struct {
	Submission, Draft Submission
	DraftedAt         time.Time
	Left              time.Duration
	Last              string
	ClaimedAt         time.Time
	FirstBy           string
	FirstAt           time.Time
	DecidedBy         string
	RejectedBy        string
	Content           Content
	Findings          []Finding
	ExaminedAt        time.Time
	Change            Drift
}

func place(c ID) string { return "approval/" + c.String() }

func (s *Service) pack(c Case, freed bool) (Row, error) {
	text, err := json.Marshal(secret{c.Submission, c.Draft, c.DraftedAt, c.Left, c.Last, c.ClaimedAt, c.FirstBy, c.FirstAt,
		c.DecidedBy, c.RejectedBy, c.Content, c.Findings, c.ExaminedAt, c.Change})
	if err != nil {
		return Row{}, fmt.Errorf("pack approval: %w", err)
	}
	return Row{ID: c.ID, Tenant: c.Tenant, Group: c.Group, Version: c.Version, State: c.State, Since: c.Since, SubmittedAt: c.SubmittedAt,
		Due: c.Due, DecidedAt: c.DecidedAt, ClaimedBy: c.ClaimedBy, Examined: c.State != InReview || !c.ExaminedAt.IsZero(), Freed: freed,
		Sealed: s.c.Keeper.Seal(text, place(c.ID))}, nil
}

func (s *Service) unpack(r Row) (Case, error) {
	var v secret
	text, err := s.c.Keeper.Open(r.Sealed, place(r.ID))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return Case{}, fmt.Errorf("open approval %s: %w", r.ID, err)
	}
	return Case{ID: r.ID, Tenant: r.Tenant, Group: r.Group, Version: r.Version, State: r.State, Since: r.Since, SubmittedAt: r.SubmittedAt,
		Due: r.Due, DecidedAt: r.DecidedAt, ClaimedBy: r.ClaimedBy, Submission: v.Submission, Draft: v.Draft, DraftedAt: v.DraftedAt, Left: v.Left,
		Last: v.Last, ClaimedAt: v.ClaimedAt, FirstBy: v.FirstBy, FirstAt: v.FirstAt, DecidedBy: v.DecidedBy, RejectedBy: v.RejectedBy, Content: v.Content,
		Findings: v.Findings, ExaminedAt: v.ExaminedAt, Change: v.Change}, nil
}

func (s *Service) unpackAll(rows []Row, err error) ([]Case, error) {
	if err != nil {
		return nil, err
	}
	list := make([]Case, len(rows))
	for i, r := range rows {
		if list[i], err = s.unpack(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Case returns the case of a tenant's group; one nobody has said anything of is in the
// state Required. An approved group that is not any more what was approved is reopened.
// Errors: NotFound "group_not_found".
func (s *Service) Case(ctx context.Context, t tenant.ID, g audience.GroupID) (Case, audience.Group, error) {
	group, err := s.c.Groups.Group(ctx, t, g)
	if err != nil {
		return Case{}, group, fmt.Errorf("read group: %w", err)
	}
	c, err := s.stored(ctx, t, g)
	if err == nil && c.State == Approved {
		c, err = s.held(ctx, c, group)
	}
	return c, group, err
}

func (s *Service) stored(ctx context.Context, t tenant.ID, g audience.GroupID) (Case, error) {
	r, ok, err := s.c.Store.Approval(ctx, t, g)
	if err != nil {
		return Case{}, fmt.Errorf("read approval: %w", err)
	}
	if !ok {
		return Case{Tenant: t, Group: g, State: Required, Since: g.Time()}, nil
	}
	return s.unpack(r)
}

// OfGroups implements audience.Approvals. As with Case, an approved group that is not any
// more what was approved is reopened first: whoever imported from a new source and looks at
// the group reads what sending will say.
func (s *Service) OfGroups(ctx context.Context, t tenant.ID, groups []audience.GroupID) (map[audience.GroupID]audience.Approval, error) {
	cases, err := s.Cases(ctx, t)
	if err != nil {
		return nil, err
	}
	known := make(map[audience.GroupID]audience.Approval, len(groups))
	for _, g := range groups {
		c, ok := cases[g]
		if !ok {
			continue
		}
		if c, err = s.asItIs(ctx, c); err != nil {
			return nil, err
		}
		one := audience.Approval{State: audience.ApprovalState(c.State), Since: c.Since, Due: c.Due}
		if c.State == Question {
			one.Question = c.Last
		}
		known[g] = one
	}
	return known, nil
}

var _ audience.Approvals = (*Service)(nil)

// asItIs is a case after its group was held against what was approved. A group that was
// deleted meanwhile leaves its case as it is.
func (s *Service) asItIs(ctx context.Context, c Case) (Case, error) {
	if c.State != Approved {
		return c, nil
	}
	g, err := s.c.Groups.Group(ctx, c.Tenant, c.Group)
	if f := fault.As(err); f != nil && f.Kind == fault.NotFound {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read group: %w", err)
	}
	return s.held(ctx, c, g)
}

// Cases returns the cases of a tenant by group; groups that are not in it are Required.
func (s *Service) Cases(ctx context.Context, t tenant.ID) (map[audience.GroupID]Case, error) {
	list, err := s.unpackAll(s.c.Store.Approvals(ctx, t))
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	all := make(map[audience.GroupID]Case, len(list))
	for _, c := range list {
		all[c.Group] = c
	}
	return all, nil
}

// ContentNow is what a group is now, as approvals are bound to it.
func (s *Service) ContentNow(ctx context.Context, g audience.Group) (Content, error) {
	return s.content(ctx, g)
}

// content is what a group is now.
func (s *Service) content(ctx context.Context, g audience.Group) (Content, error) {
	facts, err := s.c.Groups.GroupFacts(ctx, g.Tenant, g.ID, time.Time{})
	if err != nil {
		return Content{}, fmt.Errorf("read content of group: %w", err)
	}
	return ContentOf(g, facts), nil
}

// held holds an approved group against what was approved, and takes the approval back if
// it is something else.
func (s *Service) held(ctx context.Context, c Case, g audience.Group) (Case, error) {
	now, err := s.content(ctx, g)
	if err != nil {
		return c, err
	}
	drift := c.Content.Drift(now, s.c.Rules.Growth)
	if drift.IsZero() {
		return c, nil
	}
	c.Change, c.Draft, c.DraftedAt = drift, c.Submission, s.now()
	c.Draft.Read = false
	reopened, err := s.act(ctx, c, g, step{act: Reopen, actor: "system"})
	if f := fault.As(err); f != nil && f.Kind == fault.Conflict { // somebody was quicker
		return s.stored(ctx, c.Tenant, c.Group)
	}
	return reopened, err
}

// step is one act with what was said and shown.
type step struct {
	act   Act
	actor string
	text  string
	files []File
}

// act does something in a case and keeps it, with its line in the log.
func (s *Service) act(ctx context.Context, c Case, g audience.Group, do step) (Case, error) {
	next, ok := c.State.After(do.act)
	if !ok {
		return c, fault.New(fault.Conflict, CodeStep, "The approval is "+string(c.State)+"; this cannot be done now.")
	}
	now := s.now()
	if next != c.State || c.Since.IsZero() {
		c.Since = now
	}
	c.State = next
	if c.ID.IsZero() {
		c.ID = id.New[Kind](now)
	}
	c.Version++
	entry, exhibits, err := s.record(c, now, do)
	if err != nil {
		return c, err
	}
	row, err := s.pack(c, c.State != Approved || do.act != Approve)
	if err != nil {
		return c, err
	}
	if err := s.c.Store.SaveApproval(ctx, row, []Line{entry}, exhibits); err != nil {
		return c, fmt.Errorf("save approval: %w", err)
	}
	if s.c.Decided != nil {
		s.c.Decided(c.Tenant)
	}
	if s.c.Tell != nil && slices.Contains([]Act{Submit, AskAct, Answer, Approve, Reject, Reopen}, do.act) {
		if err := s.c.Tell(ctx, Told{Case: c, Group: g, Act: do.act, Entry: entry.ID}); err != nil {
			s.c.Log.Error("approval not told", "tenant", c.Tenant.String(), "case", c.ID.String(), "err", err)
		}
	}
	return c, nil
}

// said is what of an Entry is kept unreadable.
type said struct {
	Text  string   `json:",omitempty"`
	Files []FileID `json:",omitempty"`
}

// record makes the line and the evidence of a step.
func (s *Service) record(c Case, now time.Time, do step) (Line, []Exhibit, error) {
	words := said{Text: do.text}
	var exhibits []Exhibit
	for _, f := range do.files {
		x, err := s.exhibit(c.ID, f)
		if err != nil {
			return Line{}, nil, err
		}
		words.Files, exhibits = append(words.Files, f.ID), append(exhibits, x)
	}
	line := Line{ID: id.New[EntryKind](now), Act: do.act, Actor: do.actor}
	text, err := json.Marshal(words)
	if err != nil {
		return Line{}, nil, fmt.Errorf("record step: %w", err)
	}
	line.Sealed = s.c.Keeper.Seal(text, place(c.ID)+"/"+line.ID.String())
	return line, exhibits, nil
}

func (s *Service) exhibit(c ID, f File) (Exhibit, error) {
	body := f.Body
	f.Body = nil
	meta, err := json.Marshal(f)
	if err != nil {
		return Exhibit{}, fmt.Errorf("keep evidence: %w", err)
	}
	at := place(c) + "/" + f.ID.String()
	return Exhibit{ID: f.ID, Meta: s.c.Keeper.Seal(meta, at), Body: s.c.Keeper.Seal(body, at+"/body")}, nil
}

// Log returns what was done and said in a case, from old to new.
func (s *Service) Log(ctx context.Context, c Case) ([]Entry, error) {
	lines, err := s.c.Store.ApprovalLog(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, fmt.Errorf("read log of approval: %w", err)
	}
	list := make([]Entry, 0, len(lines))
	for _, l := range lines {
		var words said
		text, err := s.c.Keeper.Open(l.Sealed, place(c.ID)+"/"+l.ID.String())
		if err == nil {
			err = json.Unmarshal(text, &words)
		}
		if err != nil {
			return nil, fmt.Errorf("open log of approval: %w", err)
		}
		list = append(list, Entry{ID: l.ID, Act: l.Act, Actor: l.Actor, Text: words.Text, Files: words.Files})
	}
	return list, nil
}

// Files lists the evidence of a case, without its bodies.
func (s *Service) Files(ctx context.Context, c Case) ([]File, error) {
	found, err := s.c.Store.Exhibits(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, fmt.Errorf("list evidence: %w", err)
	}
	list := make([]File, 0, len(found))
	for _, x := range found {
		f, err := s.openFile(c.ID, x)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// File returns a piece of evidence with its body. Errors: NotFound "approval_not_found".
func (s *Service) File(ctx context.Context, c Case, f FileID) (File, error) {
	x, err := s.c.Store.Exhibit(ctx, c.Tenant, c.ID, f)
	if err != nil {
		return File{}, fmt.Errorf("read evidence: %w", err)
	}
	return s.openFile(c.ID, x)
}

func (s *Service) openFile(c ID, x Exhibit) (f File, err error) {
	at := place(c) + "/" + x.ID.String()
	meta, err := s.c.Keeper.Open(x.Meta, at)
	if err == nil {
		err = json.Unmarshal(meta, &f)
	}
	if err == nil && x.Body != nil {
		f.Body, err = s.c.Keeper.Open(x.Body, at+"/body")
	}
	if err != nil {
		return File{}, fmt.Errorf("open evidence %s: %w", x.ID, err)
	}
	return f, nil
}

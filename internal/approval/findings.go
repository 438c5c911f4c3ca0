package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Mark says how a Finding weighs.
type Mark string

// The marks, from light to heavy.
const (
	Plain    Mark = "plain"    // nothing to note
	Notable  Mark = "notable"  // worth a look
	Alarming Mark = "alarming" // speaks against the group
)

// What findings are about.
const (
	FindForm       = "form"       // the page with the form
	FindRole       = "role"       // addresses of jobs, not of people
	FindDisposable = "disposable" // addresses that vanish
	FindTypo       = "typo"       // slips, of which confirmed addresses have none
	FindDead       = "dead"       // domains that take no mail
	FindSuppressed = "suppressed" // said no, complained or do not exist
	FindOptIn      = "opt_in"     // consents that members confirmed here, by double opt-in
	FindAge        = "age"        // contacts stored over two years ago
	FindHistory    = "history"    // how the account's bulk mail fared
	FindDecisions  = "decisions"  // earlier approvals and rejections
)

// Finding is one thing that was found out without a person.
type Finding struct {
	About string    `json:"about"` // FindForm, …
	Mark  Mark      `json:"mark"`
	N     int       `json:"n"`              // of Of
	Of    int       `json:"of"`             // 0: nothing was counted
	Code  string    `json:"code,omitempty"` // what exactly; FormFound, … for FindForm
	Text  string    `json:"text,omitempty"` // foreign words: a quotation from the form
	At    time.Time `json:"at"`
}

const (
	// sampled is how many members shares are judged by; SampleMembers takes 100 at once.
	sampled     = 400
	samplePart  = 100
	sampleShown = 20
	oldAfter    = 2 * 365 * 24 * time.Hour
	historyTime = 30 * 24 * time.Hour
)

// ExaminerConfig is what an Examiner needs; all of it.
type ExaminerConfig struct {
	Service *Service
	// Validator tells of addresses without asking their servers.
	Validator interface {
		ValidateAll(ctx context.Context, t tenant.ID, s tenant.Stream, list []string) ([]audience.Verdict, error)
	}
	// History counts how an account's bulk mail fared since an instant.
	History func(ctx context.Context, t tenant.ID, since time.Time) (audience.Tally, error)
	Pages   *Pages
	// Consents counts confirmed consents; nil: none can have been given here.
	Consents Consents
}

// Consents knows what people confirmed.
type Consents interface {
	// Hash is that of an address of a tenant, by which consents are kept.
	Hash(t tenant.ID, a message.Address) audience.Hash
	// Confirmed counts addresses, given by their hashes, of which a consent holds that was
	// confirmed by double opt-in. At most 100 are asked for at once.
	Confirmed(ctx context.Context, t tenant.ID, list []audience.Hash) (int, error)
}

// Examiner gathers findings about groups in review. It is safe for concurrent use.
type Examiner struct{ c ExaminerConfig }

// NewExaminer makes an Examiner.
func NewExaminer(c ExaminerConfig) *Examiner { return &Examiner{c} }

// Sample are members to look at, at most 20; the same for everybody who looks at the same
// submission.
func (s *Service) Sample(ctx context.Context, c Case) ([]audience.Contact, error) {
	list, err := s.c.Groups.SampleMembers(ctx, c.Tenant, c.Group, sampleShown, seed(c, 0))
	if err != nil {
		return nil, fmt.Errorf("draw sample: %w", err)
	}
	return list, nil
}

// seed differs by submission, so that nobody can arrange the sample in advance.
func seed(c Case, part uint64) uint64 {
	var n uint64
	for _, b := range c.ID[8:] {
		n = n<<8 | uint64(b)
	}
	return n ^ uint64(c.SubmittedAt.UnixMilli())<<8 ^ part
}

// Turn examines cases in review whose findings are missing, and returns how many; a chore
// of one node.
func (e *Examiner) Turn(ctx context.Context) (n int, err error) {
	queue, err := e.c.Service.Queue(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, c := range queue {
		if c.State != InReview || !c.ExaminedAt.IsZero() {
			continue
		}
		if err := e.Examine(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("examine %s: %w", c.ID, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// Examine gathers the findings about a case anew and keeps them, unless the case was
// changed meanwhile.
func (e *Examiner) Examine(ctx context.Context, c Case) error {
	s := e.c.Service
	members, err := e.draw(ctx, c)
	if err != nil {
		return err
	}
	c.Findings = e.forms(ctx, c)
	more, err := e.addresses(ctx, c, members)
	if err != nil {
		return err
	}
	c.Findings = append(append(c.Findings, more...), e.ages(members))
	if c.Findings, err = e.optIns(ctx, c, members); err != nil {
		return err
	}
	more, err = e.account(ctx, c)
	if err != nil {
		return err
	}
	c.ExaminedAt, c.Findings = s.now(), append(c.Findings, more...)
	for i := range c.Findings {
		c.Findings[i].At = c.ExaminedAt
	}
	row, err := s.pack(c, true)
	if err != nil {
		return err
	}
	if _, err := s.c.Store.NoteApproval(ctx, row); err != nil {
		return fmt.Errorf("keep findings: %w", err)
	}
	return nil
}

// draw takes a sample large enough to tell shares by, each member once.
func (e *Examiner) draw(ctx context.Context, c Case) (list []audience.Contact, err error) {
	seen := map[audience.ContactID]bool{}
	for part := range uint64(sampled / samplePart) {
		some, err := e.c.Service.c.Groups.SampleMembers(ctx, c.Tenant, c.Group, samplePart, seed(c, part+1))
		if fault.IsKind(err, fault.NotFound) {
			return nil, nil // deleted
		}
		if err != nil {
			return nil, fmt.Errorf("draw sample: %w", err)
		}
		for _, m := range some {
			if !seen[m.ID] {
				seen[m.ID] = true
				list = append(list, m)
			}
		}
		if len(some) < samplePart {
			break
		}
	}
	return list, nil
}

func (e *Examiner) forms(ctx context.Context, c Case) (list []Finding) {
	for _, source := range c.Submission.Sources {
		if source.FormURL != "" && e.c.Pages != nil {
			list = append(list, e.c.Pages.Look(ctx, source.FormURL))
		}
	}
	return list
}

// scale is from which shares on, in percent, a finding is notable and alarming.
type scale struct{ notable, alarming int }

func scaleOf(about string) scale {
	switch about {
	case FindRole:
		return scale{20, 60}
	case FindDisposable:
		return scale{0, 3}
	case FindSuppressed:
		return scale{1, 10}
	case FindAge:
		return scale{1, 50}
	}
	return scale{1, 5}
}

// share makes a finding of a count.
func share(about string, n, of int) Finding {
	f := Finding{About: about, Mark: Plain, N: n, Of: of}
	switch s := scaleOf(about); {
	case n > 0 && n*100 > s.alarming*of:
		f.Mark = Alarming
	case n > 0 && n*100 > s.notable*of:
		f.Mark = Notable
	}
	return f
}

func (e *Examiner) addresses(ctx context.Context, c Case, members []audience.Contact) ([]Finding, error) {
	count := map[string]int{}
	texts := make([]string, 0, len(members))
	for _, m := range members {
		if a := m.Main(); a != (message.Address{}) {
			texts = append(texts, a.String())
		}
	}
	for part := range slices.Chunk(texts, samplePart) {
		verdicts, err := e.c.Validator.ValidateAll(ctx, c.Tenant, tenant.Newsletter, part)
		if err != nil {
			return nil, fmt.Errorf("look at addresses: %w", err)
		}
		for _, v := range verdicts {
			for _, f := range v.Findings {
				count[aboutOf(f.Code)]++
			}
		}
	}
	var list []Finding
	for _, about := range []string{FindRole, FindDisposable, FindTypo, FindDead, FindSuppressed} {
		list = append(list, share(about, count[about], len(texts)))
	}
	return list, nil
}

// aboutOf is what a finding about an address counts for.
func aboutOf(code string) string {
	switch code {
	case audience.FindRole:
		return FindRole
	case audience.FindDisposable:
		return FindDisposable
	case audience.FindTypo:
		return FindTypo
	case audience.FindNoDomain, audience.FindNoMail, audience.FindNoHost:
		return FindDead
	case audience.FindSuppressed:
		return FindSuppressed
	}
	return ""
}

// optIns adds for how many of the members a confirmed consent is kept here. Few speak
// against a group only if it says that its addresses were confirmed, and weigh little even
// then: they may have been elsewhere.
func (e *Examiner) optIns(ctx context.Context, c Case, members []audience.Contact) ([]Finding, error) {
	if e.c.Consents == nil || len(members) == 0 {
		return c.Findings, nil
	}
	f := Finding{About: FindOptIn, Mark: Plain, Of: len(members)}
	for part := range slices.Chunk(members, samplePart) {
		list := make([]audience.Hash, len(part))
		for i, m := range part {
			list[i] = e.c.Consents.Hash(c.Tenant, m.Main())
		}
		n, err := e.c.Consents.Confirmed(ctx, c.Tenant, list)
		if err != nil {
			return nil, fmt.Errorf("count confirmed consents: %w", err)
		}
		f.N += n
	}
	said := slices.ContainsFunc(c.Submission.Sources, func(s Source) bool { return s.Kind == DoubleOptIn })
	if said && f.N*2 < f.Of {
		f.Mark = Notable
	}
	return append(c.Findings, f), nil
}

func (e *Examiner) ages(members []audience.Contact) Finding {
	old := 0
	limit := e.c.Service.now().Add(-oldAfter)
	for _, m := range members {
		if m.CreatedAt.Before(limit) {
			old++
		}
	}
	return share(FindAge, old, len(members))
}

// account tells how the account fared before: its mail, and its other groups.
func (e *Examiner) account(ctx context.Context, c Case) ([]Finding, error) {
	var list []Finding
	v, err := e.c.History(ctx, c.Tenant, e.c.Service.now().Add(-historyTime))
	if err != nil {
		return nil, fmt.Errorf("count mail of account: %w", err)
	}
	history := Finding{About: FindHistory, Mark: Plain, N: v.Complaints + v.Hard, Of: v.Sent}
	switch bad := v.Complaints*1000 > v.Sent; { // CSA: 0.1 % complaints, 1 % hard bounces
	case v.Sent > 0 && v.Complaints*1000 > 3*v.Sent:
		history.Mark = Alarming
	case v.Sent > 0 && (bad || v.Hard*100 > v.Sent):
		history.Mark = Notable
	}
	acts, err := e.c.Service.c.Store.Decisions(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("count decisions: %w", err)
	}
	decisions := Finding{About: FindDecisions, Mark: Plain, N: acts[Reject], Of: acts[Reject] + acts[Approve]}
	if acts[Reject] > 0 {
		decisions.Mark = Notable
	}
	return append(list, history, decisions), nil
}

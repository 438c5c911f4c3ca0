package approval

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// reviewsShown bounds the queue of reviewers.
const reviewsShown = 500

// Queue returns the cases of all tenants that are in review or wait for an answer, those
// due first first.
func (s *Service) Queue(ctx context.Context) ([]Case, error) {
	list, err := s.unpackAll(s.c.Store.Reviews(ctx, []State{InReview, Question}, reviewsShown))
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", err)
	}
	return list, nil
}

// Review returns a case with its group, whosever it is; for staff of the platform. A group
// that was deleted comes with its identifier alone. Errors: NotFound "approval_not_found".
func (s *Service) Review(ctx context.Context, c ID) (Case, audience.Group, error) {
	r, err := s.c.Store.Review(ctx, c)
	if err != nil {
		return Case{}, audience.Group{}, fmt.Errorf("read review: %w", err)
	}
	one, err := s.unpack(r)
	if err != nil {
		return Case{}, audience.Group{}, err
	}
	g, err := s.c.Groups.Group(ctx, one.Tenant, one.Group)
	if fault.IsKind(err, fault.NotFound) {
		return one, audience.Group{ID: one.Group, Tenant: one.Tenant}, nil
	}
	return one, g, err
}

// Reviewer is who looks at cases for the platform.
type Reviewer struct {
	Actor string // text of a user's or key's identifier
	Email string // of a person
	// Program: a key, which stands for one pair of eyes with whoever holds it and so can
	// neither give nor complete the approval of two.
	Program bool
}

// Claim gives a case to a reviewer, who then alone decides it, until it is given back.
// Errors: Forbidden "approval_own", Conflict "approval_claimed", "approval_step".
func (s *Service) Claim(ctx context.Context, c ID, who Reviewer) (Case, error) {
	one, g, err := s.turn(ctx, c, who)
	if err != nil {
		return one, err
	}
	one.ClaimedBy, one.ClaimedAt = who.Actor, s.now()
	return s.act(ctx, one, g, step{act: Claim, actor: who.Actor})
}

// Release gives a case back to the queue.
func (s *Service) Release(ctx context.Context, c ID, who Reviewer) (Case, error) {
	one, g, err := s.turn(ctx, c, who)
	if err != nil {
		return one, err
	}
	one.ClaimedBy, one.ClaimedAt = "", time.Time{}
	return s.act(ctx, one, g, step{act: Release, actor: who.Actor})
}

// Impartial refuses who has to do with an account: nobody decides about their own, and
// nobody locks it. Errors: Forbidden "approval_own".
func (s *Service) Impartial(ctx context.Context, t tenant.ID, who Reviewer) error {
	if s.c.Related == nil || who.Email == "" {
		return nil
	}
	own, err := s.c.Related(ctx, who.Email, t)
	if err != nil {
		return fmt.Errorf("compare reviewer with account: %w", err)
	}
	if own {
		return fault.New(fault.Forbidden, CodeOwn, "Nobody decides about an account they have to do with.")
	}
	return nil
}

// turn reads a case that a reviewer is about to do something in.
func (s *Service) turn(ctx context.Context, c ID, who Reviewer) (Case, audience.Group, error) {
	one, g, err := s.Review(ctx, c)
	if err != nil {
		return one, g, err
	}
	if err := s.Impartial(ctx, one.Tenant, who); err != nil {
		return one, g, err
	}
	if one.ClaimedBy != "" && one.ClaimedBy != who.Actor {
		return one, g, fault.New(fault.Conflict, CodeClaimed, "Another person has this case.")
	}
	return one, g, nil
}

// Decision is what a reviewer says.
type Decision string

// The decisions.
const (
	DecideApprove  Decision = "approve"
	DecideQuestion Decision = "question"
	DecideReject   Decision = "reject"
)

// Decisions are all decisions.
func Decisions() []Decision { return []Decision{DecideApprove, DecideQuestion, DecideReject} }

// Verdict is a decision with its reason and what it is about.
type Verdict struct {
	Case     ID
	Decision Decision
	// Reason is what the account reads, word for word.
	Reason string
	// Seen is Content.Hash of what the reviewer looked at; a group that is something else by
	// now is not decided about. Zero: not held against anything.
	Seen [32]byte
	who  Reviewer
}

// Decide decides a case. Where four eyes are needed the first approval only counts: the
// case goes back to the queue, for another person. Errors: Invalid "approval_decision"
// (field "decision"), "approval_reason" (field "reason"); Forbidden "approval_own",
// "approval_second"; Conflict "approval_claimed", "approval_step", "approval_changed".
func (s *Service) Decide(ctx context.Context, v Verdict, who Reviewer) (Case, error) {
	v.who = who
	var wrong []*fault.Error
	if !slices.Contains(Decisions(), v.Decision) {
		wrong = append(wrong, fault.Field("decision", "approval_decision", "A decision is approve, question or reject."))
	}
	if v.Reason = tidy(v.Reason); utf8.RuneCountInString(v.Reason) < 10 || !readable(v.Reason, maxText) {
		wrong = append(wrong, fault.Field("reason", "approval_reason", "A decision has a reason of 10 to 4,000 characters."))
	}
	if err := fault.Join(wrong); err != nil {
		return Case{}, err
	}
	c, g, err := s.turn(ctx, v.Case, who)
	if err != nil {
		return c, err
	}
	if c.RejectedBy == who.Actor && v.Decision != DecideQuestion {
		return c, fault.New(fault.Forbidden, CodeSecond, "Another person decides after a rejection.")
	}
	switch v.Decision {
	case DecideApprove:
		return s.approve(ctx, c, g, v)
	case DecideQuestion:
		c.Left, c.Due, c.Last = s.c.Calendar.Between(s.now(), c.Due), time.Time{}, v.Reason
		return s.act(ctx, c, g, step{act: AskAct, actor: who.Actor, text: v.Reason})
	case DecideReject:
	}
	c.RejectedBy = who.Actor
	return s.act(ctx, s.decided(c, v), g, step{act: Reject, actor: who.Actor, text: v.Reason})
}

func (s *Service) decided(c Case, v Verdict) Case {
	c.Last, c.Due, c.Left = v.Reason, time.Time{}, 0
	c.DecidedBy, c.DecidedAt = v.who.Actor, s.now()
	c.ClaimedBy, c.ClaimedAt = "", time.Time{}
	return c
}

// approve binds the approval to what the group is now, which must be what was looked at.
func (s *Service) approve(ctx context.Context, c Case, g audience.Group, v Verdict) (Case, error) {
	if g.Name == "" {
		return c, fault.New(fault.Conflict, CodeStep, "The group was deleted.")
	}
	now, err := s.content(ctx, g)
	if err != nil {
		return c, err
	}
	if v.Seen != ([32]byte{}) && v.Seen != now.Hash() {
		return c, fault.New(fault.Conflict, CodeChanged, "The group has changed since this page was opened.")
	}
	before := c.Content
	c.Content = now
	if len(c.Risks(s.c.Rules)) > 0 {
		switch {
		case v.who.Program:
			return c, fault.New(fault.Forbidden, CodeSecond, "Two people approve this group; a key is none.")
		case c.FirstBy == v.who.Actor:
			return c, fault.New(fault.Forbidden, CodeSecond, "The second approval must be another person's.")
		case c.FirstBy == "", !before.Equal(now): // whoever was first did not see this
			c.FirstBy, c.FirstAt, c.ClaimedBy, c.ClaimedAt = v.who.Actor, s.now(), "", time.Time{}
			return s.act(ctx, c, g, step{act: First, actor: v.who.Actor, text: v.Reason})
		}
	}
	c.RejectedBy = ""
	c, err = s.act(ctx, s.decided(c, v), g, step{act: Approve, actor: v.who.Actor, text: v.Reason})
	if err == nil {
		if err := s.free(ctx, c); err != nil { // the chore does it again
			s.c.Log.Warn("held mail of an approved group not freed yet", "tenant", c.Tenant.String(), "err", err)
		}
	}
	return c, err
}

// Risks are why two people must approve: "size", "source" or "findings"; none where one
// may.
func (c Case) Risks(r Rules) (list []string) {
	if r.FourEyes > 0 && c.Content.Members >= r.FourEyes {
		list = append(list, "size")
	}
	if slices.Contains(c.Submission.Kinds(), ExistingCustomer) {
		list = append(list, "source")
	}
	if slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Mark == Alarming }) {
		list = append(list, "findings")
	}
	return list
}

const freePage = 500

// free lets mail go that waited for an approval. What still may not go is held again at
// the moment of sending.
func (s *Service) free(ctx context.Context, c Case) error {
	for {
		n, err := s.c.Store.FreeUnapproved(ctx, c.Tenant, freePage, s.now())
		if err != nil {
			return fmt.Errorf("free held mail: %w", err)
		}
		if n < freePage {
			break
		}
	}
	row, err := s.pack(c, true)
	if err == nil {
		_, err = s.c.Store.NoteApproval(ctx, row)
	}
	return err
}

// Resume frees what an approval lets go where that was cut short; a chore of one node.
func (s *Service) Resume(ctx context.Context) error {
	list, err := s.unpackAll(s.c.Store.UnfreedApprovals(ctx, 100))
	if err != nil {
		return fmt.Errorf("list approvals to free: %w", err)
	}
	for _, c := range list {
		if err := s.free(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

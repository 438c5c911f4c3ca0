package approval

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// mayWrite reports whether the account may describe the group in the state.
func (c Case) mayWrite() bool { return c.State == Required || c.State == Rejected }

// SaveDraft keeps what an account has written so far, however incomplete; what no
// submission could have is refused as Submission.Check does. Files go with it. Errors:
// Conflict "approval_step" while the group is in review or approved, "approval_changed".
func (s *Service) SaveDraft(ctx context.Context, t tenant.ID, g audience.GroupID, d Submission, files []File, actor string) (Case, error) {
	c, _, err := s.Case(ctx, t, g)
	if err != nil {
		return c, err
	}
	if !c.mayWrite() {
		return c, fault.New(fault.Conflict, CodeStep, "The approval is "+string(c.State)+"; nothing can be described now.")
	}
	if err := d.bound(); err != nil {
		return c, err
	}
	now := s.now()
	if c.ID.IsZero() {
		c.ID = id.New[Kind](now)
	}
	c.Version++
	c.Draft, c.DraftedAt = d, now
	row, err := s.pack(c, true)
	if err != nil {
		return c, err
	}
	var exhibits []Exhibit
	for _, f := range files {
		x, err := s.exhibit(c.ID, f)
		if err != nil {
			return c, err
		}
		exhibits = append(exhibits, x)
	}
	if err := s.c.Store.SaveApproval(ctx, row, nil, exhibits); err != nil {
		return c, fmt.Errorf("save draft of %s: %w", actor, err)
	}
	return c, nil
}

// bound refuses drafts that are larger than any submission.
func (s *Submission) bound() error {
	long := fault.Field("sources", "approval_text", "A draft has more than a submission may have.")
	if len(s.Sources) > MaxSources || !oneLine(s.Contact.Name+s.Contact.Email+s.Contact.Phone, 3*maxLine) {
		return long
	}
	for _, one := range s.Sources {
		if one.Kind != "" && !one.Kind.Valid() || !readable(tidy(one.Description), maxText) || len(one.FormURL) > maxURL || len(one.Answers) > 20 || len(one.Confirmed) > 20 {
			return long
		}
		for key, text := range one.Answers {
			if len(key) > maxLine || !readable(tidy(text), maxAnswer) {
				return long
			}
		}
	}
	return nil
}

// Submit hands a group in for review. The clock begins, and findings are gathered anew.
// Errors: those of Submission.Check, Conflict "approval_step", "approval_changed".
func (s *Service) Submit(ctx context.Context, t tenant.ID, g audience.GroupID, sub Submission, actor string) (Case, error) {
	if err := sub.Check(); err != nil {
		return Case{}, err
	}
	c, group, err := s.Case(ctx, t, g)
	if err != nil {
		return c, err
	}
	if c.Content, err = s.content(ctx, group); err != nil {
		return c, err
	}
	now := s.now()
	c.Submission, c.Draft, c.DraftedAt, c.SubmittedAt = sub, Submission{}, time.Time{}, now
	c.Due, c.Left, c.Last, c.Change = s.c.Calendar.After(now, s.c.Calendar.Day()), 0, "", Drift{}
	c.ClaimedBy, c.ClaimedAt, c.FirstBy, c.FirstAt = "", time.Time{}, "", time.Time{}
	c.Findings, c.ExaminedAt = nil, time.Time{}
	return s.act(ctx, c, group, step{act: Submit, actor: actor})
}

// Answer answers a question, or adds to a group in review what was not asked for. The
// clock goes on from where it rested, with a quarter of a day at least. Errors: Invalid
// "approval_answer" (field "text"), Conflict "approval_step", "approval_changed".
func (s *Service) Answer(ctx context.Context, t tenant.ID, g audience.GroupID, text string, files []File, actor string) (Case, error) {
	if text = tidy(text); !readable(text, maxText) || utf8.RuneCountInString(text) < 3 {
		return Case{}, fault.Field("text", "approval_answer", "An answer has 3 to 4,000 characters.")
	}
	c, group, err := s.Case(ctx, t, g)
	if err != nil {
		return c, err
	}
	if c.State == InReview {
		return s.act(ctx, c, group, step{Amend, actor, text, files})
	}
	if c.State == Question {
		c.Due = s.c.Calendar.After(s.now(), max(c.Left, s.c.Calendar.Day()/4))
		c.Left = 0
	}
	return s.act(ctx, c, group, step{Answer, actor, text, files})
}

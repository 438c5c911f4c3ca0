package campaign

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/template"
)

// Ready says what keeps a campaign from being sent: Invalid with the fields of its form,
// Forbidden "group_not_approved" with "group_ids/n". nil: nothing does.
func (s *Service) Ready(ctx context.Context, c Campaign) error {
	if err := c.complete(); err != nil {
		return err
	}
	f, err := newForm(c)
	if err != nil {
		return err
	}
	if err := s.readyLetter(ctx, c, f); err != nil {
		return err
	}
	if c.Trial.Share > 0 {
		other := c.as(VersionB)
		if f, err = newForm(other); err == nil {
			err = s.readyLetter(ctx, other, f)
		}
		if err != nil {
			return inTrial(err)
		}
	}
	if err := s.readyReview(ctx, c); err != nil {
		return err
	}
	return s.readyGroups(ctx, c)
}

// complete says what a campaign lacks to be sent.
func (c Campaign) complete() error {
	var wrong []*fault.Error
	bad := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	l := c.Letter
	for field, value := range map[string]string{"from": l.From, "subject": l.Subject} {
		if strings.TrimSpace(value) == "" {
			bad(field, CodeValue, "This is needed to send.")
		}
	}
	if strings.TrimSpace(l.HTML) == "" && strings.TrimSpace(l.Text) == "" {
		bad(l.Field(), CodeValue, "This is needed to send.")
	}
	if len(c.Groups) == 0 {
		bad("group_ids", CodeValue, "This is needed to send.")
	}
	return fault.Join(wrong)
}

// readyLetter refuses variables that no contact has, and mail that shows no way out.
func (s *Service) readyLetter(ctx context.Context, c Campaign, f *form) error {
	declared, err := s.c.Store.Fields(ctx, c.Tenant)
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	var wrong []*fault.Error
	for _, part := range []struct {
		field string
		t     *template.Template
		body  bool
	}{{"subject", f.subject, false}, {f.Field(), f.html, f.Letter.HTML != ""}, {"text", f.text, f.Letter.Text != ""}} {
		names := part.t.Variables()
		for _, name := range names {
			if ofEvent := c.Events && strings.HasPrefix(name, varEvent); !ofEvent && !knownVariable(name, declared) {
				wrong = append(wrong, fault.Field(part.field, CodeVariable, "There is no field “"+name+"”."))
			}
		}
		if part.body && s.c.MayLeave && !slices.Contains(names, varLeave) && !slices.Contains(names, varLeaveShort) {
			wrong = append(wrong, fault.Field(part.field, CodeLeave, "The mail needs a link to unsubscribe: {{unsubscribe_url}}."))
		}
		if slices.Contains(names, varPublic) {
			refused, err := s.readyPublic(ctx, c, part.field)
			if err != nil {
				return err
			}
			if refused != nil {
				wrong = append(wrong, refused)
			}
		}
		if slices.Contains(names, varImprint) && f.Imprint == "" {
			wrong = append(wrong, fault.Field(part.field, CodeImprint, "The mail shows the imprint of the account, which is empty."))
		}
	}
	return fault.Join(wrong)
}

func (s *Service) readyGroups(ctx context.Context, c Campaign) error {
	states, err := audience.ApprovalsOf(ctx, s.c.Approvals, c.Tenant, c.Groups)
	if err != nil {
		return fmt.Errorf("read approvals: %w", err)
	}
	for i, g := range c.Groups {
		if states[g].State != audience.ApprovalGiven {
			return &fault.Error{Kind: fault.Forbidden, Code: CodeNotApproved, Field: "group_ids/" + strconv.Itoa(i),
				Detail: "The group " + g.String() + " is not approved. Start or follow its approval in the office at /groups/" + g.String() + "/approval."}
		}
	}
	return nil
}

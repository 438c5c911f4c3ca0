package messages

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"strings"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Groups lists those that can be written to; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Mailings makes drafts of mail to groups; *campaign.Service does.
type Mailings interface {
	Create(ctx context.Context, by ingest.Principal, c campaign.Campaign) (campaign.Campaign, error)
}

// GroupMail is what the compose window needs to write to a group: what is written becomes
// the draft of a mailing, which is looked at and sent there, through the same gate as every
// other one. All of it is needed but Approvals.
type GroupMail struct {
	Groups    Groups
	Approvals audience.Approvals // nil: every group needs one
	Mailings  Mailings
}

// choice is a group as the compose window offers it.
type choice struct {
	audience.Group
	approval audience.ApprovalState
}

func (c choice) text(p frame.Page) string {
	text := p.T("groupmail.option", "name", c.Name, "n", c.Members)
	if c.approval != audience.ApprovalGiven {
		text += " · " + p.T("groups.approval."+string(c.approval))
	}
	return text
}

// choices are the groups of the reader's account.
func (g *GroupMail) choices(ctx context.Context, t tenant.ID) ([]choice, error) {
	if g == nil {
		return nil, nil
	}
	found, err := g.Groups.List(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	ids := make([]audience.GroupID, len(found))
	for i, one := range found {
		ids[i] = one.ID
	}
	states, err := audience.ApprovalsOf(ctx, g.Approvals, t, ids)
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	list := make([]choice, len(found))
	for i, one := range found {
		list[i] = choice{one, states[one.ID].State}
	}
	return list, nil
}

// sendToGroup makes a mailing of the form and leads to it. Nothing is sent before somebody
// has seen there who gets it.
func (o *office) sendToGroup(w http.ResponseWriter, r *http.Request, p frame.Page, f letterForm) error {
	var err error
	if f.groups, err = o.GroupMail.choices(r.Context(), p.Tenant()); err != nil {
		return err
	}
	c := f.mailing(p)
	if !f.Valid() {
		return o.compose(w, r, p, http.StatusUnprocessableEntity, f)
	}
	by := ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
	made, err := o.GroupMail.Mailings.Create(r.Context(), by, c)
	if e := fault.As(err); e != nil && e.Kind != fault.NotFound {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			f.Add(fieldOfMailing(one.Field), p.FaultText(one, ""))
		}
		return o.compose(w, r, p, frame.StatusOf(e.Kind), f)
	}
	if err != nil {
		return fmt.Errorf("make a mailing: %w", err)
	}
	frame.Redirect(w, r, "/campaigns/"+made.ID.String(), "saved")
	return nil
}

// fieldOfMailing is the form's field for one of a mailing.
func fieldOfMailing(field string) string {
	switch root, _, _ := strings.Cut(field, "/"); root {
	case "from", "subject":
		return root
	case "html", "text":
		return "body"
	case "group_ids":
		return "group"
	}
	return ""
}

// unapproved is the text about a group that may not be written to: what to do differs for
// one that was rejected.
func unapproved(s audience.ApprovalState) string {
	if s == audience.ApprovalRejected {
		return "groupmail.rejected"
	}
	return "groupmail.unapproved"
}

// mailing reads the form as mail to the group it names, noting problems in it.
func (f *letterForm) mailing(p frame.Page) campaign.Campaign {
	g, err := id.Parse[audience.GroupKind](f.group)
	known := false
	for _, one := range f.groups {
		if err != nil || one.ID != g {
			continue
		}
		if known = true; one.approval != audience.ApprovalGiven {
			f.Add("group", p.T(unapproved(one.approval), "name", one.Name))
			f.process = approval.Path(g)
		}
	}
	if !known {
		f.Add("group", p.T("groupmail.unknown"))
	}
	if strings.TrimSpace(f.to+f.cc+f.bcc) != "" {
		f.Add("group", p.T("groupmail.either"))
	}
	if len(f.files) > 0 {
		f.Add("files", p.T("groupmail.files"))
	}
	if f.local == "" || f.domain == "" {
		f.Add("from", p.T("compose.from.missing"))
	}
	if strings.TrimSpace(f.subject) == "" {
		f.Add("subject", p.T("compose.subject.missing"))
	}
	if strings.TrimSpace(f.body) == "" {
		f.Add("body", p.T("compose.body.missing"))
	}
	from := message.Mailbox{Name: f.name, Address: message.Address{Local: f.local, Domain: f.domain}}
	c := campaign.Campaign{Name: frame.Shorten(f.subject, 200), Groups: []audience.GroupID{g}, Letter: campaign.Letter{From: from.String(), Subject: f.subject}}
	if f.html {
		c.Letter.HTML = withLeaving(f.body, "<p><a href=\"{{unsubscribe_url}}\">"+html.EscapeString(p.T("groupmail.leave"))+"</a></p>\n")
	} else {
		c.Letter.Text = withLeaving(f.body, p.T("groupmail.leave")+": {{unsubscribe_url}}\n")
	}
	return c
}

// withLeaving puts the way to unsubscribe under a letter that has none: mail to a group
// needs one, and who writes a letter should not have to know that.
func withLeaving(body, leave string) string {
	body = strings.ReplaceAll(body, "\r\n", "\n")
	if strings.Contains(body, "unsubscribe_url") {
		return body
	}
	if at := strings.LastIndex(strings.ToLower(body), "</body>"); at >= 0 {
		return body[:at] + leave + body[at:]
	}
	return strings.TrimRight(body, "\n") + "\n\n" + leave
}

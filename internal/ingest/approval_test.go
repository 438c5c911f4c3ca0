package ingest_test

import (
	"context"
	"strings"
	"testing"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// judge says what a Gate might: no@ is in a group that is not approved, free@ in none.
type judge struct{ asked int }

func (j *judge) Judge(_ context.Context, _ tenant.ID, list []approval.Mail) ([]approval.Ruling, error) {
	j.asked++
	rulings := make([]approval.Ruling, len(list))
	for i, m := range list {
		for _, a := range m.Recipients {
			switch a.Local {
			case "no":
				rulings[i].Err = fault.New(fault.Forbidden, approval.CodeNotApproved, "not yet")
			case "free":
				rulings[i].Free++
			}
		}
	}
	return rulings, nil
}

// TestEveryDoorAsks: whatever way mail comes, drafts or raw, one or many, from any door,
// named by the door or by the mail itself, a group that is not approved gets nothing.
func TestEveryDoorAsks(t *testing.T) {
	group := id.New[audience.GroupKind](start)
	raw := "From: info@muster.example\r\nTo: no@kunde.example\r\nSubject: x\r\n%\r\nText\r\n"
	for name, s := range map[string]ingest.Submission{
		"draft": draft(func(s *ingest.Submission) {
			s.Stream, s.Draft.To = tenant.Newsletter, []message.Mailbox{mailbox("no@kunde.example")}
		}),
		"hidden": draft(func(s *ingest.Submission) {
			s.Stream, s.Bcc = tenant.Newsletter, []message.Mailbox{mailbox("no@kunde.example")}
		}),
		"group named": draft(func(s *ingest.Submission) {
			s.Group, s.Draft.To = group, []message.Mailbox{mailbox("no@kunde.example")}
		}),
		"raw":             {Raw: []byte(strings.ReplaceAll(raw, "%", "")), Stream: tenant.Newsletter},
		"raw by field":    {Raw: []byte(strings.ReplaceAll(raw, "%", "X-Stafette-Stream: newsletter\r\n"))},
		"group in a raw":  {Raw: []byte(strings.ReplaceAll(raw, "%", "X-Stafette-Group: "+group.String()+"\r\n"))},
		"raw, other rcpt": {Raw: []byte(strings.ReplaceAll(raw, "no@", "eva@")), Stream: tenant.Newsletter, Recipients: []message.Address{addr("no@kunde.example")}},
	} {
		if s.Raw != nil {
			s.Raw = []byte(strings.ReplaceAll(string(s.Raw), "%\r\n", "\r\n"))
		}
		w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) { c.Approvals = &judge{} })
		for _, door := range []string{"http", "smtp", "office", "redelivery"} {
			p := w.principal()
			p.Door = door
			_, err := w.service.Accept(t.Context(), p, s)
			if !fault.IsKind(err, fault.Forbidden) {
				t.Errorf("%s over %s: %v", name, door, err)
			}
			if r := w.service.AcceptAll(t.Context(), p, []ingest.Submission{draft(), s}); r[0].Err != nil || !fault.IsKind(r[1].Err, fault.Forbidden) {
				t.Errorf("%s in a batch over %s: %v", name, door, r)
			}
		}
		for _, a := range w.store.Accepted() {
			for _, d := range a.Deliveries {
				if d.Recipient.Local == "no" {
					t.Errorf("%s: stored", name)
				}
			}
		}
	}
}

// Mail that names no group and is no newsletter asks nobody.
func TestOtherStreamsDoNotAsk(t *testing.T) {
	j := &judge{}
	w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) { c.Approvals = j })
	w.mustAccept(draft())
	w.mustAccept(draft(func(s *ingest.Submission) { s.Stream = tenant.Reminder }))
	if j.asked != 0 {
		t.Errorf("asked %d times", j.asked)
	}
}

func TestFreeRecipients(t *testing.T) {
	w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) { c.Approvals, c.FreeRecipients = &judge{}, 3 })
	letter := func() ingest.Submission {
		return draft(func(s *ingest.Submission) {
			s.Stream, s.Draft.To = tenant.Newsletter, []message.Mailbox{mailbox("free@a.example"), mailbox("free@b.example")}
		})
	}
	w.mustAccept(letter())
	if _, err := w.accept(letter()); fault.As(err) == nil || fault.As(err).Code != approval.CodeNotApproved {
		t.Errorf("over the free amount: %v", err)
	}
	w.mustAccept(draft(func(s *ingest.Submission) {
		s.Stream, s.Draft.To = tenant.Newsletter, []message.Mailbox{mailbox("free@c.example")}
	}))
	w.pass(24 * 3600e9)
	w.mustAccept(letter())
}

func TestGroupBecomesATagNobodyElseSets(t *testing.T) {
	w := newWorld(t)
	group := id.New[audience.GroupKind](start)
	w.mustAccept(draft(func(s *ingest.Submission) { s.Group, s.Tags = group, []string{"mai"} }))
	e := queue.Entry{Tags: w.store.Accepted()[0].Message.Tags}
	if e.Group() != group.String() || len(ingest.OwnTags(e.Tags)) != 1 {
		t.Errorf("tags %q", e.Tags)
	}
	_, err := w.accept(draft(func(s *ingest.Submission) { s.Tags = []string{queue.GroupTag + group.String()} }))
	w.wantRefusal(err, fault.Invalid, ingest.CodeTagMalformed, "tags/0")
}

func TestPatternHolds(t *testing.T) {
	w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) {
		c.Pattern = func(_ tenant.ID, _ tenant.Stream, subject string, body approval.Body, _ []message.Address) bool {
			return subject == "Grüße" && body.Text+body.HTML+string(body.Raw) != ""
		}
	})
	r := w.mustAccept(draft())
	if r.Deliveries[0].State != event.Held || r.Deliveries[0].Reason != approval.ReasonShape || w.feed.reserved != 0 {
		t.Errorf("%+v", r)
	}
}

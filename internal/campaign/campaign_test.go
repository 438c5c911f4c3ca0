package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func TestEverybodyGetsItInTheirOwnWords(t *testing.T) {
	w := newWorld(t, 3)
	c := w.draft()
	w.send(c)
	w.turn()
	if got := w.lines(c); got != "p0 queued, p1 queued, p2 queued" {
		t.Fatalf("recipients: %s", got)
	}
	c = w.read(c)
	if c.State != campaign.Sent || c.Accepted != 3 || c.Total != 3 || c.FinishedAt.IsZero() {
		t.Errorf("campaign: %+v", c)
	}
	mails := w.mails(c)
	for i := range 3 {
		m := mails[fmt.Sprintf("p%d", i)]
		for _, want := range []string{"To: Eva Sommer " + fmt.Sprint(i) + " <", "Subject: =?utf-8?", fmt.Sprintf("Guten Tag Eva Sommer %d", i), "https://post.example/abmelden/dlv_",
			"List-Id: <" + strings.ReplaceAll(w.group.ID.String(), "_", "-") + "." + owner, "Feedback-ID:", "Precedence: bulk", "Reply-To:", "@" + owner + ">"} {
			if !strings.Contains(strings.ReplaceAll(m, "=\r\n", ""), want) {
				t.Errorf("mail %d lacks %q:\n%s", i, want, m)
			}
		}
	}
	// The same record gives the same bytes.
	if again := w.mails(c); again["p1"] != mails["p1"] {
		t.Error("a mail reads otherwise the second time")
	}
	// Rows bear no body, but what of the person goes in.
	page, err := w.store.Message(t.Context(), w.who.Tenant, firstMessage(w, c))
	w.must(err)
	if int(page.Body.Ref.Length) >= len(mails["p0"]) || page.Subject != "Neues für Eva" {
		t.Errorf("kept %d bytes of a mail of %d, subject %q", page.Body.Ref.Length, len(mails["p0"]), page.Subject)
	}
}

func TestExclusionsAreCountedAndExplained(t *testing.T) {
	w := newWorld(t, 3)
	w.must(suppress(w, w.people[1]))
	c := w.draft()
	p, err := w.service.Preview(t.Context(), c)
	w.must(err)
	if fmt.Sprint(p.Total, p.Send, p.Excluded, p.Hindrance) != "3 2 map[unsubscribed:1] <nil>" {
		t.Errorf("preview: %+v", p)
	}
	w.send(c)
	w.turn()
	if got := w.lines(c); got != "p0 queued, p1 excluded unsubscribed, p2 queued" {
		t.Errorf("recipients: %s", got)
	}
	// The cap holds for the next one.
	w.must(w.service.SetCap(t.Context(), w.who.Tenant, campaign.Cap{Count: 1, Days: 7}))
	next := w.draft()
	w.send(next)
	w.turn()
	if got := w.lines(next); got != "p0 excluded frequency, p1 excluded unsubscribed, p2 excluded frequency" {
		t.Errorf("recipients under the cap: %s", got)
	}
	r, err := w.service.Report(t.Context(), w.who.Tenant, next.ID)
	w.must(err)
	if fmt.Sprint(r.Excluded) != "map[frequency:2 unsubscribed:1]" || w.read(next).Excluded != 3 {
		t.Errorf("report: %+v", r)
	}
	w.pass(8 * 24 * time.Hour)
	last := w.draft()
	w.send(last)
	w.turn()
	if got := w.lines(last); got != "p0 queued, p1 excluded unsubscribed, p2 queued" {
		t.Errorf("recipients a week later: %s", got)
	}
}

func TestWhoIsInSeveralGroupsGetsOne(t *testing.T) {
	w := newWorld(t, 3)
	second := w.newGroup("Mehr")
	w.join(second, w.people[0].ID, w.people[2].ID, w.contact("neu@kunde.example", "Neu", "").ID)
	c := w.draft(func(c *campaign.Campaign) { c.Groups = append(c.Groups, second.ID) })
	p, err := w.service.Preview(t.Context(), c)
	w.must(err)
	if fmt.Sprint(p.Total, p.Send, p.Excluded) != "6 4 map[in_several:2]" {
		t.Errorf("preview: %+v", p)
	}
	w.send(c)
	w.turn()
	if got := w.lines(c); got != "p0 queued, p1 queued, p2 queued, neu queued" || w.counted(c) != 4 {
		t.Errorf("recipients: %s", got)
	}
}

// T14: what one contact brings breaks nobody else's mail.
func TestPoisonIsHeldAndTheRestGoesOn(t *testing.T) {
	w := newWorld(t, 2)
	w.join(w.group, w.contact("gift@kunde.example", strings.Repeat("x", 200), strings.Repeat("y", 200)).ID)
	// Six times their name is longer than a subject may be.
	c := w.draft(func(c *campaign.Campaign) { c.Letter.Subject = strings.Repeat("{{name}} ", 6) })
	w.send(c)
	w.turn()
	if got := w.lines(c); got != "p0 queued, p1 queued, gift queued" {
		t.Errorf("recipients: %s", got)
	}
	if mails := w.mails(c); mails["p0"] == "" || mails["p1"] == "" || mails["gift"] != "" {
		t.Errorf("mails: %v", mails)
	}
	// Where mail may tell of its recipient it is made at once, and held at once.
	w.track()
	next := w.draft(func(c *campaign.Campaign) { c.Letter.Subject = strings.Repeat("{{name}} ", 6) })
	w.send(next)
	w.turn()
	if got := w.lines(next); got != "p0 queued, p1 queued, gift held content_failed" {
		t.Errorf("recipients of tracked mail: %s", got)
	}
}

func TestNothingIsSentThatMayNotBe(t *testing.T) {
	w := newWorld(t, 1)
	empty := w.newGroup("Leer")
	for name, c := range map[string]struct {
		change func(*campaign.Campaign)
		code   string
		field  string
	}{
		"no way out":    {func(c *campaign.Campaign) { c.Letter.HTML = "<p>Hallo</p>" }, campaign.CodeLeave, "html"},
		"unknown field": {func(c *campaign.Campaign) { c.Letter.Subject = "Hallo {{vorname}}" }, campaign.CodeVariable, "subject"},
		"undeclared":    {func(c *campaign.Campaign) { c.Letter.HTML += "{{fields.city}}" }, campaign.CodeVariable, "html"},
		"broken":        {func(c *campaign.Campaign) { c.Letter.HTML += "{{#if name}}" }, "template_syntax", "html"},
		"no sender":     {func(c *campaign.Campaign) { c.Letter.From = "" }, campaign.CodeValue, "from"},
		"bad sender":    {func(c *campaign.Campaign) { c.Letter.From = "a b c" }, "address_malformed", "from"},
		"nothing":       {func(c *campaign.Campaign) { c.Letter.HTML = "" }, campaign.CodeValue, "html"},
		"no group":      {func(c *campaign.Campaign) { c.Groups = nil }, campaign.CodeValue, "group_ids"},
		"nobody":        {func(c *campaign.Campaign) { c.Groups = []audience.GroupID{empty.ID} }, campaign.CodeNobody, ""},
	} {
		d := w.draft(c.change)
		_, err := w.service.Send(t.Context(), w.who, d.ID, time.Time{})
		if f := fault.As(err); f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := w.draft()
	w.refused[w.group.ID] = true
	_, err := w.service.Send(t.Context(), w.who, d.ID, time.Time{})
	if f := fault.As(err); f == nil || f.Code != campaign.CodeNotApproved || f.Kind != fault.Forbidden || f.Field != "group_ids/0" {
		t.Errorf("a group that is not approved: %v", err)
	}
	if got := w.read(d); got.State != campaign.Draft {
		t.Errorf("it is %s", got.State)
	}
	// T3: nothing of a header comes in by the back door.
	for name, change := range map[string]func(*campaign.Campaign){
		"subject": func(c *campaign.Campaign) { c.Letter.Subject = "a\r\nBcc: x@y.example" },
		"from":    func(c *campaign.Campaign) { c.Letter.From = "a@b.example\r\nBcc: x@y.example" },
	} {
		c := campaign.Campaign{Name: "x", Letter: letter()}
		change(&c)
		if _, err := w.service.Create(t.Context(), w.who, c); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s with a line break: %v", name, err)
		}
	}
}

func TestPausedResumedCancelled(t *testing.T) {
	w := newWorld(t, 4)
	ctx := t.Context()
	c := w.draft(func(c *campaign.Campaign) { c.PerHour = 720 }) // one each five seconds
	w.send(c)
	w.turn()
	if got := w.read(c); got.Total != 1 || got.State != campaign.Sending {
		t.Fatalf("paced: %+v", got)
	}
	w.turn()
	if got := w.read(c); got.Total != 1 {
		t.Errorf("the pace is not kept: %+v", got)
	}
	w.pass(5 * time.Second)
	w.turn()
	_, err := w.service.Pause(ctx, w.who, c.ID)
	w.must(err)
	w.pass(time.Hour)
	w.turn()
	if got := w.read(c); got.Total != 2 || got.State != campaign.Paused || got.Order.IsZero() {
		t.Errorf("paused: %+v", got)
	}
	orders, err := w.store.Orders(ctx, w.who.Tenant, w.Now(), false)
	if err != nil || len(orders) != 1 || orders[0].Command != queue.Suspend || orders[0].Scope.Tag != campaign.Tag(c.ID) {
		t.Errorf("orders: %+v, %v", orders, err)
	}
	_, err = w.service.Resume(ctx, w.who, c.ID)
	w.must(err)
	if orders, err = w.store.Orders(ctx, w.who.Tenant, w.Now(), false); err != nil || len(orders) != 0 {
		t.Errorf("orders after resume: %+v, %v", orders, err)
	}
	w.pass(5 * time.Second)
	w.turn()
	if got := w.read(c); got.Total != 3 || got.Task != campaign.TaskNone {
		t.Errorf("resumed: %+v", got)
	}
	_, err = w.service.Cancel(ctx, w.who, c.ID)
	w.must(err)
	w.turn()
	if got := w.read(c); got.State != campaign.Cancelled || got.Task != campaign.TaskNone || !got.Order.IsZero() {
		t.Errorf("cancelled: %+v", got)
	}
	if got := w.lines(c); got != "p0 cancelled, p1 cancelled, p2 cancelled" {
		t.Errorf("recipients: %s", got)
	}
	for name, act := range map[string]func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error){
		"pause": w.service.Pause, "resume": w.service.Resume, "cancel": w.service.Cancel, "unschedule": w.service.Unschedule,
	} {
		if _, err := act(ctx, w.who, c.ID); fault.As(err) == nil || fault.As(err).Code != campaign.CodeState {
			t.Errorf("%s of what is cancelled: %v", name, err)
		}
	}
}

// TestBegunIsTold holds that a mailing that is due at once asks for its turn, and no other.
func TestBegunIsTold(t *testing.T) {
	w := newWorld(t, 1)
	told := 0
	w.config.Begun = func() { told++ }
	s := campaign.New(w.config)
	later, now := w.draft(), w.draft()
	_, err := s.Send(t.Context(), w.who, later.ID, start.Add(time.Hour))
	w.must(err)
	if told != 0 {
		t.Error("a mailing that was scheduled asked for its turn")
	}
	_, err = s.Send(t.Context(), w.who, now.ID, time.Time{})
	w.must(err)
	if told != 1 {
		t.Errorf("told %d times of one that begins", told)
	}
	if _, err := s.Send(t.Context(), w.who, now.ID, time.Time{}); err == nil || told != 1 {
		t.Errorf("sent again: %v, told %d times", err, told)
	}
}

func TestScheduled(t *testing.T) {
	w := newWorld(t, 1)
	c := w.draft()
	_, err := w.service.Send(t.Context(), w.who, c.ID, start.Add(time.Hour))
	w.must(err)
	w.turn()
	if got := w.read(c); got.State != campaign.Scheduled || got.Total != 0 {
		t.Errorf("before its time: %+v", got)
	}
	w.pass(time.Hour)
	w.turn()
	if got := w.read(c); got.State != campaign.Sent || got.Accepted != 1 {
		t.Errorf("at its time: %+v", got)
	}
}

// An approval that is taken back pauses what is being sent.
func TestPausesWhereOnlyAPersonHelps(t *testing.T) {
	w := newWorld(t, 2)
	acceptor := &flawed{Acceptor: w.entrance, err: &fault.Error{Kind: fault.Forbidden, Code: campaign.CodeNotApproved}}
	w.config.Acceptor = acceptor
	w.service = campaign.New(w.config)
	c := w.draft()
	w.send(c)
	w.turn()
	if got := w.read(c); got.State != campaign.Paused || got.Reason != campaign.CodeNotApproved || got.Accepted != 0 {
		t.Fatalf("refused: %+v", got)
	}
	acceptor.err = fault.New(fault.Unavailable, "storage_full", "")
	_, err := w.service.Resume(t.Context(), w.who, c.ID)
	w.must(err)
	w.pass(time.Minute)
	w.turn()
	if got := w.read(c); got.State != campaign.Sending || got.Reason != "storage_full" || got.Accepted != 0 {
		t.Fatalf("no room: %+v", got)
	}
	acceptor.err = nil
	w.pass(time.Minute)
	w.turn()
	if got := w.read(c); got.State != campaign.Sent || got.Accepted != 2 || got.Reason != "" || w.counted(c) != 2 {
		t.Errorf("at last: %+v", got)
	}
}

// flawed refuses everything with an error.
type flawed struct {
	ingest.Acceptor
	err error
}

func (f *flawed) AcceptAll(ctx context.Context, p ingest.Principal, list []ingest.Submission) []ingest.Result {
	if f.err == nil {
		return f.Acceptor.AcceptAll(ctx, p, list)
	}
	results := make([]ingest.Result, len(list))
	for i := range results {
		results[i].Err = f.err
	}
	return results
}

// dying is a store whose process dies before the answers of a step are written down, or
// before its mail is handed over.
type dying struct {
	campaign.Store
	settle bool
}

var errDead = errors.New("the process died")

func (d *dying) SettleRecipients(ctx context.Context, t tenant.ID, c campaign.ID, list []campaign.Recipient) error {
	if d.settle {
		return errDead
	}
	return d.Store.SettleRecipients(ctx, t, c, list)
}

func TestNobodyGetsTwoAfterAProcessDied(t *testing.T) {
	for name, before := range map[string]bool{"before the mail was handed over": true, "after it was": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 5)
			broken := w.config
			broken.Store = &dying{w.store, true}
			if before {
				broken.Acceptor = &flawed{w.entrance, errDead}
			}
			c := w.draft()
			w.send(c)
			if err := campaign.New(broken).Turn(t.Context(), w.Now()); !errors.Is(err, errDead) {
				t.Fatalf("it lives: %v", err)
			}
			w.pass(time.Second)
			w.turn()
			if got := w.read(c); got.State != campaign.Sent || got.Accepted != 5 || got.Total != 5 {
				t.Errorf("campaign: %+v", got)
			}
			if n := w.counted(c); n != 5 {
				t.Errorf("%d mails for 5 people", n)
			}
		})
	}
}

func TestTrackedMailKeepsItsLinks(t *testing.T) {
	w := newWorld(t, 1)
	w.track()
	c := w.draft()
	w.send(c)
	w.turn()
	mail := strings.ReplaceAll(w.mails(c)["p0"], "=\r\n", "")
	if strings.Contains(mail, `href=3D"https://portal.example/neu"`) || !strings.Contains(mail, tracking.LinkPath) || !strings.Contains(mail, tracking.PixelPath) {
		t.Errorf("not woven:\n%s", mail)
	}
	v, err := w.store.Tracked(t.Context(), w.who.Tenant, firstMessage(w, c))
	w.must(err)
	if v.Decision.Level != tracking.Individual || len(v.Links) == 0 || v.Links[0].Target != "https://portal.example/neu" {
		t.Errorf("kept: %+v", v)
	}
	plain := w.draft(func(c *campaign.Campaign) { c.Letter.Tracking = tracking.None })
	w.send(plain)
	w.turn()
	if strings.Contains(w.mails(plain)["p0"], tracking.PixelPath) {
		t.Error("mail tells that is not to")
	}
}

// Links that are read from the form are those that the mail has, and our own pages are never
// among them.
func TestLinksOfTheFormAreThoseOfTheMail(t *testing.T) {
	for name, page := range map[string]string{
		"of the form": `<p>{{name}}</p><a href="https://a.example/">eins</a> <a href="{{unsubscribe_url}}">genug</a> <a href="https://b.example/?a=1&amp;b=2">zwei</a>`,
		"of the mail": `<p>{{#if name}}{{name}}{{/if}}</p><a href="https://a.example/">eins</a> <a href="{{unsubscribe_url}}">genug</a> <a href="https://b.example/?a=1&amp;b=2">zwei</a>`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.track()
			c := w.draft(func(c *campaign.Campaign) { c.Letter.HTML = page })
			w.send(c)
			w.turn()
			v, err := w.store.Tracked(t.Context(), w.who.Tenant, firstMessage(w, c))
			w.must(err)
			var got []string
			for _, l := range v.Links {
				got = append(got, l.Label+" "+l.Target)
			}
			if want := []string{"eins https://a.example/", "zwei https://b.example/?a=1&b=2", " "}; !slices.Equal(got, want) {
				t.Errorf("links %q, want %q", got, want)
			}
			mail := strings.ReplaceAll(w.mails(c)["p0"], "=\r\n", "")
			if n := strings.Count(mail, tracking.LinkPath); n != len(v.Links) {
				t.Errorf("%d links in the mail:\n%s", n, mail)
			}
		})
	}
}

func TestCampaignsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t, 1)
	c := w.draft()
	other := ingest.Principal{Tenant: tenant.ID{1}, Actor: "usr_2"}
	for name, act := range map[string]func() error{
		"read":   func() error { _, err := w.service.Campaign(t.Context(), other.Tenant, c.ID); return err },
		"send":   func() error { _, err := w.service.Send(t.Context(), other, c.ID, time.Time{}); return err },
		"change": func() error { _, err := w.service.Change(t.Context(), other, c); return err },
		"delete": func() error { return w.service.Delete(t.Context(), other.Tenant, c.ID) },
		"report": func() error { _, err := w.service.Report(t.Context(), other.Tenant, c.ID); return err },
	} {
		if err := act(); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMailAsAPage(t *testing.T) {
	w := newWorld(t, 1)
	w.track()
	c := w.draft()
	w.send(c)
	w.turn()
	views := campaign.Views{Codes: seal.NewCodes(make([]byte, 32)), PublicURL: "https://post.example", Message: w.store.Message, Plain: w.spool.Plain}
	link := views.Link(w.who.Tenant, message.Delivery(firstMessage(w, c), 1))
	token, ok := strings.CutPrefix(link, "https://post.example"+campaign.ViewPath)
	page, err := views.Open(t.Context(), token)
	if !ok || err != nil || !strings.Contains(page, "Guten Tag Eva Sommer 0") || strings.Contains(page, tracking.PixelPath) || strings.Contains(page, tracking.LinkPath) {
		t.Errorf("%s: %s, %v", link, page, err)
	}
	for name, wrong := range map[string]string{"none": "", "cut": token[:len(token)-2], "changed": "_" + token[1:], "no base64": "..", "long": token + token} {
		if _, err := views.Open(t.Context(), wrong); fault.As(err) == nil || fault.As(err).Code != campaign.CodeView {
			t.Errorf("%s opens something: %v", name, err)
		}
	}
}

// FuzzMerge: what lies in the spool is ours, but a record must never panic nor be taken for
// another's mail.
func FuzzMerge(f *testing.F) {
	f.Add("Eva <eva@kunde.example>", `{"given_name":"Eva"}`, "cmp_00000000000000000000000001")
	f.Add("", `[]`, "x")
	merger := campaign.NewMerger(campaign.MergerConfig{Campaign: func(_ context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error) {
		return campaign.Campaign{ID: c, Tenant: t, State: campaign.Sending, Letter: letter()}, nil
	}})
	f.Fuzz(func(t *testing.T, to, data, form string) {
		body, err := merger.Merge(t.Context(), spool.Handle{Message: message.NewID(start)}, spool.Record{Form: form, To: to, Data: []byte(data), Domain: owner, Date: start})
		if err != nil && !errors.Is(err, spool.ErrUnmergeable) {
			t.Fatal(err)
		}
		if err == nil {
			if _, err := message.Inspect(body, message.Limits{}); err != nil {
				t.Fatalf("made what cannot be read: %v\n%s", err, body)
			}
		}
	})
}

// Whoever was two contacts when the mailing began and is one before the second was reached has
// one mail.
func TestMergedContactsGetOneMail(t *testing.T) {
	for name, keepFirst := range map[string]bool{"the one who got it is kept": true, "the other one is kept": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			c := w.draft(func(c *campaign.Campaign) { c.PerHour = 60 }) // one in a step
			w.send(c)
			w.turn()
			if got := w.lines(c); got != "p0 queued" {
				t.Fatalf("recipients: %s", got)
			}
			kept, gone := w.people[0], w.people[1]
			if !keepFirst {
				kept, gone = gone, kept
			}
			_, err := audience.NewContacts(w.store, w.Now).Merge(t.Context(), w.who.Tenant, kept.ID, gone.ID, kept.Version, gone.Version, "usr_1")
			w.must(err)
			for range 3 {
				w.pass(2 * time.Minute)
				w.turn()
			}
			if got := w.counted(c); got != 1 {
				t.Errorf("%d mails to one person: %s", got, w.lines(c))
			}
		})
	}
}

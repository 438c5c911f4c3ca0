package campaign_test

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// withStationery gives the world templates and an imprint, and pages behind links.
func (w *world) withStationery() *stationery.Service {
	w.Helper()
	catalog, err := i18n.Load()
	w.must(err)
	to, err := w.store.Tenant(w.Context(), w.who.Tenant)
	w.must(err)
	w.must(w.store.SaveTenant(w.Context(), to, tenant.Profile{Imprint: "Portal <GmbH>\nKai 1"}))
	room := stationery.New(stationery.Config{Store: w.store, Tenants: w.store, Catalog: catalog, Now: w.Now})
	w.config.Stationery = room
	w.config.ReviewKey, w.config.PublicURL = hashKey(), "https://post.example"
	w.config.Links = func(t tenant.ID, d message.DeliveryID) (string, string) {
		return leave(t, d), "https://post.example/ansicht/x"
	}
	w.service = campaign.New(w.config)
	return room
}

func fieldsOf(err error) string {
	f := fault.As(err)
	if f == nil {
		return ""
	}
	list := []string{f.Code + " " + f.Field}
	for _, one := range f.Also {
		list = append(list, one.Code+" "+one.Field)
	}
	return strings.Join(list, ", ")
}

// A draft follows its template; what is sent stays as it was, with imprint and links.
func TestMailingOfATemplate(t *testing.T) {
	w := newWorld(t, 1)
	room := w.withStationery()
	html := func(word string) stationery.Draft {
		return stationery.Draft{Name: "Brief", Lang: "de", Source: stationery.Source{Mode: stationery.HTML, Subject: word + " {{given_name}}",
			Markup: `<p>` + word + ` {{imprint}}</p><a href="{{unsubscribe}}">Ab</a><a href="{{web_version}}">Web</a>`}}
	}
	kept, _, err := room.Create(t.Context(), w.who.Tenant, "usr_1", html("Eins"))
	w.must(err)
	c := w.draft(func(c *campaign.Campaign) {
		c.Letter = campaign.Letter{From: "news@" + owner, Made: &campaign.Made{Template: "brief"}}
	})
	if m := c.Letter.Made; m == nil || m.Template != kept.ID.String() || m.Lang != "de" || m.Version != 1 || c.Letter.Subject != "Eins {{given_name}}" {
		t.Fatalf("made of %+v", c.Letter)
	}
	before := campaign.Print(w.read(c))
	_, _, err = room.Save(t.Context(), w.who.Tenant, kept.ID, 0, "usr_1", html("Zwei"))
	w.must(err)
	if now := w.read(c); !strings.Contains(now.Letter.HTML, "Zwei") || now.Letter.Made.Version != 2 || campaign.Print(now) == before {
		t.Errorf("a draft does not follow its template: %+v", now.Letter)
	}
	w.send(c)
	_, _, err = room.Save(t.Context(), w.who.Tenant, kept.ID, 0, "usr_1", html("Drei"))
	w.must(err)
	w.turn()
	m := w.mails(c)["p0"]
	for _, want := range []string{"Zwei Portal &lt;GmbH&gt;, Kai 1", "https://post.example/abmelden/dlv_"} {
		if !strings.Contains(strings.ReplaceAll(m, "=\r\n", ""), want) {
			t.Errorf("no %q in\n%s", want, m)
		}
	}
	_, err = w.service.Create(t.Context(), w.who, campaign.Campaign{Name: "x", Letter: campaign.Letter{Made: &campaign.Made{Template: "nirgends"}}})
	if got := fieldsOf(err); got != "template_not_found template" {
		t.Errorf("a template there is not: %s", got)
	}
}

// Blocks are compiled when they are saved, in the colours of the brand; what is wrong with one
// is told at its field.
func TestMailingOfBlocks(t *testing.T) {
	w := newWorld(t, 1)
	w.withStationery()
	d := blocks.New()
	d.Blocks[1].Text = "Guten Tag **{{name}}** <script>"
	made := func() *campaign.Made {
		return &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Blocks: &d}}
	}
	c := w.draft(func(c *campaign.Campaign) {
		c.Letter = campaign.Letter{From: "news@" + owner, Subject: "Neu", Made: made()}
	})
	w.must(w.service.Ready(t.Context(), c))
	w.send(c)
	w.turn()
	m := strings.ReplaceAll(w.mails(c)["p0"], "=\r\n", "")
	if !strings.Contains(m, "Eva Sommer 0") || !strings.Contains(m, "Portal &lt;GmbH&gt;, Kai 1") || strings.Contains(m[strings.Index(m, "text/html"):], "<script>") {
		t.Errorf("mail\n%s", m)
	}
	d.Blocks = d.Blocks[:2]
	_, err := w.service.Create(t.Context(), w.who, campaign.Campaign{Name: "x", Letter: campaign.Letter{Made: made()}})
	if got := fieldsOf(err); got != "footer_missing blocks" {
		t.Errorf("without a footer: %s", got)
	}
}

// An approval holds for the content that was asked about, and nobody approves their own.
func TestReviewsAreBoundToContent(t *testing.T) {
	w := newWorld(t, 1)
	w.withStationery()
	c := w.draft()
	ask := func() campaign.Review {
		w.pass(time.Second)
		r, err := w.service.Ask(t.Context(), w.who, c.ID, "Frau Kunz")
		w.must(err)
		return r
	}
	ready := func() string { return fieldsOf(w.service.Ready(t.Context(), w.read(c))) }
	token := func(r campaign.Review) string {
		return strings.TrimPrefix(w.service.Link(r), "https://post.example"+campaign.ReviewPath)
	}
	r := ask()
	const needed = "campaign_review_needed review"
	if got := ready(); got != needed {
		t.Errorf("open: %q", got)
	}
	if _, err := w.service.Send(t.Context(), w.who, c.ID, time.Time{}); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("sent while open: %v", err)
	}
	if err := w.service.Answer(t.Context(), w.who, r.ID, true, ""); !fault.IsKind(err, fault.Forbidden) {
		t.Errorf("approved by who asked: %v", err)
	}
	shown, err := w.service.OpenReview(t.Context(), token(r))
	w.must(err)
	if shown.Closed || !strings.Contains(shown.Letters[0].Mail.HTML, "‹name›") || len(shown.Letters) != 1 || strings.Contains(shown.Letters[0].Mail.HTML, "Sommer") {
		t.Errorf("shown: %+v", shown)
	}
	w.must(w.service.AnswerLink(t.Context(), token(r), "Kunz", true, "Gern"))
	if got := ready(); got != "" {
		t.Errorf("approved: %q", got)
	}
	if err := w.service.AnswerLink(t.Context(), token(r), "Kunz", false, ""); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("answered twice: %v", err)
	}
	// Whoever changes a word asks again, and the old link shows nothing of it.
	changed := w.read(c)
	changed.Letter.Subject = "Anders"
	_, err = w.service.Change(t.Context(), w.who, changed)
	w.must(err)
	if got := ready(); got != needed {
		t.Errorf("changed since: %q", got)
	}
	if shown, err := w.service.OpenReview(t.Context(), token(r)); err != nil || !shown.Changed || len(shown.Letters) > 0 {
		t.Errorf("shown after a change: %+v, %v", shown, err)
	}
	// Of a trial both versions are asked about.
	both := w.read(c)
	both.Trial, both.Letter.Other = campaign.Trial{Share: 50, Hours: 4}, campaign.Other{Subject: "Fassung für {{name}}", From: "Eva <eva@muster.example>"}
	_, err = w.service.Change(t.Context(), w.who, both)
	w.must(err)
	shown, err = w.service.OpenReview(t.Context(), token(ask()))
	w.must(err)
	if len(shown.Letters) != 2 || shown.Letters[0].Mail.Subject != "Anders" || shown.Letters[1].Mail.Subject != "Fassung für ‹name›" || !strings.Contains(shown.Letters[1].From, "eva@") {
		t.Errorf("both versions: %+v", shown.Letters)
	}
	r = ask()
	colleague := w.who
	colleague.Actor = "usr_2"
	w.must(w.service.Answer(t.Context(), colleague, r.ID, false, "Nein"))
	if got := ready(); got != needed {
		t.Errorf("declined: %q", got)
	}
	r = ask()
	w.must(w.service.Withdraw(t.Context(), w.who, r.ID))
	w.must(w.service.SetSettings(t.Context(), w.who.Tenant, campaign.Settings{Review: true}))
	fresh := w.draft()
	if got := fieldsOf(w.service.Ready(t.Context(), fresh)); got != needed {
		t.Errorf("where all need one: %q", got)
	}
	// Made up, another tenant's, and over: nothing tells which.
	r = ask()
	good := token(r)
	w.pass(15 * 24 * time.Hour)
	for _, one := range []string{"", "x", good[:len(good)-2] + "AA", good} {
		if _, err := w.service.OpenReview(t.Context(), one); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("opened by %q: %v", one, err)
		}
	}
}

// Test mails go to one's own addresses alone, are marked, tell of nobody and count nowhere.
func TestTestMails(t *testing.T) {
	w := newWorld(t, 1)
	w.withStationery()
	w.track()
	c := w.draft()
	try := func(who ingest.Principal, seeds bool, to ...string) ([]campaign.Tried, error) {
		return w.service.SendTests(w.Context(), who, c.ID, to, seeds, audience.ContactID{})
	}
	w.must(w.service.SetSettings(t.Context(), w.who.Tenant, campaign.Settings{Seeds: []string{"Probe@gmx.example"}}))
	list, err := try(w.who, true, "chef@"+owner)
	w.must(err)
	if len(list) != 2 || list[0].Err != nil || list[1].Err != nil || list[1].Address.String() != "Probe@gmx.example" {
		t.Fatalf("tried %+v", list)
	}
	m, err := w.store.Message(t.Context(), w.who.Tenant, list[0].Message)
	w.must(err)
	body, err := w.spool.Body(t.Context(), m.Body)
	w.must(err)
	text := strings.ReplaceAll(string(body), "=\r\n", "")
	if !strings.HasPrefix(m.Subject, "[Test] Neues für Eva") || !strings.Contains(text, "Guten Tag Eva Sommer 0") || !strings.Contains(text, "/abmelden/dlv_") ||
		strings.Contains(text, "https://post.example/l/") || strings.Contains(text, "List-Id:") {
		t.Errorf("subject %q, mail\n%s", m.Subject, text)
	}
	if got := w.read(c); got.State != campaign.Draft || got.Total != 0 {
		t.Errorf("counted: %+v", got)
	}
	for want, to := range map[string][]string{
		"campaign_test_foreign to": {"fremd@kunde.example"}, "address_malformed to": {"x"}, "campaign_value to": strings.Split(strings.Repeat("a@"+owner+" ", 11), " ")[:11],
	} {
		if _, err := try(w.who, false, to...); fieldsOf(err) != want {
			t.Errorf("%v: %v", to, err)
		}
	}
	if _, err := try(w.who, false); fieldsOf(err) != "campaign_value to" {
		t.Errorf("to nobody: %v", err)
	}
	for err == nil {
		_, err = try(w.who, false, strings.Split(strings.Repeat("a@"+owner+" ", 10), " ")[:10]...)
	}
	if !fault.IsKind(err, fault.Limited) {
		t.Errorf("without an end: %v", err)
	}
}

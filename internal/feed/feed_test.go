package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// world is feeds over a real store, a real room of mailings and a web server on loopback.
type world struct {
	testing.TB
	store    *store.Store
	mailings *campaign.Service
	config   feed.Config
	service  *feed.Service
	who      ingest.Principal
	group    audience.Group
	approved bool
	site     *httptest.Server
	answer   http.HandlerFunc
	asked    int
	now      time.Time
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// OfGroups implements audience.Approvals.
func (w *world) OfGroups(_ context.Context, _ tenant.ID, groups []audience.GroupID) (map[audience.GroupID]audience.Approval, error) {
	list := map[audience.GroupID]audience.Approval{}
	for _, g := range groups {
		if w.approved {
			list[g] = audience.Approval{State: audience.ApprovalGiven}
		}
	}
	return list, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, now: start, approved: true}
	now := func() time.Time { return w.now }
	var err error
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: now, HashKey: bytes.Repeat([]byte{1}, 32)})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	to := tenant.Tenant{ID: id.New[tenant.Kind](start), Name: "Portal", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, TimeZone: "Europe/Berlin", CreatedAt: start}
	w.must(w.store.Found(t.Context(), tenant.Founding{Tenant: to}))
	w.who = ingest.Principal{Tenant: to.ID, Actor: "usr_1", Door: "office"}
	groups := audience.NewGroups(w.store, w.store, now)
	w.group, err = groups.Create(t.Context(), to.ID, audience.Group{Name: "Leser", Kind: audience.Static}, "usr_1")
	w.must(err)
	person, err := audience.NewContacts(w.store, now).Create(t.Context(), to.ID, audience.Contact{GivenName: "Eva", Addresses: []message.Address{{Local: "eva", Domain: "kunde.example"}}}, audience.OriginOffice, "usr_1")
	w.must(err)
	_, err = groups.Add(t.Context(), to.ID, w.group.ID, []audience.ContactID{person.ID}, audience.OriginOffice, "usr_1")
	w.must(err)
	w.mailings = campaign.New(campaign.Config{Store: w.store, Approvals: w, MayLeave: true, Now: now})
	w.site = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.asked++; w.answer(rw, r) }))
	t.Cleanup(w.site.Close)
	client := w.site.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.config = feed.Config{Store: w.store, Mailings: w.mailings, Client: client, Now: now}
	w.service = feed.New(w.config)
	return w
}

func (w *world) says(page string) {
	w.answer = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(page)) }
}

func (w *world) draft() feed.Feed {
	return feed.Feed{Name: "Blog", URL: w.site.URL + "/feed", Groups: []audience.GroupID{w.group.ID}, From: "news@portal.example", Subject: "Neu: {{feed_title}}", Most: 2,
		HTML: `<h1>Neues</h1><p>{{feed_entries}}</p><a href="{{unsubscribe_url}}">x</a>`, Schedule: feed.Schedule{Every: feed.Daily, Hour: 9}}
}

// begin keeps a feed and takes its first look at a page with n entries.
func (w *world) begin(n int, change ...func(*feed.Feed)) feed.Feed {
	w.Helper()
	f := w.draft()
	for _, c := range change {
		c(&f)
	}
	w.says(rss(many(n)))
	f, err := w.service.Create(w.Context(), w.who, f)
	w.must(err)
	w.turn(0)
	return f
}

// turn lets time pass and the feeds have their turn.
func (w *world) turn(d time.Duration) {
	w.Helper()
	w.now = w.now.Add(d)
	w.must(w.service.Turn(w.Context(), w.now))
}

// looks are the outcomes from old to new.
func (w *world) looks(f feed.Feed) string {
	w.Helper()
	list, err := w.service.Looks(w.Context(), w.who.Tenant, f.ID)
	w.must(err)
	var text []string
	for i := len(list) - 1; i >= 0; i-- {
		text = append(text, strings.TrimSpace(list[i].Outcome+" "+list[i].Why))
	}
	return strings.Join(text, ", ")
}

func (w *world) campaigns() []campaign.Campaign {
	w.Helper()
	list, _, err := w.store.Campaigns(w.Context(), w.who.Tenant, campaign.ID{}, 100)
	w.must(err)
	for i := range list {
		list[i], err = w.store.Campaign(w.Context(), w.who.Tenant, list[i].ID)
		w.must(err)
	}
	return list
}

const day = 24 * time.Hour

func TestNewEntriesBecomeADraft(t *testing.T) {
	w := newWorld(t)
	f := w.begin(2)
	w.turn(day)
	w.says(rss(`<item><title>Drei &lt;b&gt;{{name}} &amp;lt;</title><link>https://blog.example/3?a=1&amp;b=2</link><description>Text {{{{x</description></item><item><title>Vier</title></item><item><title>Fünf</title></item>` + many(2)))
	w.turn(day)
	w.turn(day)
	if got := w.looks(f); got != "begun, nothing, drafted, nothing" {
		t.Errorf("looks: %s", got)
	}
	list := w.campaigns()
	if len(list) != 1 || list[0].State != campaign.Draft || list[0].Actor != "usr_1" {
		t.Fatalf("mailings: %+v", list)
	}
	l := list[0].Letter
	for what, want := range map[string]bool{
		"subject":        l.Subject == `Neu: Drei \{{name}} <`,
		"html":           strings.Contains(l.HTML, `<a href="https://blog.example/3?a=1&amp;b=2"><strong>Drei &#123;&#123;name&#125;&#125; &lt;</strong></a>`),
		"second":         strings.Contains(l.HTML, "Vier"),
		"at most two":    !strings.Contains(l.HTML, "Fünf"),
		"text":           strings.Contains(l.Text, `Drei \{{name}} <`) && strings.Contains(l.Text, "https://blog.example/3?a=1&b=2"),
		"no tags remain": !strings.Contains(l.HTML+l.Text, "feed_entries"),
	} {
		if !want {
			t.Errorf("%s: %q\n%s\n%s", what, l.Subject, l.HTML, l.Text)
		}
	}
	if err := w.mailings.Ready(t.Context(), list[0]); err != nil {
		t.Errorf("could not be sent: %v", err)
	}
}

func TestSendsThroughTheGate(t *testing.T) {
	w := newWorld(t)
	f := w.begin(1, func(f *feed.Feed) { f.Send = true })
	w.says(rss(`<item><title>Neu</title></item>`))
	w.turn(day)
	w.approved = false
	w.says(rss(`<item><title>Noch neuer</title></item>`))
	w.turn(day)
	if got := w.looks(f); got != "begun, drafted, sent, drafted, held group_not_approved" {
		t.Errorf("looks: %s", got)
	}
	if todos, err := (feed.Waiting{Store: w.store}).Todos(t.Context(), w.who.Tenant, w.now); err != nil || len(todos) != 1 || todos[0].Kind != "feed_held" || todos[0].Link != feed.Path(f.ID) || !todos[0].Since.Equal(w.now) {
		t.Errorf("to do: %+v, %v", todos, err)
	}
	list := w.campaigns()
	if len(list) != 2 || list[0].State != campaign.Draft || list[1].State != campaign.Sending {
		t.Errorf("mailings: %+v", list)
	}
}

// dying is a room of mailings whose process dies before it sends.
type dying struct{ *campaign.Service }

func (dying) Send(context.Context, ingest.Principal, campaign.ID, time.Time) (campaign.Campaign, error) {
	return campaign.Campaign{}, errors.New("killed")
}

// late sends, and dies before it can be written down.
type late struct{ *campaign.Service }

func (l late) Send(ctx context.Context, who ingest.Principal, c campaign.ID, at time.Time) (campaign.Campaign, error) {
	if _, err := l.Service.Send(ctx, who, c, at); err != nil {
		return campaign.Campaign{}, err
	}
	return campaign.Campaign{}, errors.New("killed")
}

func TestDiesBetweenMakingAndSending(t *testing.T) {
	for name, broken := range map[string]func(*campaign.Service) feed.Mailings{
		"before": func(s *campaign.Service) feed.Mailings { return dying{s} }, "after": func(s *campaign.Service) feed.Mailings { return late{s} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := w.begin(1, func(f *feed.Feed) { f.Send = true })
			w.says(rss(`<item><title>Neu</title></item>`))
			c := w.config
			c.Mailings = broken(w.mailings)
			w.now = w.now.Add(day)
			if err := feed.New(c).Turn(t.Context(), w.now); err == nil {
				t.Fatal("did not die")
			}
			w.turn(time.Minute)
			w.turn(day)
			if list := w.campaigns(); len(list) != 1 || list[0].State != campaign.Sending {
				t.Errorf("mailings: %+v", list)
			}
			if got := w.looks(f); got != "begun, drafted, sent, nothing" {
				t.Errorf("looks: %s", got)
			}
		})
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"gone":   {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) }, feed.CodeUnreachable},
		"large":  {func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(make([]byte, feed.MaxBytes+1)) }, feed.CodeLarge},
		"a page": {func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<!DOCTYPE html><html></html>")) }, feed.CodeMalformed},
		"circle": {func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/again", http.StatusFound) }, feed.CodeUnreachable},
		"a file": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "file:///etc/passwd")
			rw.WriteHeader(http.StatusFound)
		}, feed.CodeUnreachable},
		"refused": {nil, feed.CodeElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := w.begin(1)
			w.asked = 0
			if w.answer = c.answer; c.answer == nil {
				no := errors.New("an own network")
				config := w.config
				config.Client = &http.Client{Transport: refusing{no}}
				config.Refused = func(err error) bool { return errors.Is(err, no) }
				w.service = feed.New(config)
			}
			w.turn(day)
			if got := w.looks(f); got != "begun, "+c.want {
				t.Errorf("looks: %s", got)
			}
			if _, err := w.service.Preview(t.Context(), w.who.Tenant, f.ID); fault.As(err) == nil || fault.As(err).Code != c.want {
				t.Errorf("preview: %v", err)
			}
			if w.asked > 8 {
				t.Errorf("asked %d times", w.asked)
			}
			w.service = feed.New(w.config)
			w.says(rss(`<item><title>Neu</title></item>`))
			w.turn(15 * time.Minute)
			if got := w.looks(f); got != "begun, "+c.want+", drafted" {
				t.Errorf("then: %s", got)
			}
		})
	}
}

type refusing struct{ err error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.err }

func TestAsksForWhatChanged(t *testing.T) {
	w := newWorld(t)
	f := w.draft()
	var said string
	w.answer = func(rw http.ResponseWriter, r *http.Request) {
		if said = r.Header.Get("If-None-Match"); said == `"1"` {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		rw.Header().Set("ETag", `"1"`)
		_, _ = fmt.Fprint(rw, rss(many(1)))
	}
	f, err := w.service.Create(t.Context(), w.who, f)
	w.must(err)
	w.turn(0)
	w.turn(day)
	if got := w.looks(f); got != "begun, nothing" || said != `"1"` {
		t.Errorf("looks: %s, %q", got, said)
	}
	v, err := w.service.Preview(t.Context(), w.who.Tenant, f.ID)
	if err != nil || len(v.Entries) != 1 || v.New != 0 || v.Subject != "Neu: T0" {
		t.Errorf("preview: %+v %v", v, err)
	}
}

func TestChangeAndRefusals(t *testing.T) {
	w := newWorld(t)
	for field, change := range map[string]func(*feed.Feed){
		"url": func(f *feed.Feed) { f.URL = "ftp://x.example/" }, "most": func(f *feed.Feed) { f.Most = 31 }, "schedule/every": func(f *feed.Feed) { f.Schedule.Every = "x" },
		"schedule/day": func(f *feed.Feed) { f.Schedule.Day = 31 }, "html": func(f *feed.Feed) { f.HTML = "<p>x</p>" }, "from": func(f *feed.Feed) { f.From = "" },
		"group_ids": func(f *feed.Feed) { f.Groups = nil }, "group_ids/0": func(f *feed.Feed) { f.Groups = []audience.GroupID{{1}} }, "name": func(f *feed.Feed) { f.Name = "" },
	} {
		f := w.draft()
		change(&f)
		if _, err := w.service.Create(t.Context(), w.who, f); fault.As(err) == nil || fault.As(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	f := w.begin(1)
	f, err := w.service.Change(t.Context(), w.who, f.ID, 1, func(f *feed.Feed) error { f.Paused = true; return nil })
	w.must(err)
	w.says(rss(`<item><title>Neu</title></item>`))
	w.turn(day)
	if got := w.looks(f); got != "begun" {
		t.Errorf("paused: %s", got)
	}
	if _, err := w.service.Change(t.Context(), w.who, f.ID, 1, func(*feed.Feed) error { return nil }); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("an old revision: %v", err)
	}
	_, err = w.service.Change(t.Context(), w.who, f.ID, 2, func(f *feed.Feed) error { f.Paused, f.URL = false, w.site.URL+"/other"; return nil })
	w.must(err)
	w.turn(0)
	if got := w.looks(f); got != "begun, begun" {
		t.Errorf("another address: %s", got)
	}
}

// between is a store that lets something happen once a mailing was made, before it is sent.
type between struct {
	feed.Store
	then func()
}

// KeepLook implements feed.Store.
func (s *between) KeepLook(ctx context.Context, f feed.Feed, l feed.Look, seen []feed.Hash, c campaign.Campaign) (bool, error) {
	ok, err := s.Store.KeepLook(ctx, f, l, seen, c)
	if then := s.then; then != nil && !f.Pending.IsZero() {
		s.then = nil
		then()
	}
	return ok, err
}

// Who pauses a feed between the making of a mailing and its sending keeps it: it stays a draft.
func TestPausedBeforeItsMailingIsSent(t *testing.T) {
	w := newWorld(t)
	held := &between{Store: w.store}
	w.config.Store = held
	w.service = feed.New(w.config)
	f := w.begin(1, func(f *feed.Feed) { f.Send = true })
	w.says(rss(`<item><title>Neu</title></item>`))
	held.then = func() {
		_, err := w.service.Change(t.Context(), w.who, f.ID, 1, func(f *feed.Feed) error { f.Paused = true; return nil })
		w.must(err)
	}
	w.turn(day)
	w.turn(day)
	list, _, err := w.mailings.Campaigns(t.Context(), w.who.Tenant, campaign.ID{}, 10)
	if err != nil || len(list) != 1 || list[0].State != campaign.Draft {
		t.Errorf("mailings of a paused feed: %+v, %v", list, err)
	}
	if got := w.looks(f); got != "begun, drafted" {
		t.Errorf("looks: %s", got)
	}
}

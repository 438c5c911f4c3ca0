package feed_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

func TestAsksSoonerWhereItFailed(t *testing.T) {
	w := newWorld(t)
	f := w.begin(1)
	w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }
	next := func() string {
		w.Helper()
		found, err := w.service.Feed(w.Context(), w.who.Tenant, f.ID)
		w.must(err)
		return found.NextAt.Format("02 15:04")
	}
	// In Berlin it is an hour later than here.
	w.turn(22*time.Hour + 30*time.Minute)
	for _, c := range []struct {
		wait time.Duration
		next string
	}{{0, "24 08:15"}, {15 * time.Minute, "24 09:15"}, {time.Hour, "25 08:00"}, {22*time.Hour + 45*time.Minute, "26 08:00"}} {
		if w.turn(c.wait); next() != c.next {
			t.Errorf("after %v: %s, not %s", c.wait, next(), c.next)
		}
	}
	if todos, err := (feed.Waiting{Store: w.store}).Todos(t.Context(), w.who.Tenant, w.now); err != nil || len(todos) != 1 || todos[0].Kind != "feed_failing" {
		t.Errorf("to do: %+v, %v", todos, err)
	}
	w.says(rss(many(1)))
	w.turn(day)
	if todos, err := (feed.Waiting{Store: w.store}).Todos(t.Context(), w.who.Tenant, w.now); err != nil || len(todos) != 0 {
		t.Errorf("to do when it can be read: %+v, %v", todos, err)
	}
}

// broken is a room of mailings that cannot tell.
type broken struct{ *campaign.Service }

func (broken) Formed(context.Context, campaign.Campaign) (campaign.Campaign, error) {
	return campaign.Campaign{}, errors.New("no connection")
}

func TestWhatGoesWrongHereIsPutOff(t *testing.T) {
	w := newWorld(t)
	f := w.begin(1)
	w.says(rss(`<item><title>Neu</title></item>`))
	c := w.config
	c.Mailings = broken{w.mailings}
	w.now = w.now.Add(day)
	if err := feed.New(c).Turn(t.Context(), w.now); err == nil {
		t.Fatal("nothing went wrong")
	}
	if list, err := w.store.DueFeeds(t.Context(), w.now, 9); err != nil || len(list) != 0 {
		t.Errorf("due at once: %v, %v", list, err)
	}
	w.turn(5 * time.Minute)
	if got := w.looks(f); got != "begun, drafted" {
		t.Errorf("looks: %s", got)
	}
}

func TestLockedAccountsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	f := w.begin(1)
	w.must(w.store.LockTenant(t.Context(), w.who.Tenant, tenant.Locked, "", nil))
	w.asked = 0
	w.says(rss(`<item><title>Neu</title></item>`))
	w.turn(day)
	if got := w.looks(f); got != "begun" || w.asked != 0 {
		t.Errorf("looks: %s, asked %d times", got, w.asked)
	}
	w.must(w.store.LockTenant(t.Context(), w.who.Tenant, tenant.Active, "", nil))
	w.turn(day)
	if got := w.looks(f); got != "begun, drafted" {
		t.Errorf("then: %s", got)
	}
}

func TestPreviewOfADraft(t *testing.T) {
	w := newWorld(t)
	f := w.draft()
	w.says(rss(many(3)))
	v, err := w.service.PreviewDraft(t.Context(), w.who, f)
	if err != nil || v.Total != 3 || len(v.Entries) != 2 || v.New != 0 || v.Subject != "Neu: T0" || !strings.Contains(v.HTML, "T1") {
		t.Errorf("not kept: %+v, %v", v, err)
	}
	if list, err := w.service.List(t.Context(), w.who.Tenant); err != nil || len(list) != 0 {
		t.Errorf("kept: %v, %v", list, err)
	}
	f = w.begin(1)
	w.says(rss(many(3)))
	if v, err = w.service.PreviewDraft(t.Context(), w.who, f); err != nil || v.New != 2 {
		t.Errorf("kept: %+v, %v", v, err)
	}
	f.URL += "?other"
	if v, err = w.service.PreviewDraft(t.Context(), w.who, f); err != nil || v.New != 0 {
		t.Errorf("at another address: %+v, %v", v, err)
	}
	f.Most = 0
	if _, err = w.service.PreviewDraft(t.Context(), w.who, f); fault.As(err) == nil || fault.As(err).Field != "most" {
		t.Errorf("wrong: %v", err)
	}
	f.Most = 1
	other := ingest.Principal{Tenant: tenant.ID{9}, Actor: "usr_9"}
	if _, err = w.service.PreviewDraft(t.Context(), other, f); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}

func TestPreviewsAreLimited(t *testing.T) {
	w := newWorld(t)
	f := w.begin(1)
	for range feed.PreviewsMost {
		_, err := w.service.Preview(t.Context(), w.who.Tenant, f.ID)
		w.must(err)
	}
	_, err := w.service.Preview(t.Context(), w.who.Tenant, f.ID)
	if e := fault.As(err); e == nil || e.Code != feed.CodeOften || e.RetryAfter != feed.PreviewsIn {
		t.Errorf("one more: %v", err)
	}
	w.now = w.now.Add(feed.PreviewsIn)
	if _, err = w.service.Preview(t.Context(), w.who.Tenant, f.ID); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestTitlesAreNoPartOfTheTagsBehindThem(t *testing.T) {
	for _, title := range []string{"Klammer {", `Strich \`, "{{{{{#if", `\{{x`, "}}{{"} {
		w := newWorld(t)
		f := w.begin(1, func(f *feed.Feed) {
			f.Subject = "{{feed_title}}{{name}}"
			f.HTML = `<p title="{{feed_title}}">{{{feed_entries}}}</p><a href="{{unsubscribe_url}}">x</a>`
		})
		w.says(rss("<item><title>" + title + "</title></item>"))
		w.turn(day)
		if got := w.looks(f); got != "begun, drafted" {
			t.Errorf("%s: %s", title, got)
			continue
		}
		if l := w.campaigns()[0].Letter; strings.Contains(l.HTML, "feed_") || strings.Contains(l.HTML, "{<") || !strings.HasSuffix(l.Subject, "{{name}}") || strings.HasSuffix(l.Subject, `\{{name}}`) {
			t.Errorf("%s: %q %s", title, l.Subject, l.HTML)
		}
	}
}

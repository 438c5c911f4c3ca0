package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
)

// mailboxes says that a domain belongs to the provider that it is named after.
type mailboxes struct {
	broken bool
}

func (m *mailboxes) Provider(_ context.Context, domain string) (string, error) {
	if m.broken {
		return "", errors.New("no answer")
	}
	name, _, _ := strings.Cut(domain, ".")
	return name, nil
}

func (m *mailboxes) Known() []string { return []string{"gmail", "gmx", "webde"} }

// paced is a world with people at providers, those of the first before those of the next.
func paced(t *testing.T, people map[string]int) *world {
	t.Helper()
	w := newWorld(t, 0)
	w.config.Providers = &mailboxes{}
	w.service = campaign.New(w.config)
	var list []audience.ContactID
	for _, provider := range []string{"gmail", "gmx", "kunde"} {
		for i := range people[provider] {
			list = append(list, w.contact(fmt.Sprintf("%s%d@%s.example", provider, i, provider), "Eva", "").ID)
		}
	}
	w.join(w.group, list...)
	return w
}

// handed counts whose mail was handed over by provider.
func (w *world) handed(c campaign.Campaign) map[string]int {
	w.Helper()
	list, _, err := w.service.Lines(w.Context(), w.who.Tenant, c.ID, campaign.LineFilter{Limit: 500})
	w.must(err)
	n := map[string]int{}
	for _, l := range list {
		if l.State == campaign.Accepted {
			name, _, _ := strings.Cut(l.Address.Domain, ".")
			n[name]++
		}
	}
	return n
}

func rates(list ...campaign.Rate) func(*campaign.Campaign) {
	return func(c *campaign.Campaign) { c.PerProvider = list }
}

// A provider that is bounded gets what it may an hour, all others theirs at once.
func TestProvidersHaveTheirPace(t *testing.T) {
	w := paced(t, map[string]int{"gmail": 4, "gmx": 2, "kunde": 3})
	c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 60}, campaign.Rate{Provider: "webde", PerHour: 1}))
	w.send(c)
	w.turn()
	if got := fmt.Sprint(w.handed(c)); got != "map[gmail:1 gmx:2 kunde:3]" {
		t.Errorf("handed over at once: %s", got)
	}
	for minute := range 3 {
		w.pass(59 * time.Second)
		w.turn()
		if got := w.handed(c)["gmail"]; got != 1+minute {
			t.Errorf("%d before minute %d is over", got, minute+1)
		}
		w.pass(time.Second)
		w.turn()
		if got := w.handed(c)["gmail"]; got != 2+minute {
			t.Errorf("%d after minute %d", got, minute+1)
		}
	}
	w.pass(time.Minute)
	w.turn()
	if got := w.read(c); got.State != campaign.Sent || got.Accepted != 9 || w.counted(c) != 9 {
		t.Errorf("at the end: %+v", got)
	}
}

// A bound of the whole and one of a provider hold together, and nobody stands behind others.
func TestPacesHoldTogether(t *testing.T) {
	w := paced(t, map[string]int{"gmail": 8, "gmx": 8, "kunde": 24})
	c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 60}), func(c *campaign.Campaign) { c.PerHour = 240 })
	w.send(c)
	all := map[string]int{}
	for range 5 * 60 / 5 {
		w.turn()
		all = w.handed(c)
		w.pass(5 * time.Second)
	}
	if sum := all["gmail"] + all["gmx"] + all["kunde"]; sum > 20 || sum < 19 {
		t.Errorf("%d in five minutes, may be 20: %v", sum, all)
	}
	if all["gmail"] != 5 {
		t.Errorf("gmail got %d in five minutes, may get 5", all["gmail"])
	}
	if got := w.read(c); !got.Listed || got.Total != 40 {
		t.Errorf("not everybody is written down: %+v", got)
	}
}

// A pause does not save up what a provider would have got meanwhile.
func TestAPauseSavesNothingUp(t *testing.T) {
	w := paced(t, map[string]int{"gmail": 9})
	c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 60}))
	w.send(c)
	w.turn()
	_, err := w.service.Pause(t.Context(), w.who, c.ID)
	w.must(err)
	w.pass(time.Hour)
	w.turn()
	if got := w.handed(c)["gmail"]; got != 1 {
		t.Errorf("%d while it is paused", got)
	}
	_, err = w.service.Resume(t.Context(), w.who, c.ID)
	w.must(err)
	w.pass(5 * time.Second)
	w.turn()
	w.pass(30 * time.Second)
	w.turn()
	if got := w.handed(c)["gmail"]; got != 2 {
		t.Errorf("%d handed over after an hour of pause, want 2", got)
	}
	_, err = w.service.Cancel(t.Context(), w.who, c.ID)
	w.must(err)
	w.pass(time.Hour)
	w.turn()
	if got := w.counted(c); got > 2 {
		t.Errorf("%d mails of what was cancelled", got)
	}
}

// Who dies between the claim and the answers hands over no more than is allowed, and nobody
// twice.
func TestAPaceOutlivesItsProcess(t *testing.T) {
	for name, when := range map[string]bool{"before the answers": true} {
		t.Run(name, func(t *testing.T) {
			w := paced(t, map[string]int{"gmail": 3})
			c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 60}))
			w.send(c)
			broken := w.config
			broken.Store = &dying{w.store, when}
			if err := campaign.New(broken).Turn(t.Context(), w.Now()); !errors.Is(err, errDead) {
				t.Fatalf("it lives: %v", err)
			}
			w.turn()
			if got := w.read(c); got.Accepted != 0 {
				t.Errorf("the next process hands over %d at once", got.Accepted)
			}
			for range 4 {
				w.pass(time.Minute)
				w.turn()
			}
			if got := w.read(c); got.State != campaign.Sent || got.Accepted != 3 || w.counted(c) != 3 {
				t.Errorf("at the end: %+v", got)
			}
		})
	}
}

// A name server that does not answer holds nobody up.
func TestUnknownProvidersAreNotBounded(t *testing.T) {
	w := paced(t, map[string]int{"gmail": 2})
	w.config.Providers = &mailboxes{broken: true}
	w.service = campaign.New(w.config)
	c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 1}))
	p, err := w.service.Preview(t.Context(), c)
	w.must(err)
	if p.Takes != 0 {
		t.Errorf("tells %s without knowing", p.Takes)
	}
	w.send(c)
	w.turn()
	if got := w.read(c); got.Accepted != 2 {
		t.Errorf("handed over %d", got.Accepted)
	}
}

func TestRatesAreChecked(t *testing.T) {
	w := paced(t, nil)
	for field, list := range map[string][]campaign.Rate{
		"per_provider/0/provider": {{Provider: "nobody", PerHour: 5}},
		"per_provider/1/provider": {{Provider: "gmx", PerHour: 5}, {Provider: "gmx", PerHour: 6}},
		"per_provider/0/per_hour": {{Provider: "gmx"}},
		"per_provider/1/per_hour": {{Provider: "gmx", PerHour: 1}, {Provider: "gmail", PerHour: campaign.MaxPerHour + 1}},
	} {
		_, err := w.service.Create(t.Context(), w.who, campaign.Campaign{Name: "x", Letter: letter(), PerProvider: list})
		if f := fault.As(err); f == nil || f.Field != field {
			t.Errorf("%v: %v", list, err)
		}
	}
}

// What is told before and while it is sent.
func TestForecast(t *testing.T) {
	w := paced(t, map[string]int{"gmail": 10, "gmx": 3, "kunde": 40})
	c := w.draft(rates(campaign.Rate{Provider: "gmail", PerHour: 60}, campaign.Rate{Provider: "gmx", PerHour: 60}))
	p, err := w.service.Preview(t.Context(), c)
	w.must(err)
	if p.Takes != 10*time.Minute {
		t.Errorf("takes %s, want 10m", p.Takes)
	}
	forecast := func() campaign.Forecast {
		t.Helper()
		r, err := w.service.Report(t.Context(), w.who.Tenant, c.ID)
		w.must(err)
		f, err := w.service.Forecast(t.Context(), w.read(c), r)
		w.must(err)
		return f
	}
	if f := forecast(); !f.End.IsZero() {
		t.Errorf("of a draft: %+v", f)
	}
	w.send(c)
	w.turn() // one of each is handed over
	begun := w.Now()
	f := forecast()
	if !f.End.Equal(begun.Add(9*time.Minute)) || len(f.Providers) != 2 || f.Providers[0].Waiting != 9 || !f.Providers[1].End.Equal(begun.Add(2*time.Minute)) {
		t.Errorf("at its begin: %+v", f)
	}
	_, err = w.service.Pause(t.Context(), w.who, c.ID)
	w.must(err)
	if f := forecast(); !f.End.IsZero() {
		t.Errorf("while paused: %+v", f)
	}
}

// TestForecastGoesByThePaceOfNow holds that what is allowed is not promised where less is
// reached, and nothing where nothing can be told.
func TestForecastGoesByThePaceOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		counts := func(waiting, lately int64) []campaign.PaceCount {
			return []campaign.PaceCount{{Waiting: waiting, Lately: lately}}
		}
		for name, c := range map[string]struct {
			perHour  int
			paces    []campaign.PaceCount
			measured time.Duration
			end      time.Duration // 0: nothing is told
		}{
			"as allowed":              {3600, counts(600, 300), 5 * time.Minute, 10 * time.Minute},
			"slower than allowed":     {3600, counts(600, 150), 5 * time.Minute, 20 * time.Minute},
			"faster than allowed":     {3600, counts(600, 301), 5 * time.Minute, 10 * time.Minute},
			"stands still":            {3600, counts(600, 0), 5 * time.Minute, 0},
			"no bound":                {0, counts(600, 300), 5 * time.Minute, 10 * time.Minute},
			"no bound, just begun":    {0, counts(600, 300), 30 * time.Second, 0},
			"just begun":              {3600, counts(600, 0), 30 * time.Second, 10 * time.Minute},
			"too few to tell of":      {60, counts(10, 1), 5 * time.Minute, 10 * time.Minute},
			"nobody waits":            {3600, counts(0, 20), 5 * time.Minute, 0},
			"nobody was written down": {3600, nil, 5 * time.Minute, 0},
		} {
			r := campaign.Report{Paces: c.paces, At: now, Measured: now.Add(-c.measured)}
			v := campaign.Campaign{State: campaign.Sending, Listed: true, PerHour: c.perHour}
			f, err := campaign.New(campaign.Config{}).Forecast(t.Context(), v, r)
			if got := f.End.Sub(now); err != nil || c.end == 0 && !f.End.IsZero() || c.end != 0 && got != c.end {
				t.Errorf("%s: ends %v after now, want %s, %v", name, f.End, c.end, err)
			}
		}
	})
}

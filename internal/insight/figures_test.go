package insight_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

func TestTimesAreNoBetterThanTheyWere(t *testing.T) {
	ready := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var f insight.Figures
	for _, took := range []time.Duration{0, time.Second, 1001 * time.Millisecond, 40 * time.Second, 15 * time.Minute, 15*time.Minute + 1, 48 * time.Hour} {
		e := event.Event{Type: event.Completed, At: ready.Add(took)}
		for _, c := range insight.CountsOf(&e, ready) {
			f.Add(insight.Cell{Count: c, N: 1})
		}
	}
	if f.Delivered != 7 || f.Slow() != 2 {
		t.Errorf("%d delivered, %d slow", f.Delivered, f.Slow())
	}
	for q, want := range map[float64]time.Duration{0.1: time.Second, 2. / 7: time.Second, 0.3: 2 * time.Second, 0.5: time.Minute, 5. / 7: 15 * time.Minute, 0.8: 30 * time.Minute, 0.95: 0} {
		if got, ok := f.Within(q); !ok || got != want {
			t.Errorf("%.2f within %s, want %s", q, got, want)
		}
	}
	if _, ok := (&insight.Figures{}).Within(0.5); ok {
		t.Error("nothing was delivered in a time")
	}
}

func TestRateNeedsEnoughResults(t *testing.T) {
	f := insight.Figures{Delivered: 18, Bounced: 1, Delayed: 40}
	if _, ok := f.Rate(); ok {
		t.Error("19 results make a rate")
	}
	f.Expired = 1
	if rate, ok := f.Rate(); !ok || rate != 0.9 {
		t.Errorf("rate %v", rate)
	}
	if f.DelayedShare() != 1 || f.Failed() != 2 {
		t.Errorf("delayed %v, failed %d", f.DelayedShare(), f.Failed())
	}
}

// A retry is no second delay, and what was not attempted is nothing.
func TestOnlyOutcomesCount(t *testing.T) {
	for _, c := range []struct {
		e    event.Event
		want int
	}{
		{event.Event{Type: event.AttemptFailed, Attempt: &event.Attempt{Number: 1}}, 1},
		{event.Event{Type: event.AttemptFailed, Attempt: &event.Attempt{Number: 2}}, 0},
		{event.Event{Type: event.AttemptFailed}, 0},
		{event.Event{Type: event.Withheld}, 0}, {event.Event{Type: event.Stopped}, 0}, {event.Event{Type: event.Accepted}, 0},
		{event.Event{Type: event.Refused}, 1}, {event.Event{Type: event.Completed}, 2},
	} {
		if got := insight.CountsOf(&c.e, time.Time{}); len(got) != c.want {
			t.Errorf("%s: %v", c.e.Type, got)
		}
	}
}

func TestFindings(t *testing.T) {
	group := func(p string, delivered, bounced, slow int64) insight.Group {
		g := insight.Group{Provider: p}
		g.Add(insight.Cell{Count: insight.CountDelivered, N: delivered})
		g.Add(insight.Cell{Count: insight.CountBounced, N: bounced})
		g.Add(insight.Cell{Count: "took13", N: slow})
		return g
	}
	now := []insight.Group{group("good", 1000, 5, 1), group("drop", 970, 30, 0), group("low", 60, 40, 0), group("slow", 100, 0, 20), group("few", 10, 20, 0)}
	before := []insight.Group{group("drop", 999, 1, 0), group("low", 60, 40, 0), group("good", 1000, 0, 0)}
	var have []string
	for _, f := range insight.Findings(now, before) {
		have = append(have, f.Provider+" "+string(f.Kind))
	}
	if len(have) != 3 || have[0] != "low low" || have[1] != "drop drop" || have[2] != "slow slow" {
		t.Errorf("findings: %v", have)
	}
}

// Every provider that is known has a name, and advice is there in both languages.
func TestProvidersAreNamed(t *testing.T) {
	p, err := insight.LoadProviders()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range append(dns.Providers(), "") {
		if key != "" && key != "freenet" && key != "o2" && p.Name(key) == key {
			t.Errorf("%s has no name", key)
		}
		for _, lang := range i18n.Langs() {
			if a := p.Advice(key, lang, i18n.Du); a.Tenant == "" || a.Operator == "" || a.Checked.IsZero() {
				t.Errorf("%s in %s: %+v", key, lang, a)
			}
		}
	}
}

type source struct {
	todos []insight.Todo
	err   error
}

func (s source) Todos(context.Context, tenant.ID, time.Time) ([]insight.Todo, error) {
	return s.todos, s.err
}

type shelf []string

func (s *shelf) Dismiss(_ context.Context, _ tenant.ID, _ tenant.UserID, key string, _ time.Time) error {
	*s = append(*s, key)
	return nil
}

func (s *shelf) Dismissed(context.Context, tenant.ID, tenant.UserID, time.Time) ([]string, error) {
	return *s, nil
}

// What one room cannot say does not hide the others, and what must be done comes first
// and cannot be put aside.
func TestTodosOfAllRooms(t *testing.T) {
	away := &shelf{}
	all := insight.Todos{Store: away, Sources: []insight.TodoSource{
		source{todos: []insight.Todo{{Key: "may", Optional: true}, {Key: "must"}}}, source{todos: []insight.Todo{{Key: "also"}}},
	}}
	list, err := all.For(t.Context(), tenant.ID{1}, tenant.UserID{1}, time.Time{})
	if err != nil || len(list) != 3 || list[0].Key != "must" || list[2].Key != "may" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, key := range []string{"may", "must", "nothing"} {
		if err := all.Dismiss(t.Context(), tenant.ID{1}, tenant.UserID{1}, key, time.Time{}); err != nil {
			t.Error(err)
		}
	}
	if len(*away) != 1 || (*away)[0] != "may" {
		t.Errorf("put aside: %v", *away)
	}
	all.Sources = append(all.Sources, source{err: errors.New("down")})
	if list, err := all.For(t.Context(), tenant.ID{1}, tenant.UserID{1}, time.Time{}); err == nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

package insight_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the readers live in Europe/Berlin, whatever the machine has

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// office is a platform with two tenants in memory: the stores of the digester, rooms that
// have something to do, and a postman that keeps letters by their keys, as notice does.
type office struct {
	tenants []tenant.Tenant
	readers map[tenant.ID][]insight.Reader
	runs    map[string]insight.DigestRun
	cells   []insight.Cell
	todos   []insight.Todo
	letters map[string]notice.Letter
	sent    int
	fail    int // the n-th letter from now fails; 0: none
	off     bool
}

func (o *office) On() bool { return !o.off }

func (o *office) Send(_ context.Context, l notice.Letter) error {
	if o.fail > 0 {
		if o.fail--; o.fail == 0 {
			return errors.New("the database is down")
		}
	}
	if _, known := o.letters[l.Key]; !known {
		o.letters[l.Key] = l
		o.sent++
	}
	return nil
}

func (o *office) Readers(_ context.Context, t tenant.ID) ([]insight.Reader, error) {
	return o.readers[t], nil
}

func (o *office) ChooseDigests(context.Context, tenant.ID, tenant.UserID, insight.Choice) error {
	return nil
}

func (o *office) DigestRun(_ context.Context, t tenant.ID, k insight.DigestKind) (insight.DigestRun, error) {
	return o.runs[t.String()+string(k)], nil
}

func (o *office) SetDigestRun(_ context.Context, t tenant.ID, k insight.DigestKind, r insight.DigestRun, _ time.Time) error {
	o.runs[t.String()+string(k)] = r
	return nil
}

func (o *office) Tenants(_ context.Context, after tenant.ID, _ int) ([]tenant.Tenant, error) {
	if after.IsZero() {
		return o.tenants, nil
	}
	return nil, nil
}

func (o *office) Sums(_ context.Context, t tenant.ID, q insight.TallyQuery) (list []insight.Cell, err error) {
	for _, c := range o.cells {
		if t == o.tenants[0].ID && !c.Hour.Before(q.From) && c.Hour.Before(q.To) {
			c.Hour = time.Time{}
			list = append(list, c)
		}
	}
	return list, nil
}

func (o *office) Todos(_ context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	if t != o.tenants[0].ID {
		return nil, nil
	}
	return o.todos, nil
}

func (o *office) Dismiss(context.Context, tenant.ID, tenant.UserID, string, time.Time) error {
	return nil
}

func (o *office) Dismissed(context.Context, tenant.ID, tenant.UserID, time.Time) ([]string, error) {
	return nil, nil
}

var monday = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) // 8:00 in Berlin

func newOffice(t *testing.T) (*office, insight.Digester) {
	t.Helper()
	user := func(n byte, of tenant.ID, locale string, c insight.Choice) insight.Reader {
		return insight.Reader{User: tenant.User{ID: tenant.UserID{n}, Tenant: of, Email: string('a'+rune(n)) + "@x.example", Locale: locale, Role: tenant.Owner}, Choice: c}
	}
	a, b, locked := tenant.ID{1}, tenant.ID{2}, tenant.ID{3}
	long := monday.AddDate(-1, 0, 0)
	o := &office{letters: map[string]notice.Letter{}, runs: map[string]insight.DigestRun{}, tenants: []tenant.Tenant{
		{ID: a, Name: "Hafenkontor", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CreatedAt: long},
		{ID: b, Name: "Salon", State: tenant.Active, Locale: "de", OfficeTone: tenant.Du, CreatedAt: monday.Add(-time.Hour)},
		{ID: locked, Name: "Zu", State: tenant.Locked, CreatedAt: long},
	}}
	both := insight.Choice{Weekly: true, Todos: true}
	o.readers = map[tenant.ID][]insight.Reader{
		a:      {user(1, a, "", both), user(2, a, "en", both), user(3, a, "", insight.Choice{})},
		b:      {user(4, b, "", both)},
		locked: {user(5, locked, "", both)},
	}
	add := func(weeksAgo int, provider string, count insight.Count, n int64) {
		o.cells = append(o.cells, insight.Cell{Hour: monday.AddDate(0, 0, 1-7*weeksAgo).Truncate(time.Hour), Provider: provider, Count: count, N: n})
	}
	add(1, "gmx", insight.CountDelivered, 990)
	add(1, "gmx", "took02", 990)
	add(1, "gmx", insight.CountBounced, 10)
	add(1, "tonline", insight.CountDelivered, 90)
	add(1, "tonline", insight.CountBounced, 10)
	add(2, "tonline", insight.CountDelivered, 100)
	add(0, "gmx", insight.CountDelivered, 77777)
	o.todos = []insight.Todo{
		{Key: "held", Kind: "held", Args: i18n.Args{"n": int64(2)}, Mark: "held", Since: monday},
		{Key: "refused/4", Kind: "refused", Args: i18n.Args{"n": int64(20)}, Optional: true},
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	providers, err := insight.LoadProviders()
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return o, insight.Digester{Store: o, Statistics: insight.Statistics{Store: o}, Todos: insight.Todos{Sources: []insight.TodoSource{o}, Store: o}, Postman: o,
		Catalog: catalog, Providers: providers, Zone: func(tenant.Tenant) *time.Location { return berlin }, Log: slog.New(slog.DiscardHandler)}
}

func TestWeeklyReportTellsOfTheWeek(t *testing.T) {
	o, d := newOffice(t)
	if err := d.Run(t.Context(), monday); err != nil {
		t.Fatal(err)
	}
	l, ok := o.letters["weekly/2026-W47/"+tenant.UserID{1}.String()]
	if !ok {
		t.Fatalf("letters: %v", o.letters)
	}
	text := strings.Join(l.More, "\n")
	for _, want := range []string{"Zugestellt: 1.080 (Vorwoche 100)", "Zustellrate: 98,2", "Vorwoche 100,0", "T-Online: Zustellrate 90,0", "zugestellt geteilt durch", "2 E-Mails sind angehalten", "20 E-Mails kamen"} {
		if !strings.Contains(text, want) {
			t.Errorf("report lacks %q:\n%s", want, text)
		}
	}
	if l.Args["week"] != "47" || l.Args["from"] != "16.11.2026" || l.Args["to"] != "22.11.2026" || !l.Formal || l.To.String() != "b@x.example" || strings.Contains(text, "⟦") {
		t.Errorf("letter %+v", l)
	}
	if en := o.letters["weekly/2026-W47/"+tenant.UserID{2}.String()]; en.Lang != i18n.English || !strings.Contains(strings.Join(en.More, "\n"), "Delivered: 1,080 (week before 100)") {
		t.Errorf("in English: %+v", en)
	}
	for key, l := range o.letters {
		if l.Tenant != o.tenants[0].ID || strings.Contains(key, (tenant.UserID{3}).String()) {
			t.Errorf("%s was sent", key)
		}
	}
}

// A week is told once, on whichever node and however often something breaks; what was due
// while nothing ran is told late.
func TestDigestsAreSentOnce(t *testing.T) {
	o, d := newOffice(t)
	for hour := -24; hour < 8*24; hour++ {
		o.fail = hour % 3 // some runs break off
		_ = d.Run(t.Context(), monday.Add(time.Duration(hour)*time.Hour))
		_ = d.Run(t.Context(), monday.Add(time.Duration(hour)*time.Hour+time.Minute)) // another node
	}
	weeks := map[string]int{}
	for key := range o.letters {
		weeks[key[:strings.LastIndexByte(key, '/')]]++
	}
	if weeks["weekly/2026-W46"] != 2 || weeks["weekly/2026-W47"] != 2 || weeks["weekly/2026-W48"] != 3 || weeks["weekly/2026-W49"] != 0 {
		t.Errorf("weeks: %v", weeks)
	}
	if weeks["todos/2026-11-22"] != 2 || len(weeks) != 4 {
		t.Errorf("open tasks are told again though nothing is new: %v", weeks)
	}
	before := o.sent
	o.fail = 0
	o.todos = append(o.todos, insight.Todo{Key: "halt", Kind: "halt_complaints", Args: i18n.Args{"n": 5, "sent": 900, "hours": 24, "share": 0.555}})
	if err := d.Run(t.Context(), monday.AddDate(0, 0, 9)); err != nil || o.sent != before+2 {
		t.Errorf("something new: %d letters, %v", o.sent-before, err)
	}
	l := o.letters["todos/2026-12-02/"+tenant.UserID{1}.String()]
	if text := strings.Join(l.More, "\n"); !strings.Contains(text, "0,56 %") || l.Args["n"] != "3" {
		t.Errorf("letter %+v", l)
	}
}

func TestDigestsWaitForTheHourAndAnAddress(t *testing.T) {
	o, d := newOffice(t)
	if err := d.Run(t.Context(), monday.Add(-time.Minute)); err != nil || o.sent != 0 {
		t.Errorf("before 8:00 %d letters, %v", o.sent, err)
	}
	o.off = true
	if err := d.Run(t.Context(), monday); err != nil || len(o.runs) != 0 {
		t.Errorf("without an address of its own: %v, %v", o.runs, err)
	}
}

func TestMondays(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{"2026-11-23T00:30": "2026-11-23", "2026-11-29T23:30": "2026-11-23", "2026-03-29T12:00": "2026-03-23", "2026-01-01T00:00": "2025-12-29"} {
		at, _ := time.ParseInLocation("2006-01-02T15:04", day, berlin)
		if got := insight.Monday(at); got.Format(time.DateOnly) != want || got.Hour() != 0 {
			t.Errorf("%s: %s", day, got)
		}
	}
}

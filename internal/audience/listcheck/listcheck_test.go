package listcheck_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/listcheck"
	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// zone answers from a map and counts; what is not in it takes mail.
type zone struct {
	mu    sync.Mutex
	says  map[string]error
	asked map[string]int
}

func (z *zone) MX(_ context.Context, domain string) ([]dns.MX, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked[domain]++
	return []dns.MX{{Host: "mx." + domain}}, z.says[domain]
}

type world struct {
	*listcheck.Service
	store    *audiencetest.Lists
	audience *audience.Service
	zone     *zone
	now      time.Time
	a, b     tenant.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: &audiencetest.Lists{}, now: start, a: id.New[tenant.Kind](start), b: id.New[tenant.Kind](start),
		zone: &zone{asked: map[string]int{}, says: map[string]error{"zu.example": dns.ErrNoMail, "gmxx.de": dns.ErrNoDomain, "stumm.example": dns.ErrTemporary}}}
	now := func() time.Time { return w.now }
	var err error
	if w.audience, err = audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte(audiencetest.Key), Now: now}); err != nil {
		t.Fatal(err)
	}
	v, err := audience.NewValidator(w.zone, w.audience)
	if err != nil {
		t.Fatal(err)
	}
	w.Service = listcheck.New(listcheck.Config{Store: w.store, Validator: v, Now: now})
	return w
}

func (w *world) take(t *testing.T, who tenant.ID, text string) listcheck.Check {
	t.Helper()
	c, err := w.Take(t.Context(), who, listcheck.List{Name: "liste.csv", Stream: tenant.Newsletter, Actor: "usr_1", Source: listcheck.Table(strings.NewReader(text), "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) work(t *testing.T) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = w.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListIsChecked(t *testing.T) {
	w := newWorld(t)
	if _, err := w.audience.Suppress(t.Context(), w.a, audience.Wish{Address: mustParse("weg@kunde.example"), Stream: tenant.Newsletter, Reason: audience.Complaint}, "x"); err != nil {
		t.Fatal(err)
	}
	c := w.take(t, w.a, "Name;E-Mail\nEva;eva@kunde.example\nMax;max@gmial.com\nZu;z@zu.example\nEva;EVA@kunde.example\nWeg;weg@kunde.example\n"+
		"Info;info@kunde.example\nWegwerf;a@mailinator.com\n?;kein\nStumm;s@stumm.example\nTipp;a@gmxx.de\nUml;ä@kunde.example\n")
	if c.Rows != 11 || c.Column != "E-Mail" || c.State != listcheck.Running {
		t.Errorf("taken as %+v", c)
	}
	w.work(t)
	rows, more, err := w.Rows(t.Context(), w.a, c.ID, listcheck.Filter{})
	if err != nil || more {
		t.Fatal(more, err)
	}
	var have []string
	for _, r := range rows {
		have = append(have, strings.TrimSpace(fmt.Sprintln(r.Line, r.Result, r.Reason, r.Suggestion)))
	}
	want := []string{"2 valid", "3 typo  max@gmail.com", "4 unreachable", "5 duplicate", "6 suppressed complaint", "7 role", "8 disposable", "9 malformed",
		"10 unsure", "11 typo  a@gmx.de", "12 unsure"}
	if strings.Join(have, "|") != strings.Join(want, "|") {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	c, err = w.Check(t.Context(), w.a, c.ID)
	if err != nil || c.State != listcheck.Done || c.Done != 11 || c.Counts[listcheck.Typo] != 2 || c.Counts[listcheck.Unsure] != 2 || c.Counts[listcheck.Duplicate] != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	for domain, n := range w.zone.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", domain, n)
		}
	}
	w.now = start.Add(listcheck.Lasts)
	if _, err := w.Check(t.Context(), w.a, c.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("after a week: %v", err)
	}
}

// A small list of one tenant is done while a long one of another runs, and each domain
// is asked for once over all pages.
func TestTenantsTakeTurns(t *testing.T) {
	w := newWorld(t)
	var long strings.Builder
	for n := range 900 {
		fmt.Fprintf(&long, "p%d@d%d.example\n", n, n%7)
	}
	big, small := w.take(t, w.a, long.String()), w.take(t, w.b, "eva@kunde.example\n")
	if n, err := w.Turn(t.Context()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if c, err := w.Check(t.Context(), w.b, small.ID); err != nil || c.State != listcheck.Done {
		t.Errorf("small: %+v, %v", c, err)
	}
	if c, err := w.Check(t.Context(), w.a, big.ID); err != nil || c.Done != 250 || c.State != listcheck.Running {
		t.Errorf("big: %+v, %v", c, err)
	}
	if c, err := w.Cancel(t.Context(), w.a, big.ID); err != nil || c.State != listcheck.Cancelled || c.Done != 250 {
		t.Errorf("cancelled: %+v, %v", c, err)
	}
	again := w.take(t, w.a, long.String())
	w.work(t)
	n := 0
	err := w.Export(t.Context(), w.a, again.ID, listcheck.Filter{Results: []listcheck.Result{listcheck.Valid}}, func(rows []listcheck.Row) error {
		n += len(rows)
		return nil
	})
	if n != 900 || err != nil {
		t.Errorf("exported %d, %v", n, err)
	}
	if len(w.zone.asked) != 8 || w.zone.asked["d3.example"] != 1 {
		t.Errorf("asked %v", w.zone.asked)
	}
	if err := w.Forget(t.Context(), w.b, again.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("foreign list: %v", err)
	}
	if err := w.Forget(t.Context(), w.a, again.ID); err != nil {
		t.Error(err)
	}
	if list, err := w.Checks(t.Context(), w.a); len(list) != 1 || err != nil {
		t.Errorf("left: %+v, %v", list, err)
	}
}

func TestListIsRefused(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("connection lost")
	for code, l := range map[string]listcheck.List{
		"stream_unknown":     {Stream: "x", Source: listcheck.Table(strings.NewReader("a@b.example"), "")},
		"list_empty":         {Source: listcheck.Table(strings.NewReader("\n\n"), "")},
		"column_unknown":     {Source: listcheck.Table(strings.NewReader("Name;Ort\nEva;Bonn\n"), "")},
		"csv_malformed":      {Source: listcheck.Table(strings.NewReader("E-Mail;x\n\"a@b.example;\n"), "")},
		"list_not_text":      {Source: listcheck.Table(strings.NewReader("PK\x03\x04\x14\x00x"), "")},
		"line_too_long":      {Source: listcheck.Table(strings.NewReader("a@b.example\n"+strings.Repeat("x", 70_000)), "")},
		"json_malformed":     {Source: listcheck.Lines(strings.NewReader("\"a@b.example\"\n{}"))},
		"list_too_many_rows": {Source: &endless{}},
		"":                   {Source: listcheck.Array(io.MultiReader(strings.NewReader(`["a@b.example",`), &failing{broken}))},
	} {
		_, err := w.Take(t.Context(), w.a, l)
		if f := fault.As(err); code != "" && (f == nil || f.Code != code) || code == "" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if list, err := w.Checks(t.Context(), w.a); len(list) != 0 || err != nil {
		t.Errorf("left: %+v, %v", list, err)
	}
}

type endless struct{ n int }

func (e *endless) Next() (int, string, error) { e.n++; return e.n, "a", nil }
func (*endless) Column() string               { return "" }

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// BenchmarkList takes a list of 100,000 addresses of 5,000 domains in and checks it, on
// SQLite.
func BenchmarkList(b *testing.B) {
	const rows, domains = 100_000, 5_000
	var text strings.Builder
	for n := range rows {
		fmt.Fprintf(&text, "kunde%d@domain%d.example\n", n, n%domains)
	}
	now := func() time.Time { return start }
	s, err := store.Open(b.Context(), store.Config{DataDir: b.TempDir(), Now: now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	list, err := audience.New(audience.Config{Store: s, Now: now})
	if err != nil {
		b.Fatal(err)
	}
	v, err := audience.NewValidator(&zone{asked: map[string]int{}}, list)
	if err != nil {
		b.Fatal(err)
	}
	service := listcheck.New(listcheck.Config{Store: s, Validator: v, Now: now})
	for b.Loop() {
		began := time.Now()
		if _, err := service.Take(b.Context(), id.New[tenant.Kind](start), listcheck.List{Source: listcheck.Table(strings.NewReader(text.String()), "")}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rows/time.Since(began).Seconds(), "rows_taken/s")
		began = time.Now()
		for n := 1; n > 0; {
			if n, err = service.Turn(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(rows/time.Since(began).Seconds(), "rows_checked/s")
	}
}

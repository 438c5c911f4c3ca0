//go:build unix

package store_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// made is a list of so many people: names as they are spread in Germany, each address
// another one.
func made(rows int) string {
	given := strings.Fields("Anna Ben Clara David Emma Felix Greta Hans Ida Jonas Karla Leon Mia Noah Olga Paul Rosa Sven Tilda Uwe Jürgen Ayşe Zoë Björn")
	family := strings.Fields("Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Richter Klein Wolf Schröder Neumann Schwarz Krüger Yılmaz")
	domains := strings.Fields("gmx.example web.example t-online.example gmail.example kanzlei.example bau.example")
	var s strings.Builder
	s.WriteString("E-Mail;Vorname;Nachname\n")
	for n := range rows {
		// A step that is prime to all counts makes addresses come in no order.
		k := n * 7919 % 1_000_003
		fmt.Fprintf(&s, "%s.%d@%s;%s;%s%s\n", strings.ToLower(given[k%5]), k, domains[k%len(domains)], given[k%len(given)], family[k%len(family)], family[k/7%len(family)])
	}
	return s.String()
}

// BenchmarkImport takes a list into a group on SQLite and tells how many rows a second
// that were, how long the longest part held the database, and how fast the pages of the
// group are then. STAFETTE_ROWS sets how many rows (default 100,000; the claim is made
// of 1,000,000), STAFETTE_UNDO=1 takes it back then: go test ./internal/store -run ^$ -bench Import$ -benchtime 1x
//
// The clock goes: identifiers made while it stands still would be in no order.
func BenchmarkImport(b *testing.B) {
	rows := 100_000
	if n, err := strconv.Atoi(os.Getenv("STAFETTE_ROWS")); err == nil {
		rows = n
	}
	list := made(rows)
	for b.Loop() {
		w := storetest.NewWorld(b, func(t testing.TB, cfg store.Config) *store.Store { return openSQLite(t, cfg) })
		ctx := b.Context()
		g := w.Group(w.A, "g")
		held := &holdings{Store: w.Store}
		s := intake.New(intake.Config{Store: held, People: w.Store, Now: time.Now})
		began := time.Now()
		i, err := s.Receive(ctx, w.A, g.ID, "list.csv", "usr_1", strings.NewReader(list))
		if err != nil {
			b.Fatal(err)
		}
		received := time.Since(began)
		i.Plan.Source = "bench"
		if _, err := s.Start(ctx, w.A, i.ID, i.Plan); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		processor, written := spent(b)
		for n := 1; n > 0; {
			if n, err = s.Turn(ctx); err != nil {
				b.Fatal(err)
			}
		}
		took := time.Since(began)
		b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
		processorThen, writtenThen := spent(b)
		b.ReportMetric(float64((processorThen-processor).Microseconds())/float64(rows), "cpu-us/row")
		b.ReportMetric(float64(writtenThen-written)/float64(rows), "B-written/row")
		b.ReportMetric(float64(rows)/received.Seconds(), "received/s")
		b.ReportMetric(held.quantile(0.99), "ms-p99-part")
		b.ReportMetric(held.quantile(1), "ms-max-part")
		pages := pagesOf(b, w, g)
		b.ReportMetric(pages, "ms-p99-page")
		if os.Getenv("STAFETTE_UNDO") != "" {
			undone(b, s, held, i, rows)
		}
	}
}

// undone takes the import back and tells how fast that went, and how long the longest step
// held the database.
func undone(b *testing.B, s *intake.Service, held *holdings, i intake.Import, rows int) {
	b.Helper()
	held.held = nil
	began := time.Now()
	processor, _ := spent(b)
	if err := s.Undo(b.Context(), i.Tenant, i.ID); err != nil {
		b.Fatal(err)
	}
	for n := 1; n > 0; {
		var err error
		if n, err = s.Turn(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	then, _ := spent(b)
	b.ReportMetric(float64(rows)/time.Since(began).Seconds(), "undone-rows/s")
	b.ReportMetric(float64((then-processor).Microseconds())/float64(rows), "undo-cpu-us/row")
	b.ReportMetric(held.quantile(1), "ms-max-undo")
	i, err := s.Import(b.Context(), i.Tenant, i.ID)
	if err != nil || i.Deleted != int64(rows) {
		b.Fatalf("%d of %d contacts were deleted, %v", i.Deleted, rows, err)
	}
}

// spent is what this process has spent: on a machine that others use too it tells more than
// the time that passed.
func spent(b *testing.B) (processor time.Duration, written int64) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	const block = 512 // of Oublock
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Oublock * block
}

// holdings notes how long each part holds the database.
type holdings struct {
	intake.Store
	held []time.Duration
}

// SettlePart implements intake.Store.
func (h *holdings) SettlePart(ctx context.Context, s intake.Step, now time.Time) (bool, error) {
	began := time.Now()
	defer func() { h.held = append(h.held, time.Since(began)) }()
	return h.Store.SettlePart(ctx, s, now)
}

// UndoSome implements intake.Store.
func (h *holdings) UndoSome(ctx context.Context, i intake.Import, limit int, now time.Time) (bool, error) {
	began := time.Now()
	defer func() { h.held = append(h.held, time.Since(began)) }()
	return h.Store.UndoSome(ctx, i, limit, now)
}

func (h *holdings) quantile(q float64) float64 {
	slices.Sort(h.held)
	return h.held[int(q*float64(len(h.held)-1))].Seconds() * 1000
}

// pagesOf reads pages of a group in each order, from the beginning and from the middle.
func pagesOf(b *testing.B, w *storetest.World, g audience.Group) float64 {
	b.Helper()
	h := &holdings{}
	sample, err := w.Store.SampleMembers(b.Context(), w.A, g.ID, 50, 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []audience.MemberFilter{{}, {Ascending: true}, {ByName: true, Ascending: true}, {ByName: true}, {Text: "mue"}, {Text: "anna.1"}} {
		for _, c := range append([]audience.Contact{{}}, sample...) {
			f.After = c.ID
			began := time.Now()
			if _, err := w.Store.Members(b.Context(), w.A, g.ID, f); err != nil {
				b.Fatal(err)
			}
			took := time.Since(began)
			h.held = append(h.held, took)
			if took > 150*time.Millisecond {
				b.Logf("%+v: %s", f, took)
			}
		}
	}
	return h.quantile(0.99)
}

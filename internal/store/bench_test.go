package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// benchBody is the size of a body in the benchmarks, that of the peers' figures.
const benchBody = 10_000

func benchDatabases(b *testing.B, run func(b *testing.B, open storetest.Open, callers int)) {
	for name, open := range map[string]storetest.Open{"sqlite": openSQLite, "postgres": openPostgres} {
		for _, callers := range []int{1, 100, 500} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) { run(b, open, callers) })
		}
	}
}

// share lets callers take the numbers 0 to n-1 among them.
func share(callers, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// drafts makes acceptances under the epoch, as if they were on their way already.
func drafts(w *storetest.World, e queue.Epoch, n int) []*ingest.Acceptance {
	body := make([]byte, benchBody)
	list := make([]*ingest.Acceptance, n)
	for i := range list {
		a := w.Draft(w.A, fmt.Sprintf("r%d@example.net", i))
		a.Sealed, a.Epoch = body, e
		list[i] = a
	}
	return list
}

func benchWorld(b *testing.B, open storetest.Open) *storetest.World {
	return storetest.NewWorld(b, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.OnCommit = nil
		return open(t, cfg)
	})
}

func BenchmarkAccept(b *testing.B) {
	benchDatabases(b, func(b *testing.B, open storetest.Open, callers int) {
		w := benchWorld(b, open)
		list := drafts(w, w.Epoch("n"), b.N)
		b.ReportAllocs()
		b.ResetTimer()
		share(callers, b.N, func(i int) {
			if err := w.Store.Accept(context.Background(), list[i]); err != nil {
				b.Error(err)
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
}

func BenchmarkSettle(b *testing.B) {
	benchDatabases(b, func(b *testing.B, open storetest.Open, callers int) {
		w := benchWorld(b, open)
		e := w.Epoch("n")
		list := drafts(w, e, b.N)
		share(500, b.N, func(i int) {
			if err := w.Store.Accept(context.Background(), list[i]); err != nil {
				b.Error(err)
			}
		})
		verdicts := make([][]queue.Settlement, b.N)
		for i, a := range list {
			verdicts[i] = []queue.Settlement{w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)}
		}
		b.ReportAllocs()
		b.ResetTimer()
		share(callers, b.N, func(i int) {
			if fenced, err := w.Store.Settle(context.Background(), verdicts[i]); err != nil || len(fenced) > 0 {
				b.Error(fenced, err)
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
}

func BenchmarkClaim(b *testing.B) {
	for name, open := range map[string]storetest.Open{"sqlite": openSQLite, "postgres": openPostgres} {
		b.Run(name, func(b *testing.B) {
			w := benchWorld(b, open)
			list := drafts(w, 0, b.N)
			share(500, b.N, func(i int) {
				if err := w.Store.Accept(context.Background(), list[i]); err != nil {
					b.Error(err)
				}
			})
			e := w.Epoch("n")
			b.ResetTimer()
			for n := 0; n < b.N; {
				n += len(w.Claim(e, w.A, 500))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkDueTenants is the question of every node every two seconds, over tenants of
// which one in a hundred has mail waiting, none of it due.
func BenchmarkDueTenants(b *testing.B) {
	for name, open := range map[string]storetest.Open{"sqlite": openSQLite, "postgres": openPostgres} {
		b.Run(name, func(b *testing.B) {
			const tenants = 5000
			w := benchWorld(b, open)
			for i := range tenants {
				who := w.Found(fmt.Sprint(i))
				if i%100 == 0 {
					a := w.Draft(who, "r@example.net")
					a.Deliveries[0].DueAt = w.Clock.Now().Add(time.Hour)
					w.Accept(a)
				}
			}
			now := w.Clock.Now()
			for b.Loop() {
				if _, err := w.Store.DueTenants(context.Background(), now, tenant.ID{}, 100); err != nil {
					b.Fatal(err)
				}
				if _, _, err := w.Store.NextDue(context.Background(), now, now.Add(2*time.Second)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOwnerOf finds whose delivery a return path names, among 1,000 tenants.
func BenchmarkOwnerOf(b *testing.B) {
	for name, open := range map[string]storetest.Open{"sqlite": openSQLite, "postgres": openPostgres} {
		b.Run(name, func(b *testing.B) {
			w := storetest.NewWorld(b, open)
			for i := range 1000 {
				w.Accept(w.Draft(w.Found(fmt.Sprint("t", i)), "x@example.net"))
			}
			last := w.Draft(w.B, "x@example.net")
			w.Accept(last)
			for b.Loop() {
				if _, ok, err := w.Store.OwnerOf(b.Context(), returns.PathOf(w.B, last.Deliveries[0].ID)); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkOverview asks what the first page asks, with thirty days in each hour of which
// mail went to every provider there is: there cannot be more sums, however much mail.
func BenchmarkOverview(b *testing.B) {
	const messages, recipients = 720, 250
	w := benchWorld(b, openSQLite)
	e := w.Epoch("n")
	hosts := append(dns.Providers(), "")
	for i := range messages {
		a := w.Draft(w.A, make([]string, recipients)...)
		a.Message.Stream, a.Epoch = tenant.Streams()[i%3], e
		for n := range a.Deliveries {
			a.Deliveries[n].Recipient = storetest.Address(fmt.Sprintf("r%d@example.net", n))
		}
		w.Accept(a)
		w.Clock.Advance(5 * time.Minute)
		verdicts := make([]queue.Settlement, recipients)
		for n := range verdicts {
			state := event.Delivered
			if n%20 == 0 {
				state = event.Bounced
			}
			v := w.Verdict(e, w.A, a.Deliveries[n].ID, state)
			v.Host, v.Stream = hosts[n%len(hosts)], a.Message.Stream
			v.ReadyAt = v.Event.At.Add(-time.Duration(n) * time.Second)
			verdicts[n] = v
		}
		w.Settle(verdicts...)
		w.Clock.Advance(55 * time.Minute)
	}
	if err := (insight.Folder{Store: w.Store, Provider: func(host string) string { return host }}).Fold(b.Context()); err != nil {
		b.Fatal(err)
	}
	now := w.Clock.Now()
	figures := insight.Statistics{Store: w.Store}
	for _, days := range []int{1, 7, 30} {
		from := now.AddDate(0, 0, -days)
		for name, ask := range map[string]func() error{
			"states": func() error { _, err := w.Store.Counts(b.Context(), w.A, from, now); return err },
			"rates":  func() error { _, err := figures.Providers(b.Context(), w.A, "", from, now); return err },
			"traces": func() error { _, err := figures.Traces(b.Context(), w.A, from, now, nil); return err },
		} {
			b.Run(fmt.Sprintf("%s/days=%d", name, days), func(b *testing.B) {
				for b.Loop() {
					if err := ask(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

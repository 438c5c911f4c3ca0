package campaign_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience/intake"
	"stafette/internal/campaign"
	"stafette/internal/seal"
	"stafette/internal/spool"
)

// BenchmarkHandOver writes 1,000 recipients down and hands their mail to ingest, durably; the
// tracked ones with a pixel and links of their own.
func BenchmarkHandOver(b *testing.B) {
	for name, tracked := range map[string]bool{"plain": false, "tracked": true} {
		b.Run(name, func(b *testing.B) {
			const members = 1000
			w := newWorld(b, members)
			if tracked {
				w.track()
			}
			b.ResetTimer()
			for range b.N {
				c := w.draft()
				w.send(c)
				w.turn()
				if got := w.read(c); got.State != campaign.Sent || got.Accepted != members {
					b.Fatalf("campaign: %+v", got)
				}
			}
			b.ReportMetric(float64(members*b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}

// BenchmarkMerge makes one mail of its record.
func BenchmarkMerge(b *testing.B) {
	w := newWorld(b, 1)
	c := w.draft()
	w.send(c)
	w.turn()
	m, err := w.store.Message(b.Context(), w.who.Tenant, firstMessage(w, c))
	w.must(err)
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	sealed, err := w.store.Archive().Read(b.Context(), m.Body)
	w.must(err)
	merger := campaign.NewMerger(campaign.MergerConfig{Campaign: w.store.Campaign, Leave: leave})
	s := spool.New(still(sealed), keeper).Merging(merger)
	b.ResetTimer()
	for range b.N {
		body, err := s.Body(b.Context(), m.Body)
		if err != nil || len(body) == 0 {
			b.Fatal(err)
		}
	}
}

// still is an archive of one body.
type still []byte

func (s still) Read(context.Context, spool.Handle) ([]byte, error) { return s, nil }

func (still) DropBefore(context.Context, spool.Day) (int, int64, error) { return 0, 0, nil }

// BenchmarkExpansion finds STAFETTE_ROWS recipients (default 2,000) and hands their mail over,
// and tells how large the heap was at most: it must not hang on how many they are.
// go test ./internal/campaign -run ^$ -bench Expansion -benchtime 1x
func BenchmarkExpansion(b *testing.B) {
	rows := 2000
	if n, err := strconv.Atoi(os.Getenv("STAFETTE_ROWS")); err == nil {
		rows = n
	}
	for range b.N {
		b.StopTimer()
		w := newWorld(b, 0)
		for n := 0; n < rows; n += peopleAtOnce {
			w.enlist(n, min(rows, n+peopleAtOnce))
		}
		c := w.draft()
		w.send(c)
		var most, now runtime.MemStats
		b.StartTimer()
		for w.read(c).State == campaign.Sending {
			w.turn()
			runtime.ReadMemStats(&now)
			if most.HeapInuse < now.HeapInuse {
				most = now
			}
		}
		if got := w.read(c); got.Accepted != int64(rows) {
			b.Fatalf("campaign: %+v", got)
		}
		b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "mails/s")
		b.ReportMetric(float64(most.HeapInuse)/(1<<20), "MB-heap")
	}
}

// peopleAtOnce is how many people a list imports.
const peopleAtOnce = 100_000

// enlist imports the people from first to last-1 into the world's group.
func (w *world) enlist(first, last int) {
	w.Helper()
	var list strings.Builder
	list.WriteString("E-Mail;Vorname;Nachname\n")
	for n := first; n < last; n++ {
		fmt.Fprintf(&list, "p%07d@kunde.example;Eva;Sommer-%d\n", n, n)
	}
	// Identifiers that are made while the clock stands still come in no order.
	in := intake.New(intake.Config{Store: w.store, People: w.store, Now: time.Now})
	i, err := in.Receive(w.Context(), w.who.Tenant, w.group.ID, "liste.csv", "usr_1", strings.NewReader(list.String()))
	w.must(err)
	i.Plan.Source = "bench"
	_, err = in.Start(w.Context(), w.who.Tenant, i.ID, i.Plan)
	w.must(err)
	for n := 1; n > 0; {
		n, err = in.Turn(w.Context())
		w.must(err)
	}
}

package store_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"stafette/internal/store/storetest"
	"stafette/internal/tracking"
)

// hitMails is how many mails the hits of BenchmarkHits are about.
const hitMails = 2000

// BenchmarkHits keeps opens and clicks of many mails in turn, each on stable storage before
// its caller goes on, and says what processor time a hit takes until it is a row.
func BenchmarkHits(b *testing.B) {
	benchDatabases(b, func(b *testing.B, open storetest.Open, callers int) {
		w := benchWorld(b, open)
		mails := make([]tracking.Tracked, hitMails)
		for i := range mails {
			mails[i] = w.Telling(w.A, tracking.Individual, fmt.Sprintf("r%d@example.net", i))
		}
		hits := make([]tracking.Hit, b.N)
		for i := range hits {
			n := i * 997 % hitMails
			hits[i] = w.Hit(mails[n], i%2*3, fmt.Sprintf("r%d@example.net", n))
		}
		before := processorTime(b)
		b.ResetTimer()
		share(callers, b.N, func(i int) {
			if err := w.Store.NoteActivity(context.Background(), &hits[i], nil); err != nil {
				b.Error(err)
			}
		})
		if _, err := w.Store.ActivityCounts(context.Background(), w.A, mails[0].Message); err != nil { // waits for all to be rows
			b.Error(err)
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/hit")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hits/s")
	})
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

package store_test

import (
	"context"
	"testing"

	"stafette/internal/store/storetest"
	"stafette/internal/tracking"
)

// BenchmarkHits keeps opens of one mail, each on stable storage before its caller goes on.
func BenchmarkHits(b *testing.B) {
	benchDatabases(b, func(b *testing.B, open storetest.Open, callers int) {
		w := benchWorld(b, open)
		v := w.Telling(w.A, tracking.Individual, "eva@example.net")
		hits := make([]tracking.Hit, b.N)
		for i := range hits {
			hits[i] = w.Hit(v, 1+i%3, "eva@example.net")
		}
		b.ResetTimer()
		share(callers, b.N, func(i int) {
			if err := w.Store.NoteActivity(context.Background(), hits[i], nil); err != nil {
				b.Error(err)
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hits/s")
	})
}

package store_test

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tracking"
)

// TestBurstOfHits: of ten thousand opens that come at once, each by itself, every one that
// was answered is there. STAFETTE_HITS=100000 is the burst of the numbers we promise.
func TestBurstOfHits(t *testing.T) {
	burst, callers := 10_000, 400
	if n, err := strconv.Atoi(os.Getenv("STAFETTE_HITS")); err == nil {
		burst = n
	}
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.OnCommit = nil
		return openSQLite(t, cfg)
	})
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	hits := make([]tracking.Hit, burst)
	for i := range hits {
		hits[i] = w.Hit(v, 0, "eva@x.example")
	}
	var kept atomic.Int64
	share(callers, burst, func(i int) {
		answer, err := w.Store.AddActivities(context.Background(), hits[i:i+1])
		if err != nil {
			t.Error(err)
		} else if answer[0] {
			kept.Add(1)
		}
	})
	counts, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message)
	if err != nil || counts.Opened.Persons != int64(burst) || kept.Load() != int64(burst) {
		t.Errorf("%d answered, %d there, of %d: %v", kept.Load(), counts.Opened.Persons, burst, err)
	}
}

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
	var kept, told atomic.Int64
	all := make(chan struct{})
	share(callers, burst, func(i int) {
		err := w.Store.NoteActivity(context.Background(), &hits[i], func(there bool) {
			if there {
				kept.Add(1)
			}
			if told.Add(1) == int64(burst) {
				close(all)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	counts, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message)
	if !t.Failed() {
		<-all
	}
	if err != nil || counts.Opened.Persons != int64(burst) || kept.Load() != int64(burst) {
		t.Errorf("%d told, %d there, of %d: %v", kept.Load(), counts.Opened.Persons, burst, err)
	}
}

package clock

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// wall is a wall clock that can be set. It has no monotonic reading, as if every
// reading had been written down: the worst that rooms may meet.
type wall struct {
	mu sync.Mutex
	at func() time.Time
	by time.Duration
}

// standing is a wall clock that moves only when it is set.
func standing() *wall {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return &wall{at: func() time.Time { return start }}
}

// running is a wall clock that goes with the bubble's time.
func running() *wall { return &wall{at: time.Now} }

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at().Add(w.by).Round(0)
}

func (w *wall) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.by += by
}

const year = 365 * 24 * time.Hour

// eachJump runs a test for every way that clocks are set.
func eachJump(t *testing.T, run func(t *testing.T, by time.Duration)) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, year, -year} {
		t.Run(fmt.Sprint("by ", by), func(t *testing.T) { run(t, by) })
	}
}

package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/fault"
)

func singletonTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"OneHolder":     oneHolder,
		"ManyAskers":    manyAskers,
		"FromTheFuture": fromTheFuture,
		"Agreements":    agreements,
	}
}

// oneHolder is a conversation: who asks, for how long, and whether he gets it.
func oneHolder(t *testing.T, w *World) {
	for i, step := range []struct {
		name, holder string
		pass, hold   time.Duration
		want         bool
	}{
		{"roll-up", "a", 0, time.Minute, true},
		{"roll-up", "b", 0, time.Minute, false},
		{"other", "b", 0, time.Minute, true},
		{"roll-up", "a", 30 * time.Second, time.Minute, true}, // prolonged
		{"roll-up", "b", 59 * time.Second, time.Minute, false},
		{"roll-up", "b", time.Second, time.Minute, true}, // ran out
		{"roll-up", "a", 0, time.Minute, false},
		{"roll-up", "a", 0, 0, false}, // only the holder can give up
		{"roll-up", "a", 0, time.Minute, false},
		{"roll-up", "b", 0, 0, false}, // given up
		{"roll-up", "a", 0, time.Minute, true},
	} {
		now := w.Clock.Advance(step.pass)
		have, err := w.Store.Singleton(context.Background(), step.name, step.holder, now, now.Add(step.hold))
		if err != nil || have != step.want {
			t.Errorf("step %d, %s asks for %s: %v, %v", i, step.holder, step.name, have, err)
		}
	}
}

// fromTheFuture: a process whose clock was a year ahead took the lease and died. Now
// that the clock is right, nobody waits a year for the chore.
func fromTheFuture(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	ask := func(holder string, now time.Time) bool {
		t.Helper()
		mine, err := w.Store.Singleton(ctx, "retention", holder, now, now.Add(150*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return mine
	}
	ahead := now.AddDate(1, 0, 0)
	equal(t, "taken ahead of time", ask("dead", ahead), true)
	equal(t, "taken from the future", ask("living", now), true)
	equal(t, "taken from the living", ask("other", now.Add(time.Minute)), false)
	equal(t, "taken from an hour ahead", ask("other", now.Add(-time.Hour)), false)
}

func manyAskers(t *testing.T, w *World) {
	var wg sync.WaitGroup
	var holders atomic.Int32
	now := w.Clock.Now()
	for i := range 8 {
		wg.Go(func() {
			got, err := w.Store.Singleton(context.Background(), "roll-up", fmt.Sprint("node", i), now, now.Add(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if got {
				holders.Add(1)
			}
		})
	}
	wg.Wait()
	equal(t, "holders", holders.Load(), 1)
}

func agreements(t *testing.T, w *World) {
	for _, step := range []struct {
		name, value string
		agree       bool
	}{
		{"root key", "1", true}, {"root key", "1", true}, {"root key", "2", false}, {"other", "2", true}, {"root key", "1", true},
	} {
		err := w.Store.Agree(context.Background(), step.name, step.value)
		if f := fault.As(err); (err == nil) != step.agree || f != nil && f.Code != "nodes_disagree" {
			t.Errorf("%s is %s: %v", step.name, step.value, err)
		}
	}
}

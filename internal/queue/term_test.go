package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPausedProcessKnowsItsLeaseIsOver: after a pause the clock has moved and the
// timer has not fired yet. Nobody may send in between.
func TestPausedProcessKnowsItsLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var paused time.Duration
		term := newTerm(func() time.Time { return time.Now().Add(paused) })
		term.prolong(1, time.Minute)
		before, cancel := term.bind(t.Context(), 1)
		defer cancel()
		if _, live := term.now(); !live {
			t.Fatal("a new lease does not run")
		}
		paused = 2 * time.Minute
		if err := before.Err(); err == nil || !errors.Is(context.Cause(before), errLapsed) {
			t.Errorf("what was bound before may go on: %v, %v", err, context.Cause(before))
		}
		if e, live := term.now(); live || e != 1 {
			t.Errorf("epoch %d, live %v after its lease", e, live)
		}
		bound, cancel := term.bind(t.Context(), 1)
		defer cancel()
		if !errors.Is(context.Cause(bound), errLapsed) {
			t.Errorf("bound although the lease is over: %v", context.Cause(bound))
		}
		waited := make(chan error, 1)
		go func() { waited <- term.await(t.Context(), 1) }()
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("did not wait for the lease: %v", err)
		default:
		}
		term.prolong(1, time.Minute) // the next beat; the epoch was not fenced
		if err := <-waited; err != nil {
			t.Errorf("await: %v", err)
		}
		if _, live := term.now(); !live {
			t.Error("the prolonged lease does not run")
		}
		term.end(1, ErrFenced)
	})
}

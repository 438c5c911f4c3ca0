// Package inject submits letters as customers do, over SMTP or HTTP, as fast as
// the server acknowledges, and keeps the book of what was acknowledged.
//
// It stands before the doors. It trusts nothing but acknowledgements: a letter
// whose reply was lost is nobody's promise and is counted as unanswered.
package inject

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"stafette/test/load/ledger"
	"stafette/test/load/letter"
)

// Load is what to submit.
type Load struct {
	Letters *letter.Source
	// Start is the number of the first letter, Count how many follow.
	Start, Count int
	// Sessions work side by side. Default 20.
	Sessions int
	// Ledger, if set, holds each acknowledged letter before its session goes on.
	Ledger *ledger.Ledger
	// Stubborn sessions come back after every broken connection and refusal until
	// the context ends; others give up at once. Letters are not repeated.
	Stubborn bool
}

// Result says how it went.
type Result struct {
	Acknowledged int
	Refused      int // answered, but not with success
	Unanswered   int // the connection broke first
	LastRefusal  string
	Began, Ended time.Time
	// Submitted is when the last acknowledged request was begun; with one session
	// and one letter it leaves connecting and signing in out of account.
	Submitted time.Time
	// Latency of each acknowledgement, in order of completion per session.
	Latency []time.Duration
}

// counter hands out letters and gathers results.
type counter struct {
	load Load
	next atomic.Int64

	mu     sync.Mutex
	result Result
}

// take returns up to n letters; none when the load is used up.
func (c *counter) take(n int) []letter.Letter {
	end := int(c.next.Add(int64(n)))
	first, last := end-n, min(end, c.load.Count)
	var batch []letter.Letter
	for i := first; i < last; i++ {
		batch = append(batch, c.load.Letters.At(c.load.Start+i))
	}
	return batch
}

func (c *counter) acknowledged(entries []ledger.Entry, began time.Time) error {
	took := time.Since(began)
	if c.load.Ledger != nil {
		if err := c.load.Ledger.Append(entries...); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Acknowledged += len(entries)
	c.result.Latency = append(c.result.Latency, took)
	c.result.Submitted = began
	return nil
}

func (c *counter) refused(n int, reply string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Refused += n
	c.result.LastRefusal = reply
}

func (c *counter) unanswered(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Unanswered += n
}

// run starts the sessions and waits for them. The first error ends all.
func run(ctx context.Context, load Load, session func(ctx context.Context, c *counter) error) (Result, error) {
	if load.Sessions == 0 {
		load.Sessions = 20
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &counter{load: load}
	c.result.Began = time.Now()
	var group sync.WaitGroup
	for range load.Sessions {
		group.Go(func() {
			if err := session(ctx, c); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	c.result.Ended = time.Now()
	if err := context.Cause(ctx); err != nil && !load.Stubborn {
		return c.result, err
	}
	return c.result, nil
}

// breathe waits before the next try of a stubborn session; false when ctx ended.
func breathe(ctx context.Context) bool {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

package queue

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errLapsed: the lease ran out without a heartbeat; the epoch may live on.
var errLapsed = errors.New("queue lease ran out")

// term is this process's hold on its claims: the epoch, until when its lease
// runs, and who must be stopped when it ends. It is safe for concurrent use.
type term struct {
	clock func() time.Time

	mu    sync.Mutex
	epoch Epoch
	live  bool
	// until is when the lease runs out; lapse tells of it. After a pause of the whole
	// process others may run before the timer does, so they look at the clock too.
	until   time.Time
	lapse   *time.Timer
	changed chan struct{} // closed and replaced at every change of epoch or live
	stops   map[*context.CancelCauseFunc]struct{}
}

func newTerm(clock func() time.Time) *term {
	return &term{clock: clock, changed: make(chan struct{}), stops: map[*context.CancelCauseFunc]struct{}{}}
}

// prolong begins or continues an epoch whose lease runs for d from now on.
func (t *term) prolong(e Epoch, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lapse != nil {
		t.lapse.Stop()
	}
	news := t.epoch != e || !t.runs()
	t.lapse = time.AfterFunc(d, func() { t.end(e, errLapsed) })
	t.epoch, t.live, t.until = e, true, t.clock().Add(d)
	if news {
		t.announce()
	}
}

// runs reports whether the lease runs; mu is held.
func (t *term) runs() bool { return t.live && t.clock().Before(t.until) }

// end stops everything that runs under the epoch. After ErrFenced the epoch is
// over for good; after errLapsed prolong may revive it.
func (t *term) end(e Epoch, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != e {
		return
	}
	if t.lapse != nil {
		t.lapse.Stop()
	}
	t.live = false
	if errors.Is(why, ErrFenced) {
		t.epoch = 0
	}
	for stop := range t.stops {
		(*stop)(why)
	}
	clear(t.stops)
	t.announce()
}

// announce wakes those who wait for a change; mu is held.
func (t *term) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// now returns the epoch and whether its lease runs.
func (t *term) now() (Epoch, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch, t.runs()
}

// bind returns a context that ends with the lease of e at the latest.
func (t *term) bind(ctx context.Context, e Epoch) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	key := &cancel
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.epoch != e:
		cancel(ErrFenced)
	case !t.runs():
		cancel(errLapsed)
	default:
		t.stops[key] = struct{}{}
	}
	return leased{ctx, t, e, cancel}, func() {
		t.mu.Lock()
		delete(t.stops, key)
		t.mu.Unlock()
		cancel(context.Canceled)
	}
}

// leased is a context whose Err looks at the clock: whoever asks it before an
// irrevocable step knows that the lease is over even if the timer is late.
type leased struct {
	context.Context //nolint:containedctx // it is a context, over another one
	term            *term
	epoch           Epoch
	stop            context.CancelCauseFunc
}

// Err implements context.Context.
func (l leased) Err() error {
	if e, live := l.term.now(); e == l.epoch && !live {
		l.stop(errLapsed)
	}
	return l.Context.Err()
}

// await returns nil as soon as the lease of e runs, ErrFenced when it never will.
func (t *term) await(ctx context.Context, e Epoch) error {
	for {
		t.mu.Lock()
		epoch, live, changed := t.epoch, t.runs(), t.changed
		t.mu.Unlock()
		switch {
		case epoch != e:
			return ErrFenced
		case live:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

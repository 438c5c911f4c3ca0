package queue

import (
	"context"
	"errors"
	"time"
)

// beat keeps the epoch alive every third of the lease until ctx ends. Two beats
// may fail before the lease runs out.
func (r *Runner) beat(ctx context.Context) {
	tick := time.NewTicker(r.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		e, _ := r.term.now()
		if e == 0 {
			r.restart(ctx)
			continue
		}
		switch err := r.beatOnce(ctx, e); {
		case errors.Is(err, ErrFenced):
			r.cfg.Log.Error("queue epoch fenced", "epoch", int64(e))
			r.fence(e)
			r.restart(ctx)
		case err != nil && ctx.Err() == nil:
			r.cfg.Log.Warn("queue heartbeat missed", "epoch", int64(e), "err", err)
		}
	}
}

func (r *Runner) beatOnce(ctx context.Context, e Epoch) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease/3)
	defer cancel()
	now, began := r.cfg.Now(), r.cfg.Steady()
	if err := r.cfg.Store.Beat(ctx, e, now, now.Add(r.cfg.Lease)); err != nil {
		return err
	}
	// The lease counts from when the beat was sent, not from when its answer came.
	r.term.prolong(e, r.cfg.Lease-r.cfg.Steady().Sub(began))
	return nil
}

// fence ends the epoch for good: what waits is dropped, since others will claim it.
func (r *Runner) fence(e Epoch) {
	r.mu.Lock()
	r.stale = true
	r.mu.Unlock()
	r.term.end(e, ErrFenced)
	r.ready.clear()
}

// restart begins a new epoch after a fenced one. A failure is tried again at the
// next beat.
func (r *Runner) restart(ctx context.Context) {
	if ctx.Err() != nil || r.idle.Load() {
		return
	}
	if err := r.Start(ctx); err != nil {
		r.cfg.Log.Error("queue epoch not started", "err", err)
		return
	}
	r.Wake()
}

package queue

import (
	"context"
	"errors"
	"time"

	"stafette/internal/tenant"
)

// tenantsPerPage bounds one question for tenants with due work.
const tenantsPerPage = 100

// feed claims due work until ctx ends: after a restart everything, then retries,
// deliveries that found no room at acceptance, and claims of dead epochs.
func (r *Runner) feed(ctx context.Context) {
	var after tenant.ID
	for ctx.Err() == nil {
		wait := r.cfg.Poll
		if e, live := r.term.now(); live && !r.idle.Load() {
			more, err := r.sweep(ctx, e, &after)
			switch {
			case errors.Is(err, ErrFenced):
				r.fence(e)
			case err != nil && ctx.Err() == nil:
				r.cfg.Log.Warn("queue not fed", "err", err)
			case more:
				continue
			default:
				wait = r.untilDue(ctx)
			}
		}
		r.rest(ctx, wait)
	}
}

// rest sleeps until d is over, room was freed or somebody woke the feeder.
func (r *Runner) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.wake:
	case <-r.ready.freed:
	case <-ctx.Done():
	}
}

// untilDue returns how long nothing falls due, at most the poll interval, and
// notes it so that an earlier retry can cut the sleep short.
func (r *Runner) untilDue(ctx context.Context) time.Duration {
	now := r.cfg.Now()
	until := now.Add(r.cfg.Poll)
	// Noted before the store is asked, too: a retry that is stored while it answers wakes us.
	r.sleepUntil(until)
	// Work already due was left behind for want of room or is being released; it
	// waits for the signal of room or for the poll, not for a busy loop.
	at, ok, err := r.cfg.Store.NextDue(ctx, now, until)
	switch {
	case err != nil && ctx.Err() == nil:
		r.cfg.Log.Warn("queue not fed", "err", err)
	case err == nil && ok && at.Before(until):
		until = at
	}
	r.sleepUntil(until)
	return until.Sub(now)
}

func (r *Runner) sleepUntil(at time.Time) {
	r.mu.Lock()
	r.sleep = at
	r.mu.Unlock()
}

// sweep gives every tenant with due work one turn of at most a batch, from the
// one after *after on. More reports that another sweep would find work and room.
func (r *Runner) sweep(ctx context.Context, e Epoch, after *tenant.ID) (more bool, err error) {
	start := *after
	for {
		page, err := r.cfg.Store.DueTenants(ctx, r.cfg.Now(), *after, tenantsPerPage)
		if err != nil {
			return false, err
		}
		for _, t := range page {
			left, err := r.claim(ctx, e, t)
			if errors.Is(err, errNoRoom) {
				return false, nil // t is the first to get the room that comes
			}
			if err != nil {
				return false, err
			}
			more = more || left
			*after = t
		}
		if len(page) == tenantsPerPage {
			continue
		}
		// The last page: go on from the first tenant. When the sweep began in the
		// middle, those before it have their turn next.
		*after = tenant.ID{}
		return more || !start.IsZero(), nil
	}
}

// errNoRoom: memory is full for every tenant.
var errNoRoom = errors.New("no room in memory")

// claim gives one tenant its turn. Left reports that it may have more due work.
func (r *Runner) claim(ctx context.Context, e Epoch, t tenant.ID) (left bool, err error) {
	grabbed, full := r.ready.grab(t, r.cfg.Batch)
	switch {
	case full:
		return false, errNoRoom
	case grabbed == 0:
		return false, nil
	}
	now := r.cfg.Now()
	entries, err := r.cfg.Store.Claim(ctx, Claim{Epoch: e, Tenant: t, Now: now, Limit: grabbed})
	r.ready.put(t, grabbed, e, entries)
	return len(entries) == grabbed, err
}

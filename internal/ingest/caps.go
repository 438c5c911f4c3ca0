package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// caps holds what this process may still take today for actors with a cap of their own.
// The store allots it in parts, each deducted from what is left for all nodes before it
// is used: together they never take more than the cap, and a message costs no statement
// of its own. It is safe for concurrent use.
type caps struct {
	mu   sync.Mutex
	held map[capped]*allotment
}

type capped struct {
	tenant tenant.ID
	actor  string
}

// allotment is what one actor has left here of one UTC day.
type allotment struct {
	mu    sync.Mutex // held while the store is asked, so that a burst asks once
	day   time.Time
	left  int64
	used  time.Time // when something was last taken
	short int64     // what the store could not allot; 0: it could
	asked time.Time // when it could not
}

// capsAsk is how long a refusal of the store is relied on, and how long an allotment may
// lie unused before it goes back to the others.
const capsAsk = time.Minute

func newCaps() *caps { return &caps{held: map[capped]*allotment{}} }

func (c *caps) of(name capped) *allotment {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.held[name]
	if a == nil {
		a = &allotment{}
		c.held[name] = a
	}
	return a
}

// take counts a parcel in advance, all of its deliveries or none.
func (c *caps) take(ctx context.Context, s Store, w *parcel) error {
	n := int64(len(w.lines))
	wait, err := c.draw(ctx, s, capped{w.Principal.Tenant, w.Actor}, w.Cap, n, w.now)
	if err != nil {
		return err
	}
	if wait > 0 {
		e := fault.New(fault.Limited, CodeKeyCapSpent, "The deliveries that this key may send in a day are used up.")
		e.RetryAfter = wait
		return e
	}
	w.counted = n
	return nil
}

// draw takes n of what an actor may have of a day, most in all; where less is left it
// takes nothing and returns how long it is to the next day.
func (c *caps) draw(ctx context.Context, s Store, of capped, most, n int64, now time.Time) (wait time.Duration, err error) {
	day := now.Truncate(24 * time.Hour)
	a := c.of(of)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.day.Equal(day) {
		a.day, a.left, a.short = day, 0, 0 // what was left of another day is worth nothing
	}
	refused := a.short > 0 && n-a.left >= a.short && now.Sub(a.asked).Abs() < capsAsk
	if a.left < n && !refused {
		got, err := s.Allot(ctx, of.tenant, of.actor, day, most, n-a.left)
		if err != nil {
			return 0, fmt.Errorf("count deliveries of key: %w", err)
		}
		if a.short = 0; got == 0 {
			a.short, a.asked = n-a.left, now
		}
		a.left += got
	}
	if a.left < n {
		return day.Add(24 * time.Hour).Sub(now), nil
	}
	a.left -= n
	a.used = now
	return 0, nil
}

// putBack counts a parcel no more that was refused for another reason. One of which it is
// not known whether it was stored stays counted.
func (c *caps) putBack(w *parcel, err error) {
	var replay *Replay
	if w.counted == 0 || fault.As(err) == nil && !errors.As(err, &replay) {
		return
	}
	c.giveBack(capped{w.Principal.Tenant, w.Actor}, w.counted, w.now)
	w.counted = 0
}

// giveBack returns what was drawn at an instant.
func (c *caps) giveBack(of capped, n int64, at time.Time) {
	a := c.of(of)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.day.Equal(at.Truncate(24 * time.Hour)) {
		a.left += n
	}
}

// ReturnAllotments gives back to the other nodes what keys with a daily cap may still
// send and have not for a minute; at the end of the process, with all, whatever is left.
// An allotment whose return fails is lost for the day: a cap is never exceeded for it.
func (s *Service) ReturnAllotments(ctx context.Context, all bool) error {
	now := s.c.Now()
	s.caps.mu.Lock()
	names := make(map[capped]*allotment, len(s.caps.held))
	for name, a := range s.caps.held {
		names[name] = a
	}
	s.caps.mu.Unlock()
	var errs []error
	for name, a := range names {
		day, n := a.rest(now, all)
		if n == 0 {
			continue
		}
		if err := s.c.Store.Disallot(ctx, name.tenant, name.actor, day, n); err != nil {
			errs = append(errs, fmt.Errorf("give back what a key may send: %w", err))
		}
	}
	return errors.Join(errs...)
}

// rest takes what lies unused.
func (a *allotment) rest(now time.Time, all bool) (day time.Time, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if all || now.Sub(a.used).Abs() >= capsAsk {
		n, a.left = a.left, 0
	}
	return a.day, n
}

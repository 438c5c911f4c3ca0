package delivery

import (
	"context"
	"slices"
	"time"
)

// lessUrgent is how many of n places mail that is not urgent may take: all but one
// where there are at least four. So an urgent mail finds a place even where slow
// transactions of bulk mail have taken all others.
func lessUrgent(n int) int {
	if n < 4 {
		return n
	}
	return n - max(n/20, 1)
}

// places is how many of n places a lane may take for what stands first in its line;
// 0 places are no bound.
func places(n int, urgent bool) int {
	switch {
	case n == 0:
		return int(^uint(0) >> 1)
	case urgent:
		return n
	}
	return lessUrgent(n)
}

// staff wakes or opens a connection for what waits on the lane; mu is held.
func (e *Engine) staff(ctx context.Context, l *lane) {
	class, ok := l.line.Urgency()
	if !ok {
		return
	}
	urgent := class == 0
	if at := l.nextAt(e.cfg.Now(), urgent); !at.IsZero() {
		e.ring(l, at)
		return
	}
	if n := len(l.waiters); n > 0 {
		close(l.waiters[n-1]) // the latest: the others may run out of their idle time
		l.waiters = l.waiters[:n-1]
		return
	}
	limit := l.limit
	if l.failures > 0 {
		limit = 1 // one to see whether the site is back
	}
	switch {
	case l.conns >= limit || !urgent && l.bulk >= lessUrgent(limit) || e.stopping():
	case !e.placeFree(l, urgent):
		if !l.hungry {
			l.hungry = true
			e.hungry = append(e.hungry, l)
			e.spare(l)
		}
	default:
		l.conns++
		e.count(l, 1)
		c := &connection{e: e, lane: l, rec: e.cfg.Trace.Recorder()}
		e.work.Go(func() { c.run(ctx) })
	}
}

// placeFree reports whether the pair, the provider and the engine have a place for
// one more connection; mu is held.
func (e *Engine) placeFree(l *lane, urgent bool) bool {
	limits := l.pair.Limits()
	return e.conns < places(e.cfg.Connections, urgent) &&
		l.pair.conns < places(limits.ProviderConnections, urgent) &&
		e.totals[l.pair.key.Provider] < places(limits.TotalConnections, urgent)
}

// count keeps the sums of connections; mu is held.
func (e *Engine) count(l *lane, n int) {
	e.conns += n
	l.pair.conns += n
	e.totals[l.pair.key.Provider] += n
	if e.totals[l.pair.key.Provider] == 0 {
		delete(e.totals, l.pair.key.Provider)
	}
	e.cfg.Metrics.connections.Add(float64(n))
}

// spare ends an idle connection elsewhere whose place a hungry lane can have; mu is
// held.
func (e *Engine) spare(hungry *lane) {
	if e.idle == 0 {
		return
	}
	for _, l := range e.lanes {
		if n := len(l.waiters); n > 0 && l.line.Len() == 0 && e.rivals(l, hungry) {
			close(l.waiters[n-1])
			l.waiters = l.waiters[:n-1]
			return
		}
	}
}

// rivals reports whether a connection less of l could make place for the other lane;
// mu is held.
func (e *Engine) rivals(l, other *lane) bool {
	return l != other && (l.pair.key.Provider == other.pair.key.Provider || e.conns >= lessUrgent(e.cfg.Connections))
}

// wanted reports whether a connection with nothing to do holds a place that a hungry
// lane could have; mu is held.
func (e *Engine) wanted(l *lane) bool {
	return slices.ContainsFunc(e.hungry, func(other *lane) bool { return e.rivals(l, other) })
}

// dismiss ends a connection's work for its lane and lets the hungry lanes have its
// place, those with urgent mail first; mu is held.
func (e *Engine) dismiss(ctx context.Context, c *connection) {
	l := c.lane
	c.carries(false)
	l.conns--
	e.count(l, -1)
	e.staff(ctx, l)
	e.feed(ctx)
	if l.conns == 0 && l.line.Len() == 0 && l.failures == 0 && !e.cfg.Now().Before(l.growAt) {
		e.forget(l)
	}
}

// feed gives free places to hungry lanes, those with urgent mail first, others in
// the order in which they came; mu is held.
func (e *Engine) feed(ctx context.Context) {
	if len(e.hungry) == 0 {
		return
	}
	waiting := e.hungry
	e.hungry = nil
	slices.SortStableFunc(waiting, func(a, b *lane) int { return a.class() - b.class() })
	for i, l := range waiting {
		if e.conns >= e.cfg.Connections {
			e.hungry = append(e.hungry, waiting[i:]...)
			return
		}
		l.hungry = false
		e.staff(ctx, l)
	}
}

// class is the urgency of what stands first in the line.
func (l *lane) class() int {
	class, _ := l.line.Urgency()
	return class
}

// ring has the lane staffed again at that time; mu is held.
func (e *Engine) ring(l *lane, at time.Time) {
	if known, ok := e.due[l]; ok && !at.Before(known) {
		return
	}
	e.due[l] = at
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

// keepTime staffs lanes whose ceilings let mail go again, until the engine stops.
func (e *Engine) keepTime(ctx context.Context) {
	for {
		wait := e.openDue(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-e.bell:
		case <-e.stop:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// openDue staffs every lane whose time has come and returns how long until the next.
func (e *Engine) openDue(ctx context.Context) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.cfg.Now()
	wait := time.Hour
	var open []*lane
	for l, at := range e.due {
		if at.After(now) {
			wait = min(wait, at.Sub(now))
			continue
		}
		delete(e.due, l)
		open = append(open, l)
	}
	for _, l := range open {
		for range min(l.limit, l.line.Len()) {
			e.staff(ctx, l)
		}
	}
	return wait
}

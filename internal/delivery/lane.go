package delivery

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"stafette/internal/egress"
	"stafette/internal/queue"
)

const (
	shunTime  = 5 * time.Minute // an address that did not answer is asked last
	maxLanes  = 4096            // above it, lanes that only remember a back-off may be forgotten
	laneGrace = time.Hour       // after its rest a lane's failures are remembered for so long
)

// lane is everything about one source to one site. The engine's mutex guards it.
type lane struct {
	key    egress.Key
	source egress.Source

	line    queue.Fair[*parcel]
	limit   int // connections allowed now; lowered when the site refuses more
	conns   int // connection goroutines
	open    int // of them with a session
	waiters []chan struct{}
	hungry  bool // stands in Engine.hungry

	failures int       // rests in a row without a delivery between
	until    time.Time // rests until then
	why      report    // of the last failure that made it rest
	words    string    // last words of the site, for operators
	dead     map[netip.AddrPort]time.Time
}

// place puts a parcel on its lane and sees to a connection for it.
func (e *Engine) place(ctx context.Context, p *parcel) {
	e.mu.Lock()
	l := e.lane(p)
	if l.rests(e.cfg.Now()) {
		why := l.why
		e.mu.Unlock()
		e.conclude(p, why)
		return
	}
	l.line.Push(p.Tenant, p.urgency(), p)
	e.cfg.Metrics.depth.Inc()
	e.staff(ctx, l)
	e.mu.Unlock()
}

// lane returns the parcel's lane, making it if need be; mu is held.
func (e *Engine) lane(p *parcel) *lane {
	order := e.cfg.Pool.Order(p.Tenant)
	source := order[p.refused%len(order)]
	key := egress.Key{Source: source.String(), Site: p.target.site}
	l := e.lanes[key]
	if l == nil {
		e.trimLanes()
		l = &lane{key: key, source: source, limit: e.cfg.Limits.Connections, dead: map[netip.AddrPort]time.Time{}}
		e.lanes[key] = l
	}
	return l
}

// rests reports whether the lane rests now. No rest is longer than the longest: one
// that seems so was begun by a clock that has been set back since.
func (l *lane) rests(now time.Time) bool {
	left := l.until.Sub(now)
	return left > 0 && left <= egress.MaxBackoff
}

// trimLanes forgets back-offs that are long over; mu is held.
func (e *Engine) trimLanes() {
	if len(e.lanes) < maxLanes {
		return
	}
	now := e.cfg.Now()
	for key, l := range e.lanes {
		if l.conns == 0 && l.line.Len() == 0 && now.After(l.until.Add(laneGrace)) {
			delete(e.lanes, key)
		}
	}
}

// staff wakes or opens a connection for what waits on the lane; mu is held.
func (e *Engine) staff(ctx context.Context, l *lane) {
	if l.line.Len() == 0 {
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
	case l.conns >= limit || e.stopping():
	case e.conns >= e.cfg.Connections:
		if !l.hungry {
			l.hungry = true
			e.hungry = append(e.hungry, l)
		}
	default:
		l.conns++
		e.conns++
		e.cfg.Metrics.connections.Inc()
		c := &connection{e: e, lane: l}
		e.work.Go(func() { c.run(ctx) })
	}
}

// dismiss ends a connection's work for its lane and lets the next hungry lane
// have its place; mu is held.
func (e *Engine) dismiss(ctx context.Context, l *lane) {
	l.conns--
	e.conns--
	e.cfg.Metrics.connections.Dec()
	e.staff(ctx, l)
	for len(e.hungry) > 0 && e.conns < e.cfg.Connections {
		next := e.hungry[0]
		e.hungry = e.hungry[1:]
		next.hungry = false
		e.staff(ctx, next)
	}
	if l.conns == 0 && l.line.Len() == 0 && l.failures == 0 {
		delete(e.lanes, l.key)
	}
}

// pop takes the parcel whose turn it is; mu is held.
func (e *Engine) pop(l *lane) (*parcel, bool) {
	if e.stopping() {
		return nil, false // what waits is given back
	}
	p, ok := l.line.Pop()
	if ok {
		e.cfg.Metrics.depth.Dec()
	}
	return p, ok
}

// rest makes the lane wait after a failure of the whole site, and settles what is
// queued on it: one failed connection answers for all of them. It returns the
// report with the end of the rest.
func (e *Engine) rest(l *lane, why report) report {
	e.mu.Lock()
	now := e.cfg.Now()
	if !l.rests(now) { // else another connection has found out the same
		l.failures++
		l.until = now.Add(e.cfg.Limits.Backoff(l.failures))
	}
	why.rests = l.until.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	l.why = why
	l.why.shared = true
	l.words = why.words()
	queued := l.line.Drain()
	e.cfg.Metrics.depth.Sub(float64(len(queued)))
	shared := l.why
	e.mu.Unlock()
	e.cfg.Log.Warn("lane rests", "site", l.key.Site, "source", l.key.Source, "until", why.rests, "queued", len(queued), "reply", why.words())
	for _, p := range queued {
		e.conclude(p, shared)
	}
	return why
}

// resting returns why the lane rests now, if it does.
func (e *Engine) resting(l *lane) (report, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return l.why, l.rests(e.cfg.Now())
}

// narrow lowers the lane's limit to the sessions that are open, when the site
// refuses one more while it serves those. False if none is open.
func (e *Engine) narrow(l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.open == 0 {
		return false
	}
	l.limit = l.open
	return true
}

// widen gives a lane that serves well back one connection of its limit.
func (e *Engine) widen(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.limit = min(l.limit+1, e.cfg.Limits.Connections)
}

// opened counts sessions of a lane.
func (e *Engine) opened(l *lane, n int) {
	e.settler.opened(n)
	e.mu.Lock()
	defer e.mu.Unlock()
	l.open += n
}

// heard notes the site's words. If it took a mail it is well again, and gets all
// the connections that its queue deserves.
func (e *Engine) heard(ctx context.Context, l *lane, f finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.words = f.words()
	if !f.accepted || l.failures == 0 {
		return
	}
	l.failures = 0
	for range min(l.limit, l.line.Len()) {
		e.staff(ctx, l)
	}
}

// shun puts an address at the end of the order for a while.
func (e *Engine) shun(l *lane, a netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.dead[a] = e.cfg.Now().Add(shunTime)
}

func (e *Engine) shunned(l *lane, a netip.AddrPort) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	until, ok := l.dead[a]
	if ok && e.cfg.Now().After(until) {
		delete(l.dead, a)
		return false
	}
	return ok
}

// wait registers a connection that has nothing to do; mu is held.
func (l *lane) wait() chan struct{} {
	w := make(chan struct{})
	l.waiters = append(l.waiters, w)
	return w
}

// unwait withdraws it and reports false if it was woken meanwhile; mu is held.
func (l *lane) unwait(w chan struct{}) bool {
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	return true
}

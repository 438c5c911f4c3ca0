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
	key  egress.Key // these three do not change
	pair *pair
	path egress.Path

	source egress.Source // as the plan has it now

	// The limits on the path and what they were taken from.
	limits   egress.Limits
	shaping  *egress.Shaping
	nodes    int
	own      *egress.Budget // counts for limits that only this lane has; nil: none
	schedule *queue.Schedule

	line    queue.Fair[*parcel]
	limit   int       // connections allowed now: grows from a slow start, falls when the site refuses more
	growAt  time.Time // not above limit before
	conns   int       // connection goroutines
	bulk    int       // of them those that carry mail that is not urgent
	open    int       // of them with a session
	waiters []chan struct{}
	hungry  bool // stands in Engine.hungry

	failures int       // rests in a row without a delivery between
	until    time.Time // rests until then
	why      report    // of the last failure that made it rest
	words    string    // last words of the site, for operators
	dead     map[netip.AddrPort]time.Time
}

// place chooses a source for a parcel, puts it on the lane and sees to a connection
// for it.
func (e *Engine) place(ctx context.Context, p *parcel) {
	source, hindered := e.cfg.Fleet.Choose(p.wish())
	if hindered != nil {
		e.withhold(p, *hindered)
		return
	}
	now := e.cfg.Now()
	e.mu.Lock()
	l := e.lane(p.target, source)
	if why, stopped := l.stopped(p, now); stopped {
		e.mu.Unlock()
		e.conclude(p, why)
		return
	}
	turn := l.pair.returning(p, now)
	if turn.IsZero() {
		turn = e.crowded(l, p, now)
	}
	if !turn.IsZero() {
		e.mu.Unlock()
		e.park(p, turn)
		return
	}
	l.line.Push(p.Tenant, p.urgency(), p)
	e.cfg.Metrics.depth.Inc()
	e.staff(ctx, l)
	e.mu.Unlock()
}

// stopped returns why a parcel must not go over the lane now; mu is held.
func (l *lane) stopped(p *parcel, now time.Time) (report, bool) {
	if l.rests(now) {
		return l.why, true
	}
	return l.pair.stopped(p, now)
}

// lane returns the lane of a source to a target, making it if need be; mu is held.
func (e *Engine) lane(t *target, source egress.Source) *lane {
	key := egress.Key{Source: source.String(), Site: t.site}
	if t.apart {
		key.Site = "domain:" + t.domain
	}
	l := e.lanes[key]
	if l == nil {
		e.trimLanes()
		e.trimPairs()
		l = &lane{key: key, dead: map[netip.AddrPort]time.Time{}, pair: e.pair(source, t.provider, t.site),
			path: egress.Path{Provider: t.provider, Site: t.site, Source: key.Source}}
		if t.apart {
			l.path.Domain = t.domain
		}
		l.pair.lanes++
		e.lanes[key] = l
	}
	l.source = source
	if shaping, nodes := e.cfg.Fleet.Shaping(), e.cfg.Fleet.Nodes(); l.shaping != shaping || l.nodes != nodes {
		l.shaping, l.nodes = shaping, nodes
		e.shape(l)
	}
	return l
}

// rests reports whether the lane rests now. No rest is longer than the longest: one
// that seems so was begun by a clock that has been set back since.
func (l *lane) rests(now time.Time) bool {
	left := l.until.Sub(now)
	return left > 0 && left <= egress.MaxBackoff
}

// shape puts the limits in force that hold on the lane's path; mu is held.
func (e *Engine) shape(l *lane) {
	l.limits = e.shared(l.source, l.shaping.Limits(l.path))
	l.pair.Limit(e.shared(l.source, l.shaping.Limits(l.pair.path)))
	if l.limit = min(l.limit, l.limits.Connections); l.limit == 0 {
		l.limit = min(l.limits.SlowStart, l.limits.Connections)
	}
	switch own := l.path != l.pair.path && rates(l.limits) != rates(l.pair.Limits()); {
	case own && l.own == nil:
		l.own = egress.NewBudget(l.limits)
	case own:
		l.own.Limit(l.limits)
	default:
		l.own = nil
	}
	l.schedule = nil
	if len(l.limits.Retry) > 0 {
		l.schedule = queue.NewSchedule(l.limits.Retry, nil)
	}
}

func rates(l egress.Limits) [2]int64 { return [2]int64{l.PerMinute, l.PerHour} }

// nextAt returns when the ceilings let the next mail go; the zero time if now.
func (l *lane) nextAt(now time.Time, urgent bool) time.Time {
	at := l.pair.Next(now, urgent)
	if l.own != nil {
		if own := l.own.Next(now, urgent); own.After(at) {
			at = own
		}
	}
	return at
}

// rate returns mails per minute that the ceilings let through; 0: no bound.
func (l *lane) rate(now time.Time) float64 {
	rate := l.pair.Rate(now)
	if l.own != nil {
		if own := l.own.Rate(now); own > 0 && (rate == 0 || own < rate) {
			rate = own
		}
	}
	return rate
}

// trimLanes forgets back-offs that are long over; mu is held.
func (e *Engine) trimLanes() {
	if len(e.lanes) < maxLanes {
		return
	}
	now := e.cfg.Now()
	for _, l := range e.lanes {
		if l.conns == 0 && l.line.Len() == 0 && now.After(l.until.Add(laneGrace)) {
			e.forget(l)
		}
	}
}

// forget drops a lane; mu is held.
func (e *Engine) forget(l *lane) {
	delete(e.lanes, l.key)
	delete(e.due, l)
	l.pair.lanes--
}

// drain empties a lane's line; mu is held.
func (e *Engine) drain(l *lane) []*parcel {
	list := l.line.Drain()
	e.cfg.Metrics.depth.Sub(float64(len(list)))
	return list
}

// pop takes the parcel whose turn it is for a connection, if one may go now, and
// counts it against the ceilings. What may not go over the lane after all is
// returned to be placed anew; mu is held.
func (e *Engine) pop(c *connection) (p *parcel, displaced []*parcel) {
	l := c.lane
	class, ok := l.line.Urgency()
	if !ok || e.stopping() { // at a stop, what waits is given back
		return nil, nil
	}
	urgent, now := class == 0, e.cfg.Now()
	if !urgent && !c.bulk && l.bulk >= lessUrgent(l.limit) {
		return nil, nil // the last place is kept for urgent mail
	}
	if at := l.nextAt(now, urgent); !at.IsZero() {
		e.ring(l, at)
		return nil, nil
	}
	if !e.cfg.Fleet.Spend(l.pair.key, urgent) {
		return nil, e.drain(l)
	}
	l.pair.Spend(now)
	if l.own != nil {
		l.own.Spend(now)
	}
	p, _ = l.line.Pop()
	e.cfg.Metrics.depth.Dec()
	c.carries(!urgent)
	return p, nil
}

// carries notes whether the connection carries mail that is not urgent; mu is held.
func (c *connection) carries(bulk bool) {
	switch {
	case bulk && !c.bulk:
		c.lane.bulk++
	case !bulk && c.bulk:
		c.lane.bulk--
	}
	c.bulk = bulk
}

// rest makes the lane wait after a failure of the whole site, and settles what is
// queued on it: one failed connection answers for all of them. It returns the
// report with the end of the rest.
func (e *Engine) rest(l *lane, why report) report {
	e.mu.Lock()
	now := e.cfg.Now()
	if !l.rests(now) { // else another connection has found out the same
		l.failures++
		l.until = now.Add(l.limits.Backoff(l.failures))
	}
	why.rests = l.until.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	l.why = why
	l.why.shared = true
	l.words = why.words()
	queued := e.drain(l)
	shared := l.why
	e.mu.Unlock()
	e.cfg.Log.Warn("lane rests", "site", l.key.Site, "source", l.key.Source, "until", why.rests, "queued", len(queued), "reply", why.words())
	for _, p := range queued {
		e.conclude(p, shared)
	}
	return why
}

// resting returns why the parcel must not go over the lane now, if so.
func (e *Engine) resting(l *lane, p *parcel) (report, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return l.stopped(p, e.cfg.Now())
}

// growPause is how long a lane that was refused a connection waits before it tries
// one more again, and then one more.
const growPause = 5 * time.Minute

// narrow lowers the lane's limit to the sessions that are open, when the site
// refuses one more while it serves those. False if none is open.
func (e *Engine) narrow(l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.open == 0 {
		return false
	}
	l.limit, l.growAt = l.open, e.cfg.Now().Add(growPause)
	return true
}

// grow allows a lane that serves well one connection more: at once with each mail
// taken after a slow start, step by step after a refusal; mu is held.
func (e *Engine) grow(ctx context.Context, l *lane) {
	if l.limit >= l.limits.Connections {
		return
	}
	if !l.growAt.IsZero() {
		now := e.cfg.Now()
		if now.Before(l.growAt) {
			return
		}
		l.growAt = now.Add(growPause)
	}
	l.limit++
	e.staff(ctx, l)
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
	if !f.accepted {
		return
	}
	recovered := l.failures > 0
	l.failures = 0
	e.grow(ctx, l)
	if recovered {
		for range min(l.limit, l.line.Len()) {
			e.staff(ctx, l)
		}
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

package delivery

import (
	"context"
	"time"

	"stafette/internal/egress"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// pair is what one source may send to one provider: all its lanes share it. The
// engine's mutex guards it.
type pair struct {
	*egress.Budget
	key    egress.Pair
	source egress.Source
	path   egress.Path // of the pair's own limits
	lanes  int
	conns  int // of all lanes

	until     time.Time // suspended by a rule until then
	why       report    // that suspended it
	because   egress.Waiting
	suspended map[category]*suspension
	parked    map[tenant.ID]time.Time // until when a tenant's mail is put off already
}

// pair returns the pair of a source and a provider; mu is held.
func (e *Engine) pair(source egress.Source, provider, site string) *pair {
	key := egress.Pair{Source: source.String(), Provider: providerOr(provider, site)}
	b := e.pairs[key]
	if b == nil {
		path := egress.Path{Provider: provider, Source: source.String()}
		if provider == "" {
			path.Site = site
		}
		b = &pair{key: key, source: source, path: path}
		b.Budget = egress.NewBudget(e.shared(source, e.cfg.Fleet.Shaping().Limits(path)))
		e.pairs[key] = b
	}
	return b
}

// providerOr names what a pair is about: the provider, else the site.
func providerOr(provider, site string) string {
	if provider != "" {
		return provider
	}
	return site
}

// shared is this node's part of the limits.
func (e *Engine) shared(s egress.Source, l egress.Limits) egress.Limits {
	l = l.Shared(e.cfg.Fleet.Holders(s))
	if n := e.cfg.Fleet.Nodes(); n > 1 && l.TotalConnections > 0 {
		l.TotalConnections = max(l.TotalConnections/n, 1)
	}
	return l
}

// trimPairs forgets pairs without lanes whose counts have run out; mu is held.
func (e *Engine) trimPairs() {
	if len(e.pairs) < maxLanes {
		return
	}
	now := e.cfg.Now()
	for key, b := range e.pairs {
		b.forgive(now)
		if b.lanes == 0 && !now.Before(b.until) && len(b.suspended) == 0 && b.Idle(now) {
			delete(e.pairs, key)
		}
	}
}

// stopped returns why a parcel must not go over the pair now: a rule suspended the
// pair or the parcel's tenant on it; mu is held.
func (b *pair) stopped(p *parcel, now time.Time) (report, bool) {
	if now.Before(b.until) {
		return b.why, true
	}
	if len(b.suspended) == 0 {
		return report{}, false
	}
	for _, key := range p.categories() {
		if s := b.suspended[key]; s != nil && now.Before(s.until) {
			return s.why, true
		}
	}
	return report{}, false
}

const (
	// lineWait is how long mail stands in a lane's line at most because of its
	// ceiling. What would wait longer is given back to the queue until its turn, so
	// that it does not fill memory that other mail needs.
	lineWait = time.Minute
	// parkedAtOnce bounds the tenants a pair remembers to have put off.
	parkedAtOnce = 1000
)

// crowded returns until when a parcel is put off because the lane's ceiling lets
// through what stands before it too slowly; the zero time if it may stand in line.
// A tenant's own mail is put off one after the other and the tenants' lines go side
// by side: who has little never waits for who has much. Mail that comes back when its
// turn has come goes before mail that is new. mu is held.
func (e *Engine) crowded(l *lane, p *parcel, now time.Time) time.Time {
	rate := l.rate(now)
	if rate == 0 {
		return time.Time{}
	}
	start := now
	if at := l.nextAt(now, p.urgency() == 0); at.After(now) {
		start = at
	}
	turn := start.Add(minutes(float64(l.line.Behind(p.Tenant, p.urgency())) / rate))
	fits := !turn.After(now.Add(lineWait))
	if p.urgency() > 0 && (!fits || !p.waited()) {
		if after := l.pair.parked[p.Tenant]; after.After(turn) {
			turn = after
		}
	}
	if fits && !turn.After(now.Add(lineWait)) {
		return time.Time{}
	}
	if p.urgency() > 0 {
		l.pair.putOff(p.Tenant, turn, rate, now)
	}
	return turn
}

// waited reports whether the parcel has had to wait for a time that has come now.
func (p *parcel) waited() bool { return p.Attempts > 0 || p.DueAt.After(p.AcceptedAt.Add(lineWait)) }

// putOff notes that one more mail of the tenant goes at turn; mu is held.
func (b *pair) putOff(t tenant.ID, turn time.Time, rate float64, now time.Time) {
	if b.parked == nil {
		b.parked = map[tenant.ID]time.Time{}
	}
	others := 0
	for other, until := range b.parked {
		if !until.After(now) {
			delete(b.parked, other)
		} else if other != t {
			others++
		}
	}
	if others < parkedAtOnce {
		b.parked[t] = turn.Add(minutes(float64(others+1) / rate))
	}
}

func minutes(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }

// park gives a parcel back to the queue until its turn. That is no attempt, and no
// event tells of it: the mail only waits for its place.
func (e *Engine) park(p *parcel, until time.Time) {
	if p.fell != nil { // that was one
		refused := p.fell.report
		p.Attempts, p.fell = p.Attempts-1, nil
		e.conclude(p, waits(refused, until))
		return
	}
	e.unload(p)
	p.DueAt = until.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	e.cfg.Metrics.parked.Inc()
	e.parking <- p.Held
}

// runParking makes what was parked durable in batches, until the channel is closed.
// It tries until it succeeds or ctx ends; what is left then is freed with the epoch.
func (e *Engine) runParking(ctx context.Context) {
	for first := range e.parking {
		batch := append(make([]queue.Held, 0, len(e.parking)+1), first)
		for len(e.parking) > 0 && len(batch) < settleBatch {
			batch = append(batch, <-e.parking)
		}
		for wait := settleRetry; ; wait = min(2*wait, settleMaxWait) {
			err := e.cfg.Queue.Release(ctx, batch)
			if err == nil || ctx.Err() != nil {
				break
			}
			e.cfg.Log.Error("mail not given back to the queue yet", "deliveries", len(batch), "err", err)
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
		}
	}
}

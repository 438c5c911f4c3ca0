package delivery

import (
	"context"
	"slices"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/smtp"
)

// learn lets what a server really said change how we go on: source alarms and the
// rules of the shaping. What we found ourselves, and what other mail found out, was
// said by nobody and teaches nothing.
func (e *Engine) learn(ctx context.Context, l *lane, p *parcel, r report) {
	f := r.finding
	switch {
	case f.accepted:
		e.cfg.Fleet.Taken(l.pair.key)
		return
	case f.reply == nil || r.shared:
		return
	}
	said := egress.Reply{
		Pair: l.pair.key, Site: l.key.Site, Tenant: p.Tenant, Stream: p.Stream, Campaign: p.campaign(),
		Blame: egress.Blame{Class: string(f.judgement.Class), Code: f.reply.Code, Enhanced: f.reply.Enhanced,
			Stage: string(f.stage), Host: r.via.host, Text: f.words()},
	}
	if f.judgement.Scope == bounce.ScopeSource && e.cfg.Fleet.Blamed(said.Pair, said.Blame) {
		e.vacate(ctx, l.pair)
	}
	for _, c := range e.watch.Observe(e.cfg.Fleet.Shaping().Rules(), said, e.cfg.Now()) {
		e.apply(ctx, l, r, c)
	}
}

// apply does what a rule asks for.
func (e *Engine) apply(ctx context.Context, l *lane, r report, c egress.Consequence) {
	e.cfg.Log.Warn("rule applied", "rule", c.Rule.Name, "action", string(c.Rule.Action), "source", l.key.Source,
		"provider", l.pair.key.Provider, "until", c.Until, "reply", c.Reply.Text)
	e.cfg.Metrics.rules.WithLabelValues(c.Rule.Name).Inc()
	now := e.cfg.Now()
	if c.Rule.Action == egress.ActSuspendSource {
		e.cfg.Fleet.Suspend(c.Reply.Pair, c.Reply.Blame, c.Until.Sub(now))
		e.vacate(ctx, l.pair)
		return
	}
	why := waits(r, c.Until)
	e.mu.Lock()
	b := l.pair
	switch c.Rule.Action {
	case egress.ActSlow:
		b.Slow(now, c.Rule.Factor, time.Duration(c.Rule.For), c.Reason)
	case egress.ActSuspend:
		b.until, b.why, b.because = c.Until, why, c.Reason
	case egress.ActSuspendTenant, egress.ActSuspendStream, egress.ActSuspendCampaign:
		b.suspend(categoryOf(c), &suspension{until: c.Until, why: why, because: c.Reason})
	}
	e.mu.Unlock()
	if c.Rule.Action != egress.ActSlow {
		e.vacate(ctx, b)
	}
}

// waits turns a report about one mail into one for those that wait because of it.
func waits(r report, until time.Time) report {
	r.decision.step, r.decision.rest = stepSettle, false
	r.decision.state, r.decision.outcome, r.decision.scope = event.Deferred, event.OutcomeDeferred, r.finding.judgement.Scope
	r.rests = until.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	r.shared = true
	return r
}

// vacate takes what stands in the lines of a pair's lanes and finds each mail its
// place anew.
func (e *Engine) vacate(ctx context.Context, b *pair) {
	var list []*parcel
	e.mu.Lock()
	for _, l := range e.lanes {
		if l.pair == b {
			list = append(list, e.drain(l)...)
		}
	}
	e.mu.Unlock()
	e.replace(ctx, list)
}

// replace finds parcels that had a place another one.
func (e *Engine) replace(ctx context.Context, list []*parcel) {
	for _, p := range list {
		e.place(ctx, p)
	}
}

// withhold settles or parks a parcel that no source may take now.
func (e *Engine) withhold(p *parcel, w egress.Waiting) {
	key := egress.Pair{Source: w.Source, Provider: providerOr(p.target.provider, p.target.site)}
	switch w.Why {
	case egress.HinderedWarmUp, egress.HinderedDay:
		e.park(p, e.tomorrow(p, key, w.Until))
	case egress.HinderedAlarm, egress.HinderedProbe:
		e.conclude(p, e.refusedSource(key, w))
	default:
		f := local(classOurs, bounce.ScopeSource, false, "", "no source address may send this now ("+string(w.Why)+")")
		e.conclude(p, report{finding: f, decision: decide(f, chances{})})
	}
}

// tomorrow returns when a parcel's turn comes if the pair's day is used up: spread
// over the days that follow as their bounds allow, each tenant on its own.
func (e *Engine) tomorrow(p *parcel, key egress.Pair, begins time.Time) time.Time {
	source, ok := e.cfg.Fleet.Source(key.Source)
	if !ok || p.urgency() == 0 {
		return begins
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.pair(source, p.target.provider, p.target.site)
	turn := begins
	if after := b.parked[p.Tenant]; after.After(turn) {
		turn = after
	}
	if rate := e.cfg.Fleet.DailyRate(key, egress.DayOf(turn)); rate > 0 {
		b.putOff(p.Tenant, turn, rate, e.cfg.Now())
	}
	return turn
}

// refusedSource reports about a mail whose every source the provider refuses now.
// The recipient is not blamed and the mail waits.
func (e *Engine) refusedSource(key egress.Pair, w egress.Waiting) report {
	a, _ := e.cfg.Fleet.Paused(key)
	source, _ := e.cfg.Fleet.Source(key.Source)
	f := finding{stage: smtp.Stage(a.Stage), reply: &smtp.Reply{Code: a.Code, Enhanced: a.Enhanced, Lines: []string{a.Text}},
		judgement: bounce.Judgement{Class: bounce.Class(a.Class), Scope: bounce.ScopeSource}}
	if a.Code == 0 { // ended a moment ago
		f = local(classOurs, bounce.ScopeSource, false, "", "every source was refused a moment ago")
	}
	return waits(report{finding: f, via: candidate{host: a.Host}, source: source}, w.Until)
}

// wish describes a parcel to the fleet.
func (p *parcel) wish() egress.Wish {
	return egress.Wish{
		Tenant: p.Tenant, Stream: p.Stream, Provider: providerOr(p.target.provider, p.target.site),
		Mail: egress.Draw(p.Delivery, p.Attempts), Tried: p.tried, Pool: p.pool, Only: p.Source(),
		Old: p.fell != nil, Attempt: p.Attempts,
	}
}

// others reports whether another source than the lane's may take the parcel, now or
// on a later day.
func (e *Engine) others(l *lane, p *parcel) (now, later bool) {
	if p.fell != nil {
		return false, false // one more attempt, not one for each source
	}
	w := p.wish()
	w.Tried = append(slices.Clip(w.Tried), l.key.Source)
	return e.cfg.Fleet.Another(w)
}

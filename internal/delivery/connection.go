package delivery

import (
	"context"
	"errors"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/egress"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/trace"
)

// connection is one worker of a lane: a goroutine with at most one session at a
// time, which it keeps while there is mail for it.
type connection struct {
	e    *Engine
	lane *lane
	// source of the session, as it was when the session was opened.
	source egress.Source

	session Session
	via     candidate // of the session
	served  int       // transactions over the session
	note    string    // how the session came about, if that is worth recording
	guarded protection
	ahead   *parcel         // taken for the next transaction, perhaps announced to the server
	done    bool            // the lane is better off without this connection
	bulk    bool            // carries mail that is not urgent; the engine's mutex guards it
	rec     *trace.Recorder // hears what is said; nil: nobody does
}

// run carries parcels until there are none for the idle time, or the engine stops.
func (c *connection) run(ctx context.Context) {
	for p := c.next(ctx); p != nil; p = c.next(ctx) {
		c.carry(ctx, p)
	}
	c.hangUp()
	if c.ahead != nil {
		c.e.unload(c.ahead)
		c.e.leave(c.ahead)
	}
}

// next returns the next parcel, waiting for one while the session may idle; nil
// ends the connection, whose place on the lane is then given up.
func (c *connection) next(ctx context.Context) *parcel {
	e, l := c.e, c.lane
	if p := c.ahead; p != nil && !e.stopping() {
		c.ahead = nil
		return p
	}
	e.mu.Lock()
	rest := l.limits.Idle
	e.mu.Unlock()
	idle := time.NewTimer(rest)
	defer idle.Stop()
	for {
		e.mu.Lock()
		if !c.done {
			p, displaced := e.pop(c)
			if p != nil {
				e.mu.Unlock()
				return p
			}
			if len(displaced) > 0 {
				e.mu.Unlock()
				e.replace(ctx, displaced)
				continue
			}
		}
		if c.done || c.session == nil || e.stopping() || e.wanted(l) {
			e.dismiss(ctx, c)
			e.mu.Unlock()
			return nil
		}
		c.carries(false)
		woken := l.wait()
		e.idle++
		e.mu.Unlock()
		select {
		case <-woken:
		case <-idle.C:
		case <-e.stop:
		}
		e.mu.Lock()
		e.idle--
		if l.unwait(woken) {
			e.dismiss(ctx, c)
			e.mu.Unlock()
			return nil
		}
		e.mu.Unlock() // woken: there is a parcel, or another lane needs the place
		idle.Reset(rest)
	}
}

// carry attempts one parcel and sees to its verdict.
func (c *connection) carry(ctx context.Context, p *parcel) {
	e := c.e
	if !c.mayBegin(ctx, p) {
		return
	}
	p.began = e.cfg.Now()
	if c.overruled(ctx, p) {
		return
	}
	if why, resting := e.resting(c.lane, p); resting {
		c.hangUp() // the parcel may have been announced to the server
		e.conclude(p, why)
		return
	}
	if !p.prepared && !e.prepare(ctx, p) {
		return
	}
	bound, cancel := e.cfg.Queue.Bind(ctx, p.Epoch)
	e.cfg.Metrics.inFlight.Inc()
	c.record(p)
	r := c.attempt(ctx, bound, p)
	e.cfg.Metrics.inFlight.Dec()
	interrupted := bound.Err() != nil && !r.finding.accepted && !r.finding.uncertain
	cancel()
	e.heard(ctx, c.lane, r.finding)
	if !interrupted {
		e.learn(ctx, c.lane, p, r)
	}
	switch {
	case interrupted:
		// Our own doing: no attempt to record, the parcel is as it was.
		c.hangUp()
		e.unload(p)
		p.said = c.rec.Move()
		c.retake(ctx, p)
	case r.decision.step == stepSource:
		p.said = c.rec.Move()
		e.changeSource(ctx, p, r)
	case r.decision.step == stepOld:
		p.said = c.rec.Move()
		e.fallBack(ctx, c.lane, p, r)
	case r.decision.rest && r.finding.connecting() && e.narrow(c.lane):
		c.done = true
		e.unload(p)
		p.said = c.rec.Move()
		e.place(ctx, p)
	case r.decision.rest:
		why := e.rest(c.lane, r)
		why.said = c.recorded(p, r)
		e.conclude(p, why)
	default:
		r.said = c.recorded(p, r)
		e.conclude(p, r)
	}
	if c.served >= c.messages() {
		c.hangUp()
	}
}

// messages is how many mails one session may carry.
func (c *connection) messages() int {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.lane.limits.Messages
}

// mayBegin reports whether the parcel is still ours to send, waiting while the
// lease has lapsed. A parcel that is not is taken care of.
func (c *connection) mayBegin(ctx context.Context, p *parcel) bool {
	if c.e.cfg.Queue.Live(p.Epoch) {
		return true
	}
	c.hangUp() // whatever was announced must not go on
	c.e.unload(p)
	soft, cancel := c.e.untilStop(ctx)
	defer cancel()
	switch err := c.e.cfg.Queue.Await(soft, p.Epoch); {
	case err == nil:
		return true
	case errors.Is(err, queue.ErrFenced):
		c.e.cfg.Queue.Forget(p.Held)
	default:
		c.e.leave(p)
	}
	return false
}

// retake decides about a parcel whose transaction we broke off ourselves.
func (c *connection) retake(ctx context.Context, p *parcel) {
	switch {
	case ctx.Err() != nil:
		c.e.leave(p)
	case c.mayBegin(ctx, p):
		c.e.place(ctx, p)
	}
}

// begin makes the report of an attempt, with what holds of the lane now.
func (c *connection) begin() report {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.session == nil {
		c.source = c.lane.source
	}
	return report{source: c.source, schedule: c.lane.schedule}
}

// attempt tries the parcel over the session, or over new ones to one host after
// the other, until it comes to a verdict. What it does for this parcel runs under
// bound, which ends with the lease; ctx is for the one after it.
func (c *connection) attempt(ctx, bound context.Context, p *parcel) report {
	if c.session != nil && !c.admits(bound, p) {
		c.hangUp() // it was opened for others, of whom less was demanded
	}
	r := c.begin()
	trip := newTrip(c.e, c.lane, r.source, p.target)
	for {
		reused := c.session != nil && c.served > 0
		var f finding
		if c.session == nil {
			to, ok := trip.next(bound)
			if !ok {
				if r.finding.stage == "" {
					r.finding = trip.nowhere()
				}
				r.decision = decide(r.finding, c.chances(p, r.finding, chances{}))
				return r
			}
			f, ok = c.dial(bound, p, to)
			r.via = to
			if ok {
				f = c.transact(ctx, bound, p, &r)
			}
		} else {
			f = c.transact(ctx, bound, p, &r)
		}
		r.finding = f
		r.decision = decide(f, c.chances(p, f, chances{reused: reused, plain: mayGoPlain(f) && !trip.at.plain, hosts: true}))
		switch {
		case bound.Err() != nil, r.decision.step == stepSettle, r.decision.step == stepSource, r.decision.step == stepOld:
			return r
		case r.decision.step == stepPlain:
			trip.again(true)
			c.note = "encryption failed (" + f.words() + "), sent without"
		}
		r.again = r.again || r.decision.step != stepAnew
		c.hangUp()
	}
}

// chances adds what is known of other sources, where that matters.
func (c *connection) chances(p *parcel, f finding, ch chances) chances {
	if f.judgement.Scope == bounce.ScopeSource && !f.accepted {
		ch.sources, ch.tomorrow = c.e.others(c.lane, p)
	}
	if p.fell == nil && blamesNewcomer(f) {
		_, ch.old = c.e.cfg.Fleet.Catches(p.wish(), c.lane.key.Source)
	}
	return ch
}

// dial opens a session to the candidate.
func (c *connection) dial(ctx context.Context, p *parcel, to candidate) (finding, bool) {
	if !to.plain {
		c.note = ""
	}
	demand, err := c.e.demandOf(ctx, p, to)
	if err != nil {
		return c.forbidden(demand, to, err), false
	}
	mode, config := demand.Mode(c.e.cfg.TLSConfig)
	if to.plain && mode == smtp.TLSOpportunistic {
		mode = smtp.TLSNone
	}
	o := smtp.Options{
		Address:     to.addr.String(),
		Host:        to.host,
		EHLO:        c.source.EHLO,
		TLS:         mode,
		TLSConfig:   config,
		DialContext: c.e.cfg.Guard.Dialer(c.source, p.target.hop != nil),
	}
	if c.rec != nil { // a nil Recorder in the interface would look like a listener
		o.Listener = c.rec
	}
	session, err := c.e.cfg.Dial(ctx, o)
	if err != nil {
		if demand.Blame(err) != nil && ctx.Err() == nil {
			return c.forbidden(demand, to, err), false
		}
		f := c.e.judge(err, to.host)
		if f.reply == nil && ctx.Err() == nil && f.stage != smtp.StageSTARTTLS {
			c.e.shun(c.lane, to.addr)
		}
		return f, false
	}
	c.session, c.via, c.served = session, to, 0
	c.guarded.open(c, p, demand)
	if g := c.guarded.of(p); g.policy != "" {
		c.rec.Note(smtp.StageSTARTTLS, "policy "+g.policy+": "+g.result)
	}
	c.e.opened(c.lane, 1)
	return finding{}, true
}

// transact delivers the parcel over the open session, announcing the next one if
// there is one.
func (c *connection) transact(ctx, bound context.Context, p *parcel, r *report) finding {
	next := c.lookAhead(ctx)
	c.served++
	r.via, r.note = c.via, c.note
	r.tls, r.guard = c.session.TLSState(), c.guarded.of(p)
	p.begun = c.e.settler.begin(bound) // if not, Deliver finds the same end
	reply, err := c.session.Deliver(bound, p.mail, next)
	var f finding
	if err != nil {
		f = c.e.judge(err, c.via.host)
	} else {
		f = finding{accepted: true, stage: smtp.StageDot, reply: &reply}
		p.handed = c.session.OffersDSN()
	}
	if err != nil && p.begun {
		p.begun = false
		c.e.settler.failed()
	}
	if !c.session.Usable() {
		c.hangUp()
	}
	return f
}

// lookAhead takes and prepares the parcel after the one in hand, so that its
// envelope can ride with it; nil if there is none or its body must wait for memory.
func (c *connection) lookAhead(ctx context.Context) *smtp.Mail {
	for c.ahead == nil && c.served+1 < c.messages() {
		c.e.mu.Lock()
		p, displaced := c.e.pop(c)
		c.e.mu.Unlock()
		c.e.replace(ctx, displaced)
		if p == nil {
			return nil
		}
		c.ahead = p
		if !c.e.cfg.Queue.Live(p.Epoch) || !c.e.memory.TryAcquire(c.e.weight(p)) {
			return nil
		}
		if !c.e.load(ctx, p) {
			c.ahead = nil // settled
		}
	}
	if c.ahead == nil || !c.ahead.prepared || !c.admitsAtOnce(c.ahead) {
		return nil
	}
	return &c.ahead.mail
}

// hangUp ends the session, politely where it still can be.
func (c *connection) hangUp() {
	if c.session == nil {
		return
	}
	if err := c.session.Close(); err != nil {
		c.e.cfg.Log.Debug("session not closed cleanly", "site", c.lane.key.Site, "err", err)
	}
	c.rec.HangUp()
	c.session, c.served, c.guarded = nil, 0, protection{}
	c.e.opened(c.lane, -1)
}

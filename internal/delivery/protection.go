package delivery

import (
	"context"
	"net/netip"

	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/smtp"
	"stafette/internal/tlspolicy"
)

// TLSPolicy decides how sessions must be protected; *tlspolicy.Policies implements it.
type TLSPolicy interface {
	// Domain returns what holds for a domain, or for the next hop of its static route.
	Domain(ctx context.Context, domain, hop string) *tlspolicy.Policy
	// Host returns how a session to a host must be protected, and a
	// *tlspolicy.PolicyError if there must be none.
	Host(ctx context.Context, p *tlspolicy.Policy, mx dns.MX, ask tlspolicy.Ask) (*tlspolicy.Demand, error)
	// Free reports whether nothing is demanded, without looking anything up; false
	// where that cannot be told at once.
	Free(p *tlspolicy.Policy, mx dns.MX, ask tlspolicy.Ask) bool
	// Opened counts a session, and returns what of it goes on record.
	Opened(d *tlspolicy.Demand, o tlspolicy.Outcome) tlspolicy.Result
}

func (e *Engine) policyOf(ctx context.Context, domain, hop string) *tlspolicy.Policy {
	if e.cfg.TLSPolicy == nil {
		return nil
	}
	return e.cfg.TLSPolicy.Domain(ctx, domain, hop)
}

func (p *parcel) ask() tlspolicy.Ask { return tlspolicy.Ask{Tenant: p.Tenant, Need: p.TLS} }

// demandOf returns how a session for the parcel to the candidate must be protected.
func (e *Engine) demandOf(ctx context.Context, p *parcel, to candidate) (*tlspolicy.Demand, error) {
	if e.cfg.TLSPolicy == nil {
		return &tlspolicy.Demand{}, nil
	}
	return e.cfg.TLSPolicy.Host(ctx, p.target.policy, to.mx, p.ask())
}

// forbidden is the finding about a session that a policy does not allow.
func (e *Engine) forbidden(d *tlspolicy.Demand, from netip.Addr, to candidate, err error) finding {
	failure := d.Blame(err)
	if failure == nil {
		return e.judge(err, to.host) // the policy itself could not be told: the context ended
	}
	if e.cfg.TLSPolicy != nil {
		e.cfg.TLSPolicy.Opened(d, tlspolicy.Outcome{Err: failure, Sender: from, Receiver: to.addr.Addr()})
	}
	f := local(bounce.TLSPolicy, bounce.ScopeSite, false, "4.7.10", clean(failure.Error(), maxReply))
	f.stage, f.failure = smtp.StageSTARTTLS, failure
	return f
}

// mayGoPlain reports whether what failed was encryption that nobody demands.
func mayGoPlain(f finding) bool { return f.stage == smtp.StageSTARTTLS && f.failure == nil }

// guarantee is what a session gives a parcel, for the record.
type guarantee struct {
	policy, result string
	admitted       bool
}

// protection remembers which mail the open session may carry: a session is used by
// mail to all domains of a site, and not all of them demand the same of it.
type protection struct {
	known map[guarded]guarantee
}

// guarded is what a demand depends on, for one host. A domain's target is renewed
// every minute, and its demands with it.
type guarded struct {
	target *target
	ask    tlspolicy.Ask
}

// open notes the session that was opened for the parcel.
func (g *protection) open(c *connection, p *parcel, d *tlspolicy.Demand) {
	if c.e.cfg.TLSPolicy == nil {
		return
	}
	state := c.session.TLSState()
	watched := c.e.cfg.TLSPolicy.Opened(d, tlspolicy.Outcome{State: state, Sender: c.source.IP, Receiver: c.via.addr.Addr()})
	g.note(p, d, d.Verdict(watched))
}

func (g *protection) note(p *parcel, d *tlspolicy.Demand, result string) {
	if g.known == nil {
		g.known = map[guarded]guarantee{}
	}
	have := guarantee{result: result, admitted: true}
	if d.Kind != tlspolicy.Opportunistic {
		have.policy = string(d.Kind)
	}
	g.known[guarded{p.target, p.ask()}] = have
}

func (g *protection) of(p *parcel) guarantee { return g.known[guarded{p.target, p.ask()}] }

// admitsAtOnce reports whether it is known already that the session may carry the
// parcel.
func (c *connection) admitsAtOnce(p *parcel) bool {
	policy := c.e.cfg.TLSPolicy
	return policy == nil || c.guarded.of(p).admitted || policy.Free(p.target.policy, c.via.mx, p.ask())
}

// admits reports whether the session may carry the parcel.
func (c *connection) admits(ctx context.Context, p *parcel) bool {
	if c.admitsAtOnce(p) {
		return true
	}
	d, err := c.e.demandOf(ctx, p, c.via)
	if err != nil {
		return false // a new session will find out the same, and say so
	}
	state := c.session.TLSState()
	if d.Admits(state) != nil {
		return false
	}
	c.guarded.note(p, d, d.Verdict(d.Watch(state)))
	return true
}

package delivery

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/tlspolicy"
)

const (
	targetTTL  = time.Minute      // package dns caches by the records' own TTL
	failureTTL = 30 * time.Second // of a domain whose name server gives no answer
	maxDomains = 10000            // remembered at the same time
	maxHosts   = 5                // tried in one attempt
)

// target is where mail for a domain goes.
type target struct {
	domain string
	site   string
	// provider behind the hosts; "" if it is none we know.
	provider string
	apart    bool     // the domain has limits and a lane of its own
	hosts    []dns.MX // at most maxHosts
	hop      *egress.Hop
	fail     *finding // set: there is nowhere to go
	policy   *tlspolicy.Policy
}

// domain is what the engine remembers of a recipient domain.
type domain struct {
	target  *target
	until   time.Time
	busy    bool // being resolved
	waiting []*parcel
}

// route sends a parcel to the lane of its domain, resolving the domain if need be.
func (e *Engine) route(ctx context.Context, p *parcel) {
	name := p.Recipient.Domain
	e.mu.Lock()
	d := e.domains[name]
	if d == nil {
		e.trimDomains()
		d = &domain{}
		e.domains[name] = d
	}
	if left := d.until.Sub(e.cfg.Now()); d.target != nil && left > 0 && left <= targetTTL {
		t := d.target
		e.mu.Unlock()
		e.dispatch(ctx, p, t)
		return
	}
	d.waiting = append(d.waiting, p)
	start := !d.busy
	d.busy = true
	e.mu.Unlock()
	if start {
		e.work.Go(func() { e.resolve(ctx, name, d) })
	}
}

// trimDomains makes room for one more; mu is held.
func (e *Engine) trimDomains() {
	if len(e.domains) < maxDomains {
		return
	}
	for name, d := range e.domains {
		if !d.busy {
			delete(e.domains, name)
		}
	}
}

// resolve looks a domain up and sends on everything that waited for it.
func (e *Engine) resolve(ctx context.Context, name string, d *domain) {
	var t *target
	soft, cancel := e.untilStop(ctx)
	defer cancel()
	select {
	case e.lookups <- struct{}{}:
		t = e.lookUp(soft, name)
		<-e.lookups
	case <-soft.Done():
	}
	e.mu.Lock()
	d.busy = false
	if soft.Err() != nil {
		e.mu.Unlock()
		return // what waits is given back
	}
	ttl := targetTTL
	if t.fail != nil {
		ttl = failureTTL
	}
	d.target, d.until = t, e.cfg.Now().Add(ttl)
	waiting := d.waiting
	d.waiting = nil
	e.mu.Unlock()
	for _, p := range waiting {
		e.dispatch(ctx, p, t)
	}
}

// dispatch puts a parcel on the lane of its target, or settles it if there is none.
func (e *Engine) dispatch(ctx context.Context, p *parcel, t *target) {
	p.target, p.site = t, t.site
	if e.heed(ctx, p) {
		return
	}
	if t := p.target; t.fail != nil {
		e.conclude(p, report{finding: *t.fail, decision: decide(*t.fail, chances{})})
		return
	}
	e.place(ctx, p)
}

// lookUp finds where mail for a domain goes: its static route, else its MX hosts.
func (e *Engine) lookUp(ctx context.Context, name string) *target {
	shaping := e.cfg.Fleet.Shaping()
	t := &target{domain: name, apart: shaping.Apart(name)}
	if hop, ok := e.cfg.Routes.Find(name); ok {
		t.hop, t.site = &hop, egress.RouteSite+hop.String()
		t.hosts = []dns.MX{{Host: hop.Host}}
		t.policy = e.policyOf(ctx, name, hop.String())
		return t
	}
	hosts, err := e.cfg.Resolver.MX(ctx, name)
	if err != nil {
		f := e.unresolved(err)
		t.fail = &f
		return t
	}
	t.site, t.provider = dns.Site(hosts), shaping.Provider(hosts)
	for i, mx := range hosts {
		if e.own[mx.Host] {
			// RFC 5321, 5.1: hosts as far away as ourselves or farther lead back to us.
			hosts = before(hosts[:i], mx.Preference)
			break
		}
	}
	if len(hosts) == 0 {
		f := loopFinding()
		t.fail = &f
		return t
	}
	t.hosts = hosts[:min(len(hosts), maxHosts)]
	t.policy = e.policyOf(ctx, name, "")
	return t
}

// before returns the hosts that are strictly preferred to the preference.
func before(hosts []dns.MX, preference uint16) []dns.MX {
	for i, mx := range hosts {
		if mx.Preference >= preference {
			return hosts[:i]
		}
	}
	return hosts
}

// local makes a finding of our own about a domain, without any reply.
func local(class bounce.Class, scope bounce.Scope, permanent bool, enhanced, words string) finding {
	return finding{enhanced: enhanced, local: words,
		judgement: bounce.Judgement{Class: class, Scope: scope, Permanent: permanent}}
}

func loopFinding() finding {
	return local("mail_loop", bounce.ScopeSite, true, "5.4.6", "the domain's mail hosts are this system itself")
}

// unresolved judges a failed look-up of a domain or of a host.
func (e *Engine) unresolved(err error) finding {
	f := finding{judgement: e.cfg.Judge.Local(err)}
	switch {
	case errors.Is(err, dns.ErrNoMail):
		f.enhanced, f.local = "5.1.10", "the domain accepts no mail (null MX)" // RFC 7505, 4.2
	case errors.Is(err, dns.ErrNoDomain):
		f.enhanced, f.local = "5.1.2", "the domain does not exist"
	case errors.Is(err, dns.ErrNoHost):
		f.enhanced, f.local = "5.4.4", "the domain has no mail host"
	default:
		f = local(bounce.DNSFailed, bounce.ScopeSite, false, "4.4.3", "the domain's name server gives no answer")
	}
	return f
}

// addresses returns where to connect for one host, IPv6 and IPv4 by turns.
func (e *Engine) addresses(ctx context.Context, t *target, host string) ([]netip.AddrPort, error) {
	port := e.cfg.Guard.Port()
	if t.hop != nil {
		port = t.hop.Port
		if a, ok := t.hop.Addr(); ok {
			return []netip.AddrPort{netip.AddrPortFrom(a, port)}, nil
		}
	}
	list, err := e.cfg.Resolver.Addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	return alternate(list, port), nil
}

// alternate orders addresses: IPv6, IPv4, IPv6, …, each family in its own order.
func alternate(list []netip.Addr, port uint16) []netip.AddrPort {
	var families [2][]netip.Addr
	for _, a := range list {
		i := 0
		if a.Unmap().Is4() {
			i = 1
		}
		families[i] = append(families[i], a)
	}
	ordered := make([]netip.AddrPort, 0, len(list))
	for i := 0; len(families[0])+len(families[1]) > 0; i = 1 - i {
		if len(families[i]) > 0 {
			ordered = append(ordered, netip.AddrPortFrom(families[i][0], port))
			families[i] = families[i][1:]
		}
	}
	return ordered
}

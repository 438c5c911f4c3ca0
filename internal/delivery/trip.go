package delivery

import (
	"context"
	"errors"
	"net/netip"

	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/egress"
)

// maxAddresses bounds the connection tries of one attempt.
const maxAddresses = 10

// candidate is one address of one host.
type candidate struct {
	host  string
	mx    dns.MX // the record that named the host
	addr  netip.AddrPort
	plain bool // encryption failed there once: try without
}

// trip walks the hosts of a target within one attempt, looking up each host's
// addresses only when its turn comes.
type trip struct {
	e      *Engine
	lane   *lane
	source egress.Source
	target *target

	at      candidate
	repeat  bool // hand out at once more
	hosts   []dns.MX
	addrs   []netip.AddrPort
	mx      dns.MX
	later   []candidate // did not answer lately: only when nothing else is left
	tried   int
	skipped []error // why hosts or addresses were passed over
}

func newTrip(e *Engine, l *lane, from egress.Source, t *target) *trip {
	return &trip{e: e, lane: l, source: from, target: t, hosts: t.hosts}
}

// again makes next return the same address once more, encrypted or not.
func (t *trip) again(plain bool) { t.repeat, t.at.plain = true, plain }

// next returns the next address worth a try; ok is false when none is left.
func (t *trip) next(ctx context.Context) (candidate, bool) {
	if t.repeat {
		t.repeat = false
		return t.at, true
	}
	for t.tried < maxAddresses {
		if !t.fill(ctx) {
			return t.lateComer()
		}
		addr := t.addrs[0]
		t.addrs = t.addrs[1:]
		if !t.source.Reaches(addr.Addr()) {
			t.skipped = append(t.skipped, errFamily)
			continue
		}
		if err := t.e.cfg.Guard.Check(addr, t.target.hop != nil); err != nil {
			t.skipped = append(t.skipped, err)
			continue
		}
		c := candidate{host: t.mx.Host, mx: t.mx, addr: addr}
		if t.e.shunned(t.lane, addr) {
			t.later = append(t.later, c)
			continue
		}
		t.tried++
		t.at = c
		return c, true
	}
	return candidate{}, false
}

// lateComer returns an address that was put off.
func (t *trip) lateComer() (candidate, bool) {
	if len(t.later) == 0 {
		return candidate{}, false
	}
	t.at, t.later = t.later[0], t.later[1:]
	t.tried++
	return t.at, true
}

// fill makes sure that an address waits, moving on to the next host if need be.
func (t *trip) fill(ctx context.Context) bool {
	for len(t.addrs) == 0 {
		if len(t.hosts) == 0 {
			return false
		}
		t.mx, t.hosts = t.hosts[0], t.hosts[1:]
		addrs, err := t.e.addresses(ctx, t.target, t.mx.Host)
		if err != nil {
			t.skipped = append(t.skipped, err)
			continue
		}
		t.addrs = addrs
	}
	return true
}

// errFamily: the source cannot connect to that family of addresses.
var errFamily = errors.New("source has another address family")

// nowhere judges a trip on which no address was worth a try. What may be better
// tomorrow weighs more than what is wrong for good.
func (t *trip) nowhere() finding {
	var loop, family, refused *finding
	for _, err := range t.skipped {
		var r *egress.RefusedError
		switch {
		case errors.As(err, &r) && t.e.cfg.Guard.Own(r.Addr.Addr()):
			f := loopFinding()
			loop = &f
		case errors.As(err, &r):
			f := local("system_error", bounce.ScopeSite, true, "5.7.1", "the domain's mail host has an address that is not public: "+r.Addr.Addr().String())
			refused = &f
		case errors.Is(err, errFamily):
			f := local(bounce.ConnectFailed, bounce.ScopeSource, false, "4.4.1", "the mail hosts have no address that this source reaches")
			family = &f
		case !errors.Is(err, dns.ErrNoDomain) && !errors.Is(err, dns.ErrNoHost):
			return t.e.unresolved(err)
		}
	}
	for _, f := range []*finding{family, loop, refused} {
		if f != nil {
			return *f
		}
	}
	return t.e.unresolved(dns.ErrNoHost)
}

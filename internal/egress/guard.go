package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// SMTPPort is where MX hosts listen (RFC 5321, 4.5.4.2).
const SMTPPort = 25

// connectTimeout bounds one TCP connection attempt, well under the operating
// system's own limit, so that a silent host does not hold up its alternatives.
const connectTimeout = 30 * time.Second

// Rules say where a Guard lets connections go. The zero value allows public
// addresses on port 25 only.
type Rules struct {
	// AllowPrivate lists private or otherwise special networks that may be
	// connected to although they are not public.
	AllowPrivate []netip.Prefix
	// LoopbackOnly refuses everything but loopback, whatever else allows it: demo
	// and tests.
	LoopbackOnly bool
	// Port of MX hosts; 0: SMTPPort.
	Port uint16
	// Sources are our own addresses: connecting to one is a loop.
	Sources []Source
}

// RefusedError says that an address must not be connected to.
type RefusedError struct {
	Addr netip.AddrPort
	Why  string // "private", "loopback", "own address", "port", …
}

// Error implements error.
func (r *RefusedError) Error() string {
	return fmt.Sprintf("connection to %s is not allowed (%s)", r.Addr, r.Why)
}

// Guard is the one door to the network for outgoing mail. It checks the address
// a socket really connects to, after every name resolution, so no DNS answer can
// lead it into our own network. It is safe for concurrent use.
type Guard struct {
	rules   Rules
	own     atomic.Pointer[map[netip.Addr]bool]
	special *specials
}

// NewGuard makes a Guard of the rules.
func NewGuard(r Rules) *Guard {
	if r.Port == 0 {
		r.Port = SMTPPort
	}
	g := &Guard{rules: r, special: newSpecials()}
	g.Follow(r.Sources)
	return g
}

// Follow replaces our own addresses, Rules.Sources.
func (g *Guard) Follow(sources []Source) {
	own := map[netip.Addr]bool{}
	for _, s := range sources {
		// A loopback source belongs to a demo or a test, where the peers live at the
		// same address on other ports.
		if s.Fixed() && !s.IP.Unmap().IsLoopback() {
			own[s.IP.Unmap()] = true
		}
	}
	g.own.Store(&own)
}

// Web returns a Guard for HTTPS with the same rules on another port. Our own
// addresses are open to it: what they lead to is a web server, no loop.
func (g *Guard) Web(port uint16) *Guard {
	rules := g.rules
	rules.Port, rules.Sources = port, nil
	return NewGuard(rules)
}

// Port returns where MX hosts are expected to listen.
func (g *Guard) Port() uint16 { return g.rules.Port }

// Own reports whether the address is one of our sources.
func (g *Guard) Own(a netip.Addr) bool { return (*g.own.Load())[a.Unmap()] }

// Check returns a *RefusedError if the address may not be connected to. Routed says
// that an operator chose exactly this next hop, which opens private and loopback
// addresses and other ports, but never unspecified or multicast ones.
func (g *Guard) Check(to netip.AddrPort, routed bool) error {
	refuse := func(why string) error { return &RefusedError{Addr: to, Why: why} }
	addr := to.Addr().WithZone("")
	switch {
	case !addr.IsValid():
		return refuse("invalid")
	case addr.Unmap().IsUnspecified():
		return refuse("unspecified")
	case addr.Unmap().IsMulticast():
		return refuse("multicast")
	case g.rules.LoopbackOnly && !addr.Unmap().IsLoopback():
		return refuse("only loopback is allowed here")
	case routed:
		return nil
	case g.Own(addr):
		return refuse("own address")
	case to.Port() != g.rules.Port:
		return refuse("port")
	case g.rules.LoopbackOnly:
		return nil
	}
	if why := g.special.why(addr); why != "" && !g.allowed(addr) {
		return refuse(why)
	}
	return nil
}

func (g *Guard) allowed(addr netip.Addr) bool {
	for _, p := range g.rules.AllowPrivate {
		if p.Contains(addr) || p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// Dialer returns the function that connects from the source. The address must be
// an IP address and port; names are refused, because what is connected must be
// what was checked.
func (g *Guard) Dialer(from Source, routed bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{
		Timeout: connectTimeout,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("connect: %w", err)
			}
			return g.Check(to, routed)
		},
	}
	if from.Fixed() {
		d.LocalAddr = &net.TCPAddr{IP: from.IP.AsSlice(), Zone: from.IP.Zone()}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		if err := g.Check(to, routed); err != nil {
			return nil, err
		}
		return d.DialContext(ctx, network, to.String())
	}
}

package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Route sends mail for a domain to a fixed next hop instead of its MX hosts.
type Route struct {
	Domain  string // lower case A-labels, or "*" for every domain without its own route
	NextHop string // "host:port" or "[2001:db8::1]:25"; without a port it is SMTPPort
}

// Hop is a next hop that an operator chose.
type Hop struct {
	Host string // name, or text of an IP address
	Port uint16
}

// String returns host:port.
func (h Hop) String() string { return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))) }

// Addr returns the hop's IP address if it was given as one.
func (h Hop) Addr() (netip.Addr, bool) {
	a, err := netip.ParseAddr(h.Host)
	return a, err == nil
}

// Routes are the static routes. They do not change and are safe for concurrent use.
type Routes struct {
	exact map[string]Hop
	rest  *Hop
}

// NewRoutes checks and indexes the routes; a domain may stand there once.
func NewRoutes(list []Route) (*Routes, error) {
	r := &Routes{exact: map[string]Hop{}}
	for _, route := range list {
		hop, err := parseHop(route.NextHop)
		if err != nil {
			return nil, fmt.Errorf("route for %q: %w", route.Domain, err)
		}
		domain := strings.TrimSuffix(strings.ToLower(route.Domain), ".")
		_, twice := r.exact[domain]
		switch {
		case domain == "":
			return nil, fmt.Errorf("route to %q names no domain", route.NextHop)
		case twice || domain == "*" && r.rest != nil:
			return nil, fmt.Errorf("two routes for %q", domain)
		case domain == "*":
			r.rest = &hop
		default:
			r.exact[domain] = hop
		}
	}
	return r, nil
}

func parseHop(s string) (Hop, error) {
	if host := bareHost(s); host != "" {
		return Hop{Host: host, Port: SMTPPort}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Hop{}, fmt.Errorf("next hop %q is not host or host:port", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return Hop{}, fmt.Errorf("next hop %q is not host or host:port", s)
	}
	return Hop{Host: strings.ToLower(host), Port: uint16(n)}, nil
}

// bareHost returns the host of a next hop without a port, or "" if it is none.
func bareHost(s string) string {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.String()
	}
	if s == "" || strings.ContainsAny(s, ":[] \t") {
		return ""
	}
	return strings.ToLower(s)
}

// Find returns the next hop for a domain: its own route, else the one for "*".
func (r *Routes) Find(domain string) (Hop, bool) {
	if hop, ok := r.exact[domain]; ok {
		return hop, true
	}
	if r.rest != nil {
		return *r.rest, true
	}
	return Hop{}, false
}

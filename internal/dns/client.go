package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

// maxHosts bounds the hosts of one domain that are told, and with them the work
// one recipient's domain can cause.
const maxHosts = 20

const (
	defaultTimeout = 10 * time.Second
	defaultEntries = 20_000
)

// Client is a Resolver over a recursive name server. It is safe for concurrent
// use; equal questions asked at once go out once.
type Client struct {
	cfg     Config
	servers []string
	flight  singleflight.Group
	cache   cache
}

var _ Resolver = (*Client)(nil)

// New makes a Client. Without a server in cfg or a readable /etc/resolv.conf it
// asks 127.0.0.1:53, as resolv.conf(5) says.
func New(cfg Config) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Entries <= 0 {
		cfg.Entries = defaultEntries
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Shuffle == nil {
		cfg.Shuffle = rand.Shuffle
	}
	c := &Client{cfg: cfg, cache: cache{limit: cfg.Entries, entries: map[question]answer{}}}
	c.servers = servers(cfg.Server)
	return c
}

func servers(fixed string) []string {
	if fixed != "" {
		return []string{fixed}
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(conf.Servers) == 0 {
		return []string{"127.0.0.1:53"}
	}
	var list []string
	for _, s := range conf.Servers {
		list = append(list, net.JoinHostPort(s, conf.Port))
	}
	return list
}

// Loopback reports whether the name server of a configuration (Config.Server), or
// all of the system's, are on this machine.
func Loopback(server string) bool {
	for _, s := range servers(server) {
		at, err := netip.ParseAddrPort(s)
		if err != nil || !at.Addr().Unmap().IsLoopback() {
			return false
		}
	}
	return true
}

// MX implements Resolver. It tells at most 20 hosts. Hosts that are an address
// literal or localhost are left out: a domain cannot name our own machine.
func (c *Client) MX(ctx context.Context, domain string) ([]MX, error) {
	domain = canonical(domain)
	a, err := c.lookup(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, fmt.Errorf("look up MX of %s: %w", domain, err)
	}
	if len(a.records) == 0 {
		return c.implicitMX(ctx, domain, a.secure)
	}
	hosts, null := c.hosts(a)
	switch {
	case len(hosts) > 0:
		return hosts, nil
	case null:
		return nil, fmt.Errorf("look up MX of %s: %w", domain, ErrNoMail)
	}
	return nil, fmt.Errorf("look up MX of %s: %w", domain, ErrNoHost)
}

// implicitMX is the rule of RFC 5321, 5.1: no MX record at all makes the domain's
// own addresses its mail host.
func (c *Client) implicitMX(ctx context.Context, domain string, secure bool) ([]MX, error) {
	if _, err := c.Addrs(ctx, domain); err != nil {
		return nil, err
	}
	return []MX{{Host: domain, Implicit: true, Secure: secure}}, nil
}

// hosts sorts the usable hosts of the records and reports whether they are a null
// MX (RFC 7505).
func (c *Client) hosts(a answer) (list []MX, null bool) {
	seen := map[string]bool{}
	for _, rr := range a.records {
		mx, ok := rr.(*dns.MX)
		if !ok {
			continue
		}
		host := canonical(mx.Mx)
		if host == "" {
			null = true
		}
		if usable(host) && !seen[host] {
			seen[host] = true
			list = append(list, MX{Host: host, Preference: mx.Preference, Secure: a.secure})
		}
	}
	c.cfg.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	return list[:min(len(list), maxHosts)], null
}

func usable(host string) bool {
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil
}

// Addrs implements Resolver. One family is enough: the failure of the other is
// told only if neither has an address. An address literal is its own answer.
// Errors: ErrNoDomain, ErrNoHost, ErrTemporary.
func (c *Client) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	host = canonical(host)
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	type result struct {
		answer answer
		err    error
	}
	six := make(chan result, 1)
	go func() {
		a, err := c.lookup(ctx, host, dns.TypeAAAA)
		six <- result{a, err}
	}()
	four, err4 := c.lookup(ctx, host, dns.TypeA)
	r := <-six
	list := append(addresses(r.answer.records), addresses(four.records)...)
	if len(list) > 0 {
		return list, nil
	}
	err := ErrNoHost
	for _, e := range []error{err4, r.err} {
		if e != nil && !errors.Is(err, ErrTemporary) {
			err = e
		}
	}
	return nil, fmt.Errorf("look up addresses of %s: %w", host, err)
}

func addresses(records []dns.RR) []netip.Addr {
	var list []netip.Addr
	for _, rr := range records {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, a.Unmap())
		}
	}
	return list
}

// TXT implements Resolver. A name without TXT records is no error and gives none.
// Errors: ErrNoDomain, ErrTemporary.
func (c *Client) TXT(ctx context.Context, name string) ([]string, error) {
	name = canonical(name)
	a, err := c.lookup(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, fmt.Errorf("look up TXT of %s: %w", name, err)
	}
	var list []string
	for _, rr := range a.records {
		if txt, ok := rr.(*dns.TXT); ok {
			list = append(list, strings.Join(txt.Txt, ""))
		}
	}
	return list, nil
}

// canonical is the form names have here: lower case, no final dot.
func canonical(name string) string {
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

package returns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"stafette/internal/dns"
)

// HostLabel is put before a sending domain to name its own host for return mail, which
// its owner points to the platform's by CNAME: SPF of the return path is then aligned
// with From (RFC 7489, 3.1.2).
const HostLabel = "bounces"

// HostsConfig is what Hosts needs. Log may be nil; Every may be 0: an hour.
type HostsConfig struct {
	// Domain is the platform's own domain for return mail, used until a sending domain
	// has its own host.
	Domain   string
	Resolver dns.Resolver
	// Domains lists the sending domains in use.
	Domains func(ctx context.Context) ([]string, error)
	Every   time.Duration
	Log     *slog.Logger
}

// Hosts knows at which host each sending domain takes its return mail. It is safe for
// concurrent use, and of use before the first Check: then all mail comes to the
// platform's domain.
type Hosts struct {
	c HostsConfig

	mu  sync.RWMutex
	own map[string]bool // sending domains that have their own host
}

// NewHosts makes Hosts.
func NewHosts(c HostsConfig) *Hosts {
	if c.Every <= 0 {
		c.Every = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Hosts{c: c, own: map[string]bool{}}
}

// Host returns the domain of the return path for mail from a sending domain.
func (h *Hosts) Host(domain string) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.own[domain] {
		return HostLabel + "." + domain
	}
	return h.c.Domain
}

// Run checks at once and then every so often until ctx ends.
func (h *Hosts) Run(ctx context.Context) error {
	tick := time.NewTicker(h.c.Every)
	defer tick.Stop()
	for {
		if err := h.Check(ctx); err != nil && ctx.Err() == nil {
			h.c.Log.Error("return hosts not checked", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Check asks the name system for every sending domain. Mail to a domain's own host must
// reach the same servers as mail to the platform's. A domain of which there is no answer
// now keeps what it had.
func (h *Hosts) Check(ctx context.Context) error {
	domains, err := h.c.Domains(ctx)
	if err != nil {
		return fmt.Errorf("list sending domains: %w", err)
	}
	ours, err := h.servers(ctx, h.c.Domain)
	if err != nil {
		return fmt.Errorf("find servers of %s: %w", h.c.Domain, err)
	}
	own := map[string]bool{}
	for _, d := range domains {
		there, err := h.servers(ctx, HostLabel+"."+d)
		switch {
		case err == nil:
			own[d] = slices.Equal(there, ours)
		case errors.Is(err, dns.ErrTemporary) || ctx.Err() != nil:
			own[d] = h.Host(d) != h.c.Domain
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own = own
	return nil
}

// servers returns the addresses at which mail for a domain is taken, in order.
func (h *Hosts) servers(ctx context.Context, domain string) ([]netip.Addr, error) {
	hosts, err := h.c.Resolver.MX(ctx, domain)
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, mx := range hosts {
		addrs, err := h.c.Resolver.Addrs(ctx, mx.Host)
		if err != nil {
			return nil, err
		}
		all = append(all, addrs...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

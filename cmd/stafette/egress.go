package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/sources"
)

// egressPlan is what the configuration says of sources and pools.
func (c Config) egressPlan() (egress.Plan, error) {
	var p egress.Plan
	pools := map[string]map[string]int{egress.DefaultPool: {}}
	put := func(pool, source string, weight int) {
		if pools[pool] == nil {
			pools[pool] = map[string]int{}
		}
		pools[pool][source] = weight
	}
	for _, s := range c.sources() {
		source, in := c.source(s), s.Pools
		if len(in) == 0 {
			in = []string{egress.DefaultPool}
		}
		p.Sources = append(p.Sources, source)
		for _, pool := range in {
			put(pool, source.Name, -1)
		}
	}
	for _, pool := range c.Egress.Pools {
		for source, weight := range pool.Weights {
			put(pool.Name, source, max(weight, 0))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		pool := egress.Pool{Name: name}
		for _, source := range slices.Sorted(maps.Keys(pools[name])) {
			pool.Members = append(pool.Members, egress.Member{Source: source, Weight: pools[name][source]})
		}
		p.Pools = append(p.Pools, pool)
	}
	for i, a := range c.Egress.Assign {
		to := egress.Assignment{Stream: tenant.Stream(a.Stream), Pool: a.Pool}
		if a.Tenant != "" {
			var err error
			if to.Tenant, err = id.Parse[tenant.Kind](a.Tenant); err != nil {
				return p, fmt.Errorf("assign[%d].tenant: %w", i, err)
			}
		}
		p.Assignments = append(p.Assignments, to)
	}
	return p, p.Check()
}

// sources are those configured, else one whose address the system chooses.
func (c Config) sources() []Source {
	if len(c.Egress.Sources) > 0 {
		return c.Egress.Sources
	}
	return []Source{{Name: c.Node, EHLO: c.Hostname}}
}

func (c Config) source(s Source) egress.Source {
	v := egress.Source{
		Name: s.Name, Node: c.Node, IP: s.IP, EHLO: cmp.Or(s.EHLO, c.Hostname),
		State: egress.SourceState(cmp.Or(s.State, string(egress.StateActive))), ValidFrom: s.ValidFrom, ValidUntil: s.ValidUntil,
		Weight: egress.DefaultWeight,
	}
	if s.Weight != nil {
		v.Weight = *s.Weight
	}
	v.Name = v.String()
	return v
}

// shaping reads the operator's file of limits, if there is one, over the shipped.
func (c Config) shaping() (*egress.Shaping, error) {
	base := egress.Limits{
		Connections: c.Egress.Connections, Messages: c.Egress.MessagesPerConnection,
		// Whoever wants retries sooner wants to find out sooner that a site is back.
		Rest: min(time.Minute, time.Duration(c.Queue.Retry[0])),
	}
	if c.Egress.Shaping == "" {
		return egress.NewShaping(base, nil)
	}
	text, err := os.ReadFile(c.Egress.Shaping)
	if err != nil {
		return nil, fmt.Errorf("read shaping: %w", err)
	}
	file, err := egress.ParseShaping(text)
	if err == nil {
		var s *egress.Shaping
		if s, err = egress.NewShaping(base, file); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("shaping %s: %w", c.Egress.Shaping, err)
}

// newFleet makes the fleet of this node. With seed, the configuration is written to
// the database before the plan is read from there.
func (b *base) newFleet(ctx context.Context, seed bool) (*egress.Fleet, error) {
	own, err := b.config.egressPlan()
	if err != nil {
		return nil, err
	}
	if seed {
		if err := b.store.SeedPlan(ctx, b.config.Node, own, b.store.Now()); err != nil {
			return nil, err
		}
	}
	plan, err := b.store.Plan(ctx)
	if err != nil {
		return nil, err
	}
	if len(plan.Sources) == 0 {
		plan = own // no node ever served
	}
	shaping, err := b.config.shaping()
	if err != nil {
		return nil, err
	}
	a := b.config.Egress.Alarm
	return egress.NewFleet(egress.FleetConfig{
		Plan: plan, Shaping: shaping, Node: b.config.Node, Now: b.store.Now, Log: b.log,
		Alarms: egress.AlarmPolicy{Threshold: a.Threshold, Window: time.Duration(a.Window), Pause: time.Duration(a.Pause), MaxPause: time.Duration(a.MaxPause)},
	})
}

// guard lets connections go where the configuration says.
func (c Config) guard(own []egress.Source) *egress.Guard {
	rules := egress.Rules{LoopbackOnly: c.Egress.LoopbackOnly, Port: uint16(c.Egress.Port), Sources: own}
	if c.Egress.AllowPrivate {
		rules.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return egress.NewGuard(rules)
}

// reshape reads the shaping file anew on SIGHUP, until ctx ends. A file with a
// mistake changes nothing.
func (p *platform) reshape(ctx context.Context) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	for {
		select {
		case <-hangUp:
			if err := p.reload(); err != nil {
				p.log.Error("shaping stays as it is", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the shaping file anew; one with a mistake changes nothing.
func (p *platform) reload() error {
	shaping, err := p.config.shaping()
	if err != nil {
		return err
	}
	p.fleet.Reshape(shaping)
	p.log.Info("shaping read anew", "file", p.config.Egress.Shaping)
	return nil
}

// checkSources asks the name server about the platform's sources.
func (p *platform) checkSources(ctx context.Context, now time.Time) error {
	findings, err := p.base.checkSources(ctx, now)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Problem != egress.ProblemNone {
			p.log.Warn("source needs attention", "source", f.Source, "check", string(f.Check), "problem", string(f.Problem), "have", f.Have)
		}
	}
	return nil
}

// checkSources looks at all sources and keeps what it finds.
func (b *base) checkSources(ctx context.Context, now time.Time) ([]egress.Finding, error) {
	ways, err := b.store.Ways(ctx)
	if err != nil {
		return nil, err
	}
	checker := egress.Checker{Lookup: b.resolver, DNSBL: b.config.Egress.DNSBL, Addresses: ways.Addresses, Now: func() time.Time { return now }}
	findings := checker.Check(ctx, ways.Sources)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return findings, b.store.PutFindings(ctx, findings)
}

// newPlanner changes the plan as people ask. changed is told when it did; nil where no
// fleet runs in this process.
func (b *base) newPlanner(changed func(context.Context)) *egress.Planner {
	return egress.NewPlanner(egress.PlannerConfig{
		Store: b.store, Tenants: b.store, Now: b.store.Now, Changed: changed,
		Ordered: func(ctx context.Context, pool string) (bool, error) {
			orders, err := b.store.Orders(ctx, tenant.ID{}, b.store.Now(), false)
			return slices.ContainsFunc(orders, func(o queue.Order) bool { return o.Pool == pool }), err
		},
	})
}

// sourcesPages is what the pages about sources stand on.
func (p *platform) sourcesPages() sources.Config {
	follow := func(ctx context.Context) {
		if err := p.steward.Read(ctx); err != nil {
			p.log.Warn("changed plan not read", "err", err)
		}
		p.published.Wake()
	}
	return sources.Config{
		Planner: p.newPlanner(follow), Store: p.store, People: p.store, Shaping: p.fleet.Shaping, Cleared: follow,
		Check: func(ctx context.Context) error { return p.checkSources(ctx, p.store.Now()) },
	}
}

// ownAddresses are those of this machine's interfaces. Without them nothing is known of
// the machine, and every address is taken at its word.
func ownAddresses() []netip.Addr {
	var list []netip.Addr
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLinkLocalUnicast() {
			list = append(list, prefix.Addr().Unmap())
		}
	}
	return list
}

package delivery

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"stafette/internal/egress"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Lanes returns the lanes that have work, connections or a back-off, by site and
// source.
func (e *Engine) Lanes() []egress.LaneState {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]egress.LaneState, 0, len(e.lanes))
	for _, l := range e.lanes {
		list = append(list, e.state(l))
	}
	sortLanes(list)
	return list
}

func sortLanes(list []egress.LaneState) {
	slices.SortFunc(list, func(a, b egress.LaneState) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Source, b.Source))
	})
}

// state describes one lane; mu is held.
func (e *Engine) state(l *lane) egress.LaneState {
	now := e.cfg.Now()
	s := egress.LaneState{
		Source: l.key.Source, Site: l.key.Site, Provider: l.path.Provider, Depth: l.line.Len(),
		Connections: l.conns, Limit: l.limit, Failures: l.failures, LastReply: l.words,
	}
	if l.rests(now) {
		s.RestsUntil = l.until
	}
	if now.Before(l.pair.until) && l.pair.until.After(s.RestsUntil) {
		s.RestsUntil = l.pair.until
	}
	if at := l.nextAt(now, false); at.After(now) {
		s.NextAt = at
	}
	return s
}

// explained is state with limits, counters and what holds mail up; mu is held.
func (e *Engine) explained(l *lane) egress.LaneState {
	now := e.cfg.Now()
	s := e.state(l)
	s.Limits = e.inForce(l, now)
	s.Counters = append(l.pair.Counters(now), egress.Counter{Limit: "connections", Used: int64(l.conns), Of: int64(l.limit)})
	if day := e.cfg.Fleet.DayCounter(l.pair.key); day.Of > 0 {
		s.Counters = append(s.Counters, day)
	}
	if n := l.pair.Limits().ProviderConnections; n > 0 {
		s.Counters = append(s.Counters, egress.Counter{Limit: "provider_connections", Used: int64(l.pair.conns), Of: int64(n)})
	}
	if l.rests(now) {
		s.Waiting = append(s.Waiting, egress.Waiting{Why: egress.HinderedRest, Source: l.key.Source, Until: l.until, Reply: l.why.words()})
	}
	if now.Before(l.pair.until) {
		s.Waiting = append(s.Waiting, l.pair.because)
	}
	if !s.NextAt.IsZero() {
		s.Waiting = append(s.Waiting, egress.Waiting{Why: egress.HinderedRate, Source: l.key.Source, Until: s.NextAt})
	}
	if l.line.Len() > 0 && (l.conns >= l.limit || l.hungry) {
		s.Waiting = append(s.Waiting, egress.Waiting{Why: egress.HinderedBusy, Source: l.key.Source})
	}
	return s
}

// inForce lists the limits of a lane as they hold now: with what was learnt, and
// this node's share.
func (e *Engine) inForce(l *lane, now time.Time) []egress.Effective {
	list := l.shaping.Explain(l.path)
	if n := e.cfg.Fleet.Holders(l.source); n > 1 {
		for i, v := range egress.List(l.limits) {
			if v != list[i].Value {
				list[i].Value, list[i].Layer = v, egress.LayerNodes
			}
		}
	}
	rate, because := l.pair.Learnt(now)
	for i := range list {
		switch {
		case list[i].Limit == "per_minute" && rate > 0:
			list[i] = egress.Effective{Limit: "per_minute", Value: egress.Number(rate), Layer: egress.LayerLearnt, From: "rule " + because.Rule}
		case list[i].Limit == "connections" && l.limit < l.limits.Connections:
			list[i] = egress.Effective{Limit: "connections", Value: egress.Number(int64(l.limit)), Layer: egress.LayerLearnt}
		}
	}
	return list
}

// SiteOf names the site that mail for a domain goes to, "" if this node sent none there
// lately. It asks nobody.
func (e *Engine) SiteOf(domain string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.domains[domain]; d != nil && d.target != nil {
		return d.target.site
	}
	return ""
}

// FindSite is SiteOf that asks name servers where this node does not know; "" if mail for
// the domain has nowhere to go.
func (e *Engine) FindSite(ctx context.Context, domain string) string {
	if site := e.SiteOf(domain); site != "" {
		return site
	}
	return e.lookUp(ctx, strings.ToLower(domain)).site
}

// Question is what Explain is asked about.
type Question struct {
	Domain string // recipient domain, A-labels
	// Tenant and Stream choose the pool; zero: the default pool.
	Tenant tenant.ID
	Stream tenant.Stream
	Tags   []string // of the message, for orders about them
	// Delivery is the one asked about, to find its place; zero: none.
	Delivery message.DeliveryID
	// Offline says that this engine does not run: only what is known without it.
	Offline bool
}

// Explain says where mail goes, how much of it and what stands in its way. It
// resolves the domain as delivery does and connects to nothing.
func (e *Engine) Explain(ctx context.Context, q Question) egress.Explanation {
	name := strings.ToLower(q.Domain)
	t := e.lookUp(ctx, name)
	x := egress.Explanation{Domain: name, Routed: t.hop != nil, Site: t.site, Provider: t.provider, Live: !q.Offline}
	if !q.Delivery.IsZero() {
		x.Delivery = q.Delivery.String()
	}
	if t.fail != nil {
		x.Problem = t.fail.local
		x.Waiting = []egress.Waiting{{Why: egress.HinderedNoRoute, Reply: t.fail.local}}
		return x
	}
	for _, mx := range t.hosts {
		x.Hosts = append(x.Hosts, e.explainHost(ctx, t, mx.Host))
	}
	path := egress.Path{Provider: t.provider, Site: t.site}
	if t.apart {
		path.Domain = name
	}
	shaping := e.cfg.Fleet.Shaping()
	x.Limits, x.Notes = shaping.Explain(path), shaping.Notes(t.provider)
	wish := egress.Wish{Tenant: q.Tenant, Stream: q.Stream, Provider: providerOr(t.provider, t.site)}
	r := e.cfg.Orders.Rule(&queue.Entry{Tenant: q.Tenant, Stream: q.Stream, Tags: q.Tags, Recipient: message.Address{Domain: name}}, t.site)
	if r.Stop != nil {
		x.Waiting = append(x.Waiting, egress.Waiting{Why: egress.HinderedOrder, Until: r.Stop.Expires, Reply: r.Stop.Reason, Rule: r.Stop.ID.String()})
	}
	if r.Detour != nil {
		wish.Pool, x.Detour = r.Detour.Pool, r.Detour.ID.String()
	}
	x.Pool, x.Sources = e.cfg.Fleet.Choices(wish)
	e.explainSources(&x)
	if !q.Offline {
		e.explainLanes(&x, t, q)
	}
	for _, w := range x.Waiting {
		if w.Until.After(x.NextAt) {
			x.NextAt = w.Until
		}
	}
	return x
}

// explainSources: mail waits for its source only if no source may send.
func (e *Engine) explainSources(x *egress.Explanation) {
	var list []egress.Waiting
	for _, c := range x.Sources {
		if c.Hindered == nil {
			return
		}
		list = append(list, *c.Hindered)
	}
	if list == nil {
		list = []egress.Waiting{{Why: egress.HinderedNoSource}}
	}
	x.Waiting = append(x.Waiting, list...)
}

// explainLanes adds the lanes to the target, the delivery's place on them and what
// they wait for.
func (e *Engine) explainLanes(x *egress.Explanation, t *target, q Question) {
	e.mu.Lock()
	defer e.mu.Unlock()
	site := t.site
	if t.apart {
		site = "domain:" + t.domain
	}
	now := e.cfg.Now()
	for _, l := range e.lanes {
		if l.key.Site != site {
			continue
		}
		s := e.explained(l)
		x.Lanes = append(x.Lanes, s)
		if !q.Delivery.IsZero() {
			before, here := l.line.Position(func(p *parcel) bool { return p.Delivery == q.Delivery })
			if !here {
				continue
			}
			x.Position = before + 1
		}
		x.Waiting = append(x.Waiting, s.Waiting...)
	}
	for _, b := range e.pairs {
		if b.key.Provider != providerOr(t.provider, t.site) {
			continue
		}
		for key, s := range b.suspended {
			if key.tenant == q.Tenant && (key.stream == "" || key.stream == q.Stream) &&
				(key.campaign == "" || len(q.Tags) > 0 && key.campaign == q.Tags[0]) && now.Before(s.until) {
				x.Waiting = append(x.Waiting, s.because)
			}
		}
	}
	sortLanes(x.Lanes)
}

func (e *Engine) explainHost(ctx context.Context, t *target, host string) egress.HostState {
	h := egress.HostState{Host: host}
	addrs, err := e.addresses(ctx, t, host)
	if err != nil {
		h.Problem = e.unresolved(err).local
		return h
	}
	for _, a := range addrs {
		if err := e.cfg.Guard.Check(a, t.hop != nil); err != nil {
			h.Problem = err.Error()
			continue
		}
		h.Addresses = append(h.Addresses, a.String())
	}
	return h
}

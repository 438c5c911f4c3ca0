package delivery

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// LaneState is one lane as an operator sees it.
type LaneState struct {
	Source      string
	Site        string
	Depth       int // deliveries waiting
	Connections int // at work or idle
	Limit       int // connections allowed now
	Failures    int // rests in a row
	RestsUntil  time.Time
	LastReply   string // the site's last words, or what we found
}

// Lanes returns the lanes that have work, connections or a back-off, by site and
// source.
func (e *Engine) Lanes() []LaneState {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]LaneState, 0, len(e.lanes))
	for _, l := range e.lanes {
		list = append(list, e.state(l))
	}
	slices.SortFunc(list, func(a, b LaneState) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Source, b.Source))
	})
	return list
}

// state describes one lane; mu is held.
func (e *Engine) state(l *lane) LaneState {
	s := LaneState{
		Source: l.key.Source, Site: l.key.Site, Depth: l.line.Len(),
		Connections: l.conns, Limit: l.limit, Failures: l.failures, LastReply: l.words,
	}
	if l.rests(e.cfg.Now()) {
		s.RestsUntil = l.until
	}
	return s
}

// Explanation says where mail for a domain goes now and what stands in its way.
type Explanation struct {
	Domain  string
	Routed  bool   // a static route decides
	Site    string // names the receiving system
	Hosts   []HostState
	Lanes   []LaneState // to this site
	Problem string      // why there is nowhere to go; "" if there is
}

// HostState is one mail host with the addresses that would be tried.
type HostState struct {
	Host      string
	Addresses []string
	Problem   string // why it cannot be used; "" if it can
}

// Explain resolves a domain as delivery does, without connecting to anything.
func (e *Engine) Explain(ctx context.Context, name string) Explanation {
	t := e.lookUp(ctx, name)
	x := Explanation{Domain: name, Routed: t.hop != nil, Site: t.site}
	if t.fail != nil {
		x.Problem = t.fail.local
		return x
	}
	for _, mx := range t.hosts {
		x.Hosts = append(x.Hosts, e.explainHost(ctx, t, mx.Host))
	}
	for _, l := range e.Lanes() {
		if l.Site == t.site {
			x.Lanes = append(x.Lanes, l)
		}
	}
	return x
}

func (e *Engine) explainHost(ctx context.Context, t *target, host string) HostState {
	h := HostState{Host: host}
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

package webtest

import (
	"context"
	"net/netip"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/trace"
	"stafette/internal/web"
	"stafette/internal/web/sending"
)

// Ways stands in for the delivery engine and what is known of sources.
type Ways struct{ w *World }

func sendingSubject() Subject {
	return Subject{Wire: func(w *World, c *web.Config) {
		c.Sending = sending.Config{Engine: Ways{w}, Store: Ways{w}, Trace: trace.New(trace.Config{Mode: trace.Off, Now: w.Now, Watches: 2}), RecordFor: time.Millisecond, Orders: func() []queue.Order {
			return []queue.Order{{ID: id.New[queue.OrderKind](w.Now()), Command: queue.Suspend, Scope: queue.Scope{Site: "mx.gmx.example"}}}
		}}
	}}
}

// Lanes implements sending.Engine: one that is suspended, one that rests and one that
// a domain has for itself.
func (v Ways) Lanes() []egress.LaneState {
	return []egress.LaneState{
		{Source: "192.0.2.17", Site: "mx.gmx.example", Provider: "gmx", Depth: 3, Connections: 1, Limit: 5},
		{Source: "any", Site: "domain:kunde.example", Depth: 1200, Limit: 2, RestsUntil: v.w.Now().Add(time.Minute), LastReply: "421 <script>too many</script>"},
	}
}

// Explain implements sending.Engine.
func (v Ways) Explain(_ context.Context, q delivery.Question) egress.Explanation {
	return egress.Explanation{Domain: q.Domain, Provider: "gmx", Site: "mx.gmx.example", Pool: "default", Live: true,
		Hosts:   []egress.HostState{{Host: "mx.gmx.example", Addresses: []string{"198.51.100.7:25"}}},
		Limits:  []egress.Effective{{Limit: "connections", Value: "5", Layer: egress.LayerProvider, From: "provider.gmx"}},
		Waiting: []egress.Waiting{{Why: egress.HinderedRest, Source: "any", Until: v.w.Now().Add(time.Minute), Reply: "421 <b>later"}}}
}

// Plan implements sending.Store.
func (v Ways) Plan(context.Context) (egress.Plan, error) {
	p := egress.EqualPlan(egress.Source{IP: netip.MustParseAddr("192.0.2.17"), EHLO: "mail.stafette.example"}, egress.Source{EHLO: "neu.stafette.example"})
	p.Pools[0].Members[0].Weight = 10
	return p, nil
}

// Alarms implements sending.Store.
func (v Ways) Alarms(context.Context, bool) ([]egress.Alarm, error) {
	now := v.w.Now()
	return []egress.Alarm{{Pair: egress.Pair{Source: "192.0.2.17", Provider: "tonline"}, Blame: egress.Blame{Text: "554 IP=192.0.2.17 - NOWL <x>"},
		Count: 3, First: now.Add(-time.Hour), PausedUntil: now.Add(time.Hour)}}, nil
}

package webtest

import (
	"context"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/trace"
	"stafette/internal/web"
	"stafette/internal/web/sending"
)

// Ways stands in for the delivery engine and what is known of sources.
type Ways struct{ w *World }

func sendingSubject() Subject {
	return Subject{Wire: func(w *World, c *web.Config) {
		c.Sending = sending.Config{Engine: Ways{w}, Find: Ways{w}.find, Trace: trace.New(trace.Config{Mode: trace.Off, Now: w.Now, Watches: 2}), RecordFor: time.Millisecond, Orders: func() []queue.Order {
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
		Hosts: []egress.HostState{{Host: "mx.gmx.example", Addresses: []string{"198.51.100.7:25"}}},
		Sources: []egress.SourceChoice{
			{Source: "192.0.2.17", IP: "192.0.2.17", EHLO: "mail.stafette.example", State: egress.StateActive, Share: 1},
			{Source: "neu", EHLO: "neu.stafette.example", State: egress.StateNew, WarmUp: &egress.WarmUp{Number: 3, Days: 20, Limit: 150, Sent: 150},
				Hindered: &egress.Waiting{Why: egress.HinderedWarmUp, Until: v.w.Now().Add(9 * time.Hour)}},
		},
		Lanes: []egress.LaneState{{Source: "192.0.2.17", Site: "mx.gmx.example", Depth: 12, Connections: 5, Limit: 5, LastReply: "421 <u>later",
			Counters: []egress.Counter{{Limit: "per_minute", Used: 290, Of: 300}, {Limit: "per_hour"}},
			Waiting:  []egress.Waiting{{Why: egress.HinderedRule, Rule: "gmx-rate", Until: v.w.Now().Add(time.Minute), Reply: "421 <b>rate"}}}},
		Notes: []string{"Asks for patience <hours>."}, NextAt: v.w.Now().Add(time.Minute), Position: 4,
		Limits:  []egress.Effective{{Limit: "connections", Value: "5", Layer: egress.LayerProvider, From: "provider.gmx"}},
		Waiting: []egress.Waiting{{Why: egress.HinderedRest, Source: "any", Until: v.w.Now().Add(time.Minute), Reply: "421 <b>later"}}}
}

// find stands in for the queue: what is asked for waits, unless it is the lowest of all.
func (v Ways) find(_ context.Context, d message.DeliveryID) (queue.Listed, error) {
	if d.Time().Unix() == 0 {
		return queue.Listed{}, fault.New(fault.NotFound, "delivery_unknown", "")
	}
	l := queue.Listed{DueAt: v.w.Now().Add(time.Hour), Reason: "451 <i>later"}
	l.Recipient.Domain = "gmx.example"
	return l, nil
}

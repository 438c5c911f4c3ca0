package webtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/queues"
)

// Operator stands in for queue.Operator: it knows one tenant's order and one of the
// platform, and remembers who asked. It is safe for concurrent use.
type Operator struct {
	w      *World
	mu     sync.Mutex
	Asked  []queue.Act
	Done   []queue.Caller
	orders []queue.Order
}

func queuesSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			now := w.Now()
			order := func(giver tenant.ID, s queue.Scope) queue.Order {
				return queue.Order{ID: id.New[queue.OrderKind](now), Giver: giver, Command: queue.Suspend, Scope: s, Actor: "operator", Reason: "<b>Wartung</b>", Created: now.Add(-time.Hour)}
			}
			c.Queues = queues.Config{Ages: w.ages, People: directory{w}, Operator: &Operator{w: w, orders: []queue.Order{
				order(w.Tenant.ID, queue.Scope{Tenant: w.Tenant.ID, Stream: tenant.Newsletter}), order(tenant.ID{}, queue.Scope{Domain: "gmx.example", Site: "mx.gmx.example"}),
			}}}
		},
		Pages: func(*World) []string {
			return []string{
				"/queue?done=hold", "/queue?done=nonsense", "/queue?tag=%22%3E%3Cscript%3E", "/queue/preview", "/queue/preview?command=hold&domain=kunde.example&reason=Preis",
				"/queue/preview?command=cancel&state=held", "/queue/preview?command=suspend&hours=x", "/queue/preview?command=hold&what=msg_x",
			}
		},
	}
}

// ages are those of a queue with a hostile name in it.
func (w *World) ages(context.Context) (queue.Ages, error) {
	now := w.Now()
	line := func(name string, n int64, age time.Duration) queue.AgeLine {
		return queue.AgeLine{Name: name, Count: n, Oldest: now.Add(-age), P50: age / 4, P95: age / 2}
	}
	return queue.Ages{At: now, Sampled: true, All: line("", 1203, 50*time.Hour), By: map[queue.AgeBy][]queue.AgeLine{
		queue.ByState:  {line("queued", 1200, time.Hour), line("deferred", 3, 50*time.Hour)},
		queue.ByDomain: {line("gmx.example", 1200, time.Hour), line("=cmd|<script>", 3, 50*time.Hour)},
		queue.ByStream: {line("newsletter", 1203, 50*time.Hour)}, queue.BySite: {line("", 1203, 50*time.Hour)},
	}}, nil
}

// Preview implements queues.Operator: it refuses what the real one would for its form
// and shows three deliveries.
func (o *Operator) Preview(_ context.Context, by queue.Caller, a queue.Act) (queue.Preview, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Asked = append(o.Asked, a)
	if len(a.Command.From()) == 0 {
		return queue.Preview{}, fault.Field("command", "command_unknown", "")
	}
	now := o.w.Now()
	return queue.Preview{Act: a, Token: "token " + by.Actor, Expires: now.Add(time.Minute), Survey: queue.Survey{
		Total: 1203, States: map[event.State]int64{event.Queued: 1200, event.Deferred: 3}, Oldest: now.Add(-time.Hour),
		Tenants: []queue.Tally{{Name: o.w.Tenant.Name, Count: 1203}}, Domains: []queue.Tally{{Name: "kunde.example", Count: 1203}},
		Sample: []queue.Listed{{State: event.Deferred, Stream: tenant.Lead, DueAt: now, Recipient: message.Address{Local: "<i>eva", Domain: "kunde.example"}}},
	}}, nil
}

// Perform implements queues.Operator.
func (o *Operator) Perform(_ context.Context, by queue.Caller, token string, _ func(changed, planned int64)) (queue.LogEntry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if token != "token "+by.Actor {
		return queue.LogEntry{}, fault.New(fault.Conflict, "preview_stale", "")
	}
	o.Done = append(o.Done, by)
	return queue.LogEntry{Act: queue.Act{Command: queue.Hold}}, nil
}

// Orders implements queues.Operator.
func (o *Operator) Orders(_ context.Context, by queue.Caller, _ bool) ([]queue.Order, error) {
	return slices.DeleteFunc(slices.Clone(o.orders), func(v queue.Order) bool { return !by.Platform && v.Giver != by.Tenant }), nil
}

// Log implements queues.Operator.
func (o *Operator) Log(_ context.Context, by queue.Caller, _ int) ([]queue.LogEntry, error) {
	now := o.w.Now()
	return []queue.LogEntry{{ID: id.New[queue.LogKind](now), Tenant: by.Tenant, At: now, Actor: by.Actor, Act: queue.Act{Command: queue.Cancel}, Reason: "Doppelt", Planned: 7, Changed: 6}}, nil
}

package delivery_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// desk is where orders lie.
type desk struct {
	mu   sync.Mutex
	list []queue.Order
}

func (d *desk) give(list ...queue.Order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = list
}

// Orders implements queue.OrderReader.
func (d *desk) Orders(context.Context, tenant.ID, time.Time, bool) ([]queue.Order, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list, nil
}

// TestSuspendedMailStays: an order stops what stands in line already and what comes
// later, and nothing else; when it is over the mail goes.
func TestSuspendedMailStays(t *testing.T) {
	for name, scope := range map[string]queue.Scope{
		"domain": {Domain: "a.example"},
		"site":   {Site: "mx1.a.example"},
		"tenant": {Tenant: tenantA, Domain: "a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.net.site("a.example", &server{takes: 10 * time.Second})
				w.net.site("b.example", &server{})
				w.limits.Connections = 1
				d := &desk{}
				w.cfg.Orders = queue.NewOrders(d, time.Now, nil)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go w.cfg.Orders.Follow(ctx)
				w.start()
				early := []queue.Entry{w.mail("1@a.example"), w.mail("2@a.example"), w.mail("3@a.example")}
				w.submit(early...)
				time.Sleep(3 * time.Second) // the first is on its way
				d.give(queue.Order{Command: queue.Suspend, Scope: scope, Expires: time.Now().Add(time.Hour)})
				time.Sleep(2 * time.Second)
				late, other := w.mail("4@a.example"), w.mail("5@b.example")
				w.submit(late, other)
				time.Sleep(30 * time.Minute)
				if n := w.store.Count(); n[event.Delivered] != 2 || n[event.Queued] != 3 {
					t.Errorf("while it holds: %v", n)
				}
				time.Sleep(time.Hour)
				if n := w.store.Count(); n[event.Delivered] != 5 {
					t.Errorf("afterwards: %v", n)
				}
				stop()
				w.end()
			})
		})
	}
}

// TestDetourIsTaken: mail of the scope goes to the next hop that was ordered, other mail
// its own way, and afterwards all of it its own way again.
func TestDetourIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := &server{}
		w.net.site("a.example", &server{})
		w.net.site("b.example", other)
		hop := ""
		for addr, s := range w.net.servers {
			if s == other {
				hop = addr
			}
		}
		d := &desk{}
		w.cfg.Orders = queue.NewOrders(d, time.Now, nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.cfg.Orders.Follow(ctx)
		w.start()
		w.submit(w.mail("1@a.example"))
		time.Sleep(time.Minute)
		d.give(queue.Order{ID: queue.OrderID{1}, Command: queue.Reroute, NextHop: hop, Scope: queue.Scope{Domain: "a.example"}, Expires: time.Now().Add(time.Hour)})
		time.Sleep(2 * time.Second)
		w.submit(w.mail("2@a.example"), w.mail("3@b.example"))
		time.Sleep(time.Hour)
		w.submit(w.mail("4@a.example"))
		time.Sleep(time.Minute)
		way := map[string]bool{} // by recipient: over the hop
		for _, m := range w.net.received() {
			way[m.to] = m.addr == hop
		}
		if !maps.Equal(way, map[string]bool{"1@a.example": false, "2@a.example": true, "3@b.example": true, "4@a.example": false}) {
			t.Errorf("over the hop: %v", way)
		}
		stop()
		w.end()
	})
}

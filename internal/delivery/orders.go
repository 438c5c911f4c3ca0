package delivery

import (
	"context"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/queue"
)

// parkSuspended is how long mail that an order holds up is put off before it is looked
// at again. When the order ends it falls due at once, so this only bounds how often
// mail that must not leave passes through memory.
const parkSuspended = 15 * time.Minute

// heed does what orders say of a parcel whose target is known. It reports true if the
// parcel was put off; a detour changes the parcel's target and pool.
func (e *Engine) heed(ctx context.Context, p *parcel) (stopped bool) {
	r := e.cfg.Orders.Rule(&p.Entry, p.target.site)
	if r.Stop != nil {
		e.suspend(p, r.Stop)
		return true
	}
	p.order = queue.OrderID{}
	if r.Detour == nil {
		p.pool = ""
		return false
	}
	p.order, p.pool = r.Detour.ID, r.Detour.Pool
	if r.Detour.NextHop != "" {
		if t := e.detour(ctx, p.target.domain, r.Detour.NextHop); t != nil {
			p.target = t
		}
	}
	return false
}

// suspend puts a parcel off because of an order.
func (e *Engine) suspend(p *parcel, o *queue.Order) {
	until := e.cfg.Now().Add(parkSuspended)
	if !o.Expires.IsZero() && o.Expires.Before(until) {
		until = o.Expires
	}
	e.park(p, until)
}

// detour is the way over another next hop; nil if its name cannot be read, which was
// checked when the order was given.
func (e *Engine) detour(ctx context.Context, domain, nextHop string) *target {
	routes, err := egress.NewRoutes([]egress.Route{{Domain: "*", NextHop: nextHop}})
	if err != nil {
		return nil
	}
	hop, _ := routes.Find(domain)
	return &target{domain: domain, hop: &hop, site: egress.RouteSite + hop.String(), hosts: []dns.MX{{Host: hop.Host}},
		policy: e.policyOf(ctx, domain, hop.String())}
}

// overruled reports whether orders came up since the parcel was put on its lane that
// send it elsewhere or stop it. It is then taken care of.
func (c *connection) overruled(ctx context.Context, p *parcel) bool {
	e := c.e
	r := e.cfg.Orders.Rule(&p.Entry, p.site)
	if r.Stop != nil {
		c.hangUp() // the parcel may have been announced to the server
		e.suspend(p, r.Stop)
		return true
	}
	var now queue.OrderID
	if r.Detour != nil {
		now = r.Detour.ID
	}
	if now == p.order {
		return false
	}
	c.hangUp()
	e.unload(p)
	e.route(ctx, p)
	return true
}

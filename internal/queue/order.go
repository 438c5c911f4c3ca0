package queue

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"stafette/internal/id"
	"stafette/internal/tenant"
)

// OrderKind is the kind of order identifiers.
type OrderKind struct{}

// Prefix implements id.Kind.
func (OrderKind) Prefix() string { return "ord" }

// OrderID names an order.
type OrderID = id.Of[OrderKind]

// Order is what a person decided about mail that waits and mail that is still to
// come: it does not leave (Suspend), or it leaves another way (Reroute). It holds on
// every node until it is ended or its time is over.
type Order struct {
	ID OrderID
	// Giver is the tenant whose person gave it; zero for staff of the platform. A
	// tenant's order is about its own mail only.
	Giver   tenant.ID
	Command Command // Suspend or Reroute
	Scope   Scope
	Pool    string // Reroute: the sources to use; "" if NextHop is set
	NextHop string // Reroute: host:port instead of the domain's own servers
	Actor   string
	Reason  string
	Created time.Time
	// Expires is when it ends by itself; zero: when somebody ends it.
	Expires time.Time
	Ended   time.Time // zero while it holds
	EndedBy string
}

// Holds reports whether the order is in force at now.
func (o *Order) Holds(now time.Time) bool {
	return o.Ended.IsZero() && (o.Expires.IsZero() || now.Before(o.Expires))
}

// Scope is whose mail an order is about. Empty fields match everything.
type Scope struct {
	Tenant tenant.ID
	Stream tenant.Stream
	Tag    string
	Domain string // of the recipient, A-labels
	Site   string // as lanes name it
}

// Matches reports whether a delivery to a site is in the scope.
func (c Scope) Matches(e *Entry, site string) bool {
	return (c.Tenant.IsZero() || c.Tenant == e.Tenant) && (c.Stream == "" || c.Stream == e.Stream) &&
		(c.Domain == "" || c.Domain == e.Recipient.Domain) && (c.Site == "" || c.Site == site) &&
		(c.Tag == "" || slices.Contains(e.Tags, c.Tag))
}

// Ruling is what orders say of one delivery. The zero Ruling says nothing.
type Ruling struct {
	Stop   *Order // it must not leave
	Detour *Order // it leaves another way
}

// OrderReader tells which orders hold.
type OrderReader interface {
	// Orders returns a tenant's orders, or with the zero tenant everybody's, from new to
	// old: those in force at now, or with ended those of the past too, at most 500.
	Orders(ctx context.Context, t tenant.ID, now time.Time, ended bool) ([]Order, error)
}

// Orders knows the orders in force on this node. It is safe for concurrent use; a nil
// *Orders knows none.
type Orders struct {
	store OrderReader
	now   func() time.Time
	log   *slog.Logger
	list  atomic.Pointer[[]Order]
}

// NewOrders makes Orders that know nothing until Refresh.
func NewOrders(store OrderReader, now func() time.Time, log *slog.Logger) *Orders {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Orders{store: store, now: now, log: log}
}

// Rule returns what the orders in force say of a delivery to a site. Of several
// detours the newest counts.
func (o *Orders) Rule(e *Entry, site string) Ruling {
	var r Ruling
	if o == nil {
		return r
	}
	list := o.list.Load()
	if list == nil || len(*list) == 0 {
		return r
	}
	now := o.now()
	for i := range *list {
		v := &(*list)[i]
		if !v.Holds(now) || !v.Scope.Matches(e, site) {
			continue
		}
		switch {
		case v.Command == Suspend && r.Stop == nil:
			r.Stop = v
		case v.Command == Reroute && r.Detour == nil:
			r.Detour = v
		}
	}
	return r
}

// Now returns the orders in force as this node knows them, from new to old.
func (o *Orders) Now() []Order {
	if o == nil {
		return nil
	}
	var list []Order
	if all := o.list.Load(); all != nil {
		for _, v := range *all {
			if v.Holds(o.now()) {
				list = append(list, v)
			}
		}
	}
	return list
}

// Refresh reads the orders in force.
func (o *Orders) Refresh(ctx context.Context) error {
	list, err := o.store.Orders(ctx, tenant.ID{}, o.now(), false)
	if err == nil {
		o.list.Store(&list)
	}
	return err
}

// orderPoll is how long an order given on another node may stay unknown here.
const orderPoll = time.Second

// Follow refreshes every second until ctx ends. While the database does not answer,
// what was known holds.
func (o *Orders) Follow(ctx context.Context) {
	tick := time.NewTicker(orderPoll)
	defer tick.Stop()
	for {
		if err := o.Refresh(ctx); err != nil && ctx.Err() == nil {
			o.log.Warn("orders about the queue not read", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

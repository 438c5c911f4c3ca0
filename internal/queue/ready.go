package queue

import (
	"context"
	"slices"
	"sync"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Held is a delivery in memory together with the epoch that holds it.
type Held struct {
	Entry
	Epoch Epoch
}

// Bounds limit what is in memory, from reservation to durable settlement. What
// does not fit waits in the Store and is claimed later; nothing is lost by it.
type Bounds struct {
	Total  int // deliveries in all; 0: 20000, about 20 MB
	Tenant int // deliveries of one tenant that are not urgent, and again urgent ones; 0: half of Total
	Urgent int // part of Total kept free for urgent ones; 0: a tenth of Total
}

func (b Bounds) withDefaults() Bounds {
	if b.Total <= 0 {
		b.Total = 20000
	}
	if b.Tenant <= 0 {
		b.Tenant = max(b.Total/2, 1)
	}
	if b.Urgent <= 0 || b.Urgent >= b.Total {
		b.Urgent = b.Total / 10
	}
	return b
}

// ready is the part of the queue that is in memory: who has how much room, which
// deliveries are here, and which of them wait to be taken.
type ready struct {
	bounds Bounds
	low    int           // room that is worth waking the feeder for
	came   chan struct{} // capacity 1: something waits to be taken
	freed  chan struct{} // capacity 1: there is room again after want

	mu      sync.Mutex
	waiting Fair[Held]
	inside  map[message.DeliveryID]mark
	shares  map[tenant.ID]*share
	used    int
	pledged int  // reserved and neither offered nor cancelled
	want    bool // due work was left in the store for want of room
	seekers []*seeker
}

// seeker waits until there is room for n deliveries of a tenant that are not urgent.
type seeker struct {
	tenant tenant.ID
	n      int
	found  chan struct{} // closed then
}

// mark remembers for whom room is taken.
type mark struct {
	tenant tenant.ID
	epoch  Epoch
	urgent bool
	// again is the delivery as the store gave it out while it was here; nil: it did not.
	again *Held
}

// share counts what one tenant has in memory.
type share struct{ urgent, other int }

func newReady(b Bounds, batch int) *ready {
	b = b.withDefaults()
	return &ready{
		bounds: b,
		low:    max(1, min(batch, b.Tenant/4, b.Total/4)),
		came:   make(chan struct{}, 1),
		freed:  make(chan struct{}, 1),
		inside: map[message.DeliveryID]mark{},
		shares: map[tenant.ID]*share{},
	}
}

// room returns how many more deliveries of the tenant fit.
func (r *ready) room(t tenant.ID, urgent bool) int {
	var s share
	if have := r.shares[t]; have != nil {
		s = *have
	}
	if urgent {
		return min(r.bounds.Total-r.used, r.bounds.Tenant-s.urgent)
	}
	return min(r.bounds.Total-r.bounds.Urgent-r.used, r.bounds.Tenant-s.other)
}

// count changes what the tenant has in memory by n.
func (r *ready) count(t tenant.ID, urgent bool, n int) {
	s := r.shares[t]
	if s == nil {
		s = &share{}
		r.shares[t] = s
	}
	if urgent {
		s.urgent += n
	} else {
		s.other += n
	}
	if *s == (share{}) {
		delete(r.shares, t)
	}
	r.used += n
	if n < 0 && r.want && r.room(t, false) >= r.low {
		r.want = false
		signal(r.freed)
	}
	if n < 0 && len(r.seekers) > 0 {
		r.seekers = slices.DeleteFunc(r.seekers, func(s *seeker) bool {
			fits := r.room(s.tenant, false) >= s.n
			if fits {
				close(s.found)
			}
			return fits
		})
	}
}

// seek waits until there is room for n deliveries of the tenant that are not urgent. It takes
// none, and returns the cause of ctx's end.
func (r *ready) seek(ctx context.Context, t tenant.ID, n int) error {
	r.mu.Lock()
	if r.room(t, false) >= n {
		r.mu.Unlock()
		return nil
	}
	s := &seeker{t, n, make(chan struct{})}
	r.seekers = append(r.seekers, s)
	r.mu.Unlock()
	select {
	case <-s.found:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seekers = slices.DeleteFunc(r.seekers, func(other *seeker) bool { return other == s })
	return context.Cause(ctx)
}

// reserve takes room for n deliveries, all or nothing.
func (r *ready) reserve(t tenant.ID, urgency, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room(t, urgency == 0) < n {
		r.want = true // they go to the store and must be claimed later
		return false
	}
	r.count(t, urgency == 0, n)
	r.pledged += n
	return true
}

// cancel gives a reservation back.
func (r *ready) cancel(t tenant.ID, urgency, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pledged -= n
	r.count(t, urgency == 0, -n)
}

// offer admits reserved entries under the epoch. Epoch 0 drops them: the epoch of
// their reservation is dead and others will claim them.
func (r *ready) offer(e Epoch, entries []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		urgent := entries[i].Stream.Urgency() == 0
		r.pledged--
		r.count(entries[i].Tenant, urgent, -1)
		if e != 0 {
			r.admit(Held{Entry: entries[i], Epoch: e}, urgent)
		}
	}
}

// grab takes room for up to n deliveries about to be claimed; give it back with
// put. Without room, full reports that nobody has any, not just this tenant.
func (r *ready) grab(t tenant.ID, n int) (got int, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got = min(n, r.room(t, false))
	if got <= 0 {
		r.want = true
		return 0, r.used >= r.bounds.Total-r.bounds.Urgent
	}
	r.count(t, false, got)
	return got, false
}

// put admits claimed entries in place of the room grabbed for them.
func (r *ready) put(t tenant.ID, grabbed int, e Epoch, entries []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		r.admit(Held{Entry: entries[i], Epoch: e}, entries[i].Stream.Urgency() == 0)
	}
	r.count(t, false, -grabbed)
}

// admit lets one delivery wait to be taken. One that is already here under the
// same epoch is not taken in twice, whatever the store says: sending a mail twice
// is worse than trusting our own memory.
func (r *ready) admit(h Held, urgent bool) {
	if m, here := r.inside[h.Delivery]; here {
		if m.epoch == h.Epoch {
			m.again = &h // settled may need it
			r.inside[h.Delivery] = m
			return
		}
		r.count(m.tenant, m.urgent, -1)
	}
	r.inside[h.Delivery] = mark{tenant: h.Tenant, epoch: h.Epoch, urgent: urgent}
	r.count(h.Tenant, urgent, 1)
	r.waiting.Push(h.Tenant, h.Stream.Urgency(), h)
	signal(r.came)
}

// forget frees the room of a delivery that the epoch held.
func (r *ready) forget(d message.DeliveryID, e Epoch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, here := r.inside[d]; here && m.epoch == e {
		delete(r.inside, d)
		r.count(m.tenant, m.urgent, -1)
	}
}

// settled frees the room of a delivery whose verdict is durable. One that was put off and was
// due at once may have been claimed before anybody here heard that its verdict is stored: the
// store gave it out as the verdict left it, and it waits again.
func (r *ready) settled(v *Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, here := r.inside[v.Delivery]
	if !here || m.epoch != v.Epoch {
		return
	}
	delete(r.inside, v.Delivery)
	r.count(m.tenant, m.urgent, -1)
	if a := m.again; a != nil && v.State == event.Deferred && a.Attempts == v.Attempts && a.DueAt.UnixMilli() == v.DueAt.UnixMilli() {
		r.admit(*a, m.urgent)
	}
}

// take waits for deliveries and returns at most n of them in fair order.
func (r *ready) take(ctx context.Context, n int) ([]Held, error) {
	for {
		if batch := r.takeNow(n); len(batch) > 0 {
			return batch, nil
		}
		select {
		case <-r.came:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *ready) takeNow(n int) []Held {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := make([]Held, 0, min(n, r.waiting.Len()))
	for len(batch) < n {
		h, ok := r.waiting.Pop()
		if !ok {
			break
		}
		batch = append(batch, h)
	}
	if r.waiting.Len() > 0 {
		signal(r.came) // for the next taker
	}
	return batch
}

// clear drops everything that waits; what was taken is forgotten by its taker.
func (r *ready) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.waiting.Drain() {
		if m, here := r.inside[h.Delivery]; here && m.epoch == h.Epoch {
			delete(r.inside, h.Delivery)
			r.count(m.tenant, m.urgent, -1)
		}
	}
}

// pledges returns how many reservations are neither offered nor cancelled.
func (r *ready) pledges() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pledged
}

// length returns how many deliveries are in memory or have room reserved.
func (r *ready) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

// signal wakes the one who waits on c, or leaves word.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

package event

import (
	"sync"

	"stafette/internal/tenant"
)

// Hub tells the parts of one process what was just committed, for live pages and
// for waking workers. It is a convenience, never a record: a slow subscriber
// misses facts and must read the store.
type Hub struct {
	mu     sync.Mutex
	next   int
	subs   map[tenant.ID]map[int]chan Event
	closed bool
}

// NewHub returns an empty hub.
func NewHub() *Hub { return &Hub{subs: map[tenant.ID]map[int]chan Event{}} }

// Subscribe delivers the tenant's events until cancel is called. The channel holds
// buffer events; further ones are dropped while it is full. Cancel closes it and
// may be called more than once.
func (h *Hub) Subscribe(t tenant.ID, buffer int) (events <-chan Event, cancel func()) {
	ch := make(chan Event, buffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(ch)
		return ch, func() {}
	}
	h.next++
	n := h.next
	if h.subs[t] == nil {
		h.subs[t] = map[int]chan Event{}
	}
	h.subs[t][n] = ch
	return ch, sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.closed {
			return // Close has closed the channel
		}
		delete(h.subs[t], n)
		if len(h.subs[t]) == 0 {
			delete(h.subs, t)
		}
		close(ch)
	})
}

// Close ends all subscriptions, present and future, so that live pages let a
// stopping server go.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for _, of := range h.subs {
		for _, ch := range of {
			close(ch)
		}
	}
	h.subs = map[tenant.ID]map[int]chan Event{}
}

// Publish hands one committed event to the tenant's subscribers. It never blocks.
func (h *Hub) Publish(t tenant.ID, e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range h.subs[t] {
		select {
		case ch <- e:
		default:
		}
	}
}

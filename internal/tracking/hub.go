package tracking

import (
	"sync"

	"stafette/internal/tenant"
)

// Hub tells the parts of one process which activities were just kept, for live pages.
// It is a convenience, never a record: a slow subscriber misses some and must read the
// store, and so must other nodes. Safe for concurrent use.
type Hub struct {
	mu     sync.Mutex
	next   int
	subs   map[tenant.ID]map[int]chan Activity
	closed bool
}

// NewHub returns an empty hub.
func NewHub() *Hub { return &Hub{subs: map[tenant.ID]map[int]chan Activity{}} }

// Subscribe delivers the tenant's activities until cancel is called. The channel holds
// buffer of them; further ones are dropped while it is full. Cancel closes it and may be
// called more than once.
func (h *Hub) Subscribe(t tenant.ID, buffer int) (activities <-chan Activity, cancel func()) {
	ch := make(chan Activity, buffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(ch)
		return ch, func() {}
	}
	h.next++
	n := h.next
	if h.subs[t] == nil {
		h.subs[t] = map[int]chan Activity{}
	}
	h.subs[t][n] = ch
	return ch, func() { h.drop(t, n) }
}

func (h *Hub) drop(t tenant.ID, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch, ok := h.subs[t][n]; ok {
		close(ch)
		if delete(h.subs[t], n); len(h.subs[t]) == 0 {
			delete(h.subs, t)
		}
	}
}

// Close ends all subscriptions, present and future.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, of := range h.subs {
		for _, ch := range of {
			close(ch)
		}
	}
	h.subs = map[tenant.ID]map[int]chan Activity{}
}

// Publish hands one kept activity to the tenant's subscribers. It never blocks.
func (h *Hub) Publish(a Activity) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range h.subs[a.Tenant] {
		select {
		case ch <- a:
		default:
		}
	}
}

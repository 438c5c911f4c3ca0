package queue

import "stafette/internal/tenant"

// Urgencies is the number of urgency classes; see tenant.Stream.Urgency.
const Urgencies = 3

// Fair is an ordered waiting line: urgent items before others, within a class the
// tenants take turns, and a tenant's own items keep their order. So a tenant with
// one item waits for at most one item of every other tenant of its class, however
// many they have. Push and Pop have constant amortised cost.
//
// The zero value is empty and ready. A Fair is not safe for concurrent use.
type Fair[T any] struct {
	classes [Urgencies]turns[T]
	n       int
}

// turns lets the tenants of one urgency class take turns.
type turns[T any] struct {
	lines map[tenant.ID]*line[T]
	order fifo[*line[T]] // each tenant with items stands here once
}

type line[T any] struct {
	tenant tenant.ID
	items  fifo[T]
}

// Push appends an item of the tenant. An urgency outside the classes counts as
// the nearest class.
func (f *Fair[T]) Push(t tenant.ID, urgency int, v T) {
	c := &f.classes[min(max(urgency, 0), Urgencies-1)]
	if c.lines == nil {
		c.lines = map[tenant.ID]*line[T]{}
	}
	l := c.lines[t]
	if l == nil {
		l = &line[T]{tenant: t}
		c.lines[t] = l
		c.order.push(l)
	}
	l.items.push(v)
	f.n++
}

// Pop takes the item whose turn it is; ok is false when there is none.
func (f *Fair[T]) Pop() (v T, ok bool) {
	for i := range f.classes {
		c := &f.classes[i]
		if c.order.len() == 0 {
			continue
		}
		l := c.order.pop()
		v = l.items.pop()
		if l.items.len() > 0 {
			c.order.push(l)
		} else {
			delete(c.lines, l.tenant)
		}
		f.n--
		return v, true
	}
	return v, false
}

// Len returns how many items wait.
func (f *Fair[T]) Len() int { return f.n }

// Drain takes everything in order.
func (f *Fair[T]) Drain() []T {
	all := make([]T, 0, f.n)
	for v, ok := f.Pop(); ok; v, ok = f.Pop() {
		all = append(all, v)
	}
	return all
}

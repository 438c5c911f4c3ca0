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

// Urgency returns the class of the item that Pop would take; ok is false when there
// is none.
func (f *Fair[T]) Urgency() (class int, ok bool) {
	for i := range f.classes {
		if f.classes[i].order.len() > 0 {
			return i, true
		}
	}
	return 0, false
}

// Behind returns how many items Pop would take before one that the tenant pushed
// now, if nothing else came.
func (f *Fair[T]) Behind(t tenant.ID, urgency int) int {
	last := min(max(urgency, 0), Urgencies-1)
	n := 0
	for i := range f.classes[:last] {
		for _, l := range f.classes[i].lines {
			n += l.items.len()
		}
	}
	c := &f.classes[last]
	for turn, l := range c.order.items[c.order.head:] {
		if l.tenant == t {
			return n + c.before(turn, l.items.len())
		}
	}
	return n + c.before(c.order.len(), 0)
}

// Position finds an item and returns how many Pop would take before it.
func (f *Fair[T]) Position(is func(T) bool) (before int, ok bool) {
	for i := range f.classes {
		c := &f.classes[i]
		for turn, l := range c.order.items[c.order.head:] {
			for k, v := range l.items.items[l.items.head:] {
				if is(v) {
					return before + c.before(turn, k), true
				}
			}
		}
		for _, l := range c.lines {
			before += l.items.len()
		}
	}
	return 0, false
}

// before returns how many items of the class Pop would take before the k-th of the
// line at that turn.
func (c *turns[T]) before(turn, k int) int {
	n := k
	for i, l := range c.order.items[c.order.head:] {
		switch {
		case i < turn: // has its turn before
			n += min(l.items.len(), k+1)
		case i > turn:
			n += min(l.items.len(), k)
		}
	}
	return n
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

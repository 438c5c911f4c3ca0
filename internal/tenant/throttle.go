package tenant

import (
	"net/netip"
	"sync"
	"time"
)

// throttle counts failures per name in a leaky bucket: burst failures at once,
// then one per refill. What it counts is made durable by tries. It is safe for
// concurrent use and never keeps more than size names.
type throttle struct {
	burst  int
	refill time.Duration
	size   int

	mu      sync.Mutex
	buckets map[string]bucket
}

// bucket holds the instant at which all its failures are forgiven (the virtual
// scheduling form of the leaky bucket: one word of state).
type bucket struct{ clear time.Time }

func newThrottle(burst int, refill time.Duration, size int) *throttle {
	return &throttle{burst: burst, refill: refill, size: size, buckets: map[string]bucket{}}
}

// take counts one failure in advance, so that a thousand tries at the same instant
// cannot all pass before the first is found wrong. It returns zero, or how long to
// wait when the bucket is full.
func (t *throttle) take(name string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := t.buckets[name]
	if !known || b.clear.Before(now) {
		b.clear = now
	}
	b.clear = t.earlier(b.clear, now)
	if over := b.clear.Add(t.refill).Sub(now) - time.Duration(t.burst)*t.refill; over > 0 {
		return over
	}
	if !known && len(t.buckets) >= t.size {
		t.evict(now)
	}
	b.clear = b.clear.Add(t.refill)
	t.buckets[name] = b
	return 0
}

// earlier bounds clear by what a full bucket can be: more comes of a clock that has
// been set back, and nobody is to wait for that.
func (t *throttle) earlier(clear, now time.Time) time.Time {
	if full := now.Add(time.Duration(t.burst) * t.refill); clear.After(full) {
		return full
	}
	return clear
}

// blocked reports how long the name must wait, without counting anything.
func (t *throttle) blocked(name string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[name]
	if b.clear.Before(now) {
		return 0
	}
	return max(0, t.earlier(b.clear, now).Add(t.refill).Sub(now)-time.Duration(t.burst)*t.refill)
}

// clear returns when all failures of the name are forgiven; zero if there are none.
func (t *throttle) clear(name string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buckets[name].clear
}

// raise learns of failures that were counted elsewhere.
func (t *throttle) raise(name string, clear, now time.Time) {
	if !clear.After(now) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := t.buckets[name]
	if !known && len(t.buckets) >= t.size {
		t.evict(now)
	}
	if clear.After(b.clear) {
		t.buckets[name] = bucket{clear}
	}
}

// refund takes one counted failure back: the try was right.
func (t *throttle) refund(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b, known := t.buckets[name]; known {
		b.clear = b.clear.Add(-t.refill)
		t.buckets[name] = b
	}
}

// forget clears a name after a success.
func (t *throttle) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.buckets, name)
}

// evict makes room: of a few names (map order is random) the one nearest to
// forgiveness goes. An attacker who floods the table thus drives out the names
// with the fewest failures, not the one under attack.
func (t *throttle) evict(now time.Time) {
	var victim string
	var earliest time.Time
	seen := 0
	for name, b := range t.buckets {
		if b.clear.Before(now) {
			delete(t.buckets, name)
			return
		}
		if seen == 0 || b.clear.Before(earliest) {
			victim, earliest = name, b.clear
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(t.buckets, victim)
}

// network names the network of a remote address ("ip", "ip:port", "[ip]:port"): the
// /24 of IPv4, the /48 of IPv6, which one customer of a provider commonly holds.
func network(remote string) string {
	addr, ok := remoteAddr(remote)
	if !ok {
		return remote
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return remote
	}
	return prefix.String()
}

// Network is what is kept of where somebody came from: the /24 of IPv4 or the /48 of
// IPv6 of a remote address, "" if it is none.
func Network(remote string) string {
	if _, ok := remoteAddr(remote); !ok {
		return ""
	}
	return network(remote)
}

// remoteAddr reads "ip", "ip:port" or "[ip]:port".
func remoteAddr(remote string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		port, err := netip.ParseAddrPort(remote)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = port.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

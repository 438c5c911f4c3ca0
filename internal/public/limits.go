package public

import (
	"net/netip"
	"sync"
	"time"
)

// maxNames bounds the networks that are counted.
const maxNames = 20_000

// limits lets each network make a burst of requests and then one for each pause (the
// virtual scheduling form of the leaky bucket: one instant of state). It is safe for
// concurrent use. When too many networks come at once it forgets all of them: serving a
// few requests too many harms less than refusing strangers.
type limits struct {
	burst int
	pause time.Duration

	mu    sync.Mutex
	empty map[string]time.Time // when a network's bucket is empty again
}

func newLimits(perMinute int) *limits {
	return &limits{burst: perMinute, pause: time.Minute / time.Duration(perMinute), empty: map[string]time.Time{}}
}

// take counts a request and returns zero, or how long to wait.
func (l *limits) take(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := now.Add(time.Duration(l.burst) * l.pause)
	at := l.empty[name]
	if at.Before(now) {
		at = now
	}
	if at.After(full) { // the clock was set back
		at = full
	}
	next := at.Add(l.pause)
	if next.After(full) {
		return next.Sub(full)
	}
	if len(l.empty) >= maxNames {
		clear(l.empty)
	}
	l.empty[name] = next
	return 0
}

// network is the address itself, of IPv6 the /64, which is one customer's at least.
func network(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return remote
	}
	return prefix.String()
}

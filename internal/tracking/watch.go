package tracking

import (
	"sync"
	"time"

	"stafette/internal/message"
)

// watch remembers for some seconds which links of a message one client followed. It is
// memory of one node: what it misses a later evidence may show. Safe for concurrent use.
type watch struct {
	mu     sync.Mutex
	bursts map[burstKey]*burst
}

type burstKey struct {
	message message.ID
	client  int64
}

type burst struct {
	first time.Time
	links map[int]bool
	hits  int
	trap  bool
}

// The bounds of the memory, and of what one client may have recorded of one message in
// one burst: more is a loop or malice, and tells nothing new.
const (
	maxBursts    = 50_000
	maxBurstHits = 100
	trapLasts    = time.Minute
)

func newWatch() *watch { return &watch{bursts: map[burstKey]*burst{}} }

// note takes a hit in. many: this is at least the given number of different links within
// the time; trapped: this client followed the trap lately; full: it comes too often.
func (w *watch) note(m message.ID, client int64, link int, trap bool, at time.Time, within time.Duration, links int) (many, trapped, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := burstKey{m, client}
	b := w.bursts[k]
	if b == nil || at.Sub(b.first) > within && !(b.trap && at.Sub(b.first) < trapLasts) {
		if len(w.bursts) >= maxBursts {
			clear(w.bursts)
		}
		b = &burst{first: at, links: map[int]bool{}}
		w.bursts[k] = b
	}
	if link > 0 && len(b.links) < links {
		b.links[link] = true
	}
	b.hits++
	b.trap = b.trap || trap
	return len(b.links) >= links, b.trap, b.hits > maxBurstHits
}

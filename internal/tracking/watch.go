package tracking

import (
	"slices"
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
	links []int  // different ones, as far as the count goes
	few   [4]int // what links lies in as long as it fits
	hits  int
	many  bool
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

// note takes a hit in: so many different links within so long are too many. It returns the
// sign that this client's burst bears from now on, "" if none; turned: it is this hit that
// brought it, so that the earlier ones must be judged again; full: the client comes too often.
func (w *watch) note(m message.ID, client int64, link int, trap bool, at time.Time, within time.Duration, links int) (sign string, turned, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := burstKey{m, client}
	b := w.bursts[k]
	if b != nil && b.trap {
		within = max(within, trapLasts)
	}
	if b == nil || at.Sub(b.first) > within {
		if len(w.bursts) >= maxBursts {
			clear(w.bursts)
		}
		b = &burst{first: at}
		b.links = b.few[:0]
		w.bursts[k] = b
	}
	before := b.sign()
	if link > 0 && len(b.links) < links && !slices.Contains(b.links, link) {
		b.links = append(b.links, link)
	}
	b.hits++
	b.many = b.many || len(b.links) >= links
	b.trap = b.trap || trap
	return b.sign(), b.sign() != before, b.hits > maxBurstHits
}

// sign is what the burst of a client says now: more than it said when a hit was judged, if
// another one came meanwhile.
func (w *watch) sign(m message.ID, client int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.bursts[burstKey{m, client}]
	if b == nil {
		return ""
	}
	return b.sign()
}

func (b *burst) sign() string {
	switch {
	case b.trap:
		return SignTrapBurst
	case b.many:
		return SignEveryLink
	}
	return ""
}

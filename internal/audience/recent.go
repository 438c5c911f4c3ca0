package audience

import (
	"sync"
	"time"
)

// recent remembers the addresses that were suppressed lately, so that the check at the
// moment of sending costs no query: acceptance has asked for everything older. It holds
// two generations; when the young one is full the old one is forgotten, and mail
// accepted before the young one began must be asked for in the store. It is safe for
// concurrent use.
type recent struct {
	limit int // hashes of a generation

	mu         sync.RWMutex
	young, old map[Hash]struct{}
	began      time.Time // of the young generation
	floor      time.Time // everything suppressed since then is remembered; zero: whatever mail may wait for
}

func newRecent(limit int, now time.Time) *recent {
	return &recent{limit: limit, young: map[Hash]struct{}{}, began: now, floor: now}
}

// load replaces what is remembered. whole says that the list is everything mail that
// still waits could need.
func (r *recent) load(list []Hash, whole bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.young, r.old, r.began, r.floor = make(map[Hash]struct{}, len(list)), nil, now, now
	if whole {
		r.floor = time.Time{}
	}
	for _, h := range list {
		r.young[h] = struct{}{}
	}
}

func (r *recent) add(list []Hash, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range list {
		if len(r.young) >= r.limit {
			if r.old != nil {
				r.floor = r.began
			}
			r.young, r.old, r.began = map[Hash]struct{}{}, r.young, now
		}
		r.young[h] = struct{}{}
	}
}

// may reports whether an address may have been suppressed since the instant. False is
// certain.
func (r *recent) may(h Hash, since time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if since.Before(r.floor) {
		return true
	}
	if _, ok := r.young[h]; ok {
		return true
	}
	_, ok := r.old[h]
	return ok
}

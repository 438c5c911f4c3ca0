package dns

import (
	"sync"
	"time"
)

// cache keeps answers until they expire, limit of them at most.
type cache struct {
	limit   int
	mu      sync.Mutex
	entries map[question]answer
}

func (c *cache) get(q question, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.entries[q]
	return a, ok && now.Before(a.expires)
}

func (c *cache) put(q question, a answer, now time.Time) {
	if !now.Before(a.expires) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[q]; !known && len(c.entries) >= c.limit {
		c.evict(now)
	}
	c.entries[q] = a
}

// evict makes room for one: of a few entries in the map's random order all that
// have expired go, or the first if none has. Order of use is not kept, it would
// cost more than a question asked twice.
func (c *cache) evict(now time.Time) {
	const sample = 16
	var first *question
	seen := 0
	for q, a := range c.entries {
		if !now.Before(a.expires) {
			delete(c.entries, q)
		} else if first == nil {
			first = &q
		}
		if seen++; seen == sample {
			break
		}
	}
	if len(c.entries) >= c.limit && first != nil {
		delete(c.entries, *first)
	}
}

package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// caps counts what actors with a cap of their own have sent today. The store is asked
// once a minute and actor; what this process took since is added, so that a cap costs
// no statement per message. It is safe for concurrent use.
type caps struct {
	mu    sync.Mutex
	usage map[capped]*usage
}

type capped struct {
	tenant tenant.ID
	actor  string
}

// usage is one actor's UTC day as far as it is known.
type usage struct {
	day   time.Time
	asked time.Time // when the store was
	sent  int64
}

// capsAsk is how long the store's answer is relied on.
const capsAsk = time.Minute

func newCaps() *caps { return &caps{usage: map[capped]*usage{}} }

// take counts a parcel in advance, all of its deliveries or none. What is refused later
// stays counted until the store is asked again.
func (c *caps) take(ctx context.Context, s Store, w *parcel) error {
	name := capped{w.Principal.Tenant, w.Actor}
	day := w.now.Truncate(24 * time.Hour)
	n := int64(len(w.lines))
	c.mu.Lock()
	u := c.usage[name]
	fresh := u != nil && u.day.Equal(day) && w.now.Sub(u.asked).Abs() < capsAsk
	if fresh && u.sent+n <= w.Cap {
		u.sent += n
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	if !fresh {
		sent, err := s.SentBy(ctx, name.tenant, name.actor, day)
		if err != nil {
			return fmt.Errorf("count deliveries of key: %w", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		u = &usage{day: day, asked: w.now, sent: sent}
		c.usage[name] = u
		if u.sent+n <= w.Cap {
			u.sent += n
			return nil
		}
	}
	e := fault.New(fault.Limited, CodeKeyCapSpent, "The deliveries that this key may send in a day are used up.")
	e.RetryAfter = day.Add(24 * time.Hour).Sub(w.now)
	return e
}

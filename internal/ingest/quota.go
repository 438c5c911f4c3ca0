package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// quota counts the deliveries of each tenant and UTC day in memory. Counting starts
// from the store and is compared with it once a minute: with several nodes a tenant
// can overdraw by what the other nodes take in that minute, never by more.
type quota struct {
	store Store

	mu   sync.Mutex
	used map[tenant.ID]*spent
}

type spent struct {
	day      time.Time // its midnight
	n        int64
	compared time.Time
}

const quotaCompare = time.Minute

func newQuota(s Store) *quota { return &quota{store: s, used: map[tenant.ID]*spent{}} }

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// take counts n deliveries or refuses all of them. Tenants without a quota are not
// counted at all.
func (q *quota) take(ctx context.Context, t tenant.Tenant, n int64, now time.Time) error {
	if t.DailyQuota == 0 {
		return nil
	}
	if err := q.compare(ctx, t.ID, now); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.today(t.ID, now)
	if u.n+n > t.DailyQuota {
		e := fault.New(fault.Limited, CodeQuotaSpent, "The deliveries of this day are used up.")
		e.RetryAfter = u.day.Add(24 * time.Hour).Sub(now)
		return e
	}
	u.n += n
	return nil
}

// giveBack returns what was taken for a message that was not accepted.
func (q *quota) giveBack(t tenant.ID, n int64, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if u := q.used[t]; u != nil && u.day.Equal(midnight(now)) {
		u.n = max(0, u.n-n)
	}
}

// today returns the count of the day; q.mu is held.
func (q *quota) today(t tenant.ID, now time.Time) *spent {
	u := q.used[t]
	if u == nil {
		u = &spent{}
		q.used[t] = u
	}
	if day := midnight(now); !u.day.Equal(day) {
		*u = spent{day: day}
	}
	return u
}

func (q *quota) compare(ctx context.Context, t tenant.ID, now time.Time) error {
	q.mu.Lock()
	u := q.today(t, now)
	due := u.compared.IsZero() || now.Sub(u.compared) >= quotaCompare
	if due && !u.compared.IsZero() {
		// Others go on with the old figure meanwhile; only the first of a day must wait.
		u.compared = now
	}
	q.mu.Unlock()
	if !due {
		return nil
	}
	stored, err := q.store.Usage(ctx, t, now)
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// The greater one holds: ours has acceptances under way, the store those of
	// other nodes and of the time before a restart.
	u = q.today(t, now)
	u.n, u.compared = max(u.n, stored), now
	return nil
}

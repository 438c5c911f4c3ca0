package ingest

import (
	"context"
	"sync"
	"time"

	"stafette/internal/tenant"
)

// directory remembers tenants and their domains for a few seconds, so that
// acceptance needs no question to the database per message.
type directory struct {
	store tenant.Store
	lasts time.Duration

	mu      sync.RWMutex
	entries map[tenant.ID]directoryEntry
}

type directoryEntry struct {
	tenant  tenant.Tenant
	domains []tenant.Domain // never changed once here
	until   time.Time
}

// directorySize bounds the memory; more active tenants only cost look-ups.
const directorySize = 20_000

func newDirectory(s tenant.Store, lasts time.Duration) *directory {
	return &directory{store: s, lasts: lasts, entries: map[tenant.ID]directoryEntry{}}
}

func (d *directory) entry(ctx context.Context, t tenant.ID, now time.Time) (directoryEntry, error) {
	d.mu.RLock()
	e, ok := d.entries[t]
	d.mu.RUnlock()
	// More than lasts: the clock has been set back since.
	if left := e.until.Sub(now); ok && left > 0 && left <= d.lasts {
		return e, nil
	}
	var err error
	if e.tenant, err = d.store.Tenant(ctx, t); err != nil {
		return directoryEntry{}, err
	}
	if e.domains, err = d.store.Domains(ctx, t); err != nil {
		return directoryEntry{}, err
	}
	e.until = now.Add(d.lasts)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok && len(d.entries) >= directorySize {
		for other := range d.entries {
			delete(d.entries, other)
			break
		}
	}
	d.entries[t] = e
	return e, nil
}

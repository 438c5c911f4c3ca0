package tenant

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stafette/internal/fault"
)

// Key implements Authenticator. A valid key is believed for AccountsConfig.KeyCache
// without asking the store, so a revocation or a tenant's lock takes effect within
// that time. Wrong keys count against the network they come from; a key that was
// right before is never refused for the mistakes of its neighbours.
func (a *Accounts) Key(ctx context.Context, text, remote string) (Key, error) {
	now := a.now()
	net := network(remote)
	if !looksLikeKey(text) {
		if wait := a.networks.take(net, now); wait > 0 {
			return Key{}, errTooMany(wait)
		}
		if err := a.keepKeyTry(ctx, net, now); err != nil {
			return Key{}, err
		}
		return Key{}, fault.New(fault.Unauthenticated, "key_unknown", "The API key is unknown.")
	}
	hash := HashKey(text)
	key, fresh, known := a.keys.get(hash, now)
	if !fresh {
		if wait := a.networks.blocked(net, now); wait > 0 && !known {
			return Key{}, errTooMany(wait)
		}
		var err error
		if key, err = a.loadKey(ctx, hash); err != nil {
			if fault.As(err) != nil {
				a.keys.drop(hash)
			}
			if fault.IsKind(err, fault.Unauthenticated) {
				a.networks.take(net, now)
				if kept := a.keepKeyTry(ctx, net, now); kept != nil {
					return Key{}, kept
				}
			}
			return Key{}, err
		}
		a.keys.put(hash, key, now)
	}
	if !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt) {
		return Key{}, fault.New(fault.Unauthenticated, "key_expired", "The API key has expired.")
	}
	if !key.From(remote) {
		return Key{}, fault.New(fault.Forbidden, "key_network", "The API key may not be used from this network.")
	}
	a.touchKey(ctx, hash, key, now)
	return key, nil
}

func (a *Accounts) loadKey(ctx context.Context, hash [32]byte) (Key, error) {
	key, err := a.store.KeyByHash(ctx, hash)
	if fault.IsKind(err, fault.NotFound) {
		return Key{}, fault.New(fault.Unauthenticated, "key_unknown", "The API key is unknown.")
	}
	if err != nil {
		return Key{}, fmt.Errorf("find key: %w", err)
	}
	if !key.RevokedAt.IsZero() {
		return Key{}, fault.New(fault.Unauthenticated, "key_revoked", "The API key was revoked.")
	}
	if key.Tenant.IsZero() {
		return key, nil
	}
	t, err := a.store.Tenant(ctx, key.Tenant)
	if err != nil {
		return Key{}, fmt.Errorf("load tenant of key: %w", err)
	}
	if t.State != Active {
		return Key{}, fault.New(fault.Forbidden, "tenant_locked", "The account is locked.")
	}
	return key, nil
}

// touchKey records the use of a key at most once a minute. A failure is only
// logged: the time of last use is not worth refusing mail for.
func (a *Accounts) touchKey(ctx context.Context, hash [32]byte, key Key, now time.Time) {
	if !a.keys.touchDue(hash, key.LastUsedAt, now) {
		return
	}
	if err := a.store.TouchKey(ctx, key.Tenant, key.ID, now); err != nil {
		a.log.WarnContext(ctx, "use of key not recorded", "tenant", key.Tenant, "key", key.ID, "err", err)
	}
}

// keyCache remembers valid keys for a few seconds.
type keyCache struct {
	lasts time.Duration

	mu      sync.RWMutex
	entries map[[32]byte]*keyEntry
}

type keyEntry struct {
	key     Key
	until   time.Time
	touched time.Time
}

// keyCacheSize bounds the memory; more active keys than this only cost look-ups.
const keyCacheSize = 20_000

func newKeyCache(lasts time.Duration) *keyCache {
	return &keyCache{lasts: lasts, entries: map[[32]byte]*keyEntry{}}
}

// get tells whether the key is known to have been right before, and whether that
// knowledge is fresh enough to rely on.
func (c *keyCache) get(hash [32]byte, now time.Time) (k Key, fresh, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.entries[hash]
	if e == nil {
		return Key{}, false, false
	}
	// More than lasts: the clock has been set back since.
	left := e.until.Sub(now)
	return e.key, left > 0 && left <= c.lasts, true
}

func (c *keyCache) put(hash [32]byte, k Key, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[hash]; e != nil {
		e.key, e.until = k, now.Add(c.lasts)
		return
	}
	if len(c.entries) >= keyCacheSize {
		for other := range c.entries {
			delete(c.entries, other)
			break
		}
	}
	c.entries[hash] = &keyEntry{key: k, until: now.Add(c.lasts)}
}

func (c *keyCache) drop(hash [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, hash)
}

// touchDue reports once per minute and key that its use is to be recorded.
func (c *keyCache) touchDue(hash [32]byte, recorded, now time.Time) bool {
	c.mu.RLock()
	e := c.entries[hash]
	due := e != nil && now.Sub(e.touched).Abs() >= touchEvery && now.Sub(recorded).Abs() >= touchEvery
	c.mu.RUnlock()
	if !due {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(e.touched).Abs() < touchEvery {
		return false
	}
	e.touched = now
	return true
}

package tlspolicy

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"stafette/internal/dns"
)

const (
	maxCached   = 10_000           // policies in memory
	reloadAfter = time.Hour        // other nodes refresh policies too
	fetchPause  = 5 * time.Minute  // after a failed fetch (RFC 8461, 3.3)
	refreshAge  = 24 * time.Hour   // a policy older than this is fetched anew
	unusedAge   = 30 * refreshAge  // a policy nobody used for so long may run out
	fetchTime   = 15 * time.Second // for one policy; mail waits for it
	refreshMost = 500              // policies fetched in one round
)

// cached is what is known of one domain's policy.
type cached struct {
	policy   *STSPolicy // nil: none known
	loadedAt time.Time  // from the store, or put there
	retryAt  time.Time  // no fetch before that
	failure  error      // of the last fetch
}

// stsCache keeps MTA-STS policies: in memory for the moment, in the store until
// they run out, so that a restart does not open a door to whoever can suppress the
// record (RFC 8461, 10.2).
type stsCache struct {
	cfg    Config
	web    *fetcher
	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]*cached
}

func newSTSCache(c Config) *stsCache {
	return &stsCache{cfg: c, web: newFetcher(c), entries: map[string]*cached{}}
}

// find returns the policy that holds for a domain now, or nil.
func (s *stsCache) find(ctx context.Context, domain string) *STSPolicy {
	entry, _, _ := s.flight.Do(domain, func() (any, error) { return s.renew(ctx, domain), nil })
	known, _ := entry.(cached)
	return known.policy
}

// renew brings what is known of a domain up to date.
func (s *stsCache) renew(ctx context.Context, domain string) cached {
	now := s.cfg.Now()
	known := s.load(ctx, domain, now)
	records, err := s.cfg.Names.TXT(ctx, recordHost+domain)
	if err != nil && !errors.Is(err, dns.ErrNoDomain) {
		return known // a look-up that fails says nothing: what was known holds
	}
	id := ParseSTSRecord(records)
	if id == "" || known.policy != nil && known.policy.ID == id || now.Before(known.retryAt) {
		return known // a record that is gone ends no policy (RFC 8461, 3.3)
	}
	return s.update(ctx, domain, id, known, now)
}

// update fetches the policy of the id and keeps it. What was known holds on if that
// fails.
func (s *stsCache) update(ctx context.Context, domain, id string, known cached, now time.Time) cached {
	bound, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	fetched, err := s.web.policy(bound, domain)
	if err != nil {
		s.cfg.Log.Info("mta-sts policy not fetched", "domain", domain, "err", err)
		known.failure, known.retryAt = err, now.Add(fetchPause)
		s.remember(domain, known)
		return known
	}
	fetched.ID, fetched.FetchedAt, fetched.ExpiresAt = id, now, now.Add(fetched.MaxAge)
	known = cached{policy: &fetched, loadedAt: now}
	s.remember(domain, known)
	if err := s.cfg.Store.SaveSTS(ctx, domain, fetched, now); err != nil {
		s.cfg.Log.Error("mta-sts policy not kept", "domain", domain, "err", err)
	}
	return known
}

// load returns what is known of a domain, from memory or the store, without what
// has run out.
func (s *stsCache) load(ctx context.Context, domain string, now time.Time) cached {
	s.mu.Lock()
	entry := s.entries[domain]
	s.mu.Unlock()
	var known cached
	if entry != nil {
		known = *entry
	}
	if entry == nil || !now.Before(known.loadedAt.Add(reloadAfter)) {
		stored, err := s.cfg.Store.STS(ctx, domain, now)
		if err != nil {
			s.cfg.Log.Error("mta-sts policy not read", "domain", domain, "err", err)
		} else {
			known.loadedAt = now
			if stored != nil {
				known.policy = stored
			}
			s.remember(domain, known)
		}
	}
	if known.policy != nil && !now.Before(known.policy.ExpiresAt) {
		known.policy = nil
	}
	return known
}

func (s *stsCache) remember(domain string, known cached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[domain]; !ok && len(s.entries) >= maxCached {
		for other := range s.entries { // any: the store has them all
			delete(s.entries, other)
			break
		}
	}
	s.entries[domain] = &known
}

// lastFailure returns why the last fetch of a domain's policy failed, if it did.
func (s *stsCache) lastFailure(domain string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[domain]; e != nil {
		return e.failure
	}
	return nil
}

// Refresh fetches anew the policies that are older than a day, so that they do not
// run out where the domain is written to, and forgets those that did. One node does
// it for all, every hour. A policy that cannot be fetched holds until it runs out.
func (p *Policies) Refresh(ctx context.Context, now time.Time) error {
	due, err := p.cfg.Store.STSDue(ctx, now.Add(-refreshAge), now.Add(-unusedAge), refreshMost)
	if err != nil {
		return err
	}
	for _, domain := range due {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		known := p.sts.load(ctx, domain, now)
		records, err := p.cfg.Names.TXT(ctx, recordHost+domain)
		id := ParseSTSRecord(records)
		if err != nil || id == "" || known.policy == nil {
			continue
		}
		p.sts.update(ctx, domain, id, known, now)
	}
	return p.cfg.Store.ForgetSTS(ctx, now)
}

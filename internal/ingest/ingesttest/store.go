// Package ingesttest has an acceptance store in memory for tests of the doors. It
// keeps the contract of ingest.Store: an idempotency key is taken at the commit,
// a suppression counts from the instant it was made.
package ingesttest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Store implements ingest.Store in memory. The zero value is empty and ready; it is
// safe for concurrent use.
type Store struct {
	// Calls counts the calls other than Accept.
	Calls atomic.Int64
	// Fail, if set, is asked before every call and its error returned.
	Fail func(method string) error
	// Before, if set, runs inside Accept before the commit.
	Before func(*ingest.Acceptance)

	mu         sync.Mutex
	allotted   map[allotted]int64
	accepted   []ingest.Acceptance
	suppressed []suppression
}

type suppression struct {
	tenant tenant.ID
	addr   message.Address
	reason string
	since  time.Time
}

var _ ingest.Store = (*Store)(nil)

func (s *Store) fail(method string) error {
	if s.Fail == nil {
		return nil
	}
	return s.Fail(method)
}

// Accepted returns what was stored, in order.
func (s *Store) Accepted() []ingest.Acceptance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ingest.Acceptance(nil), s.accepted...)
}

// Suppress adds an address to the tenant's suppression list, on all streams.
func (s *Store) Suppress(t tenant.ID, a message.Address, reason string, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suppressed = append(s.suppressed, suppression{t, a, reason, since})
}

// Accept implements ingest.Store. The tenant's quota is what the acceptance says.
func (s *Store) Accept(_ context.Context, a *ingest.Acceptance) error {
	if err := s.fail("Accept"); err != nil {
		return err
	}
	if s.Before != nil {
		s.Before(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Idempotency != nil {
		if r := s.replay(a.Message.Tenant, a.Idempotency.Key, a.Message.AcceptedAt); r != nil {
			return r
		}
	}
	if a.Quota > 0 && s.spent(&a.Message)+int64(len(a.Deliveries)) > a.Quota {
		at := a.Message.AcceptedAt.UTC()
		return ingest.QuotaSpent(at.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(at))
	}
	a.Ref.Length = int32(len(a.Sealed))
	s.accepted = append(s.accepted, *a)
	return nil
}

// AcceptAll implements ingest.Store.
func (s *Store) AcceptAll(ctx context.Context, list []*ingest.Acceptance) []error {
	errs := make([]error, len(list))
	for i, a := range list {
		errs[i] = s.Accept(ctx, a)
	}
	return errs
}

// allotted is an actor's UTC day.
type allotted struct {
	tenant tenant.ID
	actor  string
	day    time.Time
}

// Allot implements ingest.Store; a part is half of what is left.
func (s *Store) Allot(_ context.Context, t tenant.ID, actor string, day time.Time, most, want int64) (int64, error) {
	s.Calls.Add(1)
	if err := s.fail("Allot"); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := allotted{t, actor, day}
	if s.allotted == nil {
		s.allotted = map[allotted]int64{}
	}
	left := most - s.allotted[of]
	if left < want {
		return 0, nil
	}
	got := max(want, left/2)
	s.allotted[of] += got
	return got, nil
}

// Disallot implements ingest.Store.
func (s *Store) Disallot(_ context.Context, t tenant.ID, actor string, day time.Time, n int64) error {
	s.Calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allotted[allotted{t, actor, day}] -= n
	return nil
}

// Replay implements ingest.Store.
func (s *Store) Replay(_ context.Context, t tenant.ID, key string, now time.Time) (*ingest.Replay, error) {
	s.Calls.Add(1)
	if err := s.fail("Replay"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replay(t, key, now), nil
}

func (s *Store) replay(t tenant.ID, key string, now time.Time) *ingest.Replay {
	for _, a := range s.accepted {
		if i := a.Idempotency; i != nil && a.Message.Tenant == t && i.Key == key && now.Before(i.ExpiresAt) {
			return &ingest.Replay{Hash: i.Hash, Message: a.Message.ID}
		}
	}
	return nil
}

// Suppressed implements ingest.Store.
func (s *Store) Suppressed(_ context.Context, t tenant.ID, _ tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error) {
	s.Calls.Add(1)
	if err := s.fail("Suppressed"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[message.Address]string{}
	for _, entry := range s.suppressed {
		for _, a := range addrs {
			if entry.tenant == t && entry.addr == a && !entry.since.After(now) {
				found[a] = entry.reason
			}
		}
	}
	return found, nil
}

// spent counts the tenant's deliveries of the message's UTC day; mu is held.
func (s *Store) spent(m *ingest.Message) int64 {
	day := m.AcceptedAt.UTC().Truncate(24 * time.Hour)
	var n int64
	for _, a := range s.accepted {
		if a.Message.Tenant == m.Tenant && a.Message.AcceptedAt.UTC().Truncate(24*time.Hour).Equal(day) {
			n += int64(len(a.Deliveries))
		}
	}
	return n
}

// States counts the stored deliveries by state.
func (s *Store) States() map[event.State]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[event.State]int{}
	for _, a := range s.accepted {
		for _, d := range a.Deliveries {
			count[d.State]++
		}
	}
	return count
}

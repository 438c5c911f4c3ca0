// Package privacytest is a privacy.Store in memory, for tests of whoever stands on package
// privacy.
package privacytest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

// Store is a privacy.Store in memory that folds and gathers nothing. The zero value is
// empty. It is safe for concurrent use.
type Store struct {
	mu       sync.Mutex
	requests []job
	parts    map[privacy.RequestID][]privacy.Part
	settings map[tenant.ID]privacy.Settings
	runs     []privacy.Retention
}

type job struct {
	privacy.Request
	due time.Time
}

var _ privacy.Store = (*Store)(nil)

func (s *Store) find(t tenant.ID, r privacy.RequestID) (int, error) {
	i := slices.IndexFunc(s.requests, func(one job) bool { return one.Tenant == t && one.ID == r })
	if i < 0 {
		return 0, fault.New(fault.NotFound, "privacy_request_not_found", "There is no such thing here.")
	}
	return i, nil
}

// AddRequest implements privacy.Store.
func (s *Store) AddRequest(_ context.Context, r privacy.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Idempotency != nil && slices.ContainsFunc(s.requests, func(one job) bool { return one.Tenant == r.Tenant && bytes.Equal(one.Idempotency, r.Idempotency) }) {
		return fault.New(fault.Conflict, "idempotency_conflict", "This idempotency key was used for another request.")
	}
	s.requests = append(s.requests, job{r, r.CreatedAt})
	return nil
}

// RequestByKey implements privacy.Store.
func (s *Store) RequestByKey(_ context.Context, t tenant.ID, key []byte) (privacy.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.requests {
		if one.Tenant == t && bytes.Equal(one.Idempotency, key) {
			return one.Request, nil
		}
	}
	return privacy.Request{}, fault.New(fault.NotFound, "privacy_request_not_found", "There is no such thing here.")
}

// Request implements privacy.Store.
func (s *Store) Request(_ context.Context, t tenant.ID, r privacy.RequestID) (privacy.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, r)
	if err != nil {
		return privacy.Request{}, err
	}
	return s.requests[i].Request, nil
}

// Requests implements privacy.Store.
func (s *Store) Requests(_ context.Context, t tenant.ID, after privacy.RequestID, limit int) ([]privacy.Request, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []privacy.Request
	for _, r := range slices.Backward(s.requests) {
		if r.Tenant == t && (after.IsZero() || bytes.Compare(r.ID[:], after[:]) < 0) {
			list = append(list, r.Request)
		}
	}
	return list[:min(len(list), limit)], len(list) > limit, nil
}

// TakeRequest implements privacy.Store.
func (s *Store) TakeRequest(_ context.Context, now, until time.Time) (privacy.Request, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.requests {
		if r := &s.requests[i]; r.State.Open() && !r.due.After(now) {
			r.due = until
			r.Tries++
			return r.Request, true, nil
		}
	}
	return privacy.Request{}, false, nil
}

// AdvanceRequest implements privacy.Store.
func (s *Store) AdvanceRequest(_ context.Context, r privacy.Request, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(r.Tenant, r.ID)
	if err != nil {
		return err
	}
	if s.requests[i].Tries != r.Tries {
		return privacy.ErrTaken
	}
	r.Counts = maps.Clone(r.Counts)
	s.requests[i] = job{r, until}
	return nil
}

// ConcludeRequest implements privacy.Store.
func (s *Store) ConcludeRequest(ctx context.Context, r privacy.Request) error {
	if r.Kind == privacy.Erasure && r.State == privacy.Done {
		r.Person = privacy.Person{Tenant: r.Tenant}
	}
	return s.AdvanceRequest(ctx, r, time.Time{})
}

// ExpireRequests implements privacy.Store.
func (s *Store) ExpireRequests(_ context.Context, now time.Time) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.requests {
		if r := &s.requests[i]; r.State == privacy.Done && !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now) {
			r.State, r.Person = privacy.Expired, privacy.Person{Tenant: r.Tenant}
			delete(s.parts, r.ID)
			n++
		}
	}
	return n, nil
}

// PutPart implements privacy.Store.
func (s *Store) PutPart(_ context.Context, _ tenant.ID, r privacy.RequestID, n int, p privacy.Part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[privacy.RequestID][]privacy.Part{}
	}
	s.parts[r] = append(s.parts[r][:n:n], p)
	return nil
}

// Part implements privacy.Store.
func (s *Store) Part(_ context.Context, t tenant.ID, r privacy.RequestID, n int) (privacy.Part, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(t, r); err != nil || n >= len(s.parts[r]) {
		return privacy.Part{}, false, err
	}
	return s.parts[r][n], true, nil
}

// PrivacySettings implements privacy.Store.
func (s *Store) PrivacySettings(_ context.Context, t tenant.ID) (privacy.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.settings[t]; ok {
		return v, nil
	}
	return privacy.Settings{Notes: true}, nil
}

// SetPrivacySettings implements privacy.Store.
func (s *Store) SetPrivacySettings(_ context.Context, t tenant.ID, v privacy.Settings, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == nil {
		s.settings = map[tenant.ID]privacy.Settings{}
	}
	s.settings[t] = v
	return nil
}

// Fold implements privacy.RetentionStore.
func (s *Store) Fold(context.Context, tenant.ID, time.Time, message.ID, int) (privacy.Folding, error) {
	return privacy.Folding{}, nil
}

// FoldReturns implements privacy.RetentionStore.
func (s *Store) FoldReturns(context.Context, tenant.ID, time.Time, int) (int64, error) { return 0, nil }

// AddRetention implements privacy.RetentionStore.
func (s *Store) AddRetention(_ context.Context, v privacy.Retention) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, v)
	return nil
}

// Retentions implements privacy.RetentionStore.
func (s *Store) Retentions(_ context.Context, t tenant.ID, limit int) ([]privacy.Retention, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []privacy.Retention
	for _, v := range slices.Backward(s.runs) {
		if v.Tenant == t && len(list) < limit {
			list = append(list, v)
		}
	}
	return list, nil
}

// Gathering implements privacy.GatherStore.
func (s *Store) Gathering(context.Context) ([]tenant.ID, error) { return nil, nil }

// Unknown implements privacy.GatherStore.
func (s *Store) Unknown(context.Context, tenant.ID, []tenant.Stream, time.Time, int) ([]message.Mailbox, message.ID, error) {
	return nil, message.ID{}, nil
}

// Gathered implements privacy.GatherStore.
func (s *Store) Gathered(context.Context, tenant.ID, message.ID) error { return nil }

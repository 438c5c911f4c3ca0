// Package feedtest is a feed.Store in memory, for tests of whoever stands on package feed: feeds
// that nobody has looked at, or of which Store.Tell tells.
package feedtest

import (
	"context"
	"slices"
	"sync"

	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/tenant"
)

// Store keeps feeds. The zero Store is empty; it is safe for concurrent use. What only a worker
// asks for is not there, and panics.
type Store struct {
	feed.Store

	mu    sync.Mutex
	list  []feed.Feed
	looks map[feed.ID][]feed.Look
}

// Tell gives a feed looks, from new to old, of which the newest failures could not read it.
func (s *Store) Tell(number feed.ID, failures int, looks ...feed.Look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks == nil {
		s.looks = map[feed.ID][]feed.Look{}
	}
	s.looks[number] = looks
	for i := range s.list {
		if s.list[i].ID == number {
			s.list[i].Failures, s.list[i].Primed = failures, true
		}
	}
}

func (s *Store) at(t tenant.ID, number feed.ID) (int, error) {
	i := slices.IndexFunc(s.list, func(f feed.Feed) bool { return f.Tenant == t && f.ID == number })
	if i < 0 {
		return i, fault.New(fault.NotFound, feed.CodeNotFound, "There is no such thing here.")
	}
	return i, nil
}

// CreateFeed implements feed.Store.
func (s *Store) CreateFeed(_ context.Context, f feed.Feed, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append([]feed.Feed{f}, s.list...)
	return nil
}

// ChangeFeed implements feed.Store.
func (s *Store) ChangeFeed(_ context.Context, f feed.Feed, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.at(f.Tenant, f.ID)
	if err == nil {
		s.list[i] = f
	}
	return err
}

// DeleteFeed implements feed.Store.
func (s *Store) DeleteFeed(_ context.Context, t tenant.ID, number feed.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.at(t, number)
	if err == nil {
		s.list = slices.Delete(s.list, i, i+1)
	}
	return err
}

// Feed implements feed.Store.
func (s *Store) Feed(_ context.Context, t tenant.ID, number feed.ID) (feed.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.at(t, number)
	if err != nil {
		return feed.Feed{}, err
	}
	return s.list[i], nil
}

// Feeds implements feed.Store.
func (s *Store) Feeds(_ context.Context, t tenant.ID) (list []feed.Feed, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.list {
		if f.Tenant == t {
			list = append(list, f)
		}
	}
	return list, nil
}

// KnownEntries implements feed.Store: none is.
func (s *Store) KnownEntries(context.Context, tenant.ID, feed.ID, []feed.Hash) (map[feed.Hash]bool, error) {
	return nil, nil
}

// FeedLooks implements feed.Store.
func (s *Store) FeedLooks(_ context.Context, _ tenant.ID, number feed.ID) ([]feed.Look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks[number], nil
}

// Tenant implements feed.Store: one in UTC.
func (s *Store) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, State: tenant.Active}, nil
}

// LastLooks implements feed.Store.
func (s *Store) LastLooks(_ context.Context, t tenant.ID) (map[feed.ID]feed.Look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[feed.ID]feed.Look{}
	for _, f := range s.list {
		if looks := s.looks[f.ID]; f.Tenant == t && len(looks) > 0 {
			last[f.ID] = looks[0]
		}
	}
	return last, nil
}

// Package changeovertest keeps changeovers in memory, for tests of what stands on them.
package changeovertest

import (
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Store implements changeover.Store. The zero Store is empty; it is safe for concurrent
// use.
type Store struct {
	mu    sync.Mutex
	list  []changeover.Changeover // oldest first
	deeds map[changeover.ID][]changeover.Deed
	marks []changeover.Mark
}

var _ changeover.Store = (*Store)(nil)

// Changeovers implements changeover.Store.
func (s *Store) Changeovers(_ context.Context, t tenant.ID) ([]changeover.Changeover, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(s.list), func(c changeover.Changeover) bool { return !t.IsZero() && !c.Concerns(t) })
	slices.Reverse(list)
	return list, nil
}

// Changeover implements changeover.Store.
func (s *Store) Changeover(_ context.Context, c changeover.ID) (changeover.Changeover, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(c); i >= 0 {
		return s.list[i], nil
	}
	return changeover.Changeover{}, fault.New(fault.NotFound, "changeover_unknown", "")
}

func (s *Store) index(c changeover.ID) int {
	return slices.IndexFunc(s.list, func(v changeover.Changeover) bool { return v.ID == c })
}

// PutChangeover implements changeover.Store.
func (s *Store) PutChangeover(_ context.Context, c changeover.Changeover, d changeover.Deed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(c.ID)
	if i < 0 && c.Version == 0 {
		s.list = append(s.list, changeover.Changeover{})
		i = len(s.list) - 1
	} else if i < 0 || s.list[i].Version != c.Version {
		return fault.New(fault.Conflict, "changeover_changed", "")
	}
	c.Version++
	s.list[i] = c
	if s.deeds == nil {
		s.deeds = map[changeover.ID][]changeover.Deed{}
	}
	s.deeds[c.ID] = append([]changeover.Deed{d}, s.deeds[c.ID]...)
	return nil
}

// ChangeoverDeeds implements changeover.Store.
func (s *Store) ChangeoverDeeds(_ context.Context, c changeover.ID) ([]changeover.Deed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deeds[c]), nil
}

// FallbackMarks implements changeover.Store.
func (s *Store) FallbackMarks(_ context.Context, t tenant.ID, c changeover.ID) ([]changeover.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.marks), func(m changeover.Mark) bool {
		return m.Changeover != c || !t.IsZero() && m.Tenant != t
	}), nil
}

// AddFallbackMark implements changeover.Store; it does not add up.
func (s *Store) AddFallbackMark(_ context.Context, m changeover.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.FirstAt = m.LastAt
	s.marks = append(s.marks, m)
	return nil
}

// DropFallbackMarks implements changeover.Store; it drops nothing.
func (s *Store) DropFallbackMarks(context.Context, time.Time) (int, error) { return 0, nil }

package audiencetest

import (
	"context"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Tally implements audience.HaltStore.
func (s *Store) Tally(_ context.Context, t tenant.ID, v audience.Span) (audience.Tally, error) {
	if err := s.open("Tally"); err != nil {
		return audience.Tally{}, err
	}
	defer s.mu.Unlock()
	if s.Count == nil {
		return audience.Tally{}, nil
	}
	return s.Count(t, v), nil
}

// last is the place of the tenant's last halt, -1 if it never had one.
func (s *Store) last(t tenant.ID) int {
	for i := len(s.halts) - 1; i >= 0; i-- {
		if s.halts[i].Tenant == t {
			return i
		}
	}
	return -1
}

// Halt implements audience.HaltStore.
func (s *Store) Halt(_ context.Context, h audience.Halt) (bool, error) {
	if err := s.open("Halt"); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if i := s.last(h.Tenant); i >= 0 && s.halts[i].InForce() {
		return false, nil
	}
	s.halts = append(s.halts, h)
	s.marks[h.Tenant]++
	return true, nil
}

// LastHalt implements audience.HaltStore.
func (s *Store) LastHalt(_ context.Context, t tenant.ID) (audience.Halt, error) {
	if err := s.open("LastHalt"); err != nil {
		return audience.Halt{}, err
	}
	defer s.mu.Unlock()
	if i := s.last(t); i >= 0 {
		return s.halts[i], nil
	}
	return audience.Halt{}, nil
}

// Halts implements audience.HaltStore.
func (s *Store) Halts(context.Context) ([]audience.Halt, error) {
	if err := s.open("Halts"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	list := slices.Clone(s.halts)
	slices.Reverse(list)
	return list, nil
}

// SelfReleased implements audience.HaltStore.
func (s *Store) SelfReleased(_ context.Context, t tenant.ID) (at time.Time, err error) {
	if err := s.open("SelfReleased"); err != nil {
		return at, err
	}
	defer s.mu.Unlock()
	for _, h := range s.halts {
		if h.Tenant == t && h.Self {
			at = h.ReleasedAt
		}
	}
	return at, nil
}

// ReleaseBulk implements audience.HaltStore.
func (s *Store) ReleaseBulk(_ context.Context, t tenant.ID, r audience.Release) error {
	if err := s.open("ReleaseBulk"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	i := s.last(t)
	if i < 0 || !s.halts[i].InForce() {
		return fault.New(fault.NotFound, "halt_not_found", "The tenant's bulk mail is not halted.")
	}
	s.halts[i].ReleasedAt, s.halts[i].ReleasedBy, s.halts[i].Self, s.halts[i].Note = r.At, r.Actor, r.Self, r.Note
	s.marks[t]++
	return nil
}

// FreeHeld implements audience.HaltStore.
func (s *Store) FreeHeld(_ context.Context, _ tenant.ID, limit int, _ time.Time) (int, error) {
	if err := s.open("FreeHeld"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := min(s.Held, limit)
	s.Held -= n
	return n, nil
}

// HeldFreed implements audience.HaltStore.
func (s *Store) HeldFreed(_ context.Context, h audience.Halt) error {
	if err := s.open("HeldFreed"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if i := s.last(h.Tenant); i >= 0 {
		s.halts[i].Freed = true
	}
	return nil
}

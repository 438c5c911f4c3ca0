package tenanttest

import (
	"context"

	"stafette/internal/tenant"
)

// SetProfile keeps what a tenant says of itself.
func (s *Store) SetProfile(t tenant.ID, p tenant.Profile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.profiles == nil {
		s.profiles = map[tenant.ID]tenant.Profile{}
	}
	s.profiles[t] = p
}

// Profile is account.Offices'.
func (s *Store) Profile(_ context.Context, t tenant.ID) (tenant.Profile, error) {
	leave, err := s.enter("Profile")
	if err != nil {
		return tenant.Profile{}, err
	}
	defer leave()
	return s.profiles[t], nil
}

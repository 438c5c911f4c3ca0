// Package signuptest is a signup.Store in memory, for tests of whoever stands on package
// signup.
package signuptest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/signup"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// Store keeps forms and consents in memory. It is safe for concurrent use.
type Store struct {
	*tenanttest.Store
	// Fail is returned by AddConsent, if set.
	Fail error

	mu       sync.Mutex
	forms    []signup.Form
	consents []consent.Consent
}

var _ signup.Store = (*Store)(nil)

// AddConsent implements consent.Store.
func (s *Store) AddConsent(_ context.Context, c consent.Consent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fail != nil {
		return s.Fail
	}
	s.consents = append(s.consents, c)
	return nil
}

func (s *Store) find(t tenant.ID, number consent.ID) int {
	return slices.IndexFunc(s.consents, func(c consent.Consent) bool { return c.Tenant == t && c.ID == number })
}

// ChangeConsent implements consent.Store.
func (s *Store) ChangeConsent(_ context.Context, c consent.Consent, from consent.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(c.Tenant, c.ID)
	if i < 0 || s.consents[i].State != from {
		return fault.New(fault.Conflict, "consent_state", "The consent is not in a state that allows this.")
	}
	s.consents[i] = c
	return nil
}

// Consent implements consent.Store.
func (s *Store) Consent(_ context.Context, t tenant.ID, number consent.ID) (consent.Consent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(t, number); i >= 0 {
		return s.consents[i], nil
	}
	return consent.Consent{}, fault.New(fault.NotFound, "consent_not_found", "There is no such consent.")
}

// Consents implements consent.Store.
func (s *Store) Consents(_ context.Context, t tenant.ID, f consent.Filter) (list []consent.Consent, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := cmp.Or(f.Limit, 50)
	// Of one instant the order of identifiers decides, not that of coming.
	ordered := slices.SortedFunc(slices.Values(s.consents), func(a, b consent.Consent) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	for _, c := range ordered {
		if c.Tenant != t || f.Hash != (audience.Hash{}) && c.Hash != f.Hash || !f.Group.IsZero() && c.Group != f.Group || f.Form != "" && c.Form != f.Form ||
			f.State != "" && c.State != f.State || !f.After.IsZero() && c.ID.String() >= f.After.String() {
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		list = append(list, c)
	}
	return list, false, nil
}

// ForgetUnconfirmed implements consent.Store.
func (s *Store) ForgetUnconfirmed(_ context.Context, now time.Time, limit int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consents = slices.DeleteFunc(s.consents, func(c consent.Consent) bool {
		over := n < limit && !c.ExpiresAt.IsZero() && !c.ExpiresAt.After(now)
		if over {
			n++
		}
		return over
	})
	return n, nil
}

// SaveSignupForm implements signup.Store.
func (s *Store) SaveSignupForm(_ context.Context, f signup.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forms = slices.DeleteFunc(s.forms, func(o signup.Form) bool { return o.Tenant == f.Tenant && o.ID == f.ID })
	s.forms = append(s.forms, f)
	return nil
}

func unknown() error { return fault.New(fault.NotFound, signup.CodeUnknown, "There is no such form.") }

// SignupForm implements signup.Store.
func (s *Store) SignupForm(_ context.Context, t tenant.ID, id signup.ID) (signup.Form, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.forms {
		if f.Tenant == t && f.ID == id {
			return f, nil
		}
	}
	return signup.Form{}, unknown()
}

// SignupForms implements signup.Store.
func (s *Store) SignupForms(_ context.Context, t tenant.ID) (list []signup.Form, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.forms {
		if f.Tenant == t {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b signup.Form) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DropSignupForm implements signup.Store.
func (s *Store) DropSignupForm(_ context.Context, t tenant.ID, id signup.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.forms)
	s.forms = slices.DeleteFunc(s.forms, func(f signup.Form) bool { return f.Tenant == t && f.ID == id })
	if len(s.forms) == before {
		return unknown()
	}
	return nil
}

// Package preferencetest is a preference.Store in memory, for tests of whoever stands on
// package preference.
package preferencetest

import (
	"context"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// Store keeps addressees and facts in memory. It is safe for concurrent use.
type Store struct {
	*tenanttest.Store
	// Fail is returned by every question after an addressee, if set.
	Fail error

	mu         sync.Mutex
	addressees map[message.DeliveryID]owned
	facts      []event.Event
}

type owned struct {
	tenant tenant.ID
	preference.Addressee
}

var _ preference.Store = (*Store)(nil)

// Deliver makes a delivery known.
func (s *Store) Deliver(t tenant.ID, d message.DeliveryID, a preference.Addressee) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addressees == nil {
		s.addressees = map[message.DeliveryID]owned{}
	}
	s.addressees[d] = owned{t, a}
}

// Addressee implements preference.Store.
func (s *Store) Addressee(_ context.Context, t tenant.ID, d message.DeliveryID) (preference.Addressee, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.addressees[d]
	return o.Addressee, ok && o.tenant == t, s.Fail
}

// AddFact implements preference.Store.
func (s *Store) AddFact(_ context.Context, _ tenant.ID, e event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.facts {
		if f.Delivery == e.Delivery && f.Type == e.Type && f.At.After(e.At.Add(-time.Minute)) {
			return nil
		}
	}
	s.facts = append(s.facts, e)
	return nil
}

// Facts are those that were added.
func (s *Store) Facts() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event.Event(nil), s.facts...)
}

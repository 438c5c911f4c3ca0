// Package diagnosistest has a diagnosis.Store in memory for tests of the doors. It keeps
// the contract: tenants apart, addresses in any case, new ones first.
package diagnosistest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Store implements diagnosis.Store over messages kept elsewhere. It is safe for
// concurrent use if All is.
type Store struct {
	// All returns the messages of a tenant.
	All func(t tenant.ID) []insight.Message

	mu    sync.Mutex
	links []diagnosis.StatusLink
}

var _ diagnosis.Store = (*Store)(nil)

// deliveries lists a tenant's deliveries from new to old.
func (s *Store) deliveries(t tenant.ID) []insight.Delivery {
	var list []insight.Delivery
	for _, m := range s.All(t) {
		list = append(list, m.Deliveries...)
	}
	slices.SortFunc(list, func(a, b insight.Delivery) int { return slices.Compare(b.ID[:], a.ID[:]) })
	return list
}

func canonical(a message.Address) string { return strings.ToLower(a.Local + "@" + a.Domain) }

// DeliveriesTo implements diagnosis.Store.
func (s *Store) DeliveriesTo(_ context.Context, t tenant.ID, a message.Address, limit int) ([]message.DeliveryID, error) {
	var list []message.DeliveryID
	for _, d := range s.deliveries(t) {
		if canonical(d.Recipient) == canonical(a) && len(list) < limit {
			list = append(list, d.ID)
		}
	}
	return list, nil
}

// Addressees implements diagnosis.Store.
func (s *Store) Addressees(_ context.Context, t tenant.ID, local string, limit int) ([]diagnosis.Addressee, error) {
	var list []diagnosis.Addressee
	for _, d := range s.deliveries(t) {
		a := message.Address{Local: strings.ToLower(d.Recipient.Local), Domain: strings.ToLower(d.Recipient.Domain)}
		known := slices.ContainsFunc(list, func(one diagnosis.Addressee) bool { return one.Address == a })
		if a.Local == strings.ToLower(local) && !known {
			list = append(list, diagnosis.Addressee{Address: a, Last: d.ID})
		}
	}
	slices.SortFunc(list, func(a, b diagnosis.Addressee) int { return strings.Compare(a.Address.Domain, b.Address.Domain) })
	return list[:min(len(list), limit)], nil
}

// Referring implements diagnosis.Store.
func (s *Store) Referring(_ context.Context, t tenant.ID, value string, limit int) ([]message.ID, error) {
	var list []message.ID
	for _, m := range s.All(t) {
		for _, v := range m.Metadata {
			if strings.EqualFold(v, value) {
				list = append(list, m.ID)
				break
			}
		}
	}
	slices.SortFunc(list, func(a, b message.ID) int { return slices.Compare(b[:], a[:]) })
	return list[:min(len(list), limit)], nil
}

// AddStatusLink implements diagnosis.Store.
func (s *Store) AddStatusLink(_ context.Context, l diagnosis.StatusLink) error {
	s.drop(func(one diagnosis.StatusLink) bool {
		return one.Tenant == l.Tenant && !one.ExpiresAt.After(l.CreatedAt)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = append(s.links, l)
	return nil
}

func (s *Store) drop(gone func(diagnosis.StatusLink) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.links)
	s.links = slices.DeleteFunc(s.links, gone)
	return before - len(s.links)
}

// StatusLink implements diagnosis.Store.
func (s *Store) StatusLink(_ context.Context, t tenant.ID, id diagnosis.LinkID) (diagnosis.StatusLink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l.Tenant == t && l.ID == id {
			return l, nil
		}
	}
	return diagnosis.StatusLink{}, fault.New(fault.NotFound, "status_link_not_found", "")
}

// StatusLinks implements diagnosis.Store.
func (s *Store) StatusLinks(_ context.Context, t tenant.ID, d message.DeliveryID) ([]diagnosis.StatusLink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []diagnosis.StatusLink
	for _, l := range slices.Backward(s.links) {
		if l.Tenant == t && l.Delivery == d {
			list = append(list, l)
		}
	}
	return list, nil
}

// RevokeStatusLinks implements diagnosis.Store.
func (s *Store) RevokeStatusLinks(_ context.Context, t tenant.ID, d message.DeliveryID) (int, error) {
	return s.drop(func(l diagnosis.StatusLink) bool { return l.Tenant == t && l.Delivery == d }), nil
}

// Expire ends all links at an instant.
func (s *Store) Expire(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.links {
		s.links[i].ExpiresAt = at
	}
}

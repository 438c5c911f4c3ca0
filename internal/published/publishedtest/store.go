// Package publishedtest has the database of package published in memory, for its tests and
// those of the rooms above.
package publishedtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/published"
	"stafette/internal/tenant"
)

// Store implements published.Store. The zero Store is empty. It is safe for concurrent use.
type Store struct {
	mu            sync.Mutex
	editions      []published.Edition
	subscriptions []published.Subscription
	tellings      []published.Telling
}

var _ published.Store = (*Store)(nil)

func none(code string) error { return fault.New(fault.NotFound, code, "") }

// Editions implements published.Store.
func (s *Store) Editions(_ context.Context, owner tenant.ID, limit int) (list []published.Edition, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.editions) {
		if e.Owner == owner && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

// Edition implements published.Store.
func (s *Store) Edition(ctx context.Context, owner tenant.ID) (published.Edition, error) {
	list, err := s.Editions(ctx, owner, 1)
	if err == nil && len(list) == 0 {
		return published.Edition{}, none("edition_not_found")
	}
	return list[0], err
}

// EditionOwners implements published.Store.
func (s *Store) EditionOwners(context.Context) (list []tenant.ID, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.editions {
		if !slices.Contains(list, e.Owner) {
			list = append(list, e.Owner)
		}
	}
	return list, nil
}

// AddEdition implements published.Store.
func (s *Store) AddEdition(_ context.Context, e published.Edition) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.editions, func(v published.Edition) bool { return v.Owner == e.Owner && v.Version == e.Version }) {
		return false, nil
	}
	s.editions = append(s.editions, e)
	for _, v := range s.subscriptions {
		if v.Owner == e.Owner && e.Version > 1 && !v.ConfirmedAt.IsZero() {
			s.tellings = append(s.tellings, published.Telling{Owner: v.Owner, Subscription: v.ID, Version: e.Version, DueAt: e.At})
		}
	}
	return true, nil
}

// PutSubscription implements published.Store.
func (s *Store) PutSubscription(_ context.Context, v published.Subscription) (published.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subscriptions {
		if have := &s.subscriptions[i]; have.Owner == v.Owner && have.Hash == v.Hash {
			if have.ConfirmedAt.IsZero() {
				have.Sealed, have.Lang, have.CreatedAt = v.Sealed, v.Lang, v.CreatedAt
			}
			return *have, nil
		}
	}
	s.subscriptions = append(s.subscriptions, v)
	return v, nil
}

func (s *Store) find(is func(published.Subscription) bool) (published.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.subscriptions, is); i >= 0 {
		return s.subscriptions[i], nil
	}
	return published.Subscription{}, none("subscription_not_found")
}

// AddressSubscription implements published.Store.
func (s *Store) AddressSubscription(_ context.Context, owner tenant.ID, id published.SubscriptionID) (published.Subscription, error) {
	return s.find(func(v published.Subscription) bool { return v.Owner == owner && v.ID == id })
}

// SubscriptionOf implements published.Store.
func (s *Store) SubscriptionOf(_ context.Context, owner tenant.ID, hash [32]byte) (published.Subscription, error) {
	return s.find(func(v published.Subscription) bool { return v.Owner == owner && v.Hash == hash })
}

// AddressSubscriptions implements published.Store.
func (s *Store) AddressSubscriptions(_ context.Context, limit int) ([]published.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.subscriptions)
	slices.Reverse(list)
	return list[:min(len(list), limit)], nil
}

// CountSubscriptions implements published.Store.
func (s *Store) CountSubscriptions(_ context.Context, owner tenant.ID) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.subscriptions {
		if v.Owner == owner {
			n++
		}
	}
	return n, nil
}

// ConfirmSubscription implements published.Store.
func (s *Store) ConfirmSubscription(_ context.Context, owner tenant.ID, id published.SubscriptionID, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subscriptions {
		if v := &s.subscriptions[i]; v.Owner == owner && v.ID == id {
			if v.ConfirmedAt.IsZero() {
				v.ConfirmedAt = at
			}
			return nil
		}
	}
	return none("subscription_not_found")
}

// EndSubscription implements published.Store.
func (s *Store) EndSubscription(_ context.Context, owner tenant.ID, id published.SubscriptionID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(v published.Subscription) bool { return v.Owner == owner && v.ID == id })
	s.tellings = slices.DeleteFunc(s.tellings, func(v published.Telling) bool { return v.Owner == owner && v.Subscription == id })
	return nil
}

// DropUnconfirmed implements published.Store.
func (s *Store) DropUnconfirmed(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(v published.Subscription) bool {
		return v.ConfirmedAt.IsZero() && v.CreatedAt.Before(before)
	})
	return nil
}

// ClaimTellings implements published.Store.
func (s *Store) ClaimTellings(_ context.Context, now time.Time, lease time.Duration, limit int) (list []published.Telling, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.tellings, func(a, b published.Telling) int { return cmp.Compare(a.DueAt.UnixMilli(), b.DueAt.UnixMilli()) })
	for i := range s.tellings {
		if t := &s.tellings[i]; !t.DueAt.After(now) && len(list) < limit {
			list = append(list, *t)
			t.DueAt = now.Add(lease)
		}
	}
	return list, nil
}

// SettleTelling implements published.Store.
func (s *Store) SettleTelling(_ context.Context, t published.Telling, next time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(v published.Telling) bool {
		return v.Owner == t.Owner && v.Subscription == t.Subscription && v.Version == t.Version
	}
	if next.IsZero() {
		s.tellings = slices.DeleteFunc(s.tellings, same)
	} else if i := slices.IndexFunc(s.tellings, same); i >= 0 {
		s.tellings[i].Attempts, s.tellings[i].DueAt = s.tellings[i].Attempts+1, next
	}
	return nil
}

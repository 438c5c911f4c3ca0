// Package announcetest has a store of customers of changeovers and of announcements in
// memory, for tests of packages affected and announce and of the doors. It keeps their
// contracts; the conformance suite of package store holds the real one to them.
package announcetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Store implements affected.Store and announce.Store in memory, and keeps changeovers and
// marks that tests put there. The zero value is empty and ready; its methods are safe for
// concurrent use, its fields are set before.
type Store struct {
	Plans []changeover.Changeover
	Marks []changeover.Mark
	// Steps are the attempts on record, those of newer deliveries first.
	Steps []affected.Step

	mu            sync.Mutex
	customers     []affected.Customer
	announcements []announce.Announcement
}

var (
	_ affected.Store = (*Store)(nil)
	_ announce.Store = (*Store)(nil)
)

// Changeovers lists those that concern a tenant.
func (s *Store) Changeovers(_ context.Context, t tenant.ID) (list []changeover.Changeover, _ error) {
	for _, c := range s.Plans {
		if t.IsZero() || c.Concerns(t) {
			list = append(list, c)
		}
	}
	return list, nil
}

// Changeover returns one; NotFound "changeover_unknown".
func (s *Store) Changeover(_ context.Context, c changeover.ID) (changeover.Changeover, error) {
	for _, v := range s.Plans {
		if v.ID == c {
			return v, nil
		}
	}
	return changeover.Changeover{}, fault.New(fault.NotFound, "changeover_unknown", "There is no such changeover.")
}

// FallbackMarks returns the marks of a tenant.
func (s *Store) FallbackMarks(_ context.Context, t tenant.ID, c changeover.ID) (list []changeover.Mark, _ error) {
	for _, m := range s.Marks {
		if m.Tenant == t && m.Changeover == c {
			list = append(list, m)
		}
	}
	return list, nil
}

// Attempts implements affected.Store. Deliveries without attempts are not known here.
func (s *Store) Attempts(_ context.Context, _ tenant.ID, q affected.Query) (affected.Steps, error) {
	var steps affected.Steps
	low, high := id.Lowest[message.DeliveryKind](q.From), id.Lowest[message.DeliveryKind](q.To)
	if !q.Before.IsZero() {
		high = q.Before
	}
	for _, step := range s.Steps {
		d := step.Delivery
		if slices.Compare(d[:], low[:]) < 0 || slices.Compare(d[:], high[:]) >= 0 || !q.Recipient.IsZero() && !strings.EqualFold(step.Recipient.String(), q.Recipient.String()) {
			continue
		}
		if d != steps.Last {
			if steps.Deliveries == q.Limit {
				break
			}
			steps.Deliveries++
			steps.Last = d
		}
		steps.List = append(steps.List, step)
	}
	return steps, nil
}

// PutFound implements affected.Store.
func (s *Store) PutFound(_ context.Context, t tenant.ID, c changeover.ID, list []affected.Found, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range list {
		i := slices.IndexFunc(s.customers, func(v affected.Customer) bool {
			return v.Tenant == t && v.Changeover == c && v.Kind == f.Kind && v.Key == f.Key
		})
		if i < 0 {
			i = len(s.customers)
			s.customers = append(s.customers, affected.Customer{ID: id.New[affected.CustomerKind](now), Tenant: t, Changeover: c, Kind: f.Kind, Key: f.Key})
		}
		v := &s.customers[i]
		v.Name, v.Software, v.Finding = f.Name, f.Software, f.Finding
		if f.Kind == affected.Advertiser {
			v.Emails = f.Emails
		}
	}
	return nil
}

// FadeFindings implements affected.Store.
func (s *Store) FadeFindings(_ context.Context, t tenant.ID, c changeover.ID, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.customers {
		if v := &s.customers[i]; v.Tenant == t && v.Changeover == c && v.Finding.At.Before(before) {
			v.Finding = affected.Finding{}
		}
	}
	return nil
}

// Customers implements affected.Store.
func (s *Store) Customers(_ context.Context, t tenant.ID, c changeover.ID) (list []affected.Customer, _ error) {
	return s.find(func(v affected.Customer) bool { return v.Tenant == t && v.Changeover == c }), nil
}

func (s *Store) find(is func(affected.Customer) bool) (list []affected.Customer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.customers {
		if is(v) {
			v.Tests, v.Emails = slices.Clone(v.Tests), slices.Clone(v.Emails)
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(a, b affected.Customer) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func unknown() error {
	return fault.New(fault.NotFound, "customer_unknown", "There is no such customer.")
}

func first(list []affected.Customer) (affected.Customer, error) {
	if len(list) == 0 {
		return affected.Customer{}, unknown()
	}
	return list[0], nil
}

// Customer implements affected.Store.
func (s *Store) Customer(_ context.Context, t tenant.ID, n affected.ID) (affected.Customer, error) {
	return first(s.find(func(v affected.Customer) bool { return v.Tenant == t && v.ID == n }))
}

// CustomerOf implements affected.Store.
func (s *Store) CustomerOf(_ context.Context, t tenant.ID, c changeover.ID, k affected.Kind, key string) (affected.Customer, error) {
	return first(s.find(func(v affected.Customer) bool {
		return v.Tenant == t && v.Changeover == c && v.Kind == k && v.Key == key
	}))
}

// PutCustomer implements affected.Store.
func (s *Store) PutCustomer(_ context.Context, c affected.Customer) error {
	return s.change(c.Tenant, c.ID, func(v *affected.Customer) {
		c.Name, c.Software, c.Finding, c.Tests = v.Name, v.Software, v.Finding, v.Tests
		if v.Kind == affected.Advertiser {
			c.Emails = v.Emails
		}
		*v = c
	})
}

func (s *Store) change(t tenant.ID, n affected.ID, do func(*affected.Customer)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.customers {
		if v := &s.customers[i]; v.Tenant == t && v.ID == n {
			do(v)
			return nil
		}
	}
	return unknown()
}

// SilentCustomers implements affected.Store.
func (s *Store) SilentCustomers(_ context.Context, t tenant.ID, c changeover.ID) (n int, since time.Time, _ error) {
	for _, v := range s.find(func(v affected.Customer) bool {
		return v.Tenant == t && v.Changeover == c && !v.InformedAt.IsZero() && v.Answer == affected.NoAnswer && v.Settled.IsZero()
	}) {
		if n++; since.IsZero() || v.InformedAt.Before(since) {
			since = v.InformedAt
		}
	}
	return n, since, nil
}

// PutTest implements affected.Store.
func (s *Store) PutTest(_ context.Context, t tenant.ID, n affected.ID, test affected.Test) error {
	return s.change(t, n, func(v *affected.Customer) {
		v.Tests = slices.DeleteFunc(v.Tests, func(old affected.Test) bool { return old.Source == test.Source })
		v.Tests = append(v.Tests, test)
		slices.SortFunc(v.Tests, func(a, b affected.Test) int { return strings.Compare(a.Source, b.Source) })
	})
}

// DropCustomers implements affected.Store.
func (s *Store) DropCustomers(_ context.Context, t tenant.ID, c changeover.ID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.customers)
	s.customers = slices.DeleteFunc(s.customers, func(v affected.Customer) bool { return v.Tenant == t && v.Changeover == c })
	return n - len(s.customers), nil
}

// Announcement implements announce.Store.
func (s *Store) Announcement(_ context.Context, t tenant.ID, c changeover.ID) (announce.Announcement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.announcements {
		if a.Tenant == t && a.Changeover == c {
			return a, nil
		}
	}
	return announce.Announcement{Tenant: t, Changeover: c}, nil
}

// PutAnnouncement implements announce.Store.
func (s *Store) PutAnnouncement(_ context.Context, a announce.Announcement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announcements = slices.DeleteFunc(s.announcements, func(old announce.Announcement) bool {
		return old.Tenant == a.Tenant && old.Changeover == a.Changeover
	})
	s.announcements = append(s.announcements, a)
	return nil
}

// Announcements implements announce.Store.
func (s *Store) Announcements(context.Context) (list []announce.Announcement, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.announcements {
		if a.Scope.Valid() {
			list = append(list, a)
		}
	}
	return list, nil
}

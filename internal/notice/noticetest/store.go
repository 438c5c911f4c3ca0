// Package noticetest has a notice store in memory for tests of the rooms above.
package noticetest

import (
	"context"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// Store implements notice.Store in memory. It is safe for concurrent use.
type Store struct {
	// Senders are the tenants by the domains they may send as.
	Senders map[string]tenant.ID

	mu   sync.Mutex
	rows []row
}

type row struct {
	notice.Due
	next time.Time
	over bool
}

var _ notice.Store = (*Store)(nil)

// Waiting counts the letters that are still to be sent.
func (s *Store) Waiting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if !r.over {
			n++
		}
	}
	return n
}

// PutNotice implements notice.Store.
func (s *Store) PutNotice(_ context.Context, d notice.Due) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.Tenant == d.Tenant && r.Key == d.Key {
			return nil
		}
	}
	s.rows = append(s.rows, row{Due: d, next: d.At})
	return nil
}

// ClaimNotices implements notice.Store.
func (s *Store) ClaimNotices(_ context.Context, c notice.Claim) (list []notice.Due, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		r := &s.rows[i]
		if !r.over && !r.next.After(c.Now) && len(list) < c.Limit {
			r.next = c.Now.Add(c.Lease)
			list = append(list, r.Due)
		}
	}
	return list, nil
}

// EndNotice implements notice.Store.
func (s *Store) EndNotice(_ context.Context, t tenant.ID, key string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		if r := &s.rows[i]; r.Tenant == t && r.Key == key {
			r.over, r.Sealed = true, nil
		}
	}
	return nil
}

// SenderOf implements notice.Store.
func (s *Store) SenderOf(_ context.Context, domain string) (tenant.ID, error) {
	if t, ok := s.Senders[domain]; ok {
		return t, nil
	}
	return tenant.ID{}, fault.New(fault.NotFound, "domain_not_found", "There is no such domain.")
}

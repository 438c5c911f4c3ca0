// Package leadtest has a store of leads in memory for tests of the doors and of package
// lead. It keeps the contract of lead.Store; the conformance suite of package store
// holds the real ones to it.
package leadtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/lead"
	"stafette/internal/tenant"
)

// Store implements lead.Store in memory. The zero value is empty and ready; it is safe
// for concurrent use.
type Store struct {
	// Fail, if set, is asked before every call and its error returned.
	Fail func(method string) error

	mu          sync.Mutex
	leads       []row
	advertisers map[tenant.ID]map[string]lead.Advertiser
	settings    map[tenant.ID]lead.Settings
	proofs      map[lead.ID]lead.Proven
}

type row struct {
	lead.Lead
	key  string
	hash [32]byte
}

var _ lead.Store = (*Store)(nil)

func (s *Store) enter(method string) (func(), error) {
	if s.Fail != nil {
		if err := s.Fail(method); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

// TakeLead implements lead.Store.
func (s *Store) TakeLead(_ context.Context, l lead.Lead, a lead.Advertiser, key string, hash [32]byte) (*lead.Lead, [32]byte, error) {
	leave, err := s.enter("TakeLead")
	if err != nil {
		return nil, hash, err
	}
	defer leave()
	for _, r := range s.leads {
		if key != "" && r.Tenant == l.Tenant && r.key == key && r.TakenAt.After(l.TakenAt.Add(-24*time.Hour)) {
			return &r.Lead, r.hash, nil
		}
	}
	s.leads = append(s.leads, row{l, key, hash})
	s.save(l.Tenant, a)
	return nil, hash, nil
}

func (s *Store) save(t tenant.ID, a lead.Advertiser) {
	if s.advertisers == nil {
		s.advertisers = map[tenant.ID]map[string]lead.Advertiser{}
	}
	if s.advertisers[t] == nil {
		s.advertisers[t] = map[string]lead.Advertiser{}
	}
	s.advertisers[t][a.ID] = a
}

// SettleLead implements lead.Store.
func (s *Store) SettleLead(_ context.Context, l lead.Lead) error {
	leave, err := s.enter("SettleLead")
	if err != nil {
		return err
	}
	defer leave()
	for i, r := range s.leads {
		if r.Tenant == l.Tenant && r.ID == l.ID {
			s.leads[i].Lead = l
		}
	}
	return nil
}

// Lead implements lead.Store.
func (s *Store) Lead(_ context.Context, t tenant.ID, number lead.ID) (lead.Lead, error) {
	leave, err := s.enter("Lead")
	if err != nil {
		return lead.Lead{}, err
	}
	defer leave()
	for _, r := range s.leads {
		if r.Tenant == t && r.ID == number {
			return r.Lead, nil
		}
	}
	return lead.Lead{}, fault.New(fault.NotFound, "lead_not_found", "")
}

// Leads implements lead.Store.
func (s *Store) Leads(_ context.Context, t tenant.ID, f lead.Filter) (lead.Page, error) {
	leave, err := s.enter("Leads")
	if err != nil {
		return lead.Page{}, err
	}
	defer leave()
	var page lead.Page
	for _, r := range slices.Backward(s.leads) {
		switch {
		case r.Tenant != t, f.Advertiser != "" && r.Advertiser != f.Advertiser, f.State != "" && r.State != f.State, r.Test && !f.Tests, f.Kept && len(r.Sealed) == 0,
			f.State == "" && !f.Suspects && (r.State == lead.Suspect || r.State == lead.Discarded),
			!f.From.IsZero() && r.TakenAt.Before(f.From), !f.To.IsZero() && !r.TakenAt.Before(f.To),
			!f.After.IsZero() && cmp.Compare(string(r.ID[:]), string(f.After[:])) >= 0:
			continue
		}
		if len(page.Leads) == f.Limit {
			page.More = true
			break
		}
		page.Leads = append(page.Leads, r.Lead)
	}
	return page, nil
}

// TakenLeads implements lead.Store.
func (s *Store) TakenLeads(_ context.Context, before time.Time, limit int) (list []lead.Lead, err error) {
	leave, err := s.enter("TakenLeads")
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, r := range s.leads {
		if r.State == lead.Taken && r.TakenAt.Before(before) && len(list) < limit {
			list = append(list, r.Lead)
		}
	}
	return list, nil
}

// DropLeads implements lead.Store.
func (s *Store) DropLeads(_ context.Context, before time.Time, limit int) (n int, err error) {
	leave, err := s.enter("DropLeads")
	if err != nil {
		return 0, err
	}
	defer leave()
	for i, r := range s.leads {
		if r.Sealed != nil && r.TakenAt.Before(before) && n < limit {
			s.leads[i].Sealed, s.leads[i].Title, n = nil, "", n+1
		}
	}
	return n, nil
}

// Advertiser implements lead.Store.
func (s *Store) Advertiser(_ context.Context, t tenant.ID, number string) (lead.Advertiser, error) {
	leave, err := s.enter("Advertiser")
	if err != nil {
		return lead.Advertiser{}, err
	}
	defer leave()
	a, ok := s.advertisers[t][number]
	if !ok {
		return a, fault.New(fault.NotFound, "advertiser_not_found", "")
	}
	return a, nil
}

// Advertisers implements lead.Store.
func (s *Store) Advertisers(_ context.Context, t tenant.ID, after string, limit int) (list []lead.Advertiser, err error) {
	leave, err := s.enter("Advertisers")
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, a := range s.advertisers[t] {
		if a.ID > after {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b lead.Advertiser) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(len(list), limit)], nil
}

// SaveAdvertiser implements lead.Store.
func (s *Store) SaveAdvertiser(_ context.Context, t tenant.ID, a lead.Advertiser) error {
	leave, err := s.enter("SaveAdvertiser")
	if err != nil {
		return err
	}
	defer leave()
	s.save(t, a)
	return nil
}

// LeadSettings implements lead.Store.
func (s *Store) LeadSettings(_ context.Context, t tenant.ID) (lead.Settings, error) {
	leave, err := s.enter("LeadSettings")
	if err != nil {
		return lead.Settings{}, err
	}
	defer leave()
	return s.settings[t], nil
}

// SaveLeadSettings implements lead.Store.
func (s *Store) SaveLeadSettings(_ context.Context, t tenant.ID, v lead.Settings) error {
	leave, err := s.enter("SaveLeadSettings")
	if err != nil {
		return err
	}
	defer leave()
	if s.settings == nil {
		s.settings = map[tenant.ID]lead.Settings{}
	}
	s.settings[t] = v
	return nil
}

package leadtest

import (
	"context"
	"time"

	"stafette/internal/lead"
	"stafette/internal/tenant"
)

// HasLeadLike implements lead.Store.
func (s *Store) HasLeadLike(_ context.Context, t tenant.ID, advertiser string, request [32]byte, since time.Time) (bool, error) {
	leave, err := s.enter("HasLeadLike")
	if err != nil {
		return false, err
	}
	defer leave()
	for _, r := range s.leads {
		if r.Tenant == t && r.Advertiser == advertiser && r.hash == request && !r.TakenAt.Before(since) {
			return true, nil
		}
	}
	return false, nil
}

// CountLeads implements lead.Store.
func (s *Store) CountLeads(_ context.Context, t tenant.ID, state lead.State) (n int, since time.Time, err error) {
	leave, err := s.enter("CountLeads")
	if err != nil {
		return 0, since, err
	}
	defer leave()
	for _, r := range s.leads {
		if r.Tenant == t && r.State == state && r.Sealed != nil {
			if n++; since.IsZero() || r.TakenAt.Before(since) {
				since = r.TakenAt
			}
		}
	}
	return n, since, nil
}

// ProveLead implements lead.Store.
func (s *Store) ProveLead(_ context.Context, l lead.Lead, parts []lead.Part, at time.Time) error {
	leave, err := s.enter("ProveLead")
	if err != nil {
		return err
	}
	defer leave()
	v := s.proofs[l.ID]
	for _, p := range parts {
		to := map[lead.Part]*time.Time{lead.PartBody: &v.Body, lead.PartXML: &v.XML, lead.PartCRM: &v.CRM}[p]
		if to.IsZero() {
			*to = at
		}
	}
	if s.proofs == nil {
		s.proofs = map[lead.ID]lead.Proven{}
	}
	s.proofs[l.ID] = v
	if a, ok := s.advertisers[l.Tenant][l.Advertiser]; ok && !v.Body.IsZero() && !v.XML.IsZero() && a.Profile.VerifiedOn.Before(at) {
		a.Profile.VerifiedOn = at
		s.advertisers[l.Tenant][l.Advertiser] = a
	}
	return nil
}

// LeadProof implements lead.Store.
func (s *Store) LeadProof(_ context.Context, t tenant.ID, l lead.ID) (lead.Proven, error) {
	leave, err := s.enter("LeadProof")
	if err != nil {
		return lead.Proven{}, err
	}
	defer leave()
	for _, r := range s.leads {
		if r.Tenant == t && r.ID == l {
			return s.proofs[l], nil
		}
	}
	return lead.Proven{}, nil
}

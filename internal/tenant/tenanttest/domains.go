package tenanttest

import (
	"context"
	"slices"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

func (s *Store) domain(t tenant.ID, d tenant.DomainID) (*tenant.Domain, error) {
	found := find(s.domains, func(o tenant.Domain) bool { return o.Tenant == t && o.ID == d })
	if found == nil {
		return nil, missing("domain")
	}
	return found, nil
}

// Domain implements tenant.DomainStore.
func (s *Store) Domain(_ context.Context, t tenant.ID, d tenant.DomainID) (tenant.Domain, error) {
	leave, err := s.enter("Domain")
	if err != nil {
		return tenant.Domain{}, err
	}
	defer leave()
	found, err := s.domain(t, d)
	if err != nil {
		return tenant.Domain{}, err
	}
	return *found, nil
}

// RecordCheck implements tenant.DomainStore.
func (s *Store) RecordCheck(_ context.Context, d tenant.Domain, was tenant.DomainState, fact *tenant.DomainFact) error {
	leave, err := s.enter("RecordCheck")
	if err != nil {
		return err
	}
	defer leave()
	found, err := s.domain(d.Tenant, d.ID)
	if err != nil {
		return err
	}
	if found.State != was {
		return fault.New(fault.Conflict, "domain_changed", "The state has changed.")
	}
	if d.Usable() && find(s.domains, func(o tenant.Domain) bool { return o.Name == d.Name && o.Tenant != d.Tenant && o.Usable() }) != nil {
		return fault.New(fault.Conflict, "domain_taken", "The domain is taken.")
	}
	found.State, found.GraceUntil, found.CheckedAt, found.Findings = d.State, d.GraceUntil, d.CheckedAt, d.Findings
	if fact != nil {
		s.note(d.Tenant, *fact)
	}
	return nil
}

func (s *Store) note(t tenant.ID, f tenant.DomainFact) {
	if s.facts == nil {
		s.facts = map[tenant.ID][]tenant.DomainFact{}
	}
	s.facts[t] = append(s.facts[t], f)
}

// RemoveDomain implements tenant.DomainStore.
func (s *Store) RemoveDomain(_ context.Context, t tenant.ID, d tenant.DomainID) error {
	leave, err := s.enter("RemoveDomain")
	if err != nil {
		return err
	}
	defer leave()
	if _, err := s.domain(t, d); err != nil {
		return err
	}
	s.domains = slices.DeleteFunc(s.domains, func(o tenant.Domain) bool { return o.Tenant == t && o.ID == d })
	s.dkim = slices.DeleteFunc(s.dkim, func(k tenant.DKIMKey) bool { return k.Tenant == t && k.Domain == d })
	s.facts[t] = slices.DeleteFunc(s.facts[t], func(f tenant.DomainFact) bool { return f.Domain == d })
	return nil
}

// ChangeKeys implements tenant.DomainStore.
func (s *Store) ChangeKeys(_ context.Context, c tenant.KeyChange) error {
	leave, err := s.enter("ChangeKeys")
	if err != nil {
		return err
	}
	defer leave()
	if _, err := s.domain(c.Tenant, c.Domain); err != nil {
		return err
	}
	for _, k := range c.Add {
		if find(s.dkim, func(o tenant.DKIMKey) bool { return o.Domain == c.Domain && o.Selector == k.Selector }) != nil {
			return fault.New(fault.Conflict, "selector_taken", "The selector is taken.")
		}
	}
	s.dkim = append(s.dkim, c.Add...)
	for i := range s.dkim {
		k := &s.dkim[i]
		switch {
		case k.Tenant != c.Tenant || k.Domain != c.Domain:
		case slices.Contains(c.Activate, k.ID):
			k.Active = true
		case slices.Contains(c.Retire, k.ID):
			k.Active, k.RetiredAt = false, c.At
		}
	}
	s.dkim = slices.DeleteFunc(s.dkim, func(k tenant.DKIMKey) bool {
		return k.Tenant == c.Tenant && !k.Active && slices.Contains(c.Remove, k.ID)
	})
	s.note(c.Tenant, c.Fact)
	return nil
}

// AddDomainFact implements tenant.DomainStore.
func (s *Store) AddDomainFact(_ context.Context, t tenant.ID, f tenant.DomainFact) error {
	leave, err := s.enter("AddDomainFact")
	if err != nil {
		return err
	}
	defer leave()
	s.note(t, f)
	return nil
}

// DomainFacts implements tenant.DomainStore.
func (s *Store) DomainFacts(_ context.Context, t tenant.ID, d tenant.DomainID, limit int) ([]tenant.DomainFact, error) {
	leave, err := s.enter("DomainFacts")
	if err != nil {
		return nil, err
	}
	defer leave()
	list := slices.DeleteFunc(slices.Clone(s.facts[t]), func(f tenant.DomainFact) bool { return f.Domain != d })
	slices.Reverse(list)
	return list[:min(limit, len(list))], nil
}

package tenanttest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// savedReport is a DMARC report with whose it is.
type savedReport struct {
	tenant tenant.ID
	domain string
	dmarc.Report
}

// DomainOwner implements tenant.DomainStore.
func (s *Store) DomainOwner(_ context.Context, d tenant.DomainID) (tenant.Domain, error) {
	leave, err := s.enter("DomainOwner")
	if err != nil {
		return tenant.Domain{}, err
	}
	defer leave()
	if found := find(s.domains, func(o tenant.Domain) bool { return o.ID == d }); found != nil {
		return *found, nil
	}
	return tenant.Domain{}, missing("domain")
}

// SaveDMARC implements tenant.DomainStore.
func (s *Store) SaveDMARC(_ context.Context, t tenant.ID, domain string, r dmarc.Report, _ time.Time, maxDay int) error {
	leave, err := s.enter("SaveDMARC")
	if err != nil {
		return err
	}
	defer leave()
	if len(s.reports) >= maxDay {
		return fault.New(fault.Limited, "reports_too_many", "Too many reports.")
	}
	for _, o := range s.reports {
		if o.tenant == t && o.domain == domain && o.Reporter == r.Reporter && o.ID == r.ID {
			return fault.New(fault.Conflict, "report_known", "The report is known.")
		}
	}
	s.reports = append(s.reports, savedReport{t, domain, r})
	return nil
}

// DMARCSources implements tenant.DomainStore; it does not sum rows up.
func (s *Store) DMARCSources(_ context.Context, t tenant.ID, domain string, from, to time.Time, limit int) ([]tenant.DMARCSource, error) {
	leave, err := s.enter("DMARCSources")
	if err != nil {
		return nil, err
	}
	defer leave()
	var list []tenant.DMARCSource
	for _, o := range s.reports {
		if o.tenant != t || o.domain != domain || o.Begin.Before(from) || !o.Begin.Before(to) {
			continue
		}
		for _, row := range o.Records {
			list = append(list, tenant.DMARCSource{Source: row.Source.String(), Signer: row.Signer, Sender: row.Sender,
				DKIM: row.DKIM, SPF: row.SPF, Disposition: row.Disposition, Messages: row.Messages})
		}
	}
	slices.SortStableFunc(list, func(a, b tenant.DMARCSource) int { return cmp.Compare(b.Messages, a.Messages) })
	return list[:min(limit, len(list))], nil
}

// DMARCDays implements tenant.DomainStore.
func (s *Store) DMARCDays(_ context.Context, t tenant.ID, domain string, from, to time.Time) ([]tenant.DMARCDay, error) {
	leave, err := s.enter("DMARCDays")
	if err != nil {
		return nil, err
	}
	defer leave()
	days := map[time.Time]*tenant.DMARCDay{}
	var list []tenant.DMARCDay
	for _, o := range s.reports {
		if o.tenant != t || o.domain != domain || o.Begin.Before(from) || !o.Begin.Before(to) {
			continue
		}
		day := o.Begin.Truncate(24 * time.Hour)
		if days[day] == nil {
			days[day] = &tenant.DMARCDay{Day: day}
		}
		for _, row := range o.Records {
			if row.DKIM || row.SPF {
				days[day].Aligned += row.Messages
			} else {
				days[day].Failed += row.Messages
			}
		}
	}
	for _, d := range days {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b tenant.DMARCDay) int { return a.Day.Compare(b.Day) })
	return list, nil
}

// DropDMARC implements tenant.DomainStore.
func (s *Store) DropDMARC(_ context.Context, t tenant.ID, before time.Time) error {
	leave, err := s.enter("DropDMARC")
	if err != nil {
		return err
	}
	defer leave()
	s.reports = slices.DeleteFunc(s.reports, func(o savedReport) bool { return o.tenant == t && o.Begin.Before(before) })
	return nil
}

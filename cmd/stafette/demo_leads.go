package main

import (
	"context"
	"fmt"

	"stafette/internal/changeover"
	"stafette/internal/demo"
	"stafette/internal/ingest"
)

// leads gives the estate agency advertisers, leads in every state, forms and a case.
func (s *demoSeeder) leads(ctx context.Context) error {
	owner := s.tenants[demo.Businesses()[0].Domain]
	for _, a := range demo.Advertisers() {
		if err := s.p.leads.SaveAdvertiser(ctx, owner, a); err != nil {
			return fmt.Errorf("seed advertiser: %w", err)
		}
	}
	for _, e := range demo.Enquiries() {
		r, err := s.p.leads.Submit(ctx, ingest.Principal{Tenant: owner, Actor: "demo", Door: "demo"}, e)
		if err != nil {
			return fmt.Errorf("seed lead: %w", err)
		}
		if r.Advertiser != demo.Advertisers()[1].ID {
			continue
		}
		if _, err := s.p.leadCases.Report(ctx, owner, demo.Complaint(r.Lead)); err != nil {
			return fmt.Errorf("seed case: %w", err)
		}
	}
	for _, f := range demo.EnquiryForms() {
		f.Tenant = owner
		if _, err := s.p.leadForms.Save(ctx, f); err != nil {
			return fmt.Errorf("seed form: %w", err)
		}
	}
	return nil
}

// demoChangeover plans the move to the demo's third source. It is a draft, so that whoever
// looks can go the whole way.
func demoChangeover(ctx context.Context, p *platform) error {
	plan := changeover.Defaults(p.store.Now())
	plan.Name = "Neue Versandserver"
	plan.Old, plan.New = []string{demoSource, demoNewSource}, []string{demoNextSource}
	if _, err := p.changeovers().Create(ctx, plan, byCommandLine); err != nil {
		return fmt.Errorf("seed changeover: %w", err)
	}
	return nil
}

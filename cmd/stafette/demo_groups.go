package main

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/demo"
	"stafette/internal/tenant"
)

// groups gives the estate agency groups, and imports the lists that fill them.
func (s *demoSeeder) groups(ctx context.Context) error {
	owner := s.tenants[demo.Businesses()[0].Domain]
	for _, l := range demo.Lists() {
		g, err := s.p.groups().Create(ctx, owner, l.Group, s.by(ctx, owner))
		if err != nil {
			return fmt.Errorf("seed group: %w", err)
		}
		if g.Kind == audience.Dynamic {
			continue
		}
		if err := s.enlist(ctx, owner, g.ID, l); err != nil {
			return err
		}
	}
	return nil
}

// enlist imports the list of a group.
func (s *demoSeeder) enlist(ctx context.Context, owner tenant.ID, g audience.GroupID, l demo.List) error {
	i, err := s.p.intake.Receive(ctx, owner, g, l.File, s.by(ctx, owner), strings.NewReader(l.Rows))
	if err != nil {
		return fmt.Errorf("seed list: %w", err)
	}
	i.Plan.Source = l.Source
	if _, err := s.p.intake.Start(ctx, owner, i.ID, i.Plan); err != nil {
		return fmt.Errorf("seed import: %w", err)
	}
	for n := 1; n > 0; {
		if n, err = s.p.intake.Turn(ctx); err != nil {
			return fmt.Errorf("seed members: %w", err)
		}
	}
	return nil
}

// samples gives the studio a group with an open question and the wine merchant one that is
// rejected.
func (s *demoSeeder) samples(ctx context.Context) error {
	list, err := demo.Samples()
	if err != nil {
		return err
	}
	for _, one := range list {
		owner := s.tenants[one.Domain]
		g, err := s.p.groups().Create(ctx, owner, one.Group, s.by(ctx, owner))
		if err != nil {
			return fmt.Errorf("seed group: %w", err)
		}
		if err := s.enlist(ctx, owner, g.ID, one.List); err != nil {
			return err
		}
		c, err := s.p.approvals.Submit(ctx, owner, g.ID, one.Said, s.by(ctx, owner))
		if err != nil {
			return fmt.Errorf("seed approval of %s: %w", g.Name, err)
		}
		if err := s.decide(ctx, approval.Verdict{Case: c.ID, Decision: one.Decision, Reason: one.Reason}); err != nil {
			return fmt.Errorf("seed approval of %s: %w", g.Name, err)
		}
	}
	return nil
}

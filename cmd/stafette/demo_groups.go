package main

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/demo"
)

// groups gives the estate agency groups, and imports the lists that fill them.
func (s *demoSeeder) groups(ctx context.Context) error {
	owner := s.tenants[demo.Businesses()[0].Domain]
	for _, l := range demo.Lists() {
		g, err := s.p.groups().Create(ctx, owner, l.Group, "demo")
		if err != nil {
			return fmt.Errorf("seed group: %w", err)
		}
		if g.Kind == audience.Dynamic {
			continue
		}
		i, err := s.p.intake.Receive(ctx, owner, g.ID, l.File, "demo", strings.NewReader(l.Rows))
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
	}
	return nil
}

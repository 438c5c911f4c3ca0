package changeover

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/egress"
)

// Finish ends the overlap: the new sources take the places of the old ones in the pools,
// and the old ones are retired, all as revisions of egress. Of one tenant's changeover
// the old sources stay for others, and the tenant's mail is assigned to a pool of the new
// ones. Conflict "changeover_stage" unless all mail goes over the new sources. What was
// done before a failure stays done; it can be repeated.
func (s *Service) Finish(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if c.Stage != Overlap {
		return c, notNow()
	}
	ways, err := s.cfg.Planner.Ways(ctx)
	if err != nil {
		return c, fmt.Errorf("read plan of egress: %w", err)
	}
	if c.Tenant.IsZero() {
		err = s.replace(ctx, c, ways, by)
	} else {
		err = s.assign(ctx, c, ways, by)
	}
	if err != nil {
		return c, err
	}
	c.Stage = Done
	return s.put(ctx, c, by, "done", "")
}

// replace puts the new sources where the old ones were, and retires those.
func (s *Service) replace(ctx context.Context, c Changeover, ways egress.Ways, by string) error {
	for _, pool := range ways.Pools {
		next, changed := replaced(pool, c)
		if !changed {
			continue
		}
		if err := s.cfg.Planner.SavePool(ctx, next, by, egress.AnyVersion); err != nil {
			return fmt.Errorf("put new sources into pool %s: %w", pool.Name, err)
		}
	}
	for _, name := range c.Old {
		v, there := ways.Source(name)
		if !there || v.State == egress.StateRetired {
			continue
		}
		v.State = egress.StateRetired
		if err := s.cfg.Planner.SaveSource(ctx, v, nil, by, egress.AnyVersion); err != nil {
			return fmt.Errorf("retire source %s: %w", name, err)
		}
	}
	return nil
}

// replaced is a pool with the new sources in place of the old ones.
func replaced(pool egress.Pool, c Changeover) (egress.Pool, bool) {
	has := func(name string) bool {
		return slices.ContainsFunc(pool.Members, func(m egress.Member) bool { return m.Source == name })
	}
	if !slices.ContainsFunc(c.Old, has) {
		return pool, false
	}
	next := egress.Pool{Name: pool.Name}
	for _, m := range pool.Members {
		if !slices.Contains(c.Old, m.Source) {
			next.Members = append(next.Members, m)
		}
	}
	for _, name := range c.New {
		if !has(name) {
			next.Members = append(next.Members, egress.Member{Source: name, Weight: -1})
		}
	}
	return next, true
}

// assign gives a tenant a pool of the new sources, for all mail that left over old ones.
func (s *Service) assign(ctx context.Context, c Changeover, ways egress.Ways, by string) error {
	pool := egress.Pool{Name: strings.ReplaceAll(c.ID.String(), "_", "-")}
	for _, name := range c.New {
		pool.Members = append(pool.Members, egress.Member{Source: name, Weight: -1})
	}
	if err := s.cfg.Planner.SavePool(ctx, pool, by, egress.AnyVersion); err != nil {
		return fmt.Errorf("make pool of new sources: %w", err)
	}
	own := []egress.Assignment{{Tenant: c.Tenant, Pool: pool.Name}}
	for _, a := range ways.Assignments {
		old, _ := ways.Pool(a.Pool)
		if _, moved := replaced(old, c); moved && a.Tenant == c.Tenant && a.Stream != "" {
			own = append(own, egress.Assignment{Tenant: c.Tenant, Stream: a.Stream, Pool: pool.Name})
		}
	}
	for _, a := range own {
		if err := s.cfg.Planner.Assign(ctx, a, by, egress.AnyVersion); err != nil {
			return fmt.Errorf("assign mail to the new sources: %w", err)
		}
	}
	return nil
}

// Withdraw takes back a draft, or ends one that was rolled back: the pools hold again as
// they were. Conflict "changeover_stage" in any other stage.
func (s *Service) Withdraw(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if c.Stage != Draft && c.Stage != RolledBack {
		return c, notNow()
	}
	c.Stage = Done
	return s.put(ctx, c, by, "withdrawn", "")
}

// shiftOf reads a shift out of a revision.
func shiftOf(text string) (s egress.Shift, ok bool) {
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

type poolCmd struct {
	List   poolListCmd   `cmd:"" help:"List pools and whose mail leaves from which."`
	Set    poolSetCmd    `cmd:"" help:"Add a pool or replace its members."`
	Remove poolRemoveCmd `cmd:"" help:"Remove a pool that nothing is assigned to."`
	Assign poolAssignCmd `cmd:"" help:"Send a tenant's or stream's mail to a pool."`
}

type poolListCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints pools and assignments.
func (c poolListCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		plan, err := b.store.Plan(ctx)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(struct {
				Pools       []egress.Pool       `json:"pools"`
				Assignments []egress.Assignment `json:"assignments"`
			}{plan.Pools, plan.Assignments})
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		for _, pool := range plan.Pools {
			var list []string
			for _, m := range pool.Members {
				if m.Weight >= 0 {
					list = append(list, m.Source+"="+strconv.Itoa(m.Weight))
				} else {
					list = append(list, m.Source)
				}
			}
			fmt.Fprintf(t, "pool\t%s\t%s\n", pool.Name, strings.Join(list, " "))
		}
		for _, a := range plan.Assignments {
			fmt.Fprintf(t, "assign\t%s\t%s\n", a.Name(), a.Pool)
		}
		return t.Flush()
	})
}

type poolSetCmd struct {
	Name    string   `arg:"" help:"Name of the pool."`
	Members []string `arg:"" optional:"" help:"Sources, each with its weight here if it has another one: post1 or post1=20."`
}

// Run saves the pool.
func (c poolSetCmd) Run(ctx context.Context, con *console) error {
	pool := egress.Pool{Name: c.Name}
	for _, text := range c.Members {
		source, weight, given := strings.Cut(text, "=")
		m := egress.Member{Source: source, Weight: -1}
		if given {
			var err error
			if m.Weight, err = strconv.Atoi(weight); err != nil || m.Weight < 0 {
				return usageError{fmt.Errorf("%q is not a source with a weight", text)}
			}
		}
		pool.Members = append(pool.Members, m)
	}
	return withBase(ctx, con, func(b *base) error {
		return said(b.newPlanner(nil).SavePool(ctx, pool, byCommandLine, egress.AnyVersion))
	})
}

type poolRemoveCmd struct {
	Name string `arg:"" help:"Name of the pool."`
}

// Run removes the pool.
func (c poolRemoveCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		return b.newPlanner(nil).RemovePool(ctx, c.Name, byCommandLine, egress.AnyVersion)
	})
}

type poolAssignCmd struct {
	Pool   string `arg:"" optional:"" help:"Name of the pool; without it the assignment ends."`
	Tenant string `help:"Only mail of this tenant (ten_…)."`
	Stream string `help:"Only mail of this stream."`
}

// Run assigns, or ends an assignment.
func (c poolAssignCmd) Run(ctx context.Context, con *console) error {
	a := egress.Assignment{Stream: tenant.Stream(c.Stream), Pool: c.Pool}
	if c.Tenant != "" {
		var err error
		if a.Tenant, err = id.Parse[tenant.Kind](c.Tenant); err != nil {
			return usageError{fmt.Errorf("--tenant: %w", err)}
		}
	}
	return withBase(ctx, con, func(b *base) error {
		return b.newPlanner(nil).Assign(ctx, a, byCommandLine, egress.AnyVersion)
	})
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"text/tabwriter"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/id"
	"stafette/internal/returns"
	"stafette/internal/tenant"
	"stafette/internal/web/changeovers"
)

// changeoversEvery is how often changeovers are moved on by their plans.
const changeoversEvery = time.Minute

// newChangeovers makes the service that plans and carries out changeovers. changed is told
// when the plan of egress changed; certificate may be nil where no door is open.
func (b *base) newChangeovers(changed func(context.Context), certificate func() (time.Time, bool)) *changeover.Service {
	return changeover.New(changeover.Config{
		Store: b.store, Planner: b.newPlanner(changed), Tenants: b.store, Lookup: b.resolver, DNSBL: b.config.Egress.DNSBL,
		SPF: func(ctx context.Context, domain string, addr netip.Addr) string {
			return returns.SPF(ctx, b.resolver, domain, addr)
		},
		Certificate: certificate, Now: b.store.Now, Log: b.log,
	})
}

// changeovers is the service of a process that serves.
func (p *platform) changeovers() *changeover.Service {
	follow := func(ctx context.Context) {
		if err := p.steward.Read(ctx); err != nil {
			p.log.Warn("changed plan not read", "err", err)
		}
		p.published.Wake()
	}
	return p.newChangeovers(follow, p.cert.validity)
}

// validity is until when the certificate is valid, and whether others can verify it.
func (k *certificate) validity() (until time.Time, verifiable bool) {
	return k.pair.Load().Leaf.NotAfter, k.host == ""
}

// changeoverPages is what the pages about changeovers stand on.
func (p *platform) changeoverPages() changeovers.Config {
	return changeovers.Config{Service: p.changeovers(), People: p.store, Plan: p.store.Plan, Left: p.surveyor.Left}
}

// moveChangeovers moves changeovers on by their plans.
func (p *platform) moveChangeovers(ctx context.Context, now time.Time) error {
	return p.changeovers().Tick(ctx, now)
}

// sweepChangeovers forgets whose mail fell back once that is long over.
func (p *platform) sweepChangeovers(ctx context.Context, now time.Time) error {
	return p.changeovers().Sweep(ctx, now)
}

type changeoverCmd struct {
	List     changeoverListCmd     `cmd:"" help:"List changeovers and where they stand."`
	Show     changeoverShowCmd     `cmd:"" help:"Show one: plan, checks, customers on fallback."`
	Start    changeoverStartCmd    `cmd:"" help:"Check a draft and start it."`
	Pause    changeoverPauseCmd    `cmd:"" help:"Freeze the share over the new sources."`
	Resume   changeoverResumeCmd   `cmd:"" help:"Go on after a pause or roll-back."`
	Rollback changeoverRollbackCmd `cmd:"" help:"Return all mail to the old sources at once."`
}

type changeoverListCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints the changeovers.
func (c changeoverListCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		list, err := b.store.Changeovers(ctx, tenant.ID{})
		if err != nil {
			return err
		}
		if c.Output == "json" {
			shown := make([]shownChangeover, len(list))
			for i, v := range list {
				shown[i] = shownChangeover{ID: v.ID.String(), Stage: v.Stage, Changeover: v}
			}
			return json.NewEncoder(con.stdout).Encode(shown)
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tNAME\tSTAGE\tSHARE\tCUT-OVER\tOVERLAP UNTIL")
		for _, v := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d %%\t%s\t%s\n", v.ID, v.Name, v.Stage, v.Share, v.CutoverAt.Format(time.RFC3339), v.OverlapUntil.Format(time.RFC3339))
		}
		return t.Flush()
	})
}

// shownChangeover is a changeover in JSON.
type shownChangeover struct {
	ID    string           `json:"id"`
	Stage changeover.Stage `json:"stage"`
	changeover.Changeover
	Marks []changeover.Mark `json:",omitempty"`
}

type changeoverShowCmd struct {
	ID     string `arg:"" help:"Changeover (chg_…)."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints one changeover.
func (c changeoverShowCmd) Run(ctx context.Context, con *console) error {
	return withChangeover(ctx, con, c.ID, func(b *base, which changeover.ID) error {
		v, err := b.store.Changeover(ctx, which)
		if err != nil {
			return err
		}
		marks, err := b.store.FallbackMarks(ctx, tenant.ID{}, which)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(shownChangeover{v.ID.String(), v.Stage, v, marks})
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintf(t, "name\t%s\nstage\t%s\nshare\t%d %%\nold\t%v\nnew\t%v\n", v.Name, v.Stage, v.Share, v.Old, v.New)
		fmt.Fprintf(t, "announced\t%s\ntest from\t%s\ncut-over\t%s\noverlap until\t%s\n", v.AnnounceAt.Format(time.RFC3339), v.TestFrom.Format(time.RFC3339),
			v.CutoverAt.Format(time.RFC3339), v.OverlapUntil.Format(time.RFC3339))
		for _, s := range v.Steps {
			fmt.Fprintf(t, "step\t%s\t%d %%\n", s.At.Format(time.RFC3339), s.Share)
		}
		for _, k := range v.Checks {
			fmt.Fprintf(t, "check\t%s\t%s\t%s\t%s\n", k.Kind, k.Verdict, k.Subject, k.Problem)
		}
		for _, m := range marks {
			fmt.Fprintf(t, "fallback\t%s\t%d\t%s\t%s\n", m.Domain, m.Count, m.Source, m.Reply)
		}
		return t.Flush()
	})
}

type changeoverStartCmd struct {
	ID string `arg:"" help:"Changeover (chg_…)."`
}

// Run starts it, or prints the checks that block.
func (c changeoverStartCmd) Run(ctx context.Context, con *console) error {
	return withChangeover(ctx, con, c.ID, func(b *base, which changeover.ID) error {
		v, err := b.newChangeovers(nil, nil).Start(ctx, which, byCommandLine)
		for _, k := range v.Blocking() {
			fmt.Fprintf(con.stdout, "%s %s: %s %s\n", k.Kind, k.Subject, k.Problem, k.Have)
		}
		return said(err)
	})
}

type changeoverPauseCmd struct {
	ID string `arg:"" help:"Changeover (chg_…)."`
}

// Run pauses it.
func (c changeoverPauseCmd) Run(ctx context.Context, con *console) error {
	return withChangeover(ctx, con, c.ID, func(b *base, which changeover.ID) error {
		_, err := b.newChangeovers(nil, nil).Pause(ctx, which, byCommandLine)
		return said(err)
	})
}

type changeoverResumeCmd struct {
	ID string `arg:"" help:"Changeover (chg_…)."`
}

// Run resumes it.
func (c changeoverResumeCmd) Run(ctx context.Context, con *console) error {
	return withChangeover(ctx, con, c.ID, func(b *base, which changeover.ID) error {
		_, err := b.newChangeovers(nil, nil).Resume(ctx, which, byCommandLine)
		return said(err)
	})
}

type changeoverRollbackCmd struct {
	ID string `arg:"" help:"Changeover (chg_…)."`
}

// Run rolls it back. Running nodes follow within ten seconds.
func (c changeoverRollbackCmd) Run(ctx context.Context, con *console) error {
	return withChangeover(ctx, con, c.ID, func(b *base, which changeover.ID) error {
		_, err := b.newChangeovers(nil, nil).RollBack(ctx, which, byCommandLine)
		return said(err)
	})
}

// withChangeover reads the identifier and opens what commands stand on.
func withChangeover(ctx context.Context, con *console, text string, do func(*base, changeover.ID) error) error {
	which, err := id.Parse[changeover.Kind](text)
	if err != nil {
		return usageError{fmt.Errorf("%q is no changeover: %w", text, err)}
	}
	return withBase(ctx, con, func(b *base) error { return do(b, which) })
}

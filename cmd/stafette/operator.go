package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// newOperator does what people command about the queue. changed is told when mail may
// have fallen due or orders changed; nil where no queue runs in this process. siteOf names the
// site of a domain's mail.
func (b *base) newOperator(fleet *egress.Fleet, changed func(context.Context), siteOf func(context.Context, string) string) *queue.Operator {
	return queue.NewOperator(queue.OperatorConfig{
		Store: b.store, Sealer: b.keeper, Now: b.store.Now, Changed: changed, SiteOf: siteOf,
		CheckDetour: func(pool, nextHop string) error {
			if nextHop != "" {
				if _, err := egress.NewRoutes([]egress.Route{{Domain: "*", NextHop: nextHop}}); err != nil {
					return fault.Field("next_hop", "next_hop_malformed", "The next hop is not of the form host:port.")
				}
				return nil
			}
			if !slices.ContainsFunc(fleet.Plan().Pools, func(p egress.Pool) bool { return p.Name == pool }) {
				return fault.Field("pool", "pool_unknown", "There is no such pool.")
			}
			return nil
		},
	})
}

// follow makes this node know at once what others learn within a second.
func (p *platform) follow(ctx context.Context) {
	if err := p.orders.Refresh(ctx); err != nil {
		p.log.Warn("orders about the queue not read", "err", err)
	}
	p.runner.Wake()
}

// queueApply is what all commands on the queue have in common.
type queueApply struct {
	selector
	Site    string `help:"Only mail to this site, as lanes name it."`
	Reason  string `help:"Why, for the log of commands."`
	DryRun  bool   `help:"Only show what would be touched, and the token that confirms it."`
	Confirm string `placeholder:"TOKEN" help:"Do what a dry run showed, and nothing more."`
	All     bool   `help:"Needed when nothing narrows the choice."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// orderTerms are those of a standing order.
type orderTerms struct {
	For     time.Duration `help:"It ends by itself after so long."`
	pool    string
	nextHop string
}

func (q queueApply) run(ctx context.Context, con *console, command queue.Command, terms orderTerms) error {
	by := queue.Caller{Platform: true, Actor: "operator"}
	act := queue.Act{Command: command, Site: q.Site, Pool: terms.pool, NextHop: terms.nextHop, Reason: q.Reason}
	if order, err := id.Parse[queue.OrderKind](q.ID); err == nil {
		act.Order, q.ID, q.All = order, "", true
	}
	var err error
	if act.Selection, err = q.selection(); err != nil {
		return err
	}
	narrow := q.ID != "" || q.Tenant != "" || q.Message != "" || q.Delivery != "" || q.Domain != "" || q.Stream != "" || q.State != "" || q.Tag != "" || q.Site != ""
	if !narrow && !q.All && q.Confirm == "" {
		return usageError{fmt.Errorf("say which deliveries, or --all")}
	}
	return withBase(ctx, con, func(b *base) error {
		fleet, err := b.newFleet(ctx, false)
		if err != nil {
			return err
		}
		if terms.For > 0 {
			act.Expires = b.store.Now().Add(terms.For)
		}
		operator, token := b.newOperator(fleet, nil, b.offlineSites(fleet)), q.Confirm
		if token == "" {
			v, err := operator.Preview(ctx, by, act)
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			if q.DryRun {
				return q.show(con.stdout, v)
			}
			token = v.Token
		}
		l, err := operator.Perform(ctx, by, token, func(changed, planned int64) {
			fmt.Fprintf(con.stderr, "\r%d of %d deliveries", changed, planned)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		return q.tell(con, l)
	})
}

// tell says what was done and what takes it back.
func (q queueApply) tell(con *console, l queue.LogEntry) error {
	if q.Output == "json" {
		return json.NewEncoder(con.stdout).Encode(l)
	}
	fmt.Fprintf(con.stderr, "\r%d deliveries changed\n", l.Changed)
	if !l.Order.IsZero() {
		fmt.Fprintln(con.stdout, l.Order)
		if l.Undo() == queue.Resume {
			fmt.Fprintf(con.stderr, "in force on all nodes within two seconds; it ends with: stafette queue resume %s\n", l.Order)
		}
	}
	return nil
}

// show prints a preview.
func (q queueApply) show(w io.Writer, v queue.Preview) error {
	if q.Output == "json" {
		return json.NewEncoder(w).Encode(v)
	}
	fmt.Fprintf(w, "%s would touch %d deliveries\n", v.Act.Command, v.Total)
	for _, s := range v.Act.Command.From() {
		if n := v.States[s]; n > 0 {
			fmt.Fprintf(w, "  %-9s %d\n", s, n)
		}
	}
	if !v.Oldest.IsZero() {
		fmt.Fprintf(w, "oldest accepted %s\n", v.Oldest.Format(time.RFC3339))
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, c := range v.Tenants {
		fmt.Fprintf(t, "tenant\t%s\t%s\t%d\n", c.Tenant, c.Name, c.Count)
	}
	for _, c := range v.Domains {
		fmt.Fprintf(t, "domain\t%s\t\t%d\n", c.Name, c.Count)
	}
	for _, l := range v.Sample {
		fmt.Fprintf(t, "sample\t%s\t%s\t%s\n", l.Delivery, l.State, l.Recipient)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nto do exactly this, until %s:\n  --confirm %s\n", v.Expires.Format(time.TimeOnly), v.Token)
	return nil
}

type queueSuspendCmd struct {
	queueApply
	orderTerms `embed:""`
}

// Run lets nothing leave from the selection until resumed.
func (q queueSuspendCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Suspend, q.orderTerms)
}

type queueRerouteCmd struct {
	queueApply
	orderTerms `embed:""`
	Pool       string `help:"Pool of sources to use."`
	NextHop    string `help:"Server to send to instead of the domain's own, host:port."`
}

// Run sends the selection another way for a time.
func (q queueRerouteCmd) Run(ctx context.Context, con *console) error {
	q.pool, q.nextHop = q.Pool, q.NextHop
	return q.run(ctx, con, queue.Reroute, q.orderTerms)
}

type queueOrdersCmd struct {
	All    bool   `help:"Also those that are over."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run lists orders.
func (q queueOrdersCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		list, err := b.store.Orders(ctx, [16]byte{}, b.store.Now(), q.All)
		if err != nil {
			return err
		}
		if q.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(list)
		}
		named := b.namer(ctx)
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "ORDER\tCOMMAND\tTENANT\tSTREAM\tTAG\tDOMAIN\tSITE\tTO\tEXPIRES\tACTOR\tREASON")
		for _, o := range list {
			expires := "-"
			if !o.Expires.IsZero() {
				expires = o.Expires.Format(time.RFC3339)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.ID, o.Command, named(o.Scope.Tenant), o.Scope.Stream, o.Scope.Tag,
				o.Scope.Domain, o.Scope.Site, o.Pool+o.NextHop, expires, o.Actor, o.Reason)
		}
		return t.Flush()
	})
}

// namer returns what tells people whose something is: the name of a tenant and its
// identifier, which alone is told where the name cannot be read.
func (b *base) namer(ctx context.Context) func(tenant.ID) string {
	known := map[tenant.ID]string{{}: "-"}
	return func(t tenant.ID) string {
		if _, ok := known[t]; !ok {
			known[t] = t.String()
			if found, err := b.store.Tenant(ctx, t); err == nil {
				known[t] = found.Name + " (" + t.String() + ")"
			}
		}
		return known[t]
	}
}

type queueLogCmd struct {
	Limit  int    `default:"50" help:"At most so many."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run lists what was commanded.
func (q queueLogCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		list, err := b.store.Log(ctx, [16]byte{}, q.Limit)
		if err != nil {
			return err
		}
		if q.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(list)
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "WHEN\tCOMMAND\tPLANNED\tCHANGED\tFINISHED\tACTOR\tORDER\tREASON")
		for _, l := range list {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%t\t%s\t%s\t%s\n", l.At.Format(time.RFC3339), l.Act.Command, l.Planned, l.Changed, !l.Finished.IsZero(), l.Actor, l.Order, l.Reason)
		}
		return t.Flush()
	})
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"

	"github.com/prometheus/client_golang/prometheus"
)

type resolveCmd struct {
	Target string `arg:"" help:"A recipient domain, or a delivery that waits (dlv_…)."`
	Tenant string `help:"As mail of this tenant (ten_…)."`
	Stream string `help:"As mail of this stream."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run asks the running process. Where none answers it explains from configuration,
// database and name server: what only a running process knows is then left out.
func (r resolveCmd) Run(ctx context.Context, con *console) error {
	q := delivery.Question{Domain: r.Target, Stream: tenant.Stream(r.Stream), Offline: true}
	var err error
	if r.Tenant != "" {
		if q.Tenant, err = id.Parse[tenant.Kind](r.Tenant); err != nil {
			return usageError{fmt.Errorf("--tenant: %w", err)}
		}
	}
	if q.Stream != "" && !q.Stream.Valid() {
		return usageError{fmt.Errorf("--stream: unknown %q", r.Stream)}
	}
	if x, err := r.live(ctx, con); err == nil {
		return r.print(con, x)
	}
	return withBase(ctx, con, func(b *base) error {
		var waits *queue.Listed
		if strings.HasPrefix(r.Target, message.DeliveryKind{}.Prefix()+"_") {
			if waits, err = b.waiting(ctx, r.Target); err != nil {
				return err
			}
			q.Domain, q.Tenant, q.Stream, q.Delivery = waits.Recipient.Domain, waits.Tenant, waits.Stream, waits.Delivery
		}
		x, err := b.explain(ctx, q)
		if err != nil {
			return err
		}
		if waits != nil && waits.DueAt.After(b.store.Now()) {
			x.Delay(waits.DueAt, waits.Reason)
		}
		return r.print(con, x)
	})
}

func (r resolveCmd) print(con *console, x egress.Explanation) error {
	if r.Output == "json" {
		return json.NewEncoder(con.stdout).Encode(x)
	}
	return printExplanation(con.stdout, x)
}

// live asks the running process.
func (r resolveCmd) live(ctx context.Context, con *console) (egress.Explanation, error) {
	params := url.Values{"domain": {r.Target}, "tenant": {r.Tenant}, "stream": {r.Stream}}
	if strings.HasPrefix(r.Target, message.DeliveryKind{}.Prefix()+"_") {
		params = url.Values{"delivery": {r.Target}}
	}
	var x egress.Explanation
	err := con.ask(ctx, http.MethodGet, "/explain", params, &x)
	return x, err
}

// waiting finds a delivery in the queue.
func (b *base) waiting(ctx context.Context, text string) (*queue.Listed, error) {
	d, err := id.Parse[message.DeliveryKind](text)
	if err != nil {
		return nil, usageError{err}
	}
	list, err := b.store.List(ctx, queue.Selection{Platform: true, Delivery: d, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("find delivery: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s does not wait: it is over, or there is no such delivery", text)
	}
	return &list[0], nil
}

// explain asks an engine that does not run, and changes nothing.
func (b *base) explain(ctx context.Context, q delivery.Question) (egress.Explanation, error) {
	fleet, err := b.newFleet(ctx, false)
	if err != nil {
		return egress.Explanation{}, err
	}
	// What the database knows of alarms and counts, without adding to it.
	if err := (&egress.Keeper{Fleet: fleet, Store: b.store}).Read(ctx); err != nil {
		b.log.Warn("alarms and counts are missing", "err", err)
	}
	engine, err := b.idleEngine(fleet)
	if err != nil {
		return egress.Explanation{}, err
	}
	return engine.Explain(ctx, q), nil
}

// idleEngine is an engine that does not run: it only says where mail would go.
func (b *base) idleEngine(fleet *egress.Fleet) (*delivery.Engine, error) {
	reasons, err := bounce.Load()
	if err != nil {
		return nil, err
	}
	p := &platform{base: b, metrics: prometheus.NewRegistry(), fleet: fleet, guard: b.config.guard(fleet.Plan().Sources)}
	p.runner = queue.NewRunner(queue.Config{Store: b.store, Node: b.config.Node, Now: b.store.Now})
	return newEngine(p, reasons)
}

// offlineSites finds sites without a running engine. The engine is made when first asked.
func (b *base) offlineSites(fleet *egress.Fleet) func(context.Context, string) string {
	engine := sync.OnceValues(func() (*delivery.Engine, error) { return b.idleEngine(fleet) })
	return func(ctx context.Context, domain string) string {
		e, err := engine()
		if err != nil {
			b.log.Warn("sites cannot be found", "err", err)
			return ""
		}
		return e.FindSite(ctx, domain)
	}
}

func printExplanation(w io.Writer, x egress.Explanation) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("domain", "%s", x.Domain)
	if x.Problem != "" {
		line("problem", "%s", x.Problem)
	}
	if x.Provider != "" {
		line("provider", "%s", x.Provider)
	}
	line("site", "%s", x.Site)
	for _, h := range x.Hosts {
		line("host", "%s %s %s", h.Host, strings.Join(h.Addresses, " "), h.Problem)
	}
	for _, n := range x.Notes {
		line("note", "%s", n)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nLIMIT\tVALUE\tFROM")
	for _, l := range x.Limits {
		from := l.From
		if from == "" {
			from = string(l.Layer)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", l.Limit, l.Value, from)
	}
	fmt.Fprintf(t, "\nSOURCE (pool %s)\tSTATE\tSHARE\tWARM-UP\tNOW\n", x.Pool)
	for _, s := range x.Sources {
		fmt.Fprintf(t, "%s\t%s\t%.1f %%\t%s\t%s\n", s.Source, s.State, 100*s.Share, warmUp(s.WarmUp), waitingText(s.Hindered))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for i := range x.Waiting {
		line("waits", "%s", waitingText(&x.Waiting[i]))
	}
	if len(x.Waiting) == 0 {
		line("waits", "for nothing that is known without asking a running node")
	}
	return nil
}

func warmUp(u *egress.WarmUp) string {
	if u == nil {
		return "-"
	}
	return fmt.Sprintf("day %d of %d: %d of %d sent", u.Number, u.Days, u.Sent, u.Limit)
}

func waitingText(v *egress.Waiting) string {
	if v == nil {
		return "may send"
	}
	text := string(v.Why)
	if v.Source != "" {
		text += " " + v.Source
	}
	if !v.Until.IsZero() {
		text += " until " + v.Until.Format(time.RFC3339)
	}
	if v.Rule != "" {
		text += " (rule " + v.Rule + ")"
	}
	if v.Reply != "" {
		text += ": " + v.Reply
	}
	return text
}

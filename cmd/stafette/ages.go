package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

type queueAgesCmd struct {
	By     string `enum:"state,tenant,stream,domain,site" default:"state" help:"state, tenant, stream, domain or site."`
	Limit  int    `default:"50" help:"At most so many lines."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run asks the running process, which knows the sites; where none answers it looks
// itself.
func (q queueAgesCmd) Run(ctx context.Context, con *console) error {
	var a queue.Ages
	asked := con.ask(ctx, http.MethodGet, "/ages", nil, &a)
	if asked == nil && (q.Output == "json" || queue.AgeBy(q.By) != queue.ByTenant) {
		return q.print(con.stdout, a)
	}
	return withBase(ctx, con, func(b *base) error {
		if asked != nil {
			var err error
			if a, err = queue.NewAgeBook(b.store, nil, b.store.Now).Ages(ctx); err != nil {
				return err
			}
		}
		if q.Output == "text" {
			nameTenants(a.By[queue.ByTenant], b.namer(ctx))
		}
		return q.print(con.stdout, a)
	})
}

// nameTenants puts names where the book has identifiers.
func nameTenants(list []queue.AgeLine, named func(tenant.ID) string) {
	for i := range list {
		if t, err := id.Parse[tenant.Kind](list[i].Name); err == nil {
			list[i].Name = named(t)
		}
	}
}

func (q queueAgesCmd) print(w io.Writer, a queue.Ages) error {
	if q.Output == "json" {
		return json.NewEncoder(w).Encode(a)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tWAITING\tOLDEST\tP50\tP95")
	line := func(name string, l queue.AgeLine) {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", name, l.Count, a.At.Sub(l.Oldest).Round(time.Second), l.P50.Round(time.Second), l.P95.Round(time.Second))
	}
	if a.All.Count > 0 {
		line("(all)", a.All)
	}
	list := a.By[queue.AgeBy(q.By)]
	for _, l := range list[:min(len(list), max(q.Limit, 0))] {
		name := l.Name
		if name == "" {
			name = "(not known)"
		}
		line(name, l)
	}
	if a.Sampled {
		fmt.Fprintln(t, "estimated from a sample, but for counts and oldest by state and tenant")
	}
	return t.Flush()
}

// ageGauges tell machines that watch how long mail has waited. Nothing but the state is
// in the labels: tenants and domains are as many as the world has.
type ageGauges struct {
	book                 *queue.AgeBook
	log                  *slog.Logger
	waiting, oldest, age *prometheus.Desc
}

func newAgeGauges(book *queue.AgeBook, log *slog.Logger) *ageGauges {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("stafette_queue_"+name, help, labels, nil)
	}
	return &ageGauges{
		book: book, log: log,
		waiting: describe("waiting", "Deliveries that wait, on all nodes.", "state"),
		oldest:  describe("oldest_seconds", "Since when the oldest of them was accepted.", "state"),
		age:     describe("age_seconds", "How long deliveries have waited since they were accepted.", "state", "quantile"),
	}
}

// Describe implements prometheus.Collector.
func (g *ageGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.waiting, g.oldest, g.age} {
		ch <- d
	}
}

// agePatience bounds how long a question for metrics waits for the database.
const agePatience = 5 * time.Second

// Collect implements prometheus.Collector. Where the database does not answer, the other
// metrics must still be told.
func (g *ageGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), agePatience)
	defer cancel()
	a, err := g.book.Ages(ctx)
	if err != nil {
		g.log.Warn("ages of waiting mail not told", "err", err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	known := map[string]bool{}
	for _, l := range a.By[queue.ByState] {
		known[l.Name] = true
		gauge(g.waiting, float64(l.Count), l.Name)
		gauge(g.oldest, a.At.Sub(l.Oldest).Seconds(), l.Name)
		gauge(g.age, l.P50.Seconds(), l.Name, "0.5")
		gauge(g.age, l.P95.Seconds(), l.Name, "0.95")
	}
	for _, s := range []event.State{event.Queued, event.Deferred, event.Held} {
		if !known[string(s)] {
			gauge(g.waiting, 0, string(s))
			gauge(g.oldest, 0, string(s))
		}
	}
}

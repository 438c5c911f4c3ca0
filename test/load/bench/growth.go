package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"stafette/internal/queue"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/test/load/chart"
	"stafette/test/load/history"
	"stafette/test/load/inject"
	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
	"stafette/test/load/usage"
)

// Growth measures how Stafette fares while its tables fill.
type Growth struct {
	Binary   string
	Domain   string
	Sizes    []int // deliveries in the tables, rising
	Messages int   // per round and size
	Rounds   int   // at each size, against a fresh instance
	Searches int   // per size
	Progress func(line string)
}

// Step is what was measured at one size.
type Step struct {
	Deliveries int
	Rate       []float64     // messages per second, by round
	Ratio      []float64     // of the rate to that of a fresh instance in the same round
	CPU        []float64     // the same of processor time per message
	Claim      time.Duration // of 1,000 due deliveries, median
	Search     []time.Duration
}

// claims is how many times a claim is measured, claimed how many deliveries each takes.
const claims, claimed = 7, 1000

// Run fills one instance step by step.
func (g Growth) Run(ctx context.Context) ([]Step, error) {
	far, err := sink.Start(sink.Config{Chunking: true})
	if err != nil {
		return nil, err
	}
	defer far.Close()
	full, err := g.setUp(ctx, far)
	if err != nil {
		return nil, err
	}
	defer full.remove()
	began := time.Now().Add(-time.Duration(g.Sizes[len(g.Sizes)-1]) * history.Spacing).Add(-time.Hour)
	var steps []Step
	have := 0
	for _, size := range g.Sizes {
		if err := full.fill(ctx, began, have, size); err != nil {
			return nil, err
		}
		have = size
		step, err := g.step(ctx, far, full, size)
		if err != nil {
			return nil, fmt.Errorf("with %d deliveries: %w", size, err)
		}
		steps = append(steps, step)
		g.say("growth %9d deliveries: %5.0f msg/s, %.2f x the rate and %.2f x the CPU of an empty one, claim %s, search p99 %s", size,
			spreadOf(step.Rate).Middle, spreadOf(step.Ratio).Middle, spreadOf(step.CPU).Middle, step.Claim, Percentile(step.Search, 0.99))
	}
	return steps, nil
}

func (g Growth) say(format string, args ...any) {
	if g.Progress != nil {
		g.Progress(fmt.Sprintf(format, args...))
	}
}

// instance is a Stafette that runs now and then.
type instance struct {
	*peers.Stafette
	dir, data, domain string
	sent              int // letters it took
}

func (g Growth) setUp(ctx context.Context, far *sink.Sink) (*instance, error) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		return nil, err
	}
	i := &instance{dir: dir, data: dir + "/data", domain: g.Domain}
	i.Stafette, err = peers.SetUpStafette(ctx, peers.StafetteConfig{Binary: g.Binary, Dir: dir, Data: i.data, Sink: far.Addr(), Domain: g.Domain, Unsigned: true})
	return i, err
}

func (i *instance) remove() {
	_ = i.Kill()
	_ = os.RemoveAll(i.dir)
}

func (i *instance) fill(ctx context.Context, began time.Time, from, to int) error {
	db, err := history.Open(ctx, i.data, i.domain)
	if err != nil {
		return err
	}
	if err := db.Fill(ctx, began, from, to); err != nil {
		return err
	}
	return db.Close()
}

// run starts the instance, sends n letters and stops it. While it runs, more is done.
func (i *instance) run(ctx context.Context, far *sink.Sink, n int, more func() error) (rate, cpu float64, err error) {
	if err := i.Start(ctx); err != nil {
		return 0, 0, err
	}
	defer func() {
		if stopped := i.Stop(); err == nil {
			err = stopped
		}
	}()
	s := &stage{sink: far, peer: i.Stafette, door: i.SMTP(), letters: letter.NewSource(letter.Config{Run: "g", From: "info@" + i.domain})}
	if _, _, err := s.push(ctx, i.sent, warm, 20); err != nil {
		return 0, 0, fmt.Errorf("warm up: %w", err)
	}
	before, err := usage.CPU(i.Roots()...)
	if err != nil {
		return 0, 0, err
	}
	result, last, err := s.push(ctx, i.sent+warm, n, 20)
	if err != nil {
		return 0, 0, err
	}
	after, err := usage.CPU(i.Roots()...)
	if err != nil {
		return 0, 0, err
	}
	i.sent += warm + n
	rate, cpu = float64(n)/last.Sub(result.Began).Seconds(), (after-before).Seconds()/float64(n)
	return rate, cpu, more()
}

func nothing() error { return nil }

func (g Growth) step(ctx context.Context, far *sink.Sink, full *instance, size int) (Step, error) {
	step := Step{Deliveries: size}
	var err error
	if step.Claim, err = g.claim(ctx, full); err != nil {
		return step, fmt.Errorf("claim: %w", err)
	}
	empty, err := g.setUp(ctx, far)
	if err != nil {
		return step, err
	}
	defer empty.remove()
	for round := range g.Rounds {
		more := nothing
		if round == g.Rounds-1 {
			more = func() (err error) {
				step.Search, err = full.search(ctx, size, g.Searches)
				return err
			}
		}
		rate, cpu, err := full.run(ctx, far, g.Messages, more)
		if err != nil {
			return step, err
		}
		emptyRate, emptyCPU, err := empty.run(ctx, far, g.Messages, nothing)
		if err != nil {
			return step, fmt.Errorf("empty instance: %w", err)
		}
		step.Rate, step.Ratio, step.CPU = append(step.Rate, rate), append(step.Ratio, rate/emptyRate), append(step.CPU, cpu/emptyCPU)
	}
	return step, nil
}

// search asks what became of mail to random addresses, and sorts how long each took.
func (i *instance) search(ctx context.Context, size, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for range n {
		address := history.Recipient(rand.IntN(size))
		began := time.Now()
		found, err := i.To(ctx, address)
		took = append(took, time.Since(began))
		if err != nil {
			return nil, err
		}
		if found != 1 {
			return nil, fmt.Errorf("%d messages to %s", found, address)
		}
	}
	slices.Sort(took)
	return took, nil
}

// claim measures on the stopped instance how long taking due deliveries takes. What it
// claims is cancelled, so that it does not go out later.
func (g Growth) claim(ctx context.Context, i *instance) (time.Duration, error) {
	db, err := history.Open(ctx, i.data, i.domain)
	if err != nil {
		return 0, err
	}
	now := time.Now().Truncate(time.Millisecond)
	if err := db.Queue(ctx, now, claims*claimed); err != nil {
		return 0, err
	}
	owner := db.Tenant()
	if err := db.Close(); err != nil {
		return 0, err
	}
	took, entries, err := i.take(ctx, owner, now)
	if err != nil {
		return 0, err
	}
	return took[len(took)/2], i.drop(ctx, entries)
}

// take claims until nothing is left, and sorts how long each claim took.
func (i *instance) take(ctx context.Context, owner tenant.ID, now time.Time) (took []time.Duration, all []queue.Entry, err error) {
	s, err := store.Open(ctx, store.Config{DataDir: i.data, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	epoch, err := s.StartEpoch(ctx, "bench", now, now.Add(time.Minute))
	if err != nil {
		return nil, nil, err
	}
	for range claims {
		began := time.Now()
		entries, err := s.Claim(ctx, queue.Claim{Epoch: epoch, Tenant: owner, Now: now, Limit: claimed})
		took = append(took, time.Since(began))
		if err != nil {
			return nil, nil, err
		}
		if len(entries) != claimed {
			return nil, nil, fmt.Errorf("%d deliveries were claimed", len(entries))
		}
		all = append(all, entries...)
	}
	slices.Sort(took)
	return took, all, s.EndEpoch(ctx, epoch, now)
}

// drop takes claimed deliveries out of the queue.
func (i *instance) drop(ctx context.Context, entries []queue.Entry) error {
	db, err := history.Open(ctx, i.data, i.domain)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := db.Cancel(ctx, e.Delivery); err != nil {
			return err
		}
	}
	return db.Close()
}

// GrowthMarkdown writes the steps as a section, with the curves in the chart at path.
func GrowthMarkdown(steps []Step, picture string) string {
	var b strings.Builder
	b.WriteString("## P6 and P9: growth\n\nAn instance whose tables hold that many deliveries, against a fresh one in the same round, unsigned, SQLite.\n\n" +
		"| deliveries | msg/s | rate against empty | CPU against empty | claim of 1,000 due, ms | status search p50, ms | p99, ms |\n|---|---|---|---|---|---|---|\n")
	for _, s := range steps {
		fmt.Fprintf(&b, "| %s | %s | %s × | %s × | %.1f | %.1f | %.1f |\n", thousands(s.Deliveries), spreadOf(s.Rate).text("%.0f"), spreadOf(s.Ratio).text("%.2f"),
			spreadOf(s.CPU).text("%.2f"), milliseconds(s.Claim), milliseconds(Percentile(s.Search, 0.5)), milliseconds(Percentile(s.Search, 0.99)))
	}
	fmt.Fprintf(&b, "\n![Rate, claim and search over the number of deliveries](%s)\n", picture)
	return b.String()
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// GrowthChart draws the curves: the rate against an empty instance in percent, claim and
// search in milliseconds.
func GrowthChart(steps []Step) (string, error) {
	series := []chart.Series{{Name: "rate, % of empty"}, {Name: "claim, ms"}, {Name: "search p99, ms"}}
	for _, s := range steps {
		for i, y := range []float64{100 * spreadOf(s.Ratio).Middle, milliseconds(s.Claim), milliseconds(Percentile(s.Search, 0.99))} {
			series[i].Points = append(series[i].Points, chart.Point{X: float64(s.Deliveries), Y: y})
		}
	}
	return chart.Chart{Title: "Stafette while its tables fill", X: "deliveries in the tables", Y: "% and ms", LogX: true, Series: series}.SVG()
}

// Crowd measures a queue that is long: memory, and how soon urgent mail gets its turn.
type Crowd struct {
	Binary, Domain string
	Waiting        int           // newsletters in the queue
	Urgent         int           // transactional mails submitted meanwhile
	Every          time.Duration // apart
	Progress       func(line string)
}

// Crowded is what was measured beside a long queue.
type Crowded struct {
	Memory int64           // greatest proportional set size, bytes
	Bulk   float64         // newsletters per second that went out meanwhile
	Took   []time.Duration // of urgent mail, submission to the sink, sorted
}

// Run queues the newsletters, starts an instance and sends urgent mail past them.
func (c Crowd) Run(ctx context.Context) (Crowded, error) {
	var r Crowded
	arrived := make(chan arrival, 4*c.Urgent)
	far, err := sink.Start(sink.Config{Chunking: true, Received: func(token string, at time.Time) {
		if strings.HasPrefix(token, urgentRun+".") {
			arrived <- arrival{token, at}
		}
	}})
	if err != nil {
		return r, err
	}
	defer far.Close()
	i, err := Growth{Binary: c.Binary, Domain: c.Domain}.setUp(ctx, far)
	if err != nil {
		return r, err
	}
	defer i.remove()
	db, err := history.Open(ctx, i.data, c.Domain)
	if err != nil {
		return r, err
	}
	if err := db.Queue(ctx, time.Now().Add(-time.Second), c.Waiting); err != nil {
		return r, err
	}
	if err := db.Close(); err != nil {
		return r, err
	}
	if err := i.Start(ctx); err != nil {
		return r, err
	}
	return r, c.measure(ctx, i, far, arrived, &r)
}

type arrival struct {
	token string
	at    time.Time
}

const urgentRun = "urgent"

func (c Crowd) measure(ctx context.Context, i *instance, far *sink.Sink, arrived <-chan arrival, r *Crowded) error {
	letters := letter.NewSource(letter.Config{Run: urgentRun, From: "info@" + c.Domain})
	submitted := map[string]time.Time{}
	if err := far.Await(ctx, 1000); err != nil { // bulk is under way
		return err
	}
	before, _ := far.Total()
	began := time.Now()
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for n := range c.Urgent {
		at := time.Now()
		if _, err := i.SMTP().Run(ctx, inject.Load{Letters: letters, Start: n, Count: 1, Sessions: 1}); err != nil {
			return err
		}
		submitted[letters.At(n).Token] = at
		memory, err := usage.Memory(i.Roots()...)
		if err != nil {
			return err
		}
		r.Memory = max(r.Memory, memory)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	after, _ := far.Total()
	r.Bulk = float64(after-before-c.Urgent) / time.Since(began).Seconds()
	for range c.Urgent {
		select {
		case a := <-arrived:
			r.Took = append(r.Took, a.at.Sub(submitted[a.token]))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	slices.Sort(r.Took)
	if after >= c.Waiting {
		return fmt.Errorf("the queue of %d was empty before the end: too few", c.Waiting)
	}
	return nil
}

// Markdown writes the outcome as a section.
func (c Crowd) Markdown(r Crowded) string {
	return fmt.Sprintf("## P6 and P8: %s newsletters in the queue\n\n"+
		"They are due and go out meanwhile, %.0f a second, 20 sessions, unsigned, SQLite. %s transactional mails are submitted, one every %s.\n\n"+
		"| figure | |\n|---|---|\n| memory (PSS), greatest | %d MB |\n| urgent mail, submission to the sink's final reply, p50 | %.1f ms |\n| p99 | %.1f ms |\n| worst | %.1f ms |\n",
		thousands(c.Waiting), r.Bulk, thousands(c.Urgent), c.Every, r.Memory>>20, milliseconds(Percentile(r.Took, 0.5)),
		milliseconds(Percentile(r.Took, 0.99)), milliseconds(r.Took[len(r.Took)-1]))
}

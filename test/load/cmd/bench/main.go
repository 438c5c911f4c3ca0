// Command bench measures Stafette beside Postfix and writes docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"stafette/test/load/bench"
	"stafette/test/load/peers"
)

const domain = "muster.example"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	messages, rounds, single int
	rows, binary, output     string
	peersOnly, openssl       bool
	withOpenSSL              string // the program built with OpenSSL, "" without
	profiles                 string
	against                  string // another build of Stafette, "" without
	sizes                    string
	waiting, people          int
}

func run() error {
	var o options
	flag.IntVar(&o.messages, "n", 20_000, "messages per round")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved rounds")
	flag.IntVar(&o.single, "single", 500, "messages of P7, one at a time")
	flag.StringVar(&o.rows, "rows", "P1,P2,P5,P7,hits,campaign,growth,crowd", "which figures to take: growth is P6 and P9, crowd is P6's memory and P8, hits is P4, campaign is P3")
	flag.IntVar(&o.people, "people", 50_000, "recipients of campaign")
	flag.StringVar(&o.sizes, "sizes", "10000,100000,1000000,5000000", "deliveries in the tables at which growth is measured")
	flag.IntVar(&o.waiting, "waiting", 1_000_000, "newsletters in the queue of crowd")
	flag.StringVar(&o.binary, "stafette", "", "the program; built from this tree if empty")
	flag.BoolVar(&o.peersOnly, "peers-only", false, "leave Stafette out")
	flag.BoolVar(&o.openssl, "openssl", false, "let a Stafette built from this tree with OpenSSL take part in P1, too")
	flag.StringVar(&o.profiles, "profiles", "", "directory for CPU profiles of Stafette; they cost a little speed")
	flag.StringVar(&o.against, "against", "", "another build of Stafette that takes part in P1, P2 and P5, to judge a change by")
	flag.StringVar(&o.output, "o", "docs/benchmarks.md", "file to write the report to; none if empty")
	flag.Parse()
	if flag.NArg() == 1 {
		o.rows, o.output = flag.Arg(0), "" // "bench campaign": that row alone, told and not written
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if strings.Contains(o.rows, "P") {
		if err := errors.Join(peers.Install(ctx, "postfix", "postfix"), peers.Install(ctx, "opendkim", "opendkim")); err != nil {
			return err
		}
	}
	if !o.peersOnly {
		dir, err := os.MkdirTemp("", "bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := o.build(ctx, dir); err != nil {
			return err
		}
	}
	report := bench.Head(time.Now())
	for _, row := range strings.Split(o.rows, ",") {
		section, err := o.row(ctx, row)
		if err != nil {
			return err
		}
		fmt.Println(section)
		report += section + "\n"
	}
	if o.output == "" {
		return nil
	}
	return os.WriteFile(o.output, []byte(report), 0o644)
}

// build compiles the programs that were asked for and not given.
func (o *options) build(ctx context.Context, dir string) (err error) {
	if o.binary == "" {
		if o.binary, err = peers.BuildStafette(ctx, dir); err != nil {
			return err
		}
	}
	if !o.openssl {
		return nil
	}
	dir = filepath.Join(dir, "openssl")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	o.withOpenSSL, err = peers.BuildStafette(ctx, dir, "openssl")
	return err
}

func (o options) row(ctx context.Context, row string) (string, error) {
	switch row {
	case "P1":
		contestants := []bench.Contestant{o.postfix(true), o.stafette("Stafette", true, nil)}
		if o.withOpenSSL != "" {
			faster := o
			faster.binary = o.withOpenSSL
			contestants = append(contestants, faster.stafette("Stafette (OpenSSL)", true, nil))
		}
		if o.against != "" {
			contestants = append(contestants, o.other().stafette("Stafette before", true, nil))
		}
		return o.compare(ctx, bench.Plan{Name: "P1", Title: "signed with RSA-2048", Size: 10 << 10, Sessions: 20}, contestants...)
	case "P2":
		contestants := []bench.Contestant{o.postfix(false), o.stafette("Stafette", false, nil)}
		if o.against != "" {
			contestants = append(contestants, o.other().stafette("Stafette before", false, nil))
		}
		return o.compare(ctx, bench.Plan{Name: "P2", Title: "unsigned", Size: 10 << 10, Sessions: 20}, contestants...)
	case "P5":
		// Delivery is put off, so that the figure is acceptance and nothing else.
		contestants := []bench.Contestant{o.stafette("Stafette, single", false, later(1)), o.stafette("Stafette, batches of 100", false, later(100))}
		if o.against != "" {
			contestants = append(contestants, o.other().stafette("Stafette before, single", false, later(1)),
				o.other().stafette("Stafette before, batches of 100", false, later(100)))
		}
		return o.compare(ctx, bench.Plan{Name: "P5", Title: "durable HTTP ingest of 2 KB, delivery put off until tomorrow", Size: 2 << 10, Sessions: 64, AcceptOnly: true},
			contestants...)
	case "hits":
		h := bench.Hits{Binary: o.binary, Domain: domain, Messages: 10_000, Total: 5 * o.messages, Rounds: o.rounds, Sessions: 256, Progress: progress}
		if o.profiles != "" {
			h.Profile = filepath.Join(o.profiles, "hits.pprof")
		}
		struck, err := h.Run(ctx)
		if err != nil {
			return "", fmt.Errorf("hits: %w", err)
		}
		return h.Markdown(struck), nil
	case "campaign":
		m := bench.Mailing{Binary: o.binary, Domain: domain, People: o.people, Rounds: o.rounds, Urgent: 100, Every: 100 * time.Millisecond, Progress: progress}
		if o.profiles != "" {
			m.Profile = filepath.Join(o.profiles, "campaign.pprof")
		}
		mailed, err := m.Run(ctx)
		if err != nil {
			return "", fmt.Errorf("campaign: %w", err)
		}
		return m.Markdown(mailed), nil
	case "P7":
		return o.latency(ctx)
	case "growth":
		return o.growth(ctx)
	case "crowd":
		c := bench.Crowd{Binary: o.binary, Domain: domain, Waiting: o.waiting, Urgent: 300, Every: 100 * time.Millisecond, Progress: progress}
		crowded, err := c.Run(ctx)
		if err != nil {
			return "", fmt.Errorf("crowd: %w", err)
		}
		return c.Markdown(crowded), nil
	}
	return "", fmt.Errorf("no figure %q: want P1, P2, P5, P7, hits, campaign, growth, crowd", row)
}

// other plays the build to compare with.
func (o options) other() options {
	o.binary = o.against
	return o
}

func progress(line string) { fmt.Fprintln(os.Stderr, line) }

// growth measures at all sizes and draws the curves beside the report.
func (o options) growth(ctx context.Context) (string, error) {
	g := bench.Growth{Binary: o.binary, Domain: domain, Messages: min(o.messages, 4000), Rounds: o.rounds, Searches: 300, Progress: progress}
	for _, text := range strings.Split(o.sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil {
			return "", fmt.Errorf("growth: %w", err)
		}
		g.Sizes = append(g.Sizes, size)
	}
	steps, err := g.Run(ctx)
	if err != nil {
		return "", fmt.Errorf("growth: %w", err)
	}
	if o.output != "" {
		picture, err := bench.GrowthChart(steps)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(o.output), growthPicture), []byte(picture), 0o644); err != nil {
			return "", err
		}
	}
	return bench.GrowthMarkdown(steps, growthPicture), nil
}

// growthPicture is where the chart lies, seen from the report.
const growthPicture = "images/growth.svg"

func http(batch int) func(p peers.Peer) bench.Door {
	return func(p peers.Peer) bench.Door {
		door := p.(*peers.Stafette).HTTP()
		door.Batch = batch
		return door
	}
}

// later is http with delivery put off until tomorrow.
func later(batch int) func(p peers.Peer) bench.Door {
	return func(p peers.Peer) bench.Door {
		door := p.(*peers.Stafette).HTTP()
		door.Batch = batch
		door.SendAt = time.Now().AddDate(0, 0, 1)
		return door
	}
}

func (o options) postfix(signed bool) bench.Contestant {
	name := "Postfix"
	if signed {
		name = "Postfix + OpenDKIM"
	}
	return bench.Contestant{Name: name, From: "info@" + domain, Start: func(ctx context.Context, dir, sink, trace string) (peers.Peer, error) {
		return peers.StartPostfix(ctx, peers.PostfixConfig{Dir: dir, Sink: sink, Signed: signed, Domain: domain, Trace: trace})
	}}
}

func (o options) stafette(name string, signed bool, door func(peers.Peer) bench.Door) bench.Contestant {
	return bench.Contestant{Name: name, From: "info@" + domain, Door: door, Start: func(ctx context.Context, dir, sink, trace string) (peers.Peer, error) {
		profile := ""
		if o.profiles != "" && trace == "" {
			profile = filepath.Join(o.profiles, strings.ReplaceAll(name, " ", "-")+fmt.Sprintf("-signed-%t.pprof", signed))
		}
		return peers.StartStafette(ctx, peers.StafetteConfig{Binary: o.binary, Dir: dir, Sink: sink, Domain: domain, Unsigned: !signed, Trace: trace, Profile: profile})
	}}
}

// compare plays a plan; without a binary Stafette does not take part.
func (o options) compare(ctx context.Context, p bench.Plan, contestants ...bench.Contestant) (string, error) {
	for _, c := range contestants {
		if !o.peersOnly || strings.HasPrefix(c.Name, "Postfix") {
			p.Contestants = append(p.Contestants, c)
		}
	}
	p.Messages, p.Rounds = o.messages, o.rounds
	p.Progress = progress
	outcomes, err := p.Run(ctx)
	if err != nil {
		return "", err
	}
	for i, c := range p.Contestants {
		if outcomes[i].Flushes, err = p.CountFlushes(ctx, c, min(1000, o.messages)); err != nil {
			return "", fmt.Errorf("%s: count flushes of %s: %w", p.Name, c.Name, err)
		}
	}
	return p.Markdown(outcomes), nil
}

func (o options) latency(ctx context.Context) (string, error) {
	p := bench.Plan{Name: "P7", Size: 10 << 10}
	text := "## P7: one message at a time, submission to the sink's final reply\n\n| server | p50 ms | p99 ms |\n|---|---|---|\n"
	contestants := []bench.Contestant{o.postfix(true), o.postfix(false)}
	if !o.peersOnly {
		contestants = append(contestants, o.stafette("Stafette, signed", true, nil), o.stafette("Stafette, unsigned", false, nil),
			o.stafette("Stafette by HTTP, signed", true, http(1)))
	}
	for _, c := range contestants {
		took, err := p.Latency(ctx, c, o.single)
		if err != nil {
			return "", fmt.Errorf("P7 of %s: %w", c.Name, err)
		}
		text += fmt.Sprintf("| %s | %.2f | %.2f |\n", c.Name, bench.Percentile(took, 0.5).Seconds()*1000, bench.Percentile(took, 0.99).Seconds()*1000)
	}
	return text, nil
}

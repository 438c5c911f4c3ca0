// Command crash breaks Stafette on purpose: kill -9 and power cuts under load, full
// disks, failing flushes, stalls, and a disk that lies as control. It ends with 1 if
// a promise was broken, or if the control was not convicted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stafette/test/crash"
	"stafette/test/crash/faultfs"
	"stafette/test/crash/loopfs"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
)

type options struct {
	kills, cuts, journalCuts, loopCuts int
	rounds, mailings                   int
	seed                               uint64
	binary, only, db                   string
	soakMessages                       int
	unsigned, verbose                  bool
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 200, "kill -9 under load")
	flag.IntVar(&o.cuts, "cuts", 50, "power cuts on a disk as strict as POSIX")
	flag.IntVar(&o.journalCuts, "journal-cuts", 10, "power cuts on a disk with a journal")
	flag.IntVar(&o.loopCuts, "ext4-cuts", 10, "power cuts on ext4, as root")
	flag.IntVar(&o.rounds, "rounds", 3, "full disks, failing flushes and stalls of each kind")
	flag.IntVar(&o.mailings, "mailings", 3, "trials of mailings under kill -9, of 5,000 people each")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of all chances")
	flag.StringVar(&o.binary, "stafette", "", "the program; built from this tree if empty")
	flag.StringVar(&o.db, "db", "sqlite", "sqlite, or postgres: a private server, which is killed, too")
	flag.StringVar(&o.only, "only", "", "series whose name contains this")
	flag.IntVar(&o.soakMessages, "soak", 0, "instead: so many messages without faults, books checked all the while; and again with nobody to deliver to (-only down: that alone, -only up: the first alone)")
	flag.BoolVar(&o.unsigned, "unsigned", false, "of a soak: without DKIM")
	flag.BoolVar(&o.verbose, "v", false, "tell of every fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// perTrial is how many faults befall one instance.
const perTrial = 20

func (o options) run(ctx context.Context) error {
	if o.binary == "" {
		dir, err := os.MkdirTemp("", "crash")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if o.binary, err = peers.BuildStafette(ctx, dir, "failpoint"); err != nil {
			return err
		}
	}
	if o.soakMessages > 0 {
		return o.soak(ctx)
	}
	fmt.Println("seed", o.seed)
	list := o.series()
	if o.db == "postgres" {
		db, err := crash.StartPostgres(ctx)
		if err != nil {
			return err
		}
		defer db.Close()
		list = o.onPostgres(db)
	}
	broken := o.playMailings(ctx)
	for _, s := range list {
		if !strings.Contains(s.name, o.only) || len(s.faults) == 0 {
			continue
		}
		if err := o.play(ctx, s); err != nil {
			broken = append(broken, fmt.Errorf("%s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(broken...)
}

// playMailings holds the trials of mailings, on SQLite.
func (o options) playMailings(ctx context.Context) (broken []error) {
	if !strings.Contains("mailings", o.only) || o.db == "postgres" {
		return nil
	}
	for n := range o.mailings {
		dir, err := os.MkdirTemp("", "mailings")
		if err == nil {
			err = crash.Mailings{Binary: o.binary, Dir: dir, People: 5000, Kills: 10, Rand: rand.New(rand.NewPCG(o.seed, uint64(n)))}.Play(ctx)
			err = errors.Join(err, os.RemoveAll(dir))
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("mailings %d: %w", n, err))
		}
		fmt.Printf("mailings %d: kept its word: %t\n", n, err == nil)
	}
	return broken
}

// series is a kind of disk with the faults that befall servers on it.
type series struct {
	name    string
	disk    func(dir string) (crash.Disk, func() error, error)
	faults  []crash.Fault
	control bool // a conviction is right
	// database makes one for a trial and returns its URL; nil is SQLite.
	database func(context.Context) (string, error)
}

func repeat(n int, faults ...crash.Fault) []crash.Fault {
	var list []crash.Fault
	for i := range n {
		list = append(list, faults[i%len(faults)])
	}
	return list
}

func (o options) series() []series {
	cuts := []crash.Fault{crash.Cut(faultfs.Drop), crash.Cut(faultfs.Tear), crash.Cut(faultfs.Scatter)}
	var flushes []crash.Fault
	for n := range o.rounds {
		flushes = append(flushes, crash.FlushError(1+n*3, 30*time.Second))
	}
	return []series{
		{name: "kill -9", disk: plain, faults: repeat(o.kills, crash.Kill())},
		{name: "failpoints", disk: fuse(faultfs.Config{}), faults: failpoints(o.rounds)},
		{name: "power cuts", disk: fuse(faultfs.Config{}), faults: repeat(o.cuts, cuts...)},
		{name: "power cuts, journal", disk: fuse(faultfs.Config{Journaled: true}), faults: repeat(o.journalCuts, cuts...)},
		{name: "power cuts, ext4", disk: ext4, faults: repeat(o.loopCuts, cuts[:1]...)},
		{name: "full disk", disk: fuse(faultfs.Config{}), faults: repeat(o.rounds, crash.Full(256<<10, time.Second), crash.Full(0, time.Second))},
		{name: "full disk, ext4", disk: ext4small, faults: repeat(o.rounds, crash.Fill(time.Second), crash.Fill(10*time.Second))},
		{name: "failing flush", disk: fuse(faultfs.Config{}), faults: flushes},
		{name: "stall", disk: fuse(faultfs.Config{}), faults: repeat(o.rounds, crash.Stall(5*time.Second, 6*time.Second),
			crash.StallThenKill(5*time.Second, 2*time.Second))},
		{name: "control: a disk that lies", disk: fuse(faultfs.Config{}), faults: []crash.Fault{crash.Lie(300 * time.Millisecond)}, control: true},
	}
}

// onPostgres are the series whose rows are in a database server. What its disk does is
// the server's to withstand; that it does is its own test suite's matter.
func (o options) onPostgres(db *crash.Postgres) []series {
	return []series{
		{name: "kill -9", disk: plain, database: db.Database, faults: repeat(o.kills, crash.Kill())},
		{name: "failpoints", disk: plain, database: db.Database, faults: failpoints(o.rounds)},
		{name: "kill -9 of PostgreSQL", disk: plain, database: db.Database, faults: repeat(o.cuts, crash.KillDatabase(db))},
		{name: "kill -9 of either", disk: plain, database: db.Database, faults: repeat(o.cuts, crash.KillDatabase(db), crash.Kill())},
	}
}

// failpoints visits every place that the store names, n times with other counts.
func failpoints(n int) []crash.Fault {
	var list []crash.Fault
	for i := range n {
		for _, place := range crash.Failpoints() {
			list = append(list, crash.Failpoint(place, 1+7*i))
		}
	}
	return list
}

// directory is a plain one, for faults that need no disk.
type directory string

func (d directory) Dir() string { return string(d) }
func (directory) Cut(faultfs.Damage, *rand.Rand) error {
	return errors.New("a plain directory cannot be cut")
}

func plain(dir string) (crash.Disk, func() error, error) {
	return directory(dir), func() error { return nil }, nil
}

func fuse(c faultfs.Config) func(dir string) (crash.Disk, func() error, error) {
	return func(dir string) (crash.Disk, func() error, error) {
		m, err := faultfs.Attach(faultfs.New(c), dir)
		if err != nil {
			return nil, nil, err
		}
		return m, m.Detach, nil
	}
}

func ext4(dir string) (crash.Disk, func() error, error) { return loop(dir, 512) }

func ext4small(dir string) (crash.Disk, func() error, error) { return loop(dir, 96) }

func loop(dir string, megabytes int) (crash.Disk, func() error, error) {
	d, err := loopfs.New(dir, megabytes)
	if err != nil {
		return nil, nil, err
	}
	return d, d.Close, nil
}

// play runs a series in trials of perTrial faults and adds the verdicts up.
func (o options) play(ctx context.Context, s series) error {
	var acknowledged, lost, duplicates, trials int
	var healed time.Duration
	var charges []error
	began := time.Now()
	for from := 0; from < len(s.faults); from += perTrial {
		trials++
		v, err := o.trial(ctx, s, s.faults[from:min(len(s.faults), from+perTrial)], uint64(from))
		if err != nil {
			return fmt.Errorf("no trial: %w", err)
		}
		acknowledged += v.Acknowledged
		lost += len(v.Lost) + len(v.Invented)
		duplicates += v.Duplicates
		healed = max(healed, v.Healed)
		charges = append(charges, v.Err())
	}
	err := errors.Join(charges...)
	fmt.Printf("%-26s %4d faults, %7d acknowledged, %5d lost, %5d duplicates, %v", s.name, len(s.faults), acknowledged, lost, duplicates, time.Since(began).Round(time.Second))
	if healed > 0 {
		fmt.Printf(", mail taken again after %v at most", healed.Round(time.Millisecond))
	}
	fmt.Println()
	if s.control && trials > 0 {
		if err == nil {
			return errors.New("acquitted: the harness is broken")
		}
		return nil
	}
	return err
}

func (o options) trial(ctx context.Context, s series, faults []crash.Fault, number uint64) (v crash.Verdict, err error) {
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		return v, err
	}
	defer func() {
		if err == nil && v.Err() == nil {
			os.RemoveAll(dir)
		}
	}()
	places := map[string]string{"disk": "", "conf": "", "book": ""}
	for name := range places {
		places[name] = filepath.Join(dir, name)
		if err := os.Mkdir(places[name], 0o755); err != nil {
			return v, err
		}
	}
	disk, closeDisk, err := s.disk(places["disk"])
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, closeDisk()) }()
	taste := sink.Config{Temporary: 10, Permanent: 3, Verify: true}
	far, err := sink.Start(taste)
	if err != nil {
		return v, err
	}
	defer far.Close()
	url := ""
	if s.database != nil {
		if url, err = s.database(ctx); err != nil {
			return v, err
		}
	}
	server, err := crash.NewStafette(ctx, peers.StafetteConfig{Binary: o.binary, Database: url, Dir: places["conf"], Sink: far.Addr(), Domain: "muster.example"}, disk)
	if err != nil {
		return v, err
	}
	defer server.Kill()
	log := slog.DiscardHandler
	if o.verbose {
		log = slog.NewTextHandler(os.Stderr, nil)
	}
	t := &crash.Trial{Server: server, Disk: disk, Sink: far, SinkConfig: taste, Dir: places["book"], From: "info@muster.example",
		Drain: 2 * time.Minute, Rand: rand.New(rand.NewPCG(o.seed, number)), Log: slog.New(log)}
	return t.Play(ctx, faults...)
}

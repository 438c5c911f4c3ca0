// Package soak loads one server for long without breaking it, and keeps its books
// all the while: every mail it acknowledged is in exactly one state, at every check,
// and at the end each is where the far side says it is.
//
// Some recipients are refused for now and some for good, some are suppressed, some
// mails are cancelled, held and released. The server may be locked into an amount of
// memory, and the far side may be gone throughout. What breaks things is package
// crash; how fast it goes is package bench's business.
package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"stafette/test/load/daemon"
	"stafette/test/load/inject"
	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
)

// Config describes a soak.
type Config struct {
	// Binary is the program, Dir an empty directory for all it leaves behind.
	Binary, Dir string
	// Database is a PostgreSQL's URL; "" is SQLite below Dir.
	Database string
	// Messages are submitted in all; the books are checked after each Every.
	Messages, Every int
	// Size of a letter in bytes; Batch is how many go into a request.
	Size, Batch int
	// Unsigned leaves DKIM out, for runs that are about books and memory. SQLite only.
	Unsigned bool
	// Down leaves nobody at the far side: nothing can be delivered.
	Down bool
	// Memory locks the process into a cgroup of so many bytes; 0: no limit.
	Memory int64
	// Patience is how long nothing may happen before the soak gives up; 0: 10 minutes.
	Patience time.Duration
	// Tell is called with a line for each check; nil: nobody cares.
	Tell func(line string)
}

// The far side's taste, in percent of the recipients.
const (
	temporary = 10
	permanent = 3
)

// Of each round of Every mails, so many are put off and then cancelled or held;
// half of those held are released a round later. So many more are cancelled while
// they are on their way, and so many go to a second recipient who may not be written
// to.
const (
	putOff   = 100
	cutShort = 20
	alsoTo   = 50
)

// unwanted is who may not be written to.
const unwanted = "unwanted@unwanted.example"

const run = "s"

// Report sums a soak up.
type Report struct {
	Acknowledged int
	States       States
	Checks       int
	Took         time.Duration
	// Resident is the most memory that was resident at any moment, as the kernel
	// tells; Caged says that a cgroup of Config.Memory was enforced.
	Resident int64
	Caged    bool
	// Restart is how long a start took after kill -9 with everything queued; only of
	// a soak that is Down.
	Restart time.Duration
	// Disk is what database and bodies took per message, in bytes; SQLite only.
	Disk int64
}

// String tells the report in a line.
func (r Report) String() string {
	s := fmt.Sprintf("%d acknowledged, %d checks, books balance: %v; %v, %.0f MB resident at most",
		r.Acknowledged, r.Checks, r.States, r.Took.Round(time.Second), float64(r.Resident)/(1<<20))
	if r.Caged {
		s += " inside a cgroup"
	}
	if r.Restart > 0 {
		s += fmt.Sprintf(", taking mail again %v after a kill", r.Restart.Round(10*time.Millisecond))
	}
	if r.Disk > 0 {
		s += fmt.Sprintf(", %d bytes of disk per message", r.Disk)
	}
	return s
}

// soaking is a soak under way.
type soaking struct {
	Config
	server  *peers.Stafette
	sink    *sink.Sink // nil when Down
	taste   sink.Config
	cage    *cage // nil without a limit
	books   *books
	letters *letter.Source
	ledger  *ledger.Ledger
	began   time.Time
	next    int // number of the next letter
	also    int // how many went to the unwanted
	held    []ledger.Entry
	report  Report
	// commanded are the tokens that a command was given about: where they end is
	// decided by a race.
	commanded map[string]bool
}

// Run soaks. An error says what did not balance, or why the soak could not be held.
func Run(ctx context.Context, c Config) (r Report, err error) {
	if c.Every <= 0 || c.Every > c.Messages || c.Every < putOff+cutShort+alsoTo {
		return r, fmt.Errorf("soak: a check after each %d of %d messages cannot be", c.Every, c.Messages)
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Minute
	}
	s := &soaking{Config: c, commanded: map[string]bool{}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return r, err
	}
	s.began = time.Now()
	for s.next < c.Messages {
		if err := s.round(ctx); err != nil {
			return s.report, fmt.Errorf("after %d messages: %w: %s", s.report.Acknowledged, err, s.server.Said())
		}
	}
	if c.Down {
		err = s.again(ctx)
	} else {
		err = s.drain(ctx, 0)
	}
	if err == nil {
		err = s.audit(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, s.server.Said())
	}
	s.report.Took = time.Since(s.began)
	return s.report, errors.Join(err, s.measure())
}

func (s *soaking) open(ctx context.Context) (err error) {
	s.taste = sink.Config{Temporary: temporary, Permanent: permanent, Verify: true}
	far, err := s.farSide()
	if err != nil {
		return err
	}
	config := peers.StafetteConfig{Binary: s.Binary, Dir: s.Dir, Database: s.Database, Sink: far,
		Domain: "muster.example", Unsigned: s.Unsigned}
	if !s.Down {
		config.Retry = []time.Duration{5 * time.Second, 20 * time.Second}
	}
	if s.Memory > 0 {
		if s.cage, err = newCage(s.Memory); err != nil {
			return fmt.Errorf("limit memory: %w", err)
		}
		config.Cage = s.cage.join()
	}
	if s.server, err = peers.SetUpStafette(ctx, config); err != nil {
		return err
	}
	s.letters = letter.NewSource(letter.Config{Run: run, From: "info@muster.example", Size: s.Size})
	if s.books, err = openBooks(ctx, s.Database, filepath.Join(s.Dir, "data")); err != nil {
		return err
	}
	if err := s.books.suppress(ctx, unwanted); err != nil {
		return err
	}
	if s.ledger, err = ledger.Open(s.ledgerPath()); err != nil {
		return err
	}
	return s.server.Start(ctx)
}

func (s *soaking) ledgerPath() string { return filepath.Join(s.Dir, "ledger") }

// farSide returns the address that all mail goes to.
func (s *soaking) farSide() (string, error) {
	if s.Down {
		port, err := daemon.FreePort()
		return net.JoinHostPort("127.0.0.1", port), err
	}
	var err error
	if s.sink, err = sink.Start(s.taste); err != nil {
		return "", err
	}
	return s.sink.Addr(), nil
}

func (s *soaking) close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Kill())
	}
	if s.sink != nil {
		errs = append(errs, s.sink.Close())
	}
	if s.books != nil {
		errs = append(errs, s.books.close())
	}
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	if s.cage != nil {
		errs = append(errs, s.cage.remove())
	}
	return errors.Join(errs...)
}

// round submits the next mails, gives commands about some and checks the books.
func (s *soaking) round(ctx context.Context) error {
	began, size := time.Now(), min(s.Every, s.Messages-s.next)
	also := min(alsoTo, size)
	off := min(putOff, size-also)
	if err := s.submit(ctx, also, func(h *inject.HTTP) { h.Besides = unwanted }); err != nil {
		return err
	}
	s.also += also
	if err := s.submit(ctx, size-also-off, nil); err != nil {
		return err
	}
	if err := s.cutShort(ctx); err != nil {
		return err
	}
	if err := s.submit(ctx, off, func(h *inject.HTTP) { h.SendAt = time.Now().Add(24 * time.Hour) }); err != nil {
		return err
	}
	if err := s.command(ctx, off); err != nil {
		return err
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	if !s.Down {
		// What runs away now would be delivered in one piece at the end.
		if err := s.drain(ctx, s.Every); err != nil {
			return err
		}
	}
	if err := s.measure(); err != nil {
		return err
	}
	s.tell("%8d acknowledged, %5.0f/s, %4.0f MB resident at most: %v", s.report.Acknowledged,
		float64(size)/time.Since(began).Seconds(), float64(s.report.Resident)/(1<<20), s.report.States)
	return nil
}

func (s *soaking) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(fmt.Sprintf(format, args...))
	}
}

func (s *soaking) submit(ctx context.Context, count int, by func(*inject.HTTP)) error {
	door := s.server.HTTP()
	door.Batch = s.Batch
	if by != nil {
		by(&door)
	}
	r, err := door.Run(ctx, inject.Load{Letters: s.letters, Start: s.next, Count: count, Sessions: 4, Ledger: s.ledger})
	s.next += count
	s.report.Acknowledged += r.Acknowledged
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	if r.Acknowledged != count {
		return fmt.Errorf("submit: %d of %d acknowledged: %s", r.Acknowledged, count, r.LastRefusal)
	}
	return nil
}

// cutShort cancels the mails acknowledged last, which may be anywhere by now.
func (s *soaking) cutShort(ctx context.Context) error {
	entries, err := ledger.Read(s.ledgerPath())
	if err != nil {
		return err
	}
	for _, e := range entries[max(0, len(entries)-cutShort):] {
		s.commanded[e.Token] = true
		if err := s.server.Command(ctx, e.ID, "cancel"); err != nil {
			return err
		}
	}
	return nil
}

// command cancels half of the mails just put off, holds the other half, and
// releases half of what the round before held.
func (s *soaking) command(ctx context.Context, count int) error {
	entries, err := ledger.Read(s.ledgerPath())
	if err != nil {
		return err
	}
	entries = entries[len(entries)-count:]
	half := len(entries) / 2
	for i, e := range entries {
		s.commanded[e.Token] = true
		what := "cancel"
		if i >= half {
			what = "hold"
		}
		if err := s.server.Command(ctx, e.ID, what); err != nil {
			return err
		}
	}
	for _, e := range s.held[:len(s.held)/2] {
		if err := s.server.Command(ctx, e.ID, "resume"); err != nil {
			return err
		}
	}
	s.held = entries[half:]
	return nil
}

// drain waits until no more than that wait, the held ones apart.
func (s *soaking) drain(ctx context.Context, rest int) error {
	tick := time.NewTicker(min(5*time.Second, s.Patience/10))
	defer tick.Stop()
	last, moved := -1, time.Now()
	for {
		if err := s.check(ctx); err != nil {
			return err
		}
		open := s.report.States["queued"] + s.report.States["deferred"]
		if open <= rest {
			return nil
		}
		if open != last {
			last, moved = open, time.Now()
		}
		if time.Since(moved) > s.Patience {
			return fmt.Errorf("%d deliveries wait and nothing happens", open)
		}
		select {
		case <-tick.C:
		case <-s.server.Died():
			return errors.New("the server died")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// restUnder is how long a soak that is Down watches the server with everything
// queued, before and after it is killed.
const restUnder = 30 * time.Second

// again kills the server with everything queued and starts it anew.
func (s *soaking) again(ctx context.Context) error {
	if err := s.rest(ctx); err != nil {
		return err
	}
	if err := s.server.Kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := s.server.Start(ctx); err != nil {
		return err
	}
	s.report.Restart = time.Since(began)
	return s.rest(ctx)
}

func (s *soaking) rest(ctx context.Context) error {
	timer := time.NewTimer(restUnder)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.measure()
	case <-s.server.Died():
		return errors.New("the server died")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// measure notes the greatest memory so far.
func (s *soaking) measure() error {
	select {
	case <-s.server.Died():
		return errors.New("the server died")
	default:
	}
	n, err := peakResident(s.server.Roots()[0])
	if err != nil {
		return err
	}
	s.report.Resident = max(s.report.Resident, n)
	s.report.Caged = s.cage != nil
	return nil
}

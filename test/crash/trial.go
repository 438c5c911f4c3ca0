// Package crash breaks a mail server under load and holds it to its promises:
// whatever was acknowledged is delivered, given up with a reason or still kept, and
// nothing arrives twice that no crash excuses.
//
// A trial loads a server, lets faults befall it, waits until its queue has drained
// and judges the ledger of acknowledgements against the sink and the server's own
// account. What breaks stands in fault.go, what power loss does in packages faultfs
// and loopfs; the proof that the harness convicts is package toy.
package crash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"stafette/test/load/inject"
	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/sink"
)

// Server is what a trial torments.
type Server interface {
	// Start starts it, again after its death, with more environment if given, and
	// returns when it takes mail.
	Start(ctx context.Context, env ...string) error
	// Kill ends it with SIGKILL and waits for its death; killing the dead is no error.
	Kill() error
	// Died is closed when the process of the last Start has ended.
	Died() <-chan struct{}
	// Said is what it wrote to its outputs since the last Start.
	Said() string
	// Doors are loaded all at once.
	Doors() []Door
	// State asks what became of an acknowledged delivery.
	State(ctx context.Context, e ledger.Entry) (State, error)
	// InFlight is how many attempts, begun or not yet written down, a crash may
	// interrupt at most.
	InFlight() int
}

// Door is a way to submit.
type Door interface {
	Run(ctx context.Context, load inject.Load) (inject.Result, error)
}

// Trial is one server under one series of faults.
type Trial struct {
	Server Server
	// Disk is under the server's data; nil if no fault needs one.
	Disk Disk
	Sink *sink.Sink
	// SinkConfig is what the sink was started with.
	SinkConfig sink.Config
	// Dir takes the ledger.
	Dir string
	// From is an address the server lets us send from.
	From string
	// Size of a letter in bytes. Default 4,096.
	Size int
	// Sessions per door. Default 5.
	Sessions int
	// Drain is how long the queue may take after the last fault. Default 1 minute.
	Drain time.Duration
	Rand  *rand.Rand
	Log   *slog.Logger // nil: discard

	book       *ledger.Ledger
	crashes    int
	objections []string
	healed     time.Duration // the longest
}

// Play lets the faults happen one after the other under load and judges.
// An error means that the trial could not be held, not that the server failed.
func (t *Trial) Play(ctx context.Context, faults ...Fault) (Verdict, error) {
	t.defaults()
	path := filepath.Join(t.Dir, "ledger")
	var err error
	if t.book, err = ledger.Open(path); err != nil {
		return Verdict{}, err
	}
	defer t.book.Close()
	if err := t.Server.Start(ctx); err != nil {
		return Verdict{}, fmt.Errorf("first start: %w", err)
	}
	stop := t.load(ctx)
	err = t.suffer(ctx, faults)
	if stopErr := stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return Verdict{}, err
	}
	entries, err := ledger.Read(path)
	if err != nil {
		return Verdict{}, err
	}
	states, err := t.drain(ctx, entries)
	if err != nil {
		return Verdict{}, err
	}
	return Judge(Evidence{Ledger: entries, Receipts: t.Sink.Receipts(), Damaged: t.Sink.Damaged(), States: states,
		Sink: t.SinkConfig, Excused: t.crashes * t.Server.InFlight(), Objections: t.objections, Healed: t.healed}), nil
}

func (t *Trial) defaults() {
	if t.Size == 0 {
		t.Size = 4 << 10
	}
	if t.Sessions == 0 {
		t.Sessions = 5
	}
	if t.Drain == 0 {
		t.Drain = time.Minute
	}
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
}

func (t *Trial) object(format string, args ...any) {
	t.objections = append(t.objections, fmt.Sprintf(format, args...))
}

// suffer lets every fault happen at a moment when mail is flowing.
func (t *Trial) suffer(ctx context.Context, faults []Fault) error {
	for i, f := range faults {
		if err := t.progress(ctx, 1+t.Rand.IntN(60)); err != nil {
			return fmt.Errorf("before fault %d (%s): %w", i+1, f.Name, err)
		}
		if err := wait(ctx, time.Duration(t.Rand.IntN(int(50*time.Millisecond)))); err != nil {
			return err
		}
		t.Log.Info("fault", "number", i+1, "name", f.Name, "acknowledged", t.book.Len())
		if err := f.Happen(ctx, t); err != nil {
			return fmt.Errorf("fault %d (%s): %w", i+1, f.Name, err)
		}
	}
	return t.progress(ctx, 20)
}

// patience is how long a healthy server may be silent before a trial is given up.
const patience = time.Minute

// progress returns when n more deliveries were acknowledged.
func (t *Trial) progress(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for want := t.book.Len() + n; t.book.Len() < want; {
		select {
		case <-t.Server.Died():
			return fmt.Errorf("server died by itself: %s", t.Server.Said())
		default:
		}
		if err := wait(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("no acknowledgements: %w: %s", err, t.Server.Said())
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// load submits through all doors until the returned function is called.
func (t *Trial) load(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	doors := t.Server.Doors()
	failures := make([]error, len(doors))
	for i, door := range doors {
		letters := letter.NewSource(letter.Config{Run: fmt.Sprintf("c%d", i), From: t.From, Size: t.Size})
		group.Go(func() {
			_, failures[i] = door.Run(ctx, inject.Load{Letters: letters, Count: math.MaxInt32, Sessions: t.Sessions, Ledger: t.book, Stubborn: true})
		})
	}
	return func() error {
		cancel()
		group.Wait()
		return errors.Join(failures...)
	}
}

// drain waits until everything acknowledged has come to its end, or the time is
// over, and returns the server's account of it.
func (t *Trial) drain(ctx context.Context, entries []ledger.Entry) (map[string]State, error) {
	states := map[string]State{}
	open := entries
	for deadline := time.Now().Add(t.Drain); len(open) > 0; {
		if err := t.ask(ctx, open, states); err != nil {
			return nil, fmt.Errorf("ask what became of the mail: %w: %s", err, t.Server.Said())
		}
		var left []ledger.Entry
		for _, e := range open {
			// What is held stays; what the server does not know will not come any more.
			if s := states[e.Token]; s.waiting() && s != "held" {
				left = append(left, e)
			}
		}
		open = left
		if time.Now().After(deadline) {
			t.object("%d deliveries were still waiting %v after the last fault", len(open), t.Drain)
			break
		}
		if len(open) > 0 {
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return nil, err
			}
		}
	}
	return states, nil
}

// ask fetches the states of the entries, a few at a time.
func (t *Trial) ask(ctx context.Context, entries []ledger.Entry, into map[string]State) error {
	const askers = 8
	var (
		group    sync.WaitGroup
		mu       sync.Mutex
		failures error
	)
	for a := range askers {
		group.Go(func() {
			for i := a; i < len(entries); i += askers {
				s, err := t.Server.State(ctx, entries[i])
				mu.Lock()
				into[entries[i].Token] = s
				failures = errors.Join(failures, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return failures
}

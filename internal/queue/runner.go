package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Config of a Runner. Store, Node and Now are demanded.
type Config struct {
	Store Store
	Node  string // name of this process among the nodes, the same after a restart
	// Now tells when deliveries are due; all nodes on one database must agree on it.
	Now func() time.Time
	// Steady measures the lease. It should have a monotonic reading, and nobody may
	// correct it. nil: Now.
	Steady func() time.Time
	Lease  time.Duration // how long the epoch lives without a heartbeat; 0: 30 s
	// Poll bounds how long work of dead nodes and work that came without a
	// reservation waits to be noticed; 0: 2 s.
	Poll   time.Duration
	Batch  int // deliveries claimed of one tenant at a time; 0: 200
	Bounds Bounds
	Log    *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	if c.Lease <= 0 {
		c.Lease = 30 * time.Second
	}
	if c.Poll <= 0 {
		c.Poll = 2 * time.Second
	}
	if c.Steady == nil {
		c.Steady = c.Now
	}
	if c.Batch <= 0 {
		c.Batch = 200
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Runner keeps this process's part of the queue: it holds an epoch alive, fills
// memory with due work fairly, and frees it when verdicts are durable. It
// implements ingest.Feed. It is safe for concurrent use.
type Runner struct {
	cfg   Config
	ready *ready
	term  *term
	wake  chan struct{} // capacity 1: look at the store again
	idle  atomic.Bool   // drains: takes nothing new in

	mu    sync.Mutex
	stale bool      // reservations made under a dead epoch are still about
	sleep time.Time // until when the feeder sleeps
}

// NewRunner makes a Runner that does nothing yet.
func NewRunner(c Config) *Runner {
	c = c.withDefaults()
	return &Runner{
		cfg:   c,
		ready: newReady(c.Bounds, c.Batch),
		term:  newTerm(c.Steady),
		wake:  make(chan struct{}, 1),
	}
}

// Start registers the epoch. Reserve yields room from then on.
func (r *Runner) Start(ctx context.Context) error {
	now := r.cfg.Now()
	e, err := r.cfg.Store.StartEpoch(ctx, r.cfg.Node, now, now.Add(r.cfg.Lease))
	if err != nil {
		return fmt.Errorf("start queue epoch: %w", err)
	}
	r.term.prolong(e, r.cfg.Lease)
	r.cfg.Log.Info("queue epoch started", "epoch", int64(e), "node", r.cfg.Node)
	return nil
}

// Run keeps the epoch alive and memory filled until ctx ends; then it gives up
// everything the epoch still holds. Call Start before it and Drain some time
// before ending ctx. A fenced epoch is followed by a new one.
func (r *Runner) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { r.beat(ctx) })
	work.Go(func() { r.feed(ctx) })
	work.Wait()

	e, _ := r.term.now()
	if e == 0 {
		return nil
	}
	r.term.end(e, ErrFenced)
	r.ready.clear()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Lease/3)
	defer cancel()
	if err := r.cfg.Store.EndEpoch(stop, e, r.cfg.Now()); err != nil {
		return fmt.Errorf("end queue epoch: %w", err)
	}
	return nil
}

// Drain stops taking anything new into memory, for an orderly stop. Heartbeats
// and settlements go on.
func (r *Runner) Drain() { r.idle.Store(true) }

// Epoch is the one this process works under now; 0 before Start.
func (r *Runner) Epoch() Epoch {
	e, _ := r.term.now()
	return e
}

// Live reports whether the process may send what it holds under e.
func (r *Runner) Live(e Epoch) bool {
	now, live := r.term.now()
	return live && now == e
}

// Await returns nil as soon as Live(e), ErrFenced when that can never be again,
// or the cause of ctx's end.
func (r *Runner) Await(ctx context.Context, e Epoch) error { return r.term.await(ctx, e) }

// Bind returns a context for work under e; it ends at once when the epoch is
// fenced or its lease runs out. Cancel must be called.
func (r *Runner) Bind(ctx context.Context, e Epoch) (bound context.Context, cancel context.CancelFunc) {
	return r.term.bind(ctx, e)
}

// Reserve implements ingest.Feed.
func (r *Runner) Reserve(t tenant.ID, urgency, n int) Epoch {
	e, live := r.term.now()
	if !live || r.idle.Load() || !r.fresh() || !r.ready.reserve(t, urgency, n) {
		return 0
	}
	return e
}

// fresh reports whether all reservations about belong to the current epoch.
func (r *Runner) fresh() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stale && r.ready.pledges() == 0 {
		r.stale = false
	}
	return !r.stale
}

// Room waits until n deliveries of the tenant that are not urgent would get a reservation, at
// most for the time that is given, and reports whether they would. Who hands over many mails
// asks for it before each part: what finds no room goes to the store and must be claimed.
func (r *Runner) Room(ctx context.Context, t tenant.ID, n int, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return r.ready.seek(ctx, t, n) == nil
}

// Offer implements ingest.Feed.
func (r *Runner) Offer(entries []Entry) {
	r.mu.Lock()
	stale := r.stale
	r.mu.Unlock()
	e, _ := r.term.now()
	if stale {
		e = 0
	}
	r.ready.offer(e, entries)
}

// Cancel implements ingest.Feed.
func (r *Runner) Cancel(t tenant.ID, urgency, n int) { r.ready.cancel(t, urgency, n) }

// Take waits for deliveries to attempt and returns at most n, in fair order. The
// caller owns them until Settle, Release or Forget. It returns the cause of ctx's
// end.
func (r *Runner) Take(ctx context.Context, n int) ([]Held, error) { return r.ready.take(ctx, n) }

// Settle makes verdicts durable and then frees their room in memory. Fenced ones
// changed nothing. On an error nothing is freed and the call may be repeated.
func (r *Runner) Settle(ctx context.Context, s []Settlement) ([]message.DeliveryID, error) {
	fenced, err := r.cfg.Store.Settle(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("settle deliveries: %w", err)
	}
	var next time.Time
	late := map[message.DeliveryID]bool{}
	for _, d := range fenced {
		late[d] = true
	}
	for i := range s {
		if late[s[i].Delivery] {
			r.ready.forget(s[i].Delivery, s[i].Epoch)
		} else {
			r.ready.settled(&s[i])
		}
		if due := s[i].DueAt; !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	r.mu.Lock()
	early := !next.IsZero() && next.Before(r.sleep)
	r.mu.Unlock()
	if early {
		r.Wake()
	}
	return fenced, nil
}

// Note makes verdicts durable at once that are still to be settled; see Store.Note.
func (r *Runner) Note(s []*Settlement) ([]uint64, error) {
	numbers, err := r.cfg.Store.Note(s)
	if err != nil {
		return nil, fmt.Errorf("note verdicts: %w", err)
	}
	return numbers, nil
}

// Drop gives up notes of verdicts that are settled.
func (r *Runner) Drop(numbers []uint64) error {
	if err := r.cfg.Store.Drop(numbers); err != nil {
		return fmt.Errorf("drop notes: %w", err)
	}
	return nil
}

// Release gives claims back without an attempt and frees their room.
func (r *Runner) Release(ctx context.Context, held []Held) error {
	byEpoch := map[Epoch][]Entry{}
	for _, h := range held {
		byEpoch[h.Epoch] = append(byEpoch[h.Epoch], h.Entry)
		r.Forget(h)
	}
	var errs []error
	for e, entries := range byEpoch {
		if err := r.cfg.Store.Release(ctx, e, entries); err != nil {
			errs = append(errs, fmt.Errorf("release deliveries: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Forget frees the room of a delivery that belongs to others now.
func (r *Runner) Forget(h Held) { r.ready.forget(h.Delivery, h.Epoch) }

// Wake makes the feeder look at the store now, for example after Store.Apply.
func (r *Runner) Wake() { signal(r.wake) }

// InMemory returns how many deliveries are in memory or have room reserved.
func (r *Runner) InMemory() int { return r.ready.length() }

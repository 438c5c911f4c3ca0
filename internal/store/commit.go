package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// work is one call of Accept or Settle that waits for the committer.
type work struct {
	accept *ingest.Acceptance
	settle []queue.Settlement
	// state decides between the committer, who takes work, and a caller who gives
	// up: whoever moves it from waiting first wins.
	state atomic.Int32
	done  chan struct{} // closed when changed and err are set

	changed []bool          // which settlements took effect
	struck  []audience.Hash // whom they suppressed
	err     error
}

// The states of a work.
const (
	workWaiting int32 = iota
	workTaken
	workWithdrawn
)

// groupBytes bounds the bodies of one group: they are in memory together, and
// PostgreSQL takes them in one statement.
const groupBytes = 32 << 20

// rows is what the work counts towards the limit of a group.
func (w *work) rows() int {
	if w.accept != nil {
		return len(w.accept.Deliveries)
	}
	return len(w.settle)
}

func (w *work) bytes() int {
	if w.accept != nil {
		return len(w.accept.Sealed)
	}
	return 0
}

// besideVerdicts is how many deliveries a group accepts at most while verdicts come, too.
// There are never more verdicts in a group than sessions are open, and no session goes on
// before its verdict is durable: in groups as long as a mailing makes them, sending would
// stand still while a mailing is taken in.
const besideVerdicts = 128

// verdictsEcho is after how many groups without a verdict none are expected any more.
const verdictsEcho = 16

// committer is the one goroutine that writes acceptances and settlements: all
// that gathered while the previous commit ran goes into the next, verdicts first.
type committer struct {
	s        *Store
	queue    chan *work // acceptances
	verdicts chan *work // settlements
	echo     int        // groups for which verdicts are expected yet; run's own
	quit     chan struct{}
	// committed are groups that the flusher has yet to make durable. Where a commit is
	// durable when it returns, there are none.
	committed chan []*work
	stopped   chan struct{}
	once      sync.Once
	// broken is set for good by a flush that failed: the kernel may have thrown the
	// pages away and would report success if asked again.
	broken atomic.Pointer[fault.Error]
}

func startCommitter(s *Store) *committer {
	c := &committer{
		s:         s,
		queue:     make(chan *work, 2*s.cfg.GroupLimit),
		verdicts:  make(chan *work, 2*s.cfg.GroupLimit),
		quit:      make(chan struct{}),
		committed: make(chan []*work, flushesAhead),
		stopped:   make(chan struct{}),
	}
	go c.run()
	go c.flusher()
	return c
}

// failure returns why nothing can be stored any more, or nil.
func (c *committer) failure() error {
	if f := c.broken.Load(); f != nil {
		return f
	}
	return nil
}

// submit hands work over and waits for its commit. When the context ends while
// the work still waits, it is withdrawn; once taken, its end is awaited, because
// nobody could say whether it was stored.
func (c *committer) submit(ctx context.Context, w *work) error {
	if err := c.hand(ctx, w); err != nil {
		return err
	}
	return c.await(ctx, w)
}

// hand puts work into the queue.
func (c *committer) hand(ctx context.Context, w *work) error {
	w.done = make(chan struct{})
	if err := c.failure(); err != nil {
		return err
	}
	queue := c.queue
	if w.accept == nil {
		queue = c.verdicts
	}
	select {
	case queue <- w:
		return nil
	case <-c.stopped:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits for work that was handed over.
func (c *committer) await(ctx context.Context, w *work) error {
	select {
	case <-w.done:
		return w.err
	case <-c.stopped:
	case <-ctx.Done():
	}
	if w.state.CompareAndSwap(workWaiting, workWithdrawn) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return errClosed()
	}
	<-w.done
	return w.err
}

func errClosed() error {
	return fault.New(fault.Unavailable, "storage_closed", "The service is stopping.")
}

// stop ends the committer after the group it is writing, which is made durable.
func (c *committer) stop() {
	c.once.Do(func() { close(c.quit) })
	<-c.stopped
}

func (c *committer) run() {
	defer close(c.committed)
	for {
		select {
		case <-c.quit:
			return
		case w := <-c.verdicts:
			c.commit(c.gather(w))
		case w := <-c.queue:
			c.commit(c.gather(w))
		}
	}
}

// group is what the next commit writes.
type group struct {
	works       []*work
	rows, bytes int
	accepted    int // of rows
}

// take adds a work, unless its caller has given up.
func (g *group) take(w *work) {
	if !w.state.CompareAndSwap(workWaiting, workTaken) {
		return
	}
	g.works = append(g.works, w)
	g.rows += w.rows()
	g.bytes += w.bytes()
	if w.accept != nil {
		g.accepted += w.rows()
	}
}

// gather takes what waits, verdicts first, up to the limits of a group.
func (c *committer) gather(first *work) []*work {
	var g group
	c.expect(first)
	g.take(first)
	var late <-chan time.Time
	if c.s.cfg.GroupWait > 0 {
		timer := time.NewTimer(c.s.cfg.GroupWait)
		defer timer.Stop()
		late = timer.C
	}
	for g.rows < c.s.cfg.GroupLimit && g.bytes < groupBytes {
		select {
		case w := <-c.verdicts:
			c.expect(w)
			g.take(w)
			continue
		default:
		}
		queue := c.queue
		if c.echo > 0 && g.accepted >= besideVerdicts {
			queue = nil
		}
		select {
		case w := <-queue:
			g.take(w)
			continue
		default:
		}
		if late == nil || queue == nil {
			break
		}
		select {
		case w := <-c.verdicts:
			c.expect(w)
			g.take(w)
		case w := <-queue:
			g.take(w)
		case <-late:
			late = nil
		case <-c.quit:
			late = nil
		}
	}
	c.echo = max(c.echo-1, 0)
	return g.works
}

// expect notes that verdicts come.
func (c *committer) expect(w *work) {
	if w.accept == nil {
		c.echo = verdictsEcho
	}
}

// commit writes a group, whose callers are released by the flusher. What fails for a reason of one
// of them is tried again one by one, so that it fails alone.
func (c *committer) commit(group []*work) {
	if len(group) == 0 {
		return
	}
	if err := c.failure(); err != nil {
		c.release(group, err)
		return
	}
	// The callers' contexts do not reach here: a group is not one caller's.
	c.s.passFor(group, "", after250BeforeSettle)
	err := c.s.commitGroup(context.Background(), group)
	if err == nil {
		c.committed <- group
		return
	}
	kind := c.s.failureOf(err)
	if len(group) > 1 && (kind == failOther || kind == failConflict || kind == failClash) {
		c.s.cfg.Log.Warn("group is committed one by one", "works", len(group), "err", err)
		for _, w := range group {
			w.err, w.changed, w.struck = nil, nil, nil
			c.commit([]*work{w})
		}
		return
	}
	c.s.cfg.Log.Error("commit failed", "works", len(group), "err", err)
	c.release(group, fmt.Errorf("commit: %w", c.s.refusal(err)))
}

// breakDown refuses all work from now on and returns the refusal.
func (c *committer) breakDown(err error) error {
	f := &fault.Error{Kind: fault.Unavailable, Code: "storage_failed",
		Detail: "The storage failed; the service must be restarted.", Err: err}
	if c.broken.CompareAndSwap(nil, f) && c.s.cfg.Fatal != nil {
		c.s.cfg.Fatal(f)
	}
	return f
}

// release announces what was stored and ends the waiting, in this order, so that
// a caller's later facts are announced later. An err is everybody's.
func (c *committer) release(group []*work, err error) {
	for _, w := range group {
		if err != nil {
			w.err = err
			continue
		}
		c.s.suppressedNow(w.struck)
		if c.s.cfg.OnCommit != nil {
			c.s.announce(w)
		}
	}
	for _, w := range group {
		close(w.done)
	}
}

// announce tells of the events that work w made durable.
func (s *Store) announce(w *work) {
	switch {
	case w.err != nil:
	case w.accept != nil:
		for _, e := range w.accept.Events {
			s.cfg.OnCommit(w.accept.Message.Tenant, e)
		}
	default:
		for i, v := range w.settle {
			if w.changed[i] {
				s.cfg.OnCommit(v.Tenant, v.Event)
			}
		}
	}
}

// suppressedNow tells of whom this process has suppressed.
func (s *Store) suppressedNow(list []audience.Hash) {
	if s.cfg.OnSuppress != nil && len(list) > 0 {
		s.cfg.OnSuppress(list)
	}
}

// commitGroup writes a whole group in one transaction. Work that is refused by
// itself gets its error and is left out; an error returned means that nothing of
// the group is stored.
func (s *Store) commitGroup(ctx context.Context, group []*work) error {
	tx, ended, err := s.beginGroup(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	proof, err := s.writeGroup(ctx, tx, group)
	if err != nil {
		_ = tx.Rollback() // the first error counts
		ended()
		return err
	}
	s.pass(afterRowsBeforeCommit)
	err = tx.Commit()
	ended() // before anything else asks for a connection: there may be only this one
	if err != nil {
		if s.failureOf(err) == failDown && s.committed(ctx, proof) {
			return nil
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// proof names one row that is there if and only if the group was committed.
type proof struct {
	tenant  tenant.ID
	message message.ID
	event   event.ID
}

func (s *Store) writeGroup(ctx context.Context, tx *sql.Tx, group []*work) (proof, error) {
	var accepts []*work
	var settles []*work
	for _, w := range group {
		if w.accept != nil {
			accepts = append(accepts, w)
		} else {
			settles = append(settles, w)
		}
	}
	events := s.newEventRows()
	durable, err := s.writeAcceptances(ctx, tx, accepts, events)
	if err == nil {
		err = s.writeFollowing(ctx, tx, settles, events)
	} else {
		err = fmt.Errorf("accept: %w", err)
	}
	// The bodies must be safe before the rows that point at them are, and nobody may
	// go on while their flush runs: one that fails ends all storing.
	if failed := durable(); failed != nil {
		return proof{}, fmt.Errorf("bodies: %w", failed)
	}
	return events.proof, err
}

// writeFollowing writes what does not wait for bodies.
func (s *Store) writeFollowing(ctx context.Context, tx *sql.Tx, settles []*work, events *eventRows) error {
	if err := s.writeSettlements(ctx, tx, settles, events); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if err := events.insert(ctx, s.texts, tx); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// confirmTries bounds how often a lost answer to COMMIT is asked for.
const confirmTries = 3

// committed finds out what became of a commit whose answer was lost, by looking
// for one of its rows. Where it cannot, the callers are told of an error, and a
// repetition meets the idempotency key or the fenced row.
func (s *Store) committed(ctx context.Context, p proof) bool {
	if p.event.IsZero() {
		return false
	}
	for range confirmTries {
		var one int
		err := s.write.QueryRowContext(ctx, "SELECT 1 FROM events WHERE tenant = $1 AND message = $2 AND id = $3",
			p.tenant[:], p.message[:], p.event[:]).Scan(&one)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			return err == nil
		}
	}
	return false
}

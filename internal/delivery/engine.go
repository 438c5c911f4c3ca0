package delivery

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"stafette/internal/egress"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/trace"

	"golang.org/x/sync/semaphore"
)

const (
	takeBatch  = 64 // deliveries taken from the queue at once
	maxLookups = 64 // domains resolved at the same time
)

// errStopped is the cause of what the end of the grace time interrupts.
var errStopped = errors.New("delivery engine stops")

// parcel is one delivery on its way through a lane.
type parcel struct {
	queue.Held
	target *target
	tried  []string      // sources that were refused so far
	note   string        // what happened earlier in this attempt, for the record
	said   trace.Earlier // on another connection in this attempt
	handed bool          // to a server that takes over the reports asked for
	site   string        // where it goes without a detour
	order  queue.OrderID // of the detour it takes; zero: none
	pool   string        // ordered; "": as assigned
	fell   *fall         // refused over a new source a moment ago; nil: not so

	began     time.Time
	prepared  bool
	mail      smtp.Mail
	own       []byte // header fields that only this delivery bears
	signature []byte
	weight    int64 // of the memory budget, held while prepared
	begun     bool  // a server took it, and the settler counts it
}

func (p *parcel) urgency() int { return p.Stream.Urgency() }

// Engine delivers. Its methods are safe for concurrent use.
type Engine struct {
	cfg     Config
	own     map[string]bool // host names that are ours
	memory  *semaphore.Weighted
	lookups chan struct{}
	settler *settler
	work    sync.WaitGroup // connections and look-ups
	stop    chan struct{}  // closed when the engine begins to stop
	parking chan queue.Held
	bell    chan struct{} // capacity 1: due has an earlier time
	watch   egress.Watch

	mu       sync.Mutex // guards everything below and every lane
	lanes    map[egress.Key]*lane
	pairs    map[egress.Pair]*pair
	totals   map[string]int // connections by provider, over all sources
	domains  map[string]*domain
	hungry   []*lane             // want a connection but all places are taken
	due      map[*lane]time.Time // wait for their ceilings
	conns    int
	idle     int          // connections without mail
	leftover []queue.Held // taken, but not attempted before the stop
}

// New makes an Engine that does nothing yet.
func New(c Config) (*Engine, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	e := &Engine{
		cfg:     c,
		own:     map[string]bool{},
		memory:  semaphore.NewWeighted(c.Memory),
		lookups: make(chan struct{}, maxLookups),
		settler: newSettler(c),
		stop:    make(chan struct{}),
		parking: make(chan queue.Held, settleBacklog),
		bell:    make(chan struct{}, 1),
		lanes:   map[egress.Key]*lane{},
		pairs:   map[egress.Pair]*pair{},
		totals:  map[string]int{},
		due:     map[*lane]time.Time{},
		domains: map[string]*domain{},
	}
	for _, name := range c.Hostnames {
		e.own[strings.ToLower(name)] = true
	}
	for _, s := range c.Fleet.Plan().Sources {
		e.own[strings.ToLower(s.EHLO)] = true
	}
	return e, nil
}

// Run delivers what the queue gives until ctx ends. Then it takes nothing more,
// lets transactions in flight finish for the grace time, makes every verdict
// durable, gives the rest back and ends the queue's epoch.
func (e *Engine) Run(ctx context.Context) error {
	queueCtx, endQueue := context.WithCancel(context.WithoutCancel(ctx))
	defer endQueue()
	queueDone := make(chan error, 1)
	go func() { queueDone <- e.cfg.Queue.Run(queueCtx) }()

	// Work goes on under a context that outlives ctx by the grace time.
	work, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(errStopped)
	flush, endFlush := context.WithCancel(context.WithoutCancel(ctx))
	defer endFlush()
	settled := make(chan struct{})
	go func() { defer close(settled); e.settler.run(flush) }()
	parked := make(chan struct{})
	go func() { defer close(parked); e.runParking(flush) }()
	e.work.Go(func() { e.keepTime(work) })
	e.work.Go(func() { e.followShifts(work) })

	e.intake(ctx, work)
	close(e.stop)

	e.cfg.Queue.Drain()
	defer time.AfterFunc(e.cfg.Grace, func() { kill(errStopped) }).Stop()
	// A database that stays away must not hold up the stop for ever: what waits for
	// it, connections with a full backlog before them too, gives up in the end.
	defer time.AfterFunc(2*e.cfg.Grace, endFlush).Stop()
	e.work.Wait()
	e.settler.close()
	close(e.parking)
	<-settled
	<-parked
	err := e.giveBack(flush)

	endQueue()
	return errors.Join(err, <-queueDone)
}

// stopping reports whether nothing new may be begun.
func (e *Engine) stopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// untilStop returns a context that ends when the engine begins to stop.
func (e *Engine) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-e.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// intake takes deliveries until ctx ends and sends them towards their lanes, which
// go on under work.
func (e *Engine) intake(ctx, work context.Context) {
	for {
		batch, err := e.cfg.Queue.Take(ctx, takeBatch)
		if err != nil {
			return
		}
		for _, h := range batch {
			e.admit(ctx, work, &parcel{Held: h, began: e.cfg.Now()})
		}
	}
}

// admit sends one parcel on: to its verdict if its time is over, else to its domain.
func (e *Engine) admit(ctx, work context.Context, p *parcel) {
	switch err := e.cfg.Queue.Await(ctx, p.Epoch); {
	case errors.Is(err, queue.ErrFenced):
		e.cfg.Queue.Forget(p.Held) // others have it now
	case err != nil:
		e.leave(p)
	case !p.ExpiresAt.IsZero() && e.cfg.Now().After(p.ExpiresAt):
		e.expire(p)
	default:
		e.route(work, p)
	}
}

// leave keeps a parcel for giveBack.
func (e *Engine) leave(p *parcel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leftover = append(e.leftover, p.Held)
}

// giveBack releases everything that was taken and not attempted.
func (e *Engine) giveBack(ctx context.Context) error {
	e.mu.Lock()
	rest := e.leftover
	e.leftover = nil
	for _, l := range e.lanes {
		for _, p := range l.line.Drain() {
			rest = append(rest, p.Held)
		}
	}
	for _, d := range e.domains {
		for _, p := range d.waiting {
			rest = append(rest, p.Held)
		}
		d.waiting = nil
	}
	e.mu.Unlock()
	if len(rest) == 0 {
		return nil
	}
	return e.cfg.Queue.Release(ctx, rest)
}

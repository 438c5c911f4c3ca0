package returns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/queue"
	"stafette/internal/seal"
)

// SorterConfig is what a Sorter needs. All but Every and Log are demanded.
type SorterConfig struct {
	Store      Store
	Addresses  *Addresses
	Keeper     *seal.Keeper
	Judge      *bounce.Table
	Suppressor Suppressor
	Acceptor   ingest.Acceptor // for people's replies
	Resolver   dns.Resolver    // for SPF, DKIM and DMARC
	Aggregates Aggregates
	Now        func() time.Time
	// Epoch is that of this process on the queue: what it took is due again when the
	// epoch is dead. nil: it is due again after two minutes.
	Epoch func() queue.Epoch
	// Every is how long the Sorter waits before it looks by itself, for what another
	// node left behind; 0: 15 s.
	Every time.Duration
	Log   *slog.Logger // nil discards
}

const (
	// lease is how long a living node may take over a mail before another tries: longer
	// than the name servers' worst answers to SPF, DKIM and DMARC together.
	lease = 2 * time.Minute
	// maxTries bounds how often reading a mail is begun, lest one that kills its
	// reader kills it for ever.
	maxTries = 20
	// takeAtOnce and readers bound what is in memory: readers mails of the door's size.
	takeAtOnce = 50
	readers    = 4
	// maxReports is how many facts from return mail one delivery takes: whoever has its
	// return path could otherwise fill the record (T41).
	maxReports = 50
)

// Sorter reads return mail and leaves what it tells with the deliveries. Several may
// work on one database.
type Sorter struct {
	c     SorterConfig
	wake  chan struct{}
	proof *prover
}

// NewSorter makes a Sorter.
func NewSorter(c SorterConfig) *Sorter {
	if c.Every <= 0 {
		c.Every = 15 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Epoch == nil {
		c.Epoch = func() queue.Epoch { return 0 }
	}
	return &Sorter{c: c, wake: make(chan struct{}, 1), proof: newProver(c.Resolver)}
}

// Wake makes a running Sorter look at once. It never blocks.
func (s *Sorter) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sorts until ctx ends, then returns nil. Trouble is logged and tried again.
func (s *Sorter) Run(ctx context.Context) error {
	timer := time.NewTimer(s.c.Every)
	defer timer.Stop()
	for {
		n, err := s.Sort(ctx)
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error("return mail not sorted", "err", err)
		}
		if n == takeAtOnce {
			continue
		}
		timer.Reset(s.c.Every)
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// Sort reads what is due now, at most 50 mails, and returns how many it took. A mail
// whose reading failed stays due later; its error does not stop the others.
func (s *Sorter) Sort(ctx context.Context) (int, error) {
	now := s.now()
	list, err := s.c.Store.TakeReturns(ctx, s.c.Epoch(), now, now.Add(lease), takeAtOnce)
	if err != nil {
		return 0, fmt.Errorf("take return mail: %w", err)
	}
	var group errgroup.Group
	group.SetLimit(readers)
	var mu sync.Mutex
	var errs []error
	for _, m := range list {
		group.Go(func() error {
			if err := s.settle(ctx, m); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("sort return mail %s: %w", m.ID, err))
			}
			return nil
		})
	}
	_ = group.Wait() // no member returns an error
	return len(list), errors.Join(errs...)
}

func (s *Sorter) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// settle reads one mail to its end. A mail that breaks its reader is left for later,
// and given up after some tries, so that it holds up no other.
func (s *Sorter) settle(ctx context.Context, m Mail) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("broke down: %v\n%s", cause, debug.Stack())
		}
	}()
	if m.Tries > maxTries {
		m.State, m.Why = Unmatched, WhyUnreadable
		return s.conclude(ctx, m, nil)
	}
	sealed, err := s.c.Store.ReturnBody(ctx, m.Tenant, m.ID)
	if err != nil {
		return err
	}
	raw, err := s.c.Keeper.OpenBody(sealed, m.Salt)
	if err != nil {
		return err
	}
	r := s.open(ctx, m, raw)
	if m.Purpose == ForDomain {
		return s.aggregate(ctx, r)
	}
	facts, err := s.interpret(ctx, r)
	if err != nil {
		return err
	}
	r.State = Matched
	if r.Why != "" {
		r.State, facts = Unmatched, nil
	}
	// Before the facts, so that no fact is without its consequence should this process
	// die here: a suppressor may be told twice, a fact is recorded once.
	if err := s.suppress(ctx, r, facts); err != nil {
		return err
	}
	return s.conclude(ctx, r.Mail, facts)
}

// aggregate hands on a report about a domain, which no delivery is touched by.
func (s *Sorter) aggregate(ctx context.Context, r *reading) error {
	d, _ := aboutDomain(r.Recipient)
	r.State, r.Why = Matched, ""
	if err := s.c.Aggregates.Take(ctx, d, r.raw, r.Auth.DKIM == authPass); fault.As(err) != nil {
		r.State, r.Why = Unmatched, WhyNoAggregate
	} else if err != nil {
		return fmt.Errorf("take report about %s: %w", d, err)
	}
	return s.conclude(ctx, r.Mail, nil)
}

func (s *Sorter) conclude(ctx context.Context, m Mail, facts []event.Event) error {
	done, err := s.c.Store.ConcludeReturn(ctx, m, facts)
	if err != nil {
		return err
	}
	if done {
		s.c.Log.Info("return mail sorted", "return", m.ID.String(), "state", string(m.State), "kind", string(m.Kind), "why", m.Why)
	}
	return nil
}

// suppress tells what the facts mean for further mail to the recipient.
func (s *Sorter) suppress(ctx context.Context, r *reading, facts []event.Event) error {
	o := r.origin
	for _, f := range facts {
		v := audience.Report{
			Tenant: o.Tenant, Stream: o.Stream, Address: o.Recipient, Class: f.Reason, Hard: f.Report.Hard, At: f.At, Delivery: o.Delivery,
		}
		var err error
		switch f.Type {
		case event.LateBounced:
			_, err = s.c.Suppressor.Bounced(ctx, v)
		case event.Complained:
			_, err = s.c.Suppressor.Complained(ctx, v)
		case event.Unsubscribed:
			_, err = s.c.Suppressor.Unsubscribed(ctx, v)
		}
		if err != nil {
			return fmt.Errorf("suppress: %w", err)
		}
	}
	return nil
}

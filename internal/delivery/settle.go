package delivery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
)

const (
	settleBatch   = 500  // verdicts made durable in one commit
	settleBacklog = 2000 // verdicts that may wait; beyond it connections do. See also taken.
	settleAtOnce  = 2    // batches on their way to the database: one written, one flushed, one that waits
	settleRetry   = 100 * time.Millisecond
	settleMaxWait = 5 * time.Second
)

// settler makes verdicts durable behind the connections' backs, in batches: while
// one commit runs the next batch gathers. When the database is slow or down the
// backlog fills and sending stops by itself.
type settler struct {
	queue   *queue.Runner
	metrics *Metrics
	log     *slog.Logger
	in      chan queue.Settlement

	// taken counts mails that a server took and the database does not know of yet:
	// a crash now sends each of them twice. There may be as many as sessions are
	// open; further sessions wait with theirs, so that a slow disk slows sending
	// down and does not pile up duplicates.
	mu       sync.Mutex
	room     sync.Cond // of mu
	taken    int
	sessions int
}

func newSettler(c Config) *settler {
	s := &settler{queue: c.Queue, metrics: c.Metrics, log: c.Log, in: make(chan queue.Settlement, settleBacklog)}
	s.room.L = &s.mu
	return s
}

// submit hands over a verdict; it waits while too many are not durable yet.
func (s *settler) submit(v queue.Settlement) {
	if v.State == event.Delivered {
		s.mu.Lock()
		for s.taken >= max(s.sessions, 1) {
			s.room.Wait()
		}
		s.taken++
		s.mu.Unlock()
	}
	s.metrics.settling.Inc()
	s.in <- v
}

// opened tells how many sessions were opened, or closed if n is negative.
func (s *settler) opened(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions += n
	s.room.Broadcast()
}

// through lets those go on who waited for the batch.
func (s *settler) through(batch []queue.Settlement) {
	s.metrics.settling.Sub(float64(len(batch)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		if batch[i].State == event.Delivered {
			s.taken--
		}
	}
	s.room.Broadcast()
}

// close ends the settler once everything submitted is durable. Nothing may be
// submitted after it.
func (s *settler) close() { close(s.in) }

// run settles until close, or gives up what is left when ctx ends. No two batches hold
// verdicts of one delivery: it is attempted again only after its verdict is durable.
func (s *settler) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	places := make(chan struct{}, settleAtOnce)
	for first := range s.in {
		places <- struct{}{} // what comes meanwhile goes into this batch
		batch := s.gather(first)
		work.Go(func() {
			s.settle(ctx, batch)
			<-places
			s.through(batch)
		})
	}
}

// gather takes what waits, without waiting for more.
func (s *settler) gather(first queue.Settlement) []queue.Settlement {
	batch := append(make([]queue.Settlement, 0, min(len(s.in)+1, settleBatch)), first)
	for len(batch) < settleBatch {
		select {
		case v, ok := <-s.in:
			if !ok {
				return batch
			}
			batch = append(batch, v)
		default:
			return batch
		}
	}
	return batch
}

// settle tries until the batch is durable or ctx ends. It never drops a verdict
// for an error: a delivered mail whose verdict is lost would be sent again.
func (s *settler) settle(ctx context.Context, batch []queue.Settlement) {
	for wait := settleRetry; ; wait = min(2*wait, settleMaxWait) {
		fenced, err := s.queue.Settle(ctx, batch)
		if err == nil {
			s.reportFenced(batch, fenced)
			return
		}
		if ctx.Err() != nil {
			s.reportLost(batch)
			return
		}
		s.log.Error("verdicts not durable yet", "deliveries", len(batch), "err", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// reportFenced logs verdicts that came too late: a command or another node was first.
func (s *settler) reportFenced(batch []queue.Settlement, fenced []message.DeliveryID) {
	if len(fenced) == 0 {
		return
	}
	s.metrics.fenced.Add(float64(len(fenced)))
	late := map[message.DeliveryID]bool{}
	for _, d := range fenced {
		late[d] = true
	}
	for i := range batch {
		if late[batch[i].Delivery] {
			s.log.Warn("verdict fenced", "delivery", batch[i].Delivery.String(), "state", string(batch[i].State), "epoch", int64(batch[i].Epoch))
		}
	}
}

// reportLost names the mails that were sent but could not be recorded as sent.
func (s *settler) reportLost(batch []queue.Settlement) {
	for i := range batch {
		if batch[i].State == event.Delivered {
			s.log.Error("verdict lost: the mail will be sent again", "delivery", batch[i].Delivery.String())
		}
	}
}

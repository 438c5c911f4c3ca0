package delivery

import (
	"context"
	"log/slog"
	"slices"
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
//
// What a server took is noted where sessions would have to wait for a commit (note.go).
type settler struct {
	queue   *queue.Runner
	metrics *Metrics
	log     *slog.Logger
	in      chan *verdict
	wanted  chan struct{} // capacity 1: notes are to be written
	failing bool          // notes could not be written; the noter's own

	// taken counts mails that a server took and the disk does not know of yet, handing
	// those that are being handed to one: a crash now may send each of both twice. There
	// may be two for each open session; a session that would begin one more waits, so that
	// a slow disk slows sending down and does not pile up duplicates.
	mu       sync.Mutex
	room     sync.Cond // of mu
	taken    int
	handing  int
	sessions int
	fresh    []*verdict // of taken: those that may be noted, and are not yet
	never    bool       // the store notes nothing
}

// verdict is a settlement on its way. The settler's mutex guards what is not the settlement.
type verdict struct {
	queue.Settlement
	taken   bool   // is counted by settler.taken: its mail was begun
	settled bool   // its rows are durable
	note    uint64 // number of its note; 0: it has none
}

func newSettler(c Config) *settler {
	s := &settler{queue: c.Queue, metrics: c.Metrics, log: c.Log, in: make(chan *verdict, settleBacklog), wanted: make(chan struct{}, 1)}
	s.room.L = &s.mu
	return s
}

// begin waits until one mail more may be handed to a server, or ctx ends: then it is false.
// Otherwise took or failed is called when the server has answered.
func (s *settler) begin(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		stop := context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.room.Broadcast()
		})
		defer stop()
	}
	for s.full() && ctx.Err() == nil {
		s.want()
		s.room.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	s.handing++
	return true
}

// full reports whether a crash now would send as many twice as one may; mu is held.
func (s *settler) full() bool { return s.handing+s.taken >= 2*max(s.sessions, 1) }

// failed ends what begin began: the server did not take the mail.
func (s *settler) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handing--
	s.room.Broadcast()
}

// submit hands over a verdict. Begun: what begin began ends with it.
func (s *settler) submit(v queue.Settlement, begun bool) {
	one := &verdict{Settlement: v, taken: begun}
	if begun {
		s.took(one)
	}
	s.metrics.settling.Inc()
	s.in <- one
}

// took counts a mail as taken that was being handed over.
func (s *settler) took(v *verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handing--
	s.taken++
	if !s.never && v.Notable() {
		s.fresh = append(s.fresh, v)
	}
	if s.crowded() {
		s.want()
	}
}

// opened tells how many sessions were opened, or closed if n is negative.
func (s *settler) opened(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions += n
	s.room.Broadcast()
}

// through lets those go on who waited for the batch. Stored: its rows are durable.
func (s *settler) through(batch []*verdict, stored bool) {
	s.metrics.settling.Sub(float64(len(batch)))
	var notes []uint64
	s.mu.Lock()
	for _, v := range batch {
		s.release(v)
		if v.settled = stored; stored && v.note > 0 {
			notes = append(notes, v.note)
		}
	}
	s.fresh = slices.DeleteFunc(s.fresh, func(v *verdict) bool { return !v.taken })
	s.room.Broadcast()
	s.mu.Unlock()
	s.drop(notes)
}

// release no longer counts a verdict as taken; mu is held.
func (s *settler) release(v *verdict) {
	if v.taken {
		v.taken = false
		s.taken--
	}
}

// close ends the settler once everything submitted is durable. Nothing may be
// submitted after it.
func (s *settler) close() { close(s.in) }

// run settles until close, or gives up what is left when ctx ends. No two batches hold
// verdicts of one delivery: it is attempted again only after its verdict is durable.
func (s *settler) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	ended := make(chan struct{})
	defer close(ended)
	work.Go(func() { s.noter(ended) })
	places := make(chan struct{}, settleAtOnce)
	for first := range s.in {
		places <- struct{}{} // what comes meanwhile goes into this batch
		batch := s.gather(first)
		work.Go(func() {
			stored := s.settle(ctx, batch)
			<-places
			s.through(batch, stored)
		})
	}
}

// gather takes what waits, without waiting for more.
func (s *settler) gather(first *verdict) []*verdict {
	batch := append(make([]*verdict, 0, min(len(s.in)+1, settleBatch)), first)
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

// settle tries until the batch is durable, or ctx ends: then it is false. It never drops
// a verdict for an error: a delivered mail whose verdict is lost would be sent again.
func (s *settler) settle(ctx context.Context, batch []*verdict) bool {
	list := make([]queue.Settlement, len(batch))
	for i, v := range batch {
		list[i] = v.Settlement
	}
	for wait := settleRetry; ; wait = min(2*wait, settleMaxWait) {
		fenced, err := s.queue.Settle(ctx, list)
		if err == nil {
			s.reportFenced(list, fenced)
			return true
		}
		if ctx.Err() != nil {
			s.reportLost(batch)
			return false
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
func (s *settler) reportLost(batch []*verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range batch {
		if v.State == event.Delivered && v.note == 0 {
			s.log.Error("verdict lost: the mail will be sent again", "delivery", v.Delivery.String())
		}
	}
}

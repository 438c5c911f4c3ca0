package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/tenant"
)

// bench is a Runner at work on a Store in memory, inside a synctest bubble.
type bench struct {
	*queue.Runner
	t     *testing.T
	store *queuetest.Store
	stop  context.CancelFunc
	done  chan error
}

func newBench(t *testing.T, c queue.Config, entries ...queue.Entry) *bench {
	t.Helper()
	b := &bench{t: t, store: queuetest.New(time.Now), done: make(chan error, 1)}
	b.store.Add(0, entries...)
	c.Store, c.Node, c.Now = b.store, "test", time.Now
	b.Runner = queue.NewRunner(c)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.done <- b.Run(ctx) }()
	return b
}

func (b *bench) end() {
	b.t.Helper()
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Errorf("Run: %v", err)
	}
}

// take returns what can be taken without waiting for time to pass.
func (b *bench) take() []queue.Held {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var all []queue.Held
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			batch, err := b.Take(ctx, 1000)
			if err != nil {
				return
			}
			all = append(all, batch...)
		}
	}()
	synctest.Wait()
	cancel()
	<-done
	return all
}

func (b *bench) settle(state event.State, due time.Time, held ...queue.Held) {
	b.t.Helper()
	var list []queue.Settlement
	for _, h := range held {
		list = append(list, queue.Settlement{Tenant: h.Tenant, Delivery: h.Delivery, Epoch: h.Epoch, State: state, DueAt: due, Attempts: h.Attempts + 1})
	}
	if fenced, err := b.Settle(b.t.Context(), list); err != nil || len(fenced) != 0 {
		b.t.Fatalf("Settle: %d fenced, %v", len(fenced), err)
	}
}

func entry(who tenant.ID, s tenant.Stream) queue.Entry {
	return queue.Entry{Tenant: who, Delivery: message.Delivery(message.NewID(time.Now()), 1), Stream: s, DueAt: time.Now()}
}

func entries(n int, who tenant.ID, s tenant.Stream) []queue.Entry {
	var list []queue.Entry
	for range n {
		list = append(list, entry(who, s))
	}
	return list
}

func TestRestartClaimsEveryTenantInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := tenants(150) // more than one page
		var all []queue.Entry
		for i, who := range ids {
			n := 3
			if i == 0 {
				n = 5000
			}
			all = append(all, entries(n, who, tenant.Newsletter)...)
		}
		b := newBench(t, queue.Config{Bounds: queue.Bounds{Total: 2000, Tenant: 1000, Urgent: 100}, Batch: 50}, all...)
		synctest.Wait()
		if n := b.InMemory(); n > 1900 {
			t.Errorf("%d deliveries in memory", n)
		}
		seen := map[tenant.ID]int{}
		for total := 0; total < len(all); {
			held := b.take()
			if len(held) == 0 {
				t.Fatalf("nothing more after %d of %d", total, len(all))
			}
			if total == 0 {
				for _, h := range held[:150] {
					seen[h.Tenant]++
				}
				if len(seen) != 150 {
					t.Errorf("the first 150 are of %d tenants", len(seen))
				}
			}
			total += len(held)
			b.settle(event.Delivered, time.Time{}, held...)
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if got := b.store.Count(); got[event.Delivered] != len(all) {
			t.Errorf("states %v", got)
		}
		if n := b.InMemory(); n != 0 {
			t.Errorf("%d left in memory", n)
		}
		b.end()
	})
}

func TestFeederWakesForRetriesAndForNewWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{Poll: time.Hour}, entry(who, tenant.Transactional))
		held := b.take()
		if len(held) != 1 {
			t.Fatalf("took %d", len(held))
		}
		start := time.Now()
		b.settle(event.Deferred, start.Add(7*time.Minute), held...)
		if len(b.take()) != 0 {
			t.Error("taken before it was due")
		}
		again, err := b.Take(t.Context(), 1)
		if err != nil || time.Since(start) != 7*time.Minute {
			t.Errorf("taken after %s, %v", time.Since(start), err)
		}
		b.settle(event.Delivered, time.Time{}, again...)

		b.store.Add(0, entry(who, tenant.Transactional)) // nobody tells the feeder
		if len(b.take()) != 0 {
			t.Error("found without being told, before the poll")
		}
		b.Wake()
		if len(b.take()) != 1 {
			t.Error("Wake did not make the feeder look")
		}
		b.end()
	})
}

// meanwhile is a store where something happens while it says what is due next.
type meanwhile struct {
	*queuetest.Store
	happens atomic.Pointer[func()] // once
}

func (s *meanwhile) NextDue(ctx context.Context, after, until time.Time) (time.Time, bool, error) {
	at, ok, err := s.Store.NextDue(ctx, after, until)
	if f := s.happens.Swap(nil); f != nil {
		(*f)()
	}
	return at, ok, err
}

// A retry that is stored between the question what is due next and its answer is not found
// by the poll alone.
func TestFeederMissesNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, store := time.Now(), &meanwhile{Store: queuetest.New(time.Now)}
		store.Add(0, entry(tenants(1)[0], tenant.Transactional))
		b := &bench{Runner: queue.NewRunner(queue.Config{Store: store, Node: "test", Now: time.Now, Poll: time.Hour}), t: t, store: store.Store, done: make(chan error, 1)}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		b.stop = stop
		go func() { b.done <- b.Run(ctx) }()
		b.settle(event.Deferred, start.Add(7*time.Minute), b.take()...)
		synctest.Wait()
		again := func() { b.settle(event.Deferred, start.Add(9*time.Minute), b.take1()...) }
		store.happens.Store(&again)
		time.Sleep(8 * time.Minute)
		if held := b.take1(); len(held) != 1 || time.Since(start) != 9*time.Minute {
			t.Errorf("%d taken after %s", len(held), time.Since(start))
		}
		b.end()
	})
}

// take1 waits for one.
func (b *bench) take1() []queue.Held {
	b.t.Helper()
	held, err := b.Take(b.t.Context(), 1)
	if err != nil {
		b.t.Error(err)
	}
	return held
}

func TestReserveKeepsToTheBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := tenants(4)
		b := newBench(t, queue.Config{Bounds: queue.Bounds{Total: 100, Tenant: 40, Urgent: 20}})
		steps := []struct {
			who        tenant.ID
			urgency, n int
			ok         bool
		}{
			{ids[0], 2, 41, false}, // over the tenant's share
			{ids[0], 2, 40, true},
			{ids[0], 1, 1, false}, // reminder and newsletter share
			{ids[0], 0, 1, true},  // urgent mail of the same tenant has its own share
			{ids[1], 2, 39, true}, // 80 in all
			{ids[2], 2, 1, false}, // the rest is for urgent mail
			{ids[2], 0, 20, true},
			{ids[3], 0, 1, false}, // full
		}
		for i, s := range steps {
			if got := b.Reserve(s.who, s.urgency, s.n) != 0; got != s.ok {
				t.Errorf("step %d: reserved %t, want %t", i+1, got, s.ok)
			}
		}
		b.Cancel(ids[0], 2, 40)
		if b.Reserve(ids[3], 2, 20) == 0 {
			t.Error("no room after a reservation was cancelled")
		}
		b.end()
	})
}

func TestOfferedMailIsTakenUnderTheEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{})
		list := entries(3, who, tenant.Transactional)
		epoch := b.Reserve(who, 0, 3)
		b.store.Add(epoch, list...)
		b.Offer(list)
		held := b.take()
		if epoch == 0 || len(held) != 3 || held[0].Epoch != epoch || b.InMemory() != 3 {
			t.Fatalf("epoch %d, held %+v", epoch, held)
		}
		b.settle(event.Delivered, time.Time{}, held[0])
		if err := b.Release(t.Context(), held[1:2]); err != nil {
			t.Fatal(err)
		}
		b.Forget(held[2])
		if b.InMemory() != 0 {
			t.Errorf("%d left in memory", b.InMemory())
		}
		b.end()
	})
}

func TestNothingIsInMemoryTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{})
		e := entry(who, tenant.Transactional)
		b.store.Add(b.Reserve(who, 0, 1), e)
		b.Reserve(who, 0, 1)
		b.Offer([]queue.Entry{e})
		b.Offer([]queue.Entry{e})
		if held := b.take(); len(held) != 1 || b.InMemory() != 1 {
			t.Errorf("taken %d times, %d in memory", len(held), b.InMemory())
		}
		b.end()
	})
}

func TestHeartbeatEveryThirdOfTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, queue.Config{Lease: 30 * time.Second})
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if n := b.store.Beats(); n != 30 || !b.Live(1) {
			t.Errorf("%d beats in five minutes, live %t", n, b.Live(1))
		}
		b.end()
	})
}

func TestLapsedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{Lease: 30 * time.Second}, entry(who, tenant.Transactional))
		held := b.take()
		bound, cancel := b.Bind(t.Context(), held[0].Epoch)
		defer cancel()
		b.store.Fail(errors.New("database is down"))
		time.Sleep(29 * time.Second)
		if !b.Live(held[0].Epoch) || bound.Err() != nil {
			t.Error("the lease ended early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if b.Live(held[0].Epoch) || bound.Err() == nil || b.Reserve(who, 0, 1) != 0 {
			t.Error("a lapsed lease goes on")
		}
		b.store.Fail(nil)
		if err := b.Await(t.Context(), held[0].Epoch); err != nil || !b.Live(held[0].Epoch) {
			t.Errorf("after the database came back: %v", err)
		}
		b.settle(event.Delivered, time.Time{}, held...)
		b.end()
	})
}

func TestFencedEpochIsFollowedByANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{Lease: 30 * time.Second}, entries(5, who, tenant.Transactional)...)
		old := b.take()
		pledged := b.Reserve(who, 0, 2) // an acceptance on its way into the store
		b.store.Kill(old[0].Epoch)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if b.Live(old[0].Epoch) || !errors.Is(b.Await(t.Context(), old[0].Epoch), queue.ErrFenced) {
			t.Error("the dead epoch lives")
		}
		late := entries(2, who, tenant.Transactional)
		b.store.Add(pledged, late...)
		if b.Reserve(who, 0, 1) != 0 {
			t.Error("reserved while reservations of the dead epoch are about")
		}
		b.Offer(late) // under the dead epoch: must not be sent from memory
		if e := b.Reserve(who, 0, 1); e == 0 || e == pledged {
			t.Errorf("reserved under epoch %d", e)
		}
		b.Cancel(who, 0, 1)
		time.Sleep(5 * time.Second)
		anew := b.take()
		if len(anew) != 7 {
			t.Errorf("%d claimed by the new epoch, want all 7", len(anew))
		}
		for _, h := range anew {
			if h.Epoch == pledged || !b.Live(h.Epoch) {
				t.Errorf("%s under epoch %d", h.Delivery, h.Epoch)
			}
		}
		b.settle(event.Delivered, time.Time{}, anew...)
		for _, h := range old {
			b.Forget(h) // the old holder lets go late: the new claim must not suffer
		}
		if b.InMemory() != 0 {
			t.Errorf("%d left in memory", b.InMemory())
		}
		b.end()
	})
}

func TestStopGivesEverythingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(1)[0]
		b := newBench(t, queue.Config{}, entries(10, who, tenant.Transactional)...)
		synctest.Wait()
		if n := b.store.Owned(1); n != 10 {
			t.Fatalf("%d claimed", n)
		}
		b.Drain()
		if b.Reserve(who, 0, 1) != 0 {
			t.Error("reserved while draining")
		}
		b.end()
		if n := b.store.Owned(1); n != 0 {
			t.Errorf("%d still owned", n)
		}
		if b.Live(1) {
			t.Error("live after the stop")
		}
	})
}

func TestStartFailsWithTheStore(t *testing.T) {
	store := queuetest.New(time.Now)
	down := errors.New("database is down")
	store.Fail(down)
	r := queue.NewRunner(queue.Config{Store: store, Node: "test", Now: time.Now})
	if err := r.Start(t.Context()); !errors.Is(err, down) {
		t.Errorf("Start: %v", err)
	}
	if r.Reserve(tenants(1)[0], 0, 1) != 0 {
		t.Error("reserved without an epoch")
	}
}

func BenchmarkReserveOfferTake(b *testing.B) {
	store := queuetest.New(time.Now)
	r := queue.NewRunner(queue.Config{Store: store, Node: "test", Now: time.Now})
	if err := r.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	ids := tenants(10)
	for i := 0; b.Loop(); i++ {
		e := queue.Entry{Tenant: ids[i%len(ids)], Delivery: message.Delivery(message.NewID(time.Unix(int64(i), 0)), 1)}
		if r.Reserve(e.Tenant, 0, 1) == 0 {
			b.Fatal("no room")
		}
		r.Offer([]queue.Entry{e})
		held, err := r.Take(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		r.Forget(held[0])
	}
}

package store_test

import (
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// node is one of several stores on one database, with a clock that is wrong.
func node(t *testing.T, url string, wrong time.Duration) *store.Store {
	t.Helper()
	return open(t, store.Config{URL: url, Now: func() time.Time { return time.Now().Add(wrong) }})
}

// TestNodesAgreeOnTheTime: whatever their machines say, stores on one PostgreSQL
// tell the same time, and leave a clock that is nearly right alone.
func TestNodesAgreeOnTheTime(t *testing.T) {
	url := postgres.URL(t)
	for _, wrong := range []time.Duration{0, 100 * time.Millisecond, 10 * time.Minute, -10 * time.Minute, 365 * 24 * time.Hour} {
		s := node(t, url, wrong)
		off := time.Until(s.Now()).Abs()
		if off > 3*time.Second { // twice the tolerance, and a slow round trip
			t.Errorf("wrong by %v: tells a time that is off by %v", wrong, off)
		}
		if wrong == 100*time.Millisecond && off < wrong/2 {
			t.Errorf("a small difference was corrected to %v", off)
		}
	}
}

// TestWrongClocksTakeNothingAndKeepNothing: a node whose clock is ahead does not
// take over what a living one holds, and one whose clock is behind does not leave
// lying what is due.
func TestWrongClocksTakeNothingAndKeepNothing(t *testing.T) {
	const lease = time.Hour // longer than the test: nobody dies
	ctx := context.Background()
	url := postgres.URL(t)
	world := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.URL, cfg.Now = url, time.Now
		return open(t, cfg)
	})
	ahead, behind := node(t, url, 10*time.Minute), node(t, url, -10*time.Minute)
	epochs := map[*store.Store]queue.Epoch{}
	for name, s := range map[string]*store.Store{"exact": world.Store, "ahead": ahead, "behind": behind} {
		e, err := s.StartEpoch(ctx, name, s.Now(), s.Now().Add(lease))
		if err != nil {
			t.Fatal(err)
		}
		epochs[s] = e
	}
	claim := func(s *store.Store) []queue.Entry {
		t.Helper()
		if _, err := s.DueTenants(ctx, s.Now(), tenant.ID{}, 10); err != nil {
			t.Fatal(err)
		}
		list, err := s.Claim(ctx, queue.Claim{Epoch: epochs[s], Tenant: world.A, Now: s.Now(), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	held := storetest.Draft(behind.Now(), world.A, "r@example.net")
	held.Epoch = epochs[behind]
	world.Accept(held)
	if n := len(claim(ahead)) + len(claim(world.Store)); n != 0 {
		t.Errorf("%d deliveries were taken from a living node", n)
	}
	if fenced := world.Settle(world.Verdict(epochs[behind], world.A, held.Deliveries[0].ID, event.Delivered)); len(fenced) != 0 {
		t.Error("the node whose clock is behind was fenced")
	}

	free := storetest.Draft(ahead.Now(), world.A, "r@example.net")
	world.Accept(free)
	var list []queue.Entry
	// The clocks agree up to the tolerance, so what is due now may be so in a second or two.
	for until := time.Now().Add(30 * time.Second); len(list) == 0 && time.Now().Before(until); {
		list = claim(behind)
	}
	if len(list) != 1 || message.Of(list[0].Delivery) != free.Message.ID {
		t.Errorf("the node whose clock is behind claimed %d deliveries", len(list))
	}
}

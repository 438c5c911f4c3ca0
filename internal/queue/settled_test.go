package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/tenant"
)

// slowStore tells of verdicts a while after they hold, as a database does that flushes.
type slowStore struct{ *queuetest.Store }

func (s slowStore) Settle(ctx context.Context, list []queue.Settlement) ([]message.DeliveryID, error) {
	fenced, err := s.Store.Settle(ctx, list)
	time.Sleep(5 * time.Second)
	return fenced, err
}

// TestPutOffAndDueAtOnce holds that a delivery whose verdict is stored so late that it is due
// again is neither lost, if it is claimed before its verdict is known to be stored, nor given
// out twice.
func TestPutOffAndDueAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		state event.State
		after time.Duration // from the verdict until it is due
		want  int           // times that it is given out after the verdict
	}{
		"due at once": {event.Deferred, 0, 1},
		"due later":   {event.Deferred, time.Minute, 1},
		"delivered":   {event.Delivered, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := queuetest.New(time.Now)
				store.Add(0, entry(tenants(1)[0], tenant.Transactional))
				r := queue.NewRunner(queue.Config{Store: slowStore{store}, Node: "test", Now: time.Now})
				if err := r.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- r.Run(ctx) }()
				held, err := r.Take(ctx, 10)
				if err != nil || len(held) != 1 {
					t.Fatalf("%d taken, %v", len(held), err)
				}
				h := held[0]
				v := queue.Settlement{Tenant: h.Tenant, Delivery: h.Delivery, Epoch: h.Epoch, State: c.state, Attempts: h.Attempts + 1}
				if c.state == event.Deferred {
					v.DueAt = time.Now().Add(c.after)
				}
				go func() {
					if fenced, err := r.Settle(ctx, []queue.Settlement{v}); err != nil || len(fenced) > 0 {
						t.Errorf("%d fenced, %v", len(fenced), err)
					}
				}()
				given := 0
				for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
					wait, cancel := context.WithDeadline(ctx, end)
					again, _ := r.Take(wait, 10)
					cancel()
					given += len(again)
				}
				if given != c.want {
					t.Errorf("given out %d times more, want %d", given, c.want)
				}
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

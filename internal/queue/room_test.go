package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/queue"
)

// TestRoomIsWaitedFor holds that who asks for room is told as soon as there is enough for them,
// after the time they gave at the latest, and that it is not taken from others.
func TestRoomIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := tenants(2)
		b := newBench(t, queue.Config{Bounds: queue.Bounds{Total: 100, Tenant: 40, Urgent: 20}})
		start := time.Now()
		wait := func(after time.Duration, want bool) {
			t.Helper()
			if got := b.Room(t.Context(), who[0], 10, time.Second); got != want || time.Since(start) != after {
				t.Errorf("room: %t after %s", got, time.Since(start))
			}
		}
		b.Reserve(who[0], 2, 30)
		wait(0, true)
		wait(0, true) // none was taken
		b.Reserve(who[0], 2, 5)
		wait(time.Second, false)
		if !b.Room(t.Context(), who[1], 10, time.Second) {
			t.Error("no room for another")
		}
		time.AfterFunc(100*time.Millisecond, func() { b.Cancel(who[0], 2, 4) })
		time.AfterFunc(300*time.Millisecond, func() { b.Cancel(who[0], 2, 1) })
		wait(1300*time.Millisecond, true)

		b.Reserve(who[0], 2, 10)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if b.Room(ctx, who[0], 10, time.Second) || time.Since(start) != 1400*time.Millisecond {
			t.Errorf("waited %s for someone who left", time.Since(start))
		}
		b.end()
	})
}

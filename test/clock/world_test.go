package clock

import (
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// world is a real store on SQLite with one tenant.
type world struct {
	store  *store.Store
	now    func() time.Time
	tenant tenant.ID
	handle spool.Handle // of the mail accepted last
	epoch  queue.Epoch
}

func openWorld(t *testing.T, now func() time.Time) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{store: s, now: now}
	founded := storetest.NewWorld(t, func(_ testing.TB, _ store.Config) *store.Store { return s })
	w.tenant = founded.A
	if w.epoch, err = s.StartEpoch(t.Context(), "n", now(), now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

// draft is a mail due now, without attachments, that ends after five days.
func (w *world) draft() *ingest.Acceptance {
	a := storetest.Draft(w.now(), w.tenant, "eva@kunde.example")
	a.Message.ExpiresAt, a.Message.Digests = w.now().Add(ingest.DefaultExpiry), nil
	return a
}

func (w *world) accept(t *testing.T) message.DeliveryID {
	t.Helper()
	a := w.draft()
	if err := w.store.Accept(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	w.handle = spool.Handle{Tenant: w.tenant, Message: a.Message.ID, Ref: a.Ref, Salt: a.Message.Salt}
	return a.Deliveries[0].ID
}

// claim takes what is due, which must be so many.
func (w *world) claim(t *testing.T, want int) queue.Epoch {
	t.Helper()
	list, err := w.store.Claim(context.Background(), queue.Claim{Epoch: w.epoch, Tenant: w.tenant, Now: w.now(), Limit: 10})
	if err != nil || len(list) != want {
		t.Fatalf("claimed %d, %v; want %d", len(list), err, want)
	}
	return w.epoch
}

func (w *world) settle(t *testing.T, e queue.Epoch, d message.DeliveryID, state event.State, due time.Time) {
	t.Helper()
	v := storetest.Verdict(w.now(), e, w.tenant, d, state)
	v.DueAt = due
	if fenced, err := w.store.Settle(context.Background(), []queue.Settlement{v}); err != nil || len(fenced) != 0 {
		t.Fatalf("settle: %d fenced, %v", len(fenced), err)
	}
}

package history_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/test/load/history"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DataDir: dir, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheProductReadsIt holds that the rows are those the product would have written.
func TestTheProductReadsIt(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	owner := tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "Muster", State: tenant.Active, Locale: "de",
		OfficeTone: tenant.Sie, CustomerTone: tenant.Du, CreatedAt: now}
	if err := s.Found(t.Context(), tenant.Founding{Tenant: owner}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	keeper, err := seal.Load(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := history.Open(t.Context(), dir, "muster.example")
	if err != nil {
		t.Fatal(err)
	}
	began := now.AddDate(0, 0, -1)
	for _, part := range [][2]int{{0, 150}, {150, 300}} {
		if err := db.Fill(t.Context(), began, part[0], part[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Queue(t.Context(), now.Add(-time.Second), 20); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir)
	defer s.Close()
	page, err := s.Messages(t.Context(), owner.ID, insight.Filter{Recipient: history.Recipient(100)})
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("messages to %s: %+v (%v)", history.Recipient(100), page, err)
	}
	events, err := s.Events(t.Context(), owner.ID, page.Messages[0].ID)
	if err != nil || len(events) != 2 || events[1].Type != event.Refused || events[1].Attempt.Code != 250 {
		t.Errorf("events %+v (%v)", events, err)
	}
	epoch, err := s.StartEpoch(t.Context(), "n", now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Claim(t.Context(), queue.Claim{Epoch: epoch, Tenant: owner.ID, Now: now, Limit: 100})
	if err != nil || len(entries) != 20 {
		t.Fatalf("%d entries (%v)", len(entries), err)
	}
	bodies := spool.New(s.Archive(), keeper)
	for _, e := range entries {
		if body, err := bodies.Body(context.Background(), e.Body); err != nil || int64(len(body)) != e.Size {
			t.Fatalf("body of %s: %d bytes (%v)", e.Delivery, len(body), err)
		}
	}
}

package ingest_test

import (
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
)

// T22: a key in other hands sends no more than its cap, and costs the store a question
// a minute.
func TestCapOfAKey(t *testing.T) {
	w := newWorld(t)
	who := w.principal()
	who.Cap = 3
	send := func(s *ingest.Service) error { _, err := s.Accept(t.Context(), who, draft()); return err }
	service := ingest.New(ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now})
	for range 3 {
		if err := send(service); err != nil {
			t.Fatal(err)
		}
	}
	err := send(service)
	w.wantRefusal(err, fault.Limited, ingest.CodeKeyCapSpent, "")
	if wait := fault.As(err).RetryAfter; wait != 4*time.Hour {
		t.Errorf("retry after %s, want until midnight UTC", wait)
	}
	before := w.store.Calls.Load()
	_ = send(service)
	asked := w.store.Calls.Load() - before
	another := ingest.New(ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now})
	w.wantRefusal(send(another), fault.Limited, ingest.CodeKeyCapSpent, "") // also after a restart
	if again := w.store.Calls.Load() - before - asked; again != asked+1 {
		t.Errorf("%d questions where the store was just asked, %d where it was not", asked, again)
	}
	w.pass(4 * time.Hour)
	if err := send(service); err != nil {
		t.Errorf("the next day: %v", err)
	}
	who.Actor = "key_other"
	if err := send(service); err != nil {
		t.Errorf("another key: %v", err)
	}
}

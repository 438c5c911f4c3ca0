package ingest_test

import (
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
)

// T22: a key in other hands sends no more than its cap, whichever nodes it turns to, and
// a message costs no question of its own.
func TestCapOfAKey(t *testing.T) {
	w := newWorld(t)
	who := w.principal()
	who.Cap = 20
	node := func() *ingest.Service {
		return ingest.New(ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now})
	}
	send := func(s *ingest.Service) error { _, err := s.Accept(t.Context(), who, draft()); return err }
	one, two := node(), node()
	for range 5 {
		if err := send(one); err != nil {
			t.Fatal(err)
		}
	}
	before := w.store.Calls.Load()
	_ = send(one)
	each := w.store.Calls.Load() - before // of a message that was allotted before
	sent := 6
	for send(two) == nil {
		sent++
	}
	if sent != 16 { // one holds four
		t.Errorf("%d sent before the second node had no more", sent)
	}
	err := send(two)
	w.wantRefusal(err, fault.Limited, ingest.CodeKeyCapSpent, "")
	if wait := fault.As(err).RetryAfter; wait != 4*time.Hour {
		t.Errorf("retry after %s, want until midnight UTC", wait)
	}
	before = w.store.Calls.Load()
	_ = send(two)
	if asked := w.store.Calls.Load() - before; asked >= each {
		t.Errorf("%d questions for a message that was just refused", asked)
	}
	if err := one.ReturnAllotments(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if w.pass(time.Minute); send(two) == nil {
		t.Error("the second node sent what the first one has just used")
	}
	if err := one.ReturnAllotments(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for w.pass(time.Minute); send(two) == nil; {
		sent++
	}
	w.wantRefusal(send(one), fault.Limited, ingest.CodeKeyCapSpent, "")
	w.wantRefusal(send(node()), fault.Limited, ingest.CodeKeyCapSpent, "") // also after a restart
	if sent != 20 {
		t.Errorf("%d of 20 sent", sent)
	}
	w.pass(4 * time.Hour)
	if err := send(one); err != nil {
		t.Errorf("the next day: %v", err)
	}
	who.Actor = "key_other"
	if err := send(one); err != nil {
		t.Errorf("another key: %v", err)
	}
}

// What is refused for another reason is not counted.
func TestRefusedMailSpendsNoCap(t *testing.T) {
	w := newWorld(t)
	who := w.principal()
	who.Cap = 1
	s := ingest.New(ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now})
	w.store.Fail = func(method string) error {
		if method == "Accept" {
			return fault.New(fault.Unavailable, "storage_full", "The disk is full.")
		}
		return nil
	}
	if _, err := s.Accept(t.Context(), who, draft()); !fault.IsKind(err, fault.Unavailable) {
		t.Fatal(err)
	}
	w.store.Fail = nil
	if _, err := s.Accept(t.Context(), who, draft()); err != nil {
		t.Errorf("after the disk was emptied: %v", err)
	}
}

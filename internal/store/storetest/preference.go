package storetest

import (
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func preferenceTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Addressee": addressee, "FactOnce": factOnce}
}

func addressee(t *testing.T, w *World) {
	ctx := t.Context()
	a := w.Draft(w.A, "eva@kunde.example")
	a.Message.Stream = tenant.Newsletter
	w.Accept(a)
	d := a.Deliveries[0].ID
	if got, ok, err := w.Store.Addressee(ctx, w.A, d); err != nil || !ok || got.Address != Address("eva@kunde.example") || got.Stream != tenant.Newsletter {
		t.Errorf("%+v %v %v", got, ok, err)
	}
	if _, ok, err := w.Store.Addressee(ctx, w.B, d); err != nil || ok {
		t.Errorf("of another tenant: %v %v", ok, err)
	}
	if _, ok, err := w.Store.Addressee(ctx, w.A, message.Delivery(a.Message.ID, 2)); err != nil || ok {
		t.Errorf("none: %v %v", ok, err)
	}
}

func factOnce(t *testing.T, w *World) {
	ctx := t.Context()
	a := w.Draft(w.A, "eva@kunde.example")
	w.Accept(a)
	d := a.Deliveries[0].ID
	add := func() {
		t.Helper()
		now := w.Clock.Now()
		e := event.Event{ID: id.New[event.Kind](now), Message: a.Message.ID, Delivery: d, Type: event.Unsubscribed, At: now, Actor: "recipient"}
		if err := w.Store.AddFact(ctx, w.A, e); err != nil {
			t.Fatal(err)
		}
	}
	add()
	add()
	w.Clock.Advance(time.Hour)
	add()
	list, err := w.Store.Events(ctx, w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if e.Type == event.Unsubscribed && e.Delivery == d && e.Actor == "recipient" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d facts in %+v", n, list)
	}
}

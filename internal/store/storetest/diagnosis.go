package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func diagnosisTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"DeliveriesTo": deliveriesTo,
		"Addressees":   addressees,
		"Referring":    referring,
		"StatusLinks":  statusLinks,
	}
}

func deliveriesTo(t *testing.T, w *World) {
	var want []message.DeliveryID
	for range 3 {
		w.Clock.Advance(time.Second)
		a := w.Draft(w.A, "other@example.net", "Eva.Sommer@Example.net")
		w.Accept(a)
		want = append([]message.DeliveryID{a.Deliveries[1].ID}, want...)
	}
	w.Accept(w.Draft(w.B, "eva.sommer@example.net"))
	have, err := w.Store.DeliveriesTo(context.Background(), w.A, Address("EVA.sommer@example.NET"), 10)
	same(t, "deliveries", have, want, err)
	have, err = w.Store.DeliveriesTo(context.Background(), w.A, Address("eva.sommer@example.net"), 2)
	same(t, "the newest two", have, want[:2], err)
	have, err = w.Store.DeliveriesTo(context.Background(), w.A, Address("eva.sommer@example.org"), 2)
	same(t, "nobody's", have, nil, err)
}

func addressees(t *testing.T, w *World) {
	// What sorts before, between and after under other orders than that of bytes.
	first := w.Draft(w.A, "eva.sommer@gmx.example", "eva.sommer@a.example", "eva.sommera@gmx.example", "eva-sommer@gmx.example",
		"Eva.Sommer@gmial.example", "evasommer@gmx.example", "eva.sommer2@gmx.example")
	w.Accept(first)
	w.Clock.Advance(time.Second)
	again := w.Draft(w.A, "eva.sommer@gmx.example")
	w.Accept(again, w.Draft(w.B, "eva.sommer@salon.example"))
	at := func(text string, last message.DeliveryID) diagnosis.Addressee {
		return diagnosis.Addressee{Address: Address(text), Last: last}
	}
	want := []diagnosis.Addressee{
		at("eva.sommer@a.example", first.Deliveries[1].ID), at("eva.sommer@gmial.example", first.Deliveries[4].ID), at("eva.sommer@gmx.example", again.Deliveries[0].ID),
	}
	have, err := w.Store.Addressees(context.Background(), w.A, "Eva.Sommer", 10)
	same(t, "all", have, want, err)
	have, err = w.Store.Addressees(context.Background(), w.A, "eva.sommer", 2)
	same(t, "the first two", have, want[:2], err)
	have, err = w.Store.Addressees(context.Background(), w.A, "eva", 10)
	same(t, "nobody's", have, nil, err)
}

func referring(t *testing.T, w *World) {
	ids := w.series(4, func(i int, a *ingest.Acceptance) {
		a.Message.Metadata = map[string]string{"order": "HK-2214", "copy": "hk-2214", "flag": "1", "note": "x"}
		if i == 0 {
			a.Message.Metadata = map[string]string{"order": "HK-22"}
		}
	})
	ctx := context.Background()
	have, err := w.Store.Referring(ctx, w.A, " hk-2214 ", 10)
	same(t, "an order", have, ids[:3], err)
	have, err = w.Store.Referring(ctx, w.A, "HK-2214", 2)
	same(t, "the newest two", have, ids[:2], err)
	have, err = w.Store.Referring(ctx, w.B, "HK-2214", 2)
	same(t, "another tenant's", have, nil, err)
	have, err = w.Store.Referring(ctx, w.A, "1", 2)
	same(t, "too short to tell anything", have, nil, err)
}

func statusLinks(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	d := a.Deliveries[0].ID
	link := func(t tenant.ID, age time.Duration) diagnosis.StatusLink {
		at := now.Add(age)
		return diagnosis.StatusLink{ID: id.New[diagnosis.LinkKind](at), Tenant: t, Delivery: d, Actor: "usr_1", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	}
	old, fresh, foreign := link(w.A, 0), link(w.A, 30*time.Minute), link(w.B, 0)
	for _, l := range []diagnosis.StatusLink{old, fresh, foreign} {
		if err := w.Store.AddStatusLink(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.StatusLink(ctx, w.A, old.ID)
	same(t, "link", have, old, err)
	_, err = w.Store.StatusLink(ctx, w.B, old.ID)
	refused(t, err, fault.NotFound, "status_link_not_found")
	list, err := w.Store.StatusLinks(ctx, w.A, d)
	same(t, "links", list, []diagnosis.StatusLink{fresh, old}, err)

	late := link(w.A, 61*time.Minute)
	if err := w.Store.AddStatusLink(ctx, late); err != nil {
		t.Fatal(err)
	}
	list, err = w.Store.StatusLinks(ctx, w.A, d)
	same(t, "the expired one is forgotten", list, []diagnosis.StatusLink{late, fresh}, err)

	n, err := w.Store.RevokeStatusLinks(ctx, w.A, d)
	same(t, "revoked", n, 2, err)
	_, err = w.Store.StatusLink(ctx, w.A, fresh.ID)
	refused(t, err, fault.NotFound, "status_link_not_found")
	n, err = w.Store.RevokeStatusLinks(ctx, w.A, d)
	same(t, "revoked twice", n, 0, err)
	list, err = w.Store.StatusLinks(ctx, w.B, d)
	same(t, "another tenant's link", list, []diagnosis.StatusLink{foreign}, err)
}

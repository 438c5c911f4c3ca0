package storetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/published"
	"stafette/internal/tenant"
)

func publishedTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Editions": editions, "Subscriptions": subscriptions, "Tellings": tellings}
}

func edition(owner tenant.ID, version int, at time.Time) published.Edition {
	e := published.Entry{Address: netip.MustParseAddr("192.0.2.17"), EHLO: "mail.example", PTR: "mail.example", Role: egress.StateActive,
		Streams: []tenant.Stream{tenant.Lead}, ValidFrom: at}
	return published.Edition{Owner: owner, Version: version, At: at, Entries: []published.Entry{e}, Changes: []published.Change{{Kind: published.Added, Entry: e}}}
}

func editions(t *testing.T, w *World) {
	ctx := context.Background()
	if _, err := w.Store.Edition(ctx, w.A); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("an edition before the first: %v", err)
	}
	var want []published.Edition
	for v := 1; v <= 3; v++ {
		e := edition(w.A, v, w.Clock.Advance(time.Hour).Truncate(time.Second))
		added, err := w.Store.AddEdition(ctx, e)
		same(t, "added", added, true, err)
		want = append([]published.Edition{e}, want...)
	}
	late := edition(w.A, 3, w.Clock.Now())
	late.Changes = nil
	added, err := w.Store.AddEdition(ctx, late)
	same(t, "by the slower node", added, false, err)
	_, err = w.Store.AddEdition(ctx, edition(tenant.ID{}, 1, w.Clock.Now()))
	same(t, "of the platform", err, nil, nil)
	last, err := w.Store.Edition(ctx, w.A)
	same(t, "newest", last, want[0], err)
	list, err := w.Store.Editions(ctx, w.A, 2)
	same(t, "two", list, want[:2], err)
	owners, err := w.Store.EditionOwners(ctx)
	same(t, "owners", owners, []tenant.ID{{}, w.A}, err)
}

func (w *World) subscription(owner tenant.ID, hash byte) published.Subscription {
	now := w.Clock.Advance(time.Second)
	return published.Subscription{Owner: owner, ID: id.New[published.SubscriptionKind](now), Medium: published.ByMail, Lang: "de", Hash: [32]byte{hash},
		Sealed: []byte{hash}, CreatedAt: now}
}

func subscriptions(t *testing.T, w *World) {
	ctx := context.Background()
	first, other := w.subscription(w.A, 1), w.subscription(w.B, 1)
	for _, s := range []published.Subscription{first, other} {
		kept, err := w.Store.PutSubscription(ctx, s)
		same(t, "kept", kept, s, err)
	}
	again := w.subscription(w.A, 1)
	again.Sealed = []byte("new")
	kept, err := w.Store.PutSubscription(ctx, again)
	first.Sealed, first.CreatedAt = again.Sealed, again.CreatedAt
	same(t, "the wish that is not confirmed", kept, first, err)
	first.ConfirmedAt = w.Clock.Advance(time.Minute)
	same(t, "confirm", w.Store.ConfirmSubscription(ctx, w.A, first.ID, first.ConfirmedAt), nil, nil)
	same(t, "confirm twice", w.Store.ConfirmSubscription(ctx, w.A, first.ID, w.Clock.Advance(time.Hour)), nil, nil)
	again.Sealed = []byte("newer")
	kept, err = w.Store.PutSubscription(ctx, again)
	same(t, "the confirmed stays", kept, first, err)
	found, err := w.Store.SubscriptionOf(ctx, w.A, [32]byte{1})
	same(t, "by hash", found, first, err)
	for what, err := range map[string]error{
		"confirmed by another": w.Store.ConfirmSubscription(ctx, w.B, first.ID, first.ConfirmedAt),
		"read by another":      second(w.Store.AddressSubscription(ctx, w.B, first.ID)),
		"unknown hash":         second(w.Store.SubscriptionOf(ctx, w.A, [32]byte{9})),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n, err := w.Store.CountSubscriptions(ctx, w.A)
	same(t, "count", n, 1, err)
	same(t, "drop", w.Store.DropUnconfirmed(ctx, w.Clock.Now()), nil, nil)
	list, err := w.Store.AddressSubscriptions(ctx, 10)
	same(t, "left", list, []published.Subscription{first}, err)
	same(t, "end", w.Store.EndSubscription(ctx, w.A, first.ID), nil, nil)
	same(t, "end twice", w.Store.EndSubscription(ctx, w.A, first.ID), nil, nil)
}

func second[T any](_ T, err error) error { return err }

func tellings(t *testing.T, w *World) {
	ctx := context.Background()
	told, silent, other := w.subscription(w.A, 1), w.subscription(w.A, 2), w.subscription(w.B, 3)
	for _, s := range []published.Subscription{told, silent, other} {
		_, err := w.Store.PutSubscription(ctx, s)
		same(t, "keep", err, nil, nil)
	}
	for _, s := range []published.Subscription{told, other} {
		same(t, "confirm", w.Store.ConfirmSubscription(ctx, s.Owner, s.ID, w.Clock.Now()), nil, nil)
	}
	for v := 1; v <= 2; v++ {
		_, err := w.Store.AddEdition(ctx, edition(w.A, v, w.Clock.Now()))
		same(t, "add", err, nil, nil)
	}
	now := w.Clock.Now()
	want := published.Telling{Owner: w.A, Subscription: told.ID, Version: 2, DueAt: now}
	list, err := w.Store.ClaimTellings(ctx, now, time.Minute, 10)
	same(t, "claimed", list, []published.Telling{want}, err)
	list, err = w.Store.ClaimTellings(ctx, now.Add(time.Minute-time.Millisecond), time.Minute, 10)
	same(t, "within the lease", list, nil, err)
	same(t, "put off", w.Store.SettleTelling(ctx, want, now.Add(time.Hour)), nil, nil)
	list, err = w.Store.ClaimTellings(ctx, now.Add(time.Hour), time.Minute, 10)
	want.Attempts, want.DueAt = 1, now.Add(time.Hour)
	same(t, "later", list, []published.Telling{want}, err)
	same(t, "done", w.Store.SettleTelling(ctx, want, time.Time{}), nil, nil)
	_, err = w.Store.AddEdition(ctx, edition(w.A, 3, now))
	same(t, "add", err, nil, nil)
	same(t, "end", w.Store.EndSubscription(ctx, w.A, told.ID), nil, nil)
	list, err = w.Store.ClaimTellings(ctx, now.Add(48*time.Hour), time.Minute, 10)
	same(t, "after the end", list, nil, err)
}

func genuineTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Find": findGenuine}
}

func findGenuine(t *testing.T, w *World) {
	ctx := context.Background()
	at := w.Clock.Advance(time.Second)
	own, twin, foreign := w.Draft(w.A, "a@x.example", "b@x.example"), w.Draft(w.A, "c@x.example"), w.Draft(w.B, "d@x.example")
	for _, a := range []struct{ subject string }{{"Neue Adressen"}} {
		own.Message.Subject, foreign.Message.Subject = a.subject, a.subject
	}
	twin.Message.MessageID = "eigene@kunde.example"
	w.Accept(own, twin, foreign)
	later := w.Clock.Advance(time.Hour)
	w.Accept(w.Draft(w.A, "e@x.example"))
	list, err := w.Store.AcceptedAt(ctx, w.A, at, at.Add(time.Millisecond), 10)
	same(t, "of one instant", len(list), 2, err)
	list, err = w.Store.AcceptedAt(ctx, w.A, at, later.Add(time.Second), 1)
	same(t, "bounded", len(list), 1, err)
	for limit, want := range map[int]int64{100: 2, 0: 0} {
		n, err := w.Store.SentAs(ctx, w.A, at, later, "Neue Adressen", limit)
		same(t, "recipients", n, want, err)
	}
	n, err := w.Store.SentAs(ctx, w.A, at, later, "neue adressen", 100)
	same(t, "another subject", n, int64(0), err)
	m, err := w.Store.NamedBySender(ctx, w.A, "eigene@kunde.example")
	same(t, "by name", m, twin.Message.ID, err)
	if _, err := w.Store.NamedBySender(ctx, w.B, "eigene@kunde.example"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant finds it: %v", err)
	}
}

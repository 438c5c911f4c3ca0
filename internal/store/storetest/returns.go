package storetest

import (
	"bytes"
	"context"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/returns"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

func returnTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"KeptIsRead":        keptIsRead,
		"TakenOnceUntilDue": takenOnceUntilDue,
		"TakenByTheDead":    takenByTheDead,
		"ConcludedOnce":     concludedOnce,
		"MarkAndState":      markAndState,
		"OwnerAndOrigin":    ownerAndOrigin,
		"Listed":            returnsListed,
		"Dropped":           returnsDropped,
		"UsableDomains":     usableDomains,
	}
}

// Returned makes a return mail for a delivery.
func (w *World) Returned(t tenant.ID, d message.DeliveryID) returns.Kept {
	now := w.Clock.Now()
	m := returns.Mail{ID: id.New[returns.Kind](now), Tenant: t, Purpose: returns.ForDelivery, Sender: "mailer@example.net",
		Recipient: Address("b+x@bounces.example"), Peer: netip.MustParseAddr("192.0.2.7"), HELO: "mx.example.net", Size: 5,
		Salt: seal.NewSalt(), ReceivedAt: now, State: returns.Pending}
	m.Account, m.Delivery = t, d
	return returns.Kept{Mail: m, Sealed: []byte("sealed")}
}

func (w *World) keep(list ...returns.Kept) {
	w.t.Helper()
	if err := w.Store.KeepReturns(context.Background(), list); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) take() []returns.Mail {
	w.t.Helper()
	now := w.Clock.Now()
	list, err := w.Store.TakeReturns(context.Background(), 0, now, now.Add(time.Minute), 10)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// report makes a fact that a return mail told.
func (w *World) report(d message.DeliveryID, kind event.Type, reason string) event.Event {
	now := w.Clock.Now()
	return event.Event{ID: id.New[event.Kind](now), Message: message.Of(d), Delivery: d, Type: kind, At: now, Actor: "system", Reason: reason,
		Report: &event.Report{Return: "ret_1", From: "mx.example.net", Code: 550, Reply: "no \x00such user", Hard: true}}
}

func (w *World) conclude(m returns.Mail, facts ...event.Event) bool {
	w.t.Helper()
	m.State = returns.Matched
	done, err := w.Store.ConcludeReturn(context.Background(), m, facts)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func keptIsRead(t *testing.T, w *World) {
	a := w.Draft(w.A, "x@example.net")
	w.Accept(a)
	k := w.Returned(w.A, a.Deliveries[0].ID)
	stray := w.Returned(tenant.ID{}, message.DeliveryID{})
	stray.Purpose, stray.Sender, stray.Peer = returns.ForPostmaster, "", netip.Addr{}
	w.keep(k, stray)
	for _, want := range []returns.Kept{k, stray} {
		m, err := w.Store.Return(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m, want.Mail) {
			t.Errorf("return mail is\n%+v, want\n%+v", m, want.Mail)
		}
		body, err := w.Store.ReturnBody(t.Context(), want.Tenant, want.ID)
		if err != nil || !bytes.Equal(body, want.Sealed) {
			t.Errorf("body is %q, %v", body, err)
		}
	}
	if _, err := w.Store.ReturnBody(t.Context(), w.B, k.ID); fault.As(err) == nil {
		t.Errorf("another tenant's body was read: %v", err)
	}
}

func takenOnceUntilDue(t *testing.T, w *World) {
	w.keep(w.Returned(tenant.ID{}, message.DeliveryID{}), w.Returned(tenant.ID{}, message.DeliveryID{}))
	equal(t, "taken", len(w.take()), 2)
	equal(t, "taken again at once", len(w.take()), 0)
	w.Clock.Advance(time.Minute)
	again := w.take()
	equal(t, "taken when the first taker died", len(again), 2)
	equal(t, "tries", again[0].Tries, 2)
	w.Clock.Advance(time.Minute)
	equal(t, "taken before the longer pause is over", len(w.take()), 0)
}

// A mail that a dead process had taken is due at once, and one whose taker lives is not.
func takenByTheDead(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	w.keep(w.Returned(tenant.ID{}, message.DeliveryID{}))
	e := w.Epoch("n")
	take := func() int {
		list, err := w.Store.TakeReturns(ctx, e, now, now.Add(time.Minute), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	equal(t, "taken", take(), 1)
	equal(t, "while the taker lives", take(), 0)
	equal(t, "by one without an epoch", len(w.take()), 0)
	if err := w.Store.EndEpoch(ctx, e, now); err != nil {
		t.Fatal(err)
	}
	e = w.Epoch("n")
	equal(t, "when it is dead", take(), 1)
	equal(t, "taken over", take(), 0)
}

func concludedOnce(t *testing.T, w *World) {
	a := w.Draft(w.A, "x@example.net")
	w.Accept(a)
	d := a.Deliveries[0].ID
	k := w.Returned(w.A, d)
	w.keep(k)
	before := len(w.Announced())
	m := w.take()[0]
	m.Verdict.Kind, m.Subject, m.Auth = bounce.KindDSN, "Undelivered", returns.Auth{SPF: "pass"}
	equal(t, "concluded", w.conclude(m, w.report(d, event.LateBounced, "user_unknown")), true)
	equal(t, "concluded again", w.conclude(m, w.report(d, event.LateBounced, "user_unknown")), false)
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted late_bounced")
	equal(t, "announced", len(w.Announced())-before, 1)
	got, err := w.Store.Return(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "state", got.State, returns.Matched)
	equal(t, "kind", got.Verdict.Kind, bounce.KindDSN)
	equal(t, "spf", got.Auth.SPF, "pass")
	events, err := w.Store.Events(t.Context(), w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r := events[1].Report; r == nil || r.Code != 550 || !r.Hard || events[1].Attempt != nil {
		t.Errorf("report is %+v", r)
	}
	w.Clock.Advance(24 * time.Hour)
	equal(t, "taken when concluded", len(w.take()), 0)
}

// markAndState: a mark never touches the state, nor a settlement the mark, whichever
// comes first: a bounce may be read before its 250 is settled.
func markAndState(t *testing.T, w *World) {
	a := w.Draft(w.A, "x@example.net", "y@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	early, other := a.Deliveries[0].ID, a.Deliveries[1].ID
	k := w.Returned(w.A, early)
	w.keep(k)
	w.conclude(w.take()[0], w.report(early, event.LateBounced, "user_unknown"), w.report(early, event.Complained, "complaint"))
	w.Settle(w.Verdict(e, w.A, early, event.Delivered), w.Verdict(e, w.A, other, event.Delivered))
	found, err := w.Store.Message(t.Context(), w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "marks", found.Deliveries[0].Marks, []event.Mark{event.MarkLateBounce, event.MarkComplained}, nil)
	equal(t, "late reason", found.Deliveries[0].LateReason, "user_unknown")
	equal(t, "state", found.Deliveries[0].State, event.Delivered)
	equal(t, "marks of the other", len(found.Deliveries[1].Marks), 0)
	for mark, want := range map[event.Mark]int{event.MarkLateBounce: 1, event.MarkComplained: 1} {
		page, err := w.Store.Messages(t.Context(), w.A, insight.Filter{Mark: mark})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, string(mark), len(page.Messages), want)
		page, err = w.Store.Messages(t.Context(), w.A, insight.Filter{Mark: mark, Recipient: "y@example.net"})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, string(mark)+" of the other", len(page.Messages), 0)
	}
}

func ownerAndOrigin(t *testing.T, w *World) {
	a := w.Draft(w.B, "X.Y@example.net")
	a.Message.MessageID = "foreign@b.example"
	w.Accept(a)
	d := a.Deliveries[0].ID
	for _, p := range []bounce.Path{returns.PathOf(w.B, d), {Delivery: d}} { // with the tag, and as it was before
		if owner, ok, err := w.Store.OwnerOf(t.Context(), p); err != nil || !ok || owner != w.B {
			t.Errorf("%v: owner is %v, %v, %v", p, owner, ok, err)
		}
	}
	if _, ok, err := w.Store.OwnerOf(t.Context(), returns.PathOf(w.A, d)); ok || err != nil {
		t.Errorf("with another tenant's tag: %v, %v", ok, err)
	}
	if _, ok, err := w.Store.OwnerOf(t.Context(), bounce.Path{Delivery: message.Delivery(message.NewID(w.Clock.Now()), 1)}); ok || err != nil {
		t.Errorf("a delivery of nobody has an owner: %v", err)
	}
	o, ok, err := w.Store.OriginOf(t.Context(), w.B, d)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "origin", o, returns.Origin{Tenant: w.B, Delivery: d, Stream: tenant.Transactional, Recipient: Address("X.Y@example.net"),
		Sender: "bounce@a.example", MessageID: "foreign@b.example"}, nil)
	if _, ok, err := w.Store.OriginOf(t.Context(), w.A, d); ok || err != nil {
		t.Errorf("another tenant's delivery was found: %v", err)
	}
	w.keep(w.Returned(w.B, d))
	w.conclude(w.take()[0], w.report(d, event.AutoReplied, ""))
	if o, _, err = w.Store.OriginOf(t.Context(), w.B, d); err != nil || o.Reports != 1 {
		t.Errorf("%d reports, %v", o.Reports, err)
	}
}

func returnsListed(t *testing.T, w *World) {
	var kept []returns.Kept
	for range 3 {
		kept = append(kept, w.Returned(tenant.ID{}, message.DeliveryID{}))
		w.Clock.Advance(time.Millisecond)
	}
	w.keep(kept...)
	list, more, err := w.Store.Returns(t.Context(), returns.Listing{Limit: 2})
	if err != nil || len(list) != 2 || !more || list[0].ID != kept[2].ID {
		t.Fatalf("%d listed, more %v, %v", len(list), more, err)
	}
	list, more, err = w.Store.Returns(t.Context(), returns.Listing{After: list[1].ID, State: returns.Pending})
	if err != nil || len(list) != 1 || more {
		t.Errorf("%d follow, more %v, %v", len(list), more, err)
	}
	if list, _, err = w.Store.Returns(t.Context(), returns.Listing{State: returns.Matched}); err != nil || len(list) != 0 {
		t.Errorf("%d matched, %v", len(list), err)
	}
	if _, err := w.Store.Return(t.Context(), id.New[returns.Kind](w.Clock.Now())); fault.As(err) == nil {
		t.Errorf("a return mail that is not there: %v", err)
	}
}

func returnsDropped(t *testing.T, w *World) {
	a := w.Draft(w.A, "x@example.net")
	w.Accept(a)
	matched, stray := w.Returned(w.A, a.Deliveries[0].ID), w.Returned(tenant.ID{}, message.DeliveryID{})
	w.keep(matched, stray)
	for _, m := range w.take() {
		if m.ID == matched.ID {
			w.conclude(m, w.report(m.Delivery, event.Complained, "complaint"))
		}
	}
	today := spool.DayOf(w.Clock.Now())
	if n, err := w.Store.DropReturns(t.Context(), today); n != 0 || err != nil {
		t.Errorf("dropped %d of today, %v", n, err)
	}
	if n, err := w.Store.DropReturns(t.Context(), today+1); n != 2 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	m, err := w.Store.Return(t.Context(), matched.ID)
	if err != nil || !m.Erased() {
		t.Errorf("the record of what was matched: erased %v, %v", m.Erased(), err)
	}
	if _, err := w.Store.Return(t.Context(), stray.ID); fault.As(err) == nil {
		t.Errorf("a stranger's mail is still on record: %v", err)
	}
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted complained")
}

func usableDomains(t *testing.T, w *World) {
	for name, state := range map[string]tenant.DomainState{"a.example": tenant.Verified, "b.example": tenant.Trusted, "c.example": tenant.Pending} {
		now := w.Clock.Now()
		err := w.Store.AddDomain(t.Context(), tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.A, Name: name, State: state, CreatedAt: now}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.Store.UsableDomains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "domains", list, []string{"a.example", "b.example"}, nil)
}

package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// bulk has the tenant send one newsletter to each address; all are claimed.
func (w *World) bulk(owner tenant.ID, e queue.Epoch, to ...string) (list []message.DeliveryID) {
	a := w.Draft(owner, to...)
	a.Message.Stream = tenant.Newsletter
	w.Accept(a)
	w.Claim(e, owner, 100)
	for _, d := range a.Deliveries {
		list = append(list, d.ID)
	}
	return list
}

func (w *World) tally(t tenant.ID, v audience.Span) audience.Tally {
	w.t.Helper()
	v.Streams, v.Classes = []tenant.Stream{tenant.Newsletter, tenant.Reminder}, []string{"user_unknown", "recipient_moved"}
	n, err := w.Store.Tally(context.Background(), t, v)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// tallied: what came to an end counts, of bulk streams, of this tenant, in the span.
func tallied(t *testing.T, w *World) {
	began := w.Clock.Now()
	e := w.Epoch("n")
	ids := w.bulk(w.A, e, "a@example.net", "b@example.net", "c@example.net", "d@example.net", "e@example.net")
	other := w.Draft(w.A, "f@example.net")
	w.Accept(other)
	w.Claim(e, w.A, 10)
	gone := w.Verdict(e, w.A, ids[2], event.Bounced)
	gone.Event.Reason = "user_unknown"
	spam := w.Verdict(e, w.A, ids[3], event.Bounced)
	spam.Event.Reason = "spam_content"
	w.Settle(w.Verdict(e, w.A, ids[0], event.Delivered), w.Verdict(e, w.A, ids[1], event.Delivered), gone, spam,
		w.Verdict(e, w.A, other.Deliveries[0].ID, event.Bounced))
	for n, kind := range []event.Type{event.Complained, event.LateBounced} {
		k := w.Returned(w.A, ids[n])
		w.keep(k)
		k.State = "matched"
		w.conclude(k.Mail, w.report(ids[n], kind, "user_unknown"))
	}
	equal(t, "all", w.tally(w.A, audience.Span{Accepted: began}), audience.Tally{Sent: 4, Hard: 2, Complaints: 1})
	equal(t, "other tenant", w.tally(w.B, audience.Span{Accepted: began}), audience.Tally{})
	// Who wants no more by the link counts once, whatever it was of; what the account brings
	// along or writes down itself does not, nor what was so before.
	for stream, actor := range map[tenant.Stream]string{tenant.Newsletter: audience.ByRecipient, tenant.Reminder: audience.ByRecipient, tenant.Transactional: "usr_1"} {
		gone := w.Entry(w.A, "a@example.net", stream, audience.Unsubscribed, time.Time{})
		gone.Actor = actor
		w.Suppress(gone)
	}
	own := w.Entry(w.A, "z@example.net", tenant.Newsletter, audience.Unsubscribed, time.Time{})
	own.Actor = "usr_1"
	w.Suppress(own)
	equal(t, "with unsubscribes", w.tally(w.A, audience.Span{Accepted: began}), audience.Tally{Sent: 4, Hard: 2, Complaints: 1, Unsubscribes: 1})
	equal(t, "other tenant's unsubscribes", w.tally(w.B, audience.Span{Accepted: began}), audience.Tally{})
	later := w.Clock.Advance(time.Hour)
	equal(t, "accepted later", w.tally(w.A, audience.Span{Accepted: later}), audience.Tally{})
	w.Settle(w.Verdict(e, w.A, ids[4], event.Delivered))
	equal(t, "settled later", w.tally(w.A, audience.Span{Accepted: began, Settled: later}), audience.Tally{Sent: 1})
}

// halts: one is in force until it is released; what it held is freed, nothing else.
func halts(t *testing.T, w *World) {
	ctx, e := context.Background(), w.Epoch("n")
	h := audience.Halt{Tenant: w.A, At: w.Clock.Now(), Cause: audience.TooManyComplaints, Window: 24 * time.Hour,
		Tally: audience.Tally{Sent: 1000, Complaints: 5, Hard: 3, Unsubscribes: 4}}
	for i, want := range []bool{true, false} {
		again := h
		again.At = h.At.Add(time.Duration(i) * time.Second)
		if made, err := w.Store.Halt(ctx, again); made != want || err != nil {
			t.Errorf("halted: %v, %v", made, err)
		}
	}
	ids := w.bulk(w.A, e, "a@example.net", "b@example.net")
	held := w.Verdict(e, w.A, ids[0], event.Held)
	held.Event.Reason = audience.ReasonHalted
	changed := w.Verdict(e, w.A, ids[1], event.Held)
	changed.Event.Reason = "attachment_changed"
	w.Settle(held, changed)
	equal(t, "while in force", w.States(w.A, message.Of(ids[0])), "held held")

	last, err := w.Store.LastHalt(ctx, w.A)
	if err != nil || last != h || !last.InForce() {
		t.Errorf("read back %+v, %v, want %+v", last, err, h)
	}
	if err := w.Store.ReleaseBulk(ctx, w.B, audience.Release{Actor: "usr_1", Note: "Irrtum", At: w.Clock.Now()}); fault.As(err) == nil || fault.As(err).Code != "halt_not_found" {
		t.Errorf("released for another tenant: %v", err)
	}
	before, err := w.Store.Marks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	now := w.Clock.Advance(time.Minute)
	if at, err := w.Store.SelfReleased(ctx, w.A); err != nil || !at.IsZero() {
		t.Errorf("released by itself at %s, %v", at, err)
	}
	if err := w.Store.ReleaseBulk(ctx, w.A, audience.Release{At: now, Actor: "usr_1", Self: true, Note: "Liste bereinigt"}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[tenant.ID]time.Time{w.A: now, w.B: {}} {
		if at, err := w.Store.SelfReleased(ctx, who); err != nil || !at.Equal(want) {
			t.Errorf("released by itself at %s, %v, want %s", at, err, want)
		}
	}
	if after, err := w.Store.Marks(ctx); err != nil || after[w.A] == before[w.A] {
		t.Errorf("other nodes do not learn of the release: %v", err)
	}
	for _, want := range []int{1, 0} {
		if n, err := w.Store.FreeHeld(ctx, w.A, 10, now); n != want || err != nil {
			t.Errorf("freed %d, %v, want %d", n, err, want)
		}
	}
	equal(t, "after the release", w.States(w.A, message.Of(ids[0])), "queued held")
	if err := w.Store.HeldFreed(ctx, last); err != nil {
		t.Fatal(err)
	}
	h.ReleasedAt, h.ReleasedBy, h.Self, h.Note, h.Freed = now, "usr_1", true, "Liste bereinigt", true
	list, err := w.Store.Halts(ctx)
	if err != nil || len(list) != 1 || list[0] != h {
		t.Errorf("list %+v, %v, want %+v", list, err, h)
	}
}

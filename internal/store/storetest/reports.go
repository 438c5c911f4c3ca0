package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/dsn"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func reportTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"WishesTravel":         wishesTravel,
		"SettlementMakesDue":   settlementMakesDue,
		"BatchesStayTheSame":   batchesStayTheSame,
		"OneOfTwoNotes":        oneOfTwoNotes,
		"NotesAreTakenOnce":    notesAreTakenOnce,
		"LetterTellsFates":     letterTellsFates,
		"FailureReportsSwitch": failureReportsSwitch,
	}
}

func wishesTravel(t *testing.T, w *World) {
	a := w.Draft(w.A, "said@example.net", "unsaid@example.net", "api@example.net")
	a.Message.Return, a.Message.EnvelopeID = message.ReturnFull, "QQ 1"
	a.Deliveries[0].Notify = message.NotifySuccess | message.NotifyDelay
	a.Deliveries[0].Original = message.OriginalRecipient{Type: "utf-8", Address: "jörg@example.net"}
	a.Deliveries[1].Notify = message.NotifyUnsaid
	w.Accept(a)
	list := w.Claim(w.Epoch("n"), w.A, 10)
	equal(t, "entries", len(list), 3)
	for _, e := range list {
		d := a.Deliveries[int(e.Delivery[15])-1]
		equal(t, "notify", e.Notify, d.Notify)
		equal(t, "original", e.OriginalRecipient, d.Original)
		equal(t, "return", e.Return, message.ReturnFull)
		equal(t, "envelope", e.EnvelopeID, "QQ 1")
	}
}

// reportVerdict is Verdict with a report due d from now.
func (w *World) reportVerdict(e queue.Epoch, d message.DeliveryID, state event.State, action bounce.Action, after time.Duration) queue.Settlement {
	v := w.Verdict(e, w.A, d, state)
	v.Report = queue.Report{Action: action, DueAt: w.Clock.Now().Add(after)}
	return v
}

// claimReports claims with a lease of a minute and no gathering.
func (w *World) claimReports(limit int) []dsn.Due {
	w.t.Helper()
	list, err := w.Store.ClaimReports(context.Background(), dsn.Claim{Now: w.Clock.Now(), Lease: time.Minute, Limit: limit})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func settlementMakesDue(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(4)...)
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	d := func(i int) message.DeliveryID { return a.Deliveries[i].ID }
	w.Settle(w.reportVerdict(a.Epoch, d(0), event.Bounced, bounce.ActionFailed, 0),
		w.reportVerdict(a.Epoch, d(1), event.Deferred, bounce.ActionDelayed, time.Hour),
		w.Verdict(a.Epoch, w.A, d(2), event.Bounced),
		w.reportVerdict(a.Epoch+1, d(3), event.Bounced, bounce.ActionFailed, 0)) // fenced
	same(t, "due now", w.claimReports(10), []dsn.Due{{Tenant: w.A, Action: bounce.ActionFailed, Batch: d(0), Deliveries: []message.DeliveryID{d(0)}}}, nil)
	equal(t, "claimed", len(w.claimReports(10)), 0)
	w.Clock.Advance(time.Hour)
	equal(t, "due later", len(w.claimReports(10)), 2)
}

// batchesStayTheSame: what shares a report is decided once, whatever falls due later.
func batchesStayTheSame(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(5)...)
	a.Epoch = w.Epoch("n")
	other := w.Draft(w.A, "r@example.net")
	other.Epoch = a.Epoch
	w.Accept(a, other)
	settle := func(i int, after time.Duration) {
		w.Settle(w.reportVerdict(a.Epoch, a.Deliveries[i].ID, event.Bounced, bounce.ActionFailed, after))
	}
	settle(3, -time.Millisecond) // the longest due names the report
	settle(1, 0)
	w.Settle(w.reportVerdict(a.Epoch, a.Deliveries[2].ID, event.Delivered, bounce.ActionRelayed, 0),
		w.reportVerdict(a.Epoch, other.Deliveries[0].ID, event.Bounced, bounce.ActionFailed, 0))
	gathering, err := w.Store.ClaimReports(context.Background(), dsn.Claim{Now: w.Clock.Now(), Gather: time.Second, Lease: time.Minute, Limit: 10})
	same(t, "gathering", gathering, nil, err)
	equal(t, "reports", len(w.claimReports(10)), 3)
	settle(0, 0)
	settle(4, 0)
	w.Clock.Advance(time.Minute) // the leases run out, the first claimer is gone
	sizes := map[message.DeliveryID]int{}
	for _, d := range w.claimReports(10) {
		if d.Action == bounce.ActionFailed && message.Of(d.Batch) == a.Message.ID {
			sizes[d.Batch] = len(d.Deliveries)
		}
	}
	same(t, "batches", sizes, map[message.DeliveryID]int{a.Deliveries[0].ID: 2, a.Deliveries[3].ID: 2}, nil)
}

func (w *World) reported(d message.DeliveryID) event.Event {
	now := w.Clock.Now()
	return event.Event{ID: id.New[event.Kind](now), Message: message.Of(d), Delivery: d, Type: event.Reported, At: now, Actor: "system", Reason: "failed"}
}

func oneOfTwoNotes(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	d := a.Deliveries[0].ID
	w.Settle(w.reportVerdict(a.Epoch, d, event.Bounced, bounce.ActionFailed, 0))
	first := w.claimReports(1)
	w.Clock.Advance(time.Minute)
	second := w.claimReports(1)
	same(t, "claims", second, first, nil)
	for _, due := range append(second, first...) {
		if err := w.Store.EndReports(context.Background(), due, []event.Event{w.reported(d)}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted bounced reported")
	w.Clock.Advance(time.Hour)
	equal(t, "left", len(w.claimReports(1)), 0)
	foreign := first[0]
	foreign.Tenant = w.B
	if err := w.Store.EndReports(context.Background(), foreign, nil); err != nil {
		t.Error(err)
	}
}

func notesAreTakenOnce(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	fact := w.reported(a.Deliveries[0].ID)
	for range 2 {
		if err := w.Store.NoteReports(context.Background(), w.A, []event.Event{fact}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted reported")
	equal(t, "announced", len(w.Announced()), 2)
}

func letterTellsFates(t *testing.T, w *World) {
	ctx := context.Background()
	a := w.Draft(w.A, "First@example.net", "r2@example.net")
	a.Epoch, a.Message.Return = w.Epoch("n"), message.ReturnHeaders
	a.Deliveries[0].Notify = message.NotifyUnsaid
	w.Accept(a)
	d, m := a.Deliveries[0].ID, a.Message
	w.Settle(w.Verdict(a.Epoch, w.A, d, event.Deferred))
	w.Clock.Advance(10 * time.Minute)
	w.Claim(a.Epoch, w.A, 1)
	v := w.Verdict(a.Epoch, w.A, d, event.Bounced)
	v.Event.Attempt.Number = 2
	w.Settle(v)
	l, err := w.Store.Letter(ctx, w.A, []message.DeliveryID{d})
	same(t, "letter", l, dsn.Letter{Sender: m.Sender, SignDomain: m.SignDomain, MessageID: m.MessageID, Subject: m.Subject, AcceptedAt: m.AcceptedAt,
		Return: message.ReturnHeaders, Body: handle(a), Fates: []dsn.Fate{{Delivery: d, Recipient: Address("First@example.net"), Notify: message.NotifyUnsaid,
			State: event.Bounced, Reason: "some_reason", UpdatedAt: w.Clock.Now(), ExpiresAt: m.ExpiresAt, Attempt: v.Event.Attempt, At: w.Clock.Now()}}}, err)
	if _, err := w.Store.Letter(ctx, w.B, []message.DeliveryID{d}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("letter of another tenant: %v", err)
	}
}

func failureReportsSwitch(t *testing.T, w *World) {
	ctx := context.Background()
	for _, on := range []bool{false, true} {
		if err := w.Store.SetFailureReports(ctx, w.A, on); err != nil {
			t.Fatal(err)
		}
		found, err := w.Store.Tenant(ctx, w.A)
		same(t, "switched off", found.NoFailureReports, !on, err)
	}
	if err := w.Store.SetFailureReports(ctx, tenant.ID{1}, true); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("unknown tenant: %v", err)
	}
}

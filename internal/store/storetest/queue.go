package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

func queueTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ClaimReturnsWholeEntries":  claimReturnsWholeEntries,
		"UrgentFirst":               urgentFirst,
		"ClaimedOnce":               claimedOnce,
		"ManyClaimers":              manyClaimers,
		"AcceptedUnderAnEpoch":      acceptedUnderAnEpoch,
		"DeadEpochIsTakenOver":      deadEpochIsTakenOver,
		"RestartedNodeIsTakenOver":  restartedNodeIsTakenOver,
		"EndedEpochGivesUp":         endedEpochGivesUp,
		"DeadEpochIsNotForgotten":   deadEpochIsNotForgotten,
		"EpochsGrow":                epochsGrow,
		"DueTenants":                dueTenants,
		"LockedTenantIsNotClaimed":  lockedTenantIsNotClaimed,
		"NextDue":                   nextDue,
		"Hasten":                    hasten,
		"OldestWaiting":             oldestWaiting,
		"Release":                   release,
		"SettleEndsTheClaim":        settleEndsTheClaim,
		"DeferredKeepsSignature":    deferredKeepsSignature,
		"SettleIsFenced":            settleIsFenced,
		"EveryDeliveryEndsSomehow":  everyDeliveryEndsSomehow,
		"SettleRefusesNonsense":     settleRefusesNonsense,
		"ConcurrentSettlementsMeet": concurrentSettlementsMeet,
	}
}

func claimReturnsWholeEntries(t *testing.T, w *World) {
	a := w.Draft(w.A, "Mixed.Case@example.net")
	a.Message.UTF8, a.Message.TLS = true, message.TLSDemanded
	w.Accept(a)
	list := w.Claim(w.Epoch("n"), w.A, 10)
	m := a.Message
	same(t, "entries", list, []queue.Entry{{Tenant: w.A, Delivery: a.Deliveries[0].ID, Stream: m.Stream, Sender: m.Sender,
		Recipient: Address("Mixed.Case@example.net"), SignDomain: m.SignDomain, Body: handle(a), Size: m.Size, EightBit: true, UTF8: true, TLS: message.TLSDemanded,
		Digests: m.Digests, AcceptedAt: m.AcceptedAt, DueAt: m.AcceptedAt, ExpiresAt: m.ExpiresAt}}, nil)
}

func urgentFirst(t *testing.T, w *World) {
	for i, stream := range []tenant.Stream{tenant.Newsletter, tenant.Reminder, tenant.Transactional, tenant.Lead} {
		a := w.Draft(w.A, "r@example.net")
		a.Message.Stream, a.Deliveries[0].DueAt = stream, a.Message.AcceptedAt.Add(-time.Duration(i)*time.Second)
		w.Accept(a)
	}
	later := w.Draft(w.A, "later@example.net")
	later.Deliveries[0].DueAt = w.Clock.Now().Add(time.Millisecond)
	w.Accept(later)
	e := w.Epoch("n")
	var have []tenant.Stream
	for _, n := range []int{1, 2, 10} {
		for _, v := range w.Claim(e, w.A, n) {
			have = append(have, v.Stream)
		}
	}
	same(t, "order", have, []tenant.Stream{tenant.Lead, tenant.Transactional, tenant.Reminder, tenant.Newsletter}, nil)
}

func claimedOnce(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, numbered(5)...))
	e := w.Epoch("n")
	equal(t, "first claim", len(w.Claim(e, w.A, 3)), 3)
	equal(t, "second claim", len(w.Claim(e, w.A, 3)), 2)
	equal(t, "third claim", len(w.Claim(e, w.A, 3)), 0)
	equal(t, "no room", len(w.Claim(e, w.A, 0)), 0)
}

func manyClaimers(t *testing.T, w *World) {
	for range 10 {
		w.Accept(w.Draft(w.A, numbered(30)...))
	}
	e := w.Epoch("n")
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[message.DeliveryID]int{}
	for range 4 {
		wg.Go(func() {
			for range 30 {
				list, err := w.Store.Claim(context.Background(), queue.Claim{Epoch: e, Tenant: w.A, Now: w.Clock.Now(), Limit: 7})
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				mu.Lock()
				for _, v := range list {
					seen[v.Delivery]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, v := range w.Claim(e, w.A, 300) { // what a claimer left because another held it
		seen[v.Delivery]++
	}
	equal(t, "claimed", len(seen), 300)
	for d, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", d, n)
		}
	}
}

func acceptedUnderAnEpoch(t *testing.T, w *World) {
	e := w.Epoch("n")
	a := w.Draft(w.A, "r@example.net", "held@example.net")
	a.Epoch, a.Deliveries[1].State, a.Deliveries[1].Reason = e, event.Held, "approval_missing"
	w.Accept(a)
	equal(t, "claimed", len(w.Claim(e, w.A, 10)), 0)
	equal(t, "fenced", len(w.Settle(w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered))), 0)
	equal(t, "states", w.States(w.A, a.Message.ID), "delivered held")
}

func deadEpochIsTakenOver(t *testing.T, w *World) {
	ctx := context.Background()
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	first := w.Epoch("first")
	equal(t, "claimed", len(w.Claim(first, w.A, 10)), 1)
	if err := w.Store.Beat(ctx, first, w.Clock.Now(), w.Clock.Now().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	now := w.Clock.Advance(24*time.Hour + time.Millisecond)
	second := w.Epoch("second")
	tenants, err := w.Store.DueTenants(ctx, now, tenant.ID{}, 10)
	same(t, "due", tenants, []tenant.ID{w.A}, err)
	equal(t, "taken over", len(w.Claim(second, w.A, 10)), 1)
	if err := w.Store.Beat(ctx, first, now, now.Add(time.Minute)); !errors.Is(err, queue.ErrFenced) {
		t.Errorf("beat of the dead: %v", err)
	}
	same(t, "fenced", w.Settle(w.Verdict(first, w.A, a.Deliveries[0].ID, event.Bounced)), []message.DeliveryID{a.Deliveries[0].ID}, nil)
	if err := w.Store.Beat(ctx, second, now, now.Add(time.Minute)); err != nil {
		t.Errorf("beat of the living: %v", err)
	}
	equal(t, "fenced", len(w.Settle(w.Verdict(second, w.A, a.Deliveries[0].ID, event.Delivered))), 0)
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted delivered")
}

func restartedNodeIsTakenOver(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, numbered(4)...))
	first := w.Epoch("n")
	equal(t, "claimed", len(w.Claim(first, w.A, 3)), 3)
	second := w.Epoch("n")
	equal(t, "taken over", len(w.Claim(second, w.A, 10)), 4)
}

func endedEpochGivesUp(t *testing.T, w *World) {
	ctx := context.Background()
	w.Accept(w.Draft(w.A, "r@example.net"))
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	if err := w.Store.EndEpoch(ctx, e, w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	at, ok, err := w.Store.NextDue(ctx, w.Clock.Now().Add(-time.Second), w.Clock.Now())
	if err != nil || !ok || !at.Equal(w.Clock.Now()) {
		t.Errorf("next due: %v %v %v", at, ok, err)
	}
	if err := w.Store.Beat(ctx, e, w.Clock.Now(), w.Clock.Now().Add(time.Minute)); !errors.Is(err, queue.ErrFenced) {
		t.Errorf("beat after the end: %v", err)
	}
	equal(t, "claimed again", len(w.Claim(w.Epoch("other"), w.A, 10)), 1)
}

// deadEpochIsNotForgotten as long as it holds something that nobody has claimed.
func deadEpochIsNotForgotten(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, "r@example.net"))
	w.Claim(w.Epoch("n"), w.A, 10)
	e := w.Epoch("n")
	for range 3 {
		now := w.Clock.Advance(time.Hour)
		if err := w.Store.Beat(context.Background(), e, now, now.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "claimed from the dead", len(w.Claim(e, w.A, 10)), 1)
}

func epochsGrow(t *testing.T, w *World) {
	ctx := context.Background()
	var last queue.Epoch
	for i := range 5 {
		e := w.Epoch(fmt.Sprint("n", i))
		if e <= last {
			t.Errorf("epoch %d after %d", e, last)
		}
		last = e
		if err := w.Store.EndEpoch(ctx, e, w.Clock.Now()); err != nil { // forgotten at once: it holds nothing
			t.Fatal(err)
		}
	}
}

func dueTenants(t *testing.T, w *World) {
	ctx := context.Background()
	var want []tenant.ID
	for i := range 7 {
		id := w.Found(fmt.Sprint("t", i))
		a := w.Draft(id, "r@example.net")
		if a.Message.Stream = tenant.Newsletter; i%3 == 2 {
			a.Deliveries[0].DueAt = w.Clock.Now().Add(time.Hour)
		} else {
			want = append(want, id)
		}
		w.Accept(a)
	}
	slices.SortFunc(want, func(a, b tenant.ID) int { return slices.Compare(a[:], b[:]) })
	have, err := w.Store.DueTenants(ctx, w.Clock.Now(), tenant.ID{}, 100)
	same(t, "due", have, want, err)
	have, err = w.Store.DueTenants(ctx, w.Clock.Now(), want[1], 2)
	same(t, "next two", have, want[2:4], err)
	w.Claim(w.Epoch("n"), want[0], 10)
	have, err = w.Store.DueTenants(ctx, w.Clock.Now(), tenant.ID{}, 100)
	same(t, "after a claim", have, want[1:], err)
}

func lockedTenantIsNotClaimed(t *testing.T, w *World) {
	ctx := context.Background()
	w.Accept(w.Draft(w.A, "r@example.net"))
	if err := w.Store.SetState(ctx, w.A, tenant.Locked, "abuse"); err != nil {
		t.Fatal(err)
	}
	e := w.Epoch("n")
	have, err := w.Store.DueTenants(ctx, w.Clock.Now(), tenant.ID{}, 10)
	same(t, "due", have, nil, err)
	if _, ok, err := w.Store.NextDue(ctx, time.Time{}, w.Clock.Now()); ok || err != nil {
		t.Errorf("a locked tenant's mail is due: %v", err)
	}
	equal(t, "claimed", len(w.Claim(e, w.A, 10)), 0)
	if err := w.Store.SetState(ctx, w.A, tenant.Active, ""); err != nil {
		t.Fatal(err)
	}
	equal(t, "claimed after unlocking", len(w.Claim(e, w.A, 10)), 1)
}

func nextDue(t *testing.T, w *World) {
	now := w.Clock.Now()
	for i, d := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour, 0} {
		a := w.Draft([]tenant.ID{w.A, w.B, w.A, w.A}[i], "r@example.net")
		a.Message.Stream, a.Deliveries[0].DueAt = tenant.Streams()[i+1], now.Add(d)
		w.Accept(a)
	}
	for _, c := range []struct{ after, until, want time.Duration }{
		{0, 4 * time.Hour, time.Hour},
		{0, time.Hour, time.Hour},
		{time.Hour, 4 * time.Hour, 2 * time.Hour},
		{-time.Hour, 4 * time.Hour, 0},
		{0, time.Hour - time.Millisecond, -1},
		{3 * time.Hour, 4 * time.Hour, -1},
	} {
		at, ok, err := w.Store.NextDue(context.Background(), now.Add(c.after), now.Add(c.until))
		if err != nil || ok != (c.want >= 0) || ok && !at.Equal(now.Add(c.want)) {
			t.Errorf("after %v until %v: %v %v %v", c.after, c.until, at.Sub(now), ok, err)
		}
	}
}

// hasten: what a clock a year ahead put off is due again, other waiting is not
// concerned.
func hasten(t *testing.T, w *World) {
	ctx := context.Background()
	a := w.Draft(w.A, numbered(4)...)
	planned := w.Draft(w.B, "r@example.net") // put off by its sender
	planned.Deliveries[0].DueAt = w.Clock.Now().AddDate(0, 0, 30)
	w.Accept(a, planned)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	far := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred)
	far.DueAt = w.Clock.Now().AddDate(1, 0, 0)
	w.Settle(far, w.Verdict(e, w.A, a.Deliveries[1].ID, event.Deferred), w.Verdict(e, w.A, a.Deliveries[2].ID, event.Delivered))
	now := w.Clock.Now()
	n, err := w.Store.Hasten(ctx, now, now.Add(8*time.Hour))
	if err != nil || n != 1 {
		t.Errorf("hastened %d, %v", n, err)
	}
	claimed := w.Claim(e, w.A, 10)
	if len(claimed) != 1 || claimed[0].Delivery != a.Deliveries[0].ID {
		t.Errorf("due are %d", len(claimed))
	}
	equal(t, "planned claimed", len(w.Claim(e, w.B, 10)), 0)
}

func oldestWaiting(t *testing.T, w *World) {
	ctx := context.Background()
	ask := func() (spool.Day, bool) {
		t.Helper()
		day, waiting, err := w.Store.OldestWaiting(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return day, waiting
	}
	if _, waiting := ask(); waiting {
		t.Error("something waits in an empty store")
	}
	first := w.Draft(w.A, "r@example.net")
	w.Accept(first)
	second := spool.DayOf(w.Clock.Advance(48 * time.Hour))
	w.Accept(w.Draft(w.B, "r@example.net"))
	if day, waiting := ask(); !waiting || day != spool.DayOf(Start()) {
		t.Errorf("oldest is of %v, %v", day, waiting)
	}
	e := w.Epoch("n")
	w.Claim(e, w.A, 1)
	w.Settle(w.Verdict(e, w.A, first.Deliveries[0].ID, event.Delivered))
	if day, waiting := ask(); !waiting || day != second {
		t.Errorf("oldest is of %v, %v, want %v", day, waiting, second)
	}
	if err := w.Store.SetState(ctx, w.B, tenant.Locked, "abuse"); err != nil {
		t.Fatal(err)
	}
	if _, waiting := ask(); waiting {
		t.Error("a locked tenant's mail counts")
	}
}

func release(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, numbered(3)...))
	e := w.Epoch("n")
	list := w.Claim(e, w.A, 10)
	list[0].DueAt = w.Clock.Now().Add(time.Hour)
	if err := w.Store.Release(context.Background(), e+1, list); err != nil {
		t.Fatal(err)
	}
	equal(t, "claimed after another's release", len(w.Claim(e, w.A, 10)), 0)
	if err := w.Store.Release(context.Background(), e, list); err != nil {
		t.Fatal(err)
	}
	equal(t, "claimed again", len(w.Claim(e, w.A, 10)), 2)
	w.Clock.Advance(time.Hour)
	equal(t, "claimed later", len(w.Claim(e, w.A, 10)), 1)
	equal(t, "facts", w.facts(w.A, message.Of(list[0].Delivery)), "accepted")
}

func settleEndsTheClaim(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(6)...)
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	states := []event.State{event.Delivered, event.Bounced, event.Expired, event.Suppressed, event.Held, event.Deferred}
	var list []queue.Settlement
	for i, state := range states {
		list = append(list, w.Verdict(e, w.A, a.Deliveries[i].ID, state))
	}
	now := w.Clock.Advance(time.Second)
	for i := range list {
		list[i].Event.At = now
	}
	equal(t, "fenced", len(w.Settle(list...)), 0)
	equal(t, "states", w.States(w.A, a.Message.ID), "delivered bounced expired suppressed held deferred")
	m, err := w.Store.Message(context.Background(), w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range m.Deliveries {
		if d.Attempts != 1 || d.Host != "mx.example.net" || d.Reason != "some_reason" || !d.UpdatedAt.Equal(now) {
			t.Errorf("delivery: %+v", d)
		}
		equal(t, "is due", d.DueAt, list[i].DueAt)
	}
	equal(t, "settled again", len(w.Settle(list...)), 6)
	equal(t, "claimable", len(w.Claim(e, w.A, 10)), 0)
}

func deferredKeepsSignature(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	v := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred)
	w.Settle(v)
	equal(t, "too early", len(w.Claim(e, w.A, 10)), 0)
	w.Clock.Advance(10 * time.Minute)
	list := w.Claim(e, w.A, 10)
	if len(list) != 1 || string(list[0].Signature) != string(v.Signature) || list[0].Attempts != 1 || !list[0].DueAt.Equal(v.DueAt) {
		t.Errorf("claimed: %+v", list)
	}
}

func settleIsFenced(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(3)...)
	a.Deliveries[1].DueAt, a.Deliveries[2].DueAt = w.Clock.Now().Add(time.Hour), w.Clock.Now().Add(time.Hour)
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 3)
	d := a.Deliveries
	fenced := w.Settle(
		w.Verdict(e, w.A, d[1].ID, event.Bounced), // nobody holds it
		w.Verdict(e, w.B, d[2].ID, event.Delivered),
		w.Verdict(e+1, w.A, d[0].ID, event.Delivered),
		w.Verdict(e, w.A, d[0].ID, event.Bounced),
		w.Verdict(e, w.A, d[0].ID, event.Delivered), // settled by the one before
	)
	same(t, "fenced", fenced, []message.DeliveryID{d[1].ID, d[2].ID, d[0].ID, d[0].ID}, nil)
	equal(t, "states", w.States(w.A, a.Message.ID), "bounced queued queued")
	equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted bounced")
}

func everyDeliveryEndsSomehow(t *testing.T, w *World) {
	ctx := context.Background()
	e := w.Epoch("n")
	const messages, each = 20, 5
	for i := range messages {
		a := w.Draft([]tenant.ID{w.A, w.B}[i%2], numbered(each)...)
		a.Deliveries[0].State, a.Deliveries[0].Reason = event.Suppressed, "hard_bounce"
		w.Accept(a)
	}
	states := []event.State{event.Delivered, event.Bounced, event.Deferred, event.Held, event.Expired}
	for _, ten := range []tenant.ID{w.A, w.B} {
		for i, v := range w.Claim(e, ten, 30) {
			w.Settle(w.Verdict(e, ten, v.Delivery, states[i%len(states)]))
		}
		counts, err := w.Store.Counts(ctx, ten, Start().Add(-time.Hour), Start().Add(time.Hour))
		same(t, "counts", counts, map[event.State]int64{event.Queued: 10, event.Suppressed: 10, event.Delivered: 6, event.Bounced: 6,
			event.Deferred: 6, event.Held: 6, event.Expired: 6}, err)
	}
	depth, err := w.Store.Depth(ctx)
	same(t, "depth", depth, map[event.State]int64{event.Queued: 20, event.Deferred: 12, event.Held: 12}, err)
}

func settleRefusesNonsense(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	nameless := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)
	nameless.Event.ID = event.ID{}
	for _, v := range []queue.Settlement{w.Verdict(e, w.A, a.Deliveries[0].ID, event.Sending), w.Verdict(e, w.A, a.Deliveries[0].ID, event.Queued), nameless} {
		if _, err := w.Store.Settle(context.Background(), []queue.Settlement{v}); err == nil {
			t.Errorf("settled as %q", v.State)
		}
	}
	equal(t, "state", w.States(w.A, a.Message.ID), "queued")
}

// concurrentSettlementsMeet lets settlements and acceptances share commits.
func concurrentSettlementsMeet(t *testing.T, w *World) {
	e := w.Epoch("n")
	var list []*ingest.Acceptance
	for range 100 {
		a := w.Draft(w.A, "r@example.net")
		a.Epoch = e
		list = append(list, a)
	}
	var wg sync.WaitGroup
	for _, a := range list {
		wg.Go(func() {
			if err := w.Store.Accept(context.Background(), a); err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			fenced, err := w.Store.Settle(context.Background(), []queue.Settlement{w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)})
			if err != nil || len(fenced) != 0 {
				t.Errorf("settle: %v, %v", fenced, err)
			}
		})
	}
	wg.Wait()
	for _, a := range list {
		equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted delivered")
	}
}

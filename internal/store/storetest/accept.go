package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

func acceptTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"BodyComesBack":           bodyComesBack,
		"ManyAtOnce":              manyAtOnce,
		"AllTogether":             allTogether,
		"ManyRecipients":          manyRecipients,
		"SecondUseIsReplay":       secondUseIsReplay,
		"SecondUseAtTheSameTime":  secondUseAtTheSameTime,
		"KeyMayBeUsedAfterExpiry": keyMayBeUsedAfterExpiry,
		"OneFailsAlone":           oneFailsAlone,
		"DeadEpochMayNotAccept":   deadEpochMayNotAccept,
		"WithdrawnIsNotStored":    withdrawnIsNotStored,
		"Usage":                   usage,
		"Suppressed":              suppressed,
		"BodiesAreDroppedByDay":   bodiesAreDroppedByDay,
		"EventsAreAnnounced":      eventsAreAnnounced,
		"BrokenText":              brokenText,
	}
}

func handle(a *ingest.Acceptance) spool.Handle {
	return spool.Handle{Tenant: a.Message.Tenant, Message: a.Message.ID, Ref: a.Ref, Salt: a.Message.Salt}
}

func bodyComesBack(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	body, err := w.Store.Archive().Read(context.Background(), handle(a))
	if err != nil || !bytes.Equal(body, a.Sealed) {
		t.Errorf("body differs, %v", err)
	}
	m, err := w.Store.Message(context.Background(), w.A, a.Message.ID)
	same(t, "handle", m.Body, handle(a), err)
}

// allTogether holds that what is accepted in one call is refused one by one.
func allTogether(t *testing.T, w *World) {
	list := []*ingest.Acceptance{w.Draft(w.A, "a@example.net"), w.Draft(w.A, "b@example.net"), w.Draft(w.A, "c@example.net"), w.Draft(w.A, "d@example.net")}
	list[1].Message.ID, list[1].Deliveries[0].ID, list[1].Events[0].Message = list[0].Message.ID, list[0].Deliveries[0].ID, list[0].Message.ID
	list[2].Message.Tenant = tenant.ID{}
	errs := w.Store.AcceptAll(context.Background(), list)
	if len(errs) != len(list) || errs[0] != nil || errs[3] != nil || errs[2] == nil {
		t.Fatalf("errors %v", errs)
	}
	if f := fault.As(errs[1]); f == nil || f.Code != "message_exists" {
		t.Errorf("the same message twice: %v", errs[1])
	}
	for _, i := range []int{0, 3} {
		if _, err := w.Store.Message(context.Background(), w.A, list[i].Message.ID); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

func manyAtOnce(t *testing.T, w *World) {
	const callers, each = 40, 10
	var wg sync.WaitGroup
	lists := make([][]*ingest.Acceptance, callers)
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				a := w.Draft([]tenant.ID{w.A, w.B}[c%2], fmt.Sprintf("r%d@example.net", i), "second@example.org")
				if err := w.Store.Accept(context.Background(), a); err != nil {
					t.Errorf("accept: %v", err)
				}
				lists[c] = append(lists[c], a)
			}
		})
	}
	wg.Wait()
	seen := map[spool.Handle]bool{}
	for _, list := range lists {
		for _, a := range list {
			equal(t, "states", w.States(a.Message.Tenant, a.Message.ID), "queued queued")
			body, err := w.Store.Archive().Read(context.Background(), handle(a))
			if err != nil || !bytes.Equal(body, a.Sealed) || seen[handle(a)] {
				t.Errorf("body of %s: %v", a.Message.ID, err)
			}
			seen[handle(a)] = true
		}
	}
	equal(t, "messages", len(seen), callers*each)
	depth, err := w.Store.Depth(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "queued", depth[event.Queued], 2*callers*each)
}

func manyRecipients(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(message.MaxRecipients)...)
	w.Accept(a)
	m, err := w.Store.Message(context.Background(), w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "deliveries", len(m.Deliveries), message.MaxRecipients)
	equal(t, "last", m.Deliveries[999].Recipient, a.Deliveries[999].Recipient)
	if err := w.Store.Accept(context.Background(), w.Draft(w.A, numbered(message.MaxRecipients+1)...)); err == nil {
		t.Error("too many recipients were accepted")
	}
	if err := w.Store.Accept(context.Background(), w.Draft(tenant.ID{}, "r@example.net")); err == nil {
		t.Error("a mail of nobody was accepted")
	}
}

func (w *World) keyed(key string, hash byte, ends time.Time) *ingest.Acceptance {
	a := w.Draft(w.A, "r@example.net")
	a.Idempotency = &ingest.Idempotency{Key: key, Hash: [32]byte{hash}, ExpiresAt: ends}
	return a
}

func secondUseIsReplay(t *testing.T, w *World) {
	ctx, ends := context.Background(), w.Clock.Now().Add(time.Hour)
	first, second := w.keyed("k", 1, ends), w.keyed("k", 2, ends)
	w.Accept(first)
	var r *ingest.Replay
	if err := w.Store.Accept(ctx, second); !errors.As(err, &r) {
		t.Fatalf("second use: %v", err)
	}
	want := ingest.Replay{Hash: [32]byte{1}, Message: first.Message.ID}
	equal(t, "replay", *r, want)
	_, err := w.Store.Message(ctx, w.A, second.Message.ID)
	refused(t, err, fault.NotFound, "message_not_found")
	r, err = w.Store.Replay(ctx, w.A, "k", w.Clock.Now())
	if err != nil || r == nil || *r != want {
		t.Errorf("replay: %v, %v", r, err)
	}
	for _, c := range []struct {
		key string
		now time.Time
	}{{"other", w.Clock.Now()}, {"k", ends}} {
		if r, err := w.Store.Replay(ctx, w.A, c.key, c.now); r != nil || err != nil {
			t.Errorf("replay of %q at %v: %v, %v", c.key, c.now, r, err)
		}
	}
	other := w.keyed("k", 1, ends)
	other.Message.Tenant = w.B
	w.Accept(other)
}

func secondUseAtTheSameTime(t *testing.T, w *World) {
	const callers = 20
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			errs[i] = w.Store.Accept(context.Background(), w.keyed("k", 1, w.Clock.Now().Add(time.Hour)))
		})
	}
	wg.Wait()
	stored := map[message.ID]bool{}
	accepted := 0
	for _, err := range errs {
		var r *ingest.Replay
		switch {
		case err == nil:
			accepted++
		case errors.As(err, &r):
			stored[r.Message] = true
		default:
			t.Errorf("accept: %v", err)
		}
	}
	equal(t, "accepted", accepted, 1)
	equal(t, "messages replayed", len(stored), 1)
}

func keyMayBeUsedAfterExpiry(t *testing.T, w *World) {
	w.Accept(w.keyed("k", 1, w.Clock.Now().Add(time.Hour)))
	w.Clock.Advance(time.Hour)
	second := w.keyed("k", 2, w.Clock.Now().Add(time.Hour))
	w.Accept(second)
	r, err := w.Store.Replay(context.Background(), w.A, "k", w.Clock.Now())
	if err != nil || r == nil || r.Message != second.Message.ID {
		t.Errorf("replay: %v, %v", r, err)
	}
}

// oneFailsAlone accepts one message twice amid others that wait at the same time.
func oneFailsAlone(t *testing.T, w *World) {
	first := w.Draft(w.A, "r@example.net")
	w.Accept(first)
	again := *first
	var wg sync.WaitGroup
	wg.Go(func() {
		refused(t, w.Store.Accept(context.Background(), &again), fault.Conflict, "message_exists")
	})
	for range 30 {
		wg.Go(func() {
			if err := w.Store.Accept(context.Background(), w.Draft(w.A, "r@example.net")); err != nil {
				t.Errorf("accept: %v", err)
			}
		})
	}
	wg.Wait()
	n, err := w.Store.Usage(context.Background(), w.A, w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "usage", n, 31)
}

func deadEpochMayNotAccept(t *testing.T, w *World) {
	ctx := context.Background()
	old := w.Epoch("n")
	a := w.Draft(w.A, "r@example.net")
	a.Epoch = old
	w.Accept(a)
	w.Epoch("n")
	b := w.Draft(w.A, "r@example.net")
	b.Epoch = old
	if err := w.Store.Accept(ctx, b); !errors.Is(err, queue.ErrFenced) {
		t.Errorf("accept under a dead epoch: %v", err)
	}
}

func withdrawnIsNotStored(t *testing.T, w *World) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stored := 0
	for range 50 {
		a := w.Draft(w.A, "r@example.net")
		err := w.Store.Accept(ctx, a)
		_, missing := w.Store.Message(context.Background(), w.A, a.Message.ID)
		if (err == nil) != (missing == nil) {
			t.Fatalf("accept said %v, reading says %v", err, missing)
		}
		if err == nil {
			stored++
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if stored == 50 {
		t.Error("a cancelled context was never noticed")
	}
}

// brokenText is what a foreign mail or a scanner may bring: it must neither fail
// the mail nor the question.
func brokenText(t *testing.T, w *World) {
	const broken = "a\x00b\xffc"
	a := w.keyed(broken, 1, w.Clock.Now().Add(time.Hour))
	a.Message.Subject, a.Message.MessageID, a.Message.Tags = broken, broken+"@x", []string{broken}
	a.Deliveries[0].Recipient.Local = broken
	a.Events[0].Attempt = &event.Attempt{Reply: broken}
	w.Accept(a)
	m, err := w.Store.Message(context.Background(), w.A, a.Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "subject", m.Subject, "ab\uFFFDc")
	for _, f := range []insight.Filter{{Text: broken}, {Text: broken + "@x"}, {Recipient: broken + "@example.net"}, {Tag: broken}} {
		if ids, _ := w.page(w.A, f); len(ids) != 1 {
			t.Errorf("%+v finds %d", f, len(ids))
		}
	}
	r, err := w.Store.Replay(context.Background(), w.A, broken, w.Clock.Now())
	if r == nil || err != nil {
		t.Errorf("replay: %v, %v", r, err)
	}
	if _, err := w.Store.UserByEmail(context.Background(), broken); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("user: %v", err)
	}
}

func usage(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, "1@example.net", "2@example.net"), w.Draft(w.A, "3@example.net"))
	w.Clock.Advance(12 * time.Hour)
	w.Accept(w.Draft(w.A, "4@example.net"))
	last := w.Clock.Advance(2 * time.Hour) // the next UTC day
	w.Accept(w.Draft(w.A, "5@example.net"))
	for _, c := range []struct {
		tenant tenant.ID
		at     time.Time
		want   int64
	}{{w.A, Start(), 4}, {w.A, last, 1}, {w.A, last.Add(24 * time.Hour), 0}, {w.B, last, 0}} {
		n, err := w.Store.Usage(context.Background(), c.tenant, c.at)
		if err != nil || n != c.want {
			t.Errorf("usage of %s at %v: %d, %v, want %d", c.tenant, c.at, n, err, c.want)
		}
	}
}

func suppressed(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	for _, v := range []struct {
		address string
		ends    time.Time
	}{{"Gone@example.net", time.Time{}}, {"soon@example.net", now.Add(time.Hour)}, {"past@example.net", now}} {
		w.Suppress(w.Entry(w.A, v.address, tenant.Newsletter, audience.HardBounce, v.ends))
	}
	asked := []message.Address{Address("gone@example.net"), Address("GONE@example.net"), Address("soon@example.net"),
		Address("past@example.net"), Address("fine@example.net")}
	have, err := w.Store.Suppressed(ctx, w.A, tenant.Newsletter, asked, now)
	same(t, "suppressed", have, map[message.Address]string{asked[0]: "hard_bounce", asked[1]: "hard_bounce", asked[2]: "hard_bounce"}, err)
	have, err = w.Store.Suppressed(ctx, w.A, tenant.Transactional, asked, now)
	same(t, "other stream", have, map[message.Address]string{}, err)
	have, err = w.Store.Suppressed(ctx, w.B, tenant.Newsletter, asked, now)
	same(t, "other tenant", have, map[message.Address]string{}, err)
	have, err = w.Store.Suppressed(ctx, w.A, tenant.Newsletter, nil, now)
	same(t, "nobody", have, map[message.Address]string{}, err)
	w.Suppress(w.Entry(w.A, "gone@example.net", "", audience.Complaint, time.Time{}))
	for _, stream := range tenant.Streams() {
		have, err = w.Store.Suppressed(ctx, w.A, stream, asked[:1], now)
		same(t, "on all streams", have, map[message.Address]string{asked[0]: "complaint"}, err)
	}
}

func bodiesAreDroppedByDay(t *testing.T, w *World) {
	ctx := context.Background()
	old := w.Draft(w.A, "r@example.net")
	w.Accept(old)
	w.Clock.Advance(24 * time.Hour)
	day := spool.DayOf(w.Store.Now()) // the clock that the nodes share
	fresh := w.Draft(w.A, "r@example.net")
	w.Accept(fresh)
	days, size, err := w.Store.Archive().DropBefore(ctx, day)
	if err != nil || days != 1 || size < int64(len(old.Sealed)) {
		t.Errorf("dropped %d days, %d bytes, %v", days, size, err)
	}
	if _, err := w.Store.Archive().Read(ctx, handle(old)); !errors.Is(err, spool.ErrGone) {
		t.Errorf("old body: %v", err)
	}
	if _, err := w.Store.Archive().Read(ctx, handle(fresh)); err != nil {
		t.Errorf("fresh body: %v", err)
	}
	w.Accept(w.Draft(w.A, "r@example.net"))
}

func eventsAreAnnounced(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	w.Settle(w.Verdict(e, w.A, a.Deliveries[0].ID, event.Bounced), w.Verdict(e, w.A, a.Deliveries[0].ID, event.Bounced))
	var have []event.Type
	for _, e := range w.Announced() {
		have = append(have, e.Type)
	}
	same(t, "announced", have, []event.Type{event.Accepted, event.Refused}, nil)
	list, err := w.Store.Events(context.Background(), w.A, a.Message.ID)
	same(t, "kept", list, w.Announced(), err)
}

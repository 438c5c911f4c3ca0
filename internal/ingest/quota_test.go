package ingest_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"

	"github.com/google/go-cmp/cmp"
)

func withQuota(n int64) func(*ingest.Config, *tenant.Tenant) {
	return func(_ *ingest.Config, one *tenant.Tenant) { one.DailyQuota = n }
}

func TestQuota(t *testing.T) {
	w := newWorld(t, withQuota(3))
	two := draft(func(s *ingest.Submission) { s.Draft.To = append(s.Draft.To, mailbox("max@kunde.example")) })
	w.mustAccept(two)
	_, err := w.accept(two)
	w.wantRefusal(err, fault.Limited, ingest.CodeQuotaSpent, "")
	if wait := fault.As(err).RetryAfter; wait != 4*time.Hour {
		t.Errorf("retry after %s, want until midnight UTC", wait)
	}
	w.mustAccept(draft())
	w.pass(4 * time.Hour)
	w.mustAccept(two)
}

// TestQuotaOfSeveralNodes: who counts is the store, so another entrance to it refuses
// as well, and what fits is taken while what does not is refused.
func TestQuotaOfSeveralNodes(t *testing.T) {
	w := newWorld(t, withQuota(3))
	w.mustAccept(draft())
	again := ingest.New(ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now})
	if _, err := again.Accept(t.Context(), w.principal(), draft()); err != nil {
		t.Fatal(err)
	}
	two := draft(func(s *ingest.Submission) { s.Draft.To = append(s.Draft.To, mailbox("max@kunde.example")) })
	_, err := w.accept(two)
	w.wantRefusal(err, fault.Limited, ingest.CodeQuotaSpent, "")
	w.mustAccept(draft())
	_, err = again.Accept(t.Context(), w.principal(), draft())
	w.wantRefusal(err, fault.Limited, ingest.CodeQuotaSpent, "")
}

// TestSpentQuotaIsRemembered: who goes on after a refusal does not reach the store,
// for a few seconds, also when the clock is set back meanwhile.
func TestSpentQuotaIsRemembered(t *testing.T) {
	w := newWorld(t, withQuota(1))
	w.mustAccept(draft())
	reached := 0
	w.store.Before = func(*ingest.Acceptance) { reached++ }
	for _, c := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {time.Second, 1}, {3 * time.Second, 1}, {2 * time.Second, 2}, {-time.Hour, 3}} {
		w.pass(c.pass)
		_, err := w.accept(draft())
		w.wantRefusal(err, fault.Limited, ingest.CodeQuotaSpent, "")
		if reached != c.want {
			t.Errorf("%v later: %d reached the store, want %d", c.pass, reached, c.want)
		}
	}
}

func TestQuotaHoldsUnderConcurrency(t *testing.T) {
	w := newWorld(t, withQuota(50))
	var accepted atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := w.accept(draft()); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 50 {
		t.Errorf("%d accepted", n)
	}
}

func keyed(change ...func(*ingest.Submission)) ingest.Submission {
	return draft(append([]func(*ingest.Submission){func(s *ingest.Submission) {
		s.Idempotency, s.RequestHash = "bestellung-4711", [32]byte{1}
	}}, change...)...)
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t, withQuota(2))
	w.store.Suppress(w.tenant, addr("max@kunde.example"), "complaint", start)
	both := func(s *ingest.Submission) { s.Draft.To = append(s.Draft.To, mailbox("max@kunde.example")) }
	first := w.mustAccept(keyed(both))
	if first.Replayed || first.Deliveries[1].State != event.Suppressed {
		t.Errorf("first answer: %+v", first)
	}
	w.pass(time.Hour)
	w.store.Suppress(w.tenant, addr("eva@kunde.example"), "hard_bounce", w.Now())
	second := w.mustAccept(keyed(both)) // the quota is spent, but this is not a new message
	if !second.Replayed {
		t.Error("second answer is not marked as replayed")
	}
	second.Replayed = false
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("answers differ (-first +second):\n%s", d)
	}
	_, err := w.accept(keyed(both, func(s *ingest.Submission) { s.RequestHash = [32]byte{2} }))
	w.wantRefusal(err, fault.Conflict, ingest.CodeIdempotencyConflict, "")
	if n := len(w.store.Accepted()); n != 1 {
		t.Errorf("%d messages stored", n)
	}
	w.pass(23 * time.Hour)
	if third := w.mustAccept(keyed(func(s *ingest.Submission) { s.Draft.To[0] = mailbox("neu@kunde.example") })); third.Replayed || third.ID == first.ID {
		t.Error("the key still holds after 24 hours")
	}
}

func TestIdempotencyRace(t *testing.T) {
	w := newWorld(t)
	var entered atomic.Bool
	w.store.Before = func(*ingest.Acceptance) {
		if !entered.Swap(true) {
			w.mustAccept(keyed()) // another request with the key commits first
		}
	}
	r := w.mustAccept(keyed())
	stored := w.store.Accepted()
	if len(stored) != 1 || !r.Replayed || r.ID != stored[0].Message.ID || r.MessageID != stored[0].Message.MessageID {
		t.Errorf("%d stored, answer %+v", len(stored), r)
	}
	if w.feed.canceled != 1 {
		t.Errorf("%d reservations given back", w.feed.canceled)
	}
}

func TestIdempotencyOfRawMailIgnoresTrace(t *testing.T) {
	w := newWorld(t)
	sub := func(received, text string) ingest.Submission {
		return ingest.Submission{Idempotency: "k", Recipients: []message.Address{addr("eva@kunde.example")},
			Raw: []byte("Received: " + received + "\r\nFrom: info@muster.example\r\nTo: eva@kunde.example\r\n\r\n" + text + "\r\n")}
	}
	w.mustAccept(sub("at eight", "a"))
	if r := w.mustAccept(sub("at nine", "a")); !r.Replayed {
		t.Error("the same mail came a second time and was taken again")
	}
	_, err := w.accept(sub("at nine", "b"))
	w.wantRefusal(err, fault.Conflict, ingest.CodeIdempotencyConflict, "")
}

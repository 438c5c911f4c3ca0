package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/ledger"
	"stafette/internal/queue"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

func ledgerTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ChargedExactly": chargedExactly, "Released": releasedAndCharged, "SumsAgree": sumsAgree, "RefusedCostsNothing": refusedCostsNothing,
		"NewMonth": newMonth, "PlanEnds": planEnds, "Foreign": ledgerForeign,
		"RefundBesides": func(t *testing.T, w *World) { w.FillPlan(t, 20, w.Store) },
	}
}

func (w *World) ledger() *ledger.Service {
	return ledger.New(ledger.Config{Store: w.Store, Now: w.Clock.Now})
}

// plan books a plan for w.A.
func (w *World) plan(included int64, o ledger.Overage) *ledger.Service {
	w.t.Helper()
	s := w.ledger()
	p, err := s.CreatePlan(w.t.Context(), ledger.Plan{Name: "Basis", Included: included, Overage: o})
	w.must(err)
	w.must(s.SetPlan(w.t.Context(), w.A, p.ID, "usr_1"))
	return s
}

// charged is Draft for a tenant with a plan.
func (w *World) charged(n int) *ingest.Acceptance {
	a := w.Draft(w.A, numbered(n)...)
	a.Metered = true
	return a
}

// waiting is a message that its plan holds.
func (w *World) waiting(n int) *ingest.Acceptance {
	a := w.charged(n)
	for i := range a.Deliveries {
		a.Deliveries[i].State, a.Deliveries[i].Reason = event.Held, ledger.ReasonHeld
	}
	return a
}

func (w *World) account() ledger.Account {
	w.t.Helper()
	a, err := w.ledger().Account(w.t.Context(), w.A)
	w.must(err)
	return a
}

// chargedExactly: many at once take what there is, and not one recipient more.
func chargedExactly(t *testing.T, w *World) {
	w.plan(30, ledger.Refuse)
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for i := range 40 {
		a := w.charged(1 + i%3)
		all.Go(func() {
			err := w.Store.Accept(t.Context(), a)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken += len(a.Deliveries)
			} else if f := fault.As(err); f == nil || f.Code != ledger.CodeSpent || f.RetryAfter <= 0 {
				t.Errorf("refused with %v", err)
			}
		})
	}
	all.Wait()
	if a := w.account(); int64(taken) != a.Used || a.Left() != int64(30-taken) || a.Left() < 0 || taken < 28 {
		t.Errorf("taken %d, account %+v", taken, a)
	}
}

// releasedAndCharged: held mail goes on as far as credit lasts, by itself and not by hand.
func releasedAndCharged(t *testing.T, w *World) {
	s := w.plan(2, ledger.Hold)
	w.must(w.Store.Accept(t.Context(), w.charged(2)))
	if err := w.Store.Accept(t.Context(), w.charged(1)); !errors.Is(err, ingest.ErrPlanHolds) {
		t.Fatalf("beyond the plan: %v", err)
	}
	w.must(w.Store.Accept(t.Context(), w.waiting(3)))
	w.must(s.Turn(t.Context()))
	if list := w.Apply(queue.Resume, queue.Selection{Tenant: w.A}); len(list) > 0 {
		t.Errorf("%d deliveries were resumed by hand", len(list))
	}
	if n, err := w.Store.HeldForPlan(t.Context(), w.A, 10); n != 3 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	for i, left := range []int{1, 0} {
		w.Clock.Advance(time.Minute)
		w.must(s.Give(t.Context(), w.A, ledger.Grant, 2, "usr_2", "bestellt"))
		w.must(s.Turn(t.Context()))
		if n, err := w.Store.HeldForPlan(t.Context(), w.A, 10); n != left || err != nil {
			t.Errorf("after grant %d: %d wait, %v", i, n, err)
		}
	}
	w.must(s.Turn(t.Context()))
	if a := w.account(); a.Left() != 1 || a.Waiting {
		t.Errorf("in the end %+v", a)
	}
}

// sumsAgree: what is left is at any time the sum of all entries and charges.
func sumsAgree(t *testing.T, w *World) {
	s := w.plan(20, ledger.Hold)
	check := func(step string) {
		t.Helper()
		v, err := s.Statement(t.Context(), w.A)
		w.must(err)
		var sum int64
		for _, e := range v.Entries {
			sum += e.Amount
		}
		for _, c := range v.Charges {
			sum -= c.Included + c.Credit
		}
		if sum != v.Left() || sum < 0 {
			t.Errorf("%s: entries come to %d, the account has %d", step, sum, v.Left())
		}
	}
	check("booked")
	for i, n := range []int{5, 3, 9, 2, 7} {
		_ = w.Store.Accept(t.Context(), w.charged(n)) // some are too much
		check("sent")
		w.must(s.Give(t.Context(), w.A, []ledger.EntryType{ledger.Grant, ledger.Goodwill}[i%2], int64(i+1), "usr_2", "so eben"))
		check("given")
		w.Clock.Advance(9 * 24 * time.Hour)
		w.must(w.Store.Accept(t.Context(), w.charged(1)))
		check("later")
	}
}

// refusedCostsNothing: what is refused for another reason is not charged.
func refusedCostsNothing(t *testing.T, w *World) {
	w.plan(10, ledger.Refuse)
	first := w.charged(2)
	first.Idempotency = &ingest.Idempotency{Key: "k", ExpiresAt: w.Clock.Now().Add(time.Hour)}
	w.must(w.Store.Accept(t.Context(), first))
	again := w.charged(2)
	again.Idempotency = first.Idempotency
	var replay *ingest.Replay
	if err := w.Store.Accept(t.Context(), again); !errors.As(err, &replay) {
		t.Fatalf("the same key: %v", err)
	}
	suppressed := w.charged(3)
	suppressed.Deliveries[0].State = event.Suppressed
	w.must(w.Store.Accept(t.Context(), suppressed))
	if a := w.account(); a.Used != 4 {
		t.Errorf("charged %d, want 4", a.Used)
	}
}

// newMonth: the rest expires, warnings begin anew, and what waited goes on.
func newMonth(t *testing.T, w *World) {
	s := w.plan(2, ledger.Hold)
	w.must(w.Store.Accept(t.Context(), w.charged(2)))
	w.must(w.Store.Accept(t.Context(), w.waiting(1)))
	w.must(s.Turn(t.Context()))
	if a := w.account(); a.Warned != 100 {
		t.Errorf("warned of %d", a.Warned)
	}
	w.Clock.Advance(32 * 24 * time.Hour)
	w.must(s.Turn(t.Context()))
	if a := w.account(); a.Left() != 1 || a.Used != 1 || a.Warned != 0 {
		t.Errorf("in the new month %+v", a)
	}
}

// planEnds: without a plan nothing is charged, and nothing waits.
func planEnds(t *testing.T, w *World) {
	s := w.plan(1, ledger.Hold)
	w.must(w.Store.Accept(t.Context(), w.waiting(3)))
	w.must(s.SetPlan(t.Context(), w.A, ledger.PlanID{}, "usr_1"))
	w.must(s.Turn(t.Context()))
	w.must(w.Store.Accept(t.Context(), w.charged(5)))
	one, err := w.Store.Tenant(t.Context(), w.A)
	if n, e := w.Store.HeldForPlan(t.Context(), w.A, 10); n != 0 || e != nil || err != nil || one.Metered {
		t.Errorf("%d wait, %v; tenant %+v, %v", n, e, one, err)
	}
}

// ledgerForeign: another tenant's account is not touched.
func ledgerForeign(t *testing.T, w *World) {
	s := w.plan(5, ledger.Hold)
	v, err := s.Statement(t.Context(), w.B)
	if err != nil || v.Metered() || len(v.Entries) > 0 {
		t.Errorf("foreign account %+v, %v", v, err)
	}
	own, err := s.Statement(t.Context(), w.A)
	w.must(err)
	if err := s.Refund(t.Context(), w.B, own.Entries[0].ID, "usr_1", "anders"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("refund of a foreign booking: %v", err)
	}
	if err := s.SetPlan(t.Context(), tenant.ID{1}, ledger.PlanID{}, "usr_1"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("plan for nobody: %v", err)
	}
	list, err := s.Accounts(t.Context())
	if err != nil || len(list) != 1 || list[0].Tenant != w.A {
		t.Errorf("accounts %+v, %v", list, err)
	}
	w.must(s.Refund(t.Context(), w.A, own.Entries[0].ID, "usr_1", "nicht genutzt"))
	if err := s.Refund(t.Context(), w.A, own.Entries[0].ID, "usr_1", "nicht genutzt"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("refunded twice: %v", err)
	}
	w.must(s.RetirePlan(t.Context(), own.Plan))
	if err := s.SetPlan(t.Context(), w.B, own.Plan, "usr_1"); !fault.IsKind(err, fault.Invalid) && !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a retired plan was booked: %v", err)
	}
}

// FillPlan lets all stores accept at once, and give back what was booked, until more than the
// plan includes has been tried; exactly what was taken is charged, and nothing of it refunded.
func (w *World) FillPlan(t *testing.T, included int64, stores ...*store.Store) {
	t.Helper()
	ctx, s := context.Background(), w.plan(included, ledger.Refuse)
	month, err := s.Statement(ctx, w.A)
	w.must(err)
	var taken, refunds atomic.Int64
	var all sync.WaitGroup
	for i := range 3 * int(included) {
		a := w.charged(1 + i%3)
		all.Go(func() {
			err := stores[i%len(stores)].Accept(ctx, a)
			if err == nil {
				taken.Add(int64(len(a.Deliveries)))
			} else if f := fault.As(err); f == nil || f.Code != ledger.CodeSpent {
				t.Errorf("accept: %v", err)
			}
		})
		if i%int(included) == 0 {
			at := ledger.New(ledger.Config{Store: stores[i%len(stores)], Now: w.Clock.Now})
			all.Go(func() {
				if err := at.Refund(ctx, w.A, month.Entries[0].ID, "usr_1", "so eben"); err == nil {
					refunds.Add(1)
				} else if !fault.IsKind(err, fault.Conflict) {
					t.Errorf("refund: %v", err)
				}
			})
		}
	}
	all.Wait()
	a := w.account()
	v, err := s.Statement(ctx, w.A)
	w.must(err)
	var charged int64
	for _, c := range v.Charges {
		charged += c.Included + c.Credit
	}
	if refunds.Load() > 0 && taken.Load() > 0 || taken.Load() > included || refunds.Load() == 0 && taken.Load() < included-2 || charged != taken.Load() || a.Left() < 0 {
		t.Errorf("taken %d, charged %d, refunded %d times, account %+v", taken.Load(), charged, refunds.Load(), a)
	}
	if taken.Load() == 0 {
		return // the refund was first: the whole month went back, unused
	}
	if err := s.Refund(ctx, w.A, month.Entries[0].ID, "usr_1", "so eben"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("refund of what was used: %v", err)
	}
}

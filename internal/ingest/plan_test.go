package ingest_test

import (
	"testing"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/ledger"
	"stafette/internal/tenant"
)

func withPlan(_ *ingest.Config, t *tenant.Tenant) { t.Metered = true }

// TestPlanHolds: what the plan has nothing left for is accepted and waits; nothing of it is
// offered to be sent.
func TestPlanHolds(t *testing.T) {
	w := newWorld(t, withPlan)
	tries := 0
	w.store.Before = func(a *ingest.Acceptance) { tries++ }
	w.store.Fail = func(method string) error {
		if method == "Accept" && tries == 0 {
			tries++
			return ingest.ErrPlanHolds
		}
		return nil
	}
	r := w.mustAccept(draft())
	a := w.store.Accepted()
	if len(a) != 1 || !a[0].Metered || a[0].Epoch != 0 || a[0].Deliveries[0].State != event.Held || a[0].Deliveries[0].Reason != ledger.ReasonHeld {
		t.Fatalf("accepted %+v", a)
	}
	if r.Deliveries[0].State != event.Held || len(a[0].Events) != 2 || a[0].Events[1].Type != event.Paused {
		t.Errorf("receipt %+v, events %+v", r, a[0].Events)
	}
}

// TestPlanRefuses: a plan that refuses does so at every door, with the time to wait.
func TestPlanRefuses(t *testing.T) {
	w := newWorld(t, withPlan)
	w.store.Fail = func(method string) error {
		if method == "Accept" {
			return ingest.PlanSpent(3)
		}
		return nil
	}
	_, err := w.accept(draft())
	w.wantRefusal(err, fault.Limited, ledger.CodeSpent, "")
	if len(w.store.Accepted()) > 0 {
		t.Error("it was accepted all the same")
	}
}

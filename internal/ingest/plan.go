package ingest

import (
	"context"
	"errors"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ledger"
)

// ErrPlanHolds is the answer of Store.Accept for mail that the plan has not enough left for,
// and that it wants to wait: it is accepted once more, held.
var ErrPlanHolds = errors.New("the plan has not enough left; its mail waits")

// PlanSpent is the refusal of a message for which the plan has not enough left. More comes
// with the next month, after wait, or with credit.
func PlanSpent(wait time.Duration) *fault.Error {
	e := fault.New(fault.Limited, ledger.CodeSpent, "The plan has not enough left for this message. See /plan in the office.")
	e.RetryAfter = wait
	return e
}

// holdForPlan accepts a message that waits until the plan has something left.
func (s *Service) holdForPlan(ctx context.Context, w *parcel) error {
	for i := range w.lines {
		if w.lines[i].State == event.Queued {
			w.lines[i].State, w.lines[i].Reason = event.Held, ledger.ReasonHeld
		}
	}
	w.acc.Deliveries, w.acc.Events, w.acc.Epoch = w.lines, s.facts(w), 0
	return s.c.Store.Accept(ctx, &w.acc)
}

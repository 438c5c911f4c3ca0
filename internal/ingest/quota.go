package ingest

import (
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// QuotaSpent is the refusal of a message whose deliveries are more than the tenant has
// left of its quota. More comes with the next UTC day, after wait.
func QuotaSpent(wait time.Duration) *fault.Error {
	e := fault.New(fault.Limited, CodeQuotaSpent, "The deliveries of this day are used up.")
	e.RetryAfter = wait
	return e
}

// spent remembers for a few seconds who was refused for a spent quota: a client that
// goes on all the same does not cost a transaction each time. What is left is counted
// by the store alone. It is safe for concurrent use.
type spent struct {
	lasts time.Duration

	mu       sync.Mutex
	refusals map[tenant.ID]refusal
}

// refusal is that of n deliveries at a time; as many or more are refused again.
type refusal struct {
	n    int
	at   time.Time
	fact *fault.Error
}

func newSpent(lasts time.Duration) *spent {
	return &spent{lasts: lasts, refusals: map[tenant.ID]refusal{}}
}

// check refuses what was just refused.
func (s *spent) check(t tenant.ID, n int, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.refusals[t]
	if !known {
		return nil
	}
	age := now.Sub(r.at)
	if age < 0 || age >= min(s.lasts, r.fact.RetryAfter) {
		delete(s.refusals, t)
		return nil
	}
	if n < r.n {
		return nil
	}
	return QuotaSpent(r.fact.RetryAfter - age)
}

// note remembers a refusal for a spent quota; other errors are nothing to it.
func (s *spent) note(t tenant.ID, n int, now time.Time, err error) {
	f := fault.As(err)
	if f == nil || f.Code != CodeQuotaSpent {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[t] = refusal{n: n, at: now, fact: f}
}

package queue

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Schedule says how long to wait after an attempt that failed for now. It is safe
// for concurrent use; use NewSchedule.
type Schedule struct {
	steps  []time.Duration
	jitter float64

	mu   sync.Mutex
	rand *rand.Rand
}

// DefaultSteps are the pauses after the first, second, … failed attempt; the last
// one repeats. The first is short because it usually answers greylisting; the
// later ones respect RFC 5321, 4.5.4.1 (retry for days, not in haste).
func DefaultSteps() []time.Duration {
	return []time.Duration{
		1 * time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
		40 * time.Minute, 1 * time.Hour, 2 * time.Hour, 4 * time.Hour,
	}
}

// defaultJitter spreads retries so that what failed together does not come back
// together.
const defaultJitter = 0.1

// NewSchedule makes a schedule of the pauses, each varied by ±10 % with numbers
// from r. Nil steps are DefaultSteps, a nil r gives a randomly seeded source.
func NewSchedule(steps []time.Duration, r *rand.Rand) *Schedule {
	if len(steps) == 0 {
		steps = DefaultSteps()
	}
	if r == nil {
		r = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return &Schedule{steps: steps, jitter: defaultJitter, rand: r}
}

// After returns the pause after the attempt of the given number, counted from 1.
func (s *Schedule) After(attempt int) time.Duration {
	step := s.steps[min(max(attempt, 1), len(s.steps))-1]
	s.mu.Lock()
	f := s.rand.Float64()
	s.mu.Unlock()
	return step + time.Duration((2*f-1)*s.jitter*float64(step))
}

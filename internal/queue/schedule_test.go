package queue_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"stafette/internal/queue"
)

func TestScheduleFollowsItsStepsWithJitter(t *testing.T) {
	s := queue.NewSchedule(nil, rand.New(rand.NewPCG(1, 2)))
	steps := queue.DefaultSteps()
	for attempt := 0; attempt < len(steps)+5; attempt++ {
		want := steps[min(max(attempt, 1), len(steps))-1]
		varies := false
		for range 200 {
			got := s.After(attempt)
			if got < want*9/10 || got > want*11/10 {
				t.Fatalf("After(%d) = %s, want %s ± 10 %%", attempt, got, want)
			}
			varies = varies || got != s.After(attempt)
		}
		if !varies {
			t.Errorf("After(%d) does not vary", attempt)
		}
	}
}

func TestScheduleIsRepeatableFromItsSeed(t *testing.T) {
	a := queue.NewSchedule([]time.Duration{time.Hour}, rand.New(rand.NewPCG(7, 7)))
	b := queue.NewSchedule([]time.Duration{time.Hour}, rand.New(rand.NewPCG(7, 7)))
	for i := range 10 {
		if x, y := a.After(i), b.After(i); x != y {
			t.Fatalf("%s and %s from the same seed", x, y)
		}
	}
}

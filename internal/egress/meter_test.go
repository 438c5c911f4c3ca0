package egress

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCeilingHoldsInEveryWindow: whatever the clock and the ceiling do, no window of
// the span holds more than the ceiling, and where Next says that there is room, there
// is, not later than a sixtieth of the span after it could be.
func TestCeilingHoldsInEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour}).Draw(t, "span")
		ceiling := rapid.Int64Range(1, 40).Draw(t, "ceiling")
		m := newMeter(span)
		now := time.Unix(1_700_000_000, rapid.Int64Range(0, 1e9).Draw(t, "start"))
		var sent []time.Time
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(span)/20).Draw(t, "pass")))
			at := m.next(now, ceiling)
			if at.IsZero() {
				m.add(now)
				sent = append(sent, now)
				continue
			}
			if at.After(now.Add(span + span/meterSlots)) {
				t.Fatalf("at %s there is room only at %s", now, at)
			}
			if rapid.Bool().Draw(t, "wait") {
				now = at
				if !m.next(now, ceiling).IsZero() {
					t.Fatalf("no room at %s although it was promised", now)
				}
			}
		}
		for i := range sent {
			n := int64(0)
			for _, other := range sent {
				if !other.Before(sent[i]) && other.Before(sent[i].Add(span)) {
					n++
				}
			}
			if n > ceiling {
				t.Fatalf("%d mails in the window from %s, the ceiling is %d", n, sent[i], ceiling)
			}
		}
	})
}

func TestClockThatGoesBackForgetsNothing(t *testing.T) {
	m := newMeter(time.Minute)
	now := time.Unix(1_700_000_000, 0)
	m.add(now)
	m.add(now.Add(-time.Hour))
	if n := m.used(now); n != 2 {
		t.Errorf("%d mails counted, want 2", n)
	}
}

func TestBulkLeavesRoomForUrgentMail(t *testing.T) {
	b := NewBudget(Limits{PerMinute: 20})
	now := time.Unix(1_700_000_000, 0)
	for b.Next(now, false).IsZero() {
		b.Spend(now)
	}
	if used := b.Counters(now)[0].Used; used != 18 {
		t.Errorf("bulk mail took %d of 20", used)
	}
	for range 2 {
		if at := b.Next(now, true); !at.IsZero() {
			t.Fatalf("urgent mail waits until %s", at)
		}
		b.Spend(now)
	}
	if at := b.Next(now, true); !at.After(now) || at.After(now.Add(time.Minute+time.Second)) {
		t.Errorf("the ceiling opens at %s", at)
	}
}

func TestSlowedRateRecoversStepwise(t *testing.T) {
	b := NewBudget(Limits{PerMinute: 80})
	now := time.Unix(1_700_000_000, 0)
	for range 40 {
		b.Spend(now)
	}
	why := Waiting{Why: HinderedRule, Rule: "r", Reply: "slow down"}
	b.Slow(now, 0.5, time.Hour, why)
	want := map[time.Duration]int64{0: 20, 59 * time.Minute: 20, time.Hour: 40, 2 * time.Hour: 0, 9 * time.Hour: 0}
	for _, after := range []time.Duration{0, 59 * time.Minute, time.Hour, 2 * time.Hour, 9 * time.Hour} {
		if rate, because := b.Learnt(now.Add(after)); rate != want[after] || rate > 0 && because.Rule != "r" {
			t.Errorf("after %s: %d a minute because of %+v, want %d", after, rate, because, want[after])
		}
	}
	if !b.Idle(now.Add(9 * time.Hour)) {
		t.Error("not idle after hours")
	}
	// Without a ceiling it is what was sent that is lowered, and it ends all the same.
	free := NewBudget(Limits{})
	for range 10 {
		free.Spend(now)
	}
	free.Slow(now, 0.5, time.Minute, why)
	free.Slow(now, 0.5, time.Minute, why)
	if rate, _ := free.Learnt(now); rate != 2 {
		t.Errorf("lowered twice: %d", rate)
	}
	if rate, _ := free.Learnt(now.Add(time.Hour)); rate != 0 {
		t.Errorf("after an hour: %d", rate)
	}
}

func TestRamp(t *testing.T) {
	r := Ramp{10, 20}
	for i, want := range []struct {
		day     Day
		limit   int64
		bounded bool
	}{{99, 10, true}, {100, 10, true}, {101, 20, true}, {102, 0, false}} {
		if limit, _, bounded := r.Limit(100, want.day); limit != want.limit || bounded != want.bounded {
			t.Errorf("case %d: %d %t", i, limit, bounded)
		}
	}
}

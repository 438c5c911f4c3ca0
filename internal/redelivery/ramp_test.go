package redelivery

import (
	"testing"
	"time"
)

func TestRamp(t *testing.T) {
	o := Options{PerMinute: 20, Ceiling: 100}
	for since, want := range map[time.Duration]int{0: 20, 59 * time.Second: 20, time.Minute: 40, 2 * time.Minute: 80, 3 * time.Minute: 100, 400 * 24 * time.Hour: 100} {
		if got := o.rate(since); got != want {
			t.Errorf("after %v %d a minute, want %d", since, got, want)
		}
	}
	slow := Options{PerMinute: 1, Ceiling: 1}
	if slow.share(0) != 1 || slow.wait(0) != time.Minute {
		t.Errorf("one a minute: %d every %v", slow.share(0), slow.wait(0))
	}
	if d := (Options{PerMinute: 60, Ceiling: 60}).takes(120); d != 2*time.Minute {
		t.Errorf("120 at 60 a minute take %v", d)
	}
	if d := (Options{PerMinute: 12, Ceiling: 24}).takes(36); d != 2*time.Minute {
		t.Errorf("12 and then 24 take %v", d)
	}
}

package egress

import (
	"testing"
	"time"
)

func TestOnlyTheNamedSource(t *testing.T) {
	now := time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)
	plan := EqualPlan(Source{Name: "a", EHLO: "a.example", State: StateActive}, Source{Name: "b", EHLO: "b.example", State: StateNew}, Source{Name: "gone", EHLO: "g.example", State: StateRetired})
	plan.Pools[0].Members = plan.Pools[0].Members[:1] // b sends nothing yet
	shaping, err := DefaultShaping()
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFleet(FleetConfig{Plan: plan, Now: func() time.Time { return now }, Shaping: shaping})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wish Wish
		want string
		why  Hindrance
	}{
		"any":      {Wish{}, "a", ""},
		"outside":  {Wish{Only: "b"}, "b", ""},
		"retired":  {Wish{Only: "gone"}, "", HinderedRetired},
		"unknown":  {Wish{Only: "c"}, "", HinderedNoSource},
		"refused":  {Wish{Only: "b", Tried: []string{"b"}}, "", HinderedTried},
		"not back": {Wish{Only: "b", Old: true}, "b", ""},
	} {
		got, why := f.Choose(c.wish)
		if got.Name != c.want || (why == nil) != (c.why == "") || why != nil && why.Why != c.why {
			t.Errorf("%s: %q, %+v", name, got.Name, why)
		}
	}
	if _, ok := f.Catches(Wish{Only: "b"}, "b"); ok {
		t.Error("a test falls back to another source")
	}
}

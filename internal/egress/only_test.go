package egress_test

import (
	"testing"
	"time"

	"stafette/internal/egress"
)

func TestOnlyTheNamedSource(t *testing.T) {
	now := time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)
	plan := egress.EqualPlan(egress.Source{Name: "a", EHLO: "a.example", State: egress.StateActive}, egress.Source{Name: "b", EHLO: "b.example", State: egress.StateNew}, egress.Source{Name: "gone", EHLO: "g.example", State: egress.StateRetired})
	plan.Pools[0].Members = plan.Pools[0].Members[:1] // b sends nothing yet
	shaping, err := egress.NewShaping(egress.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := egress.NewFleet(egress.FleetConfig{Plan: plan, Now: func() time.Time { return now }, Shaping: shaping})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wish egress.Wish
		want string
		why  egress.Hindrance
	}{
		"any":      {egress.Wish{}, "a", ""},
		"outside":  {egress.Wish{Only: "b"}, "b", ""},
		"retired":  {egress.Wish{Only: "gone"}, "", egress.HinderedRetired},
		"unknown":  {egress.Wish{Only: "c"}, "", egress.HinderedNoSource},
		"refused":  {egress.Wish{Only: "b", Tried: []string{"b"}}, "", egress.HinderedTried},
		"not back": {egress.Wish{Only: "b", Old: true}, "b", ""},
	} {
		got, why := f.Choose(c.wish)
		if got.Name != c.want || (why == nil) != (c.why == "") || why != nil && why.Why != c.why {
			t.Errorf("%s: %q, %+v", name, got.Name, why)
		}
	}
	if _, ok := f.Catches(egress.Wish{Only: "b"}, "b"); ok {
		t.Error("a test falls back to another source")
	}
}

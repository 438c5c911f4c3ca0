package egress_test

import (
	"fmt"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/tenant"
)

// moving is a plan of two old and two new sources, of which only the old ones are in the
// pool, and a bystander.
func moving(s egress.Shift) egress.Plan {
	p := egress.EqualPlan(egress.Source{Name: "old1", EHLO: "a.example"}, egress.Source{Name: "old2", EHLO: "b.example"})
	for _, name := range []string{"new1", "new2", "other"} {
		p.Sources = append(p.Sources, egress.Source{Name: name, EHLO: name + ".example", Weight: 100})
	}
	p.Pools = append(p.Pools, egress.Pool{Name: "else", Members: []egress.Member{{Source: "other", Weight: -1}}})
	p.Assignments = []egress.Assignment{{Stream: tenant.System, Pool: "else"}}
	s.Name, s.Old, s.New = "chg_1", []string{"old1", "old2"}, []string{"new1", "new2"}
	p.Shifts = []egress.Shift{s}
	return p
}

func shifted(t *testing.T, s egress.Shift) *egress.Fleet {
	t.Helper()
	f, err := egress.NewFleet(egress.FleetConfig{Plan: moving(s), Shaping: plainShaping(t), Now: func() time.Time { return time.Unix(1e9, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func plainShaping(t *testing.T) *egress.Shaping {
	t.Helper()
	s, err := egress.NewShaping(egress.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// freshShare draws many times and returns the percentage over the new sources.
func freshShare(t *testing.T, f *egress.Fleet, w egress.Wish) int {
	t.Helper()
	const draws = 4000
	n := 0
	for i := range draws {
		w.Mail = egress.Draw([16]byte{byte(i), byte(i >> 8)}, 0)
		s, hindered := f.Choose(w)
		if hindered != nil {
			t.Fatalf("hindered: %+v", hindered)
		}
		if s.Name == "new1" || s.Name == "new2" {
			n++
		}
	}
	return (n*100 + draws/2) / draws
}

func TestShareGoesOverNewSources(t *testing.T) {
	a, b := tenant.ID{1}, newTenant(2)
	exceptions := egress.Shift{Share: 30, Shares: []egress.Share{
		{Tenant: a, Percent: 100}, {Provider: "gmx", Percent: 0}, {Stream: tenant.Lead, Provider: "gmx", Percent: 60}, {Stream: tenant.Newsletter, Percent: 80},
	}}
	for _, tt := range []struct {
		name  string
		shift egress.Shift
		wish  egress.Wish
		want  int
	}{
		{"none", egress.Shift{}, egress.Wish{}, 0},
		{"a part", egress.Shift{Share: 30}, egress.Wish{}, 30},
		{"all", egress.Shift{Share: 100}, egress.Wish{}, 100},
		{"a tenant's own changeover", egress.Shift{Share: 100, Tenant: a}, egress.Wish{Tenant: a}, 100},
		{"another tenant's mail", egress.Shift{Share: 100, Tenant: a}, egress.Wish{Tenant: b}, 0},
		{"another pool's mail", egress.Shift{Share: 100}, egress.Wish{Stream: tenant.System}, 0},
		{"a tenant", exceptions, egress.Wish{Tenant: a}, 100},
		{"provider before tenant", exceptions, egress.Wish{Tenant: a, Provider: "gmx"}, 0},
		{"two fields before one", exceptions, egress.Wish{Tenant: b, Stream: tenant.Lead, Provider: "gmx"}, 60},
		{"a stream", exceptions, egress.Wish{Tenant: b, Stream: tenant.Newsletter, Provider: "web"}, 80},
		{"no exception", exceptions, egress.Wish{Tenant: b, Provider: "web"}, 30},
		{"an old one is asked for", egress.Shift{Share: 100, Fallback: true}, egress.Wish{Old: true}, 0},
		{"two attempts failed", egress.Shift{Share: 100, Fallback: true}, egress.Wish{Attempt: 2}, 0},
		{"two attempts failed, no fallback", egress.Shift{Share: 100}, egress.Wish{Attempt: 2}, 100},
		{"the new ones were refused", egress.Shift{Share: 100}, egress.Wish{Tried: []string{"new1", "new2"}}, 0},
		{"the old ones were refused", egress.Shift{Share: 50}, egress.Wish{Tried: []string{"old1", "old2"}}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := freshShare(t, shifted(t, tt.shift), tt.wish); got < tt.want-3 || got > tt.want+3 || tt.want%100 == 0 && got != tt.want {
				t.Errorf("%d %% over new sources, want %d", got, tt.want)
			}
		})
	}
}

// TestNothingLeavesOverNewSourcesAtZero: after a roll-back mail rather waits.
func TestNothingLeavesOverNewSourcesAtZero(t *testing.T) {
	if _, hindered := shifted(t, egress.Shift{}).Choose(egress.Wish{Tried: []string{"old1", "old2"}}); hindered == nil {
		t.Error("mail left over a new source")
	}
}

func TestCatches(t *testing.T) {
	w := egress.Wish{Tenant: tenant.ID{1}}
	for name, tt := range map[string]struct {
		shift  egress.Shift
		wish   egress.Wish
		source string
		want   bool
	}{
		"a new one":             {egress.Shift{Share: 50, Fallback: true}, w, "new1", true},
		"an old one":            {egress.Shift{Share: 50, Fallback: true}, w, "old1", false},
		"no overlap":            {egress.Shift{Share: 50}, w, "new1", false},
		"another pool":          {egress.Shift{Share: 50, Fallback: true}, egress.Wish{Stream: tenant.System}, "new1", false},
		"no old one may either": {egress.Shift{Share: 50, Fallback: true}, egress.Wish{Tried: []string{"old1", "old2"}}, "new1", false},
	} {
		if shift, ok := shifted(t, tt.shift).Catches(tt.wish, tt.source); ok != tt.want || ok && shift != "chg_1" {
			t.Errorf("%s: %q, %t", name, shift, ok)
		}
	}
}

// TestShiftedTellsOfChanges: once for each change of shifts, not of other things.
func TestShiftedTellsOfChanges(t *testing.T) {
	f := shifted(t, egress.Shift{Share: 50})
	told := func() bool {
		select {
		case <-f.Shifted():
			return true
		default:
			return false
		}
	}
	follow := func(p egress.Plan) {
		t.Helper()
		if err := f.Follow(p); err != nil {
			t.Fatal(err)
		}
	}
	if told() {
		t.Error("told of the first plan")
	}
	p := moving(egress.Shift{Share: 50})
	p.Assignments = nil
	if follow(p); told() {
		t.Error("told of another change")
	}
	follow(moving(egress.Shift{}))
	if follow(moving(egress.Shift{Share: 10})); !told() || told() {
		t.Error("not told once")
	}
}

func TestChoicesShowTheShift(t *testing.T) {
	_, list := shifted(t, egress.Shift{Share: 20}).Choices(egress.Wish{})
	got := ""
	for _, c := range list {
		got += fmt.Sprintf("%s %.0f; ", c.Source, 100*c.Share)
	}
	if want := "old1 40; old2 40; new1 10; new2 10; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnsoundShifts(t *testing.T) {
	for name, change := range map[string]func(*egress.Shift){
		"no name":        func(s *egress.Shift) { s.Name = "" },
		"unknown source": func(s *egress.Shift) { s.Old = []string{"gone"} },
		"share":          func(s *egress.Shift) { s.Share = 101 },
		"exception":      func(s *egress.Shift) { s.Shares = []egress.Share{{Provider: "gmx", Percent: -1}} },
	} {
		p := moving(egress.Shift{})
		change(&p.Shifts[0])
		if p.Check() == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

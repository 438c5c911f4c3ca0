package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"

	"github.com/google/go-cmp/cmp"
)

// clock is a clock set by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// noon on day 20000 of UTC
func newClock() *clock { return &clock{time.Unix(20000*86400+43200, 0).UTC()} }

func newFleet(t testing.TB, c *clock, p egress.Plan, shaping string) *egress.Fleet {
	t.Helper()
	f, err := egress.NewFleet(egress.FleetConfig{Plan: p, Shaping: newShaping(t, shaping), Node: "here", Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newTenant(n byte) tenant.ID {
	v := id.Lowest[tenant.Kind](time.Unix(1000, 0))
	v[15] = n
	return v
}

func sourced(names ...string) (list []egress.Source) {
	for i, name := range names {
		list = append(list, egress.Source{Name: name, IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), EHLO: name + ".example", Weight: 100})
	}
	return list
}

// shares draws many mails of one tenant and counts the sources.
func shares(f *egress.Fleet, w egress.Wish) map[string]int {
	count := map[string]int{}
	for i := range 2000 {
		w.Mail = egress.Draw([16]byte{byte(i), byte(i >> 8)}, 0)
		s, hindered := f.Choose(w)
		if hindered != nil {
			count[string(hindered.Why)]++
			continue
		}
		count[s.Name]++
	}
	return count
}

func TestChoiceFollowsWeights(t *testing.T) {
	c := newClock()
	list := sourced("alt", "neu", "aus")
	list[0].Weight, list[1].Weight, list[2].Weight = 90, 10, 0
	f := newFleet(t, c, egress.EqualPlan(list[0], list[1]), "")
	got := shares(f, egress.Wish{Tenant: newTenant(1), Provider: "gmx"})
	if got["neu"] < 140 || got["neu"] > 260 {
		t.Errorf("of 2000 mails at 90 to 10: %v", got)
	}
	// The weights of a pool count before the source's own; 0 is never chosen.
	p := egress.Plan{Sources: list, Pools: []egress.Pool{{Name: "default", Members: []egress.Member{{Source: "alt", Weight: 0}, {Source: "neu", Weight: 1}, {Source: "aus", Weight: -1}}}}}
	if got := shares(newFleet(t, c, p, ""), egress.Wish{}); got["neu"] != 2000 {
		t.Errorf("only one has weight: %v", got)
	}
}

func TestTenantKeepsItsSourceAmongEquals(t *testing.T) {
	f := newFleet(t, newClock(), egress.EqualPlan(sourced("a", "b", "c")...), "")
	used := map[string]int{}
	for n := range byte(200) {
		got := shares(f, egress.Wish{Tenant: newTenant(n)})
		if len(got) != 1 {
			t.Fatalf("tenant %d is spread: %v", n, got)
		}
		for name := range got {
			used[name]++
		}
	}
	for name, n := range used {
		if n < 40 || n > 95 {
			t.Errorf("%d of 200 tenants on %s", n, name)
		}
	}
	// Refused there, it goes elsewhere at once.
	first, _ := f.Choose(egress.Wish{Tenant: newTenant(1)})
	second, hindered := f.Choose(egress.Wish{Tenant: newTenant(1), Tried: []string{first.Name}})
	if hindered != nil || second.Name == first.Name {
		t.Errorf("after %s comes %s, %v", first.Name, second.Name, hindered)
	}
}

func TestStateAndDatesDecide(t *testing.T) {
	c := newClock()
	for name, tt := range map[string]struct {
		change func(*egress.Source)
		want   egress.Hindrance
	}{
		"active":      {func(s *egress.Source) { s.State = egress.StateActive }, ""},
		"retired":     {func(s *egress.Source) { s.State = egress.StateRetired }, egress.HinderedRetired},
		"not yet":     {func(s *egress.Source) { s.ValidFrom = c.now.Add(time.Second) }, egress.HinderedNotYet},
		"over":        {func(s *egress.Source) { s.ValidUntil = c.now }, egress.HinderedOver},
		"elsewhere":   {func(s *egress.Source) { s.Node = "there" }, egress.HinderedNode},
		"here":        {func(s *egress.Source) { s.Node = "here" }, ""},
		"no weight":   {func(s *egress.Source) { s.Weight = 0 }, egress.HinderedWeight},
		"half way":    {func(s *egress.Source) { drain(s, c.now.Add(-time.Hour), c.now.Add(time.Hour)) }, ""},
		"drained dry": {func(s *egress.Source) { drain(s, c.now.Add(-time.Hour), c.now) }, egress.HinderedOver},
	} {
		t.Run(name, func(t *testing.T) {
			p := egress.EqualPlan(sourced("a")...)
			tt.change(&p.Sources[0])
			_, hindered := newFleet(t, c, p, "").Choose(egress.Wish{})
			if hindered == nil && tt.want != "" || hindered != nil && hindered.Why != tt.want {
				t.Errorf("hindered by %+v, want %q", hindered, tt.want)
			}
		})
	}
	// A retiring source loses its share evenly.
	list := sourced("alt", "neu")
	drain(&list[0], c.now.Add(-9*time.Hour), c.now.Add(time.Hour))
	if got := shares(newFleet(t, c, egress.EqualPlan(list...), ""), egress.Wish{}); got["alt"] < 120 || got["alt"] > 250 {
		t.Errorf("of 2000 mails with a tenth of its weight left: %v", got)
	}
}

func drain(s *egress.Source, since, until time.Time) {
	s.State, s.RetiringSince, s.ValidUntil = egress.StateRetiring, since, until
}

func TestPoolOfTenantAndStream(t *testing.T) {
	a, b := newTenant(1), newTenant(2)
	p := egress.EqualPlan(sourced("default", "massen", "kunde", "kundemassen")...)
	p.Pools = nil
	for _, s := range p.Sources {
		p.Pools = append(p.Pools, egress.Pool{Name: s.Name, Members: []egress.Member{{Source: s.Name, Weight: -1}}})
	}
	p.Assignments = []egress.Assignment{{Stream: tenant.Newsletter, Pool: "massen"}, {Tenant: a, Pool: "kunde"}, {Tenant: a, Stream: tenant.Newsletter, Pool: "kundemassen"}}
	f := newFleet(t, newClock(), p, "")
	for w, want := range map[[2]string]string{
		{a.String(), "newsletter"}: "kundemassen", {a.String(), "lead"}: "kunde", {b.String(), "newsletter"}: "massen", {b.String(), "lead"}: "default",
	} {
		who, _ := id.Parse[tenant.Kind](w[0])
		if s, _ := f.Choose(egress.Wish{Tenant: who, Stream: tenant.Stream(w[1])}); s.Name != want {
			t.Errorf("%v leaves from %s, want %s", w, s.Name, want)
		}
	}
}

func TestAlarmMovesMailAndProbes(t *testing.T) {
	c := newClock()
	f := newFleet(t, c, egress.EqualPlan(sourced("a", "b")...), "")
	w := egress.Wish{Tenant: newTenant(1), Provider: "tonline"}
	first, _ := f.Choose(w)
	pair, said := egress.Pair{Source: first.Name, Provider: "tonline"}, egress.Blame{Code: 554, Text: "NOWL"}
	step := func(what string, ok bool) {
		t.Helper()
		if !ok {
			t.Fatalf("%s: alarms %+v", what, f.Alarms())
		}
	}
	twice := func() bool { first := f.Blamed(pair, said); return !first && !f.Blamed(pair, said) }
	step("below the threshold", twice() && len(f.Alarms()) == 0)
	f.Taken(pair)
	step("forgotten by a mail taken", twice())
	c.now = c.now.Add(11 * time.Minute)
	step("out of the window", twice())
	step("at the threshold", f.Blamed(pair, said))
	other, hindered := f.Choose(w)
	step("another source", hindered == nil && other.Name != first.Name)
	back, _ := f.Choose(egress.Wish{Tenant: w.Tenant, Provider: "gmx"})
	step("other providers see nothing of it", back.Name == first.Name)
	_, hindered = f.Choose(egress.Wish{Provider: "tonline", Tried: []string{other.Name}})
	step("nobody left", hindered != nil && hindered.Why == egress.HinderedAlarm && hindered.Reply == "NOWL")
	step("must not go over it", !f.Spend(pair, true))

	c.now = c.now.Add(time.Hour)
	probe, _ := f.Choose(w)
	step("one mail probes", probe.Name == first.Name && f.Spend(pair, true))
	next, _ := f.Choose(w)
	step("only one", next.Name == other.Name)
	step("refused again", f.Blamed(pair, said) && f.Alarms()[0].PausedUntil.Equal(c.now.Add(2*time.Hour)) && f.Alarms()[0].Pauses == 2)
	f.Taken(pair)
	step("what was under way proves nothing", len(f.Alarms()) == 1)
	c.now = c.now.Add(2 * time.Hour)
	probe, _ = f.Choose(w)
	f.Taken(pair)
	step("taken again", probe.Name == first.Name && len(f.Alarms()) == 0)
	back, _ = f.Choose(w)
	step("in use again", back.Name == first.Name)
	f.Suspend(pair, said, time.Hour)
	step("cleared by hand", len(f.Alarms()) == 1 && f.Clear(pair, "usr_1") && !f.Clear(pair, "usr_1"))
}

func TestWarmUpOverflowsToWarmSources(t *testing.T) {
	c := newClock()
	p := egress.EqualPlan(sourced("neu", "warm")...)
	p.Sources[0].State, p.Sources[0].WarmUpFrom = egress.StateNew, c.now.Add(-24*time.Hour)
	f := newFleet(t, c, p, "[default]\nwarm_up = [10, 30]\n[provider.gmx]\nwarm_up = [5, 20]")
	pair := egress.Pair{Source: "neu", Provider: "gmx"}
	count := map[string]int{}
	send := func(stream tenant.Stream, n int) {
		for i := range n {
			s, hindered := f.Choose(egress.Wish{Tenant: newTenant(byte(i)), Stream: stream, Provider: "gmx"})
			if hindered != nil {
				t.Fatalf("hindered: %+v", hindered)
			}
			if !f.Spend(egress.Pair{Source: s.Name, Provider: "gmx"}, stream.Urgency() == 0) {
				t.Fatalf("mail %d chosen for %s and not allowed", i, s.Name)
			}
			count[s.Name]++
		}
	}
	send(tenant.Newsletter, 200)
	if count["neu"] != 18 { // day 2: 20, of which a tenth is kept for urgent mail
		t.Errorf("bulk mail: %v", count)
	}
	send(tenant.Transactional, 100)
	if count["neu"] != 20 || f.Spend(pair, true) {
		t.Errorf("with urgent mail: %v", count)
	}
	want := []egress.WarmUp{{Pair: pair, Number: 2, Days: 2, Limit: 20, Sent: 20}}
	if diff := cmp.Diff(want, f.WarmUps()); diff != "" {
		t.Error(diff)
	}
	only := egress.EqualPlan(p.Sources[0])
	if err := f.Follow(only); err != nil {
		t.Fatal(err)
	}
	_, hindered := f.Choose(egress.Wish{Provider: "gmx"})
	if hindered == nil || hindered.Why != egress.HinderedWarmUp || !hindered.Until.Equal(time.Unix(20001*86400, 0)) {
		t.Errorf("nowhere to overflow to: %+v", hindered)
	}
	if now, later := f.Another(egress.Wish{Provider: "gmx"}); now || !later {
		t.Errorf("another %t, tomorrow %t", now, later)
	}
	c.now = c.now.Add(12 * time.Hour) // the schedule is over
	if _, hindered := f.Choose(egress.Wish{Provider: "gmx"}); hindered != nil {
		t.Errorf("a new day: %+v", hindered)
	}
}

func TestPlanCheck(t *testing.T) {
	good := func() egress.Plan { return egress.EqualPlan(sourced("a", "b")...) }
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*egress.Plan){
		"no source": func(p *egress.Plan) { *p = egress.Plan{} },
		"no name":   func(p *egress.Plan) { p.Sources[0].Name = "" },
		"no EHLO":   func(p *egress.Plan) { p.Sources[0].EHLO = "" },
		"twice":     func(p *egress.Plan) { p.Sources[1].Name = "a" },
		"state":     func(p *egress.Plan) { p.Sources[0].State = "alt" },
		"weight":    func(p *egress.Plan) { p.Sources[0].Weight = -1 },
		"dates": func(p *egress.Plan) {
			p.Sources[0].ValidFrom, p.Sources[0].ValidUntil = time.Unix(9, 0), time.Unix(8, 0)
		},
		"unknown member":    func(p *egress.Plan) { p.Pools[0].Members[0].Source = "c" },
		"member twice":      func(p *egress.Plan) { p.Pools[0].Members[0].Source = "b" },
		"no default":        func(p *egress.Plan) { p.Pools[0].Name = "x" },
		"unknown pool":      func(p *egress.Plan) { p.Assignments = []egress.Assignment{{Pool: "x"}} },
		"unknown stream":    func(p *egress.Plan) { p.Assignments = []egress.Assignment{{Stream: "x", Pool: "default"}} },
		"assigned twice":    func(p *egress.Plan) { p.Assignments = []egress.Assignment{{Pool: "default"}, {Pool: "default"}} },
		"pool without name": func(p *egress.Plan) { p.Pools = append(p.Pools, egress.Pool{}) },
	} {
		p := good()
		spoil(&p)
		if p.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// shelf is an egress.Store in memory, as far as Keeper uses it.
type shelf struct {
	egress.Store
	plan   egress.Plan
	alarms map[egress.Pair]egress.Alarm
	sent   map[egress.Tally]int64 // by Tally without Sent
	down   bool
}

var errDown = errors.New("down")

func (s *shelf) Plan(context.Context) (egress.Plan, error) { return s.plan, nil }
func (s *shelf) LiveNodes(context.Context) (int, error)    { return 3, nil }
func (s *shelf) PutAlarms(_ context.Context, list []egress.Alarm) error {
	if s.down {
		return errDown
	}
	for _, a := range list {
		if delete(s.alarms, a.Pair); a.ClearedAt.IsZero() {
			s.alarms[a.Pair] = a
		}
	}
	return nil
}
func (s *shelf) Alarms(context.Context, bool) (list []egress.Alarm, _ error) {
	for _, a := range s.alarms {
		list = append(list, a)
	}
	return list, nil
}
func (s *shelf) AddSent(_ context.Context, list []egress.Tally) error {
	if s.down {
		return errDown
	}
	for _, t := range list {
		s.sent[egress.Tally{Pair: t.Pair, Day: t.Day}] += t.Sent
	}
	return nil
}
func (s *shelf) Sent(_ context.Context, d egress.Day) (list []egress.Tally, _ error) {
	for t, n := range s.sent {
		if t.Day == d {
			t.Sent = n
			list = append(list, t)
		}
	}
	return list, nil
}

func TestKeeperKeepsFleetsInStep(t *testing.T) {
	c := newClock()
	p := egress.EqualPlan(sourced("a")...)
	s := &shelf{plan: p, alarms: map[egress.Pair]egress.Alarm{}, sent: map[egress.Tally]int64{}, down: true}
	fleet := func() (*egress.Fleet, *egress.Keeper) {
		f := newFleet(t, c, p, "[provider.gmx]\nper_day = 10")
		return f, &egress.Keeper{Fleet: f, Store: s}
	}
	one, keepOne := fleet()
	two, keepTwo := fleet()
	pair := egress.Pair{Source: "a", Provider: "gmx"}
	for i := range 4 {
		if !one.Spend(pair, true) {
			t.Fatalf("mail %d refused", i)
		}
	}
	one.Suspend(pair, egress.Blame{Text: "no"}, time.Hour)
	if err := keepOne.Sync(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("with the database down: %v", err)
	}
	s.down = false
	for _, k := range []*egress.Keeper{keepOne, keepTwo} {
		if err := k.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if a, ok := two.Paused(pair); !ok || a.Text != "no" || two.DayCounter(pair).Used != 4 || two.Nodes() != 3 {
		t.Errorf("the other node knows %+v %+v", a, two.DayCounter(pair))
	}
	delete(s.alarms, pair) // cleared by hand
	if err := keepTwo.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for two.Spend(pair, true) {
		sent++
	}
	if _, ok := two.Paused(pair); ok || sent != 6 {
		t.Errorf("after clearing %d mails went, want 6 of 10", sent)
	}
	// A day turns before the count is saved.
	c.now = c.now.Add(24 * time.Hour)
	if err := keepTwo.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.sent[egress.Tally{Pair: pair, Day: 20000}]; got != 10 {
		t.Errorf("saved for yesterday: %d", got)
	}
}

func BenchmarkChooseAndSpend(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprint("s", i))
			}
			f := newFleet(b, newClock(), egress.EqualPlan(sourced(names...)...), "")
			w := egress.Wish{Tenant: newTenant(1), Provider: "gmx"}
			b.ReportAllocs()
			for b.Loop() {
				s, _ := f.Choose(w)
				f.Spend(egress.Pair{Source: s.Name, Provider: "gmx"}, true)
			}
		})
	}
}

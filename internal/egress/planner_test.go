package egress_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// ledger keeps what a Planner writes; everything else is not asked for.
type ledger struct {
	egress.Store
	ways      egress.Ways
	put       []egress.Source
	paces     []egress.Pace
	revisions []egress.Revision
	removed   []string
}

func (s *ledger) Ways(context.Context) (egress.Ways, error) { return s.ways, nil }
func (s *ledger) PutSource(_ context.Context, v egress.Source, _ []string, _ egress.Change) error {
	s.put = append(s.put, v)
	return nil
}
func (s *ledger) PutPool(context.Context, egress.Pool, egress.Change) error      { return nil }
func (s *ledger) Assign(context.Context, egress.Assignment, egress.Change) error { return nil }
func (s *ledger) PutPace(_ context.Context, p egress.Pace, _ egress.Change) error {
	s.paces = append(s.paces, p)
	return nil
}
func (s *ledger) RemovePool(_ context.Context, name string, _ egress.Change) error {
	s.removed = append(s.removed, name)
	return nil
}
func (s *ledger) Revisions(context.Context, egress.Thing, string) ([]egress.Revision, error) {
	return s.revisions, nil
}

// Tenant knows one account.
func (s *ledger) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t != newTenant(1) {
		return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
	}
	return tenant.Tenant{ID: t}, nil
}

func newPlanner(c *clock) (*egress.Planner, *ledger) {
	p := egress.EqualPlan(sourced("alt", "neu")...)
	p.Sources[0].Node, p.Sources[0].State = "eins", egress.StateActive
	p.Sources[1].State, p.Sources[1].WarmUpFrom = egress.StateNew, c.now.Add(-72*time.Hour)
	s := &ledger{ways: egress.Ways{Plan: p, Addresses: map[string][]netip.Addr{"eins": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.3")}}}}
	return egress.NewPlanner(egress.PlannerConfig{Store: s, Tenants: s, Now: c.Now, Ordered: func(_ context.Context, pool string) (bool, error) { return pool == "umleitung", nil }}), s
}

// TestRefusalsNameTheirField: what does not fit is refused before anything is written.
func TestRefusalsNameTheirField(t *testing.T) {
	good := egress.Source{Name: "dritte", Node: "eins", IP: netip.MustParseAddr("192.0.2.3"), EHLO: "dritte.example", State: egress.StateNew, Weight: 10}
	for name, tt := range map[string]struct {
		change func(*egress.Source)
		want   string // fields with codes
	}{
		"sound":                   {func(*egress.Source) {}, ""},
		"a name with blanks":      {func(s *egress.Source) { s.Name = "Post 1" }, "name thing_name_malformed"},
		"a name in use":           {func(s *egress.Source) { s.Name = "alt" }, "name source_taken"},
		"no full host name":       {func(s *egress.Source) { s.EHLO = "localhost" }, "ehlo ehlo_malformed"},
		"a line break in EHLO":    {func(s *egress.Source) { s.EHLO = "a.example\r\nMAIL" }, "ehlo ehlo_malformed"},
		"an unknown state":        {func(s *egress.Source) { s.State = "warm" }, "state state_unknown"},
		"an end before the start": {func(s *egress.Source) { s.ValidFrom, s.ValidUntil = newClock().now, newClock().now }, "valid_until ends_before_it_begins"},
		"a weight below 0":        {func(s *egress.Source) { s.Weight = -1 }, "weight weight_out_of_range"},
		"multicast":               {func(s *egress.Source) { s.IP = netip.MustParseAddr("ff02::1") }, "ip ip_unusable, ip ip_not_here"},
		"an address of another":   {func(s *egress.Source) { s.IP = netip.MustParseAddr("192.0.2.1") }, "ip ip_taken"},
		"an address not here":     {func(s *egress.Source) { s.IP = netip.MustParseAddr("192.0.2.9") }, "ip ip_not_here"},
		"an unknown node":         {func(s *egress.Source) { s.Node = "zwei" }, "node node_unknown"},
		"two mistakes":            {func(s *egress.Source) { s.Weight, s.EHLO = 2000, "" }, "ehlo ehlo_malformed, weight weight_out_of_range"},
		"loopback is everywhere":  {func(s *egress.Source) { s.IP = netip.MustParseAddr("127.0.0.7") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := newPlanner(newClock())
			v := good
			tt.change(&v)
			err := p.SaveSource(context.Background(), v, []string{egress.DefaultPool}, "usr_1", egress.Absent)
			var list []string
			if f := fault.As(err); f != nil {
				for _, one := range append([]*fault.Error{f}, f.Also...) {
					list = append(list, one.Field+" "+one.Code)
				}
			}
			if got := strings.Join(list, ", "); got != tt.want || (len(s.put) == 1) != (tt.want == "") {
				t.Errorf("got %q and %d sources, want %q", got, len(s.put), tt.want)
			}
		})
	}
}

// TestAnAddressInUseStays: reputation is bound to it.
func TestAnAddressInUseStays(t *testing.T) {
	p, s := newPlanner(newClock())
	v := s.ways.Sources[0]
	v.IP = netip.MustParseAddr("192.0.2.3")
	if f := fault.As(p.SaveSource(context.Background(), v, nil, "usr_1", 0)); f == nil || f.Code != "ip_fixed" {
		t.Errorf("got %v", f)
	}
}

// TestStatesBeginWhenTheyAreSet: warm-up and draining count from the change, or from
// the first day of use, and go on where the state stays.
func TestStatesBeginWhenTheyAreSet(t *testing.T) {
	c := newClock()
	p, s := newPlanner(c)
	alt, neu := s.ways.Sources[0], s.ways.Sources[1]
	alt.State = egress.StateRetiring
	later := neu
	later.Name, later.IP, later.ValidFrom = "spaeter", netip.MustParseAddr("192.0.2.3"), c.now.Add(48*time.Hour)
	for _, v := range []egress.Source{alt, neu} {
		if err := p.SaveSource(context.Background(), v, nil, "usr_1", 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.SaveSource(context.Background(), later, nil, "usr_1", egress.Absent); err != nil {
		t.Fatal(err)
	}
	if !s.put[0].RetiringSince.Equal(c.now) || !s.put[1].WarmUpFrom.Equal(neu.WarmUpFrom) || !s.put[2].WarmUpFrom.Equal(later.ValidFrom) {
		t.Errorf("got %+v", s.put)
	}
}

func TestRestoreAndUndo(t *testing.T) {
	ctx := context.Background()
	p, s := newPlanner(newClock())
	s.revisions = []egress.Revision{
		{Thing: egress.ThingSource, Name: "alt", Version: 2, Before: `{"name":"alt","ip":"192.0.2.1","node":"eins","ehlo":"alt.example","state":"active","weight":5}`, After: `{"name":"alt"}`},
		{Thing: egress.ThingSource, Name: "alt", Version: 1, After: `{"name":"alt","ip":"192.0.2.1","node":"eins","ehlo":"alt.example","state":"active","weight":7}`},
	}
	if err := p.Undo(ctx, egress.ThingSource, "alt", "usr_1", 2); err != nil || s.put[0].Weight != 5 {
		t.Errorf("undo: %v, %+v", err, s.put)
	}
	if err := p.Restore(ctx, egress.ThingSource, "alt", 1, "usr_1", 2); err != nil || s.put[1].Weight != 7 {
		t.Errorf("restore: %v, %+v", err, s.put)
	}
	if err := p.Restore(ctx, egress.ThingSource, "alt", 9, "usr_1", 2); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
	// What a change had made is taken away: a source goes out of service.
	s.revisions = s.revisions[1:]
	if err := p.Undo(ctx, egress.ThingSource, "alt", "usr_1", 1); err != nil || s.put[2].State != egress.StateRetired {
		t.Errorf("undo of the first: %v, %+v", err, s.put)
	}
	s.revisions[0].Thing, s.revisions[0].Name = egress.ThingPool, "massen"
	if err := p.Undo(ctx, egress.ThingPool, "massen", "usr_1", 1); err != nil || !slices.Equal(s.removed, []string{"massen"}) {
		t.Errorf("undo of a pool: %v, %v", err, s.removed)
	}
	if err := p.RemovePool(ctx, "umleitung", "usr_1", 0); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a pool that an order uses is removed: %v", err)
	}
}

func TestAssignments(t *testing.T) {
	p, _ := newPlanner(newClock())
	for name, tt := range map[string]struct {
		a    egress.Assignment
		want string
	}{
		"a tenant's stream": {egress.Assignment{Tenant: newTenant(1), Stream: tenant.Lead, Pool: egress.DefaultPool}, ""},
		"an unknown tenant": {egress.Assignment{Tenant: newTenant(2), Pool: egress.DefaultPool}, "tenant"},
		"an unknown stream": {egress.Assignment{Stream: "x", Pool: egress.DefaultPool}, "stream"},
		"an unknown pool":   {egress.Assignment{Pool: "x"}, "pool"},
	} {
		field := ""
		if f := fault.As(p.Assign(context.Background(), tt.a, "usr_1", 0)); f != nil {
			field = f.Field
		}
		if field != tt.want {
			t.Errorf("%s: field %q", name, field)
		}
		if back, err := egress.ParseAssignment(tt.a.Name()); tt.want == "" && (err != nil || back.Tenant != tt.a.Tenant || back.Stream != tt.a.Stream) {
			t.Errorf("%s: read back %+v, %v", name, back, err)
		}
	}
}

// TestPacesHoldInTheFleet: pause, skip and finish change what a pair may send today,
// and what finds no room is counted where it would have gone.
func TestPacesHoldInTheFleet(t *testing.T) {
	c := newClock()
	list := sourced("alt", "neu")
	list[1].State, list[1].WarmUpFrom = egress.StateNew, c.now.Add(-48*time.Hour) // day 3
	plan := egress.EqualPlan(list...)
	f := newFleet(t, c, plan, "[provider.gmx]\nwarm_up = [10, 20, 30, 40]")
	pair := egress.Pair{Source: "neu", Provider: "gmx"}
	limit := func(p egress.Pace) int64 {
		t.Helper()
		p.Pair = pair
		next := plan
		next.Paces = []egress.Pace{p}
		if err := f.Follow(next); err != nil {
			t.Fatal(err)
		}
		f.Spend(pair, true)
		return f.DayCounter(pair).Of
	}
	today := egress.DayOf(c.now)
	for name, tt := range map[string]struct {
		pace egress.Pace
		want int64
	}{
		"as it runs":         {egress.Pace{}, 30},
		"skipped":            {egress.Pace{Shift: 1}, 40},
		"paused yesterday":   {egress.Pace{PausedOn: today - 1}, 20},
		"went on after that": {egress.Pace{Shift: -1}, 20},
		"finished":           {egress.Pace{Finished: true}, 0},
	} {
		if got := limit(tt.pace); got != tt.want {
			t.Errorf("%s: %d mails today, want %d", name, got, tt.want)
		}
	}
}

// TestOverflowIsCounted: mail that takes a warm source because the new one has no room
// is told of with the day's counts.
func TestOverflowIsCounted(t *testing.T) {
	c := newClock()
	list := sourced("alt", "neu")
	list[1].State, list[1].WarmUpFrom = egress.StateNew, c.now
	f := newFleet(t, c, egress.EqualPlan(list...), "[provider.gmx]\nwarm_up = [2]")
	store := &tallyStore{}
	keeper := &egress.Keeper{Fleet: f, Store: store, Node: "here"}
	pair := egress.Pair{Source: "neu", Provider: "gmx"}
	for range 2 {
		f.Spend(pair, true)
	}
	for i := range 5 {
		s, hindered := f.Choose(egress.Wish{Tenant: newTenant(1), Stream: tenant.Transactional, Provider: "gmx", Mail: uint64(i)})
		if hindered != nil || s.Name != "alt" {
			t.Fatalf("chose %v, %v", s, hindered)
		}
	}
	f.Another(egress.Wish{Provider: "gmx"}) // a question is no mail
	if err := keeper.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(store.sent) != 1 || store.sent[0].Sent != 2 || store.sent[0].Overflow != 5 {
		t.Errorf("saved %+v", store.sent)
	}
}

// tallyStore takes counts and knows nothing.
type tallyStore struct {
	egress.Store
	sent []egress.Tally
}

func (s *tallyStore) AddSent(_ context.Context, list []egress.Tally) error {
	s.sent = append(s.sent, list...)
	return nil
}
func (s *tallyStore) Plan(context.Context) (egress.Plan, error)                { return egress.Plan{}, nil }
func (s *tallyStore) Alarms(context.Context, bool) ([]egress.Alarm, error)     { return nil, nil }
func (s *tallyStore) Sent(context.Context, egress.Day) ([]egress.Tally, error) { return nil, nil }
func (s *tallyStore) LiveNodes(context.Context) (int, error)                   { return 1, nil }

func TestProgressOfASource(t *testing.T) {
	c := newClock()
	today := egress.DayOf(c.now)
	source := sourced("neu")[0]
	source.State, source.WarmUpFrom = egress.StateNew, c.now.Add(-24*time.Hour)
	pair := func(provider string) egress.Pair { return egress.Pair{Source: "neu", Provider: provider} }
	plan := egress.Plan{Paces: []egress.Pace{{Pair: pair("tonline"), Finished: true}}}
	tallies := []egress.Tally{
		{Pair: pair("gmx"), Day: today - 1, Sent: 9}, {Pair: pair("gmx"), Day: today, Sent: 12, Overflow: 3},
		{Pair: pair("mx.kunde.example"), Day: today, Sent: 1}, {Pair: pair(egress.RouteSite + "smart:25"), Day: today, Sent: 50},
	}
	list := egress.ProgressOf(plan, newShaping(t, "[provider.gmx]\nwarm_up = [10, 20, 30]"), source, tallies, c.now)
	gmx := list[0]
	if gmx.Provider != "gmx" || gmx.Number != 2 || gmx.Limit != 20 || gmx.Sent != 12 || gmx.Overflow != 3 || gmx.Left != 1 || len(gmx.Calendar) != 3 ||
		gmx.Calendar[0].Sent != 9 || gmx.Calendar[2].Limit != 30 || !gmx.Calendar[1].Today {
		t.Errorf("gmx: %+v", gmx)
	}
	seen := map[string]bool{}
	for _, v := range list {
		seen[v.Provider] = true
		if v.Provider == "tonline" && (!v.Done || v.Limit != 0 || v.Left != 0) {
			t.Errorf("finished: %+v", v)
		}
	}
	if !seen["mx.kunde.example"] || seen[egress.RouteSite+"smart:25"] || !seen["gmail"] {
		t.Errorf("providers %v", seen)
	}
	source.State = egress.StateActive
	if list := egress.ProgressOf(plan, newShaping(t, ""), source, tallies, c.now); list != nil {
		t.Errorf("a source in full use warms up: %v", list)
	}
}

// TestTodosLeadToTheWayOut: only pages of the provider itself are linked.
func TestTodosLeadToTheWayOut(t *testing.T) {
	s := egress.Source{Name: "alt", IP: netip.MustParseAddr("8.8.8.8"), EHLO: "alt.example", State: egress.StateActive}
	for reply, want := range map[string]string{
		"554 For explanation visit https://postmaster.gmx.net/de/case?c=r0201&i=ip.": "https://postmaster.gmx.net/de/case?c=r0201&i=ip",
		"554 see https://evil.example/https://postmaster":                            "https://postmaster.gmx.net/",
		"554 https://postmaster.gmx.net.evil.example/case":                           "https://postmaster.gmx.net/",
	} {
		list := egress.Todos([]egress.Source{s}, nil, []egress.Alarm{{Pair: egress.Pair{Source: "alt", Provider: "gmx"}, Blame: egress.Blame{Text: reply}}})
		if len(list) != 1 || list[0].Link != want {
			t.Errorf("%q leads to %+v", reply, list)
		}
	}
	open := egress.OpenTasks([]egress.Source{s}, []egress.TaskDone{{Source: "alt", Task: egress.TaskGMX}, {Task: egress.TaskYahoo}})
	if len(open) != 4 || open[0].Task != egress.TaskImprint || open[0].IP != "8.8.8.8" {
		t.Errorf("open tasks %+v", open)
	}
	s.IP = netip.MustParseAddr("10.0.0.1")
	if open := egress.OpenTasks([]egress.Source{s}, nil); open != nil {
		t.Errorf("tasks without an address on the net: %v", open)
	}
}

// TestAnAddressThatIsNotThereIsFound by what the nodes told of themselves.
func TestAnAddressThatIsNotThereIsFound(t *testing.T) {
	list := sourced("alt", "neu") // documentation addresses: no name server is asked
	list[0].Node, list[1].Node = "eins", "stumm"
	c := egress.Checker{Now: newClock().Now, Addresses: map[string][]netip.Addr{"eins": {netip.MustParseAddr("192.0.2.77")}}}
	found := c.Check(context.Background(), list)
	if len(found) != 2 || found[0].Check != egress.CheckHere || found[0].Problem != egress.ProblemMissing || found[0].Have != "eins" || found[1].Problem != egress.ProblemNone {
		t.Errorf("found %+v", found)
	}
}

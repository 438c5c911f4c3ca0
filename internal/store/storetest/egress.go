package storetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

func egressTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"PlanKeepsEverything": planKeepsEverything,
		"HandOverSeed":        handOverSeed,
		"UnsoundChange":       unsoundChange,
		"Revisions":           revisions,
		"PlanOfMany":          planOfMany,
		"WarmUpPaces":         warmUpPaces,
		"FollowConfiguration": followConfiguration,
		"NodesAndTasks":       nodesAndTasks,
		"Alarms":              sourceAlarms,
		"Tallies":             tallies,
		"Findings":            findings,
		"LiveNodes": func(t *testing.T, w *World) {
			n, err := w.Store.LiveNodes(context.Background())
			same(t, "nodes before", n, 0, err)
			w.Epoch("one")
			n, err = w.Store.LiveNodes(context.Background())
			same(t, "nodes", n, 1, err)
		},
	}
}

// seedPlan is a plan with every field in use.
func seedPlan(w *World) egress.Plan {
	now := w.Clock.Now()
	return egress.Plan{
		Sources: []egress.Source{
			{Name: "any", EHLO: "out.example", State: egress.StateActive, Weight: 100},
			{Name: "neu", Node: "one", IP: netip.MustParseAddr("2001:db8::1"), EHLO: "neu.example", State: egress.StateNew,
				ValidFrom: now, ValidUntil: now.Add(time.Hour), WarmUpFrom: now.Add(-time.Hour), Weight: 5},
		},
		Pools: []egress.Pool{
			{Name: egress.DefaultPool, Members: []egress.Member{{Source: "any", Weight: -1}}},
			{Name: "massen", Members: []egress.Member{{Source: "any", Weight: 10}, {Source: "neu", Weight: -1}}},
		},
		Assignments: []egress.Assignment{{Stream: tenant.Newsletter, Pool: "massen"}, {Tenant: w.A, Pool: egress.DefaultPool}},
	}
}

func (w *World) seed(node string, p egress.Plan) {
	w.t.Helper()
	if err := w.Store.SeedPlan(context.Background(), node, p, w.Clock.Now()); err != nil {
		w.t.Fatal(err)
	}
}

func planKeepsEverything(t *testing.T, w *World) {
	p := seedPlan(w)
	w.seed("one", p)
	w.seed("one", p)
	have, err := w.Store.Plan(context.Background())
	same(t, "plan", have, p, err)
	// Another node adds its own and takes nothing away.
	other := egress.Source{Name: "zwei", Node: "two", IP: netip.MustParseAddr("192.0.2.2"), EHLO: "zwei.example", State: egress.StateActive, Weight: 100}
	w.seed("two", egress.Plan{Sources: []egress.Source{other},
		Pools: []egress.Pool{{Name: egress.DefaultPool, Members: []egress.Member{{Source: "zwei", Weight: -1}}}}})
	p.Sources = append(p.Sources, other)
	p.Pools[0].Members = append(p.Pools[0].Members, egress.Member{Source: "zwei", Weight: -1})
	have, err = w.Store.Plan(context.Background())
	same(t, "plan of two nodes", have, p, err)
}

// handOverSeed: what the office changed stays when the node starts again; what it
// did not change follows the configuration.
func handOverSeed(t *testing.T, w *World) {
	ctx := context.Background()
	p := seedPlan(w)
	w.seed("one", p)
	changed := p.Sources[0]
	changed.Weight = 7
	if err := w.Store.PutSource(ctx, changed, nil, w.by(1)); err != nil {
		t.Fatal(err)
	}
	pool := egress.Pool{Name: "massen", Members: []egress.Member{{Source: "neu", Weight: 1}}}
	if err := w.Store.PutPool(ctx, pool, w.by(egress.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, egress.Assignment{Tenant: w.A, Pool: "massen"}, w.by(egress.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, egress.Assignment{Tenant: w.B, Stream: tenant.Lead, Pool: "massen"}, w.by(egress.Absent)); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, egress.Assignment{Tenant: w.B, Stream: tenant.Lead}, w.by(1)); err != nil {
		t.Fatal(err)
	}
	next := seedPlan(w)
	next.Sources[1].EHLO = "anders.example"
	next.Assignments = next.Assignments[1:] // newsletters are assigned no more
	w.seed("one", next)
	want := next
	want.Sources[0].Weight = 7
	want.Pools[1].Members = pool.Members
	want.Assignments = []egress.Assignment{{Tenant: w.A, Pool: "massen"}}
	have, err := w.Store.Plan(ctx)
	same(t, "plan", have, want, err)
	// Gone from the configuration: kept, and never chosen.
	next.Sources = next.Sources[:1]
	next.Pools = next.Pools[:1]
	w.seed("one", next)
	have, err = w.Store.Plan(ctx)
	want.Sources[1].State = egress.StateRetired
	same(t, "plan without a source", have, want, err)
}

func unsoundChange(t *testing.T, w *World) {
	ctx := context.Background()
	w.seed("one", seedPlan(w))
	before, err := w.Store.Plan(ctx)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.PutSource(ctx, egress.Source{Name: "leer"}, nil, w.by(egress.Absent)), fault.Invalid, "egress_plan_unsound")
	refused(t, w.Store.PutPool(ctx, egress.Pool{Name: "p", Members: []egress.Member{{Source: "fremd"}}}, w.by(egress.Absent)), fault.Invalid, "egress_plan_unsound")
	refused(t, w.Store.Assign(ctx, egress.Assignment{Tenant: w.A, Pool: "fremd"}, w.by(egress.AnyVersion)), fault.Invalid, "egress_plan_unsound")
	have, err := w.Store.Plan(ctx)
	same(t, "plan", have, before, err)
}

func sourceAlarms(t *testing.T, w *World) {
	ctx := context.Background()
	now := w.Clock.Now()
	a := egress.Alarm{Pair: egress.Pair{Source: "neu", Provider: "tonline"}, Count: 3, First: now, Last: now.Add(time.Minute),
		Blame:       egress.Blame{Class: "ip_blocked", Code: 554, Enhanced: "5.7.1", Stage: "greeting", Host: "mx00.t-online.de", Text: "IP=… (NOWL)"},
		PausedUntil: now.Add(time.Hour), Pauses: 1}
	put := func() {
		t.Helper()
		if err := w.Store.PutAlarms(ctx, []egress.Alarm{a}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	a.Count, a.Pauses = 4, 2
	put()
	have, err := w.Store.Alarms(ctx, false)
	same(t, "alarms", have, []egress.Alarm{a}, err)
	if err := w.Store.ClearAlarm(ctx, a.Pair, "usr_1", now.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.ClearAlarm(ctx, a.Pair, "usr_1", now), fault.NotFound, "alarm_unknown")
	put() // a node that does not know yet
	have, err = w.Store.Alarms(ctx, false)
	same(t, "alarms after clearing", have, nil, err)
	a.ClearedAt, a.ClearedBy = now.Add(2*time.Minute), "usr_1"
	have, err = w.Store.Alarms(ctx, true)
	same(t, "all alarms", have, []egress.Alarm{a}, err)
}

func tallies(t *testing.T, w *World) {
	ctx := context.Background()
	day := egress.DayOf(w.Clock.Now())
	pair := egress.Pair{Source: "neu", Provider: "gmx"}
	for _, list := range [][]egress.Tally{
		{{Pair: pair, Day: day, Sent: 3}, {Pair: pair, Day: day - 1, Sent: 9}},
		{{Pair: pair, Day: day, Sent: 4, Overflow: 2}}, {},
	} {
		if err := w.Store.AddSent(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.Sent(ctx, day)
	same(t, "tallies", have, []egress.Tally{{Pair: pair, Day: day, Sent: 7, Overflow: 2}}, err)
	have, err = w.Store.SentFrom(ctx, "neu", day-1)
	same(t, "tallies of a source", have, []egress.Tally{{Pair: pair, Day: day, Sent: 7, Overflow: 2}, {Pair: pair, Day: day - 1, Sent: 9}}, err)
	have, err = w.Store.SentFrom(ctx, "alt", 0)
	same(t, "tallies of another", have, nil, err)
}

func findings(t *testing.T, w *World) {
	ctx := context.Background()
	put := func(list ...egress.Finding) {
		t.Helper()
		if err := w.Store.PutFindings(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	first := w.Clock.Now()
	f := egress.Finding{Source: "neu", Check: egress.CheckPTR, Problem: egress.ProblemMissing, Since: first, CheckedAt: first}
	gone := egress.Finding{Source: "alt", Check: egress.CheckDNSBL, Subject: "zen.example", CheckedAt: first}
	put(f, gone)
	later := w.Clock.Advance(time.Hour)
	f.Since, f.CheckedAt = later, later
	put(f)
	f.Since = first
	have, err := w.Store.Findings(ctx)
	same(t, "findings", have, []egress.Finding{f}, err)
	f.Problem, f.Since, f.CheckedAt = egress.ProblemMismatch, later.Add(time.Hour), later.Add(time.Hour)
	put(f)
	have, err = w.Store.Findings(ctx)
	same(t, "findings after a change", have, []egress.Finding{f}, err)
}

// by is a change of a version by a person, now.
func (w *World) by(version int) egress.Change {
	return egress.Change{By: "usr_1", At: w.Clock.Now(), Version: version}
}

// revisions: each change is kept with what was before, and one made on what is there
// no more is refused.
func revisions(t *testing.T, w *World) {
	ctx := context.Background()
	p := seedPlan(w)
	w.seed("one", p)
	w.seed("one", p) // nothing new: no revision
	v := p.Sources[0]
	v.Weight = 7
	if err := w.Store.PutSource(ctx, v, nil, w.by(1)); err != nil {
		t.Fatal(err)
	}
	v.Weight = 8
	refused(t, w.Store.PutSource(ctx, v, nil, w.by(1)), fault.Conflict, "egress_changed")
	refused(t, w.Store.PutSource(ctx, v, nil, w.by(egress.Absent)), fault.Conflict, "egress_changed")
	list, err := w.Store.Revisions(ctx, egress.ThingSource, "any")
	if err != nil || len(list) != 2 || list[0].Version != 2 || list[0].By != "usr_1" || list[0].Before != list[1].After ||
		list[0].After == list[0].Before || list[1].By != egress.ByConfiguration("one") || list[1].Before != "" {
		t.Errorf("revisions %+v, %v", list, err)
	}
	// A source that joins a pool is a change of the pool too.
	other := egress.Source{Name: "zweite", IP: netip.MustParseAddr("192.0.2.9"), EHLO: "zweite.example", State: egress.StateActive, Weight: 1}
	if err := w.Store.PutSource(ctx, other, []string{"massen"}, w.by(egress.Absent)); err != nil {
		t.Fatal(err)
	}
	ways, err := w.Store.Ways(ctx)
	pool, _ := ways.Pool("massen")
	if err != nil || len(pool.Members) != 3 || ways.Standing(egress.ThingPool, "massen").Version != 2 ||
		ways.Standing(egress.ThingSource, "any") != (egress.Standing{Version: 2}) ||
		ways.Standing(egress.ThingSource, "neu") != (egress.Standing{Version: 1, Seeder: "one"}) {
		t.Errorf("ways %+v, %v", ways, err)
	}
	all, err := w.Store.Revisions(ctx, "", "")
	if err != nil || len(all) != 9 {
		t.Errorf("%d revisions of everything, %v", len(all), err)
	}
}

// planOfMany: nothing is taken away that mail needs.
func planOfMany(t *testing.T, w *World) {
	ctx := context.Background()
	p := seedPlan(w)
	w.seed("one", p)
	retired := p.Sources[0]
	retired.State = egress.StateRetired
	err := w.Store.PutSource(ctx, retired, nil, w.by(egress.AnyVersion))
	refused(t, err, fault.Invalid, "pool_stranded")
	if f := fault.As(err); f == nil || f.Field != "state" {
		t.Errorf("names the field of %v", err)
	}
	refused(t, w.Store.PutPool(ctx, egress.Pool{Name: egress.DefaultPool}, w.by(egress.AnyVersion)), fault.Invalid, "pool_stranded")
	refused(t, w.Store.RemovePool(ctx, "massen", w.by(egress.AnyVersion)), fault.Conflict, "pool_in_use")
	if err := w.Store.Assign(ctx, egress.Assignment{Stream: tenant.Newsletter}, w.by(egress.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.RemovePool(ctx, "massen", w.by(egress.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.RemovePool(ctx, "massen", w.by(egress.AnyVersion)), fault.NotFound, "pool_unknown")
	have, err := w.Store.Plan(ctx)
	if _, there := have.Pool("massen"); there || err != nil {
		t.Errorf("plan %+v, %v", have, err)
	}
}

func warmUpPaces(t *testing.T, w *World) {
	ctx := context.Background()
	p := seedPlan(w)
	w.seed("one", p)
	pace := egress.Pace{Pair: egress.Pair{Source: "neu", Provider: "gmx"}, Shift: -2, PausedOn: 20000}
	for _, finished := range []bool{false, true} {
		pace.Finished = finished
		if err := w.Store.PutPace(ctx, pace, w.by(egress.AnyVersion)); err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.Plan(ctx)
	same(t, "paces", have.Paces, []egress.Pace{pace}, err)
	again := p.Sources[1]
	again.WarmUpFrom = w.Clock.Now()
	if err := w.Store.PutSource(ctx, again, nil, w.by(egress.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	have, err = w.Store.Plan(ctx)
	same(t, "paces of another warm-up", have.Paces, nil, err)
}

// followConfiguration: a source handed back follows its node's next start.
func followConfiguration(t *testing.T, w *World) {
	ctx := context.Background()
	p := seedPlan(w)
	w.seed("one", p)
	v := p.Sources[1]
	v.Weight = 77
	if err := w.Store.PutSource(ctx, v, nil, w.by(1)); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.FollowConfiguration(ctx, "neu", w.by(1)), fault.Conflict, "egress_changed")
	refused(t, w.Store.FollowConfiguration(ctx, "any", w.by(1)), fault.NotFound, "source_unknown") // of no node
	if err := w.Store.FollowConfiguration(ctx, "neu", w.by(2)); err != nil {
		t.Fatal(err)
	}
	w.seed("one", p)
	have, err := w.Store.Plan(ctx)
	same(t, "plan", have, p, err)
}

func nodesAndTasks(t *testing.T, w *World) {
	ctx := context.Background()
	list := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for _, addrs := range [][]netip.Addr{list[1:], list} {
		if err := w.Store.PutNodeAddresses(ctx, "one", addrs); err != nil {
			t.Fatal(err)
		}
	}
	ways, err := w.Store.Ways(ctx)
	same(t, "addresses", ways.Addresses, map[string][]netip.Addr{"one": list}, err)
	done := egress.TaskDone{Source: "neu", Task: egress.TaskSNDS, By: "usr_1", At: w.Clock.Now()}
	if err := w.Store.PutTask(ctx, done); err != nil {
		t.Fatal(err)
	}
	tasks, err := w.Store.Tasks(ctx)
	same(t, "tasks", tasks, []egress.TaskDone{done}, err)
	done.At = time.Time{}
	if err := w.Store.PutTask(ctx, done); err != nil {
		t.Fatal(err)
	}
	tasks, err = w.Store.Tasks(ctx)
	same(t, "tasks after one was opened again", tasks, nil, err)
}

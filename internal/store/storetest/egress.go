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
	if err := w.Store.PutSource(ctx, changed, w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	pool := egress.Pool{Name: "massen", Members: []egress.Member{{Source: "neu", Weight: 1}}}
	if err := w.Store.PutPool(ctx, pool, w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, w.A, "", "massen"); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, w.B, tenant.Lead, "massen"); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Assign(ctx, w.B, tenant.Lead, ""); err != nil {
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
	refused(t, w.Store.PutSource(ctx, egress.Source{Name: "leer"}, w.Clock.Now()), fault.Invalid, "egress_plan_unsound")
	refused(t, w.Store.PutPool(ctx, egress.Pool{Name: "p", Members: []egress.Member{{Source: "fremd"}}}, w.Clock.Now()), fault.Invalid, "egress_plan_unsound")
	refused(t, w.Store.Assign(ctx, w.A, "", "fremd"), fault.Invalid, "egress_plan_unsound")
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
		{{Pair: pair, Day: day, Sent: 4}}, {},
	} {
		if err := w.Store.AddSent(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.Sent(ctx, day)
	same(t, "tallies", have, []egress.Tally{{Pair: pair, Day: day, Sent: 7}}, err)
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

package webtest

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"sync"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/sources"
)

// Outlets stands in for the database of sources and pools, behind the real Planner.
type Outlets struct {
	egress.Store // what the pages do not ask for

	w         *World
	mu        sync.Mutex
	plan      egress.Plan
	revisions []egress.Revision
	tasks     []egress.TaskDone
	alarms    []egress.Alarm
	Checks    int // how often somebody had all sources checked
}

func sourcesSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			o := w.Outlets()
			shaping, err := egress.NewShaping(egress.Limits{}, nil)
			if err != nil {
				panic(err) // the shipped profiles are broken
			}
			c.Sources = sources.Config{
				Planner: egress.NewPlanner(egress.PlannerConfig{Store: o, Tenants: directory{w}, Now: w.Now}),
				Store:   o, People: directory{w}, Shaping: func() *egress.Shaping { return shaping },
				Check:   func(context.Context) error { o.Checks++; return nil },
				Cleared: func(context.Context) {},
			}
		},
		Own: func(*World) map[string]string {
			return map[string]string{"/platform/sources/source/{name}": "/platform/sources/source/192.0.2.17", "/platform/sources/pool/{name}": "/platform/sources/pool/default"}
		},
		Foreign: func(*World) map[string]string {
			return map[string]string{"/platform/sources/source/{name}": "/platform/sources/source/keine", "/platform/sources/pool/{name}": "/platform/sources/pool/keiner"}
		},
	}
}

// Outlets are the world's sources: one in use with an alarm, one that warms up, and one
// whose address the system chooses.
func (w *World) Outlets() *Outlets {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outlets != nil {
		return w.outlets
	}
	day := 24 * time.Hour
	p := egress.EqualPlan(egress.Source{IP: netip.MustParseAddr("192.0.2.17"), EHLO: "mail.stafette.example", State: egress.StateActive},
		egress.Source{EHLO: "neu.stafette.example", State: egress.StateActive})
	p.Sources = append(p.Sources, egress.Source{Name: "neu", Node: "eins", IP: netip.MustParseAddr("2001:4860:17::24"), EHLO: "neu.stafette.example",
		State: egress.StateNew, WarmUpFrom: w.now.Add(-6 * day), Weight: 10})
	p.Pools[0].Members[0].Weight = 10
	p.Pools[0].Members = append(p.Pools[0].Members, egress.Member{Source: "neu", Weight: -1})
	p.Pools = append(p.Pools, egress.Pool{Name: "massen", Members: []egress.Member{{Source: "192.0.2.17", Weight: -1}}})
	p.Assignments = []egress.Assignment{{Stream: tenant.Newsletter, Pool: "massen"}, {Tenant: w.Tenant.ID, Pool: egress.DefaultPool}}
	w.outlets = &Outlets{w: w, plan: p, alarms: []egress.Alarm{{Pair: egress.Pair{Source: "192.0.2.17", Provider: "tonline"},
		Blame: egress.Blame{Text: "554 IP=192.0.2.17 - NOWL <x>"}, Count: 3, First: w.now.Add(-time.Hour), PausedUntil: w.now.Add(time.Hour)}}}
	return w.outlets
}

// Ways implements egress.Store.
func (o *Outlets) Ways(context.Context) (egress.Ways, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := egress.Ways{Plan: o.plan, Standings: map[egress.Thing]map[string]egress.Standing{egress.ThingSource: {"192.0.2.17": {Seeder: "eins"}}, egress.ThingPool: {}},
		Addresses: map[string][]netip.Addr{"eins": {netip.MustParseAddr("192.0.2.17"), netip.MustParseAddr("192.0.2.18"), netip.MustParseAddr("2001:4860:17::24")}}}
	for _, r := range o.revisions {
		if w.Standings[r.Thing] == nil {
			w.Standings[r.Thing] = map[string]egress.Standing{}
		}
		w.Standings[r.Thing][r.Name] = egress.Standing{Version: r.Version}
	}
	return w, nil
}

// change keeps a revision of what a change made of a thing.
func (o *Outlets) change(t egress.Thing, name string, c egress.Change, before, after any, do func()) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	version := 0
	for _, r := range o.revisions {
		if r.Thing == t && r.Name == name {
			version = r.Version
		}
	}
	if c.Version >= 0 && c.Version != version {
		return fault.New(fault.Conflict, "egress_changed", "")
	}
	text := func(v any) string {
		if v == nil {
			return ""
		}
		raw, _ := json.Marshal(v)
		return string(raw)
	}
	do()
	o.revisions = append(o.revisions, egress.Revision{Thing: t, Name: name, Version: version + 1, At: c.At, By: c.By, Before: text(before), After: text(after)})
	return nil
}

// PutSource implements egress.Store.
func (o *Outlets) PutSource(_ context.Context, s egress.Source, pools []string, c egress.Change) error {
	old, there := o.plan.Source(s.Name)
	var before any
	if there {
		before = old
	}
	return o.change(egress.ThingSource, s.Name, c, before, s, func() {
		if o.plan.Sources = slices.DeleteFunc(slices.Clone(o.plan.Sources), func(v egress.Source) bool { return v.Name == s.Name }); true {
			o.plan.Sources = append(o.plan.Sources, s)
		}
		for i := range o.plan.Pools {
			if slices.Contains(pools, o.plan.Pools[i].Name) && !there {
				o.plan.Pools[i].Members = append(o.plan.Pools[i].Members, egress.Member{Source: s.Name, Weight: -1})
			}
		}
	})
}

// PutPool implements egress.Store.
func (o *Outlets) PutPool(_ context.Context, p egress.Pool, c egress.Change) error {
	var before any
	if old, there := o.plan.Pool(p.Name); there {
		before = old
	}
	return o.change(egress.ThingPool, p.Name, c, before, p, func() {
		o.plan.Pools = append(slices.DeleteFunc(slices.Clone(o.plan.Pools), func(v egress.Pool) bool { return v.Name == p.Name }), p)
	})
}

// RemovePool implements egress.Store.
func (o *Outlets) RemovePool(_ context.Context, name string, c egress.Change) error {
	old, there := o.plan.Pool(name)
	switch {
	case !there:
		return fault.New(fault.NotFound, "pool_unknown", "")
	case o.plan.InUse(name):
		return fault.New(fault.Conflict, "pool_in_use", "")
	}
	return o.change(egress.ThingPool, name, c, old, nil, func() {
		o.plan.Pools = slices.DeleteFunc(slices.Clone(o.plan.Pools), func(v egress.Pool) bool { return v.Name == name })
	})
}

// Assign implements egress.Store.
func (o *Outlets) Assign(_ context.Context, a egress.Assignment, c egress.Change) error {
	return o.change(egress.ThingAssignment, a.Name(), c, nil, a, func() {
		o.plan.Assignments = slices.DeleteFunc(slices.Clone(o.plan.Assignments), func(v egress.Assignment) bool { return v.Name() == a.Name() })
		if a.Pool != "" {
			o.plan.Assignments = append(o.plan.Assignments, a)
		}
	})
}

// PutPace implements egress.Store.
func (o *Outlets) PutPace(_ context.Context, v egress.Pace, c egress.Change) error {
	return o.change(egress.ThingPace, v.Name(), c, nil, v, func() {
		o.plan.Paces = append(slices.DeleteFunc(slices.Clone(o.plan.Paces), func(old egress.Pace) bool { return old.Pair == v.Pair }), v)
	})
}

// Plan implements egress.Store.
func (o *Outlets) Plan(context.Context) (egress.Plan, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.plan, nil
}

// PutShift implements egress.Store.
func (o *Outlets) PutShift(_ context.Context, v egress.Shift, c egress.Change) error {
	old, there := o.plan.Shift(v.Name)
	var before any
	if there {
		before = old
	}
	return o.change(egress.ThingShift, v.Name, c, before, v, func() {
		o.plan.Shifts = append(slices.DeleteFunc(slices.Clone(o.plan.Shifts), func(s egress.Shift) bool { return s.Name == v.Name }), v)
	})
}

// RemoveShift implements egress.Store.
func (o *Outlets) RemoveShift(_ context.Context, name string, c egress.Change) error {
	return o.change(egress.ThingShift, name, c, nil, nil, func() {
		o.plan.Shifts = slices.DeleteFunc(slices.Clone(o.plan.Shifts), func(s egress.Shift) bool { return s.Name == name })
	})
}

// FollowConfiguration implements egress.Store.
func (o *Outlets) FollowConfiguration(_ context.Context, source string, _ egress.Change) error {
	if s, there := o.plan.Source(source); !there || s.Node == "" {
		return fault.New(fault.NotFound, "source_unknown", "")
	}
	return nil
}

// Revisions implements egress.Store.
func (o *Outlets) Revisions(_ context.Context, t egress.Thing, name string) ([]egress.Revision, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := keep(o.revisions, func(r egress.Revision) bool { return (t == "" || r.Thing == t) && (name == "" || r.Name == name) })
	slices.Reverse(list)
	return list, nil
}

// Alarms implements egress.Store.
func (o *Outlets) Alarms(context.Context, bool) ([]egress.Alarm, error) {
	return slices.Clone(o.alarms), nil
}

// ClearAlarm implements egress.Store.
func (o *Outlets) ClearAlarm(_ context.Context, p egress.Pair, _ string, _ time.Time) error {
	n := len(o.alarms)
	if o.alarms = keep(o.alarms, func(a egress.Alarm) bool { return a.Pair != p }); len(o.alarms) == n {
		return fault.New(fault.NotFound, "alarm_unknown", "")
	}
	return nil
}

// Findings implements egress.Store.
func (o *Outlets) Findings(context.Context) ([]egress.Finding, error) {
	now := o.w.Now()
	return []egress.Finding{
		{Source: "192.0.2.17", Check: egress.CheckPTR, Problem: egress.ProblemGeneric, Have: "192-0-2-17.dyn.example <x>", Since: now.Add(-48 * time.Hour), CheckedAt: now.Add(-time.Hour)},
		{Source: "192.0.2.17", Check: egress.CheckDNSBL, Subject: "zen.example", CheckedAt: now.Add(-time.Hour)},
		{Source: "neu", Check: egress.CheckHere, Problem: egress.ProblemMissing, Have: "eins", Since: now.Add(-2 * time.Hour), CheckedAt: now.Add(-time.Hour)},
	}, nil
}

// PutTask implements egress.Store.
func (o *Outlets) PutTask(_ context.Context, t egress.TaskDone) error {
	o.tasks = keep(o.tasks, func(d egress.TaskDone) bool { return d.Source != t.Source || d.Task != t.Task })
	if !t.At.IsZero() {
		o.tasks = append(o.tasks, t)
	}
	return nil
}

// Tasks implements egress.Store.
func (o *Outlets) Tasks(context.Context) ([]egress.TaskDone, error) {
	return slices.Clone(o.tasks), nil
}

// SentBy implements egress.Store.
func (o *Outlets) SentFrom(_ context.Context, source string, from egress.Day) ([]egress.Tally, error) {
	var list []egress.Tally
	if source != "neu" {
		return nil, nil
	}
	for d := from; d <= egress.DayOf(o.w.Now()); d++ {
		n := int64(d - from)
		list = append(list, egress.Tally{Pair: egress.Pair{Source: "neu", Provider: "gmx"}, Day: d, Sent: 20 + 40*n, Overflow: 5 * n},
			egress.Tally{Pair: egress.Pair{Source: "neu", Provider: "mx.kunde.example"}, Day: d, Sent: n})
	}
	return list, nil
}

// directory knows the accounts and people of a world.
type directory struct{ w *World }

// Tenant implements egress.Tenants.
func (d directory) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	for _, v := range []tenant.Tenant{d.w.Tenant, d.w.Other} {
		if v.ID == t {
			return v, nil
		}
	}
	return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
}

// User implements sources.People.
func (d directory) User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error) {
	return d.w.User(ctx, t, u)
}

// Tenants lists the accounts in order, behind one.
func (d directory) Tenants(_ context.Context, after tenant.ID, limit int) (list []tenant.Tenant, _ error) {
	for _, v := range []tenant.Tenant{d.w.Tenant, d.w.Other} {
		if slices.Compare(v.ID[:], after[:]) > 0 {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b tenant.Tenant) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return list[:min(len(list), limit)], nil
}

package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func changeoverTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"PutAndList": putChangeovers, "Marks": changeoverMarks, "Shifts": shifts, "Fallback": fallbackSettles}
}

func (w *World) changeover(t tenant.ID, stage changeover.Stage) changeover.Changeover {
	now := w.Clock.Advance(time.Second)
	return changeover.Changeover{ID: id.New[changeover.Kind](now), Name: "Umzug", Tenant: t, Stage: stage,
		Old: []string{"old-1"}, New: []string{"new-1", "new-2"}, AnnounceAt: now, TestFrom: now.Add(time.Hour),
		CutoverAt: now.Add(2 * time.Hour), OverlapUntil: now.Add(1000 * time.Hour), Share: 5, TestShare: 5,
		Shares: []egress.Share{{Tenant: w.A, Provider: "gmx", Percent: 20}}, Steps: []changeover.Step{{At: now.Add(2 * time.Hour), Share: 100}},
		Checks:    []changeover.Check{{Kind: changeover.CheckPTR, Verdict: changeover.Blocked, Subject: "new-1", Problem: "missing"}},
		CheckedAt: now, CreatedBy: "cli", CreatedAt: now, UpdatedAt: now}
}

func (w *World) putChangeover(c changeover.Changeover, what string) changeover.Changeover {
	w.t.Helper()
	if err := w.Store.PutChangeover(context.Background(), c, changeover.Deed{At: c.UpdatedAt, Actor: "cli", What: what, Detail: "5"}); err != nil {
		w.t.Fatal(err)
	}
	c.Version++
	return c
}

func putChangeovers(t *testing.T, w *World) {
	ctx := context.Background()
	all := w.putChangeover(w.changeover(tenant.ID{}, changeover.Draft), "created")
	own := w.putChangeover(w.changeover(w.A, changeover.Announced), "created")
	got, err := w.Store.Changeover(ctx, all.ID)
	same(t, "one", got, all, err)
	list, err := w.Store.Changeovers(ctx, tenant.ID{})
	same(t, "all", list, []changeover.Changeover{own, all}, err)
	list, err = w.Store.Changeovers(ctx, w.A)
	same(t, "of a tenant", list, []changeover.Changeover{own, all}, err)
	list, err = w.Store.Changeovers(ctx, w.B)
	same(t, "of another", list, []changeover.Changeover{all}, err)
	_, err = w.Store.Changeover(ctx, id.New[changeover.Kind](w.Clock.Now()))
	refused(t, err, fault.NotFound, "changeover_unknown")

	next := own
	next.Stage, next.UpdatedAt = changeover.Testing, w.Clock.Advance(time.Second)
	next = w.putChangeover(next, "testing")
	err = w.Store.PutChangeover(ctx, own, changeover.Deed{})
	refused(t, err, fault.Conflict, "changeover_changed")
	got, err = w.Store.Changeover(ctx, own.ID)
	same(t, "changed", got, next, err)
	deeds, err := w.Store.ChangeoverDeeds(ctx, own.ID)
	same(t, "deeds", deeds, []changeover.Deed{
		{At: next.UpdatedAt, Actor: "cli", What: "testing", Detail: "5"},
		{At: own.UpdatedAt, Actor: "cli", What: "created", Detail: "5"},
	}, err)
}

func changeoverMarks(t *testing.T, w *World) {
	ctx := context.Background()
	c := w.putChangeover(w.changeover(tenant.ID{}, changeover.Overlap), "created")
	add := func(of tenant.ID, domain, reply string) changeover.Mark {
		t.Helper()
		m := changeover.Mark{Changeover: c.ID, Tenant: of, Domain: domain, Site: "mx." + domain, Source: "new-1", Count: 1,
			Reply: reply, LastAt: w.Clock.Advance(time.Second), Delivery: "dlv_" + reply}
		if err := w.Store.AddFallbackMark(ctx, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := add(w.A, "makler.example", "1")
	other := add(w.B, "makler.example", "2")
	last := add(w.A, "makler.example", "3")
	last.Count, last.FirstAt, other.FirstAt = 2, first.LastAt, other.LastAt
	list, err := w.Store.FallbackMarks(ctx, tenant.ID{}, c.ID)
	same(t, "all", list, []changeover.Mark{last, other}, err)
	list, err = w.Store.FallbackMarks(ctx, w.B, c.ID)
	same(t, "of a tenant", list, []changeover.Mark{other}, err)

	if n, err := w.Store.DropFallbackMarks(ctx, w.Clock.Now()); n != 0 || err != nil {
		t.Errorf("dropped %d, %v while it lasts", n, err)
	}
	c.Stage = changeover.Done
	w.putChangeover(c, "done")
	if n, err := w.Store.DropFallbackMarks(ctx, w.Clock.Advance(time.Hour)); n != 2 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
}

func shifts(t *testing.T, w *World) {
	ctx := context.Background()
	plan := egress.EqualPlan(egress.Source{Name: "old-1", EHLO: "a.example"}, egress.Source{Name: "new-1", EHLO: "b.example"})
	if err := w.Store.SeedPlan(ctx, "n", plan, w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	by := egress.Change{By: "cli", At: w.Clock.Now(), Version: egress.AnyVersion}
	v := egress.Shift{Name: "chg_1", Tenant: w.A, Old: []string{"old-1"}, New: []string{"new-1"}, Share: 20, Fallback: true,
		Shares: []egress.Share{{Stream: tenant.Lead, Provider: "gmx", Percent: 5}}}
	put := func(v egress.Shift) {
		t.Helper()
		if err := w.Store.PutShift(ctx, v, by); err != nil {
			t.Fatal(err)
		}
	}
	put(v)
	v.Share = 0
	put(v)
	got, err := w.Store.Plan(ctx)
	same(t, "in force", got.Shifts, []egress.Shift{v}, err)
	unsound := v
	unsound.New = []string{"gone"}
	refused(t, w.Store.PutShift(ctx, unsound, by), fault.Invalid, "egress_plan_unsound")
	revisions, err := w.Store.Revisions(ctx, egress.ThingShift, "chg_1")
	if err != nil || len(revisions) != 2 || revisions[0].Version != 2 {
		t.Errorf("revisions %+v, %v", revisions, err)
	}
	for range 2 {
		if err := w.Store.RemoveShift(ctx, "chg_1", by); err != nil {
			t.Fatal(err)
		}
	}
	got, err = w.Store.Plan(ctx)
	same(t, "ended", got.Shifts, []egress.Shift(nil), err)
}

// fallbackSettles: the refusal over the new source, the delivery over the old one and
// the customer's mark are one fact or none.
func fallbackSettles(t *testing.T, w *World) {
	c := w.putChangeover(w.changeover(tenant.ID{}, changeover.Overlap), "created")
	a := w.Draft(w.A, "r@makler.example")
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	verdict := func(e queue.Epoch) queue.Settlement {
		refusal := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred)
		w.Clock.Advance(time.Second)
		v := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)
		v.Earlier, v.Attempts = []event.Event{refusal.Event}, 2
		v.Fallback = &queue.Fallback{Shift: c.ID.String(), Source: "new-1", Domain: "makler.example", Site: "mx.makler.example", Reply: "554 no"}
		return v
	}
	marks := func() []changeover.Mark {
		t.Helper()
		list, err := w.Store.FallbackMarks(context.Background(), w.A, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	late := verdict(a.Epoch + 1)
	late.State, late.Event.Type, late.DueAt = event.Deferred, event.AttemptFailed, w.Clock.Now()
	if fenced := w.Settle(late); len(fenced) != 1 || len(marks()) != 0 {
		t.Errorf("a fenced verdict marks: %v, %v", fenced, marks())
	}
	v := verdict(a.Epoch)
	w.Settle(v)
	same(t, "mark", marks(), []changeover.Mark{{Changeover: c.ID, Tenant: w.A, Domain: "makler.example", Site: "mx.makler.example", Source: "new-1",
		Count: 1, Reply: "554 no", FirstAt: v.Event.At, LastAt: v.Event.At, Delivery: a.Deliveries[0].ID.String()}}, nil)
	events, err := w.Store.Events(context.Background(), w.A, a.Message.ID)
	if n := len(events); err != nil || n != 3 || events[1].ID != v.Earlier[0].ID || events[2].ID != v.Event.ID {
		t.Errorf("events %+v", events)
	}
}

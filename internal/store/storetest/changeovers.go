package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func changeoverTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"PutAndList": putChangeovers, "Marks": changeoverMarks}
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
	deeds, err := w.Store.Deeds(ctx, own.ID)
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
		if err := w.Store.AddMark(ctx, m); err != nil {
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

	if n, err := w.Store.DropMarks(ctx, w.Clock.Now()); n != 0 || err != nil {
		t.Errorf("dropped %d, %v while it lasts", n, err)
	}
	c.Stage = changeover.Done
	w.putChangeover(c, "done")
	if n, err := w.Store.DropMarks(ctx, w.Clock.Advance(time.Hour)); n != 2 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
}

package webtest

import (
	"context"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce/announcetest"
	"stafette/internal/changeover/changeovertest"
	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/changeovers"
)

// changeoversSubject is the real service over the world's sources: one changeover in every
// stage a page differs in, one of another tenant, and customers on fallback with hostile
// words.
func changeoversSubject() Subject {
	staff, theirs := "/platform/changeovers/{id}", "/changeovers/{id}"
	return Subject{
		Wire: func(w *World, c *web.Config) {
			o := w.Outlets()
			store, _ := w.changeovers()
			planner := egress.NewPlanner(egress.PlannerConfig{Store: o, Tenants: directory{w}, Now: w.Now})
			c.Changeovers = changeovers.Config{
				Service: changeover.New(changeover.Config{Store: store, Planner: planner, Tenants: directory{w}, Now: w.Now}),
				People:  directory{w}, Plan: o.Plan, Left: w.left(store),
			}
		},
		Own: func(w *World) map[string]string {
			_, list := w.changeovers()
			return map[string]string{staff: "/platform/changeovers/" + list[0].ID.String(), theirs: theirs[:len(theirs)-4] + list[0].ID.String()}
		},
		Foreign: func(w *World) map[string]string {
			_, list := w.changeovers()
			other := list[len(list)-1].ID.String()
			return map[string]string{staff: "/platform/changeovers/chg_unknown", theirs: theirs[:len(theirs)-4] + other}
		},
		Pages: func(w *World) []string {
			_, list := w.changeovers()
			var pages []string
			for _, c := range list {
				if c.Stage == changeover.RolledBack || c.Stage == changeover.Overlap {
					pages = append(pages, "/changeovers/"+c.ID.String(), "/changeovers/"+c.ID.String()+"?q=nichts&sort=-domain")
				}
			}
			return pages
		},
	}
}

// left tells who is left of the world's changeovers: those whose mail fell back, and one
// customer of the world's tenant who needs the old sources.
func (w *World) left(marks *changeovertest.Store) func(context.Context, tenant.ID, changeover.Changeover) ([]affected.Leftover, error) {
	_, list := w.changeovers()
	var store announcetest.Store
	for _, c := range list {
		if !c.Concerns(w.Tenant.ID) {
			continue
		}
		found := affected.Found{Kind: affected.Advertiser, Key: "4711", Name: "Makler <i> & Co.", Finding: affected.Finding{At: w.Now()}}
		mustDo(store.PutFound(context.Background(), w.Tenant.ID, c.ID, []affected.Found{found}, w.Now()))
		one, err := store.CustomerOf(context.Background(), w.Tenant.ID, c.ID, affected.Advertiser, "4711")
		mustDo(err)
		one.NeedsOld = true
		mustDo(store.PutCustomer(context.Background(), one))
	}
	return affected.NewSurveyor(affected.Config{Store: &store, Marks: marks.FallbackMarks, Tenants: directory{w}, Now: w.Now}).Left
}

// Changeovers are the world's changeovers; the first is under way, the last is another
// tenant's.
func (w *World) Changeovers() []changeover.Changeover {
	_, list := w.changeovers()
	return list
}

func (w *World) changeovers() (*changeovertest.Store, []changeover.Changeover) {
	w.movesOnce.Do(func() {
		now := w.Now()
		for i, stage := range []changeover.Stage{changeover.Shifting, changeover.Draft, changeover.Announced, changeover.Overlap, changeover.Paused, changeover.RolledBack, changeover.Done, changeover.Testing} {
			c := changeover.Defaults(now.Add(-20 * 24 * time.Hour))
			c.ID, c.Name, c.Stage, c.CreatedAt, c.CreatedBy = id.New[changeover.Kind](now.Add(-time.Duration(i)*time.Hour)), "Umzug <b>"+string(stage)+"</b>", stage, now, "cli"
			c.Old, c.New, c.Share, c.Domains = []string{"192.0.2.17"}, []string{"neu"}, 50, []string{"post.example"}
			c.Shares = []egress.Share{{Stream: tenant.Lead, Provider: "tonline", Percent: 20}}
			c.Checks = []changeover.Check{{Kind: changeover.CheckPTR, Verdict: changeover.Blocked, Subject: "neu", Problem: "generic", Have: "dyn <x>"},
				{Kind: changeover.CheckSPF, Verdict: changeover.Passed, Subject: "post.example"}, {Kind: changeover.CheckTLS, Verdict: changeover.Skipped, Problem: "self_signed"}}
			c.CheckedAt = now.Add(-2 * time.Hour)
			if stage == changeover.Shifting || stage == changeover.Overlap || stage == changeover.Done {
				c.Taken = 3
			}
			if stage == changeover.Testing {
				c.Tenant = w.Other.ID
			}
			if stage == changeover.Overlap {
				c.OverlapUntil = now.Add(-time.Hour)
			}
			if stage == changeover.Paused || stage == changeover.RolledBack {
				c.Before, c.HaltedAt = changeover.Shifting, now.Add(-time.Hour)
			}
			mustDo(w.moves.PutChangeover(context.Background(), c, changeover.Deed{At: now, Actor: "cli", What: "created"}))
			c.Version = 1
			for _, of := range []tenant.ID{w.Tenant.ID, w.Other.ID} {
				mustDo(w.moves.AddFallbackMark(context.Background(), changeover.Mark{Changeover: c.ID, Tenant: of, Domain: "makler-" + of.String()[26:] + ".example", Site: "mx.makler.example",
					Source: "neu", Count: 41, Reply: "554 5.7.1 <script>alert(1)</script> not on our list", LastAt: now.Add(-time.Hour), Delivery: "dlv_1"}))
			}
			w.movesList = append(w.movesList, c)
		}
	})
	return &w.moves, w.movesList
}

// mustDo is for stand-ins that cannot fail.
func mustDo(err error) {
	if err != nil {
		panic(err)
	}
}

package webtest

import (
	"context"
	"strings"
	"sync"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/intake"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/groups"
)

// circles are the groups of the world, with what is imported into them.
type circles struct {
	once   sync.Once
	groups *audience.Groups
	intake *intake.Service
}

// groupsSubject is the real groups and the real imports on stores in memory.
func groupsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			paths := map[string]string{}
			list, err := w.Groups().List(context.Background(), t(w))
			if err != nil {
				return paths
			}
			for _, g := range list {
				imports, err := w.Intake().Imports(context.Background(), t(w), g.ID)
				if err != nil || len(imports) == 0 {
					continue
				}
				paths["/groups/{id}"] = "/groups/" + g.ID.String()
				paths["/platform/tenants/{tenant}/groups/{id}"] = "/platform/tenants/" + t(w).String() + "/groups/" + g.ID.String()
				paths["/groups/{id}/imports/{import}"] = "/groups/" + g.ID.String() + "/imports/" + imports[0].ID.String()
			}
			return paths
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Groups = groups.Config{Groups: w.Groups(), Book: w.Contacts(), Intake: w.Intake(), People: w}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages:   groupPages,
	}
}

func groupPages(w *World) []string {
	pages := []string{"/groups?q=gibtsnicht", "/groups?q=%22%3E%3Cscript%3E&sort=-members", "/groups?done=deleted", "/groups/new?kind=dynamic", "/groups/grp_unknown"}
	list, err := w.Groups().List(context.Background(), w.Tenant.ID)
	if err != nil {
		return pages
	}
	for _, g := range list {
		one := "/groups/" + g.ID.String()
		pages = append(pages, one, one+"?q=gibtsnicht", one+"?sort=person&col=person&col=tags", one+"?done=added", one+"/edit", one+"/imports/bat_unknown")
		imports, err := w.Intake().Imports(context.Background(), w.Tenant.ID, g.ID)
		if err != nil {
			continue
		}
		for _, i := range imports {
			pages = append(pages, one+"/imports/"+i.ID.String())
		}
	}
	return pages
}

// Groups are those of the world: one with imports in several states, one without
// anybody, one by rules, one with hostile words, and one of World.Other.
func (w *World) Groups() *audience.Groups {
	w.circles.once.Do(w.group)
	return w.circles.groups
}

// Intake imports lists into the world's groups.
func (w *World) Intake() *intake.Service {
	w.circles.once.Do(w.group)
	return w.circles.intake
}

func (w *World) group() {
	must := func(err error) {
		if err != nil {
			panic(err) // the sample is part of the binary
		}
	}
	ctx, clerk := context.Background(), w.users[Clerk].ID.String()
	w.Contacts() // they are who stands in the groups
	store := &audiencetest.Groups{People: w.crowd.people}
	w.circles.groups = audience.NewGroups(store, w.crowd.people, w.Now)
	w.circles.intake = intake.New(intake.Config{Store: &audiencetest.Imports{Groups: store}, People: w.crowd.people, Now: w.Now})
	for _, g := range []audience.Group{
		{Name: "Interessenten Messe Hamburg 2026", Description: "Karten vom eigenen Stand", Kind: audience.Static},
		{Name: "Mieter Ottensen", Kind: audience.Static},
		{Name: "VIP", Kind: audience.Dynamic, Segment: &audience.Segment{All: []audience.Segment{{Of: "tag", Is: audience.Has, Value: "vip"}}}},
		{Name: `"><script>alert(1)</script>`, Kind: audience.Dynamic, Segment: &audience.Segment{Not: &audience.Segment{Of: "tag", Is: audience.Has, Value: "<b>"}}},
	} {
		made, err := w.circles.groups.Create(ctx, w.Tenant.ID, g, clerk)
		must(err)
		if g.Description == "" {
			continue
		}
		list := "E-Mail;Vorname;Nachname\njürgen@mueller.example;Jürgen;Müller\nkein-at;Nie;Mand\n<img src=x>;<b>;=cmd\n"
		i, err := w.circles.intake.Receive(ctx, w.Tenant.ID, made.ID, "messe.csv", clerk, strings.NewReader(list))
		must(err)
		i.Plan.Source = "Messe Hamburg"
		_, err = w.circles.intake.Start(ctx, w.Tenant.ID, i.ID, i.Plan)
		must(err)
		_, err = w.circles.intake.Turn(ctx)
		must(err)
		_, err = w.circles.intake.Receive(ctx, w.Tenant.ID, made.ID, "zweite.csv", clerk, strings.NewReader(list))
		must(err)
	}
	foreign, err := w.circles.groups.Create(ctx, w.Other.ID, audience.Group{Name: "Fremde", Kind: audience.Static}, clerk)
	must(err)
	_, err = w.circles.intake.Receive(ctx, w.Other.ID, foreign.ID, "fremd.csv", clerk, strings.NewReader("ada@holm.example"))
	must(err)
}

package webtest

import (
	"context"
	"fmt"
	"sync"

	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/stationery/stationerytest"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/templates"
)

// stationed are the templates of the world, made when they are first asked for.
type stationed struct {
	once         sync.Once
	service      *stationery.Service
	own, foreign stationery.ID
}

// Stationery is the real service on a store in memory.
func (w *World) Stationery() *stationery.Service {
	w.stationed.once.Do(func() {
		catalog, err := i18n.Load()
		if err != nil {
			panic(fmt.Errorf("load texts: %w", err)) // they are within the program
		}
		w.makeTemplates(catalog)
	})
	return w.stationed.service
}

// makeTemplates gives both tenants a template in blocks, and the world's one in MJML and a
// part.
func (w *World) makeTemplates(catalog *i18n.Catalog) {
	store := &stationerytest.Store{}
	w.stationed.service = stationery.New(stationery.Config{Store: store, Tenants: offerTenants{w}, Catalog: catalog, Now: w.Now})
	// Compiled by hand: to start the compiler takes longer than most tests.
	make := func(t tenant.ID, d stationery.Draft) stationery.ID {
		made := stationery.Template{ID: id.New[stationery.Kind](w.Now()), Tenant: t, Name: d.Name, Part: d.Part, Version: 1, Langs: []string{"de"}, CreatedAt: w.Now(), UpdatedAt: w.Now()}
		v := stationery.Version{Number: 1, Lang: "de", Source: d.Source, HTML: `<h1>{{name}}</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="><a href="http://muster.example/">x</a>`, Variables: []string{"name"}, At: w.Now()}
		if err := store.CreateTemplate(context.Background(), made, v, stationery.MaxTemplates); err != nil {
			panic(fmt.Errorf("make template: %w", err)) // they are right
		}
		return made.ID
	}
	document := func() *blocks.Document {
		return &blocks.Document{Version: blocks.Current, Blocks: []blocks.Block{
			{Kind: blocks.Head}, {Kind: blocks.Text, Cell: blocks.Cell{Title: "Guten Tag {{name}} <b>", Text: "Eins [zwei](https://muster.example/)"}},
			{Kind: blocks.Picture, Cell: blocks.Cell{Picture: "https://muster.example/a.jpg", Alt: "Haus <svg>"}},
			{Kind: blocks.Columns, Cells: []blocks.Cell{{Title: "Links"}, {Title: "Rechts"}}}, {Kind: blocks.Offer, Price: "1 €"},
			{Kind: blocks.Social, Cells: []blocks.Cell{{Label: "Netz", URL: "https://sozial.example/"}}}, {Kind: blocks.Footer},
		}}
	}
	w.stationed.foreign = make(w.Other.ID, stationery.Draft{Name: "Fremd", Source: stationery.Source{Mode: stationery.Blocks, Subject: "Fremd", Blocks: document()}})
	w.stationed.own = make(w.Tenant.ID, stationery.Draft{Name: "Willkommen", Source: stationery.Source{Mode: stationery.Blocks, Subject: "Willkommen, {{name}}", Blocks: document()}})
	make(w.Tenant.ID, stationery.Draft{Name: "Gruß", Part: true, Source: stationery.Source{Mode: stationery.HTML, Markup: "<p>Gruß</p>"}})
	make(w.Tenant.ID, stationery.Draft{Name: "Auftrag", Source: stationery.Source{Mode: stationery.HTML, Subject: "Auftrag {{number}}", Markup: "<p>{{number}}</p>{{> Gruß}}"}})
}

func templatesSubject() Subject {
	of := func(which func(*World) stationery.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			return map[string]string{"/templates/{id}": "/templates/" + which(w).String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Templates = templates.Config{Templates: w.Stationery(), Book: w.Contacts(), Pictures: w.Library()}
		},
		Own:     of(func(w *World) stationery.ID { return w.stationed.own }),
		Foreign: of(func(w *World) stationery.ID { return w.stationed.foreign }),
		Pages: func(w *World) []string {
			one := "/templates/" + w.stationed.own.String()
			return []string{"/templates?q=gibtsnicht", "/templates?done=dropped", "/templates/brand?done=saved", one + "?done=saved", one + "?lang=en", "/templates/tpl_unknown"}
		},
	}
}

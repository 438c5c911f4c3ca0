package webtest

import (
	"context"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/listcheck"
	"stafette/internal/tenant"
	"stafette/internal/web"
)

// checklists are the lists of the world: one that is checked, one that runs, and one of
// World.Other.
type checklists struct {
	service             *listcheck.Service
	done, runs, foreign string
}

func addressesSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) { c.Addresses.Lists = w.checklists().service },
		Own: func(w *World) map[string]string {
			return map[string]string{"/addresses/lists/{id}": w.checklists().runs}
		},
		Foreign: func(w *World) map[string]string {
			return map[string]string{"/addresses/lists/{id}": w.checklists().foreign}
		},
		Pages: func(w *World) []string {
			done := w.checklists().done
			return []string{
				done, w.checklists().runs, done + "?result=typo", done + "?result=rest&after=2", done + "?result=ok&after=9", done + "?result=%3Cb%3E&after=x",
				"/addresses/lists?done=deleted", "/addresses/lists/chk_unknown",
			}
		},
	}
}

// sampleList has one row of each result, and hostile words.
const sampleList = "Nachname;E-Mail\n" +
	"Reuter;j.reuter@web.example\nVoss;m.voss@t-onlin.example\nHolm;ada@holm.example\nHolm;ADA@holm.example\nBüro;info@kranz-bau.example\n" +
	"Meier;meier@gmial.com\nWeg;x@mailinator.com\nSkript;<script>alert(1)</script>@holm.example\nFormel;=cmd@holm.example\nUmlaut;jürgen@holm.example\n"

func (w *World) checklists() *checklists {
	w.checkedOnce.Do(func() {
		validator, err := audience.NewValidator(names{}, w.Suppressions())
		if err != nil {
			panic(err) // the lists are part of the binary
		}
		l := &checklists{service: listcheck.New(listcheck.Config{Store: &audiencetest.Lists{}, Validator: validator, Now: w.Now})}
		take := func(t tenant.ID, name, text string) string {
			c, err := l.service.Take(context.Background(), t, listcheck.List{Name: name, Stream: tenant.Newsletter, Actor: "system",
				Source: listcheck.Table(strings.NewReader(text), "")})
			if err != nil {
				panic(err) // it is in memory
			}
			return "/addresses/lists/" + c.ID.String()
		}
		l.done = take(w.Tenant.ID, "Kunden <b>2026</b>.csv", sampleList)
		l.foreign = take(w.Other.ID, "fremd.csv", sampleList)
		if _, err := l.service.Turn(context.Background()); err != nil {
			panic(err) // see above
		}
		l.runs = take(w.Tenant.ID, "Interessenten.txt", "eva@kunde.example\n")
		w.checked = l
	})
	return w.checked
}

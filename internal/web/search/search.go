// Package search looks everywhere at once: the one search box of the office leads here,
// and the palette reads its answers from this page.
//
// It is a subject of the door web (floor 4). It finds pages by their names; everything
// else is found by the subjects it is given as Sources.
package search

import (
	"context"
	"net/http"
	"strings"

	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// perGroup is how many finds of each source stand on the page.
const perGroup = 8

// Hit is one thing that was found.
type Hit struct {
	Text   string
	Detail string // what tells it from others of the same name
	Href   string
	Icon   string // a mark of the frame
}

// Group is what one source found. The zero Group is nothing.
type Group struct {
	Title string
	Hits  []Hit
	More  frame.Link // to all of them, without Text if there are no more
}

// Source finds things of one subject for the tenant and permissions of the reader.
type Source interface {
	// Find returns at most limit hits for what a person typed, which is never "".
	Find(ctx context.Context, p frame.Page, text string, limit int) (Group, error)
}

// Config is what the page stands on.
type Config struct {
	Sources []Source // in the order of the page
}

// Routes is the page.
func Routes(c Config) []frame.Route {
	return []frame.Route{{Pattern: "GET " + frame.SearchPath, Permission: tenant.MessagesRead, Do: c.show}}
}

// result is what the page shows.
type result struct {
	text   string
	groups []Group
	lame   bool // a source could not be asked
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := frame.ReadView(r, frame.Listing{Path: frame.SearchPath, Filters: []string{"q"}})
	out := result{text: v.Filter("q")}
	p.Title, p.Query = p.T("search.title"), out.text
	if out.text == "" {
		return p.Render(w, r, http.StatusOK, page(p, out))
	}
	if g := pages(p, out.text); len(g.Hits) > 0 {
		out.groups = append(out.groups, g)
	}
	for _, source := range c.Sources {
		g, err := source.Find(r.Context(), p, out.text, perGroup)
		if err != nil {
			p.Failed(r, "search", err)
			out.lame = true
			continue
		}
		if len(g.Hits) > 0 {
			out.groups = append(out.groups, g)
		}
	}
	return p.Render(w, r, http.StatusOK, page(p, out))
}

// pages are those of the navigation whose names contain the text.
func pages(p frame.Page, text string) Group {
	g := Group{Title: p.T("palette.pages")}
	for _, section := range p.Navigation() {
		for _, link := range section.Links {
			if strings.Contains(strings.ToLower(link.Text), strings.ToLower(text)) && len(g.Hits) < perGroup {
				g.Hits = append(g.Hits, Hit{Text: link.Text, Detail: section.Title, Href: link.Href, Icon: link.Icon})
			}
		}
	}
	return g
}

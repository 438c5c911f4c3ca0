package messages

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"stafette/internal/insight"
	"stafette/internal/web/frame"
	"stafette/internal/web/search"
)

// Finder is messages as a search.Source.
type Finder struct {
	Insight insight.Store
	Teller  Teller
}

// Find implements search.Source.
func (f Finder) Find(ctx context.Context, p frame.Page, text string, limit int) (search.Group, error) {
	found, err := f.Insight.Messages(ctx, p.Tenant(), insight.Filter{Text: text, Limit: limit})
	if err != nil {
		return search.Group{}, fmt.Errorf("find messages: %w", err)
	}
	all := "/messages?" + url.Values{"q": {text}}.Encode()
	g := search.Group{Title: p.T("nav.messages"), More: frame.Link{Text: p.T("search.more"), Href: all}}
	for _, m := range found.Messages {
		row := f.Teller.Row(p, m, "")
		icon, word := face(row.State, row.Mark)
		detail := []string{p.T(word), row.Recipients}
		if m.DeliveryCount == 1 && row.Detail != "" {
			detail = append(detail, row.Detail)
		}
		g.Hits = append(g.Hits, search.Hit{
			Text: Subject(p, m.Subject), Href: "/messages/" + m.ID.String(), Icon: icon,
			Detail: strings.Join(append(detail, p.Row(m.AcceptedAt)), " · "),
		})
	}
	return g, nil
}

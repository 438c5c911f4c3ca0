// Package addresses is the office's pages on which people ask about an address, or a
// whole list, before they write to it: can mail arrive, was another one meant, may it be
// written to at all.
//
// It is a subject of the door web (floor 4). Packages audience and listcheck find out,
// without asking the address's server.
package addresses

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Validator tells of addresses; *audience.Validator does.
type Validator interface {
	Validate(ctx context.Context, t tenant.ID, s tenant.Stream, text string) (audience.Verdict, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Validator Validator
	Lists     Lists
}

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read := tenant.MessagesRead
	return append([]frame.Route{
		{Pattern: "GET /addresses", Permission: read, Do: c.show,
			Entry: frame.Entry{Room: "addresses", Icon: "shield", Group: frame.GroupDeliverability}},
		{Pattern: "POST /addresses", Permission: read, Do: c.ask},
	}, listRoutes(c)...)
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.render(w, r, p, frame.Form{}, nil)
}

// maxAddress bounds what is read of an address, in characters.
const maxAddress = 320

// ask answers on the page itself: an address has no place in the browser's history.
func (c Config) ask(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{
		"address": frame.Shorten(r.PostForm.Get("address"), maxAddress), "stream": r.PostForm.Get("stream"),
	}}
	s := tenant.Stream(f.Value("stream"))
	if !s.Valid() {
		s = tenant.Transactional
	}
	v, err := c.Validator.Validate(r.Context(), p.Tenant(), s, f.Value("address"))
	if err != nil {
		return fmt.Errorf("validate address: %w", err)
	}
	return c.render(w, r, p, f, &v)
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, f frame.Form, v *audience.Verdict) error {
	p.Room, p.Title = "addresses", p.T("nav.addresses")
	return p.Render(w, r, http.StatusOK, page(p, f, v))
}

// mark is the colour of a rating.
func mark(r audience.Rating) string {
	switch r {
	case audience.Fine:
		return "delivered"
	case audience.Risky:
		return "deferred"
	}
	return "bounced"
}

// findingText is a finding in a sentence.
func findingText(p frame.Page, f audience.Finding) string {
	text := p.T("address." + f.Code)
	if f.Detail != "" {
		text += " " + p.Either("reason."+f.Detail, "reason.other", "code", f.Detail)
	}
	return text
}

// suppressions leads to the suppressions of an address.
func suppressions(a message.Address) string {
	return "/suppressions?" + url.Values{"q": {a.String()}}.Encode()
}

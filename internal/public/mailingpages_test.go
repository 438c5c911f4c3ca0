package public_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/public"
)

type publisher struct{}

func (publisher) Open(_ context.Context, token string) (campaign.Page, error) {
	switch token {
	case "gut", "suche":
		return campaign.Page{Subject: "Mai", HTML: "<h1>Mai</h1><script>alert(1)</script>", Index: token == "suche"}, nil
	case "text":
		return campaign.Page{Subject: "<b>Mai", Text: "<script>"}, nil
	case "weg":
		return campaign.Page{}, fault.New(fault.NotFound, campaign.CodePageGone, "")
	case "kaputt":
		return campaign.Page{}, errors.New("disk")
	}
	return campaign.Page{}, fault.New(fault.NotFound, campaign.CodeView, "")
}

func (publisher) List(_ context.Context, token string) (campaign.Pages, error) {
	switch token {
	case "gut":
		return campaign.Pages{Sender: "Muster <b>", List: []campaign.Entry{{Subject: "Mai <i>", Address: "https://fremd.example/mailing/x", At: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)}}}, nil
	case "leer":
		return campaign.Pages{Sender: "Muster"}, nil
	}
	return campaign.Pages{}, fault.New(fault.NotFound, campaign.CodeView, "")
}

// A public mailing is held by its policy, unseen by search engines unless chosen, and gone
// when it is taken back.
func TestPublicMailings(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	server := httptest.NewServer(public.NewPages(public.PagesConfig{Publisher: publisher{}, Catalog: catalog, PerMinute: 1000, Now: func() time.Time { return now }}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		path   string
		status int
		want   string
		robots bool // are asked to stay away
	}{
		{campaign.PagePath + "gut", 200, "<h1>Mai</h1>", true},
		{campaign.PagePath + "suche", 200, "<h1>Mai</h1>", false},
		{campaign.PagePath + "text", 200, "&lt;script&gt;", true},
		{campaign.PagePath + "weg", 410, "Nicht mehr öffentlich", true},
		{campaign.PagePath + "x", 404, "Diese Seite gibt es nicht", true},
		{campaign.PagePath + "kaputt", 503, "Das geht gerade nicht", true},
		{campaign.PagesPath + "gut", 200, "Mai &lt;i&gt;", true},
		{campaign.PagesPath + "leer", 200, "Zurzeit ist kein Mailing öffentlich.", true},
		{campaign.PagesPath + "x", 404, "Diese Seite gibt es nicht", true},
		{public.StylePaths()[0], 200, "body", true},
		{public.StylePaths()[1], 200, "{", true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", "de")
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		text, h := string(body), answer.Header
		if answer.StatusCode != c.status || !strings.Contains(text, c.want) || strings.Contains(text, "disk") {
			t.Errorf("%s: %d\n%s", c.path, answer.StatusCode, text)
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
			t.Errorf("%s: policy %q", c.path, policy)
		}
		if strings.Contains(text, "<h1>Mai</h1>") && !strings.Contains(policy, "; sandbox") {
			t.Errorf("%s: foreign HTML without a sandbox: %q", c.path, policy)
		}
		if strings.Contains(h.Get("X-Robots-Tag"), "noindex") != c.robots || len(h.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %v", c.path, h)
		}
	}
}

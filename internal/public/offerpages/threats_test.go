package offerpages_test

import (
	"context"
	"strings"
	"testing"

	"stafette/internal/offer"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// logo is an address that nobody may be made to ask.
const logo = "https://169.254.169.254/latest/logo.png"

// brands has one brand for all, and the logo that was uploaded.
type brands struct{ logo *stationery.Logo }

// Logo implements offer.Brands.
func (b brands) Logo(context.Context, tenant.ID) (stationery.Logo, error) { return *b.logo, nil }

// Brand implements offer.Brands.
func (brands) Brand(context.Context, tenant.ID) (blocks.Brand, error) {
	return blocks.Brand{Name: "Hafenkontor", Logo: logo, LogoAlt: "Hafenkontor", Colour: "#9a1b2f", Ground: "#eef1f4", Font: "serif"}, nil
}

// T11: neither the page nor its style sheet leads a browser or this program to the host of a
// logo, and colours of the brand come from the page's own host.
func TestNoForeignHostIsAsked(t *testing.T) {
	w := newWorld(t)
	_, path := w.send(nil)
	page := w.ask("GET", path, nil)
	w.want(page, 200, `href="`+path+`/brand.css"`)
	sheet := w.ask("GET", path+"/brand.css", nil)
	w.want(sheet, 200, "#9a1b2f", "#eef1f4", "Georgia")
	if kind := sheet.header.Get("Content-Type"); kind != "text/css; charset=utf-8" {
		t.Errorf("style sheet of %s", kind)
	}
	for _, a := range []answer{page, sheet} {
		if strings.Contains(a.body, "169.254") || strings.Contains(a.body, "url(") || strings.Contains(a.body, "@import") {
			t.Errorf("another host is asked: %s", a.body)
		}
	}
	preview := w.offers.PreviewOf(w.offer)
	w.want(w.ask("GET", preview, nil), 200, `href="`+preview+`/brand.css"`)
	w.want(w.ask("GET", preview+"/brand.css", nil), 200, "#9a1b2f")
	w.want(w.ask("GET", path[:len(path)-2]+"AA/brand.css", nil), 404)
	if have := w.seen.kinds(); have != "page_visited" {
		t.Errorf("recorded %s", have)
	}
}

// The logo that was uploaded comes from the page's own host, also in the preview and where
// nothing else is shown yet; who takes it away has the name there again.
func TestLogoIsOfThePagesHost(t *testing.T) {
	w := newWorld(t)
	_, path := w.send(nil)
	w.want(w.ask("GET", path+"/logo", nil), 404)
	w.want(w.ask("GET", path, nil), 200, `<p class="brand">Hafenkontor`)
	*w.logo = stationery.Logo{Data: []byte("\x89PNG pixels"), Media: "image/png", End: ".png", Width: 640, Height: 120, SHA256: [32]byte{0xab, 0xcd}}
	preview := w.offers.PreviewOf(w.offer)
	_, locked := w.send(func(l *offer.Letter) { l.Password = "achtzeichen" })
	for _, page := range []string{path, preview, locked} {
		w.want(w.ask("GET", page, nil), 200, `<img class="logo" src="`+page+`/logo?v=abcd00000000" alt="Hafenkontor" width="640" height="120">`)
		got := w.ask("GET", page+"/logo?v=abcd00000000", nil)
		w.want(got, 200, "\x89PNG pixels")
		if h := got.header; h.Get("Content-Type") != "image/png" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", h)
		}
	}
	w.want(w.ask("GET", path[:len(path)-2]+"AA/logo", nil), 404)
	if have := w.seen.kinds(); strings.Contains(have, "document") {
		t.Errorf("recorded %s", have)
	}
}

// T14, T15: what tenants write is text on the page, and the page's policy lets no script run
// whatever it says; T30: papers are downloads in a sandbox.
func TestNothingRunsOnThePage(t *testing.T) {
	w := newWorld(t)
	_, path := w.send(nil)
	page := w.ask("GET", path, nil)
	w.want(page, 200, "Speicherblock &lt;script&gt;", "&lt;img src=x", "Hafenkontor &lt;b&gt;")
	policy := page.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	plan := w.ask("GET", path+"/f/"+w.file(offer.FloorPlan), nil)
	h := plan.header
	if plan.status != 200 || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", plan.status, h)
	}
}

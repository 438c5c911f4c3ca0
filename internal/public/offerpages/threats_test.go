package offerpages_test

import (
	"context"
	"strings"
	"testing"

	"stafette/internal/offer"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// logo is an address that nobody may be made to ask.
const logo = "https://169.254.169.254/latest/logo.png"

// brands has one brand for all.
type brands struct{}

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

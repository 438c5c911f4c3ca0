package offerpages

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/offer"
	"stafette/internal/template/blocks"
)

// brandPath and logoPath are where the colours and the logo of a tenant stand, below the
// address of an offer. The logo is the one that is kept here: that of the brand lies on
// another host, which would learn who looks. Without one pages show the name.
const (
	brandPath = "/brand.css"
	logoPath  = "/logo"
)

// branded reports whether a brand changes anything about a page.
func branded(b blocks.Brand) bool {
	return blocks.Colour(b.Colour) || blocks.Colour(b.Ground) || b.Font == "serif" || b.Font == "mono"
}

func (d *door) brand(w http.ResponseWriter, r *http.Request, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "private, max-age=300")
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, brandSheet(p.Brand)) // the reader left: nothing to be done
	}
}

func (d *door) logo(w http.ResponseWriter, r *http.Request, p page) {
	if p.Logo.None() {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	d.file(w, r, offer.File{Kind: offer.Picture, Media: p.Logo.Media, Name: "logo" + p.Logo.End}, p.Logo.Data)
}

func (d *door) previewLogo(w http.ResponseWriter, r *http.Request) {
	if p, ok := d.previewed(w, r); ok {
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // as the preview itself
		d.logo(w, r, p)
	}
}

// logoAt is the address of the logo. Another logo has another, as browsers keep it a while.
func (p page) logoAt() string {
	at := p.at(logoPath)
	if strings.Contains(at, "?") {
		return at + "&v=" + p.Logo.Tag()
	}
	return at + "?v=" + p.Logo.Tag()
}

// brandName is what stands where no logo is seen.
func (p page) brandName() string {
	if p.Brand.Name != "" {
		return p.Brand.Name
	}
	return p.Visit.Tenant.Name
}

func (d *door) previewBrand(w http.ResponseWriter, r *http.Request) {
	if p, ok := d.previewed(w, r); ok {
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // as the preview itself
		d.brand(w, r, p)
	}
}

// The colours of style.css that text in a brand's colours stands on or beside, and the
// contrasts that are kept towards them: 4.5 (WCAG 2.2, 1.4.3) and as much more as the form's
// ground, which is not asked, takes away.
const (
	paperLight, paperDark       = "#ffffff", "#101922"
	quietInk                    = "#42505c"
	enough                      = 4.5
	enoughOnLight, enoughOnDark = 5.1, 5.6
)

// brandSheet is the style sheet of a brand. Colours that could not be read are made darker,
// or lighter where it is dark, until they can; a ground on which our texts could not be read
// is left out.
func brandSheet(b blocks.Brand) string {
	var s strings.Builder
	canvas := ""
	if blocks.Colour(b.Ground) && contrast(quietInk, b.Ground) >= enough {
		canvas = strings.ToLower(b.Ground)
		fmt.Fprintf(&s, ":root { --canvas: light-dark(%s, #0a1118); }\n", canvas)
	}
	if blocks.Colour(b.Colour) {
		light := shaded(b.Colour, "#000000", func(c string) bool {
			return contrast(c, paperLight) >= enoughOnLight && (canvas == "" || contrast(c, canvas) >= enough)
		})
		dark := shaded(b.Colour, "#ffffff", func(c string) bool { return contrast(c, paperDark) >= enoughOnDark })
		fmt.Fprintf(&s, ":root { --deed: light-dark(%s, %s); }\nmain { border-top: 4px solid var(--deed); }\n", light, dark)
	}
	switch b.Font {
	case "serif":
		s.WriteString("body { font-family: Georgia, \"Times New Roman\", serif; }\n")
	case "mono":
		s.WriteString("body { font-family: \"Courier New\", Courier, monospace; }\n")
	}
	return s.String()
}

// shaded mixes a colour with another, as little as is needed for good.
func shaded(colour, with string, good func(string) bool) string {
	from, to := channels(colour), channels(with)
	for part := 0.0; part < 1; part += 0.04 {
		c := "#"
		for i := range from {
			c += fmt.Sprintf("%02x", int(math.Round(255*(from[i]+(to[i]-from[i])*part))))
		}
		if good(c) {
			return c
		}
	}
	return with
}

// channels are red, green and blue of "#rrggbb", each from 0 to 1.
func channels(colour string) (c [3]float64) {
	for i := range c {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			return [3]float64{}
		}
		c[i] = float64(n) / 255
	}
	return c
}

// contrast is the ratio of WCAG 2.2 between two colours, from 1 to 21.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(colour string) float64 {
	sum := 0.0
	weights := [3]float64{0.2126, 0.7152, 0.0722}
	for i, c := range channels(colour) {
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weights[i] * c
	}
	return sum
}

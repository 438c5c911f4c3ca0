package offer

import (
	"strconv"
	"strings"
	"text/template"

	"stafette/internal/diagnosis"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
)

// LetterheadOf is the paper of a tenant: its own logo or else its name, in its colour.
func LetterheadOf(name string, b blocks.Brand, l stationery.Logo) diagnosis.Letterhead {
	if b.Name != "" {
		name = b.Name
	}
	head := diagnosis.Letterhead{Name: name, Logo: l.Data, Width: l.Width, Height: l.Height}
	if blocks.Colour(b.Colour) {
		head.Colour = b.Colour
	}
	return head
}

// logoID names the logo within a receipt: it travels with the mail, so that no host learns
// who opens it and it is there as long as the mail is.
const logoID = "logo@receipt"

// logoShownWidth and logoShownHeight are how wide and high a logo is drawn in mail at most, in pixels.
const logoShownWidth, logoShownHeight = 220, 72

// receiptHTML is the text of a receipt with the look of who sends it. It stands in a table,
// on white, because a logo may be dark.
func receiptHTML(v Visit, text, link string) string {
	colour := "#123f70"
	if blocks.Colour(v.Brand.Colour) {
		colour = v.Brand.Colour
	}
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="margin:0;padding:16px;background:#ffffff;font-family:` + mailFont(v.Brand.Font) +
		`;font-size:16px;line-height:1.5;color:#13202b"><table role="presentation" width="100%" style="max-width:640px;background:#ffffff;border-bottom:3px solid ` + colour + `"><tr><td style="padding:0 0 12px">`)
	name := template.HTMLEscapeString(LetterheadOf(v.Tenant.Name, v.Brand, v.Logo).Name)
	if v.Logo.None() {
		b.WriteString(`<b>` + name + `</b>`)
	} else {
		w, h := fitted(v.Logo.Width, v.Logo.Height, logoShownWidth, logoShownHeight)
		b.WriteString(`<img src="cid:` + logoID + `" alt="` + name + `" width="` + strconv.Itoa(w) + `" height="` + strconv.Itoa(h) + `" style="display:block">`)
	}
	b.WriteString(`</td></tr></table><div style="max-width:640px">`)
	anchor := template.HTMLEscapeString(link)
	for para := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n"), "\n\n") {
		body := strings.ReplaceAll(template.HTMLEscapeString(para), "\n", "<br>")
		if anchor != "" {
			body = strings.ReplaceAll(body, anchor, `<a style="color:#123f70" href="`+anchor+`">`+anchor+`</a>`)
		}
		b.WriteString("<p>" + body + "</p>")
	}
	b.WriteString("</div></body></html>")
	return b.String()
}

// mailFont is the font of a brand as mail programs know it.
func mailFont(brand string) string {
	switch brand {
	case "serif":
		return "Georgia,serif"
	case "mono":
		return "'Courier New',monospace"
	}
	return "Arial,sans-serif"
}

// fitted are width and height of a picture, made smaller until they fit.
func fitted(w, h, mostW, mostH int) (int, int) {
	if w > mostW {
		w, h = mostW, max(1, h*mostW/w)
	}
	if h > mostH {
		w, h = max(1, w*mostH/h), mostH
	}
	return w, h
}

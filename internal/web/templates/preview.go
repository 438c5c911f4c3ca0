package templates

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template"
	"stafette/internal/template/mjml"
	"stafette/internal/web/frame"
)

// previewPolicy holds a mail on its way: an opaque origin without scripts, forms or
// links out of it; pictures come from where the mail will fetch them.
const previewPolicy = "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"

// views are the ways a mail can be looked at.
func views() []string { return []string{"desktop", "phone", "dark", "text"} }

func (c Config) savedPreview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	v, err := c.Templates.Latest(r.Context(), t, r.URL.Query().Get("lang"))
	if err != nil {
		return err
	}
	return c.draw(w, r, p, v, r.URL.Query().Get("view"), r.URL.Query().Get("contact"))
}

// preview draws the form as it stands, without keeping it.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := parse(w, r); err != nil {
		return err
	}
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	v, err := c.Templates.Compile(r.Context(), p.Tenant(), draft(t, r.PostForm))
	if e := fault.As(err); e != nil {
		return write(w, notYet(p, e))
	}
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	return c.draw(w, r, p, v, r.PostForm.Get("view"), r.PostForm.Get("contact"))
}

// draw fills a version with a contact, or with the names of its variables.
func (c Config) draw(w http.ResponseWriter, r *http.Request, p frame.Page, v stationery.Version, view, contact string) error {
	data := stationery.Sample(v.Variables)
	person, err := c.contactOf(r, p, contact)
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	for name, value := range person {
		data[name] = value
	}
	delete(data, "imprint") // the tenant's own
	data["unsubscribe_url"] = "https://" + p.Host() + "/"
	mail, err := c.Templates.Fill(r.Context(), p.Tenant(), v, data, false)
	if e := fault.As(err); e != nil {
		return write(w, notYet(p, e))
	}
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	return write(w, seen(view, mail))
}

// wide are the queries by which MJML tells large screens.
var wide = regexp.MustCompile(`@media only screen and \(min-width:\s*\d+px\)`)

// seen is a mail as a view shows it. The device the reader holds cannot be asked to be
// another one, so the mail's own rules are.
func seen(view string, mail stationery.Rendered) string {
	switch view {
	case "text":
		text := mail.Text
		if text == "" {
			text = mail.Subject
		}
		return `<!doctype html><meta charset="utf-8"><title>` + html.EscapeString(mail.Subject) + `</title><pre style="white-space:pre-wrap;font:15px/1.5 monospace">` + html.EscapeString(text) + "</pre>"
	case "phone":
		return wide.ReplaceAllString(mail.HTML, "@media not all") + "<style>html{max-width:390px;margin:0 auto !important}</style>"
	case "dark":
		return strings.ReplaceAll(strings.ReplaceAll(mail.HTML, "(prefers-color-scheme:dark)", "all"), "(prefers-color-scheme: dark)", "all")
	}
	return mail.HTML
}

// notYet is a page with what keeps the mail from being drawn.
func notYet(p frame.Page, e *fault.Error) string {
	var list strings.Builder
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		list.WriteString("<li>" + html.EscapeString(sentence(p, one)) + "</li>")
	}
	return `<!doctype html><html lang="` + string(p.Lang) + `"><meta charset="utf-8"><title>` + html.EscapeString(p.T("templates.preview.not")) + `</title><body style="font:16px/1.5 sans-serif"><p>` +
		html.EscapeString(p.T("templates.preview.not")) + "</p><ul>" + list.String() + "</ul>"
}

// lineOf is the line of a source that a refusal is about, or 0.
func lineOf(err error) int {
	var compiled *mjml.Error
	if errors.As(err, &compiled) {
		return compiled.Line
	}
	return template.Line(err)
}

// detailOf names what a refusal of a source is about: a tag, or the compiler's words.
func detailOf(err error) string {
	var source *template.Error
	if errors.As(err, &source) && source.Name != "" {
		return "„" + source.Name + "“"
	}
	var compiled *mjml.Error
	if errors.As(err, &compiled) {
		return compiled.Message
	}
	return ""
}

func write(w http.ResponseWriter, page string) error {
	h := w.Header()
	h.Set("Content-Security-Policy", previewPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(page)) //nolint:gosec // G705: shown in a sandbox by its policy; a reader who left is no error
	return nil
}

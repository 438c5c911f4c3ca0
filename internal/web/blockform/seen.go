package blockform

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template"
	"stafette/internal/template/mjml"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// previewPolicy holds a mail on its way: an opaque origin without scripts, forms or
// links out of it; pictures come from where the mail will fetch them.
const previewPolicy = "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"

// Framing lets a page show previews, which are asked for on this origin, whatever host shows
// the content of mails.
func Framing(w http.ResponseWriter) { frame.Framing(w) }

// wide are the queries by which MJML tells large screens.
var wide = regexp.MustCompile(`@media only screen and \(min-width:\s*\d+px\)`)

// Seen is a mail as one of Views shows it. The device the reader holds cannot be asked to be
// another one, so the mail's own rules are.
func Seen(view string, mail stationery.Rendered) string {
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

// Nothing is a page that says that there is nothing to draw yet.
func Nothing(p frame.Page) string {
	return `<!doctype html><html lang="` + string(p.Lang) + `"><meta charset="utf-8"><title>` + html.EscapeString(p.T("templates.preview")) + `</title><body style="font:16px/1.5 sans-serif"><p>` +
		html.EscapeString(p.T("templates.preview.nothing")) + "</p>"
}

// NotYet is a page with what keeps a mail from being drawn.
func NotYet(p frame.Page, e *fault.Error) string {
	var list strings.Builder
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		list.WriteString("<li>" + html.EscapeString(Sentence(p, one)) + "</li>")
	}
	return `<!doctype html><html lang="` + string(p.Lang) + `"><meta charset="utf-8"><title>` + html.EscapeString(p.T("templates.preview.not")) + `</title><body style="font:16px/1.5 sans-serif"><p>` +
		html.EscapeString(p.T("templates.preview.not")) + "</p><ul>" + list.String() + "</ul>"
}

// Sentence is a refusal with the line and the words it is about.
func Sentence(p frame.Page, one *fault.Error) string {
	text := p.FaultText(one, "")
	if line := lineOf(one); line > 0 {
		text = p.T("templates.line", "line", line, "text", text)
	}
	if what := detailOf(one); what != "" {
		text += " " + what
	}
	return text
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

// Write answers with a page of a mail, held in a sandbox by its policy.
func Write(w http.ResponseWriter, page string) error {
	h := w.Header()
	h.Set("Content-Security-Policy", previewPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(page))
	return nil
}

// Book finds contacts; *audience.Contacts does.
type Book interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
}

// Draw answers with the mail that show makes for the contact whose address the request names
// ("contact"), or for nobody, as its "view" shows it; with what keeps it from being drawn
// where show refuses.
func Draw(w http.ResponseWriter, r *http.Request, p frame.Page, book Book, show func(*audience.Contact) (stationery.Rendered, error)) error {
	ask := r.PostForm.Get // as the form has it
	if r.Method == http.MethodGet {
		ask = r.URL.Query().Get
	}
	var person *audience.Contact
	if a, err := message.ParseAddress(strings.TrimSpace(ask("contact"))); err == nil {
		found, ok, err := book.Of(r.Context(), p.Tenant(), a)
		if err != nil {
			return fmt.Errorf("preview letter: %w", err)
		}
		if ok {
			person = &found
		}
	}
	mail, err := show(person)
	if e := fault.As(err); e != nil {
		return Write(w, NotYet(p, e))
	}
	if err != nil {
		return fmt.Errorf("preview letter: %w", err)
	}
	return Write(w, Seen(ask("view"), mail))
}

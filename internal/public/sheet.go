package public

import (
	_ "embed"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

//go:embed sheet.css
var sheetStylesheet []byte

const sheetPath = "/status/sheet.css"

// formPolicy is policy for pages with a form of their own.
const formPolicy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func (d *door) sheetStyle(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(sheetStylesheet) // the reader left: nothing to be done
}

// sheet is a page in a language chosen by its path, with the same page in the other one.
type sheet struct {
	page
	brand string
	other string // path; "" for none
	// framed: it stands in a page of another site, which is light as a rule whatever the
	// reader's device prefers; so is it, then.
	framed bool
}

func (d *door) sheet(lang i18n.Lang, brand string) sheet {
	return sheet{page: page{d, lang}, brand: brand}
}

// otherLang is the language the page is not in.
func (s sheet) otherLang() string {
	if s.lang == i18n.English {
		return "de"
	}
	return "en"
}

// moment is an instant in the reader's words, in the zone of the platform.
func (p page) moment(t time.Time) string { return p.Diagnosis.Moment(p.lang, t) }

// show renders a page with a form.
func (d *door) show(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	w.Header().Set("Content-Security-Policy", formPolicy)
	d.render(w, r, status, c)
}

// notice shows a page that says one thing.
func (d *door) notice(w http.ResponseWriter, r *http.Request, s sheet, status int, key, back string) {
	d.render(w, r, status, noticePage(s, key, back))
}

// mayAsk counts a form; when there were too many it answers.
func (d *door) mayAsk(w http.ResponseWriter, r *http.Request, s sheet) bool {
	wait := d.asks.take(network(d.ClientIP(r)), d.Now())
	if wait == 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	d.notice(w, r, s, http.StatusTooManyRequests, "genuine.limit", "")
	return false
}

// failed logs what is our fault and says that it did not work.
func (d *door) failed(w http.ResponseWriter, r *http.Request, s sheet, what string, err error) {
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), what, "err", err)
	}
	d.notice(w, r, s, http.StatusServiceUnavailable, "published.retry", "")
}

// account reads an account in a path; "" is the zero one. What is none is NotFound.
func account(text string) (tenant.ID, error) {
	if text == "" {
		return tenant.ID{}, nil
	}
	t, err := id.Parse[tenant.Kind](text)
	if err != nil || t.IsZero() {
		return tenant.ID{}, fault.New(fault.NotFound, "tenant_not_found", "There is no such account.")
	}
	return t, nil
}

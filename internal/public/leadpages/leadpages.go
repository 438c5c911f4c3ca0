// Package leadpages is what people without an account see of leads: the forms in which
// prospects ask, the page where the receiver of a test lead enters its codes, and the
// page on which an advertiser reports that a lead came incomplete or not at all.
//
// It belongs to the door public (floor 4) and stands before package lead and its forms and
// cases. Looking changes nothing; a form takes POST alone. There is no cookie, nothing
// from other hosts, and no script but the few lines that tell an embedding page how tall a
// form is. Pages of a form may stand in the sites that the form allows, all others in none.
package leadpages

import (
	"context"
	"embed"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/public"
	"stafette/internal/tenant"
)

// Forms takes what is entered into forms; *leadform.Service does.
type Forms interface {
	Find(ctx context.Context, key string) (leadform.Form, error)
	About(f leadform.Form, values map[string]string, signature string) (leadform.About, error)
	NewToken(f leadform.Form) string
	Preview(f leadform.Form) string
	Take(ctx context.Context, f leadform.Form, e leadform.Entry) (lead.Receipt, error)
	Portal(ctx context.Context, t tenant.ID) (string, error)
}

// Leads follows the links of receivers; *lead.Service does.
type Leads interface {
	Confirming(ctx context.Context, token string) (lead.Link, error)
	Reporting(ctx context.Context, token string) (lead.Link, error)
	Confirm(ctx context.Context, l lead.Lead, entered []string, crm bool) (lead.Proven, error)
	Proven(ctx context.Context, t tenant.ID, number lead.ID) (lead.Proven, error)
	KeptFor(ctx context.Context, t tenant.ID) (time.Duration, error)
}

// Cases takes reports; *leadcase.Service does.
type Cases interface {
	Report(ctx context.Context, t tenant.ID, r leadcase.Report) (leadcase.Case, error)
}

// Limiter counts requests by network; *public.Limiter does.
type Limiter interface {
	Take(remote string) time.Duration
}

// Config is what the pages stand on. Fields without a stated default are needed.
type Config struct {
	Forms   Forms
	Leads   Leads
	Cases   Cases
	Catalog *i18n.Catalog
	// PublicURL is the address of these pages without a path: entries from it are our own.
	PublicURL string
	// Reading bounds all requests of a network, Entering the entries into forms, Telling
	// the codes and reports.
	Reading, Entering, Telling Limiter
	// ClientIP tells the address a request came from; nil takes the peer of the connection.
	ClientIP func(*http.Request) string
	Zone     *time.Location // nil: UTC
	Now      func() time.Time
	Log      *slog.Logger // nil: discard
}

// Paths of the pages; forms are followed by their key.
const (
	FormPath   = "/f/"
	stylePath  = FormPath + "style.css"
	framePath  = FormPath + "frame.js"
	scriptPath = FormPath + "embed.js"
	leadPath   = "/lead/"
)

//go:embed style.css frame.js embed.js
var assets embed.FS

type door struct {
	Config
	// guesses bounds the codes that are entered for one test lead, from wherever.
	guesses *guesses
}

// New makes the pages, for the paths under FormPath and those of package lead. It is safe
// for concurrent use.
func New(c Config) http.Handler {
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	d := &door{Config: c, guesses: &guesses{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+FormPath+"{key}", d.showForm)
	mux.HandleFunc("GET "+FormPath+"{key}/embed", d.showForm)
	mux.HandleFunc("POST "+FormPath+"{key}", d.takeForm)
	mux.HandleFunc("POST "+FormPath+"{key}/embed", d.takeForm)
	mux.HandleFunc("GET "+stylePath, d.asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET "+framePath, d.asset("frame.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET "+scriptPath, d.asset("embed.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET "+lead.ConfirmPath+"{token}", d.showConfirm)
	mux.HandleFunc("POST "+lead.ConfirmPath+"{token}", d.takeConfirm)
	mux.HandleFunc("GET "+lead.ReportPath+"{token}", d.showReport)
	mux.HandleFunc("POST "+lead.ReportPath+"{token}", d.takeReport)
	return d.guarded(mux)
}

// policy lets a page load its own style sheet and script, and stand in the frames named.
func policy(frames, targets string) string {
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; form-action 'self'" + targets + "; frame-ancestors " + frames
}

func (d *door) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy("'none'", ""))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		// Browsers then say where a form of ours was sent from, and tell other sites nothing.
		h.Set("Referrer-Policy", "same-origin")
		if wait := d.Reading.Take(d.ClientIP(r)); wait > 0 {
			h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			d.sorry(w, r, http.StatusTooManyRequests, "limited")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (d *door) asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := assets.ReadFile(name)
		if err != nil {
			d.broken(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		_, _ = w.Write(content) // the reader left: nothing to be done
	}
}

// maxBody bounds an entry: the texts of a form have some 15,000 characters.
const maxBody = 128 << 10

// read parses what was posted. What is too long or no form is answered, and false.
func (d *door) read(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		// A form with enctype multipart is one of another site; it may have no files.
		if err := r.ParseMultipartForm(maxBody); err != nil { //nolint:gosec // G120: the body is bounded above
			d.sorry(w, r, http.StatusBadRequest, "unreadable")
			return false
		}
		return true
	}
	if err := r.ParseForm(); err != nil {
		d.sorry(w, r, http.StatusBadRequest, "unreadable")
		return false
	}
	return true
}

// sorry answers without the page that was asked for; what is its reason.
func (d *door) sorry(w http.ResponseWriter, r *http.Request, status int, what string) {
	p := d.page(r, "")
	d.render(w, r, status, sorryPage(p, what))
}

// failed answers an error: what is not there looks all the same.
func (d *door) failed(w http.ResponseWriter, r *http.Request, err error) {
	if fault.IsKind(err, fault.NotFound) {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	d.broken(w, r, err)
}

func (d *door) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), "page of leads failed", "err", err)
	}
	w.Header().Set("Retry-After", "30")
	d.sorry(w, r, http.StatusServiceUnavailable, "broken")
}

func (d *door) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	public.Render(w, r, d.Log, status, c)
}

// page is what every template needs of a request.
type page struct {
	i18n.Clock
	catalog *i18n.Catalog
	portal  string // whose page it is; "" on pages about nothing
	framed  bool
}

// page is in the language asked for in the address, that of the form, or the browser's.
func (d *door) page(r *http.Request, lang i18n.Lang) page {
	if v := i18n.Lang(r.URL.Query().Get("lang")); v.Valid() {
		lang = v
	}
	if !lang.Valid() {
		lang = i18n.Negotiate(r.Header.Get("Accept-Language"))
	}
	return page{Clock: i18n.Clock{Lang: lang, Zone: d.Zone, Now: d.Now()}, catalog: d.Catalog}
}

// t is the text of a key. Nobody here has chosen a tone, so it is Sie.
func (p page) t(key string, args i18n.Args) string {
	return p.catalog.Text(p.Lang, i18n.Sie, key, args)
}

// fault is the sentence for a refusal.
func (p page) fault(e *fault.Error) string {
	if p.catalog.Has("fault." + e.Code) {
		return p.t("fault."+e.Code, nil)
	}
	return p.t("fault.lead_field_value", nil)
}

// draft is what was typed, with what is wrong with it.
type draft struct {
	values   map[string]string
	problems map[string]string
}

func (f draft) value(name string) string { return f.values[name] }

// refused notes the problems of a refusal, and reports whether it was one of the input.
func (f *draft) refused(p page, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	f.problems = map[string]string{}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		if f.problems[one.Field] == "" {
			f.problems[one.Field] = p.fault(one)
		}
	}
	return true
}

// own reports whether a request says that it comes from these pages, or from nowhere that
// a browser would name.
func (d *door) own(origin string) bool {
	u, err := url.Parse(d.PublicURL)
	return err == nil && origin != "" && origin == u.Scheme+"://"+u.Host
}

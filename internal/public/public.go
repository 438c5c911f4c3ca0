// Package public is the door for people without an account: the status page of one
// delivery, for its recipient or their administrator, the key that delivery proofs
// are verified with, the addresses that mail leaves from with the wish to be told of
// their changes, the question whether an e-mail is genuine, what a recipient wants to get
// of a sender, and the pages of customers of a changeover.
//
// It is a door (floor 4) behind the journey. A link to a page is a capability; whoever
// has it sees what it is about and nothing else. Looking changes nothing: there is no
// cookie, no count, no script, nothing from other hosts. What became of a mail is package
// diagnosis's to say. The office (web) is another door and shares no code with this one.
package public

import (
	_ "embed"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/preference"
	"stafette/internal/published"
	"stafette/internal/signup"
)

// Config is what the door stands on. Fields without a stated default are needed.
type Config struct {
	Diagnosis *diagnosis.Service
	Catalog   *i18n.Catalog
	Published *published.Service // nil: there are no pages of sending addresses
	Genuine   *genuine.Service   // nil: nobody is answered whether an e-mail is genuine
	// Preference takes what recipients decide; nil: they cannot.
	Preference *preference.Service
	// Signup takes what is entered into forms; nil: there are none.
	Signup *signup.Service
	// ClientIP tells the address a request came from, for limits; nil takes the peer of
	// the connection.
	ClientIP func(*http.Request) string
	// PerMinute is how many requests a minute are answered for each address (of IPv6: each
	// /64); 0: 60.
	PerMinute int
	// AsksPerMinute is how many forms a minute are taken of each; 0: 10.
	AsksPerMinute int
	Now           func() time.Time
	Log           *slog.Logger // nil: discard
}

//go:embed status.css
var stylesheet []byte

const stylePath = diagnosis.StatusPath + "status.css"

// policy lets a page load its style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type door struct {
	Config
	limits *limits
	asks   *limits // of forms
	leaves *limits // of one-click requests
	// entering bounds entries into sign-up forms.
	entering *Limiter
}

// Paths are those that the door answers, as patterns of http.ServeMux.
func Paths() []string {
	list := []string{diagnosis.StatusPath, diagnosis.KeysPath, published.KeyPath}
	for _, p := range []string{published.PathDE, published.PathEN} {
		list = append(list, p, p+"/", p+jsonEnd, p+textEnd, p+sigEnd)
	}
	return append(list, genuineDE, genuineEN, preference.Path, signup.FormPath, signup.ConfirmPath)
}

// New makes the door, for Paths. It is safe for concurrent use.
func New(c Config) http.Handler {
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.PerMinute <= 0 {
		c.PerMinute = 60
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.AsksPerMinute <= 0 {
		c.AsksPerMinute = 10
	}
	d := &door{Config: c, limits: newLimits(c.PerMinute), asks: newLimits(c.AsksPerMinute), leaves: newLimits(leavingPerMinute)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+diagnosis.StatusPath+"{token}", d.status)
	mux.HandleFunc("GET "+stylePath, d.style)
	mux.HandleFunc("GET "+diagnosis.KeysPath, d.keys)
	mux.HandleFunc("GET "+sheetPath, d.sheetStyle)
	if c.Published != nil {
		d.addresses(mux)
	}
	if c.Genuine != nil {
		d.genuine(mux)
	}
	// Forms know no cookie; but another site must not have its visitors send them, unless
	// it is a mail program that unsubscribes by one click.
	if c.Signup != nil {
		d.signups(mux)
	}
	protection := http.NewCrossOriginProtection()
	if c.Preference != nil {
		d.choices(mux)
		protection.AddInsecureBypassPattern("POST " + preference.Path)
	}
	return d.guarded(protection.Handler(mux))
}

// guarded sets what every answer bears and counts requests.
func (d *door) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// The address is the capability: it must not travel on as a referrer, nor be kept
		// by caches and search engines.
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		limits := d.limits
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, preference.Path) {
			limits = d.leaves
		}
		if wait := limits.take(network(d.ClientIP(r)), d.Now()); wait > 0 {
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

func (d *door) style(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(stylesheet) // the reader left: nothing to be done
}

func (d *door) keys(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	_, _ = w.Write(d.Diagnosis.Keys()) // the reader left: nothing to be done
}

func (d *door) status(w http.ResponseWriter, r *http.Request) {
	v, link, err := d.Diagnosis.Open(r.Context(), r.PathValue("token"))
	if err != nil {
		if fault.IsKind(err, fault.NotFound) {
			d.sorry(w, r, http.StatusNotFound, "unknown")
			return
		}
		if r.Context().Err() == nil {
			d.Log.ErrorContext(r.Context(), "status page failed", "err", err)
		}
		d.sorry(w, r, http.StatusServiceUnavailable, "broken")
		return
	}
	said, err := d.Diagnosis.Tenants.Profile(r.Context(), link.Tenant)
	if err != nil {
		d.Log.ErrorContext(r.Context(), "contact of a status page failed", "err", err) // the page tells without it
	}
	p := d.page(r)
	d.render(w, r, http.StatusOK, statusPage(p, d.view(p, v, link, said.Contact)))
}

// sorry answers without a delivery; what is its reason.
func (d *door) sorry(w http.ResponseWriter, r *http.Request, status int, what string) {
	d.render(w, r, status, sorryPage(d.page(r), what))
}

func (d *door) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	Render(w, r, d.Log, status, c)
}

// page is what every template needs of a request.
type page struct {
	*door
	lang i18n.Lang
}

func (d *door) page(r *http.Request) page {
	return page{d, i18n.Negotiate(r.Header.Get("Accept-Language"))}
}

// t is the text of a key. Nobody here has chosen a tone, so it is Sie.
func (p page) t(key string, args i18n.Args) string {
	return p.Catalog.Text(p.lang, i18n.Sie, key, args)
}

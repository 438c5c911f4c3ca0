// Package offerpages is what recipients of offers see: the page with texts, pictures,
// documents and units, the form that opens the exposé, and the way to withdraw from a
// contract.
//
// It belongs to the door public (floor 4) and stands before package offer. A link is a
// capability; whoever has it is taken for the recipient. Looking changes nothing and
// proves nothing: what counts is sent by a form. There is no cookie, no script, nothing
// from other hosts; documents come as files that browsers keep apart from the page.
package offerpages

import (
	"bytes"
	"context"
	_ "embed"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/offer"
)

// Offers is the room behind the pages; *offer.Service is it.
type Offers interface {
	Visit(ctx context.Context, token, key string) (offer.Visit, error)
	Preview(ctx context.Context, token string) (offer.Visit, error)
	Unlock(ctx context.Context, v offer.Visit, password string) (string, error)
	Looked(ctx context.Context, v offer.Visit, a offer.Asked)
	Trapped(ctx context.Context, v offer.Visit, a offer.Asked)
	ReadNotice(ctx context.Context, v offer.Visit, a offer.Asked)
	Follow(ctx context.Context, v offer.Visit, link string, a offer.Asked) (string, error)
	Fetch(ctx context.Context, v offer.Visit, file string, a offer.Asked) (offer.File, []byte, error)
	Like(ctx context.Context, v offer.Visit, unit string, on bool, a offer.Asked) error
	Confirm(ctx context.Context, v offer.Visit, shown string, ticked []offer.BoxKind, lang i18n.Lang, a offer.Asked) (offer.Act, error)
	Declare(v offer.Visit, w offer.Withdrawal, lang i18n.Lang) (string, error)
	Withdraw(ctx context.Context, v offer.Visit, w offer.Withdrawal, lang i18n.Lang, a offer.Asked) (offer.Act, error)
	Unwatch(ctx context.Context, v offer.Visit, wording string) error
	Act(ctx context.Context, r offer.Recipient, a offer.ActID) (offer.Act, error)
	VisitOf(ctx context.Context, a offer.Act) (offer.Visit, error)
	ReceiptPDF(v offer.Visit, a offer.Act) ([]byte, error)
}

// Limiter counts requests by a name; *public.Limiter does.
type Limiter interface {
	Take(remote string) time.Duration
}

// Config is what the pages stand on. Fields without a stated default are needed.
type Config struct {
	Offers  Offers
	Catalog *i18n.Catalog
	// Reading bounds all requests of a network, Telling the forms it sends, and Guessing
	// the passwords entered for one recipient, from wherever they come.
	Reading, Telling, Guessing Limiter
	// ClientIP tells the address a request came from; nil takes the peer of the connection.
	ClientIP func(*http.Request) string
	// Frames is who may frame previews besides the pages' own origin; "": nobody.
	Frames string
	Zone   *time.Location // of tenants without one; nil: UTC
	Now    func() time.Time
	Log    *slog.Logger // nil: discard
}

const (
	stylePath = offer.Path + "style.css"
	// trapPath is where the link of the page leads that no person sees or reaches.
	trapPath = "/p"
	// maxBody bounds a form.
	maxBody = 16 << 10
)

//go:embed style.css
var stylesheet []byte

type door struct{ Config }

// New makes the pages, for the paths under offer.Path and offer.PreviewPath. It is safe
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
	d := &door{c}
	mux := http.NewServeMux()
	const one = offer.Path + "{token}"
	mux.HandleFunc("GET "+stylePath, d.style)
	mux.HandleFunc("GET "+one, d.visiting(d.show))
	mux.HandleFunc("GET "+one+brandPath, d.visiting(d.brand))
	mux.HandleFunc("GET "+one+logoPath, d.visiting(d.logo))
	mux.HandleFunc("POST "+one+"/unlock", d.visiting(d.unlock))
	mux.HandleFunc("GET "+one+"/f/{file}", d.visiting(d.fetch))
	mux.HandleFunc("GET "+one+"/l/{link}", d.visiting(d.follow))
	mux.HandleFunc("GET "+one+trapPath, d.visiting(d.trap))
	mux.HandleFunc("GET "+one+"/notice", d.visiting(d.notice))
	mux.HandleFunc("POST "+one+"/confirm", d.visiting(d.confirm))
	mux.HandleFunc("POST "+one+"/like/{unit}", d.visiting(d.like))
	mux.HandleFunc("POST "+one+"/unwatch", d.visiting(d.unwatch))
	mux.HandleFunc("GET "+one+"/withdraw", d.visiting(d.beginWithdrawal))
	mux.HandleFunc("POST "+one+"/withdraw", d.visiting(d.withdraw))
	mux.HandleFunc("GET "+one+"/receipt/{act}", d.visiting(d.receipt))
	mux.HandleFunc("GET "+offer.PreviewPath+"{token}", d.preview)
	mux.HandleFunc("GET "+offer.PreviewPath+"{token}/f/{file}", d.previewFile)
	mux.HandleFunc("GET "+offer.PreviewPath+"{token}"+brandPath, d.previewBrand)
	mux.HandleFunc("GET "+offer.PreviewPath+"{token}"+logoPath, d.previewLogo)
	return d.guarded(http.NewCrossOriginProtection().Handler(mux))
}

// policy lets a page load its style sheet and pictures, and send its forms home.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors "

func (d *door) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy+"'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		// Other sites learn nothing of the address; our own forms keep their origin.
		h.Set("Referrer-Policy", "same-origin")
		if wait := d.Reading.Take(d.ClientIP(r)); wait > 0 {
			d.limited(w, r, wait)
			return
		}
		if r.Method == http.MethodPost {
			if wait := d.Telling.Take(d.ClientIP(r)); wait > 0 {
				d.limited(w, r, wait)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			if err := r.ParseForm(); err != nil {
				d.sorry(w, r, http.StatusBadRequest, "unreadable")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (d *door) limited(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	d.sorry(w, r, http.StatusTooManyRequests, "limited")
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
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a preview in its sandbox is of no origin
	_, _ = w.Write(stylesheet)                            // the reader left: nothing to be done
}

// asked is what a request tells of who made it. Programs that fetch ahead of time say so;
// they are no more than a question whether the page is there.
func (d *door) asked(r *http.Request) offer.Asked {
	ahead := strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch")
	return offer.Asked{Remote: d.ClientIP(r), UserAgent: r.UserAgent(), Language: r.Header.Get("Accept-Language") != "", Head: r.Method == http.MethodHead || ahead}
}

// visiting opens the link of a path.
func (d *door) visiting(do func(http.ResponseWriter, *http.Request, page)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := d.Offers.Visit(r.Context(), r.PathValue("token"), r.URL.Query().Get("k"))
		if err != nil {
			d.failed(w, r, err)
			return
		}
		do(w, r, d.page(r, v, offer.Path+r.PathValue("token")))
	}
}

// page is what every template needs.
type page struct {
	i18n.Clock
	offer.Visit
	catalog *i18n.Catalog
	base    string // path of the offer
	key     string // behind a password
	done    string
	// problems are sentences by field; values what was typed.
	problems map[string]string
	values   map[string]string
	text     string // of a withdrawal
	act      *offer.Act
}

func (d *door) page(r *http.Request, v offer.Visit, base string) page {
	q := r.URL.Query()
	lang := i18n.Lang(q.Get("lang"))
	if !lang.Valid() {
		lang = i18n.Negotiate(r.Header.Get("Accept-Language"))
	}
	zone := d.Zone
	if v.Tenant.Name != "" {
		zone = v.Tenant.Zone(d.Zone)
	}
	return page{Clock: i18n.Clock{Lang: lang, Zone: zone, Now: d.Now()}, Visit: v, catalog: d.Catalog, base: base, key: q.Get("k"), done: q.Get("done"),
		problems: map[string]string{}, values: map[string]string{}}
}

// t is the text of a key, in the tone in which the tenant speaks to its customers.
func (p page) t(key string, args i18n.Args) string {
	tone := i18n.Tone(p.Visit.Tenant.CustomerTone)
	if tone == "" {
		tone = i18n.Sie
	}
	if args == nil {
		args = i18n.Args{}
	}
	args["tenant"] = p.Visit.Tenant.Name
	return p.catalog.Text(p.Lang, tone, "offerpage."+key, args)
}

// at is the address of a part of the offer.
func (p page) at(path string) string {
	q := url.Values{}
	if p.key != "" {
		q.Set("k", p.key)
	}
	if len(q) == 0 {
		return p.base + path
	}
	return p.base + path + "?" + q.Encode()
}

// back leads to the page of the offer and tells what was done.
func (d *door) back(w http.ResponseWriter, r *http.Request, p page, done, anchor string) {
	target := p.at("")
	if done != "" {
		if strings.Contains(target, "?") {
			target += "&done=" + done
		} else {
			target += "?done=" + done
		}
	}
	http.Redirect(w, r, target+anchor, http.StatusSeeOther) //nolint:gosec // G710: a path of these pages
}

// sorry answers without an offer; what is its reason.
func (d *door) sorry(w http.ResponseWriter, r *http.Request, status int, what string) {
	d.render(w, r, status, sorryPage(d.page(r, offer.Visit{}, ""), what))
}

// failed answers an error: what is not there looks all the same.
func (d *door) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch f := fault.As(err); {
	case f != nil && f.Kind == fault.NotFound:
		d.sorry(w, r, http.StatusNotFound, "unknown")
	case f != nil && f.Kind == fault.Limited:
		d.limited(w, r, max(f.RetryAfter, time.Minute))
	default:
		if r.Context().Err() == nil {
			d.Log.ErrorContext(r.Context(), "page of an offer failed", "err", err)
		}
		w.Header().Set("Retry-After", "30")
		d.sorry(w, r, http.StatusServiceUnavailable, "broken")
	}
}

func (d *door) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		d.Log.ErrorContext(r.Context(), "page of an offer not rendered", "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the reader left: nothing to be done
	}
}

// file sends a document or picture. It never runs in the page's name: it is a download or
// a picture, in a sandbox (T30).
func (d *door) file(w http.ResponseWriter, r *http.Request, f offer.File, data []byte) {
	h := w.Header()
	way := "attachment"
	if f.Kind == offer.Picture {
		way = "inline"
		h.Set("Cache-Control", "private, max-age=300")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", f.Media)
	h.Set("Content-Disposition", mime.FormatMediaType(way, map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) //nolint:gosec // G705: a PDF or a picture written anew, with nosniff and in a sandbox
	}
}

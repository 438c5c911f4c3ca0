package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/a-h/templ"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// A page is what every template needs to know of the request: the reader, their
// language and look, and where they are.
type page struct {
	i18n.Clock
	catalog  *i18n.Catalog
	tone     i18n.Tone
	assets   *assets
	can      func(tenant.Role, string) bool
	who      tenant.Identity
	signedIn bool
	theme    string // "", "light" or "dark"
	path     string // of the request with its query, to come back to
	query    string // what stands in the search box
	room     string // current entry of the navigation
	title    string
	live     bool   // the page keeps itself fresh
	host     string // name of the office on the net
}

// T is the text of a key; pairs are placeholder names and their values in turn.
func (p page) T(key string, pairs ...any) string {
	args := i18n.Args{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return p.catalog.Text(p.Lang, p.tone, key, args)
}

// Either is the text of key if there is one, otherwise that of fallback.
func (p page) Either(key, fallback string, pairs ...any) string {
	if p.catalog.Has(key) {
		return p.T(key, pairs...)
	}
	return p.T(fallback, pairs...)
}

// Can reports whether the reader has the permission.
func (p page) Can(permission string) bool { return p.can(p.who.User.Role, permission) }

func (o *office) newPage(r *http.Request, who tenant.Identity) page {
	p := page{catalog: o.Catalog, assets: o.assets, can: o.Can, who: who, path: r.URL.RequestURI(), host: o.host}
	p.signedIn = !who.User.ID.IsZero()
	p.Clock = i18n.Clock{Lang: o.languageOf(r, who), Zone: o.Zone, Now: o.Now()}
	p.tone = i18n.Tone(who.Tenant.OfficeTone)
	if t := cookieValue(r, themeCookie); t == "light" || t == "dark" {
		p.theme = t
	}
	return p
}

// languageOf follows the reader's own choice, then the account's, then the browser's.
func (o *office) languageOf(r *http.Request, who tenant.Identity) i18n.Lang {
	for _, choice := range []string{cookieValue(r, langCookie), who.User.Locale, who.Tenant.Locale} {
		if lang := i18n.Lang(choice); lang.Valid() {
			return lang
		}
	}
	return i18n.Negotiate(r.Header.Get("Accept-Language"))
}

// render writes a whole page. It is rendered before the first byte goes out, so
// that a fault in the middle can still become an error page.
func (o *office) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		return fmt.Errorf("render %s: %w", r.URL.Path, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding, Cookie, Accept-Language")
	body := b.Bytes()
	if len(body) > 1400 && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = squeeze(body, gzip.BestSpeed)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader left: nothing to be done
	}
	return nil
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.TrimSpace(weight) != "q=0" {
			return true
		}
	}
	return false
}

func squeeze(data []byte, level int) []byte {
	var b bytes.Buffer
	// A bytes.Buffer takes everything and the levels are constants: no error can come.
	z, _ := gzip.NewWriterLevel(&b, level)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

// statusOf is the office's one table from kinds of refusal to HTTP.
func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with a page about err: the refusal's own sentence, or for anything
// else a generic one while the log keeps the cause.
func (o *office) fail(w http.ResponseWriter, r *http.Request, p page, err error) {
	if r.Context().Err() != nil || errors.Is(err, syscall.EPIPE) {
		return
	}
	e := fault.As(err)
	if e == nil {
		e = &fault.Error{Kind: "internal", Code: "internal"}
	}
	status := statusOf(e.Kind)
	if status >= http.StatusInternalServerError {
		o.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "tenant", p.who.Tenant.ID.String(), "err", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	}
	p.title = p.T("error." + string(e.Kind) + ".title")
	if renderErr := o.render(w, r, status, refusalPage(p, e, status)); renderErr != nil {
		o.Log.ErrorContext(r.Context(), "error page failed", "err", renderErr)
		http.Error(w, http.StatusText(status), status)
	}
}

// faultText is the sentence for a refusal; value is the input it speaks about.
func (p page) faultText(e *fault.Error, value string) string {
	wait := max(int(e.RetryAfter.Minutes()+0.99), 1)
	return p.Either("fault."+e.Code, "fault.kind."+string(e.Kind), "value", shorten(value, 60), "code", e.Code, "minutes", wait)
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func peerAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (p page) bytes(n int64) string { return i18n.Bytes(p.Lang, n) }

func (p page) number(n int64) string { return i18n.Number(p.Lang, n) }

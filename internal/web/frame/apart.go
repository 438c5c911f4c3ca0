package frame

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// ApartPath is below what the host for the content of mails shows what routes with
// Route.Apart answer.
const ApartPath = "/f/"

const (
	// passLasts is as long as it takes to be led to the other host; whoever asks the office
	// again is given another pass.
	passLasts = 5 * time.Minute
	// maxApart bounds a form that is sent on to the other host.
	maxApart = 8 << 20
	// apartPolicy is that of an answer that brings none of its own.
	apartPolicy = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
)

// pass lets its bearer ask for one thing on the host for the content of mails: one address
// and, of a form, the very bytes that the office was sent. It says all that the answer needs
// to know of the reader, because no cookie gets there.
type pass struct {
	Tenant tenant.ID   `json:"t"`
	Zone   string      `json:"z,omitempty"` // the account's own
	Tone   tenant.Tone `json:"o,omitempty"` // the account's for the office
	Lang   i18n.Lang   `json:"l"`
	Method string      `json:"m"`
	At     string      `json:"a"`           // path and query
	Body   []byte      `json:"b,omitempty"` // SHA-256 of the form
	Ends   int64       `json:"e"`           // seconds
}

// passKey is where the context of a request has its pass.
type passKey struct{}

// apart reports whether there is a host for the content of mails.
func (f *Frame) apart() bool { return f.PreviewOrigin != "" && len(f.PreviewKey) > 0 }

func (f *Frame) passMAC(text string) []byte {
	h := hmac.New(sha256.New, f.PreviewKey)
	h.Write([]byte("apart 1\n" + text))
	return h.Sum(nil)
}

// leadApart answers with the way to the other host, where the same request is made again: the
// office has found out that the reader may ask, and shows nothing itself.
func (f *Frame) leadApart(w http.ResponseWriter, r *http.Request, p Page) error {
	who := p.Who.Tenant
	v := pass{Tenant: who.ID, Zone: who.TimeZone, Tone: who.OfficeTone, Lang: p.Lang, Method: r.Method, At: r.URL.RequestURI(), Ends: f.Now().Add(passLasts).Unix()}
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxApart))
		if err != nil {
			return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
		}
		sum := sha256.Sum256(body)
		v.Body = sum[:]
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	w.Header().Set("Cache-Control", "no-store")
	// 307: the form goes on as it is, which a browser does without a script.
	http.Redirect(w, r, f.PreviewOrigin+ApartPath+text+"."+base64.RawURLEncoding.EncodeToString(f.passMAC(text))+v.At, http.StatusTemporaryRedirect)
	return nil
}

// opened reads the pass of a request, and what it asks for; false for one that was made up,
// changed, is over, or is of another address.
func (f *Frame) opened(r *http.Request) (v pass, at string, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), ApartPath)
	if !ok {
		return v, "", false
	}
	token, at, ok := strings.Cut(rest, "/")
	text, sum, signed := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if !ok || !signed || err != nil || !hmac.Equal(mac, f.passMAC(text)) {
		return v, "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || json.Unmarshal(raw, &v) != nil {
		return v, "", false
	}
	if at = "/" + at; r.URL.RawQuery != "" || r.URL.ForceQuery {
		at += "?" + r.URL.RawQuery
	}
	left := time.Unix(v.Ends, 0).Sub(f.Now())
	return v, at, v.Method == r.Method && v.At == at && left > 0 && left <= passLasts+time.Second
}

// Apart answers for what routes with Route.Apart show, on the host for the content of mails;
// nil where there is none. It knows no cookie, and shows what the pass in an address names to
// whoever has it. Handler must have been called.
func (f *Frame) Apart(routes []Route) http.Handler {
	if !f.apart() {
		return nil
	}
	mux := http.NewServeMux()
	for _, rt := range routes {
		if rt.Apart {
			mux.Handle(rt.Pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.showApart(w, r, rt) }))
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", strings.Replace(apartPolicy, "'self'", f.origin, 1))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-site")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		v, at, ok := f.opened(r)
		if !ok {
			http.NotFound(w, r)
			return
		}
		inner, err := http.NewRequestWithContext(r.Context(), r.Method, at, http.NoBody) //nolint:gosec // G704: asks nobody, it is handed to our own map
		if err != nil {
			http.NotFound(w, r)
			return
		}
		inner.RemoteAddr, inner.Host, inner.RequestURI = r.RemoteAddr, f.host, at
		if v.Method == http.MethodPost {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxApart))
			sum := sha256.Sum256(body)
			if err != nil || !hmac.Equal(sum[:], v.Body) {
				http.NotFound(w, r)
				return
			}
			inner.Header.Set("Content-Type", r.Header.Get("Content-Type"))
			inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		mux.ServeHTTP(w, inner.WithContext(context.WithValue(inner.Context(), passKey{}, v))) //nolint:contextcheck // inner has the context of r
	})
}

// showApart lets a route answer for the account of a pass.
func (f *Frame) showApart(w http.ResponseWriter, r *http.Request, rt Route) {
	v, ok := r.Context().Value(passKey{}).(pass)
	if !ok {
		http.NotFound(w, r)
		return
	}
	who := tenant.Identity{Tenant: tenant.Tenant{ID: v.Tenant, TimeZone: v.Zone, OfficeTone: v.Tone}}
	p := f.newPage(r, who)
	p.Lang = v.Lang
	err := rt.Do(&apartWriter{ResponseWriter: w, office: f.origin}, r, p)
	if err == nil || r.Context().Err() != nil {
		return
	}
	status := http.StatusInternalServerError
	if e := fault.As(err); e != nil {
		status = StatusOf(e.Kind)
	}
	if status >= http.StatusInternalServerError {
		f.Log.ErrorContext(r.Context(), "preview failed", "path", r.URL.Path, "tenant", v.Tenant.String(), "err", err)
	}
	http.Error(w, http.StatusText(status), status)
}

// apartWriter makes the policies of pages that the office shows in its own frames those of
// another host, which the office alone may frame, and keeps cookies away.
type apartWriter struct {
	http.ResponseWriter
	office string
	begun  bool
}

// WriteHeader implements http.ResponseWriter.
func (w *apartWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		h := w.Header()
		policy := strings.Replace(h.Get("Content-Security-Policy"), "frame-ancestors 'self'", "frame-ancestors "+w.office, 1)
		if !strings.HasSuffix(policy, "; sandbox") {
			policy += "; sandbox"
		}
		h.Set("Content-Security-Policy", policy)
		h.Del("X-Frame-Options")
		h.Del("Set-Cookie")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *apartWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

package frame

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/fault"
)

// Render writes a whole page. It is rendered before the first byte goes out, so
// that a fault in the middle can still become an error page.
func (p Page) Render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Encoding, Cookie, Accept-Language")
	return p.write(w, r, status, c)
}

// RenderPublic writes a whole page that is the same for everybody (Page.Public) and may be
// kept for the time by whoever passes it on. vary names the request's fields it depends on.
func (p Page) RenderPublic(w http.ResponseWriter, r *http.Request, c templ.Component, keep time.Duration, vary ...string) error {
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keep.Seconds())))
	w.Header().Set("Vary", strings.Join(append([]string{"Accept-Encoding"}, vary...), ", "))
	return p.write(w, r, http.StatusOK, c)
}

func (p Page) write(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		return fmt.Errorf("render %s: %w", r.URL.Path, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
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

// StatusOf is the office's one table from kinds of refusal to HTTP.
func StatusOf(kind fault.Kind) int {
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

// Failed keeps in the log what a page goes on without; part says of what.
func (p Page) Failed(r *http.Request, part string, err error) {
	p.frame.Log.ErrorContext(r.Context(), "part of a page failed", "path", r.URL.Path, "part", part, "tenant", p.Tenant().String(), "err", err)
}

// fail answers with a page about err: the refusal's own sentence, or for anything
// else a generic one while the log keeps the cause.
func (f *Frame) fail(w http.ResponseWriter, r *http.Request, p Page, err error) {
	if r.Context().Err() != nil || errors.Is(err, syscall.EPIPE) {
		return
	}
	e := fault.As(err)
	if e == nil {
		e = &fault.Error{Kind: "internal", Code: "internal"}
	}
	status := StatusOf(e.Kind)
	if status >= http.StatusInternalServerError {
		f.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "tenant", p.Tenant().String(), "err", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	}
	p.Title = p.T("error." + string(e.Kind) + ".title")
	if renderErr := p.Render(w, r, status, refusal(p, e, status)); renderErr != nil {
		f.Log.ErrorContext(r.Context(), "error page failed", "err", renderErr)
		http.Error(w, http.StatusText(status), status)
	}
}

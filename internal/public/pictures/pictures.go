// Package pictures serves the pictures of libraries to mail programs.
//
// It is a part of the door public (floor 4). Package stationery/pictures makes and reads the
// addresses; this package answers requests. What an address leads to never changes, so whoever
// has it keeps it. There is no cookie, nothing is counted by recipient, and nothing tells the
// sender who looked.
package pictures

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/fault"
	"stafette/internal/stationery/pictures"
)

// Library opens addresses; *pictures.Service does.
type Library interface {
	Open(ctx context.Context, file string) (pictures.Picture, []byte, error)
}

// Limiter counts the requests of networks; *public.Limiter does.
type Limiter interface {
	Take(remote string) time.Duration
}

// Config is what the door stands on. Library is needed.
type Config struct {
	Library  Library
	Limiter  Limiter // nil: nobody counts
	ClientIP func(*http.Request) string
	Log      *slog.Logger // nil: discard
}

// New makes the handler for the paths under pictures.Path. It is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ClientIP == nil {
		c.ClientIP = func(r *http.Request) string { return r.RemoteAddr }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pictures.Path+"{file}", c.show)
	return mux
}

func (c Config) show(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // mail programs on the web show it
	if c.Limiter != nil {
		if wait := c.Limiter.Take(c.ClientIP(r)); wait > 0 {
			h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
	}
	p, data, err := c.Library.Open(r.Context(), r.PathValue("file"))
	switch {
	case fault.IsKind(err, fault.NotFound):
		h.Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	case err != nil:
		c.Log.ErrorContext(r.Context(), "picture not served", "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	tag := `"` + hex.EncodeToString(p.Hash[:16]) + `"`
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", p.Media)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) //nolint:gosec // G705: a picture drawn anew, with nosniff and in a sandbox; a reader who left is no error
	}
}

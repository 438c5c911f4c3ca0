// Package mailings shows a mail of a mailing as a page to whoever has the link that stands in
// it („Im Browser ansehen“).
//
// It is a part of the door public (floor 4). Package campaign makes and reads links; this
// package answers requests. The page is an origin of its own by its policy: no script, no
// form, no cookie, and no pixel of ours.
package mailings

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
)

// Views opens links; *campaign.Views does.
type Views interface {
	Open(ctx context.Context, token string) (string, error)
}

// Limiter counts the requests of networks; *public.Limiter does.
type Limiter interface {
	Take(remote string) time.Duration
}

// Config is what the door stands on. Views is needed.
type Config struct {
	Views    Views
	Limiter  Limiter // nil: nobody counts
	ClientIP func(*http.Request) string
	Log      *slog.Logger // nil: discard
}

// policy holds a sender's HTML: pictures may be fetched, links open in a window of their own.
const policy = "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; " +
	"sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"

// New makes the handler for the paths under campaign.ViewPath. It is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ClientIP == nil {
		c.ClientIP = func(r *http.Request) string { return r.RemoteAddr }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+campaign.ViewPath+"{token}", c.show)
	return mux
}

func (c Config) show(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if c.Limiter != nil {
		if wait := c.Limiter.Take(c.ClientIP(r)); wait > 0 {
			h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
	}
	page, err := c.Views.Open(r.Context(), r.PathValue("token"))
	switch {
	case fault.IsKind(err, fault.NotFound):
		http.NotFound(w, r)
	case err != nil:
		c.Log.ErrorContext(r.Context(), "mail not shown as a page", "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page) //nolint:gosec // G705: in a sandbox by its policy; a reader who left is no error
	}
}

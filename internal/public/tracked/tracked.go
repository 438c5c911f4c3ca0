// Package tracked is the door that recipients' mail programs and browsers come through:
// the picture that says a mail was opened, and the links that lead to where the sender
// pointed.
//
// It is a door (floor 4) behind the journey; package tracking reads the tokens and keeps
// what was done. The picture looks the same whatever is asked for, and a link that is
// unknown, forged or taken back leads to one plain page: nobody learns from an answer which
// tokens are good. No cookie is set or read. Targets lie in the store and never in an
// address, so that no link here leads anywhere its sender did not point.
package tracked

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Visits is what the door needs of package tracking. *tracking.Visits is one.
type Visits interface {
	Open(ctx context.Context, token string, who tracking.Visitor) error
	Follow(ctx context.Context, token string, who tracking.Visitor) (target string, err error)
}

// Config is what the door stands on. Fields without a stated default are needed.
type Config struct {
	Visits Visits
	// Own reports whether a host name is a tenant's own for links, and whose; nil: there are
	// none. Tokens of others are unknown there.
	Own func(ctx context.Context, host string) (tenant.ID, bool)
	// Unknown answers where a link leads nowhere; it sets the status. nil: a line of text.
	Unknown http.Handler
	Log     *slog.Logger // nil: discard
}

// pixel is a transparent GIF of one pixel.
const pixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

type door struct{ Config }

// Serves reports whether the door answers a path.
func Serves(path string) bool {
	return strings.HasPrefix(path, tracking.PixelPath) || strings.HasPrefix(path, tracking.LinkPath)
}

// New makes the door, for paths that it Serves. It is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Unknown == nil {
		c.Unknown = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Dieser Link ist nicht (mehr) gültig. This link is not valid (any more).", http.StatusNotFound)
		})
	}
	unknown := c.Unknown
	c.Unknown = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What leads on is empty, nothing of it is shown; this is a page.
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		unknown.ServeHTTP(w, r)
	})
	d := &door{c}
	headers := http.Header{
		"Cache-Control": {"no-store, private"},
		// The address is a capability: it must not travel on as a referrer.
		"Referrer-Policy": {"no-referrer"},
		"X-Robots-Tag":    {"noindex, nofollow"},
	}
	picture := http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"Content-Type":                 {"image/gif"},
		"Content-Length":               {strconv.Itoa(len(pixel))},
		"Cross-Origin-Resource-Policy": {"cross-origin"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		maps.Copy(h, headers)
		path := r.URL.Path
		if token, ok := tokenOf(path, tracking.PixelPath); ok && served(r) {
			maps.Copy(h, picture)
			d.open(w, r, token)
		} else if token, ok := tokenOf(path, tracking.LinkPath); ok && served(r) {
			d.follow(w, r, token)
		} else {
			d.Unknown.ServeHTTP(w, r)
		}
	})
}

// tokenOf is the one segment of a path that follows where.
func tokenOf(path, where string) (string, bool) {
	token, ok := strings.CutPrefix(path, where)
	return token, ok && token != "" && !strings.Contains(token, "/")
}

func served(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (d *door) open(w http.ResponseWriter, r *http.Request, token string) {
	status := http.StatusOK
	if err := d.Visits.Open(r.Context(), token, d.visitor(r)); err != nil && !errors.Is(err, tracking.ErrForeign) {
		d.complain(r, err)
		status = http.StatusServiceUnavailable // a proxy may ask again; people see nothing either way
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, pixel) // the reader left: nothing to be done
	}
}

func (d *door) follow(w http.ResponseWriter, r *http.Request, token string) {
	target, err := d.Visits.Follow(r.Context(), token, d.visitor(r))
	if err != nil && !errors.Is(err, tracking.ErrForeign) {
		d.complain(r, err)
	}
	if target == "" {
		d.Unknown.ServeHTTP(w, r)
		return
	}
	w.Header()["Location"] = []string{target}
	w.WriteHeader(http.StatusFound)
}

// owner is who alone may have tokens at the host that was asked; zero: everybody.
func (d *door) owner(r *http.Request) tenant.ID {
	if d.Own == nil {
		return tenant.ID{}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	owner, _ := d.Own(r.Context(), strings.ToLower(host))
	return owner
}

func (d *door) complain(r *http.Request, err error) {
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), "activity not recorded", "err", err)
	}
}

// visitor is what a request shows of its client.
func (d *door) visitor(r *http.Request) tracking.Visitor {
	h := r.Header
	v := tracking.Visitor{UserAgent: h.Get("User-Agent"), Language: h.Get("Accept-Language") != "", Head: r.Method == http.MethodHead, Only: d.owner(r)}
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} { // as the server spells them
		if values := h[name]; len(values) > 0 {
			v.Prefetch = v.Prefetch || strings.Contains(strings.ToLower(values[0]), "prefetch") || strings.EqualFold(values[0], "preview")
		}
	}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		v.IP = a.Addr().Unmap()
	}
	return v
}

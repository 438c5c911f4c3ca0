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
	Tenant(p tracking.Purpose, token string) (tenant.ID, error)
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

// Paths are those that the door answers, as patterns of http.ServeMux.
func Paths() []string { return []string{tracking.PixelPath, tracking.LinkPath} }

// New makes the door, for Paths. It is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Unknown == nil {
		c.Unknown = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Dieser Link ist nicht (mehr) gültig. This link is not valid (any more).", http.StatusNotFound)
		})
	}
	d := &door{c}
	headers := http.Header{
		"Cache-Control":          {"no-store, private"},
		"X-Content-Type-Options": {"nosniff"},
		// The address is a capability: it must not travel on as a referrer.
		"Referrer-Policy":         {"no-referrer"},
		"X-Robots-Tag":            {"noindex, nofollow"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tracking.PixelPath+"{token}", d.open)
	mux.HandleFunc("GET "+tracking.LinkPath+"{token}", d.follow)
	mux.Handle("/", c.Unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), headers)
		mux.ServeHTTP(w, r)
	})
}

func (d *door) open(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	status := http.StatusOK
	if d.here(r, tracking.ForPixel, token) {
		if err := d.Visits.Open(r.Context(), token, visitor(r)); err != nil && !errors.Is(err, tracking.ErrForeign) {
			d.complain(r, err)
			status = http.StatusServiceUnavailable // a proxy may ask again; people see nothing either way
		}
	}
	h := w.Header()
	h.Set("Content-Type", "image/gif")
	h.Set("Content-Length", strconv.Itoa(len(pixel)))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(pixel)) // the reader left: nothing to be done
	}
}

func (d *door) follow(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if !d.here(r, tracking.ForLink, token) {
		d.Unknown.ServeHTTP(w, r)
		return
	}
	target, err := d.Visits.Follow(r.Context(), token, visitor(r))
	if err != nil && !errors.Is(err, tracking.ErrForeign) {
		d.complain(r, err)
	}
	if target == "" {
		d.Unknown.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
}

// here reports whether the host that was asked may answer for a token.
func (d *door) here(r *http.Request, p tracking.Purpose, token string) bool {
	if d.Own == nil {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	owner, own := d.Own(r.Context(), strings.ToLower(host))
	if !own {
		return true
	}
	t, err := d.Visits.Tenant(p, token)
	return err == nil && t == owner
}

func (d *door) complain(r *http.Request, err error) {
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), "activity not recorded", "err", err)
	}
}

func visitor(r *http.Request) tracking.Visitor {
	h := r.Header
	v := tracking.Visitor{UserAgent: h.Get("User-Agent"), Language: h.Get("Accept-Language") != "", Head: r.Method == http.MethodHead}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} {
		v.Prefetch = v.Prefetch || strings.Contains(strings.ToLower(h.Get(name)), "prefetch") || strings.EqualFold(h.Get(name), "preview")
	}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		v.IP = a.Addr().Unmap()
	}
	return v
}

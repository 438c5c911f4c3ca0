// Package frame is what all pages of the office share: who reads, in which language
// and look, past which guards, within which layout and out of which components.
//
// It belongs to the door web (floor 4). A subject package (messages, overview, …)
// brings a list of Routes; the frame finds out who asks, refuses who may not, hands
// the rest a Page, and turns a returned error into a page of its own. It knows no
// subject: no store, no mail, nothing but the reader. The look of every component
// stands on the page /components.
package frame

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// Config is what the frame stands on. Fields without a default are needed.
type Config struct {
	Auth    tenant.Authenticator
	Catalog *i18n.Catalog
	// PublicURL is the origin people use, "https://post.example". With https the
	// session cookie gets the __Host- prefix and the browser is told to stay on TLS.
	PublicURL string
	// ClientIP tells the address a request came from, for throttling; nil takes
	// the peer of the connection.
	ClientIP func(*http.Request) string
	// Visited keeps what staff look at while they visit a tenant, in the tenant's record,
	// before they see it: what cannot be kept is not shown. nil keeps nothing.
	Visited func(ctx context.Context, a audit.Act) error
	// PreviewOrigin is where the content of mails is shown apart from the office,
	// "https://preview.post.example"; "": within it.
	PreviewOrigin string
	// PreviewKey authenticates what may be asked for there (Frame.Apart); all nodes have the
	// same. nil: routes with Route.Apart answer within the office.
	PreviewKey []byte
	// Unread counts what recipients did that a person of a tenant has not seen, at most
	// 100; nil leaves the way to it out of the pages' heads.
	Unread func(ctx context.Context, t tenant.ID, u tenant.UserID) (int, error)
	// Now is the clock; it is needed.
	Now func() time.Time
	// Zone is the time zone of all pages; nil is UTC.
	Zone *time.Location
	// Stopping is closed when the process stops and streams must end; nil: never.
	Stopping <-chan struct{}
	// Log may be nil.
	Log *slog.Logger
}

// Frame carries the pages of one office. It is safe for concurrent use once
// Handler has been called.
type Frame struct {
	Config
	assets  *assets
	origin  string // of PublicURL
	host    string
	secure  bool
	entries []entry
	visits  visits
}

// New makes a frame without pages. It reads nothing but its Config and starts nothing.
func New(c Config) (*Frame, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("office: public URL %q is not an origin", c.PublicURL)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ClientIP == nil {
		c.ClientIP = peerAddress
	}
	files, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("office: %w", err)
	}
	return &Frame{Config: c, assets: files, origin: public.Scheme + "://" + public.Host, host: public.Host, secure: public.Scheme == "https"}, nil
}

// Handler puts the guards around the routes, for a whole host. It is called once.
func (f *Frame) Handler(routes []Route) (http.Handler, error) {
	f.entries = entriesOf(routes)
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.Pattern, f.serve(rt))
	}
	mux.Handle("GET /assets/", f.assets)
	mux.Handle("/", f.serve(Route{Access: Anyone, Do: nowhere}))

	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(f.origin); err != nil {
		return nil, fmt.Errorf("office: %w", err)
	}
	guard.SetDenyHandler(f.serve(Route{Access: Anyone, Do: crossSite}))
	return f.harden(guard.Handler(mux)), nil
}

func nowhere(http.ResponseWriter, *http.Request, Page) error {
	return fault.New(fault.NotFound, "page_not_found", "no such page")
}

func crossSite(http.ResponseWriter, *http.Request, Page) error {
	return fault.New(fault.Forbidden, "cross_site", "the request came from another site")
}

func peerAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Package web is the office: the pages on which the people of a tenant send mail
// and see what became of it.
//
// It is a door (floor 4). It signs people in, asks insight, queue and ingest, and
// renders their answers in the reader's language with plain forms and links; a
// small script only keeps pages fresh. It decides nothing about mail itself, has
// no pages for recipients (public) or for the platform's staff, and never speaks
// SQL or SMTP.
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Permissions that routes ask for; Config.Can knows who has them.
const (
	PermissionRead    = "messages.read"
	PermissionSend    = "messages.send"
	PermissionCommand = "queue.command"
)

// Tenants is what the office needs to know of a tenant; tenant.Store has it.
type Tenants interface {
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Bodies reads messages in clear; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Commands changes what waits; queue.Store does.
type Commands interface {
	Apply(ctx context.Context, c queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error)
}

// Reasons explains bounce classes; *bounce.Table does. An unknown class is "".
type Reasons interface {
	Sentence(class bounce.Class, lang string) string
}

// Config is everything the office stands on. Fields without a default are needed.
type Config struct {
	Auth     tenant.Authenticator
	Tenants  Tenants
	Acceptor ingest.Acceptor
	Insight  insight.Store
	Spool    Bodies
	Commands Commands
	Hub      *event.Hub
	Catalog  *i18n.Catalog
	Reasons  Reasons
	// Can reports whether a role has one of the permissions above.
	Can func(role tenant.Role, permission string) bool
	// ParseMailbox reads one address as a person types it, with or without a name.
	// Its refusals are *fault.Error.
	ParseMailbox func(text string) (message.Mailbox, error)
	// PublicURL is the origin people use, "https://post.example". With https the
	// session cookie gets the __Host- prefix and the browser is told to stay on TLS.
	PublicURL string
	// ClientIP tells the address a request came from, for throttling; nil takes
	// the peer of the connection.
	ClientIP func(*http.Request) string
	// Now is the clock; it is needed.
	Now func() time.Time
	// Zone is the time zone of all pages; nil is UTC.
	Zone *time.Location
	// MaxUpload bounds a posted message with its attachments; 0 is 32 MiB.
	MaxUpload int64
	// LiveFor ends a live stream, so that a session that was closed loses it soon;
	// the browser comes back by itself. 0 is 5 minutes.
	LiveFor time.Duration
	// Log may be nil.
	Log *slog.Logger
}

type office struct {
	Config
	assets *assets
	origin string // of PublicURL
	host   string
	secure bool
	streams
}

// New returns the office as a handler for a whole host. It reads nothing but its
// Config and starts nothing; it is safe for concurrent use.
func New(c Config) (http.Handler, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("office: public URL %q is not an origin", c.PublicURL)
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = 32 << 20
	}
	if c.LiveFor == 0 {
		c.LiveFor = 5 * time.Minute
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
	o := &office{Config: c, assets: files, origin: public.Scheme + "://" + public.Host, host: public.Host, secure: public.Scheme == "https"}
	o.open = map[tenant.UserID]int{}
	return o.handler()
}

// handler puts the guards around the routes, outermost last.
func (o *office) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.Handle(rt.pattern, o.serve(rt))
	}
	mux.Handle("GET /assets/", o.assets)
	mux.Handle("/", o.serve(route{access: anyone, do: (*office).nowhere}))

	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(o.origin); err != nil {
		return nil, fmt.Errorf("office: %w", err)
	}
	guard.SetDenyHandler(o.serve(route{access: anyone, do: (*office).crossSite}))
	return o.harden(guard.Handler(mux)), nil
}

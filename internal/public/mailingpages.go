package public

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/i18n"
)

// Publisher opens public mailings; *campaign.Publisher does.
type Publisher interface {
	Open(ctx context.Context, token string) (campaign.Page, error)
	List(ctx context.Context, token string) (campaign.Pages, error)
}

// PagesConfig is what the pages of public mailings stand on. Fields without a stated default
// are needed.
type PagesConfig struct {
	Publisher Publisher
	Catalog   *i18n.Catalog
	// ClientIP and PerMinute are as in Config.
	ClientIP  func(*http.Request) string
	PerMinute int
	Zone      *time.Location // nil: UTC
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

// pagePolicy holds a sender's HTML, which is an origin of its own: no script, no form, nothing
// that knows the reader; pictures may be fetched, links open in a window of their own.
const pagePolicy = "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; " +
	"sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"

// pages is the door's part for public mailings.
type pages struct {
	*door
	publisher Publisher
	zone      *time.Location
}

// PagesPaths are those of public mailings, as patterns of http.ServeMux.
func PagesPaths() []string {
	return []string{campaign.PagePath, campaign.PagesPath}
}

// StylePaths are the style sheets of pages, which a host of its own for public mailings needs.
func StylePaths() []string { return []string{stylePath, sheetPath} }

// NewPages makes the handler for PagesPaths and StylePaths. It is safe for concurrent use.
func NewPages(c PagesConfig) http.Handler {
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.PerMinute <= 0 {
		c.PerMinute = 60
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	d := &pages{publisher: c.Publisher, zone: c.Zone, door: &door{Config: Config{Catalog: c.Catalog, ClientIP: c.ClientIP, Now: c.Now, Log: c.Log}, limits: newLimits(c.PerMinute)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+campaign.PagePath+"{token}", d.one)
	mux.HandleFunc("GET "+campaign.PagesPath+"{token}", d.list)
	mux.HandleFunc("GET "+stylePath, d.style)
	mux.HandleFunc("GET "+sheetPath, d.sheetStyle)
	return d.guarded(mux)
}

// gone says that there is no page, or no longer.
func (d *pages) gone(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.As(err)
	switch {
	case f != nil && f.Code == campaign.CodePageGone:
		d.notice(w, r, d.sheet(d.page(r).lang, ""), http.StatusGone, "mailingpage.gone", "")
	case f != nil && f.Kind == fault.NotFound:
		d.notice(w, r, d.sheet(d.page(r).lang, ""), http.StatusNotFound, "mailingpage.unknown", "")
	default:
		if r.Context().Err() == nil {
			d.Log.ErrorContext(r.Context(), "public mailing not shown", "err", err)
		}
		d.notice(w, r, d.sheet(d.page(r).lang, ""), http.StatusServiceUnavailable, "mailingpage.broken", "")
	}
}

func (d *pages) one(w http.ResponseWriter, r *http.Request) {
	page, err := d.publisher.Open(r.Context(), r.PathValue("token"))
	if err != nil {
		d.gone(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if page.Index {
		h.Del("X-Robots-Tag")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, page.HTMLPage()) //nolint:gosec // G705: in a sandbox by its policy; a reader who left is no error
}

// listed is the page of all public mailings of an account.
type listed struct {
	sheet
	campaign.Pages
	clock i18n.Clock
}

func (d *pages) list(w http.ResponseWriter, r *http.Request) {
	found, err := d.publisher.List(r.Context(), r.PathValue("token"))
	if err != nil {
		d.gone(w, r, err)
		return
	}
	p := listed{sheet: d.sheet(d.page(r).lang, found.Sender), Pages: found}
	p.clock = i18n.Clock{Lang: p.lang, Zone: d.zone, Now: d.Now()}
	d.render(w, r, http.StatusOK, pagesPage(p))
}

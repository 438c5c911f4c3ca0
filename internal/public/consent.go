package public

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Consents shows recipients what is recorded of them and hears what they say about it;
// *tracking.Consents does.
type Consents interface {
	Open(ctx context.Context, token string) (tracking.Standing, error)
	Say(ctx context.Context, token string, state tracking.State, wording string) error
}

// Tenants tells who a tenant is; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// ConsentConfig is what the pages of recipients' consent stand on. Fields without a stated
// default are needed.
type ConsentConfig struct {
	Consents Consents
	Tenants  Tenants
	Catalog  *i18n.Catalog
	// ClientIP and PerMinute are as in Config; 0 is 30 here.
	ClientIP  func(*http.Request) string
	PerMinute int
	Zone      *time.Location // of tenants without their own; nil: UTC
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

const maxConsentForm = 4 << 10 // bytes

// consents is the door's part for recipients who look at what is recorded of them.
type consents struct {
	*door
	consents Consents
	tenants  Tenants
	zone     *time.Location
}

// NewConsents makes the handler for the paths under tracking.ConsentPath. A link opens the
// page and changes nothing, as scanners follow links; only the page's buttons do. It is
// safe for concurrent use.
func NewConsents(c ConsentConfig) http.Handler {
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.PerMinute <= 0 {
		c.PerMinute = 30
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	d := &consents{consents: c.Consents, tenants: c.Tenants, zone: c.Zone,
		door: &door{Config: Config{Catalog: c.Catalog, ClientIP: c.ClientIP, Now: c.Now, Log: c.Log}, limits: newLimits(c.PerMinute)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tracking.ConsentPath+"{token}", d.show)
	mux.HandleFunc("POST "+tracking.ConsentPath+"{token}/withdraw", d.withdraw)
	mux.HandleFunc("POST "+tracking.ConsentPath+"{token}/grant", d.grant)
	forms := http.NewCrossOriginProtection().Handler(mux)
	return d.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", formPolicy)
		r.Body = http.MaxBytesReader(w, r.Body, maxConsentForm)
		forms.ServeHTTP(w, r)
	}))
}

// consentSheet is the page of one recipient.
type consentSheet struct {
	page
	tracking.Standing
	sender tenant.Tenant
	clock  i18n.Clock
	path   string // of the page
	done   string // chooses a sentence on what was just done
}

// sheet reads what the page of a token shows, in the language that its reader chose or the
// device did, and in the tone of the tenant.
func (d *consents) sheet(r *http.Request) (consentSheet, error) {
	token := r.PathValue("token")
	v, err := d.consents.Open(r.Context(), token)
	if err != nil {
		return consentSheet{}, err
	}
	s := consentSheet{page: d.page(r), Standing: v, path: tracking.ConsentPath + url.PathEscape(token)}
	if s.sender, err = d.tenants.Tenant(r.Context(), v.Tenant); err != nil {
		return consentSheet{}, err
	}
	if lang := i18n.Lang(r.URL.Query().Get("lang")); lang.Valid() {
		s.lang = lang
	}
	s.clock = i18n.Clock{Lang: s.lang, Zone: s.sender.Zone(d.zone), Now: d.Now()}
	switch done := r.URL.Query().Get("done"); done {
	case "withdrawn", "granted":
		s.done = done
	}
	return s, nil
}

// say is the text of a key of the page, in the tenant's tone.
func (s consentSheet) say(key string, args i18n.Args) string {
	if args == nil {
		args = i18n.Args{}
	}
	args["tenant"], args["address"] = s.sender.Name, s.Address.String()
	return s.Catalog.Text(s.lang, i18n.Tone(s.sender.CustomerTone), key, args)
}

// at is a path of the page in its language.
func (s consentSheet) at(more string) string { return s.path + more + "?lang=" + string(s.lang) }

// other is the page in the other language.
func (s consentSheet) other() string {
	if s.lang == i18n.English {
		return s.path + "?lang=" + string(i18n.German)
	}
	return s.path + "?lang=" + string(i18n.English)
}

// refused answers what cannot be shown or done.
func (d *consents) refused(w http.ResponseWriter, r *http.Request, err error) {
	if fault.IsKind(err, fault.NotFound) {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), "page of consent failed", "err", err)
	}
	d.sorry(w, r, http.StatusServiceUnavailable, "broken")
}

func (d *consents) show(w http.ResponseWriter, r *http.Request) {
	s, err := d.sheet(r)
	if err != nil {
		d.refused(w, r, err)
		return
	}
	d.render(w, r, http.StatusOK, consentPage(s))
}

func (d *consents) withdraw(w http.ResponseWriter, r *http.Request) {
	d.hear(w, r, tracking.StateWithdrawn, "consent.withdraw")
}

func (d *consents) grant(w http.ResponseWriter, r *http.Request) {
	d.hear(w, r, tracking.StateGranted, "consent.ask")
}

// hear keeps what a button says, with the sentence that stood above it, and leads to the
// page again, so that reloading it sends nothing.
func (d *consents) hear(w http.ResponseWriter, r *http.Request, state tracking.State, shown string) {
	s, err := d.sheet(r)
	if err == nil {
		err = d.consents.Say(r.Context(), r.PathValue("token"), state, s.say(shown, nil))
	}
	if err != nil {
		d.refused(w, r, err)
		return
	}
	q := url.Values{"lang": {string(s.lang)}, "done": {string(state)}}
	http.Redirect(w, r, tracking.ConsentPath+url.PathEscape(r.PathValue("token"))+"?"+q.Encode(), http.StatusSeeOther)
}

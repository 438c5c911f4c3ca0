// Package httpapi is the HTTP door for programs: it takes messages, tells what
// became of them and takes commands about them, as OpenAPI 3.1 describes at
// /openapi.yaml and docs/reference/openapi.yaml.
//
// It stands before the first station of a message's journey: it authenticates,
// decodes and hands over to ingest, and it translates refusals to RFC 9457 problem
// documents. It decides nothing about mail and stores nothing.
package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/audience/listcheck"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/feed"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/privacy"
	"stafette/internal/queue"
	"stafette/internal/redelivery"
	"stafette/internal/series"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/webhook"
)

// Bodies reads message bodies in clear. *spool.Spool is one.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Commander runs commands on deliveries. queue.Store has it.
type Commander interface {
	Apply(ctx context.Context, c queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error)
}

// Tenants tells a key's owner about itself. tenant.Store has it.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Domains sets sending domains up. *tenant.Registry is one.
type Domains interface {
	List(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	Setup(ctx context.Context, t tenant.ID, d tenant.DomainID) (tenant.DomainSetup, error)
	Add(ctx context.Context, t tenant.ID, name, actor string) (tenant.Domain, error)
	Check(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	Rotate(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	CancelRotation(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	Remove(ctx context.Context, t tenant.ID, d tenant.DomainID) error
	Figures(ctx context.Context, t tenant.ID, d tenant.DomainID, from, to time.Time) (tenant.DMARCFigures, error)
}

// Texts says states and reasons in a language, "de" or "en". A text that is not
// there is "".
type Texts interface {
	State(lang string, s event.State) string
	Reason(lang, code string) string
}

// Limits of requests in bytes. Zero fields take the defaults.
type Limits struct {
	Message int64 // JSON of one message; 0: 42 MB, which is 30 MB in base64 and a little
	Batch   int64 // JSON of a batch; 0: 64 MB
	Raw     int64 // raw message; 0: 30 MB
	Import  int64 // list of addresses; 0, and at most: audience.MaxImport
	List    int64 // list to check; 0, and at most: listcheck.MaxBytes
	Roll    int64 // list to import into a group; 0, and at most: intake.MaxBytes
	File    int64 // file of an offer, or picture; 0, and at most: offer.MaxPaper
}

// Config is what an API needs.
type Config struct {
	Acceptor ingest.Acceptor
	Auth     tenant.Authenticator
	Tenants  Tenants
	Messages insight.Store
	// Statistics are what became of mail in figures, and ProviderName what a provider is
	// called.
	Statistics   insight.Statistics
	ProviderName func(key string) string
	Trackings    Trackings // nil: messages do not say what was decided about tracking
	Bodies       Bodies
	Commands     Commander
	Domains      Domains
	Audience     *audience.Service
	Contacts     *audience.Contacts
	Groups       *audience.Groups
	// Templates are what messages may be made of.
	Templates  Templates
	Imports    *intake.Service
	Optins     Optins
	Approvals  audience.Approvals  // nil: every group needs one
	Mail       insight.PersonStore // what was sent to a person
	Privacy    *privacy.Service
	Addresses  *audience.Validator
	Lists      *listcheck.Service
	Operator   Operator
	Leads      *lead.Service
	LeadForms  *leadform.Service
	LeadCases  *leadcase.Service
	Offers     *offer.Service
	Redelivery *redelivery.Service
	Campaigns  *campaign.Service
	Checks     *preflight.Service // looks Campaigns over
	// Publisher names the pages of public mailings; nil: there are none.
	Publisher *campaign.Publisher
	Pictures  Pictures
	Series    *series.Service
	Feeds     *feed.Service
	Diagnosis *diagnosis.Service
	Approval  Approvals
	Webhooks  *webhook.Service
	Ledger    Ledger // what is left of plans
	Pauses    Pauses
	Tickets   Tickets
	// What tenants allow, what recipients said about it, and what they did.
	TrackingSettings tracking.Settings
	Consents         *tracking.Consents
	Activities       Activities
	Texts            Texts  // nil: answers carry codes only
	PublicURL        string // server address in the OpenAPI document; "": none
	Version          string // of the platform, in the OpenAPI document; "": "dev"
	Limits           Limits
	Now              func() time.Time
	Log              *slog.Logger // nil: discard
}

// API is the door as an http.Handler for the paths /v1/ and /openapi.*. It is safe
// for concurrent use.
type API struct {
	c      Config
	mux    *http.ServeMux
	routes []Route
	// document renders the OpenAPI document once.
	document func() (rendering, error)
}

// New makes an API. An error means that the OpenAPI document cannot be made, which
// is a mistake in this package.
func New(c Config) (*API, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	for _, l := range []struct {
		field     *int64
		otherwise int64
	}{{&c.Limits.Message, 42_000_000}, {&c.Limits.Batch, 64_000_000}, {&c.Limits.Raw, 30_000_000}} {
		if *l.field == 0 {
			*l.field = l.otherwise
		}
	}
	if c.Limits.Import <= 0 || c.Limits.Import > audience.MaxImport {
		c.Limits.Import = audience.MaxImport
	}
	if c.Limits.List <= 0 || c.Limits.List > listcheck.MaxBytes {
		c.Limits.List = listcheck.MaxBytes
	}
	if c.Limits.Roll <= 0 || c.Limits.Roll > intake.MaxBytes {
		c.Limits.Roll = intake.MaxBytes
	}
	if c.Limits.File <= 0 || c.Limits.File > offer.MaxPaper {
		c.Limits.File = offer.MaxPaper
	}
	a := &API{c: c, mux: http.NewServeMux()}
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	api := humago.New(a.mux, huma.Config{
		OpenAPI:                      document(c, registry),
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{translateSchemaErrors},
	})
	a.register(api)
	a.document = sync.OnceValues(func() (rendering, error) { return render(api.OpenAPI()) })
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := requestID(r)
	w.Header().Set("X-Request-Id", request)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, request))
	defer a.recover(w, r)
	handler, pattern := a.mux.Handler(r)
	if pattern == "" {
		refuseRoute(w, r, handler)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// recover keeps a mistake in one request from hurting others. The framework also
// panics when a client goes away in the middle of an answer; that is no mistake.
func (a *API) recover(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if r.Context().Err() != nil {
		return
	}
	a.c.Log.ErrorContext(r.Context(), "request panicked", "request", requestOf(r.Context()),
		"path", r.URL.Path, "err", fmt.Sprint(cause), "stack", string(debug.Stack()))
	writeProblem(w, internalProblem())
}

type requestKey struct{}

func requestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// requestID takes the client's X-Request-Id if it can do no harm in a log, or makes
// one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id != "" && len(id) <= 64 && harmless(id) {
		return id
	}
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func harmless(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// refuseRoute answers what no route answers: the mux knows whether the path or only
// the method is wrong, but says so in plain text.
func refuseRoute(w http.ResponseWriter, r *http.Request, plain http.Handler) {
	answer := &statusOnly{header: http.Header{}}
	plain.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", answer.header.Get("Allow"))
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "The path does not take this method."))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, "route_not_found", "There is nothing at this path."))
}

// statusOnly is a ResponseWriter that keeps header and status.
type statusOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (s *statusOnly) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter.
func (s *statusOnly) WriteHeader(status int) { s.status = status }

// Write implements http.ResponseWriter.
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

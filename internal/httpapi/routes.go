package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Route is one entry of the table from which everything about routes is made: the
// mux, the guards, the OpenAPI document and the tests that try each route with a
// foreign key and with an endless body.
type Route struct {
	Method string
	Path   string // of http.ServeMux, "/v1/messages/{id}"
	Scope  tenant.Scope
	// MaxBody is the largest request body in bytes.
	MaxBody int64
	// Open routes need no key: they tell the same to everybody.
	Open bool
	// Platform routes are for keys of the platform, all others for keys of tenants.
	Platform bool

	id, summary string
	media       string // type of the body; "": any
	status      int    // of success
	errors      []int
	register    func(a *API, api huma.API, r Route)
}

// Action is what the route does in the record of who did what; "" where it changes
// nothing, or only mail, which has facts of its own.
func (r Route) Action() string {
	if r.Method == http.MethodGet || r.Open || strings.HasPrefix(r.id, "send-") {
		return ""
	}
	return "api." + r.id
}

func (r Route) hasBody() bool { return r.MaxBody > bodyless }

// Routes returns the route table.
func (a *API) Routes() []Route { return a.routes }

// uploadTime is how long a body may take: 30 MB over a slow office line.
const uploadTime = 5 * time.Minute

func (a *API) register(api huma.API) {
	const messages, one = "/v1/messages", "/v1/messages/{id}"
	a.routes = []Route{
		{Method: http.MethodPost, Path: messages, Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Message, media: "application/json", status: 202, errors: []int{400, 409, 413, 422, 429, 503},
			id: "send-message", summary: "Send a message", register: registerJSON((*API).send)},
		{Method: http.MethodPost, Path: messages + "/batch", Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Batch, media: "application/json", status: 200, errors: []int{400, 413, 422, 429, 503},
			id: "send-batch", summary: "Send up to 1,000 messages", register: registerJSON((*API).sendBatch)},
		{Method: http.MethodPost, Path: messages + "/mime", Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Raw, status: 202, errors: []int{409, 413, 422, 429, 503},
			id: "send-mime", summary: "Send a raw RFC 5322 message", register: registerSendRaw},
		{Method: http.MethodGet, Path: messages, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-messages", summary: "List messages from new to old", register: registerWith((*API).list)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-message", summary: "Read a message and what became of it", register: registerWith((*API).get)},
		{Method: http.MethodGet, Path: one + "/events", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-events", summary: "Read the facts about a message", register: registerWith((*API).events)},
		{Method: http.MethodGet, Path: one + "/mime", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 410},
			id: "get-mime", summary: "Read the message as it was sent", register: registerRaw},
		{Method: http.MethodPost, Path: "/v1/queue/commands", Scope: tenant.ScopeSend, MaxBody: maxCommand, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "command-queue", summary: "Hold, resume, cancel, retry or suspend many deliveries", register: registerWith((*API).queueCommand)},
		{Method: http.MethodGet, Path: "/v1/queue/orders", Scope: tenant.ScopeRead, status: 200,
			id: "list-orders", summary: "List suspensions in force", register: registerWith((*API).orders)},
		{Method: http.MethodGet, Path: "/v1/me", status: 200,
			id: "get-me", summary: "Read whose key this is", register: registerWith((*API).me)},
		{Method: http.MethodGet, Path: "/openapi.yaml", Open: true, register: registerDocument},
		{Method: http.MethodGet, Path: "/openapi.json", Open: true, register: registerDocument},
	}
	a.routes = append(append(a.routes, domainRoutes()...), statisticsRoutes()...)
	a.routes = append(append(a.routes, a.suppressionRoutes()...), addressRoutes()...)
	a.routes = append(append(a.routes, leadRoutes()...), redeliveryRoutes()...)
	a.routes = slices.Concat(a.routes, campaignRoutes(), campaignReadyRoutes(), campaignCommentRoutes(), campaignPageRoutes())
	a.routes = append(a.routes, a.pictureRoutes()...)
	a.routes = append(a.routes, seriesRoutes()...)
	a.routes = append(a.routes, feedRoutes()...)
	a.routes = append(append(a.routes, leadFormRoutes()...), leadCaseRoutes()...)
	a.routes = append(append(a.routes, a.listCheckRoutes()...), haltRoutes()...)
	a.routes = append(append(a.routes, diagnosisRoutes()...), a.offerRoutes()...)
	a.routes = append(append(a.routes, webhookRoutes()...), activityRoutes()...)
	a.routes = append(append(append(a.routes, contactRoutes()...), duplicateRoutes()...), privacyRoutes()...)
	a.routes = append(a.routes, approvalRoutes()...)
	a.routes = append(a.routes, a.groupRoutes()...)
	a.routes = append(append(append(a.routes, a.importRoutes()...), consentRoutes()...), signupFormRoutes()...)
	a.routes = append(a.routes, trackingRoutes()...)
	a.routes = append(a.routes, usageRoutes()...)
	a.routes = append(append(append(a.routes, pauseRoutes()...), boundRoutes()...), requestRoutes()...)
	a.routes = append(append(a.routes, templateRoutes()...), a.logoRoutes()...)
	a.routes = append(a.routes, platformQueueRoutes()...)
	for _, c := range []queue.Command{queue.Cancel, queue.Hold, queue.Resume, queue.Retry} {
		a.routes = append(a.routes, Route{
			Method: http.MethodPost, Path: one + "/" + string(c), Scope: tenant.ScopeSend, status: 200, errors: []int{404},
			id: string(c) + "-message", summary: commandSummary(c),
			register: registerWith(func(a *API, ctx context.Context, in *messageInput) (*commandOutput, error) {
				return a.command(ctx, c, in)
			}),
		})
	}
	for i := range a.routes {
		if a.routes[i].MaxBody == 0 {
			a.routes[i].MaxBody = bodyless
		}
		a.routes[i].register(a, api, a.routes[i])
	}
}

// registerWith makes a route of a method of API.
func registerWith[I, O any](serve func(*API, context.Context, *I) (*O, error)) func(*API, huma.API, Route) {
	return func(a *API, api huma.API, r Route) {
		op := r.operation(api)
		op.Middlewares = huma.Middlewares{a.guard(r)}
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := serve(a, ctx, in)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return out, nil
		})
	}
}

// registerPlain makes a route of a handler outside the framework and describes it.
func (a *API) registerPlain(api huma.API, r Route, op huma.Operation, serve func(http.ResponseWriter, *http.Request) error) {
	a.mux.Handle(r.Method+" "+r.Path, a.guardPlain(r, serve))
	api.OpenAPI().AddOperation(&op)
}

func (r Route) operation(api huma.API) huma.Operation {
	op := huma.Operation{
		OperationID: r.id, Method: r.Method, Path: r.Path, Summary: r.summary, DefaultStatus: r.status,
		// The framework refuses a body that reaches its limit, not one that passes it.
		MaxBodyBytes: r.MaxBody + 1, BodyReadTimeout: uploadTime,
		Security: []map[string][]string{{"key": {}}}, Tags: []string{"Messages"},
		Responses: map[string]*huma.Response{},
	}
	switch {
	case strings.HasPrefix(r.Path, "/v1/domains"):
		op.Tags = []string{"Domains"}
	case strings.HasPrefix(r.Path, "/v1/suppressions"):
		op.Tags = []string{"Suppressions"}
	case strings.Contains(r.Path, "/tracking"):
		op.Tags = []string{"Tracking"}
	case strings.HasPrefix(r.Path, "/v1/contacts"):
		op.Tags = []string{"Contacts"}
	case strings.HasPrefix(r.Path, "/v1/consents"), strings.HasPrefix(r.Path, "/v1/signup-forms"):
		op.Tags = []string{"Consents"}
	case strings.HasPrefix(r.Path, "/v1/imports"):
		op.Tags = []string{"Contacts"}
	case strings.HasPrefix(r.Path, "/v1/privacy"):
		op.Tags = []string{"Data protection"}
	case strings.HasPrefix(r.Path, "/v1/addresses"):
		op.Tags = []string{"Addresses"}
	case strings.HasPrefix(r.Path, "/v1/campaigns"), strings.HasSuffix(r.Path, "/settings/campaigns"), strings.HasPrefix(r.Path, "/v1/pictures"):
		op.Tags = []string{"Campaigns"}
	case strings.HasPrefix(r.Path, "/v1/feeds"):
		op.Tags = []string{"Feeds"}
	case strings.HasPrefix(r.Path, "/v1/series"), r.Path == "/v1/events":
		op.Tags = []string{"Series"}
	case strings.HasPrefix(r.Path, "/v1/redeliveries"):
		op.Tags = []string{"Redeliveries"}
	case strings.HasPrefix(r.Path, "/v1/offers"):
		op.Tags = []string{"Offers"}
	case strings.HasPrefix(r.Path, "/v1/lead"):
		op.Tags = []string{"Leads"}
	case strings.Contains(r.Path, "/halt"):
		op.Tags = []string{"Halts"}
	case strings.HasPrefix(r.Path, "/v1/statistics"):
		op.Tags = []string{"Statistics"}
	case strings.HasPrefix(r.Path, "/v1/diagnosis"), strings.HasPrefix(r.Path, "/v1/deliveries"):
		op.Tags = []string{"Diagnosis"}
	case strings.HasPrefix(r.Path, "/v1/webhooks"):
		op.Tags = []string{"Webhooks"}
	case strings.HasPrefix(r.Path, "/v1/activities"):
		op.Tags = []string{"Activities"}
	case strings.HasPrefix(r.Path, "/v1/queue"):
		op.Tags = []string{"Queue"}
	case !strings.HasPrefix(r.Path, "/v1/messages"):
		op.Tags = []string{"Account"}
	}
	describeErrors(api, &op, r.errors)
	return op
}

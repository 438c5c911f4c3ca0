package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// webhookRoutes are those of endpoints that are told. All of them ask for the scope that
// changes settings: whoever reads an endpoint reads where a tenant's facts go.
func webhookRoutes() []Route {
	const all, one, body = "/v1/webhooks", "/v1/webhooks/{id}", 16 << 10
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeAdmin, status: 200,
			id: "list-webhooks", summary: "List the webhooks of the account", register: registerWith((*API).webhooks)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 201, errors: []int{409, 422},
			id: "create-webhook", summary: "Add a webhook; its secret is told this once", register: registerWith((*API).addWebhook)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeAdmin, status: 200, errors: []int{404},
			id: "get-webhook", summary: "Read a webhook and how it does", register: registerWith((*API).getWebhook)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 200, errors: []int{404, 422},
			id: "change-webhook", summary: "Replace name, address, types and whether it is on", register: registerWith((*API).changeWebhook)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-webhook", summary: "Take a webhook away with its log", register: registerWith((*API).removeWebhook)},
		{Method: http.MethodPost, Path: one + "/rotate", Scope: tenant.ScopeAdmin, status: 200, errors: []int{404},
			id: "rotate-webhook", summary: "Make a new secret; the one before signs beside it for a day", register: registerWith((*API).rotateWebhook)},
		{Method: http.MethodPost, Path: one + "/test", Scope: tenant.ScopeAdmin, status: 202, errors: []int{404, 409},
			id: "test-webhook", summary: "Send a call of the type webhook.test", register: registerWith((*API).testWebhook)},
		{Method: http.MethodGet, Path: one + "/calls", Scope: tenant.ScopeAdmin, status: 200, errors: []int{404, 422},
			id: "list-webhook-calls", summary: "List what was told and is still to be told, from new to old", register: registerWith((*API).webhookCalls)},
		{Method: http.MethodPost, Path: one + "/repeat", Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 202, errors: []int{404, 409, 422},
			id: "repeat-webhook-calls", summary: "Make settled calls again: one, or all since a time", register: registerWith((*API).repeatWebhook)},
	}
}

// Webhook is an endpoint that is told.
type Webhook struct {
	ID           webhook.ID `json:"id"`
	Name         string     `json:"name"`
	URL          string     `json:"url"`
	Types        []string   `json:"types" nullable:"false" doc:"What it is told, of mail, groups, the account and series; empty: everything"`
	State        string     `json:"state" enum:"active,off,failing" doc:"failing: turned off because it did not answer for three days, or said 410"`
	CreatedAt    time.Time  `json:"created_at"`
	FailingSince *time.Time `json:"failing_since" doc:"Since when every call has failed; null while it answers"`
	OffAt        *time.Time `json:"off_at"`
	Secret       string     `json:"secret,omitempty" doc:"Told when it is made: by create and rotate only"`
}

func (a *API) webhookOf(e webhook.Endpoint, secret string) (Webhook, error) {
	target, err := a.c.Webhooks.Target(e)
	if err != nil {
		return Webhook{}, err
	}
	v := Webhook{ID: e.ID, Name: e.Name, URL: target.URL, Types: []string{}, State: string(e.State), CreatedAt: e.CreatedAt,
		FailingSince: timeOrNull(e.FailingSince), OffAt: timeOrNull(e.OffAt), Secret: secret}
	for _, t := range e.Types {
		v.Types = append(v.Types, string(t))
	}
	return v, nil
}

type webhooksOutput struct {
	Body struct {
		Data  []Webhook `json:"data" nullable:"false"`
		Types []string  `json:"types" nullable:"false" doc:"What can be told"`
	}
}

func (a *API) webhooks(ctx context.Context, _ *struct{}) (*webhooksOutput, error) {
	list, err := a.c.Webhooks.Endpoints(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &webhooksOutput{}
	out.Body.Data, out.Body.Types = []Webhook{}, []string{}
	for _, e := range list {
		v, err := a.webhookOf(e, "")
		if err != nil {
			return nil, err
		}
		out.Body.Data = append(out.Body.Data, v)
	}
	for _, t := range a.c.Webhooks.Types() {
		out.Body.Types = append(out.Body.Types, string(t))
	}
	return out, nil
}

// WebhookWish is what a program says of an endpoint.
type WebhookWish struct {
	Name  string   `json:"name,omitempty" maxLength:"200"`
	URL   string   `json:"url" maxLength:"500" example:"https://crm.example/hooks/stafette"`
	Types []string `json:"types,omitempty" maxItems:"100" doc:"Left out or empty: everything there is and will be"`
}

type addWebhookInput struct{ Body WebhookWish }

type webhookOutput struct{ Body Webhook }

func (a *API) addWebhook(ctx context.Context, in *addWebhookInput) (*webhookOutput, error) {
	key := keyOf(ctx)
	e, secret, err := a.c.Webhooks.Add(ctx, key.Tenant, webhook.Wish{Name: in.Body.Name, URL: in.Body.URL, Types: in.Body.Types}, key.ID.String())
	if err != nil {
		return nil, err
	}
	v, err := a.webhookOf(e, secret)
	return &webhookOutput{v}, err
}

// WebhookPath names an endpoint.
type WebhookPath struct {
	ID string `path:"id" maxLength:"64" example:"whk_01k00000000000000000000000"`
}

// webhook parses the identifier; a malformed one names nothing.
func (p WebhookPath) webhook() (webhook.ID, error) {
	w, err := id.Parse[webhook.Kind](p.ID)
	if err != nil {
		return w, noWebhook(fault.New(fault.NotFound, "webhook_not_found", ""))
	}
	return w, nil
}

// noWebhook makes one answer of all endpoints that are not there, whoever says so.
func noWebhook(err error) error {
	if f := fault.As(err); f != nil && f.Code == "webhook_not_found" {
		return fault.New(fault.NotFound, f.Code, "There is no such webhook.")
	}
	return err
}

func (a *API) getWebhook(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	e, err := a.c.Webhooks.Endpoint(ctx, keyOf(ctx).Tenant, w)
	if err != nil {
		return nil, noWebhook(err)
	}
	v, err := a.webhookOf(e, "")
	return &webhookOutput{v}, err
}

type changeWebhookInput struct {
	WebhookPath
	Body struct {
		WebhookWish
		Active bool `json:"active" doc:"On or off. Turned on again, it is told what happens from then on"`
	}
}

func (a *API) changeWebhook(ctx context.Context, in *changeWebhookInput) (*webhookOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	e, err := a.c.Webhooks.Change(ctx, keyOf(ctx).Tenant, w, webhook.Wish{Name: in.Body.Name, URL: in.Body.URL, Types: in.Body.Types, Active: in.Body.Active})
	if err != nil {
		return nil, noWebhook(err)
	}
	v, err := a.webhookOf(e, "")
	return &webhookOutput{v}, err
}

func (a *API) removeWebhook(ctx context.Context, in *WebhookPath) (*struct{}, error) {
	w, err := in.webhook()
	if err == nil {
		err = a.c.Webhooks.Remove(ctx, keyOf(ctx).Tenant, w)
	}
	return nil, noWebhook(err)
}

func (a *API) rotateWebhook(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	e, secret, err := a.c.Webhooks.Rotate(ctx, keyOf(ctx).Tenant, w)
	if err != nil {
		return nil, noWebhook(err)
	}
	v, err := a.webhookOf(e, secret)
	return &webhookOutput{v}, err
}

// WebhookCall is one fact to one endpoint.
type WebhookCall struct {
	ID        webhook.CallID `json:"id" doc:"The webhook-id that the endpoint sees, the same at each try"`
	Type      string         `json:"type"`
	MessageID *string        `json:"message_id" doc:"Identifier of the message; null for calls about none"`
	At        time.Time      `json:"at" doc:"Of the fact"`
	State     string         `json:"state" enum:"due,told,given_up,void" doc:"void: what it was about is gone"`
	Attempts  int            `json:"attempts"`
	DueAt     *time.Time     `json:"due_at"`
	TriedAt   *time.Time     `json:"tried_at"`
	Status    int            `json:"status" doc:"HTTP status of the last answer; 0 if none came"`
	Failure   string         `json:"failure" enum:",host,forbidden,connect,tls,timeout,status,redirect" doc:"What was wrong with the last try"`
	Took      int64          `json:"took_ms"`
}

func webhookCallOf(c webhook.Call) WebhookCall {
	v := WebhookCall{ID: c.ID, Type: string(c.Type), At: c.At, State: string(c.State), Attempts: c.Attempts, DueAt: timeOrNull(c.DueAt),
		TriedAt: timeOrNull(c.TriedAt), Status: c.Code, Failure: string(c.Failure), Took: c.Took.Milliseconds()}
	if !c.Message.IsZero() {
		m := c.Message.String()
		v.MessageID = &m
	}
	return v
}

type webhookCallOutput struct{ Body WebhookCall }

func (a *API) testWebhook(ctx context.Context, in *WebhookPath) (*webhookCallOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	c, err := a.c.Webhooks.Try(ctx, keyOf(ctx).Tenant, w)
	return &webhookCallOutput{webhookCallOf(c)}, noWebhook(err)
}

type webhookCallsInput struct {
	WebhookPath
	State string `query:"state" enum:"due,told,given_up,void"`
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type webhookCallsOutput struct {
	Body struct {
		Data    []WebhookCall `json:"data" nullable:"false"`
		HasMore bool          `json:"has_more"`
		Next    *string       `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) webhookCalls(ctx context.Context, in *webhookCallsInput) (*webhookCallsOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	f := webhook.CallFilter{State: webhook.CallState(in.State), Limit: in.Limit + 1}
	if in.After != "" {
		if f.Before, err = id.Parse[webhook.CallKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a call.")
		}
	}
	list, err := a.c.Webhooks.Calls(ctx, keyOf(ctx).Tenant, w, f)
	if err != nil {
		return nil, noWebhook(err)
	}
	out := &webhookCallsOutput{}
	out.Body.Data = []WebhookCall{}
	for _, c := range list[:min(len(list), in.Limit)] {
		out.Body.Data = append(out.Body.Data, webhookCallOf(c))
	}
	if len(list) > in.Limit {
		next := list[in.Limit-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type repeatWebhookInput struct {
	WebhookPath
	Body struct {
		Call  string     `json:"call,omitempty" maxLength:"64" doc:"One call"`
		Since *time.Time `json:"since,omitempty" doc:"All calls about facts from then on; calls are kept for seven days"`
	}
}

type repeatedOutput struct {
	Body struct {
		Count int `json:"count" doc:"Calls that are made again"`
	}
}

func (a *API) repeatWebhook(ctx context.Context, in *repeatWebhookInput) (*repeatedOutput, error) {
	w, err := in.webhook()
	if err != nil {
		return nil, err
	}
	if (in.Body.Call == "") == (in.Body.Since == nil) {
		return nil, fault.Field("call", "repeat_unclear", "Either call or since is expected.")
	}
	out := &repeatedOutput{}
	out.Body.Count = 1
	if in.Body.Call == "" {
		out.Body.Count, err = a.c.Webhooks.RepeatSince(ctx, keyOf(ctx).Tenant, w, *in.Body.Since)
		return out, noWebhook(err)
	}
	c, err := id.Parse[webhook.CallKind](in.Body.Call)
	if err != nil {
		return nil, fault.New(fault.NotFound, "call_not_found", "There is no such call.")
	}
	return out, noWebhook(a.c.Webhooks.Repeat(ctx, keyOf(ctx).Tenant, w, c))
}

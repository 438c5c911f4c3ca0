package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

// Tickets keeps what accounts and the platform write to each other; *ticket.Service does.
type Tickets interface {
	Tickets(ctx context.Context, t tenant.ID) ([]ticket.Ticket, error)
	Ticket(ctx context.Context, t tenant.ID, k ticket.ID) (ticket.Ticket, error)
	Queue(ctx context.Context, states ...ticket.State) ([]ticket.Ticket, error)
	Find(ctx context.Context, k ticket.ID) (ticket.Ticket, error)
	Open(ctx context.Context, t tenant.Tenant, w ticket.Wish, actor string) (ticket.Ticket, error)
	Reply(ctx context.Context, k ticket.Ticket, text string, files []ticket.File, actor string, staff bool) (ticket.Ticket, error)
	Close(ctx context.Context, k ticket.Ticket, text, actor string, staff bool) (ticket.Ticket, error)
	Entries(ctx context.Context, k ticket.Ticket) ([]ticket.Entry, error)
}

const maxRequest = 64 << 10

// requestRoutes are those of requests: both sides of a thread. Files come and go through the
// office alone, and an appeal is read and decided there, by a person: a key of the platform
// cannot show that whoever holds it has nothing to do with the account.
func requestRoutes() []Route {
	const all, one, desk = "/v1/requests", "/v1/requests/{id}", "/v1/platform/requests"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-requests", summary: "List the own requests to the platform, changed last first", register: registerWith((*API).listRequests)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxRequest, media: "application/json", status: 201, errors: []int{409, 413, 422},
			id: "open-request", summary: "Ask the platform something", register: registerWith((*API).openRequest)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-request", summary: "Read a request and what was said", register: registerWith((*API).getRequest)},
		{Method: http.MethodPost, Path: one + "/reply", Scope: tenant.ScopeSend, MaxBody: maxRequest, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "reply-request", summary: "Say something in a request; a closed one is opened again", register: registerWith((*API).replyRequest)},
		{Method: http.MethodPost, Path: one + "/close", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "close-request", summary: "Close a request", register: registerWith((*API).closeRequest)},
		{Method: http.MethodGet, Path: desk, Scope: tenant.ScopeRead, Platform: true, status: 200, errors: []int{422},
			id: "list-all-requests", summary: "List the requests of all accounts but appeals, those that waited longest first (platform)", register: registerWith((*API).listAllRequests)},
		{Method: http.MethodGet, Path: desk + "/{id}", Scope: tenant.ScopeRead, Platform: true, status: 200, errors: []int{404},
			id: "get-any-request", summary: "Read a request of any account (platform)", register: registerWith((*API).getAnyRequest)},
		{Method: http.MethodPost, Path: desk + "/{id}/reply", Scope: tenant.ScopeAdmin, Platform: true, MaxBody: maxRequest, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "answer-request", summary: "Answer a request (platform)", register: registerWith((*API).answerRequest)},
		{Method: http.MethodPost, Path: desk + "/{id}/close", Scope: tenant.ScopeAdmin, Platform: true, status: 200, errors: []int{404, 409},
			id: "close-any-request", summary: "Close a request of any account (platform)", register: registerWith((*API).closeAnyRequest)},
	}
}

// Request is a thread between an account and the platform.
type Request struct {
	ID       ticket.ID       `json:"id"`
	Tenant   *tenant.ID      `json:"tenant_id,omitempty" doc:"For the platform"`
	Category ticket.Category `json:"category" enum:"approval,delivery,plan,account,other,appeal"`
	State    ticket.State    `json:"state" enum:"open,answered,closed" doc:"open: the platform's turn; answered: the account's"`
	Subject  string          `json:"subject"`
	Ref      string          `json:"ref" doc:"Page of the office that it is about; empty for none"`
	OpenedAt time.Time       `json:"opened_at"`
	Changed  time.Time       `json:"changed_at"`
	Entries  []RequestEntry  `json:"entries,omitempty" doc:"What was said, from old to new; of one request alone"`
}

// RequestEntry is one thing said.
type RequestEntry struct {
	At    time.Time  `json:"at"`
	Act   ticket.Act `json:"act" enum:"ask,answer,close,grant,deny"`
	Side  string     `json:"side" enum:"account,platform"`
	Text  string     `json:"text"`
	Files int        `json:"files" doc:"How many files came with it; they are in the office"`
}

func threadOf(k ticket.Ticket, staff bool) *Request {
	r := &Request{ID: k.ID, Category: k.Category, State: k.State, Subject: k.Subject, Ref: k.Ref, OpenedAt: k.At(), Changed: k.ChangedAt}
	if staff {
		r.Tenant = &k.Tenant
	}
	return r
}

type requestsOutput struct {
	Body struct {
		Data []*Request `json:"data" nullable:"false" doc:"At most 1,000"`
	}
}

func requestsOf(list []ticket.Ticket, staff bool, err error) (*requestsOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &requestsOutput{}
	out.Body.Data = make([]*Request, len(list))
	for i, k := range list {
		out.Body.Data[i] = threadOf(k, staff)
	}
	return out, nil
}

func (a *API) listRequests(ctx context.Context, _ *struct{}) (*requestsOutput, error) {
	list, err := a.c.Tickets.Tickets(ctx, keyOf(ctx).Tenant)
	return requestsOf(list, false, err)
}

type allRequestsInput struct {
	State string `query:"state" enum:"open,answered,closed" doc:"Without: open and answered"`
}

func (a *API) listAllRequests(ctx context.Context, in *allRequestsInput) (*requestsOutput, error) {
	states := []ticket.State{ticket.Open, ticket.Answered}
	if in.State != "" {
		states = []ticket.State{ticket.State(in.State)}
	}
	list, err := a.c.Tickets.Queue(ctx, states...)
	list = slices.DeleteFunc(list, func(k ticket.Ticket) bool { return k.Category == ticket.Appeal })
	return requestsOf(list, true, err)
}

type requestOutput struct{ Body *Request }

// thread is a request with what was said.
func (a *API) thread(ctx context.Context, k ticket.Ticket, staff bool, err error) (*requestOutput, error) {
	if err != nil {
		return nil, err
	}
	said, err := a.c.Tickets.Entries(ctx, k)
	if err != nil {
		return nil, err
	}
	r := threadOf(k, staff)
	for _, e := range said {
		side := "account"
		if e.Staff {
			side = "platform"
		}
		r.Entries = append(r.Entries, RequestEntry{At: e.At(), Act: e.Act, Side: side, Text: e.Text, Files: len(e.Files)})
	}
	return &requestOutput{r}, nil
}

// RequestPath names a request.
type RequestPath struct {
	ID string `path:"id" maxLength:"64" doc:"Of the request" example:"tkt_01k00000000000000000000000"`
}

// requestAt finds it: of the key's own account, or for the platform of any. A malformed
// identifier names nothing.
func (a *API) requestAt(ctx context.Context, in *RequestPath, staff bool) (k ticket.Ticket, err error) {
	missing := fault.New(fault.NotFound, ticket.CodeUnknown, "There is no such request.")
	name, err := id.Parse[ticket.Kind](in.ID)
	if err != nil {
		return k, missing
	}
	if staff {
		k, err = a.c.Tickets.Find(ctx, name)
	} else {
		k, err = a.c.Tickets.Ticket(ctx, keyOf(ctx).Tenant, name)
	}
	if fault.IsKind(err, fault.NotFound) || err == nil && staff && k.Category == ticket.Appeal {
		return ticket.Ticket{}, missing
	}
	return k, err
}

type openRequestInput struct {
	Body struct {
		Category string `json:"category" enum:"approval,delivery,plan,account,other,appeal" doc:"appeal: of a locked account, and nothing else then"`
		Subject  string `json:"subject" maxLength:"1000" doc:"3 to 150 characters"`
		Ref      string `json:"ref,omitempty" maxLength:"200" doc:"Page of the office that it is about, such as /groups/…"`
		Text     string `json:"text" maxLength:"8000" doc:"3 to 4,000 characters"`
	}
}

func (a *API) openRequest(ctx context.Context, in *openRequestInput) (*requestOutput, error) {
	key := keyOf(ctx)
	t, err := a.c.Tenants.Tenant(ctx, key.Tenant)
	if err != nil {
		return nil, err
	}
	b := in.Body
	k, err := a.c.Tickets.Open(ctx, t, ticket.Wish{Category: ticket.Category(b.Category), Subject: b.Subject, Ref: b.Ref, Text: b.Text}, key.ID.String())
	return a.thread(ctx, k, false, err)
}

func (a *API) getRequest(ctx context.Context, in *RequestPath) (*requestOutput, error) {
	k, err := a.requestAt(ctx, in, false)
	return a.thread(ctx, k, false, err)
}

func (a *API) getAnyRequest(ctx context.Context, in *RequestPath) (*requestOutput, error) {
	k, err := a.requestAt(ctx, in, true)
	return a.thread(ctx, k, true, err)
}

type replyRequestInput struct {
	RequestPath
	Body struct {
		Text string `json:"text" maxLength:"8000" doc:"3 to 4,000 characters"`
	}
}

func (a *API) reply(ctx context.Context, in *replyRequestInput, staff bool) (*requestOutput, error) {
	k, err := a.requestAt(ctx, &in.RequestPath, staff)
	if err == nil {
		k, err = a.c.Tickets.Reply(ctx, k, in.Body.Text, nil, keyOf(ctx).ID.String(), staff)
	}
	return a.thread(ctx, k, staff, err)
}

func (a *API) replyRequest(ctx context.Context, in *replyRequestInput) (*requestOutput, error) {
	return a.reply(ctx, in, false)
}

func (a *API) answerRequest(ctx context.Context, in *replyRequestInput) (*requestOutput, error) {
	return a.reply(ctx, in, true)
}

func (a *API) closing(ctx context.Context, in *RequestPath, staff bool) (*requestOutput, error) {
	k, err := a.requestAt(ctx, in, staff)
	if err == nil {
		k, err = a.c.Tickets.Close(ctx, k, "", keyOf(ctx).ID.String(), staff)
	}
	return a.thread(ctx, k, staff, err)
}

func (a *API) closeRequest(ctx context.Context, in *RequestPath) (*requestOutput, error) {
	return a.closing(ctx, in, false)
}

func (a *API) closeAnyRequest(ctx context.Context, in *RequestPath) (*requestOutput, error) {
	return a.closing(ctx, in, true)
}

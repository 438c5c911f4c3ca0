package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

// privacyRoutes are those of what people may ask for. All of them ask for the scope that
// changes settings: an answer holds everything about a person, and an erasure is final.
func privacyRoutes() []Route {
	const base, all, one, body = "/v1/privacy", "/v1/privacy/requests", "/v1/privacy/requests/{id}", 8 << 10
	return []Route{
		{Method: http.MethodPost, Path: base + "/access", Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 202, errors: []int{404, 409, 422},
			id: "request-access", summary: "Put together everything that is known of a person (GDPR, art. 15 and 20)", register: registerWith((*API).requestAccess)},
		{Method: http.MethodPost, Path: base + "/erasures", Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 202, errors: []int{404, 409, 422},
			id: "request-erasure", summary: "Erase a person from everything that is kept (GDPR, art. 17)", register: registerWith((*API).requestErasure)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeAdmin, status: 200, errors: []int{422},
			id: "list-privacy-requests", summary: "List requests from new to old", register: registerWith((*API).privacyRequests)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeAdmin, status: 200, errors: []int{404},
			id: "get-privacy-request", summary: "Read how far a request is", register: registerWith((*API).privacyRequest)},
		{Method: http.MethodGet, Path: one + "/file", Scope: tenant.ScopeAdmin, status: 200, errors: []int{404, 409},
			id: "get-access-file", summary: "Read the file of an access request", register: registerAccessFile},
		{Method: http.MethodGet, Path: one + "/certificate", Scope: tenant.ScopeAdmin, status: 200, errors: []int{404, 409},
			id: "get-erasure-certificate", summary: "Read the certificate of an erasure", register: registerCertificate},
	}
}

// PrivacySubject names a person: by a contact, or by an address.
type PrivacySubject struct {
	Contact string `json:"contact_id,omitempty" maxLength:"64" doc:"A contact with all its addresses"`
	Address string `json:"address,omitempty" maxLength:"320" doc:"One of the person's addresses; of a contact that has it, all are meant"`
}

// PrivacyRequest is one request and how far it is.
type PrivacyRequest struct {
	ID         privacy.RequestID `json:"id"`
	Kind       string            `json:"kind" enum:"access,erasure"`
	State      string            `json:"state" enum:"waiting,running,settling,done,failed,expired"`
	Addresses  []string          `json:"addresses" nullable:"false" doc:"Empty once an erasure is done or a file has expired"`
	Blocked    bool              `json:"blocked" doc:"Of an erasure: the addresses stay suppressed, by their keyed hashes"`
	Done       int64             `json:"done" doc:"How far it is, in things"`
	Total      int64             `json:"total"`
	Counts     map[string]int64  `json:"counts,omitempty" doc:"What was handed out or erased"`
	Size       int64             `json:"size" doc:"Of the file in bytes"`
	CreatedAt  time.Time         `json:"created_at"`
	FinishedAt *time.Time        `json:"finished_at"`
	ExpiresAt  *time.Time        `json:"expires_at" doc:"When the file is dropped"`
}

func privacyRequestOf(r privacy.Request) *PrivacyRequest {
	out := &PrivacyRequest{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Addresses: []string{}, Blocked: r.Block, Done: r.Done, Total: r.Total, Counts: r.Counts, Size: r.Size,
		CreatedAt: r.CreatedAt, FinishedAt: timeOrNull(r.FinishedAt), ExpiresAt: timeOrNull(r.ExpiresAt),
	}
	for _, a := range r.Person.Addresses {
		out.Addresses = append(out.Addresses, a.String())
	}
	return out
}

// person finds whom a request is about.
func (a *API) person(ctx context.Context, in PrivacySubject) (privacy.Person, error) {
	t := keyOf(ctx).Tenant
	switch {
	case (in.Contact == "") == (in.Address == ""):
		return privacy.Person{}, fault.Field("address", "person_missing", "Either contact_id or address is expected.")
	case in.Contact != "":
		c, err := id.Parse[audience.ContactKind](in.Contact)
		if err != nil {
			return privacy.Person{}, fault.New(fault.NotFound, "contact_not_found", "There is no such contact.")
		}
		return a.c.Privacy.Person(ctx, t, c)
	}
	address, err := message.ParseAddress(in.Address)
	if err != nil {
		return privacy.Person{}, at(err, "address")
	}
	return a.c.Privacy.PersonAt(ctx, t, address)
}

// at puts a refusal at a field of the body.
func at(err error, field string) error {
	e := fault.As(err)
	if e == nil {
		return err
	}
	one := *e
	one.Field = field
	return &one
}

// PrivacyKey is the header by which a request that is made twice is one.
type PrivacyKey struct {
	Key string `header:"Idempotency-Key" maxLength:"256" doc:"The same key is the same request, for good; about another person it is a conflict. Without a key, a request that is still open is not made twice"`
}

type accessInput struct {
	PrivacyKey
	Body struct {
		PrivacySubject
		Locale string `json:"locale,omitempty" enum:"de,en" doc:"Of the page to read first; left out: de"`
	}
}

type privacyOutput struct{ Body *PrivacyRequest }

func (a *API) requestAccess(ctx context.Context, in *accessInput) (*privacyOutput, error) {
	person, err := a.person(ctx, in.Body.PrivacySubject)
	if err != nil {
		return nil, err
	}
	locale := in.Body.Locale
	if locale == "" {
		locale = "de"
	}
	r, err := a.c.Privacy.Ask(ctx, privacy.Wish{Kind: privacy.Access, Person: person, Locale: locale, Actor: keyOf(ctx).ID.String(), Idempotency: in.Key})
	if err != nil {
		return nil, err
	}
	return &privacyOutput{privacyRequestOf(r)}, nil
}

type erasureInput struct {
	PrivacyKey
	Body struct {
		PrivacySubject
		Confirm string `json:"confirm" maxLength:"320" doc:"One of the person's addresses: what cannot be taken back is said twice"`
		Block   bool   `json:"block,omitempty" doc:"Keep the addresses suppressed for good, by keyed hashes"`
	}
}

func (a *API) requestErasure(ctx context.Context, in *erasureInput) (*privacyOutput, error) {
	person, err := a.person(ctx, in.Body.PrivacySubject)
	if err != nil {
		return nil, err
	}
	w := privacy.Wish{Person: person, Block: in.Body.Block, Locale: "de", Actor: keyOf(ctx).ID.String(), Idempotency: in.Key}
	r, err := a.c.Privacy.ConfirmErasure(ctx, w, in.Body.Confirm)
	if e := fault.As(err); e != nil && e.Field == "address" {
		return nil, at(err, "confirm")
	}
	if err != nil {
		return nil, err
	}
	return &privacyOutput{privacyRequestOf(r)}, nil
}

type privacyListInput struct {
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type privacyListOutput struct {
	Body struct {
		Data    []*PrivacyRequest `json:"data" nullable:"false"`
		HasMore bool              `json:"has_more"`
		Next    *string           `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) privacyRequests(ctx context.Context, in *privacyListInput) (*privacyListOutput, error) {
	var after privacy.RequestID
	if in.After != "" {
		var err error
		if after, err = id.Parse[privacy.RequestKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a request.")
		}
	}
	list, more, err := a.c.Privacy.Requests(ctx, keyOf(ctx).Tenant, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &privacyListOutput{}
	out.Body.Data, out.Body.HasMore = []*PrivacyRequest{}, more
	for _, r := range list {
		out.Body.Data = append(out.Body.Data, privacyRequestOf(r))
	}
	if more {
		next := list[len(list)-1].ID.String()
		out.Body.Next = &next
	}
	return out, nil
}

// PrivacyPath names one request.
type PrivacyPath struct {
	ID string `path:"id" maxLength:"64" example:"dsr_01k00000000000000000000000"`
}

func (in PrivacyPath) request() (privacy.RequestID, error) {
	r, err := id.Parse[privacy.RequestKind](in.ID)
	if err != nil {
		return r, fault.New(fault.NotFound, "privacy_request_not_found", "There is no such thing here.")
	}
	return r, nil
}

func (a *API) privacyRequest(ctx context.Context, in *PrivacyPath) (*privacyOutput, error) {
	one, err := in.request()
	if err != nil {
		return nil, err
	}
	r, err := a.c.Privacy.Request(ctx, keyOf(ctx).Tenant, one)
	if err != nil {
		return nil, err
	}
	return &privacyOutput{privacyRequestOf(r)}, nil
}

// registerFile describes a route that answers with a file.
func registerFile(a *API, api huma.API, r Route, media string, schema *huma.Schema, serve func(http.ResponseWriter, *http.Request) error) {
	op := r.operation(api)
	op.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{media: {Schema: schema}}}
	a.registerPlain(api, r, op, serve)
}

func registerAccessFile(a *API, api huma.API, r Route) {
	registerFile(a, api, r, "application/zip", &huma.Schema{Type: huma.TypeString, Format: "binary"}, a.accessFile)
}

func (a *API) accessFile(w http.ResponseWriter, r *http.Request) error {
	one, err := PrivacyPath{r.PathValue("id")}.request()
	if err != nil {
		return err
	}
	write, request, err := a.c.Privacy.Fetch(r.Context(), keyOf(r.Context()).Tenant, one)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="access-`+request.ID.String()+`.zip"`)
	h.Set("Content-Length", strconv.FormatInt(request.Size, 10))
	h.Set("Cache-Control", "no-store")
	if err := write(w); err != nil {
		// The header is out: a file that is too short is taken for whole by nobody.
		a.c.Log.ErrorContext(r.Context(), "access file broken off", "request", requestOf(r.Context()), "err", err)
	}
	return nil
}

func registerCertificate(a *API, api huma.API, r Route) {
	registerFile(a, api, r, "application/json", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "What stafette contact verify reads"}, a.certificate)
}

func (a *API) certificate(w http.ResponseWriter, r *http.Request) error {
	one, err := PrivacyPath{r.PathValue("id")}.request()
	if err != nil {
		return err
	}
	c, err := a.c.Privacy.Certificate(r.Context(), keyOf(r.Context()).Tenant, one)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(append(text, '\n'))
	return err
}

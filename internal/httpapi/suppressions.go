package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// suppressionRoutes are those of the suppression list. Adding takes mail away from
// nobody who wants it back by lifting, so it asks for what sending asks for; lifting
// and rules ask for more.
func (a *API) suppressionRoutes() []Route {
	const all, one = "/v1/suppressions", "/v1/suppressions/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-suppressions", summary: "List suppressed addresses", register: registerWith((*API).listSuppressions)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: 64 << 10, media: "application/json", status: 201, errors: []int{422},
			id: "suppress", summary: "Suppress an address", register: registerWith((*API).suppress)},
		{Method: http.MethodPost, Path: all + "/import", Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Import, status: 200, errors: []int{413, 415, 422},
			id: "import-suppressions", summary: "Suppress the addresses of a list", register: registerImport},
		{Method: http.MethodGet, Path: all + "/export", Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "export-suppressions", summary: "Read the list as CSV", register: registerExport},
		{Method: http.MethodPost, Path: all + "/erase", Scope: tenant.ScopeAdmin, MaxBody: 64 << 10, media: "application/json", status: 200, errors: []int{422},
			id: "erase-suppressed", summary: "Forget a suppressed address and keep its hash", register: registerWith((*API).eraseSuppressed)},
		{Method: http.MethodGet, Path: all + "/rules", Scope: tenant.ScopeRead, status: 200,
			id: "get-suppression-rules", summary: "Read the rules that suppress automatically", register: registerWith((*API).suppressionRules)},
		{Method: http.MethodPut, Path: all + "/rules", Scope: tenant.ScopeAdmin, MaxBody: 64 << 10, media: "application/json", status: 200, errors: []int{422},
			id: "set-suppression-rules", summary: "Set own rules", register: registerWith((*API).setSuppressionRules)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-suppression", summary: "Read a suppression and its address's history", register: registerWith((*API).getSuppression)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 200, errors: []int{404, 422},
			id: "lift-suppression", summary: "Lift a suppression", register: registerWith((*API).liftSuppression)},
	}
}

// Suppression is an address that must not be written to.
type Suppression struct {
	ID        audience.ID         `json:"id"`
	Address   string              `json:"address" doc:"Lower case; empty: erased, only a keyed hash is left"`
	Stream    string              `json:"stream" doc:"Empty: every stream"`
	Reason    string              `json:"reason" enum:"complaint,unsubscribed,hard_bounce,repeated_bounce,manual,role,unnamed,import"`
	Class     string              `json:"class" doc:"Bounce class that led to it; empty if none"`
	Delivery  *message.DeliveryID `json:"delivery_id" doc:"The delivery whose outcome led to it"`
	Message   *message.ID         `json:"message_id" doc:"Its message"`
	Actor     string              `json:"actor" doc:"system, or a key or user"`
	Note      string              `json:"note"`
	CreatedAt time.Time           `json:"created_at"`
	ExpiresAt *time.Time          `json:"expires_at" doc:"Null: for good"`
	History   []SuppressionAct    `json:"history,omitempty" nullable:"false" doc:"What happened to the address, from old to new; not in lists"`
}

// SuppressionAct is one thing that happened to an address.
type SuppressionAct struct {
	At       time.Time           `json:"at"`
	Type     string              `json:"type" enum:"suppressed,lifted,erased"`
	Stream   string              `json:"stream"`
	Reason   string              `json:"reason"`
	Class    string              `json:"class"`
	Delivery *message.DeliveryID `json:"delivery_id"`
	Actor    string              `json:"actor"`
	Note     string              `json:"note"`
}

func suppressionOf(e audience.Entry) Suppression {
	s := Suppression{ID: e.ID, Stream: string(e.Stream), Reason: string(e.Reason), Class: e.Class, Actor: e.Actor, Note: e.Note,
		CreatedAt: e.CreatedAt, ExpiresAt: timeOrNull(e.ExpiresAt)}
	if !e.Erased() {
		s.Address = e.Address.String()
	}
	if !e.Source.IsZero() {
		m := message.Of(e.Source)
		s.Delivery, s.Message = &e.Source, &m
	}
	return s
}

// SuppressionFilter narrows and orders a list of suppressions.
type SuppressionFilter struct {
	Query   string `query:"q" maxLength:"320" doc:"Whole address, which also finds an erased one, or a part"`
	Stream  string `query:"stream" enum:"transactional,lead,reminder,newsletter,system" doc:"With those of every stream"`
	Reason  string `query:"reason" enum:"complaint,unsubscribed,hard_bounce,repeated_bounce,manual,role,unnamed,import"`
	Address bool   `query:"by_address" doc:"Order by address instead of by time"`
	Oldest  bool   `query:"ascending" doc:"Order from low to high"`
}

func (f SuppressionFilter) filter() audience.Filter {
	return audience.Filter{Text: f.Query, Stream: tenant.Stream(f.Stream), Reason: audience.Reason(f.Reason), ByAddress: f.Address, Ascending: f.Oldest}
}

type listSuppressionsInput struct {
	SuppressionFilter
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type listSuppressionsOutput struct {
	Body struct {
		Data    []Suppression `json:"data" nullable:"false"`
		HasMore bool          `json:"has_more"`
		Next    *string       `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listSuppressions(ctx context.Context, in *listSuppressionsInput) (*listSuppressionsOutput, error) {
	f := in.filter()
	f.Limit = in.Limit
	if in.After != "" {
		var err error
		if f.After, err = id.Parse[audience.Kind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a suppression.")
		}
	}
	page, err := a.c.Audience.Suppressions(ctx, keyOf(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	out := &listSuppressionsOutput{}
	out.Body.Data = make([]Suppression, len(page.Entries))
	for i, e := range page.Entries {
		out.Body.Data[i] = suppressionOf(e)
	}
	if page.More {
		next := page.Entries[len(page.Entries)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type suppressInput struct {
	Body struct {
		Address   string    `json:"address" maxLength:"1000" example:"eva@kunde.example"`
		Stream    string    `json:"stream,omitempty" doc:"Left out: every stream"`
		Reason    string    `json:"reason,omitempty" doc:"Left out: manual"`
		ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Left out: for good"`
		Note      string    `json:"note,omitempty" maxLength:"2000"`
	}
}

type suppressionOutput struct{ Body Suppression }

func (a *API) suppress(ctx context.Context, in *suppressInput) (*suppressionOutput, error) {
	d := &decoder{}
	address, err := message.ParseAddress(in.Body.Address)
	if err != nil {
		d.refuse("address", err)
		return nil, fault.Join(d.wrong)
	}
	key := keyOf(ctx)
	e, err := a.c.Audience.Suppress(ctx, key.Tenant, audience.Wish{
		Address: address, Stream: tenant.Stream(in.Body.Stream), Reason: audience.Reason(in.Body.Reason),
		ExpiresAt: in.Body.ExpiresAt, Note: in.Body.Note,
	}, key.ID.String())
	if err != nil {
		return nil, err
	}
	return &suppressionOutput{suppressionOf(e)}, nil
}

// SuppressionPath names one suppression.
type SuppressionPath struct {
	ID string `path:"id" maxLength:"64" example:"sup_01k00000000000000000000000"`
}

// entry finds the suppression; a malformed identifier names nothing.
func (a *API) entry(ctx context.Context, in SuppressionPath) (audience.Entry, error) {
	s, err := id.Parse[audience.Kind](in.ID)
	if err != nil {
		return audience.Entry{}, fault.New(fault.NotFound, "suppression_not_found", "There is no such thing here.")
	}
	return a.c.Audience.Suppression(ctx, keyOf(ctx).Tenant, s)
}

func (a *API) getSuppression(ctx context.Context, in *SuppressionPath) (*suppressionOutput, error) {
	e, err := a.entry(ctx, *in)
	if err != nil {
		return nil, err
	}
	acts, err := a.c.Audience.History(ctx, e.Tenant, e.Hash)
	if err != nil {
		return nil, err
	}
	out := &suppressionOutput{suppressionOf(e)}
	for _, act := range acts {
		one := SuppressionAct{At: act.At, Type: string(act.Type), Stream: string(act.Stream), Reason: string(act.Reason),
			Class: act.Class, Actor: act.Actor, Note: act.Note}
		if !act.Source.IsZero() {
			one.Delivery = &act.Source
		}
		out.Body.History = append(out.Body.History, one)
	}
	return out, nil
}

type liftInput struct {
	SuppressionPath
	Reason string `query:"reason" maxLength:"2000" doc:"Why; kept in the history. At least 3 characters"`
}

func (a *API) liftSuppression(ctx context.Context, in *liftInput) (*suppressionOutput, error) {
	e, err := a.entry(ctx, in.SuppressionPath)
	if err != nil {
		return nil, err
	}
	lifted, err := a.c.Audience.Lift(ctx, e.Tenant, e.ID, keyOf(ctx).ID.String(), in.Reason)
	if f := fault.As(err); f != nil && f.Field != "" {
		f.Field = "query/" + f.Field
	}
	if err != nil {
		return nil, err
	}
	return &suppressionOutput{suppressionOf(lifted)}, nil
}

type eraseInput struct {
	Body struct {
		Address string `json:"address" maxLength:"1000"`
	}
}

type eraseOutput struct {
	Body struct {
		Remaining int64 `json:"remaining" doc:"Suppressions that stay in force by their hash alone"`
	}
}

func (a *API) eraseSuppressed(ctx context.Context, in *eraseInput) (*eraseOutput, error) {
	address, err := message.ParseAddress(in.Body.Address)
	if err != nil {
		d := &decoder{}
		d.refuse("address", err)
		return nil, fault.Join(d.wrong)
	}
	out := &eraseOutput{}
	out.Body.Remaining, err = a.c.Audience.Erase(ctx, keyOf(ctx).Tenant, address, keyOf(ctx).ID.String())
	return out, err
}

// SuppressionRule says when outcomes of deliveries make a suppression.
type SuppressionRule struct {
	Class      string          `json:"class" doc:"Class of the outcome; hard stands for every other class that calls an address dead"`
	Streams    []tenant.Stream `json:"streams,omitempty" nullable:"false" doc:"Of the mail; left out: all"`
	Count      int             `json:"count" minimum:"0" maximum:"100" doc:"Deliveries with this outcome; 1: at once, 0: never"`
	Within     int             `json:"within_days,omitempty" minimum:"0" maximum:"3650"`
	Lasts      int             `json:"lasts_days,omitempty" minimum:"0" maximum:"3650" doc:"0: for good"`
	Everywhere bool            `json:"everywhere,omitempty" doc:"Holds for all streams, not only for that of the mail"`
}

type rulesBody struct {
	Rules []SuppressionRule `json:"rules" nullable:"false" maxItems:"100" doc:"The first that fits decides. What a tenant says about a class replaces all that the defaults say about it"`
}

type rulesOutput struct{ Body rulesBody }

func (a *API) suppressionRules(ctx context.Context, _ *struct{}) (*rulesOutput, error) {
	out := &rulesOutput{}
	for _, r := range a.c.Audience.RulesOf(keyOf(ctx).Tenant) {
		out.Body.Rules = append(out.Body.Rules, SuppressionRule(r))
	}
	return out, nil
}

type setRulesInput struct{ Body rulesBody }

func (a *API) setSuppressionRules(ctx context.Context, in *setRulesInput) (*rulesOutput, error) {
	var rules audience.Rules
	for _, r := range in.Body.Rules {
		rules = append(rules, audience.Rule(r))
	}
	key := keyOf(ctx)
	if err := a.c.Audience.SetRules(ctx, key.Tenant, rules, audience.By{Actor: key.ID.String()}); err != nil {
		return nil, err
	}
	return a.suppressionRules(ctx, nil)
}

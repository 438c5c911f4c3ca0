package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// maxDomainBody holds the longest name with room for white space.
const maxDomainBody = 8192

func domainRoutes() []Route {
	const all, one = "/v1/domains", "/v1/domains/{id}"
	route := func(method, path string, scope tenant.Scope, status int, name, summary string, errors ...int) Route {
		return Route{Method: method, Path: path, Scope: scope, status: status, errors: errors, id: name, summary: summary}
	}
	list := route(http.MethodGet, all, tenant.ScopeRead, 200, "list-domains", "List sending domains")
	list.register = registerWith((*API).listDomains)
	add := route(http.MethodPost, all, tenant.ScopeAdmin, 201, "add-domain", "Add a sending domain", 400, 409, 413, 422)
	add.MaxBody, add.media, add.register = maxDomainBody, "application/json", registerJSON((*API).addDomain)
	get := route(http.MethodGet, one, tenant.ScopeRead, 200, "get-domain", "Read a domain and the DNS records it needs", 404)
	get.register = registerWith((*API).getDomain)
	check := route(http.MethodPost, one+"/check", tenant.ScopeAdmin, 200, "check-domain", "Look the DNS records up now", 404, 409)
	check.register = registerWith(changeDomain(Domains.Check))
	rotate := route(http.MethodPost, one+"/rotation", tenant.ScopeAdmin, 200, "rotate-domain-keys", "Make new DKIM keys, which sign once their records are published", 404, 409)
	rotate.register = registerWith(changeDomain(Domains.Rotate))
	cancel := route(http.MethodDelete, one+"/rotation", tenant.ScopeAdmin, 200, "cancel-key-rotation", "Give new DKIM keys up that wait for their records", 404, 409)
	cancel.register = registerWith(changeDomain(Domains.CancelRotation))
	reports := route(http.MethodGet, one+"/reports", tenant.ScopeRead, 200, "get-domain-reports", "Read what receivers report about mail with the domain in From (DMARC)", 404, 422)
	reports.register = registerWith((*API).domainReports)
	remove := route(http.MethodDelete, one, tenant.ScopeAdmin, 204, "remove-domain", "Remove a domain with its keys; refused while mail with it waits", 404, 409)
	remove.register = registerWith((*API).removeDomain)
	return []Route{list, add, get, check, rotate, cancel, reports, remove}
}

// Domain is a sending domain as programs read it.
type Domain struct {
	ID         tenant.DomainID `json:"id"`
	Name       string          `json:"name"`
	State      string          `json:"state" enum:"pending,verified,grace,lapsed,trusted" doc:"verified, grace and trusted may stand in From; in grace until grace_until"`
	GraceUntil *time.Time      `json:"grace_until" doc:"When sending ends if the records stay away"`
	CheckedAt  *time.Time      `json:"checked_at" doc:"Last answer of DNS"`
	CreatedAt  time.Time       `json:"created_at"`
}

// DomainSetup is a domain with the records it needs.
type DomainSetup struct {
	Domain
	Records []DomainRecord `json:"records" nullable:"false"`
	Keys    []DomainKey    `json:"keys" nullable:"false" doc:"DKIM keys; private halves are never told"`
	History []DomainFact   `json:"history" nullable:"false" doc:"From new to old, 50 at most"`
}

// DomainRecord is a DNS record and what DNS says of it.
type DomainRecord struct {
	Purpose string   `json:"purpose" enum:"dkim,dkim_new,return,spf,dmarc,tracking,tlsrpt,mta_sts"`
	Type    string   `json:"type" enum:"TXT,CNAME"`
	Name    string   `json:"name"`
	Value   string   `json:"value" doc:"To publish; empty: nothing is asked for"`
	State   string   `json:"state" enum:"unchecked,found,missing,different,no_answer"`
	Seen    []string `json:"seen" nullable:"false" doc:"What is there, shortened"`
	Needed  bool     `json:"needed" doc:"Nothing may be sent without it"`
}

// DomainKey is a DKIM key without its private half.
type DomainKey struct {
	ID        tenant.DKIMKeyID `json:"id"`
	Selector  string           `json:"selector"`
	Algorithm string           `json:"algorithm" enum:"rsa,ed25519"`
	State     string           `json:"state" enum:"active,waiting,retired" doc:"waiting: signs once its record is published; retired: its record must stay for seven days"`
	CreatedAt time.Time        `json:"created_at"`
	RetiredAt *time.Time       `json:"retired_at"`
}

// DomainFact is one fact about a domain.
type DomainFact struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event" enum:"added,verified,grace,restored,lapsed,rotation_started,rotation_canceled,keys_switched,keys_removed"`
	Actor  string    `json:"actor"`
	Detail string    `json:"detail" doc:"Names of records"`
}

type domainInput struct {
	ID string `path:"id" maxLength:"64" example:"dom_01k00000000000000000000000"`
}

// domain parses the identifier; a malformed one names nothing.
func (in *domainInput) domain() (tenant.DomainID, error) {
	d, err := id.Parse[tenant.DomainKind](in.ID)
	if err != nil {
		return d, fault.New(fault.NotFound, "domain_not_found", "There is no such domain.")
	}
	return d, nil
}

// noDomain makes one answer of all that is not there, whoever says so.
func noDomain(err error) error {
	if fault.IsKind(err, fault.NotFound) {
		return fault.New(fault.NotFound, "domain_not_found", "There is no such domain.")
	}
	return err
}

type domainsOutput struct {
	Body struct {
		Data []Domain `json:"data" nullable:"false"`
	}
}

func (a *API) listDomains(ctx context.Context, _ *struct{}) (*domainsOutput, error) {
	list, err := a.c.Domains.List(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &domainsOutput{}
	out.Body.Data = make([]Domain, len(list))
	for i, d := range list {
		out.Body.Data[i] = asDomain(d)
	}
	return out, nil
}

// NewDomain is the body of a request to add one.
type NewDomain struct {
	Name string `json:"name" minLength:"1" maxLength:"1000" doc:"Internationalised names are taken in either form" example:"example.com"`
}

// complete implements complete.
func (in NewDomain) complete() bool { return in.Name != "" && len(in.Name) <= 1000 }

type domainOutput struct{ Body DomainSetup }

func (a *API) addDomain(ctx context.Context, body NewDomain, _ *jsonInput) (*domainOutput, error) {
	key := keyOf(ctx)
	d, err := a.c.Domains.Add(ctx, key.Tenant, body.Name, key.ID.String())
	if e := fault.As(err); e != nil && e.Field == "domain" {
		named := *e
		named.Field = "name" // as this door calls it
		err = &named
	}
	if err != nil {
		return nil, err
	}
	return domainAnswer(a.c.Domains.Setup(ctx, key.Tenant, d.ID))
}

func (a *API) getDomain(ctx context.Context, in *domainInput) (*domainOutput, error) {
	d, err := in.domain()
	if err != nil {
		return nil, err
	}
	return domainAnswer(a.c.Domains.Setup(ctx, keyOf(ctx).Tenant, d))
}

// changeDomain makes a route of a method that answers with the whole set-up.
func changeDomain(do func(Domains, context.Context, tenant.ID, tenant.DomainID, string) (tenant.DomainSetup, error)) func(*API, context.Context, *domainInput) (*domainOutput, error) {
	return func(a *API, ctx context.Context, in *domainInput) (*domainOutput, error) {
		d, err := in.domain()
		if err != nil {
			return nil, err
		}
		key := keyOf(ctx)
		return domainAnswer(do(a.c.Domains, ctx, key.Tenant, d, key.ID.String()))
	}
}

func (a *API) removeDomain(ctx context.Context, in *domainInput) (*struct{}, error) {
	d, err := in.domain()
	if err != nil {
		return nil, err
	}
	return nil, noDomain(a.c.Domains.Remove(ctx, keyOf(ctx).Tenant, d))
}

func domainAnswer(s tenant.DomainSetup, err error) (*domainOutput, error) {
	if err != nil {
		return nil, noDomain(err)
	}
	out := &domainOutput{Body: DomainSetup{
		Domain: asDomain(s.Domain), Records: make([]DomainRecord, len(s.Records)),
		Keys: make([]DomainKey, len(s.Keys)), History: make([]DomainFact, len(s.History)),
	}}
	for i, f := range s.Records {
		out.Body.Records[i] = DomainRecord{Purpose: string(f.Purpose), Type: f.Type, Name: f.Name, Value: f.Value, State: string(f.State),
			Seen: append([]string{}, f.Seen...), Needed: f.Needed()}
	}
	for i, k := range s.Keys {
		out.Body.Keys[i] = DomainKey{ID: k.ID, Selector: k.Selector, Algorithm: string(k.Algorithm), State: keyState(k), CreatedAt: k.CreatedAt, RetiredAt: moment(k.RetiredAt)}
	}
	for i, f := range s.History {
		out.Body.History[i] = DomainFact{At: f.At, Event: string(f.Event), Actor: f.Actor, Detail: f.Detail}
	}
	return out, nil
}

func keyState(k tenant.DKIMKey) string {
	switch {
	case k.Active:
		return "active"
	case k.Waiting():
		return "waiting"
	}
	return "retired"
}

func asDomain(d tenant.Domain) Domain {
	return Domain{ID: d.ID, Name: d.Name, State: string(d.State), GraceUntil: moment(d.GraceUntil), CheckedAt: moment(d.CheckedAt), CreatedAt: d.CreatedAt}
}

// moment is null for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/openimmo"
	"stafette/internal/tenant"
)

// maxLeadForm is generous: the longest texts of a form together have some 30,000 characters.
const maxLeadForm = 256 << 10

func leadFormRoutes() []Route {
	const all, one = "/v1/lead-forms", "/v1/lead-forms/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-lead-forms", summary: "List forms by name", register: registerWith((*API).listLeadForms)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeAdmin, MaxBody: maxLeadForm, media: "application/json", status: 201, errors: []int{409, 413, 422},
			id: "create-lead-form", summary: "Make a form", register: registerWith((*API).createLeadForm)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-lead-form", summary: "Read a form", register: registerWith((*API).getLeadForm)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeAdmin, MaxBody: maxLeadForm, media: "application/json", status: 200, errors: []int{404, 413, 422},
			id: "change-lead-form", summary: "Replace what a form says and asks; its address and what is embedded stay", register: registerWith((*API).changeLeadForm)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-lead-form", summary: "Remove a form; what came through it stays", register: registerWith((*API).deleteLeadForm)},
	}
}

// LeadFormDraft is what a form says and asks.
type LeadFormDraft struct {
	Name       string            `json:"name" maxLength:"200" doc:"For your own people"`
	Active     bool              `json:"active,omitempty" doc:"It takes enquiries"`
	Language   string            `json:"language,omitempty" enum:"de,en" doc:"Left out: the reader's"`
	Advertiser string            `json:"advertiser_id,omitempty" doc:"Your number of who receives the enquiries; not with signed" example:"4711"`
	Signed     bool              `json:"signed,omitempty" doc:"Advertiser and object come with each address, signed by you"`
	Object     *LeadFormObject   `json:"object,omitempty" doc:"What it is about; not with signed"`
	Fields     map[string]string `json:"fields" doc:"mandatory, optional or hidden by field: salutation, first_name, last_name, company, email, phone, street, postal_code, city, move_in, persons, pets, employment, income, application, wish, message. What is not named is hidden; email or phone must be mandatory"`
	Origins    []string          `json:"origins,omitempty" doc:"Web sites that may embed it and post to it: scheme, host and port" example:"[\"https://makler.example\"]"`
	Notice     string            `json:"notice,omitempty" doc:"Text of Art. 13 GDPR; an active form needs one"`
	PrivacyURL string            `json:"privacy_url,omitempty"`
	Thanks     string            `json:"thanks,omitempty" doc:"Said after sending; left out: a sentence of ours"`
	Redirect   string            `json:"redirect,omitempty" doc:"A page of one of the origins instead"`
}

// LeadFormObject is what a form is about.
type LeadFormObject struct {
	AdvertiserRef string `json:"advertiser_ref" example:"MA-1024"`
	PortalID      string `json:"portal_id,omitempty"`
	Title         string `json:"title,omitempty"`
	City          string `json:"city,omitempty"`
	URL           string `json:"url,omitempty"`
	Marketing     string `json:"marketing,omitempty" doc:"As OpenImmo has it" example:"KAUF"`
}

// LeadForm is a form with where it is found.
type LeadForm struct {
	ID leadform.ID `json:"id"`
	LeadFormDraft
	Key       string    `json:"key" doc:"Its public address ends in it: /f/{key}"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func leadFormOf(f leadform.Form) LeadForm {
	v := LeadForm{ID: f.ID, Key: f.Key(), CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt, LeadFormDraft: LeadFormDraft{Name: f.Name, Active: f.Active,
		Language: string(f.Lang), Advertiser: f.Advertiser, Signed: f.Signed, Fields: map[string]string{}, Origins: f.Origins, Notice: f.Notice,
		PrivacyURL: f.PrivacyURL, Thanks: f.Thanks, Redirect: f.Redirect}}
	for field, need := range f.Fields {
		v.Fields[string(field)] = string(need)
	}
	if !f.Signed {
		v.Object = &LeadFormObject{AdvertiserRef: f.Object.AdvertiserRef, PortalID: f.Object.PortalID, Title: f.Object.Title, City: f.Object.City, URL: f.Object.URL}
		if len(f.Object.Marketing) > 0 {
			v.Object.Marketing = f.Object.Marketing[0]
		}
	}
	return v
}

type listLeadFormsOutput struct {
	Body struct {
		Data []LeadForm `json:"data" nullable:"false"`
	}
}

func (a *API) listLeadForms(ctx context.Context, _ *struct{}) (*listLeadFormsOutput, error) {
	list, err := a.c.LeadForms.Forms(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listLeadFormsOutput{}
	out.Body.Data = make([]LeadForm, len(list))
	for i, f := range list {
		out.Body.Data[i] = leadFormOf(f)
	}
	return out, nil
}

type leadFormOutput struct{ Body LeadForm }

func (a *API) createLeadForm(ctx context.Context, in *struct{ Body LeadFormDraft }) (*leadFormOutput, error) {
	return a.saveLeadForm(ctx, leadform.Form{Tenant: keyOf(ctx).Tenant}, in.Body)
}

func (a *API) changeLeadForm(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"64"`
	Body LeadFormDraft
}) (*leadFormOutput, error) {
	number, err := (&leadFormInput{in.ID}).number()
	if err != nil {
		return nil, err
	}
	f, err := a.c.LeadForms.Form(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	return a.saveLeadForm(ctx, f, in.Body)
}

// saveLeadForm replaces all of a form that a program can say.
func (a *API) saveLeadForm(ctx context.Context, f leadform.Form, d LeadFormDraft) (*leadFormOutput, error) {
	f = leadform.Form{ID: f.ID, Tenant: f.Tenant, CreatedAt: f.CreatedAt, Name: d.Name, Active: d.Active, Lang: i18n.Lang(d.Language), Advertiser: d.Advertiser, Signed: d.Signed,
		Fields: map[leadform.Field]leadform.Need{}, Origins: d.Origins, Notice: d.Notice, PrivacyURL: d.PrivacyURL, Thanks: d.Thanks, Redirect: d.Redirect}
	for field, need := range d.Fields {
		f.Fields[leadform.Field(field)] = leadform.Need(need)
	}
	if o := d.Object; o != nil {
		f.Object = openimmo.Object{AdvertiserRef: o.AdvertiserRef, PortalID: o.PortalID, Title: o.Title, City: o.City, URL: o.URL, Marketing: some(o.Marketing)}
	}
	f, err := a.c.LeadForms.Save(ctx, f)
	if err != nil {
		return nil, pointedForm(err)
	}
	return &leadFormOutput{leadFormOf(f)}, nil
}

// pointedForm names the inputs of a refusal as the request calls them.
func pointedForm(err error) error {
	f := fault.As(err)
	if f == nil || f.Field == "" {
		return err
	}
	rename := map[string]string{"advertiser": "advertiser_id", "object": "object/advertiser_ref", "title": "object/title", "url": "object/url"}
	point := func(f fault.Error) *fault.Error {
		if name := rename[f.Field]; name != "" {
			f.Field = name
		}
		return &f
	}
	first := point(*f)
	first.Also = nil
	for _, one := range f.Also {
		first.Also = append(first.Also, point(*one))
	}
	return first
}

type leadFormInput struct {
	ID string `path:"id" maxLength:"64"`
}

// number answers what is no identifier like what does not exist.
func (in *leadFormInput) number() (leadform.ID, error) {
	number, err := id.Parse[leadform.Kind](in.ID)
	if err != nil {
		return number, fault.New(fault.NotFound, leadform.CodeUnknown, "There is no such thing here.")
	}
	return number, nil
}

func (a *API) getLeadForm(ctx context.Context, in *leadFormInput) (*leadFormOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	f, err := a.c.LeadForms.Form(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	return &leadFormOutput{leadFormOf(f)}, nil
}

func (a *API) deleteLeadForm(ctx context.Context, in *leadFormInput) (*struct{}, error) {
	number, err := in.number()
	if err == nil {
		err = a.c.LeadForms.Drop(ctx, keyOf(ctx).Tenant, number)
	}
	return nil, err
}

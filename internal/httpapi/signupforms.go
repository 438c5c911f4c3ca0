package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

// maxSignupForm is generous: the longest texts of a form together have some 40,000 characters.
const maxSignupForm = 256 << 10

func signupFormRoutes() []Route {
	const all, one = "/v1/signup-forms", "/v1/signup-forms/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-signup-forms", summary: "List sign-up forms by name", register: registerWith((*API).listSignupForms)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeAdmin, MaxBody: maxSignupForm, media: "application/json", status: 201, errors: []int{409, 413, 422},
			id: "create-signup-form", summary: "Make a sign-up form", register: registerWith((*API).createSignupForm)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-signup-form", summary: "Read a sign-up form", register: registerWith((*API).getSignupForm)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeAdmin, MaxBody: maxSignupForm, media: "application/json", status: 200, errors: []int{404, 413, 422},
			id: "change-signup-form", summary: "Replace what a sign-up form says and asks", register: registerWith((*API).changeSignupForm)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-signup-form", summary: "Remove a sign-up form; consents that came through it stay", register: registerWith((*API).deleteSignupForm)},
	}
}

// SignupFormDraft is what a sign-up form says and asks.
type SignupFormDraft struct {
	Name       string            `json:"name" maxLength:"400" doc:"For your own people"`
	Active     bool              `json:"active,omitempty" doc:"It takes entries: wording, notice, sender, group and an imprint of the account must be there"`
	Title      string            `json:"title" doc:"Above the form"`
	Lead       string            `json:"lead,omitempty"`
	Language   string            `json:"language,omitempty" doc:"de or en; left out: the reader's"`
	GroupID    string            `json:"group_id" maxLength:"64" doc:"Whom confirmed people are put to; a group whose members are added one by one"`
	Purpose    string            `json:"purpose" doc:"newsletter or reminder"`
	From       string            `json:"from" doc:"Sender of the mail that asks for confirmation" example:"Muster GmbH <info@muster.example>"`
	Fields     map[string]string `json:"fields,omitempty" doc:"mandatory, optional or hidden by field: salutation, given_name, family_name, company, time_zone (only where the account has a field of the type zone). What is not named is hidden"`
	Wording    string            `json:"wording,omitempty" doc:"What people agree to, beside an empty box"`
	Notice     string            `json:"notice,omitempty" doc:"Information of Art. 13 GDPR"`
	PrivacyURL string            `json:"privacy_url,omitempty"`
	Origins    []string          `json:"origins,omitempty" doc:"Web sites that may embed it: scheme, host and port" example:"[\"https://muster.example\"]"`
	Thanks     string            `json:"thanks,omitempty" doc:"Said after entering; left out: a sentence of ours"`
	Days       int               `json:"days,omitempty" doc:"How long a confirmation is awaited, 1 to 30; left out: 7"`
	Network    string            `json:"network,omitempty" doc:"How much of network address and program is kept as evidence: whole (default), part or none"`
}

// SignupForm is a sign-up form with where it is found.
type SignupForm struct {
	ID signup.ID `json:"id"`
	SignupFormDraft
	URL       string    `json:"url" doc:"Its own page"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (a *API) signupFormOf(f signup.Form) SignupForm {
	v := SignupForm{ID: f.ID, URL: a.c.Optins.Forms.PageOf(f), CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt, SignupFormDraft: SignupFormDraft{
		Name: f.Name, Active: f.Active, Title: f.Title, Lead: f.Lead, Language: string(f.Lang), GroupID: f.Group.String(), Purpose: string(f.Purpose), From: f.From,
		Fields: map[string]string{}, Wording: f.Wording, Notice: f.Notice, PrivacyURL: f.PrivacyURL, Origins: slices.Clone(f.Origins), Thanks: f.Thanks, Days: f.Days, Network: string(f.Network)}}
	for _, field := range signup.Fields() {
		v.Fields[string(field)] = string(f.Need(field))
	}
	return v
}

// form is the draft put over a form. A group that is none is none of the tenant's.
func (d SignupFormDraft) form(f signup.Form) signup.Form {
	f.Name, f.Active, f.Title, f.Lead, f.Lang, f.Purpose, f.From = d.Name, d.Active, d.Title, d.Lead, i18n.Lang(d.Language), tenant.Stream(d.Purpose), d.From
	f.Wording, f.Notice, f.PrivacyURL, f.Origins, f.Thanks, f.Days, f.Network = d.Wording, d.Notice, d.PrivacyURL, d.Origins, d.Thanks, d.Days, signup.Network(d.Network)
	f.Group, _ = id.Parse[audience.GroupKind](d.GroupID)
	f.Fields = map[signup.Field]signup.Need{}
	for field, need := range d.Fields {
		f.Fields[signup.Field(field)] = signup.Need(need)
	}
	return f
}

type listSignupFormsOutput struct {
	Body struct {
		Data []SignupForm `json:"data" nullable:"false"`
	}
}

func (a *API) listSignupForms(ctx context.Context, _ *struct{}) (*listSignupFormsOutput, error) {
	list, err := a.c.Optins.Forms.Forms(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listSignupFormsOutput{}
	out.Body.Data = make([]SignupForm, len(list))
	for i, f := range list {
		out.Body.Data[i] = a.signupFormOf(f)
	}
	return out, nil
}

type signupFormOutput struct{ Body SignupForm }

func (a *API) createSignupForm(ctx context.Context, in *struct{ Body SignupFormDraft }) (*signupFormOutput, error) {
	return a.saveSignupForm(ctx, in.Body.form(signup.Form{Tenant: keyOf(ctx).Tenant}))
}

func (a *API) saveSignupForm(ctx context.Context, f signup.Form) (*signupFormOutput, error) {
	saved, err := a.c.Optins.Forms.Save(ctx, f)
	if err != nil {
		return nil, renamed(err, map[string]string{"group": "group_id"})
	}
	return &signupFormOutput{a.signupFormOf(saved)}, nil
}

// renamed names the fields of a refusal as the request calls them.
func renamed(err error, names map[string]string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	call := func(f fault.Error) *fault.Error {
		if name := names[f.Field]; name != "" {
			f.Field = name
		}
		return &f
	}
	first := call(*f)
	first.Also = nil
	for _, one := range f.Also {
		first.Also = append(first.Also, call(*one))
	}
	return first
}

// SignupFormPath names one sign-up form.
type SignupFormPath struct {
	ID string `path:"id" maxLength:"64" example:"sgn_01k00000000000000000000000"`
}

// signupForm finds it; a malformed identifier names nothing.
func (a *API) signupForm(ctx context.Context, in SignupFormPath) (signup.Form, error) {
	missing := fault.New(fault.NotFound, signup.CodeUnknown, "There is no such thing here.")
	number, err := id.Parse[signup.Kind](in.ID)
	if err != nil {
		return signup.Form{}, missing
	}
	f, err := a.c.Optins.Forms.Form(ctx, keyOf(ctx).Tenant, number)
	if fault.IsKind(err, fault.NotFound) {
		err = missing
	}
	return f, err
}

func (a *API) getSignupForm(ctx context.Context, in *SignupFormPath) (*signupFormOutput, error) {
	f, err := a.signupForm(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &signupFormOutput{a.signupFormOf(f)}, nil
}

type changeSignupFormInput struct {
	SignupFormPath
	Body SignupFormDraft
}

func (a *API) changeSignupForm(ctx context.Context, in *changeSignupFormInput) (*signupFormOutput, error) {
	f, err := a.signupForm(ctx, in.SignupFormPath)
	if err != nil {
		return nil, err
	}
	return a.saveSignupForm(ctx, in.Body.form(f))
}

func (a *API) deleteSignupForm(ctx context.Context, in *SignupFormPath) (*struct{}, error) {
	f, err := a.signupForm(ctx, *in)
	if err != nil {
		return nil, err
	}
	return nil, a.c.Optins.Forms.Drop(ctx, f.Tenant, f.ID)
}

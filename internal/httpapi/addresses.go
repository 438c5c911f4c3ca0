package httpapi

import (
	"context"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

func addressRoutes() []Route {
	return []Route{
		{Method: http.MethodPost, Path: "/v1/addresses/validate", Scope: tenant.ScopeRead, MaxBody: 64 << 10, media: "application/json", status: 200, errors: []int{422},
			id: "validate-address", summary: "Tell of an address without asking its server", register: registerWith((*API).validateAddress)},
	}
}

type validateInput struct {
	AcceptLanguage string `header:"Accept-Language" doc:"de (default) or en"`
	Body           struct {
		Address string `json:"address" maxLength:"1000" example:"eva@gmial.com"`
		Stream  string `json:"stream,omitempty" enum:"transactional,lead,reminder,newsletter,system" doc:"Whose suppressions count; left out: transactional"`
	}
}

// AddressVerdict is what can be told of an address.
type AddressVerdict struct {
	Address    string           `json:"address" doc:"As it would be used; empty if it is none"`
	Rating     string           `json:"rating" enum:"ok,risky,bad" doc:"risky: mail can arrive, but perhaps not where it was meant to; bad: it cannot arrive, or must not be sent"`
	Findings   []AddressFinding `json:"findings" nullable:"false"`
	Suggestion string           `json:"suggestion" doc:"The address that may be meant; empty if none comes to mind"`
}

// AddressFinding is one thing worth saying about an address.
type AddressFinding struct {
	Code   string `json:"code" enum:"syntax,domain_absent,domain_closed,domain_empty,domain_silent,mx_missing,typo,role,disposable,utf8,suppressed"`
	Rating string `json:"rating" enum:"risky,bad"`
	Reason string `json:"reason" doc:"Of a suppression"`
	Text   string `json:"text" doc:"In the language of Accept-Language"`
}

type validateOutput struct{ Body AddressVerdict }

func (a *API) validateAddress(ctx context.Context, in *validateInput) (*validateOutput, error) {
	v, err := a.c.Addresses.Validate(ctx, keyOf(ctx).Tenant, tenant.Stream(in.Body.Stream), in.Body.Address)
	if err != nil {
		return nil, err
	}
	return &validateOutput{a.verdict(v, preferred(in.AcceptLanguage))}, nil
}

func (a *API) verdict(v audience.Verdict, lang string) AddressVerdict {
	out := AddressVerdict{Address: v.Address.String(), Rating: string(v.Rating), Findings: []AddressFinding{}, Suggestion: v.Suggestion}
	for _, f := range v.Findings {
		one := AddressFinding{Code: f.Code, Rating: string(f.Rating), Reason: f.Detail}
		if a.c.Texts != nil {
			one.Text = a.c.Texts.Reason(lang, "address."+f.Code)
		}
		out.Findings = append(out.Findings, one)
	}
	return out
}

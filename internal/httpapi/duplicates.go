package httpapi

import (
	"context"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// duplicateRoutes are those of contacts that may be one person.
func duplicateRoutes() []Route {
	const all, one = "/v1/contacts/duplicates", "/v1/contacts/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-duplicates", summary: "List pairs of contacts that may be one person", register: registerWith((*API).duplicates)},
		{Method: http.MethodPost, Path: one + "/merge", Scope: tenant.ScopeSend, MaxBody: 16 << 10, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "merge-contacts", summary: "Make one contact of two; the one named in the path stays", register: registerWith((*API).mergeContacts)},
		{Method: http.MethodPost, Path: one + "/unmerge", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "unmerge-contacts", summary: "Take the last merge into a contact back, for 30 days and as long as it is not changed", register: registerWith((*API).unmergeContacts)},
	}
}

// Duplicate is a pair of contacts that may be one person.
type Duplicate struct {
	Kept   audience.ContactRecord `json:"kept" doc:"Stored first"`
	Other  audience.ContactRecord `json:"other"`
	Reason string                 `json:"reason" doc:"By what they are alike"`
}

type duplicatesOutput struct {
	Body struct {
		Data []Duplicate `json:"data" nullable:"false" doc:"Those of one mailbox first; whom somebody called two people are left out"`
	}
}

func (a *API) duplicates(ctx context.Context, _ *struct{}) (*duplicatesOutput, error) {
	found, err := a.c.Contacts.Duplicates(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &duplicatesOutput{}
	out.Body.Data = make([]Duplicate, len(found))
	for i, t := range found {
		out.Body.Data[i] = Duplicate{t.Kept.Record(), t.Other.Record(), string(t.Like)}
	}
	return out, nil
}

type mergeInput struct {
	ContactPath
	Body struct {
		With        string `json:"with" maxLength:"64" doc:"The other contact, which is gone then" example:"con_01k00000000000000000000001"`
		Version     int64  `json:"version" minimum:"1" doc:"Of the contact that stays, as it was read: another one is a conflict"`
		WithVersion int64  `json:"with_version" minimum:"1" doc:"Of the other one"`
	}
}

func (a *API) mergeContacts(ctx context.Context, in *mergeInput) (*contactOutput, error) {
	kept, err := a.contact(ctx, in.ContactPath)
	if err != nil {
		return nil, err
	}
	other, err := id.Parse[audience.ContactKind](in.Body.With)
	if err != nil {
		return nil, fault.Field("with", "id_malformed", "The value is not the identifier of a contact.")
	}
	c, err := a.c.Contacts.Merge(ctx, kept.Tenant, kept.ID, other, in.Body.Version, in.Body.WithVersion, keyOf(ctx).ID.String())
	if err != nil {
		return nil, err
	}
	return &contactOutput{c.Record()}, nil
}

type unmergeOutput struct {
	Body struct {
		Kept     audience.ContactRecord `json:"kept"`
		Restored audience.ContactRecord `json:"restored" doc:"The contact that is there again"`
	}
}

func (a *API) unmergeContacts(ctx context.Context, in *ContactPath) (*unmergeOutput, error) {
	kept, err := a.contact(ctx, *in)
	if err != nil {
		return nil, err
	}
	back, err := a.c.Contacts.Unmerge(ctx, kept.Tenant, kept.ID, keyOf(ctx).ID.String())
	if err != nil {
		return nil, err
	}
	out := &unmergeOutput{}
	for c, to := range map[audience.ContactID]*audience.ContactRecord{kept.ID: &out.Body.Kept, back: &out.Body.Restored} {
		found, err := a.c.Contacts.Contact(ctx, kept.Tenant, c)
		if err != nil {
			return nil, err
		}
		*to = found.Record()
	}
	return out, nil
}

package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

// Evidence proves consents; signup.Evidence does.
type Evidence interface {
	Pack(ctx context.Context, t tenant.ID, c consent.ID, lang i18n.Lang) ([]byte, error)
	PersonPack(ctx context.Context, t tenant.ID, addresses []message.Address, lang i18n.Lang) ([]byte, error)
}

// Optins is why people may be written to, and the forms through which they say so. All of
// it is needed.
type Optins struct {
	Book     *consent.Book
	Forms    *signup.Service
	Evidence Evidence
}

// maxConsent is generous: its longest texts together have some 20,000 characters.
const maxConsent = 128 << 10

func consentRoutes() []Route {
	const all, one = "/v1/consents", "/v1/consents/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all + "/evidence", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "get-person-evidence", summary: "Read what proves all consents of a person as a ZIP file", register: registerPersonEvidence},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-consents", summary: "List consents from new to old", register: registerWith((*API).listConsents)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxConsent, media: "application/json", status: 201, errors: []int{413, 422},
			id: "record-consent", summary: "Record a consent that was given outside", register: registerWith((*API).recordConsent)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-consent", summary: "Read a consent", register: registerWith((*API).readConsent)},
		{Method: http.MethodPost, Path: one + "/withdraw", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "withdraw-consent", summary: "Note that a consent was withdrawn, and suppress the address for its category", register: registerWith((*API).withdrawConsent)},
		{Method: http.MethodGet, Path: one + "/evidence", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-evidence", summary: "Read what proves a consent as a ZIP file", register: registerEvidence},
	}
}

// RecordedConsent is a consent that was given on paper, by a sale or a contract.
type RecordedConsent struct {
	Address         string `json:"address" maxLength:"1000"`
	Purpose         string `json:"purpose" doc:"newsletter or reminder"`
	Basis           string `json:"basis" doc:"written, existing_customer (§ 7 (3) UWG with all four conditions) or contract. Double opt-in comes through sign-up forms alone"`
	GroupID         string `json:"group_id,omitempty" maxLength:"64" doc:"Group it was given for"`
	Wording         string `json:"wording,omitempty" doc:"What the person agreed to, word by word; needed with written"`
	Evidence        string `json:"evidence,omitempty" doc:"Where the paper is, or the number of the contract; needed with written and contract"`
	Sale            string `json:"sale,omitempty" doc:"existing_customer: from which sale the address is"`
	Goods           string `json:"goods,omitempty" doc:"existing_customer: which own similar goods or services are advertised"`
	NoticeOnCollect string `json:"notice_on_collection,omitempty" doc:"existing_customer: what was said about objecting when the address was collected"`
	NoObjection     bool   `json:"no_objection,omitempty" doc:"existing_customer: the person has not objected"`
}

// ConsentRecord is one declaration of one person, and what became of it.
type ConsentRecord struct {
	ID              consent.ID        `json:"id"`
	Address         *string           `json:"address" doc:"Null once the person was erased"`
	Purpose         tenant.Stream     `json:"purpose" enum:"newsletter,reminder"`
	Basis           consent.Basis     `json:"basis" enum:"double_opt_in,written,existing_customer,contract"`
	State           consent.State     `json:"state" enum:"suspect,asked,given,withdrawn" doc:"suspect: entered, perhaps by a program; asked: the confirmation is awaited"`
	GroupID         *audience.GroupID `json:"group_id"`
	FormID          string            `json:"form_id" doc:"Sign-up form it came through; empty for none"`
	FormURL         string            `json:"form_url" doc:"Page the form stood on"`
	Language        string            `json:"language"`
	Wording         string            `json:"wording"`
	WordingVersion  string            `json:"wording_version" doc:"Beginning of its SHA-256"`
	Notice          string            `json:"notice" doc:"Information of Art. 13 GDPR beside it"`
	PrivacyURL      string            `json:"privacy_url"`
	Person          map[string]string `json:"person,omitempty" doc:"What was entered beside the address"`
	IP              string            `json:"ip" doc:"As far as the form keeps it"`
	UserAgent       string            `json:"user_agent"`
	ConfirmationID  *message.ID       `json:"confirmation_mail" doc:"Message that asked for confirmation"`
	ConfirmedIP     string            `json:"confirmed_ip"`
	ConfirmedAgent  string            `json:"confirmed_user_agent"`
	SuspectReason   string            `json:"suspect_reason"`
	Way             string            `json:"withdrawn_by" doc:"link, office or api; empty if it holds"`
	Actor           string            `json:"actor" doc:"Key or user who recorded or withdrew it"`
	Evidence        string            `json:"evidence"`
	Sale            string            `json:"sale"`
	Goods           string            `json:"goods"`
	NoticeOnCollect string            `json:"notice_on_collection"`
	NoObjection     bool              `json:"no_objection"`
	AskedAt         time.Time         `json:"asked_at" doc:"When it was entered or recorded"`
	ConfirmedAt     *time.Time        `json:"confirmed_at"`
	WithdrawnAt     *time.Time        `json:"withdrawn_at"`
	ExpiresAt       *time.Time        `json:"expires_at" doc:"When an unconfirmed one is forgotten"`
}

func consentOf(c consent.Consent) ConsentRecord {
	v := ConsentRecord{ID: c.ID, Purpose: c.Purpose, Basis: c.Basis, State: c.State, FormID: c.Form, FormURL: c.FormURL, Language: c.Lang,
		Wording: c.Wording, WordingVersion: c.Version(), Notice: c.Notice, PrivacyURL: c.PrivacyURL, Person: c.Person, IP: c.IP, UserAgent: c.Agent,
		ConfirmedIP: c.ConfirmedIP, ConfirmedAgent: c.ConfirmedAgent, SuspectReason: c.Reason, Way: c.Way, Actor: c.Actor, Evidence: c.Evidence,
		Sale: c.Sale, Goods: c.Goods, NoticeOnCollect: c.NoticeOnCollect, NoObjection: c.ObjectionChecked,
		AskedAt: c.AskedAt, ConfirmedAt: timeOrNull(c.ConfirmedAt), WithdrawnAt: timeOrNull(c.WithdrawnAt), ExpiresAt: timeOrNull(c.ExpiresAt)}
	if !c.Address.IsZero() {
		text := c.Address.String()
		v.Address = &text
	}
	if !c.Group.IsZero() {
		v.GroupID = &c.Group
	}
	if !c.Mail.IsZero() {
		v.ConfirmationID = &c.Mail
	}
	return v
}

type listConsentsInput struct {
	Address string `query:"address" maxLength:"320" doc:"Of one person"`
	Group   string `query:"group_id" maxLength:"64"`
	Form    string `query:"form_id" maxLength:"64" doc:"Those that came through a sign-up form"`
	State   string `query:"state" enum:"suspect,asked,given,withdrawn"`
	After   string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

// consentFilter reads the question; identifiers that are none are refused, not ignored: a list
// must not be longer than was asked for.
func (a *API) consentFilter(t tenant.ID, in *listConsentsInput) (f consent.Filter, err error) {
	d := &decoder{place: "query/"}
	f = consent.Filter{State: consent.State(in.State), Limit: in.Limit}
	if in.Address != "" {
		address, err := message.ParseAddress(in.Address)
		if err != nil {
			d.refuse("address", err)
		}
		f.Hash = a.c.Optins.Book.Hasher.Hash(t, address)
	}
	if in.Group != "" {
		if f.Group, err = id.Parse[audience.GroupKind](in.Group); err != nil {
			d.refuse("group_id", fault.Field("", "id_malformed", "The value is not the identifier of a group."))
		}
	}
	if in.Form != "" {
		form, err := id.Parse[signup.Kind](in.Form)
		if err != nil {
			d.refuse("form_id", fault.Field("", "id_malformed", "The value is not the identifier of a sign-up form."))
		}
		f.Form = form.String()
	}
	if in.After != "" {
		if f.After, err = id.Parse[consent.Kind](in.After); err != nil {
			d.refuse("after", fault.Field("", "id_malformed", "The value is not the identifier of a consent."))
		}
	}
	return f, fault.Join(d.wrong)
}

type listConsentsOutput struct {
	Body struct {
		Data    []ConsentRecord `json:"data" nullable:"false"`
		HasMore bool            `json:"has_more"`
		Next    *string         `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listConsents(ctx context.Context, in *listConsentsInput) (*listConsentsOutput, error) {
	t := keyOf(ctx).Tenant
	f, err := a.consentFilter(t, in)
	if err != nil {
		return nil, err
	}
	list, more, err := a.c.Optins.Book.Store.Consents(ctx, t, f)
	if err != nil {
		return nil, err
	}
	out := &listConsentsOutput{}
	out.Body.Data = make([]ConsentRecord, len(list))
	for i, c := range list {
		out.Body.Data[i] = consentOf(c)
	}
	if more {
		next := list[len(list)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type consentRecordOutput struct{ Body ConsentRecord }

func (a *API) recordConsent(ctx context.Context, in *struct{ Body RecordedConsent }) (*consentRecordOutput, error) {
	key, d := keyOf(ctx), in.Body
	address, err := message.ParseAddress(d.Address)
	if err != nil {
		wrong := &decoder{}
		wrong.refuse("address", err)
		return nil, fault.Join(wrong.wrong)
	}
	c := consent.Consent{Tenant: key.Tenant, Address: address, Purpose: tenant.Stream(d.Purpose), Basis: consent.Basis(d.Basis), Wording: d.Wording,
		Evidence: d.Evidence, Sale: d.Sale, Goods: d.Goods, NoticeOnCollect: d.NoticeOnCollect, ObjectionChecked: d.NoObjection}
	if d.GroupID != "" {
		unknown := fault.Field("group_id", "group_not_found", "There is no such group.")
		if c.Group, err = id.Parse[audience.GroupKind](d.GroupID); err != nil {
			return nil, unknown
		}
		if _, err := a.c.Groups.Group(ctx, key.Tenant, c.Group); fault.IsKind(err, fault.NotFound) {
			return nil, unknown
		} else if err != nil {
			return nil, err
		}
	}
	made, err := a.c.Optins.Book.Record(ctx, c, key.ID.String())
	if err != nil {
		return nil, err
	}
	return &consentRecordOutput{consentOf(made)}, nil
}

// ConsentPath names one consent.
type ConsentPath struct {
	ID string `path:"id" maxLength:"64" example:"cns_01k00000000000000000000000"`
}

// consentAt finds it; a malformed identifier names nothing.
func (a *API) consentAt(ctx context.Context, in ConsentPath) (consent.Consent, error) {
	missing := fault.New(fault.NotFound, "consent_not_found", "There is no such thing here.")
	number, err := id.Parse[consent.Kind](in.ID)
	if err != nil {
		return consent.Consent{}, missing
	}
	c, err := a.c.Optins.Book.Store.Consent(ctx, keyOf(ctx).Tenant, number)
	if fault.IsKind(err, fault.NotFound) {
		err = missing
	}
	return c, err
}

func (a *API) readConsent(ctx context.Context, in *ConsentPath) (*consentRecordOutput, error) {
	c, err := a.consentAt(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &consentRecordOutput{consentOf(c)}, nil
}

// withdrawConsent suppresses first: no withdrawal without its consequence.
func (a *API) withdrawConsent(ctx context.Context, in *ConsentPath) (*consentRecordOutput, error) {
	c, err := a.consentAt(ctx, *in)
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	if c.State == consent.Given && !c.Address.IsZero() {
		wish := audience.Wish{Address: c.Address, Stream: c.Purpose, Reason: audience.Unsubscribed}
		if _, err := a.c.Audience.Suppress(ctx, key.Tenant, wish, key.ID.String()); err != nil {
			return nil, fmt.Errorf("withdraw consent: %w", err)
		}
	}
	if _, err = a.c.Optins.Book.Withdraw(ctx, key.Tenant, c.ID, "api", key.ID.String()); err != nil {
		return nil, err
	}
	return a.readConsent(ctx, in)
}

func registerEvidence(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "A signed statement (consent.json, checked with the keys at /.well-known/stafette-proof-keys.json), a PDF, an HTML sheet, and the mail that asked for confirmation as long as its content is kept."
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "id", In: "path", Required: true, Schema: text},
		{Name: "Accept-Language", In: "header", Description: "de (default) or en", Schema: text},
	}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/zip": {Schema: binary()}}}
	a.registerPlain(api, r, op, a.evidence)
}

func (a *API) evidence(w http.ResponseWriter, r *http.Request) error {
	c, err := a.consentAt(r.Context(), ConsentPath{r.PathValue("id")})
	if err != nil {
		return err
	}
	file, err := a.c.Optins.Evidence.Pack(r.Context(), c.Tenant, c.ID, i18n.Lang(preferred(r.Header.Get("Accept-Language"))))
	if err != nil {
		return err
	}
	writeZIP(w, "consent-"+c.ID.String()+".zip", file)
	return nil
}

func writeZIP(w http.ResponseWriter, name string, file []byte) {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	_, _ = w.Write(file) //nolint:gosec // G705: a ZIP to be saved; a reader who left is no error
}

func registerPersonEvidence(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "Of all addresses of the contact that has the address, or of the address alone: a signed statement (consents.json), a PDF, an HTML sheet, and the mails that asked for confirmation as long as their content is kept. 404 where no consent is kept."
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "address", In: "query", Required: true, Schema: text},
		{Name: "Accept-Language", In: "header", Description: "de (default) or en", Schema: text},
	}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/zip": {Schema: binary()}}}
	a.registerPlain(api, r, op, a.personEvidence)
}

func (a *API) personEvidence(w http.ResponseWriter, r *http.Request) error {
	t := keyOf(r.Context()).Tenant
	address, err := message.ParseAddress(r.URL.Query().Get("address"))
	if err != nil {
		d := &decoder{place: "query/"}
		d.refuse("address", err)
		return fault.Join(d.wrong)
	}
	all := []message.Address{address}
	if c, ok, err := a.c.Contacts.Of(r.Context(), t, address); err != nil {
		return fmt.Errorf("prove consents: %w", err)
	} else if ok {
		all = c.Addresses
	}
	file, err := a.c.Optins.Evidence.PersonPack(r.Context(), t, all, i18n.Lang(preferred(r.Header.Get("Accept-Language"))))
	if err != nil {
		return err
	}
	writeZIP(w, "consents.zip", file)
	return nil
}

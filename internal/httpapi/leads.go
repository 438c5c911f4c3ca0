package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// maxLead is generous: the texts of a lead together have some 15,000 characters.
const maxLead = 256 << 10

func leadRoutes() []Route {
	const all, one = "/v1/leads", "/v1/leads/{id}"
	return []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxLead, media: "application/json", status: 202, errors: []int{400, 409, 413, 422, 503},
			id: "take-lead", summary: "Take an enquiry and send it to the advertiser", register: registerJSON((*API).takeLead)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-leads", summary: "List leads from new to old", register: registerWith((*API).listLeads)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-lead", summary: "Read a lead", register: registerWith((*API).getLead)},
		{Method: http.MethodGet, Path: one + "/xml", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 410},
			id: "get-lead-xml", summary: "Read the XML of a lead", register: registerLeadXML},
		{Method: http.MethodPost, Path: one + "/retry", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "retry-lead", summary: "Make the mail of a stopped lead anew", register: registerWith((*API).retryLead)},
	}
}

// LeadDraft is an enquiry as a portal describes it.
type LeadDraft struct {
	Advertiser LeadAdvertiser `json:"advertiser"`
	Object     LeadObject     `json:"object"`
	Prospect   LeadProspect   `json:"prospect"`
	Message    string         `json:"message,omitempty" doc:"At most 10,000 characters"`
	Test       bool           `json:"test,omitempty" doc:"A test lead: marked as one, left out of figures, on the same way"`
}

// LeadAdvertiser is who receives a lead.
type LeadAdvertiser struct {
	ID     string   `json:"id" doc:"Your own number of the advertiser" example:"4711"`
	Name   string   `json:"name,omitempty" doc:"Left out: as it was last" example:"Makler Muster"`
	Emails []string `json:"emails,omitempty" doc:"At most 10; left out: as they were last" example:"[\"anfragen@makler.example\"]"`
	Format string   `json:"format,omitempty" enum:"openimmo_feedback,immowelt" doc:"Left out: as the advertiser's profile says"`
}

// LeadObject is what a lead is about.
type LeadObject struct {
	PortalID      string `json:"portal_id,omitempty" doc:"Your number of the object" example:"P123"`
	AdvertiserRef string `json:"advertiser_ref,omitempty" doc:"The advertiser's number, by which his software finds it" example:"MA-1024"`
	Title         string `json:"title,omitempty" example:"Haus zum Kauf"`
	URL           string `json:"url,omitempty" example:"https://portal.example/expose/P123"`
	Street        string `json:"street,omitempty"`
	City          string `json:"city,omitempty" example:"Dortmund"`
	Marketing     string `json:"marketing,omitempty" doc:"Vermarktungsart" example:"KAUF"`
	Price         string `json:"price,omitempty"`
	Rooms         string `json:"rooms,omitempty"`
	Area          string `json:"area,omitempty"`
}

// LeadProspect is who asks. E-mail or a telephone number is needed.
type LeadProspect struct {
	Salutation string `json:"salutation,omitempty" example:"Frau"`
	FirstName  string `json:"first_name,omitempty" example:"Eva"`
	LastName   string `json:"last_name,omitempty" example:"Muster"`
	Company    string `json:"company,omitempty"`
	Street     string `json:"street,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	City       string `json:"city,omitempty"`
	Email      string `json:"email,omitempty" example:"eva@example.org"`
	Phone      string `json:"phone,omitempty" example:"+49 231 1"`
	Mobile     string `json:"mobile,omitempty"`
	Fax        string `json:"fax,omitempty"`
	Preferred  string `json:"preferred,omitempty" enum:"EMAIL,TEL,MOBIL,FAX,BRIEF"`
	Wish       string `json:"wish,omitempty" enum:"BESICHTIGUNG,ANRUF,DETAIL"`
}

// complete implements complete. The enumerations are asked about by lead.
func (in LeadDraft) complete() bool { return in.Advertiser.ID != "" }

func (in LeadDraft) enquiry() (lead.Enquiry, error) {
	p, o := in.Prospect, in.Object
	e := lead.Enquiry{
		Advertiser: lead.AdvertiserRef{ID: in.Advertiser.ID, Name: in.Advertiser.Name, Format: openimmo.Format(in.Advertiser.Format)},
		Object: openimmo.Object{PortalID: o.PortalID, AdvertiserRef: o.AdvertiserRef, Title: o.Title, URL: o.URL, Street: o.Street, City: o.City,
			Marketing: some(o.Marketing), Price: o.Price, Rooms: o.Rooms, Area: o.Area},
		Prospect: openimmo.Prospect{Salutation: p.Salutation, FirstName: p.FirstName, LastName: p.LastName, Company: p.Company, Street: p.Street,
			PostalCode: p.PostalCode, City: p.City, Phone: p.Phone, Mobile: p.Mobile, Fax: p.Fax, Email: p.Email},
		Message: in.Message, Test: in.Test,
	}
	if p.Preferred != "" {
		e.Prospect.Preferred = []openimmo.Channel{openimmo.Channel(p.Preferred)}
	}
	if p.Wish != "" {
		e.Prospect.Wishes = []openimmo.Wish{openimmo.Wish(p.Wish)}
	}
	var wrong []*fault.Error
	for i, text := range in.Advertiser.Emails {
		a, err := message.ParseAddress(text)
		if err != nil {
			f := *fault.As(err)
			f.Field = "advertiser/emails/" + strconv.Itoa(i)
			wrong = append(wrong, &f)
			continue
		}
		e.Advertiser.Emails = append(e.Advertiser.Emails, a)
	}
	return e, fault.Join(wrong)
}

func some(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// TakenLead is the answer to a lead that is safe now.
type TakenLead struct {
	ID        lead.ID     `json:"id"`
	MessageID *message.ID `json:"message_id" doc:"Its mail; null as long as there is none"`
	State     string      `json:"state" enum:"taken,sent,stopped,suspect,discarded" doc:"taken: the mail follows; stopped: it cannot be made or sent until somebody puts it right; suspect: from a form, may be spam, waits for somebody in the office; discarded: was spam"`
	Reason    string      `json:"reason,omitempty" doc:"Of stopped and suspect"`
}

func takenLead(l lead.Lead) TakenLead {
	v := TakenLead{ID: l.ID, State: string(l.State), Reason: l.Reason}
	if !l.Message.IsZero() {
		v.MessageID = &l.Message
	}
	return v
}

type takeLeadOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true: this is the first answer again"`
	Body     TakenLead
}

func (a *API) takeLead(ctx context.Context, draft LeadDraft, in *jsonInput) (*takeLeadOutput, error) {
	e, err := draft.enquiry()
	if err != nil {
		return nil, err
	}
	if in.Key != "" {
		e.Idempotency, e.RequestHash = in.Key, sha256.Sum256(in.RawBody)
	}
	r, err := a.c.Leads.Submit(ctx, principalOf(ctx), e)
	if err != nil {
		return nil, err
	}
	out := &takeLeadOutput{Body: takenLead(r.Lead)}
	if r.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// Lead is a kept enquiry.
type Lead struct {
	TakenLead
	Advertiser string     `json:"advertiser_id"`
	Object     string     `json:"object" doc:"The advertiser's number of it, else yours"`
	Title      string     `json:"title" doc:"Empty once the content is gone"`
	Test       bool       `json:"test"`
	XML        string     `json:"xml_sha256" doc:"Of the attachment, in hexadecimal; empty while there is none"`
	TakenAt    time.Time  `json:"taken_at"`
	Enquiry    *LeadDraft `json:"enquiry,omitempty" doc:"Not in lists; left out once the content is gone"`
}

func leadOf(l lead.Lead) Lead {
	v := Lead{TakenLead: takenLead(l), Advertiser: l.Advertiser, Object: l.Object, Title: l.Title, Test: l.Test, TakenAt: l.TakenAt}
	if l.XML != ([32]byte{}) {
		v.XML = hex.EncodeToString(l.XML[:])
	}
	return v
}

type listLeadsInput struct {
	Advertiser string    `query:"advertiser" maxLength:"200"`
	State      string    `query:"state" enum:"taken,sent,stopped,suspect,discarded" doc:"Left out: without suspect and discarded ones"`
	Tests      bool      `query:"tests" doc:"Test leads, too"`
	From       time.Time `query:"from" doc:"Taken at or after"`
	To         time.Time `query:"to" doc:"Taken before"`
	After      string    `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit      int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type listLeadsOutput struct {
	Body struct {
		Data    []Lead  `json:"data" nullable:"false"`
		HasMore bool    `json:"has_more"`
		Next    *string `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listLeads(ctx context.Context, in *listLeadsInput) (*listLeadsOutput, error) {
	f := lead.Filter{Advertiser: in.Advertiser, State: lead.State(in.State), Tests: in.Tests, From: in.From, To: in.To, Limit: in.Limit}
	if in.After != "" {
		var err error
		if f.After, err = id.Parse[lead.Kind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a lead.")
		}
	}
	page, err := a.c.Leads.Leads(ctx, keyOf(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	out := &listLeadsOutput{}
	out.Body.Data = make([]Lead, len(page.Leads))
	for i, l := range page.Leads {
		out.Body.Data[i] = leadOf(l)
	}
	if page.More {
		next := page.Leads[len(page.Leads)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type leadInput struct {
	ID string `path:"id" maxLength:"64"`
}

type getLeadOutput struct{ Body Lead }

// lead answers what is no identifier like what does not exist.
func (a *API) lead(ctx context.Context, text string) (lead.Lead, error) {
	number, err := id.Parse[lead.Kind](text)
	if err != nil {
		return lead.Lead{}, fault.New(fault.NotFound, "lead_not_found", "")
	}
	return a.c.Leads.Lead(ctx, keyOf(ctx).Tenant, number)
}

func (a *API) getLead(ctx context.Context, in *leadInput) (*getLeadOutput, error) {
	l, err := a.lead(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &getLeadOutput{leadOf(l)}
	e, _, err := a.c.Leads.Open(ctx, l)
	switch f := fault.As(err); {
	case err == nil, f != nil && f.Kind == fault.Invalid: // a stopped one has content, too
		draft := leadDraft(e)
		out.Body.Enquiry = &draft
	case f == nil || f.Code != lead.CodeGone:
		return nil, err
	}
	return out, nil
}

func leadDraft(e lead.Enquiry) LeadDraft {
	p, o := e.Prospect, e.Object
	d := LeadDraft{
		Advertiser: LeadAdvertiser{ID: e.Advertiser.ID, Name: e.Advertiser.Name, Format: string(e.Advertiser.Format)},
		Object: LeadObject{PortalID: o.PortalID, AdvertiserRef: o.AdvertiserRef, Title: o.Title, URL: o.URL, Street: o.Street, City: o.City,
			Price: o.Price, Rooms: o.Rooms, Area: o.Area},
		Prospect: LeadProspect{Salutation: p.Salutation, FirstName: p.FirstName, LastName: p.LastName, Company: p.Company, Street: p.Street,
			PostalCode: p.PostalCode, City: p.City, Email: p.Email, Phone: p.Phone, Mobile: p.Mobile, Fax: p.Fax},
		Message: e.Message, Test: e.Test,
	}
	for _, a := range e.Advertiser.Emails {
		d.Advertiser.Emails = append(d.Advertiser.Emails, a.String())
	}
	if len(o.Marketing) > 0 {
		d.Object.Marketing = o.Marketing[0]
	}
	if len(p.Preferred) > 0 {
		d.Prospect.Preferred = string(p.Preferred[0])
	}
	if len(p.Wishes) > 0 {
		d.Prospect.Wish = string(p.Wishes[0])
	}
	return d
}

func (a *API) retryLead(ctx context.Context, in *leadInput) (*getLeadOutput, error) {
	l, err := a.lead(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if l, err = a.c.Leads.Again(ctx, l.Tenant, l.ID); err != nil {
		return nil, err
	}
	return &getLeadOutput{leadOf(l)}, nil
}

// registerLeadXML serves the attachment to the byte, outside the framework.
func registerLeadXML(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Parameters = append(op.Parameters, &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	op.Responses["200"] = &huma.Response{Description: "The XML", Content: map[string]*huma.MediaType{"application/xml": {}}}
	a.registerPlain(api, r, op, func(w http.ResponseWriter, req *http.Request) error {
		l, err := a.lead(req.Context(), req.PathValue("id"))
		if err != nil {
			return err
		}
		_, raw, err := a.c.Leads.Open(req.Context(), l)
		if f := fault.As(err); f != nil && f.Code == lead.CodeGone {
			return newProblem(http.StatusGone, lead.CodeGone, "The content of this lead is no longer kept.")
		}
		if err == nil && l.XML != ([32]byte{}) && sha256.Sum256(raw) != l.XML {
			err = errors.New("the XML is not the one that was sent")
		}
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", "application/xml")
		h.Set("Content-Disposition", `attachment; filename="`+lead.DefaultFileName+`"`)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(raw) //nolint:gosec // G705: XML as an attachment, with nosniff
		return nil
	})
}

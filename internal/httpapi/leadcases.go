package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/tenant"
)

const maxLeadCase = 64 << 10

func leadCaseRoutes() []Route {
	const all, one = "/v1/lead-cases", "/v1/lead-cases/{id}"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-lead-cases", summary: "List cases from new to old", register: registerWith((*API).listLeadCases)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxLeadCase, media: "application/json", status: 201, errors: []int{404, 413, 422},
			id: "open-lead-case", summary: "Report what did not arrive; adds to the case that is open about the same", register: registerWith((*API).openLeadCase)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-lead-case", summary: "Read a case with its evidence and notes", register: registerWith((*API).getLeadCase)},
		{Method: http.MethodPost, Path: one + "/close", Scope: tenant.ScopeSend, MaxBody: maxLeadCase, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "close-lead-case", summary: "End a case", register: registerWith((*API).closeLeadCase)},
	}
}

// LeadCaseDraft is a report about one lead, or about an advertiser's leads of a time.
type LeadCaseDraft struct {
	Kind       string    `json:"kind" enum:"no_xml,damaged,refused,vanished,missing" doc:"What is wrong"`
	Lead       string    `json:"lead_id,omitempty" doc:"The lead it is about"`
	Advertiser string    `json:"advertiser_id,omitempty" doc:"Your number of the advertiser; of a report without a lead"`
	Object     string    `json:"object,omitempty" doc:"Of a report without a lead"`
	From       time.Time `json:"from,omitzero" doc:"Of a report without a lead"`
	To         time.Time `json:"to,omitzero" doc:"Of a report without a lead"`
	Text       string    `json:"text,omitempty" maxLength:"4000" doc:"What was said"`
}

// LeadCase is one case.
type LeadCase struct {
	ID           leadcase.ID       `json:"id"`
	Number       int64             `json:"number" doc:"Counted from 1"`
	Kind         string            `json:"kind"`
	State        string            `json:"state" enum:"open,closed"`
	Outcome      string            `json:"outcome,omitempty" doc:"Of closed: redelivered, receiver, sender, unfounded, unsolved"`
	Advertiser   string            `json:"advertiser_id"`
	Object       string            `json:"object,omitempty"`
	Lead         *lead.ID          `json:"lead_id" doc:"null: the report names none"`
	ByAdvertiser bool              `json:"by_advertiser" doc:"Reported through a link, without an account"`
	OpenedAt     time.Time         `json:"opened_at"`
	ClosedAt     *time.Time        `json:"closed_at" doc:"null: it is open"`
	Evidence     *LeadCaseEvidence `json:"evidence,omitempty" doc:"Not in lists"`
	Notes        []LeadCaseNote    `json:"notes,omitempty" doc:"Not in lists"`
}

// LeadCaseEvidence is what was known when it was last looked.
type LeadCaseEvidence struct {
	At         time.Time     `json:"at"`
	LeadState  string        `json:"lead_state,omitempty"`
	Deliveries []LeadCaseWay `json:"deliveries" nullable:"false"`
	XML        string        `json:"xml_sha256,omitempty" doc:"Of the attachment as it left, in hexadecimal"`
	XMLValid   bool          `json:"xml_valid" doc:"It holds against the rules of its format"`
}

// LeadCaseWay is what became of the mail to one recipient.
type LeadCaseWay struct {
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Host   string    `json:"mx,omitempty"`
	Source string    `json:"source,omitempty" doc:"The address of ours it left from"`
	Reply  string    `json:"reply,omitempty" doc:"The server's own words, without the recipient's address"`
	At     time.Time `json:"at,omitzero"`
}

// LeadCaseNote is something that was said or done.
type LeadCaseNote struct {
	At   time.Time `json:"at"`
	By   string    `json:"by" doc:"A user or key; empty: who reported from outside"`
	Text string    `json:"text" doc:"Empty 180 days after the end"`
}

func leadCaseOf(c leadcase.Case) LeadCase {
	v := LeadCase{ID: c.ID, Number: c.Number, Kind: string(c.Kind), State: string(c.State), Outcome: string(c.Outcome), Advertiser: c.Advertiser,
		Object: c.Object, ByAdvertiser: c.ByAdvertiser, OpenedAt: c.OpenedAt}
	if !c.Lead.IsZero() {
		v.Lead = &c.Lead
	}
	if !c.ClosedAt.IsZero() {
		v.ClosedAt = &c.ClosedAt
	}
	return v
}

// wholeLeadCase is one with its evidence and notes.
func wholeLeadCase(c leadcase.Case, notes []leadcase.Note) LeadCase {
	v, e := leadCaseOf(c), c.Evidence
	v.Evidence = &LeadCaseEvidence{At: e.At, LeadState: string(e.State), XML: e.XML.SHA256, XMLValid: e.XML.Valid, Deliveries: make([]LeadCaseWay, len(e.Ways))}
	for i, w := range e.Ways {
		v.Evidence.Deliveries[i] = LeadCaseWay{string(w.State), w.Reason, w.Host, w.Source, w.Reply, w.At}
	}
	for _, n := range notes {
		v.Notes = append(v.Notes, LeadCaseNote{n.ID.Time(), n.Actor, n.Text})
	}
	return v
}

type listLeadCasesInput struct {
	State      string `query:"state" enum:"open,closed"`
	Kind       string `query:"kind" enum:"no_xml,damaged,refused,vanished,missing"`
	Advertiser string `query:"advertiser" maxLength:"200"`
	After      string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type listLeadCasesOutput struct {
	Body struct {
		Data    []LeadCase `json:"data" nullable:"false"`
		HasMore bool       `json:"has_more"`
		Next    *string    `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listLeadCases(ctx context.Context, in *listLeadCasesInput) (*listLeadCasesOutput, error) {
	f := leadcase.Filter{State: leadcase.State(in.State), Kind: leadcase.Kind(in.Kind), Advertiser: in.Advertiser, Limit: in.Limit}
	if in.After != "" {
		var err error
		if f.After, err = id.Parse[leadcase.IDKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a case.")
		}
	}
	page, err := a.c.LeadCases.Cases(ctx, keyOf(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	out := &listLeadCasesOutput{}
	out.Body.Data = make([]LeadCase, len(page.Cases))
	for i, c := range page.Cases {
		out.Body.Data[i] = leadCaseOf(c)
	}
	if page.More {
		next := page.Cases[len(page.Cases)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type leadCaseOutput struct{ Body LeadCase }

func (a *API) openLeadCase(ctx context.Context, in *struct{ Body LeadCaseDraft }) (*leadCaseOutput, error) {
	d, key := in.Body, keyOf(ctx)
	r := leadcase.Report{Kind: leadcase.Kind(d.Kind), Advertiser: d.Advertiser, Text: d.Text, Actor: principalOf(ctx).Actor}
	if d.Lead != "" {
		l, err := a.lead(ctx, d.Lead)
		if err != nil {
			return nil, err
		}
		r.Lead, r.Advertiser = &l, l.Advertiser
	} else {
		known, err := a.c.Leads.Advertiser(ctx, key.Tenant, d.Advertiser)
		if fault.IsKind(err, fault.NotFound) {
			return nil, fault.Field("advertiser_id", "advertiser_not_found", "There is no such advertiser.")
		}
		if err != nil {
			return nil, err
		}
		r.Advertiser, r.Object, r.From, r.To = known.ID, d.Object, d.From, d.To
	}
	c, err := a.c.LeadCases.Report(ctx, key.Tenant, r)
	if err != nil {
		return nil, err
	}
	return &leadCaseOutput{leadCaseOf(c)}, nil
}

// LeadCasePath names a case.
type LeadCasePath struct {
	ID string `path:"id" maxLength:"64"`
}

// leadCase answers what is no identifier like what does not exist.
func (a *API) leadCase(ctx context.Context, in LeadCasePath) (leadcase.Case, []leadcase.Note, error) {
	number, err := id.Parse[leadcase.IDKind](in.ID)
	if err != nil {
		return leadcase.Case{}, nil, fault.New(fault.NotFound, leadcase.CodeUnknown, "There is no such thing here.")
	}
	return a.c.LeadCases.Case(ctx, keyOf(ctx).Tenant, number)
}

func (a *API) getLeadCase(ctx context.Context, in *LeadCasePath) (*leadCaseOutput, error) {
	c, notes, err := a.leadCase(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &leadCaseOutput{wholeLeadCase(c, notes)}, nil
}

// LeadCaseEnd is how a case ends.
type LeadCaseEnd struct {
	Outcome string `json:"outcome" enum:"redelivered,receiver,sender,unfounded,unsolved"`
	Text    string `json:"text,omitempty" maxLength:"4000"`
}

type closeLeadCaseInput struct {
	LeadCasePath
	Body LeadCaseEnd
}

func (a *API) closeLeadCase(ctx context.Context, in *closeLeadCaseInput) (*leadCaseOutput, error) {
	c, _, err := a.leadCase(ctx, in.LeadCasePath)
	if err != nil {
		return nil, err
	}
	if err := a.c.LeadCases.Close(ctx, c.Tenant, c.ID, principalOf(ctx).Actor, leadcase.Outcome(in.Body.Outcome), in.Body.Text); err != nil {
		return nil, err
	}
	return a.getLeadCase(ctx, &in.LeadCasePath)
}

package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Approvals keeps the approval of groups; *approval.Service does.
type Approvals interface {
	Case(ctx context.Context, t tenant.ID, g audience.GroupID) (approval.Case, audience.Group, error)
	Submit(ctx context.Context, t tenant.ID, g audience.GroupID, s approval.Submission, actor string) (approval.Case, error)
	Answer(ctx context.Context, t tenant.ID, g audience.GroupID, text string, files []approval.File, actor string) (approval.Case, error)
	Queue(ctx context.Context) ([]approval.Case, error)
	Decide(ctx context.Context, v approval.Verdict, who approval.Reviewer) (approval.Case, error)
}

const maxApproval = 256 << 10

// approvalRoutes are those of approvals: a tenant describes its groups, the platform
// decides.
func approvalRoutes() []Route {
	const one, reviews = "/v1/groups/{id}/approval", "/v1/platform/reviews"
	return []Route{
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-approval", summary: "Read how far the approval of a group is", register: registerWith((*API).getApproval)},
		{Method: http.MethodPost, Path: one, Scope: tenant.ScopeSend, MaxBody: maxApproval, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "submit-approval", summary: "Say where the addresses of a group come from, and have it reviewed", register: registerWith((*API).submitApproval)},
		{Method: http.MethodPost, Path: one + "/answer", Scope: tenant.ScopeSend, MaxBody: maxApproval, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "answer-approval", summary: "Answer the reviewers' question, or add details", register: registerWith((*API).answerApproval)},
		{Method: http.MethodGet, Path: reviews, Scope: tenant.ScopeRead, Platform: true, status: 200,
			id: "list-reviews", summary: "List the groups in review, the first due before the others (platform)", register: registerWith((*API).listReviews)},
		{Method: http.MethodPost, Path: reviews + "/{id}/decision", Scope: tenant.ScopeAdmin, Platform: true, MaxBody: maxApproval, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "decide-review", summary: "Approve a group, ask a question or reject it (platform)", register: registerWith((*API).decideReview)},
	}
}

// ApprovalStatus is how far the approval of a group is.
type ApprovalStatus struct {
	State    string     `json:"state" enum:"required,in_review,question,approved,rejected"`
	Since    time.Time  `json:"since"`
	Due      *time.Time `json:"due" doc:"When an answer is promised; null while no clock runs"`
	Question string     `json:"question,omitempty" doc:"What the reviewers ask"`
	Reason   string     `json:"reason,omitempty" doc:"Of the decision"`
}

// groupApprovalOf is what the account is told of a case.
func groupApprovalOf(c approval.Case) ApprovalStatus {
	g := ApprovalStatus{State: string(c.State), Since: c.Since, Due: timeOrNull(c.Due)}
	switch c.State {
	case approval.Question:
		g.Question = c.Last
	case approval.Approved, approval.Rejected:
		g.Reason = c.Last
	}
	return g
}

// ApprovalPath names a group.
type ApprovalPath struct {
	ID string `path:"id" maxLength:"64" doc:"Of the group" example:"grp_01k00000000000000000000000"`
}

func (p ApprovalPath) group() (audience.GroupID, error) {
	g, err := id.Parse[audience.GroupKind](p.ID)
	if err != nil {
		return g, fault.New(fault.NotFound, "group_not_found", "There is no such thing here.")
	}
	return g, nil
}

type approvalOutput struct{ Body ApprovalStatus }

func (a *API) getApproval(ctx context.Context, in *ApprovalPath) (*approvalOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	c, _, err := a.c.Approval.Case(ctx, keyOf(ctx).Tenant, g)
	if err != nil {
		return nil, err
	}
	return &approvalOutput{groupApprovalOf(c)}, nil
}

// ApprovalSource is one origin of a group's addresses.
type ApprovalSource struct {
	Kind        string            `json:"kind" enum:"double_opt_in,written,existing_customer,contract"`
	FormURL     string            `json:"form_url,omitempty" maxLength:"500" doc:"The page with the form, of double_opt_in; never a home page alone"`
	Description string            `json:"description" maxLength:"4000" doc:"How the addresses were collected, 10 characters at least"`
	Count       int               `json:"count,omitempty" minimum:"0" doc:"About how many came this way"`
	Answers     map[string]string `json:"answers,omitempty" doc:"double_opt_in: since, wording, promise, confirmation, kept; written: occasion, stand, box, keeper; existing_customer: sale, similar, objections, notice; contract: contract, needed, advertising"`
	Confirmed   []string          `json:"confirmed,omitempty" maxItems:"4" doc:"Of existing_customer, the conditions of § 7 Abs. 3 UWG that hold: sale, similar, objections, notice; all four are demanded, each with its answer"`
}

type submitApprovalInput struct {
	ApprovalPath
	Body struct {
		Sources []ApprovalSource `json:"sources" minItems:"1" maxItems:"8" nullable:"false"`
		Contact struct {
			Name  string `json:"name" maxLength:"200"`
			Email string `json:"email" maxLength:"320"`
			Phone string `json:"phone,omitempty" maxLength:"200"`
		} `json:"contact" doc:"For special cases"`
	}
}

// submitApproval takes a request for the statement that the group has only allowed
// addresses, which the office asks for with a box to tick.
func (a *API) submitApproval(ctx context.Context, in *submitApprovalInput) (*approvalOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	s := approval.Submission{Read: true, Contact: approval.Contact{Name: in.Body.Contact.Name, Email: in.Body.Contact.Email, Phone: in.Body.Contact.Phone}}
	for _, one := range in.Body.Sources {
		s.Sources = append(s.Sources, approval.Source{Kind: approval.SourceKind(one.Kind), FormURL: one.FormURL, Description: one.Description, Count: one.Count,
			Answers: one.Answers, Confirmed: one.Confirmed})
	}
	k := keyOf(ctx)
	c, err := a.c.Approval.Submit(ctx, k.Tenant, g, s, k.ID.String())
	if err != nil {
		return nil, err
	}
	return &approvalOutput{groupApprovalOf(c)}, nil
}

type answerApprovalInput struct {
	ApprovalPath
	Body struct {
		Text string `json:"text" maxLength:"4000"`
	}
}

func (a *API) answerApproval(ctx context.Context, in *answerApprovalInput) (*approvalOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	k := keyOf(ctx)
	c, err := a.c.Approval.Answer(ctx, k.Tenant, g, in.Body.Text, nil, k.ID.String())
	if err != nil {
		return nil, err
	}
	return &approvalOutput{groupApprovalOf(c)}, nil
}

// Review is a group in review, for the platform.
type Review struct {
	ID            approval.ID      `json:"id"`
	Tenant        tenant.ID        `json:"tenant_id"`
	Group         audience.GroupID `json:"group_id"`
	State         string           `json:"state" enum:"required,in_review,question,approved,rejected"`
	SubmittedAt   time.Time        `json:"submitted_at"`
	Due           *time.Time       `json:"due" doc:"When an answer is promised; null while a question is open"`
	Members       int64            `json:"members" doc:"When the group was submitted"`
	Sources       []string         `json:"sources" nullable:"false"`
	FirstApproved bool             `json:"first_approved" doc:"One of two people has approved"`
}

func reviewOf(c approval.Case) *Review {
	r := &Review{ID: c.ID, Tenant: c.Tenant, Group: c.Group, State: string(c.State), SubmittedAt: c.SubmittedAt, Due: timeOrNull(c.Due),
		Members: c.Content.Members, Sources: []string{}, FirstApproved: c.FirstBy != ""}
	for _, k := range c.Submission.Kinds() {
		r.Sources = append(r.Sources, string(k))
	}
	return r
}

type reviewsOutput struct {
	Body struct {
		Data []*Review `json:"data" nullable:"false" doc:"At most 500"`
	}
}

func (a *API) listReviews(ctx context.Context, _ *struct{}) (*reviewsOutput, error) {
	list, err := a.c.Approval.Queue(ctx)
	if err != nil {
		return nil, err
	}
	out := &reviewsOutput{}
	out.Body.Data = []*Review{}
	for _, c := range list {
		out.Body.Data = append(out.Body.Data, reviewOf(c))
	}
	return out, nil
}

type decideInput struct {
	ID   string `path:"id" maxLength:"64" doc:"Of the review" example:"apr_01k00000000000000000000000"`
	Body struct {
		Decision string `json:"decision" enum:"approve,question,reject"`
		Reason   string `json:"reason" maxLength:"4000" doc:"What the account reads, 10 characters at least"`
	}
}

type reviewOutput struct{ Body *Review }

func (a *API) decideReview(ctx context.Context, in *decideInput) (*reviewOutput, error) {
	one, err := id.Parse[approval.Kind](in.ID)
	if err != nil {
		return nil, fault.New(fault.NotFound, approval.CodeUnknown, "There is no such review.")
	}
	c, err := a.c.Approval.Decide(ctx, approval.Verdict{Case: one, Decision: approval.Decision(in.Body.Decision), Reason: in.Body.Reason},
		approval.Reviewer{Actor: keyOf(ctx).ID.String(), Program: true})
	if err != nil {
		return nil, err
	}
	return &reviewOutput{reviewOf(c)}, nil
}

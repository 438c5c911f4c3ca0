package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// campaignReadyRoutes are about a draft before it is sent.
func campaignReadyRoutes() []Route {
	const one, settings, media = "/v1/campaigns/{id}", "/v1/settings/campaigns", "application/json"
	return []Route{
		{Method: http.MethodPost, Path: one + "/check", Scope: tenant.ScopeSend, status: 202, errors: []int{404, 409},
			id: "check-campaign", summary: "Ask links and look at contacts of a draft, in the background", register: registerWith((*API).beginCampaignCheck)},
		{Method: http.MethodGet, Path: one + "/check", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-campaign-check", summary: "What was found about a mailing, and how far the check is", register: registerWith((*API).getCampaignCheck)},
		{Method: http.MethodPost, Path: one + "/test-mails", Scope: tenant.ScopeSend, MaxBody: 16 << 10, media: media, status: 200, errors: []int{404, 422, 429},
			id: "send-campaign-tests", summary: "Send a mailing to addresses of one's own", register: registerWith((*API).sendCampaignTests)},
		{Method: http.MethodPost, Path: one + "/reviews", Scope: tenant.ScopeSend, MaxBody: 8 << 10, media: media, status: 201, errors: []int{404, 409, 422},
			id: "ask-campaign-review", summary: "Ask somebody whether a draft may be sent", register: registerWith((*API).askCampaignReview)},
		{Method: http.MethodGet, Path: one + "/reviews", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-campaign-reviews", summary: "Who was asked whether a mailing may be sent, and what they said", register: registerWith((*API).listCampaignReviews)},
		{Method: http.MethodDelete, Path: one + "/reviews/{review}", Scope: tenant.ScopeSend, status: 204, errors: []int{404, 409},
			id: "withdraw-campaign-review", summary: "Take back what was asked", register: registerWith((*API).withdrawCampaignReview)},
		{Method: http.MethodGet, Path: settings, Scope: tenant.ScopeRead, status: 200,
			id: "get-campaign-settings", summary: "Read the test list and whether mailings need an approval", register: registerWith((*API).getCampaignSettings)},
		{Method: http.MethodPut, Path: settings, Scope: tenant.ScopeAdmin, MaxBody: 16 << 10, media: media, status: 200, errors: []int{422},
			id: "change-campaign-settings", summary: "Set the test list and whether mailings need an approval", register: registerWith((*API).changeCampaignSettings)},
	}
}

// CampaignFinding is something to look at before a mailing is sent.
type CampaignFinding struct {
	Kind  string `json:"kind" example:"link_dead"`
	What  string `json:"what,omitempty" doc:"The place: an address, a colour, a feature"`
	Count int    `json:"count"`
	Grave bool   `json:"grave" doc:"Must be put right before the mailing is sent"`
}

// CampaignCheck is what was found about a mailing.
type CampaignCheck struct {
	Findings []CampaignFinding `json:"findings" nullable:"false" doc:"Of the content as it stands, and of the check if it is of that content"`
	State    string            `json:"state" enum:"none,running,done,stale" doc:"Of the check of links and contacts; stale: the mailing was changed since"`
	Done     int               `json:"done"`
	Total    int               `json:"total"`
	Links    int               `json:"links" doc:"That were asked"`
	Skipped  int               `json:"links_skipped" doc:"With a variable in them, or above 50"`
	People   int               `json:"contacts" doc:"That were looked at, at most 20,000"`
	Spam     *CampaignSpam     `json:"spam,omitempty" doc:"Of the spam filter, where one is asked"`
	At       *time.Time        `json:"checked_at" doc:"Last step of the check; null: there never was one"`
}

// CampaignSpam is the verdict of a spam filter.
type CampaignSpam struct {
	Score float64 `json:"score"`
	Limit float64 `json:"limit"`
}

func (a *API) campaignCheck(ctx context.Context, c campaign.Campaign) (v CampaignCheck, err error) {
	found, err := a.c.Checks.Findings(ctx, c)
	if err != nil {
		return v, err
	}
	last, err := a.c.Checks.Last(ctx, c.Tenant, c.ID)
	if err != nil {
		return v, err
	}
	v = CampaignCheck{State: "none", Findings: []CampaignFinding{}, Done: last.Done, Total: last.Total, At: timeOrNull(last.At)}
	switch {
	case last.At.IsZero():
	case last.Hash != campaign.Print(c):
		v.State, v.Done, v.Total = "stale", 0, 0
	default:
		if v.State = "running"; last.Over {
			v.State = "done"
		}
		found = append(found, last.Findings()...)
		v.Links, v.Skipped, v.People = last.Found.Links, last.Found.Skipped, last.Found.People
		if s := last.Found.Spam; s != nil {
			v.Spam = &CampaignSpam{Score: s.Score, Limit: s.Limit}
		}
	}
	v.Findings = append(v.Findings, converted(found, func(f preflight.Finding) CampaignFinding {
		return CampaignFinding{Kind: f.Kind, What: f.What, Count: f.N, Grave: f.Grave}
	})...)
	return v, nil
}

func (a *API) beginCampaignCheck(ctx context.Context, in *CampaignPath) (*struct{ Body CampaignCheck }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.c.Checks.Begin(ctx, c); err != nil {
		return nil, err
	}
	v, err := a.campaignCheck(ctx, c)
	return &struct{ Body CampaignCheck }{v}, err
}

func (a *API) getCampaignCheck(ctx context.Context, in *CampaignPath) (*struct{ Body CampaignCheck }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := a.campaignCheck(ctx, c)
	return &struct{ Body CampaignCheck }{v}, err
}

// CampaignTests are test mails that are asked for.
type CampaignTests struct {
	To      []string `json:"to,omitempty" maxItems:"10" doc:"Of domains of the account, of its people, or on the test list"`
	Seeds   bool     `json:"seeds,omitempty" doc:"To the test list as well"`
	Contact string   `json:"contact,omitempty" maxLength:"64" doc:"Whose data are filled in; left out: the first of the groups"`
}

type campaignTestsInput struct {
	CampaignPath
	Body CampaignTests
}

// CampaignTest is what became of one test mail.
type CampaignTest struct {
	Email   string      `json:"email"`
	Message *message.ID `json:"message_id" doc:"null: it was not accepted, see reason"`
	Reason  string      `json:"reason,omitempty"`
}

type campaignTestsOutput struct {
	Body struct {
		Data []CampaignTest `json:"data" nullable:"false"`
	}
}

func (a *API) sendCampaignTests(ctx context.Context, in *campaignTestsInput) (*campaignTestsOutput, error) {
	number, err := campaignID(in.ID)
	if err != nil {
		return nil, err
	}
	contact, err := in.Body.contact()
	if err != nil {
		return nil, err
	}
	list, err := a.c.Campaigns.SendTests(ctx, principalOf(ctx), number, in.Body.To, in.Body.Seeds, contact)
	if err != nil {
		return nil, err
	}
	return triedMails(list), nil
}

// triedMails are what became of test mails.
func triedMails(list []campaign.Tried) *campaignTestsOutput {
	out := &campaignTestsOutput{}
	out.Body.Data = converted(list, func(t campaign.Tried) CampaignTest {
		v := CampaignTest{Email: t.Address.String()}
		if f := fault.As(t.Err); f != nil {
			v.Reason = f.Code
		} else {
			v.Message = &t.Message
		}
		return v
	})
	return out
}

// CampaignReview is somebody asked whether a mailing may be sent.
type CampaignReview struct {
	ID         campaign.ReviewID `json:"id"`
	Reviewer   string            `json:"reviewer"`
	State      string            `json:"state" enum:"open,approved,declined,withdrawn"`
	Current    bool              `json:"current" doc:"It is about the mailing as it stands; an answer about other content counts for nothing"`
	Note       string            `json:"note,omitempty"`
	Link       string            `json:"link,omitempty" doc:"Whoever has it may answer, without an account; of open reviews"`
	AskedAt    time.Time         `json:"asked_at"`
	ExpiresAt  time.Time         `json:"expires_at" doc:"Of the link"`
	AnsweredAt *time.Time        `json:"answered_at"`
}

func (a *API) campaignReview(c campaign.Campaign, r campaign.Review) CampaignReview {
	v := CampaignReview{ID: r.ID, Reviewer: r.Name, State: string(r.State), Current: r.Hash == campaign.Print(c), Note: r.Note, AskedAt: r.AskedAt, ExpiresAt: r.ExpiresAt, AnsweredAt: timeOrNull(r.AnsweredAt)}
	if r.State == campaign.ReviewOpen {
		v.Link = a.c.Campaigns.Link(r)
	}
	return v
}

type askCampaignReviewInput struct {
	CampaignPath
	Body struct {
		Reviewer string `json:"reviewer" maxLength:"800" doc:"Who is asked, in your words" example:"Frau Sommer, Kundin"`
	}
}

func (a *API) askCampaignReview(ctx context.Context, in *askCampaignReviewInput) (*struct{ Body CampaignReview }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := a.c.Campaigns.Ask(ctx, principalOf(ctx), c.ID, in.Body.Reviewer)
	if err != nil {
		return nil, err
	}
	return &struct{ Body CampaignReview }{a.campaignReview(c, r)}, nil
}

type campaignReviewsOutput struct {
	Body struct {
		Data []CampaignReview `json:"data" nullable:"false"`
	}
}

func (a *API) listCampaignReviews(ctx context.Context, in *CampaignPath) (*campaignReviewsOutput, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.c.Campaigns.Reviews(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	out := &campaignReviewsOutput{}
	out.Body.Data = append([]CampaignReview{}, converted(list, func(r campaign.Review) CampaignReview { return a.campaignReview(c, r) })...)
	return out, nil
}

type campaignReviewPath struct {
	CampaignPath
	Review string `path:"review" maxLength:"64"`
}

func (a *API) withdrawCampaignReview(ctx context.Context, in *campaignReviewPath) (*struct{}, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.c.Campaigns.Reviews(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.ID.String() == in.Review {
			return nil, a.c.Campaigns.Withdraw(ctx, principalOf(ctx), r.ID)
		}
	}
	return nil, fault.New(fault.NotFound, campaign.CodeReviewUnknown, "There is no such review of this mailing.")
}

// CampaignSettings are how an account goes about its mailings.
type CampaignSettings struct {
	Seeds  []string `json:"seeds" nullable:"false" maxItems:"20" doc:"Mailboxes of one's own at other providers, which test mails may go to"`
	Review bool     `json:"review" doc:"Nothing is sent that nobody else approved"`
}

func (a *API) getCampaignSettings(ctx context.Context, _ *struct{}) (*struct{ Body CampaignSettings }, error) {
	set, err := a.c.Campaigns.Settings(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return &struct{ Body CampaignSettings }{CampaignSettings{Seeds: append([]string{}, set.Seeds...), Review: set.Review}}, nil
}

func (a *API) changeCampaignSettings(ctx context.Context, in *struct{ Body CampaignSettings }) (*struct{ Body CampaignSettings }, error) {
	err := a.c.Campaigns.SetSettings(ctx, keyOf(ctx).Tenant, campaign.Settings{Seeds: in.Body.Seeds, Review: in.Body.Review})
	if err != nil {
		return nil, err
	}
	return a.getCampaignSettings(ctx, nil)
}

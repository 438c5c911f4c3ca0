package httpapi

import (
	"context"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// seriesReadyRoutes are about the letter of a step before it is sent.
func seriesReadyRoutes() []Route {
	const step = "/v1/series/{id}/steps/{step}"
	return []Route{
		{Method: http.MethodPost, Path: step + "/check", Scope: tenant.ScopeSend, status: 202, errors: []int{404},
			id: "check-series-step", summary: "Ask links and look at contacts of the mail of a step, in the background", register: registerWith((*API).beginSeriesCheck)},
		{Method: http.MethodGet, Path: step + "/check", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-series-step-check", summary: "What was found about the mail of a step, and how far the check is", register: registerWith((*API).getSeriesCheck)},
		{Method: http.MethodPost, Path: step + "/test-mails", Scope: tenant.ScopeSend, MaxBody: 16 << 10, media: "application/json", status: 200, errors: []int{404, 422, 429},
			id: "send-series-step-tests", summary: "Send the mail of a step to addresses of one's own", register: registerWith((*API).sendSeriesTests)},
	}
}

// SeriesStepPath names a step of a series in a path.
type SeriesStepPath struct {
	SeriesPath
	Step string `path:"step" maxLength:"40" doc:"Key of a step that sends"`
}

// seriesStepAt reads the letter of a step; NotFound for one that does not send.
func (a *API) seriesStepAt(ctx context.Context, p SeriesStepPath) (campaign.Campaign, error) {
	number, err := p.number()
	if err != nil {
		return campaign.Campaign{}, err
	}
	v, err := a.c.Series.Series(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return campaign.Campaign{}, err
	}
	return v.Mailing(p.Step)
}

func (a *API) beginSeriesCheck(ctx context.Context, in *SeriesStepPath) (*struct{ Body CampaignCheck }, error) {
	c, err := a.seriesStepAt(ctx, *in)
	if err != nil {
		return nil, err
	}
	if err := a.c.Checks.Begin(ctx, c); err != nil {
		return nil, err
	}
	v, err := a.campaignCheck(ctx, c)
	return &struct{ Body CampaignCheck }{v}, err
}

func (a *API) getSeriesCheck(ctx context.Context, in *SeriesStepPath) (*struct{ Body CampaignCheck }, error) {
	c, err := a.seriesStepAt(ctx, *in)
	if err != nil {
		return nil, err
	}
	v, err := a.campaignCheck(ctx, c)
	return &struct{ Body CampaignCheck }{v}, err
}

type seriesTestsInput struct {
	SeriesStepPath
	Body CampaignTests
}

func (a *API) sendSeriesTests(ctx context.Context, in *seriesTestsInput) (*campaignTestsOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	contact, err := in.Body.contact()
	if err != nil {
		return nil, err
	}
	list, err := a.c.Series.SendTests(ctx, principalOf(ctx), number, in.Step, in.Body.To, in.Body.Seeds, contact)
	if err != nil {
		return nil, err
	}
	return triedMails(list), nil
}

// contact is whose data are filled in; zero for the first of the groups.
func (t CampaignTests) contact() (c audience.ContactID, err error) {
	if t.Contact == "" {
		return c, nil
	}
	if c, err = id.Parse[audience.ContactKind](t.Contact); err != nil {
		return c, fault.Field("contact", "id_malformed", "The value is not the identifier of a contact.")
	}
	return c, nil
}

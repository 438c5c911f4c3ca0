package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// campaignPageRoutes are about the public pages of mailings.
func campaignPageRoutes() []Route {
	const one = "/v1/campaigns/{id}/publication"
	return []Route{
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-campaign-publication", summary: "Whether everybody may read a mailing, and where", register: registerWith((*API).getCampaignPublication)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeSend, MaxBody: 8 << 10, media: "application/json", status: 200, errors: []int{404, 422},
			id: "publish-campaign", summary: "Make a mailing a page that everybody may read, or take that back", register: registerWith((*API).publishCampaign)},
	}
}

// CampaignPublication says whether a mailing is a page that everybody may read.
type CampaignPublication struct {
	Public  bool       `json:"public" doc:"Of a draft it holds from when it is sent"`
	Index   bool       `json:"index" doc:"Search engines may show the page"`
	URL     string     `json:"url,omitempty" doc:"Of the page, whether it is public or not"`
	ListURL string     `json:"list_url,omitempty" doc:"Of all public mailings of the account"`
	Changed *time.Time `json:"changed_at" doc:"null: it never was public"`
}

func (a *API) publicationOf(t tenant.ID, c campaign.ID, v campaign.Publication) *struct{ Body CampaignPublication } {
	out := CampaignPublication{Public: v.Public, Index: v.Index, Changed: timeOrNull(v.At)}
	if a.c.Publisher != nil {
		out.URL, out.ListURL = a.c.Publisher.Link(t, c), a.c.Publisher.ListLink(t)
	}
	return &struct{ Body CampaignPublication }{out}
}

func (a *API) getCampaignPublication(ctx context.Context, in *CampaignPath) (*struct{ Body CampaignPublication }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := a.c.Campaigns.Published(ctx, c.Tenant, c.ID)
	return a.publicationOf(c.Tenant, c.ID, v), err
}

type publishCampaignInput struct {
	CampaignPath
	Body struct {
		Public bool `json:"public" doc:"Of a draft it holds from when it is sent"`
		Index  bool `json:"index,omitempty" doc:"Search engines may show the page"`
	}
}

func (a *API) publishCampaign(ctx context.Context, in *publishCampaignInput) (*struct{ Body CampaignPublication }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := a.c.Campaigns.Publish(ctx, principalOf(ctx), c.ID, campaign.Publication{Public: in.Body.Public, Index: in.Body.Index})
	return a.publicationOf(c.Tenant, c.ID, v), err
}

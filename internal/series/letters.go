package series

import (
	"context"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Forms finds the letter of a mail for campaign.Merger: that of a campaign, else of a step of
// a series.
func Forms(s interface {
	SeriesLetter(ctx context.Context, t tenant.ID, form campaign.ID) (campaign.Letter, audience.GroupID, error)
}, campaigns func(ctx context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error)) func(ctx context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error) {
	return func(ctx context.Context, t tenant.ID, number campaign.ID) (campaign.Campaign, error) {
		c, err := campaigns(ctx, t, number)
		if !fault.IsKind(err, fault.NotFound) {
			return c, err
		}
		letter, group, err := s.SeriesLetter(ctx, t, number)
		if err != nil {
			return campaign.Campaign{}, err
		}
		return campaign.Campaign{ID: number, Tenant: t, Groups: []audience.GroupID{group}, Letter: letter, State: campaign.Sent, Events: true}, nil
	}
}

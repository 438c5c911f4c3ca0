package httpapi

import (
	"context"
	"time"

	"stafette/internal/campaign"
)

// CampaignRate bounds how many recipients at one mailbox provider are handed over in an hour.
type CampaignRate struct {
	Provider string `json:"provider" maxLength:"60" example:"gmx" doc:"As in the statistics: gmx, webde, tonline, gmail, ms …"`
	PerHour  int    `json:"per_hour" minimum:"1" maximum:"1000000"`
}

func ratesOf(list []CampaignRate) (rates []campaign.Rate) {
	for _, r := range list {
		rates = append(rates, campaign.Rate(r))
	}
	return rates
}

// CampaignForecast is when a mailing that is sent will have been handed over.
type CampaignForecast struct {
	End       *time.Time                 `json:"done_at" doc:"From who is left, the limits, and the pace of the last minutes where that is less; null: it cannot be told"`
	Providers []CampaignProviderForecast `json:"per_provider" nullable:"false" doc:"Of the providers with a limit"`
}

// CampaignProviderForecast is the same of one provider.
type CampaignProviderForecast struct {
	CampaignRate
	Waiting int64      `json:"waiting" doc:"Recipients found so far who are still to be handed over"`
	End     *time.Time `json:"done_at" doc:"null: nobody waits, or it cannot be told"`
}

func (a *API) forecast(ctx context.Context, c campaign.Campaign, r campaign.Report) (CampaignForecast, error) {
	f, err := a.c.Campaigns.Forecast(ctx, c, r)
	v := CampaignForecast{End: timeOrNull(f.End), Providers: []CampaignProviderForecast{}}
	for _, p := range f.Providers {
		v.Providers = append(v.Providers, CampaignProviderForecast{CampaignRate(p.Rate), p.Waiting, timeOrNull(p.End)})
	}
	return v, err
}

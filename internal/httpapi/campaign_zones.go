package httpapi

import (
	"context"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
)

type sendCampaignInput struct {
	CampaignPath
	Body struct {
		At   string `json:"at,omitempty" nullable:"true" maxLength:"40" doc:"An instant (RFC 3339), with zone a local time without an offset; left out or null: now" example:"2026-11-24T09:00"`
		Zone string `json:"zone,omitempty" enum:"recipient" doc:"recipient: each gets it when the clock of their own time zone shows at; who has none, in that of the account. Whose time is over gets it at once"`
	}
}

func (a *API) sendCampaign(ctx context.Context, in *sendCampaignInput) (*campaignOutput, error) {
	number, err := campaignID(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.letGo(ctx, number, in.Body.At, in.Body.Zone != "")
	if err != nil {
		return nil, err
	}
	return &campaignOutput{campaignRecord(c)}, nil
}

// letGo sends a mailing at an instant, or at a local time.
func (a *API) letGo(ctx context.Context, number campaign.ID, text string, local bool) (campaign.Campaign, error) {
	if local {
		return a.c.Campaigns.SendLocal(ctx, principalOf(ctx), number, text)
	}
	var at time.Time
	if text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return campaign.Campaign{}, &fault.Error{Kind: fault.Invalid, Code: "field_type", Field: "at", Detail: "An instant is written as 2026-11-24T09:00:00+01:00.", Err: err}
		}
	}
	return a.c.Campaigns.Send(ctx, principalOf(ctx), number, at)
}

// CampaignZones is in which time zones those are who would get a mailing.
type CampaignZones struct {
	Field string         `json:"field" doc:"Field of contacts that holds their time zone; empty: none is declared"`
	Waves []CampaignWave `json:"waves" nullable:"false" doc:"Those who would get it by zone, of those looked at"`
	Late  int64          `json:"late" doc:"Of them, those whose local time is over: they get it at once"`
	First *time.Time     `json:"first_at" doc:"When the first get it; null without a local time"`
	Last  *time.Time     `json:"last_at" doc:"When the turn of the last comes"`
	Done  *time.Time     `json:"done_at" doc:"When all of it would have been handed over at the earliest"`
}

// CampaignWave is one time zone of a mailing.
type CampaignWave struct {
	Zone     string     `json:"zone" doc:"Empty: that of the account, as none is known of these" example:"Europe/Lisbon"`
	At       *time.Time `json:"at" doc:"When the clocks there show the local time; null: there is none"`
	Members  int64      `json:"members" doc:"In a preview who would get it; in a report members of the groups now, 0 once it is over"`
	Accepted int64      `json:"accepted" doc:"As of the mailing"`
	Excluded int64      `json:"excluded"`
	Waiting  int64      `json:"waiting" doc:"Their time has come, their mail is still to be handed over"`
}

func waveRecord(w campaign.Wave) CampaignWave {
	return CampaignWave{w.Zone, timeOrNull(w.At), w.Members, w.Accepted, w.Excluded, w.Waiting}
}

func zonesRecord(p campaign.Preview) CampaignZones {
	v := CampaignZones{Field: p.ZoneKey, Waves: []CampaignWave{}, Late: p.Late, First: timeOrNull(p.First), Last: timeOrNull(p.Last), Done: timeOrNull(p.Done)}
	for _, w := range p.Waves {
		v.Waves = append(v.Waves, waveRecord(w))
	}
	return v
}

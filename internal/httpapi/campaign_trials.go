package httpapi

import (
	"context"
	"time"

	"stafette/internal/campaign"
)

// CampaignTrial is a second version of a mailing, and how it is tried.
type CampaignTrial struct {
	Share   int        `json:"share" minimum:"5" maximum:"50" doc:"Percent of the recipients who take part, half of them for each version"`
	Hours   int        `json:"hours" minimum:"1" maximum:"168" doc:"How long it is waited before the rest is sent the version in which more people followed a link, if the difference is clear, else version A"`
	From    string     `json:"from,omitempty" maxLength:"400" doc:"Of version B; left out: as in version A"`
	Subject string     `json:"subject,omitempty" maxLength:"2000"`
	HTML    string     `json:"html,omitempty" doc:"Content is replaced as a whole: where html or text is given, both are"`
	Text    string     `json:"text,omitempty"`
	EndsAt  *time.Time `json:"ends_at,omitempty" readOnly:"true" doc:"When it is decided; left out while the mails of the trial are handed over"`
	Winner  string     `json:"winner,omitempty" readOnly:"true" enum:"a,b" doc:"What the rest gets; left out: not decided"`
	Clear   bool       `json:"clear,omitempty" readOnly:"true" doc:"The difference decided, at 95 percent"`
}

// fill sets what a draft says of a trial.
func (d *CampaignTrial) fill(c *campaign.Campaign) {
	c.Trial, c.Letter.Other = campaign.Trial{}, campaign.Other{}
	if d != nil {
		c.Trial = campaign.Trial{Share: d.Share, Hours: d.Hours}
		c.Letter.Other = campaign.Other{From: d.From, Subject: d.Subject, HTML: d.HTML, Text: d.Text}
	}
}

// trialRecord is the trial of a mailing, nil if it has none.
func trialRecord(c campaign.Campaign) *CampaignTrial {
	if c.Trial.Share == 0 {
		return nil
	}
	o := c.Letter.Other
	return &CampaignTrial{Share: c.Trial.Share, Hours: c.Trial.Hours, From: o.From, Subject: o.Subject, HTML: o.HTML, Text: o.Text,
		EndsAt: timeOrNull(c.Trial.EndsAt), Winner: string(c.Trial.Winner), Clear: c.Trial.Clear}
}

// CampaignTrialReport compares the versions of a trial.
type CampaignTrialReport struct {
	A CampaignVersion `json:"a"`
	B CampaignVersion `json:"b"`
}

// CampaignVersion counts the mails of one version in the trial.
type CampaignVersion struct {
	Accepted int64 `json:"accepted" doc:"Handed over"`
	Clicked  int64 `json:"clicked" doc:"In which a person followed a link"`
}

func (a *API) trialReport(ctx context.Context, c campaign.Campaign) (*CampaignTrialReport, error) {
	if c.Trial.Share == 0 {
		return nil, nil //nolint:nilnil // there is no trial, which is no error
	}
	t, err := a.c.Campaigns.Trial(ctx, c)
	if err != nil {
		return nil, err
	}
	return &CampaignTrialReport{CampaignVersion{t.A.Accepted, t.A.Clicked}, CampaignVersion{t.B.Accepted, t.B.Clicked}}, nil
}

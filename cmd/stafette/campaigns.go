package main

import (
	"time"

	"stafette/internal/campaign"
	"stafette/internal/genuine"
	"stafette/internal/ingest"
)

// campaignsEvery is how soon a mailing begins or goes on.
const campaignsEvery = 2 * time.Second

// newMerger makes what makes the mails of mailings when they are read or sent.
func (b *base) newMerger() *campaign.Merger {
	c := campaign.MergerConfig{Campaign: b.store.Campaign, Code: genuine.NewCoder(b.keeper).Code, Weaver: b.tracking.weaver}
	if p := newPreference(b); p != nil {
		c.Leave = p.Link
	}
	return campaign.NewMerger(c)
}

// newCampaigns makes the room of mailings.
func (p *platform) newCampaigns(acceptor ingest.Acceptor) *campaign.Service {
	return campaign.New(campaign.Config{Store: p.store, Acceptor: acceptor, Approvals: p.approvals, MayLeave: newPreference(p.base) != nil,
		Changed: p.follow, Now: p.store.Now, Log: p.log})
}

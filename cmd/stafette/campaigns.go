package main

import (
	"context"
	"strings"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/genuine"
	"stafette/internal/ingest"
	"stafette/internal/spool"
)

// campaignsEvery is how soon a mailing begins or goes on.
const campaignsEvery = 2 * time.Second

// newMerger makes what makes the mails of mailings when they are read or sent.
func (b *base) newMerger() *campaign.Merger {
	c := campaign.MergerConfig{Campaign: b.store.Campaign, Code: genuine.NewCoder(b.keeper).Code, Weaver: b.tracking.weaver}
	if p := newPreference(b); p != nil {
		c.Leave, c.Web = p.Link, b.newViews().Link
	}
	return campaign.NewMerger(c)
}

// newViews makes the pages that show mails of mailings to who has their link.
func (b *base) newViews() *campaign.Views {
	return &campaign.Views{Key: b.keeper.MACKey("campaign views"), PublicURL: strings.TrimRight(b.config.HTTP.PublicURL, "/"), Message: b.store.Message,
		Plain: func(ctx context.Context, h spool.Handle) ([]byte, error) { return b.spool.Plain(ctx, h) }}
}

// newCampaigns makes the room of mailings.
func (p *platform) newCampaigns(acceptor ingest.Acceptor) *campaign.Service {
	return campaign.New(campaign.Config{Store: p.store, Acceptor: acceptor, Approvals: p.approvals, Stationery: p.stationery, MayLeave: newPreference(p.base) != nil,
		Changed: p.follow, Now: p.store.Now, Log: p.log})
}

package main

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/changeover/announce"
	"stafette/internal/i18n"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/public"
	"stafette/internal/public/leadpages"
	"stafette/internal/public/mailings"
	picturedoor "stafette/internal/public/pictures"
	"stafette/internal/redelivery"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// openLeadPages opens the pages of prospects and of those who receive leads. A household or
// office behind one address reads as much as on other public pages, sends a few enquiries
// and enters a few codes; more than that is held, or asked to wait.
func (p *platform) openLeadPages(mux *http.ServeMux, catalog *i18n.Catalog, zone *time.Location) {
	now := p.store.Now
	door := leadpages.New(leadpages.Config{
		Forms: p.leadForms, Leads: p.leads, Cases: p.leadCases, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL, Zone: zone,
		Reading: public.NewLimiter(60, time.Second, now), Entering: public.NewLimiter(6, 2*time.Minute, now), Telling: public.NewLimiter(10, time.Minute, now),
		Now: now, Log: p.log,
	})
	for _, path := range []string{leadpages.FormPath, lead.ConfirmPath, lead.ReportPath} {
		mux.Handle(path, door)
	}
}

// openLeads makes the rooms of leads, and what sends mail once more.
func (p *platform) openLeads(catalog *i18n.Catalog, zone *time.Location) error {
	p.leads = lead.New(lead.Config{
		Store: p.store, Acceptor: p.entrance, Tenants: p.store, Keeper: p.keeper, Genuine: p.genuineFoot(catalog),
		Kept: time.Duration(p.config.Limits.Retention), Term: p.leadTerm,
		PublicURL: p.config.HTTP.PublicURL, Now: p.store.Now, Zone: zone, Log: p.log,
	})
	p.leadForms = leadform.New(leadform.Config{Store: p.store, Leads: p.leads, Keeper: p.keeper, Catalog: catalog, Now: p.store.Now})
	p.leadCases = leadcase.New(leadcase.Config{Store: p.store, Leads: p.leads, Mail: p.store, Keeper: p.keeper, Now: p.store.Now})
	p.redelivery, p.archive = p.newRedelivery(p.entrance, p.leads, zone, func(ctx context.Context, j redelivery.Job) { p.reminder().askSecondPerson(ctx, j) }), p.newArchive()
	p.campaigns = p.newCampaigns(p.entrance, zone)
	p.series = p.newSeries(p.entrance, zone)
	p.feeds = p.newFeeds(zone)
	p.preflight = p.newPreflight()
	return p.openAnnouncements(catalog, zone)
}

// leadTerm is for how many days a tenant has its leads kept; 0: as the platform does.
func (b *base) leadTerm(ctx context.Context, t tenant.ID) (int, error) {
	list, err := b.store.Terms(ctx, t)
	for _, one := range list {
		if one.Stream == tenant.Lead {
			return one.Days, err
		}
	}
	return 0, err
}

// openPublic puts the pages for people without an account on the map.
func (p *platform) openPublic(mux *http.ServeMux, c public.Config, zone *time.Location) {
	door := public.New(c)
	for _, path := range public.Paths() {
		mux.Handle(path, door)
	}
	mux.Handle(announce.Path, p.customerPages(c.Catalog, zone))
	mux.Handle(campaign.ReviewPath, p.reviewPages(c.Catalog, zone))
	mux.Handle(tracking.ConsentPath, p.consentPages(c.Catalog, zone))
	mux.Handle(campaign.ViewPath, mailings.New(mailings.Config{Views: p.newViews(), Limiter: public.NewLimiter(60, time.Second, p.store.Now), Log: p.log}))
	// A mail may have a dozen pictures, and proxies of mailbox providers fetch for many people.
	mux.Handle(pictures.Path, picturedoor.New(picturedoor.Config{Library: p.pictures, Limiter: public.NewLimiter(2000, time.Second/200, p.store.Now), Log: p.log}))
	p.openMailingPages(mux, c.Catalog, zone)
	p.openLeadPages(mux, c.Catalog, zone)
	p.openOfferPages(mux, c.Catalog, zone)
}

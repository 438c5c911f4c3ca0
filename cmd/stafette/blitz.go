package main

import (
	"context"
	"sync"
	"time"

	"stafette/internal/blitz"
	"stafette/internal/diagnosis"
	"stafette/internal/i18n"
	offercertificate "stafette/internal/offer/certificate"
	webblitz "stafette/internal/web/blitz"
)

// feed is who has read what of activities.
func (p *platform) feed() blitz.Feed { return blitz.Feed{Store: p.store, Now: p.store.Now} }

// blitzPages are the pages of the feed.
func (p *platform) blitzPages(catalog *i18n.Catalog, told *diagnosis.Service) webblitz.Config {
	return webblitz.Config{
		Feed: p.feed(), Activities: p.store, Hub: p.tracking.hub, Contacts: p.store, Teller: blitz.Teller{Catalog: catalog}, Mails: p.notices.On,
		Certificates: &offercertificate.Service{Offers: p.offers, Mail: p.store, Activities: p.store, Signer: told, Catalog: catalog, Tenants: p.store, Brands: p.stationery},
	}
}

// newBlitzMails makes the writer of mails about activities.
func (p *platform) newBlitzMails(catalog *i18n.Catalog, zone *time.Location) blitz.Mails {
	return blitz.Mails{
		Store: p.store, Activities: p.store, Tenants: p.store, Letters: p.notices, Teller: blitz.Teller{Catalog: catalog}, Contacts: p.store, Zone: zone,
		Now: p.store.Now, Log: p.log,
	}
}

// tellActivities brings activities to people and programs, until ctx ends. Every node does:
// what is told is told once.
func (p *platform) tellActivities(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { p.blitzMails.Run(ctx) })
	work.Go(func() {
		blitz.Hooks{Store: p.store, Calls: p.store, Activities: p.store, Now: p.store.Now, Log: p.log}.Run(ctx)
	})
	work.Wait()
}

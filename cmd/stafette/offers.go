package main

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/offer"
	"stafette/internal/public"
	"stafette/internal/public/offerpages"
)

// answersEvery is how soon a receipt is sent that could not be sent at once.
const answersEvery = 30 * time.Second

// newOffers makes the room of offers.
func (p *platform) newOffers(catalog *i18n.Catalog, zone *time.Location) (*offer.Service, error) {
	return offer.New(offer.Config{
		Store: p.store, Tenants: p.store, Brands: p.stationery, Acceptor: p.entrance, Mail: p.store, Keeper: p.keeper, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL,
		Watch: offer.Watch{
			Decider: p.tracking.decider, Consents: p.tracking.decider, Activities: p.store, Looks: p.tracking.visits,
		},
		Zone: zone, Now: p.store.Now, Log: p.log,
	})
}

// openOfferPages opens the pages of recipients of offers. A page with its pictures is a
// dozen requests; a household sends few forms, and whoever knows a password needs few tries.
func (p *platform) openOfferPages(mux *http.ServeMux, catalog *i18n.Catalog, zone *time.Location) {
	now := p.store.Now
	door := offerpages.New(offerpages.Config{
		Offers: p.offers, Catalog: catalog, Zone: zone, Now: now, Log: p.log,
		Reading: public.NewLimiter(240, time.Second/4, now), Telling: public.NewLimiter(40, 5*time.Second, now), Guessing: public.NewLimiter(8, 5*time.Minute, now),
	})
	mux.Handle(offer.Path, door)
	mux.Handle(offer.PreviewPath, door)
}

// answerOffers sends the receipts that wait.
func (p *platform) answerOffers(ctx context.Context, _ time.Time) error {
	return p.offers.Answer(ctx, p.store)
}

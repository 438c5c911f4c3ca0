package main

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/offer"
	"stafette/internal/public"
	"stafette/internal/public/offerpages"
	"stafette/internal/tracking"
)

// answersEvery is how soon a receipt is sent that could not be sent at once.
const answersEvery = 30 * time.Second

// newOffers makes the room of offers.
func (p *platform) newOffers(catalog *i18n.Catalog, zone *time.Location) (*offer.Service, error) {
	return offer.New(offer.Config{
		Store: p.store, Tenants: p.store, Acceptor: p.entrance, Mail: p.store, Keeper: p.keeper, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL,
		Watch: offer.Watch{
			Decider: p.tracking.decider, Consents: p.tracking.decider, Activities: p.store, Recorder: p.tracking.recorder,
			Judge: p.judgeLook,
		},
		Zone: zone, Now: p.store.Now, Log: p.log,
	})
}

// judgeLook says who looks at an offer, by the rules of tracking. A form that was sent is a
// person's: programs that follow links send none.
func (p *platform) judgeLook(a offer.Asked, deed bool) (tracking.Machine, string) {
	rules := p.tracking.rules
	signs, agent := rules.SignsOf(tracking.Seen{Kind: tracking.PageVisited, Head: a.Head, UserAgent: a.UserAgent, Language: true, At: p.store.Now()})
	if deed {
		return tracking.Machine{Class: tracking.Person, Confidence: 90, Rules: rules.Version, Reasons: []string{"form"}}, agent
	}
	return rules.Judge(agent, signs), agent
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

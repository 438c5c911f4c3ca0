package main

import (
	"net/http"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/public"
	"stafette/internal/tracking"
	"stafette/internal/web/trackings"
)

// trackingSettings is what tenants allow, as pages and the API change it.
func (b *base) trackingSettings() tracking.Settings {
	return tracking.Settings{Store: b.store, Decider: b.tracking.decider, Now: b.store.Now}
}

// consents is what recipients say about being tracked.
func (b *base) consents() *tracking.Consents {
	return tracking.NewConsents(tracking.ConsentsConfig{
		Store: b.store, Settings: b.trackingSettings(), Activities: b.store, Tokens: b.tracking.tokens, Keeper: b.keeper, PublicURL: b.config.HTTP.PublicURL, Now: b.store.Now,
	})
}

// trackingPages are the settings of tracking and the consents in the office.
func (p *platform) trackingPages() trackings.Config {
	return trackings.Config{Settings: p.trackingSettings(), Consents: p.consents(), People: p.store, Days: p.config.Limits.TrackingDays}
}

// consentPages are those on which recipients see what is recorded of them and withdraw.
func (p *platform) consentPages(catalog *i18n.Catalog, zone *time.Location) http.Handler {
	return public.NewConsents(public.ConsentConfig{Consents: p.consents(), Tenants: p.store, Catalog: catalog, Zone: zone, Now: p.store.Now, Log: p.log})
}

// trackedMail is what pages of messages ask of tracking.
func (p *platform) trackedMail() tracking.Office {
	return tracking.Office{Reader: p.store, Decider: p.tracking.decider}
}

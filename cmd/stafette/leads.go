package main

import (
	"net/http"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/lead"
	"stafette/internal/public"
	"stafette/internal/public/leadpages"
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

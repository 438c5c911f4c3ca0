package main

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/lead/leadcase"
	"stafette/internal/public"
	"stafette/internal/tenant"
)

const (
	// surveyEvery is how often old and new sources are compared for each customer.
	surveyEvery = 6 * time.Hour
	// announceEvery is how often customers are told some more; see announce.Config.PerTurn.
	announceEvery = time.Minute
)

// openAnnouncements makes what finds and tells the customers of changeovers.
func (p *platform) openAnnouncements(catalog *i18n.Catalog, zone *time.Location) (err error) {
	p.surveyor = affected.NewSurveyor(affected.Config{
		Store: p.store, Changeovers: p.store, Marks: p.store.FallbackMarks, Advertisers: p.store, Ways: p.store, Tenants: p.store,
		Cases: reportedLeads{p.leadCases}, Provider: p.config.providerOf, Now: p.store.Now, Log: p.log,
	})
	p.announcer, err = announce.New(announce.Config{
		Store: p.store, Customers: p.store, Changeovers: p.store, Ways: p.store, Leads: p.leads, Acceptor: p.entrance,
		Keeper: p.keeper, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL, Zone: zone,
		AddressesURL: func(lang i18n.Lang, t tenant.ID) string {
			return p.config.HTTP.PublicURL + p.published.Path(string(lang), t)
		},
		GenuineURL: func(lang i18n.Lang, t tenant.ID) string {
			return p.config.HTTP.PublicURL + public.GenuinePath(string(lang), t)
		},
		Now: p.store.Now, Log: p.log,
	})
	return err
}

// reportedLeads tells the survey of reports that a lead came without its XML.
type reportedLeads struct{ cases *leadcase.Service }

func (r reportedLeads) MissingXML(ctx context.Context, t tenant.ID, advertiser string, since time.Time) (n int, last time.Time, err error) {
	list, err := r.cases.CasesOf(ctx, t, advertiser)
	for _, c := range list {
		if (c.Kind == leadcase.NoXML || c.Kind == leadcase.Damaged) && !c.OpenedAt.Before(since) {
			if n++; c.OpenedAt.After(last) {
				last = c.OpenedAt
			}
		}
	}
	return n, last, err
}

// customerPages are those that customers of changeovers see without an account.
func (p *platform) customerPages(catalog *i18n.Catalog, zone *time.Location) http.Handler {
	return public.NewChangeovers(public.ChangeoverConfig{Announcer: p.announcer, Catalog: catalog, Zone: zone, Now: p.store.Now, Log: p.log})
}

// announceSome tells customers who are due.
func (p *platform) announceSome(ctx context.Context, _ time.Time) error {
	_, err := p.announcer.Turn(ctx)
	return err
}

// todosOfTenants are all to-dos, with those that only a serving process knows of.
func (p *platform) todosOfTenants() insight.Todos {
	list := p.todos()
	list.Sources = append(slices.Clip(list.Sources), announce.Unconfirmed{Service: p.announcer})
	return list
}

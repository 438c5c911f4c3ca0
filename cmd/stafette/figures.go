package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/dns"
	"stafette/internal/feed"
	"stafette/internal/help"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/offer"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

const (
	// digestsEvery is how often it is looked whether weekly reports and lists of open
	// tasks are due.
	digestsEvery = 10 * time.Minute
	// figuresKeptEvery is how often sums that are kept for a time only are removed.
	figuresKeptEvery = 6 * time.Hour
	// helpCountsLast is how long it is kept what articles helped with.
	helpCountsLast = 365 * 24 * time.Hour
)

// features are what help articles may speak of beyond what every version has.
func features() []help.Feature {
	return []help.Feature{"approval", "digests", "lead", "offer", "redelivery", "tracking"}
}

// newHelp makes the help desk.
func (b *base) newHelp() (*help.Desk, error) {
	library, err := help.Load(features()...)
	if err != nil {
		return nil, err
	}
	return &help.Desk{Library: library, Store: b.store, Now: b.store.Now}, nil
}

// todos are all rooms that may have something for a tenant to do.
func (b *base) todos() insight.Todos {
	sums := insight.Statistics{Store: b.store}
	return insight.Todos{Store: b.store, Sources: []insight.TodoSource{
		insight.HaltedMail{Breaker: b.audience}, insight.DomainSetup{Domains: b.registry()}, insight.HeldMail{Store: b.store},
		insight.SpentQuota{Store: b.store}, insight.RefusedAddresses{Statistics: sums},
		lead.Waiting{Store: b.store}, leadcase.Waiting{Store: b.store}, offer.Waiting{Store: b.store}, redelivery.Approval{Store: b.store}, insight.Approvals{Cases: b.approvals, Groups: b.store}, insight.Team{Store: b.store}, insight.Keys{Store: b.store},
		insight.TrackingBasis{Store: b.store},
		deadWebhooks{b.store}, feed.Waiting{Store: b.store},
		insight.PlanUse{Ledger: b.ledger}, insight.PausedGroups{Pauses: b.pauses, Groups: b.store}, insight.Tickets{Tickets: b.tickets},
	}}
}

// staffTodos are all that may have something for staff to do, beside the ways out.
func (p *platform) staffTodos() insight.Todos {
	return insight.Todos{Store: p.store, Sources: []insight.TodoSource{
		insight.Certificate{End: p.cert.end}, insight.CertificateFolders{Others: p.apart}, insight.LockedAccounts{Store: p.store}, insight.Reviews{Cases: p.approvals, Alarms: p.store}, insight.Team{Store: p.store}, changeover.Overdue{Store: p.store}, insight.Tickets{Tickets: p.tickets},
	}}
}

// newDigester makes the writer of weekly reports.
func (p *platform) newDigester(catalog *i18n.Catalog, zone *time.Location) insight.Digester {
	return insight.Digester{
		Store: p.store, Statistics: insight.Statistics{Store: p.store}, Todos: p.todosOfTenants(), Postman: p.notices, Catalog: catalog,
		Providers: p.providers, Zone: func(t tenant.Tenant) *time.Location { return t.Zone(zone) }, Log: p.log,
	}
}

// fold keeps the figures up to date. Every node does: notes are taken by whoever comes first.
func (p *platform) fold(ctx context.Context) {
	insight.Folder{Store: p.store, Provider: p.config.providerOf, Log: p.log}.Run(ctx)
}

// digest sends what is due of the mails about accounts.
func (p *platform) digest(ctx context.Context, now time.Time) error {
	return errors.Join(p.digester.Run(ctx, now), p.reminder().remindOperators(ctx, now))
}

// pruneFigures removes sums that are kept for a time only.
func (p *platform) pruneFigures(ctx context.Context, now time.Time) error {
	if err := p.store.PruneTallies(ctx, now.Add(-insight.HoursKept)); err != nil {
		return err
	}
	return p.store.ForgetHelp(ctx, now.Add(-helpCountsLast))
}

// demoHost is the end of the names of the demo world's mail hosts.
const demoHost = ".example"

// providerOf names the provider of a receiving server. In the demo world, where names end
// in .example, gmx.example stands for GMX.
func (c Config) providerOf(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if known := dns.Provider([]dns.MX{{Host: name}}); known != "" || !c.Egress.LoopbackOnly {
		return known
	}
	rest, ok := strings.CutSuffix(name, demoHost)
	if !ok {
		return ""
	}
	for _, end := range []string{".net", ".de"} {
		if known := dns.Provider([]dns.MX{{Host: rest + end}}); known != "" {
			return known
		}
	}
	return ""
}

// providerHosts lists the ends of a provider's host names, those of the demo world too.
func (c Config) providerHosts(provider string) []string {
	list := dns.ProviderHosts(provider)
	if !c.Egress.LoopbackOnly {
		return list
	}
	for _, end := range list {
		name, _, _ := strings.Cut(end, ".")
		list = append(list, name+demoHost)
	}
	return list
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/demo"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/feed"
	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/seal"
	"stafette/internal/series"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// campaignsEvery is how soon a mailing begins or goes on.
const campaignsEvery = 2 * time.Second

// choreCampaigns names the chore of mailings, which is done at once when one is sent here.
const choreCampaigns = "campaigns"

// preflightEvery is how soon a check of a mailing begins; its lease outlives a step.
const preflightEvery = 4 * time.Second

// newMerger makes what makes the mails of mailings when they are read or sent.
func (b *base) newMerger() *campaign.Merger {
	c := campaign.MergerConfig{Campaign: series.Forms(b.store, b.store.Campaign), Code: genuine.NewCoder(b.keeper).Code, Weaver: b.tracking.weaver}
	if p := newPreference(b); p != nil {
		c.Leave, c.Web = p.Link, b.newViews().Link
		c.Public = b.newPublisher().Link
	}
	return campaign.NewMerger(c)
}

// newViews makes the pages that show mails of mailings to who has their link.
func (b *base) newViews() *campaign.Views {
	return &campaign.Views{Codes: seal.NewCodes(b.keeper.MACKey("campaign views")), PublicURL: strings.TrimRight(b.config.HTTP.PublicURL, "/"), Message: b.store.Message,
		Plain: func(ctx context.Context, h spool.Handle) ([]byte, error) { return b.spool.Plain(ctx, h) }}
}

// mailingBegun lets the chore of mailings have its turn at once.
func (p *platform) mailingBegun() {
	select {
	case p.mailing <- struct{}{}:
	default: // it has been asked for
	}
}

// newPublisher names and opens the pages of public mailings, on the host for foreign content
// where there is one.
func (b *base) newPublisher() *campaign.Publisher {
	origin := b.config.HTTP.previewOrigin()
	if origin == "" {
		origin = strings.TrimRight(b.config.HTTP.PublicURL, "/")
	}
	return &campaign.Publisher{Codes: seal.NewCodes(b.keeper.MACKey("campaign pages")), Origin: origin, Store: b.store}
}

// openMailingPages puts the pages of public mailings on the map: on the host for foreign
// content alone, where there is one.
func (p *platform) openMailingPages(mux *http.ServeMux, catalog *i18n.Catalog, zone *time.Location) {
	door := public.NewPages(public.PagesConfig{Publisher: p.newPublisher(), Catalog: catalog, Zone: zone, Now: p.store.Now, Log: p.log})
	host, paths := p.config.HTTP.PreviewHost, public.PagesPaths()
	if host != "" {
		paths = append(paths, public.StylePaths()...)
	}
	for _, path := range paths {
		mux.Handle(host+path, door)
	}
}

// mailboxes tells mailings whose mailboxes a domain has, as delivery and figures do.
type mailboxes struct {
	resolver dns.Resolver
	shaping  func() *egress.Shaping
}

// Provider implements campaign.Providers. What will never be found has no provider.
func (m mailboxes) Provider(ctx context.Context, domain string) (string, error) {
	hosts, err := m.resolver.MX(ctx, domain)
	switch {
	case errors.Is(err, dns.ErrNoDomain), errors.Is(err, dns.ErrNoMail), errors.Is(err, dns.ErrNoHost):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look up mail hosts: %w", err)
	}
	return m.shaping().Provider(hosts), nil
}

// Known implements campaign.Providers.
func (m mailboxes) Known() []string { return m.shaping().Providers() }

// newCampaigns makes the room of mailings.
func (p *platform) newCampaigns(acceptor ingest.Acceptor, zone *time.Location) *campaign.Service {
	leave, views := newPreference(p.base), p.newViews()
	p.mailing = make(chan struct{}, 1)
	c := campaign.Config{Store: p.store, Acceptor: acceptor, Approvals: p.approvals, MayLeave: leave != nil, Changed: p.follow, Begun: p.mailingBegun,
		Colleagues: p.store, Commented: p.tellComment, Providers: mailboxes{p.resolver, p.fleet.Shaping}, Zone: zone, Now: p.store.Now, Log: p.log}
	if p.stationery != nil {
		c.Stationery = p.stationery
	}
	if p.runner != nil {
		c.Room = p.runner.Room
	}
	if leave != nil {
		c.Links = func(t tenant.ID, d message.DeliveryID) (string, string) { return leave.Link(t, d), views.Link(t, d) }
		c.ReviewKey, c.PublicURL = p.keeper.MACKey("campaign reviews"), views.PublicURL
	}
	return campaign.New(c)
}

// newSeries makes the room of series.
func (p *platform) newSeries(acceptor ingest.Acceptor, zone *time.Location) *series.Service {
	return series.New(series.Config{Store: p.store, Letters: p.campaigns, Contacts: audience.NewContacts(p.store, p.store.Now), Acceptor: acceptor, Zone: zone, Now: p.store.Now, Log: p.log})
}

// feedsEvery is how soon a feed that is due is looked at. Its lease outlives a turn in which
// some of them do not answer.
const feedsEvery = time.Minute

// newFeeds makes the room of feeds. They are read as pages with forms are: where public
// addresses are, by the guarded dialer.
func (p *platform) newFeeds(zone *time.Location) *feed.Service {
	pages := p.formPages()
	if p.config.Egress.LoopbackOnly { // the demo world has no web but this
		pages.Client.Transport = demo.Web{Next: pages.Client.Transport, Now: p.store.Now, At: p.store.Now}
	}
	return feed.New(feed.Config{Store: p.store, Mailings: p.campaigns, Client: pages.Client, Refused: pages.Refused, Zone: zone, Now: p.store.Now, Log: p.log})
}

// spamTime is how long a spam filter may take for one mail.
const spamTime = 4 * time.Second

// newPreflight makes what looks mailings over. Links are asked only where public addresses
// are: the guarded dialer refuses all others.
func (p *platform) newPreflight() *preflight.Service {
	c := preflight.Config{Store: p.store, Campaigns: p.campaigns, Find: series.Forms(p.store, p.campaigns.Campaign), Client: p.formPages().Client, Now: p.store.Now, Log: p.log}
	if p.config.Mailings.Spamd != "" {
		c.Spam = &preflight.Spamd{Address: p.config.Mailings.Spamd, Timeout: spamTime, Dial: new(net.Dialer).DialContext}
	}
	return preflight.New(c)
}

// reviewPages are the pages of people who are asked whether a mailing may be sent.
func (p *platform) reviewPages(catalog *i18n.Catalog, zone *time.Location) http.Handler {
	return public.NewReviews(public.ReviewConfig{Reviewer: p.campaigns, Catalog: catalog, Zone: zone, Now: p.store.Now, Log: p.log})
}

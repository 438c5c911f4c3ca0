package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"stafette/internal/account"
	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/audience/listcheck"
	"stafette/internal/blitz"
	"stafette/internal/bounce"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/delivery"
	"stafette/internal/diagnosis"
	"stafette/internal/dsn"
	"stafette/internal/egress"
	"stafette/internal/feed"
	"stafette/internal/forwarded"
	"stafette/internal/genuine"
	"stafette/internal/help"
	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/offer"
	"stafette/internal/privacy"
	"stafette/internal/public"
	"stafette/internal/public/hostcert"
	"stafette/internal/published"
	"stafette/internal/queue"
	"stafette/internal/redelivery"
	"stafette/internal/returns"
	"stafette/internal/series"
	"stafette/internal/signup"
	"stafette/internal/smtpserver"
	"stafette/internal/stationery"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
	"stafette/internal/trace"
	"stafette/internal/web"
	"stafette/internal/web/addresses"
	webaffected "stafette/internal/web/affected"
	"stafette/internal/web/approvals"
	webcampaigns "stafette/internal/web/campaigns"
	"stafette/internal/web/contacts"
	"stafette/internal/web/digests"
	"stafette/internal/web/domains"
	webfeeds "stafette/internal/web/feeds"
	"stafette/internal/web/figures"
	"stafette/internal/web/frame"
	webgroups "stafette/internal/web/groups"
	"stafette/internal/web/halts"
	"stafette/internal/web/helpdesk"
	"stafette/internal/web/keys"
	"stafette/internal/web/leads"
	"stafette/internal/web/messages"
	"stafette/internal/web/offers"
	"stafette/internal/web/offices"
	"stafette/internal/web/people"
	webpictures "stafette/internal/web/pictures"
	"stafette/internal/web/plans"
	webprivacy "stafette/internal/web/privacy"
	"stafette/internal/web/profile"
	webpublished "stafette/internal/web/published"
	"stafette/internal/web/queues"
	"stafette/internal/web/record"
	"stafette/internal/web/redeliveries"
	"stafette/internal/web/reports"
	"stafette/internal/web/returnmail"
	"stafette/internal/web/reviews"
	"stafette/internal/web/rules"
	"stafette/internal/web/sending"
	webseries "stafette/internal/web/series"
	"stafette/internal/web/settings"
	"stafette/internal/web/signin"
	"stafette/internal/web/suppressions"
	"stafette/internal/web/templates"
	"stafette/internal/web/tickets"
	"stafette/internal/web/webhooks"
	"stafette/internal/web/whereabouts"
	"stafette/internal/webhook"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// platform is everything one serving process consists of.
type platform struct {
	*base
	cert       *certificate
	tls        *tls.Config
	hostCerts  *hostcert.Issuer // nil: tenants' own hosts have no certificates of ours
	metrics    *prometheus.Registry
	runner     *queue.Runner
	fleet      *egress.Fleet
	level      *slog.LevelVar // of the log; nil: it cannot be changed
	orders     *queue.Orders
	operator   *queue.Operator
	trace      *trace.Tracer
	ages       *queue.AgeBook
	guard      *egress.Guard
	steward    *egress.Keeper // keeps fleet and database in step
	engine     *delivery.Engine
	policies   *tlspolicy.Policies
	entrance   *ingest.Service
	submission *smtpserver.Server
	reporter   *dsn.Reporter
	notices    *notice.Sender
	accounts   *account.Service
	returns    *returnMail
	leads      *lead.Service
	redelivery *redelivery.Service
	archive    *redelivery.Archive
	campaigns  *campaign.Service
	mailing    chan struct{} // capacity 1: a mailing begins
	series     *series.Service
	feeds      *feed.Service
	preflight  *preflight.Service
	surveyor   *affected.Surveyor
	announcer  *announce.Service
	leadForms  *leadform.Service
	leadCases  *leadcase.Service
	signups    *signup.Service
	offers     *offer.Service
	stationery *stationery.Service
	pictures   *pictures.Service
	lists      *listcheck.Service
	examiner   *approval.Examiner
	intake     *intake.Service
	providers  *insight.Providers
	digester   insight.Digester
	published  *published.Service
	privacy    *privacy.Service
	webhooks   *webhook.Service
	blitzMails blitz.Mails
	handler    http.Handler
	stopping   chan struct{} // closed when live pages must end
}

// openPlatform wires all rooms. Nothing runs yet.
func openPlatform(ctx context.Context, c Config, log *slog.Logger) (p *platform, err error) {
	b, err := openBase(ctx, c, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	p = &platform{base: b, metrics: prometheus.NewRegistry(), stopping: make(chan struct{})}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if p.cert, err = loadCertificate(c, time.Now(), log); err != nil {
		return nil, err
	}
	p.tls = p.cert.tls()
	if p.hostCerts, err = p.newHostCertificates(); err != nil {
		return nil, err
	}
	reasons, err := bounce.Load()
	if err != nil {
		return nil, err
	}
	p.runner = queue.NewRunner(queue.Config{
		Store: b.store, Node: c.Node, Now: b.store.Now, Steady: time.Now, Lease: time.Duration(c.Queue.Lease), Log: log,
		Bounds: queue.Bounds{Total: c.Queue.MemoryEntries},
	})
	if p.returns, err = newReturnMail(b); err != nil {
		return nil, err
	}
	if p.fleet, err = p.newFleet(ctx, true); err != nil {
		return nil, err
	}
	p.orders = queue.NewOrders(b.store, b.store.Now, log)
	// Before the first mail leaves, what must not is known.
	if err := p.orders.Refresh(ctx); err != nil {
		return nil, err
	}
	p.operator = b.newOperator(p.fleet, p.follow, func(ctx context.Context, domain string) string { return p.engine.FindSite(ctx, domain) })
	p.guard = c.guard(p.fleet.Plan().Sources)
	p.steward = &egress.Keeper{Fleet: p.fleet, Store: b.store, Guard: p.guard, Log: log, Node: c.Node, Addresses: ownAddresses}
	p.trace = trace.New(trace.Config{Mode: trace.Mode(c.Trace.Mode), Sealer: b.keeper, Store: b.store, Now: b.store.Now})
	if p.engine, err = newEngine(p, reasons); err != nil {
		return nil, err
	}
	p.ages = queue.NewAgeBook(b.store, p.engine.SiteOf, b.store.Now)
	p.watchControl()
	p.metrics.MustRegister(newAgeGauges(p.ages, log))
	return p, p.openDoors(reasons) //nolint:contextcheck // requests bring their own context, see httpapi
}

// openDoors makes the doors; they share one entrance and one way to know people.
func (p *platform) openDoors(reasons *bounce.Table) error {
	catalog, err := i18n.Load()
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	p.entrance = p.acceptor(p.runner)
	if p.notices, err = p.newNotices(p.entrance, catalog); err != nil {
		return err
	}
	if p.accounts, err = p.newAccounts(catalog, zone); err != nil {
		return err
	}
	p.submission = smtpserver.New(smtpserver.Config{
		Acceptor: p.entrance, Auth: p.accounts, TLS: p.tls, Hostname: p.config.Hostname,
		MaxSize: p.config.Limits.MessageSize, MaxRecipients: p.config.Limits.Recipients,
		AllowPlainAuth: p.config.Submission.AllowPlainAuth, Now: p.store.Now, Log: p.log,
	})
	validator, err := audience.NewValidator(p.resolver, p.audience)
	if err != nil {
		return err
	}
	if p.examiner, err = p.newExaminer(validator); err != nil {
		return err
	}
	p.stationery = stationery.New(stationery.Config{Store: p.store, Tenants: p.store, Catalog: catalog, Now: p.store.Now})
	p.pictures = pictures.New(pictures.Config{Store: p.store, Keeper: p.keeper, PublicURL: strings.TrimRight(p.config.HTTP.PublicURL, "/"), Now: p.store.Now})
	if err := p.openLeads(catalog, zone); err != nil {
		return err
	}
	p.openSignups(catalog)
	if p.offers, err = p.newOffers(catalog, zone); err != nil {
		return err
	}
	p.lists = listcheck.New(listcheck.Config{Store: p.store, Validator: validator, Now: p.store.Now, Mine: p.checksLists(), Log: p.log})
	p.intake = intake.New(intake.Config{Store: p.store, People: p.store, Validator: validator, Now: p.store.Now, Mine: p.importsLists(), Grown: p.heldToApproval, Log: p.log})
	p.returns.open(p, reasons)
	if p.providers, err = insight.LoadProviders(); err != nil {
		return err
	}
	desk, err := p.newHelp()
	if err != nil {
		return err
	}
	p.digester = p.newDigester(catalog, zone)
	told, err := p.newDiagnosis(p.entrance, catalog, reasons, zone)
	if err != nil {
		return err
	}
	if p.published, err = p.newPublished(p.notices, told, catalog, zone, p.guard); err != nil {
		return err
	}
	asked, err := p.newGenuine(zone)
	if err != nil {
		return err
	}
	book := p.contacts()
	if p.privacy, err = p.base.privacy(catalog); err != nil {
		return err
	}
	if p.webhooks, err = p.newWebhooks(); err != nil {
		return err
	}
	p.blitzMails = p.newBlitzMails(catalog, zone)
	size := p.config.Limits.MessageSize
	api, err := httpapi.New(httpapi.Config{
		Acceptor: p.entrance, Auth: p.accounts, Tenants: p.store, Audience: p.audience, Contacts: book, Groups: p.groups(), Mail: p.store, Privacy: p.privacy, Addresses: validator, Lists: p.lists, Messages: p.store, Trackings: p.store, TrackingSettings: p.trackingSettings(), Consents: p.consents(), Activities: p.store, Bodies: p.spool,
		Statistics: insight.Statistics{Store: p.store}, ProviderName: p.providers.Name,
		Commands: p.commands(), Domains: p.registry(), Operator: p.operator, Leads: p.leads, Offers: p.offers, LeadForms: p.leadForms, LeadCases: p.leadCases, Redelivery: p.redelivery, Campaigns: p.campaigns, Checks: p.preflight, Publisher: p.newPublisher(), Series: p.series, Feeds: p.feeds, Diagnosis: told, Approvals: p.approvals, Approval: p.approvals,
		Webhooks: p.webhooks, Ledger: p.ledger, Pauses: p.pauses, Tickets: p.tickets, Templates: p.stationery, Pictures: p.pictures, Imports: p.intake, Optins: httpapi.Optins{Book: p.consentBook(), Forms: p.signups, Evidence: p.consentEvidence(told, zone)},
		Texts: texts{catalog, reasons}, PublicURL: p.config.HTTP.PublicURL, Version: versionText(),
		// Base64 makes a message a third longer in JSON.
		Limits: httpapi.Limits{Message: size/3*4 + 2<<20, Batch: max(size/3*4+2<<20, 64<<20), Raw: size},
		Now:    p.store.Now, Log: p.log,
	})
	if err != nil {
		return err
	}
	p.reporter, err = dsn.NewReporter(dsn.Config{
		Store: p.store, Bodies: p.spool, Acceptor: p.entrance, Tenants: p.store, Catalog: catalog, Reasons: reasons,
		Hostname: p.config.Hostname, Zone: zone, Now: p.store.Now, Log: p.log,
	})
	if err != nil {
		return err
	}
	return p.mount(api, shared{catalog, reasons, zone, validator, book, told, desk}, asked)
}

// mount puts API, office and public pages on one map.
func (p *platform) mount(api http.Handler, with shared, asked *genuine.Service) error {
	p.tellHalt = (&haltTeller{store: p.store, notices: p.notices}).tell
	p.tellLimits, p.unlock = p, p.accounts.Unlock
	p.tellApproval = (&approvalTeller{store: p.store, notices: p.notices, zone: with.zone, growth: p.config.Approval.Growth}).tell
	office, apart, err := web.Open(p.office(with))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", api)
	mux.Handle("/openapi.yaml", api)
	mux.Handle("/openapi.json", api)
	p.openPublic(mux, public.Config{Diagnosis: with.told, Published: p.published, Genuine: asked, Preference: p.returns.preference, Signup: p.signups,
		Catalog: with.catalog, Now: p.store.Now, Log: p.log}, with.zone)
	mux.Handle("/", office)
	if preview := p.preview(); preview != nil {
		mux.Handle(p.config.HTTP.PreviewHost+"/", preview)
		mux.Handle(p.config.HTTP.PreviewHost+frame.ApartPath, apart)
	}
	p.handler = forwarded.Handler(p.trackingFirst(p.trackingDoor(), mux), p.config.HTTP.forwardedHeader(), p.config.HTTP.proxies())
	return nil
}

// preview shows the HTML of mails on its own host; nil where that is the office's.
func (p *platform) preview() *messages.Preview {
	if p.config.HTTP.PreviewHost == "" {
		return nil
	}
	return &messages.Preview{
		Origin: p.config.HTTP.previewOrigin(), Office: strings.TrimRight(p.config.HTTP.PublicURL, "/"), Key: p.keeper.MACKey("previews"),
		Insight: p.store, Spool: p.spool, Now: p.store.Now, Log: p.log,
	}
}

// shared is what several doors stand on and the platform does not keep.
type shared struct {
	catalog   *i18n.Catalog
	reasons   *bounce.Table
	zone      *time.Location
	validator *audience.Validator
	book      *audience.Contacts
	told      *diagnosis.Service
	desk      *help.Desk
}

// office is what the pages of the office stand on.
func (p *platform) office(with shared) web.Config {
	return web.Config{
		Config: frame.Config{Auth: p.accounts, Catalog: with.catalog, PublicURL: p.config.HTTP.PublicURL, Zone: with.zone, Now: p.store.Now, Stopping: p.stopping, Log: p.log,
			Unread: p.feed().Unread, Visited: p.store.PutAudit, PreviewOrigin: p.config.HTTP.previewOrigin(), PreviewKey: p.keeper.MACKey("previews")},
		Messages: messages.Config{
			Tenants: p.store, Acceptor: p.entrance, Insight: p.store, Spool: p.spool, Commands: p.commands(),
			Hub: p.hub, Reasons: with.reasons, ParseMailbox: message.ParseMailbox, Addresses: with.validator, ProviderHosts: p.config.providerHosts,
			Dialogues: p.trace, Preview: p.preview(), Tracking: p.trackedMail(), Activity: p.tracking.hub,
			GroupMail: &messages.GroupMail{Groups: p.groups(), Approvals: p.approvals, Mailings: p.campaigns},
		},
		SignIn:       signin.Config{Accounts: p.accounts, Mails: p.notices.On()},
		Profile:      profile.Config{Accounts: p.accounts},
		People:       people.Config{Accounts: p.accounts},
		Keys:         keys.Config{Accounts: p.accounts},
		Record:       record.Config{Entries: p.store, People: p.store},
		Offices:      offices.Config{Accounts: p.accounts, Judges: p.approvals},
		Settings:     settings.Config{Accounts: p.accounts, Rights: p.privacy},
		Trackings:    p.trackingPages(),
		Whereabouts:  whereabouts.Config{Diagnosis: with.told, ParseMailbox: message.ParseMailbox},
		Addresses:    addresses.Config{Validator: with.validator, Lists: p.lists},
		Contacts:     contacts.Config{Consents: p.consents(), Optins: p.consentBook(), Evidence: p.consentEvidence(with.told, with.zone), Book: with.book, Groups: p.groups(), List: p.audience, Mail: p.store, Rights: p.privacy, People: p.store, Teller: messages.Teller{Reasons: with.reasons}},
		Groups:       webgroups.Config{Groups: p.groups(), Book: with.book, Intake: p.intake, People: p.store, Approvals: p.approvals, Panel: p.groupPanel},
		Privacy:      webprivacy.Config{Rights: p.privacy, Users: p.store},
		Signups:      p.signupPages(with.told, with.zone),
		Suppressions: suppressions.Config{List: p.audience, People: p.store, Messages: p.store, Reasons: with.reasons},
		Rules:        rules.Config{Settings: p.audience, Accounts: p.store, Reasons: with.reasons},
		Returns:      returnmail.Config{Archive: p.store, Content: returns.NewReader(p.store, p.keeper), Tenants: p.store},
		Leads:        leads.Config{Leads: p.leads, Messages: p.store, Forms: p.leadForms, Cases: p.leadCases, People: p.store, PublicURL: p.config.HTTP.PublicURL},
		Offers:       offers.Config{Offers: p.offers},
		Templates:    templates.Config{Templates: p.stationery, Book: with.book, Pictures: p.pictures},
		Pictures:     webpictures.Config{Library: p.pictures},
		Redeliveries: redeliveries.Config{Redelivery: p.redelivery, Archive: p.archive, People: p.store},
		Campaigns:    webcampaigns.Config{Campaigns: p.campaigns, Groups: p.groups(), Approvals: p.approvals, Reason: texts{with.catalog, with.reasons}.Reason, Templates: p.stationery, Book: with.book, Checks: p.preflight, Pictures: p.pictures, People: p.store, Publisher: p.newPublisher(), ProviderName: p.providers.Name, Tracking: p.tracking.decider},
		Series:       webseries.Config{Series: p.series, Groups: p.groups(), Fields: with.book, Reason: texts{with.catalog, with.reasons}.Reason, Templates: p.stationery, Mailings: p.campaigns, Book: with.book, Pictures: p.pictures, Checks: p.preflight, Tracking: p.tracking.decider},
		Feeds:        webfeeds.Config{Feeds: p.feeds, Groups: p.groups(), Templates: p.stationery, Mailings: p.campaigns, Approvals: p.approvals, Reason: texts{with.catalog, with.reasons}.Reason},
		Affected:     webaffected.Config{Announcer: p.announcer, Surveyor: p.surveyor, Customers: p.store, Plans: p.store},
		Approvals:    approvals.Config{Approvals: p.approvals, People: p.store},
		Pauses:       p.pausePages(),
		Plans:        plans.Config{Ledger: p.ledger, Tenants: p.store, Held: p.store.HeldForPlan},
		Tickets:      tickets.Config{Tickets: p.tickets, People: p.store},
		Reviews:      reviews.Config{Reviews: p.approvals, Accounts: p.store, Alarms: p.store, Examiner: p.examiner, Locks: p.accounts},
		Halts:        halts.Config{Breaker: p.audience, Tenants: p.store},
		Domains:      domains.Config{Registry: p.registry()},
		Reports:      reports.Config{Registry: p.registry(), Own: p.config.sourceAddresses(), TLS: tlsReports{p.policies}},
		Queues:       queues.Config{Operator: p.operator, Ages: p.ages.Ages, People: p.store},
		Sending:      sending.Config{Engine: p.engine, Find: p.findWaiting, Orders: p.orders.Now, Trace: p.trace, Log: p.log},
		Sources:      p.sourcesPages(),
		Changeovers:  p.changeoverPages(),
		Published:    webpublished.Config{Lists: p.published, GenuinePath: public.GenuinePath},
		Figures:      figures.Config{Statistics: insight.Statistics{Store: p.store}, Providers: p.providers},
		Todos:        p.todosOfTenants(),
		StaffTodos:   p.staffTodos(),
		Help:         helpdesk.Config{Library: with.desk.Library, Desk: with.desk, Store: p.store},
		Digests:      digests.Config{Store: p.store, On: p.notices.On},
		Webhooks:     webhooks.Config{Hooks: p.webhooks},
		Blitz:        p.blitzPages(with.catalog, with.told),
		Components:   p.config.HTTP.Components,
	}
}

func newEngine(p *platform, reasons *bounce.Table) (*delivery.Engine, error) {
	c := p.config
	routes, err := c.routes()
	if err != nil {
		return nil, err
	}
	if p.policies, err = newPolicies(p.base, p.guard, p.mailReport); err != nil {
		return nil, err
	}
	signer := delivery.NewSigner(delivery.SignerConfig{Keys: p.store.DKIMKeys, Exists: p.store.HasDomain, Keeper: p.keeper, Now: p.store.Now})
	var steps []time.Duration
	for _, d := range c.Queue.Retry {
		steps = append(steps, time.Duration(d))
	}
	return delivery.New(delivery.Config{
		Queue: p.runner, Bodies: p.spool, Resolver: p.resolver, Judge: reasons, Sign: signer.Sign, SignOwn: signer.SignOwn, OwnFields: p.returns.fields,
		Gate:  map[tenant.Stream]func([]byte) error{tenant.Lead: lead.Gate},
		Waits: p.waits, Withheld: p.withheld, Halted: p.halted, Strike: p.strike,
		Guard: p.guard, Fleet: p.fleet, Routes: routes, TLSPolicy: p.policies, ReturnPath: p.returns.path, Orders: p.orders, Trace: p.trace,
		Schedule:    queue.NewSchedule(steps, nil),
		DelayReport: time.Duration(c.Queue.DelayReport),
		Hostnames:   []string{c.Hostname},
		Now:         p.store.Now, Metrics: delivery.NewMetrics(p.metrics), Log: p.log,
	})
}

// sourceAddresses are the configured addresses mail leaves from.
func (c Config) sourceAddresses() []netip.Addr {
	var list []netip.Addr
	for _, s := range c.Egress.Sources {
		list = append(list, s.IP)
	}
	return list
}

// withheld asks at the moment of sending whether the recipient was suppressed since
// acceptance.
func (p *platform) withheld(ctx context.Context, e queue.Entry) (string, error) {
	reason, err := p.audience.Check(ctx, e.Tenant, e.Stream, e.Recipient, e.AcceptedAt)
	return string(reason), err
}

// halted holds bulk mail of a tenant whose bulk mail is halted.
func (p *platform) halted(e queue.Entry) string {
	if p.audience.Halted(e.Tenant, e.Stream) {
		return audience.ReasonHalted
	}
	return ""
}

// strike counts a final refusal against the recipient, by the tenant's rules.
func (p *platform) strike(e queue.Entry, j bounce.Judgement, at time.Time) *audience.Strike {
	return p.audience.Strike(audience.Report{
		Tenant: e.Tenant, Stream: e.Stream, Address: e.Recipient, Class: string(j.Class), Hard: j.Hard, At: at, Delivery: e.Delivery,
	})
}

// routes are the configured static routes.
func (c Config) routes() (*egress.Routes, error) {
	var static []egress.Route
	for _, r := range c.Routes {
		static = append(static, egress.Route{Domain: r.Domain, NextHop: r.NextHop})
	}
	return egress.NewRoutes(static)
}

// commands changes what waits and wakes the queue, so that a retry asked for in the
// office begins at once.
type commands struct {
	queue.Store
	wake func()
}

func (p *platform) commands() commands { return commands{p.store, p.runner.Wake} }

// Apply implements queue.Store.
func (c commands) Apply(ctx context.Context, command queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error) {
	changed, err := c.Store.Apply(ctx, command, sel, actor, now)
	if err == nil && len(changed) > 0 {
		c.wake()
	}
	return changed, err
}

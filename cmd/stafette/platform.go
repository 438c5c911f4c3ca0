package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/dsn"
	"stafette/internal/egress"
	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/smtpserver"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
	"stafette/internal/web"
	"stafette/internal/web/addresses"
	"stafette/internal/web/contacts"
	"stafette/internal/web/domains"
	"stafette/internal/web/frame"
	"stafette/internal/web/halts"
	"stafette/internal/web/messages"
	webprivacy "stafette/internal/web/privacy"
	"stafette/internal/web/queues"
	"stafette/internal/web/reports"
	"stafette/internal/web/returnmail"
	"stafette/internal/web/sending"
	"stafette/internal/web/suppressions"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// platform is everything one serving process consists of.
type platform struct {
	*base
	cert       *certificate
	tls        *tls.Config
	metrics    *prometheus.Registry
	runner     *queue.Runner
	fleet      *egress.Fleet
	level      *slog.LevelVar // of the log; nil: it cannot be changed
	orders     *queue.Orders
	operator   *queue.Operator
	guard      *egress.Guard
	engine     *delivery.Engine
	policies   *tlspolicy.Policies
	entrance   *ingest.Service
	submission *smtpserver.Server
	reporter   *dsn.Reporter
	returns    *returnMail
	privacy    *privacy.Service
	handler    http.Handler
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
	p = &platform{base: b, metrics: prometheus.NewRegistry()}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if p.cert, err = loadCertificate(c, time.Now(), log); err != nil {
		return nil, err
	}
	p.tls = p.cert.tls()
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
	p.operator = b.newOperator(p.fleet, p.follow)
	p.guard = c.guard(p.fleet.Plan().Sources)
	if p.engine, err = newEngine(p, reasons); err != nil {
		return nil, err
	}
	p.watchControl()
	return p, p.openDoors(reasons) //nolint:contextcheck // requests bring their own context, see httpapi
}

// openDoors makes the doors; they share one entrance and one way to know people.
func (p *platform) openDoors(reasons *bounce.Table) error {
	catalog, err := i18n.Load()
	if err != nil {
		return err
	}
	accounts := tenant.NewAccounts(tenant.AccountsConfig{Store: p.store, Now: p.store.Now, Log: p.log})
	p.entrance = p.acceptor(p.runner)
	p.submission = smtpserver.New(smtpserver.Config{
		Acceptor: p.entrance, Auth: accounts, TLS: p.tls, Hostname: p.config.Hostname,
		MaxSize: p.config.Limits.MessageSize, MaxRecipients: p.config.Limits.Recipients,
		AllowPlainAuth: p.config.Submission.AllowPlainAuth, Now: p.store.Now, Log: p.log,
	})
	validator, err := audience.NewValidator(p.resolver, p.audience)
	if err != nil {
		return err
	}
	p.returns.open(p, reasons)
	people := p.contacts()
	if p.privacy, err = p.base.privacy(catalog); err != nil {
		return err
	}
	size := p.config.Limits.MessageSize
	api, err := httpapi.New(httpapi.Config{
		Acceptor: p.entrance, Auth: accounts, Tenants: p.store, Audience: p.audience, Contacts: people, Mail: p.store, Addresses: validator, Messages: p.store, Bodies: p.spool,
		Commands: p.commands(), Domains: p.registry(), Operator: p.operator,
		Texts: texts{catalog, reasons}, PublicURL: p.config.HTTP.PublicURL, Version: versionText(),
		// Base64 makes a message a third longer in JSON.
		Limits: httpapi.Limits{Message: size/3*4 + 2<<20, Batch: max(size/3*4+2<<20, 64<<20), Raw: size},
		Now:    p.store.Now, Log: p.log,
	})
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	p.reporter, err = dsn.NewReporter(dsn.Config{
		Store: p.store, Bodies: p.spool, Acceptor: p.entrance, Tenants: p.store, Catalog: catalog, Reasons: reasons,
		Hostname: p.config.Hostname, Zone: zone, Now: p.store.Now, Log: p.log,
	})
	if err != nil {
		return err
	}
	office, err := web.New(web.Config{
		Config: frame.Config{Auth: accounts, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL, Zone: zone, Now: p.store.Now, Log: p.log},
		Messages: messages.Config{
			Tenants: p.store, Acceptor: p.entrance, Insight: p.store, Spool: p.spool, Commands: p.commands(),
			Hub: p.hub, Reasons: reasons, ParseMailbox: message.ParseMailbox, Addresses: validator,
		},
		Addresses:    addresses.Config{Validator: validator},
		Contacts:     contacts.Config{Book: people, List: p.audience, Mail: p.store, Rights: p.privacy, People: p.store, Teller: messages.Teller{Reasons: reasons}},
		Privacy:      webprivacy.Config{Rights: p.privacy, Users: p.store},
		Suppressions: suppressions.Config{List: p.audience, People: p.store, Reasons: reasons},
		Returns:      returnmail.Config{Archive: p.store, Content: returns.NewReader(p.store, p.keeper), Tenants: p.store},
		Halts:        halts.Config{Breaker: p.audience, Tenants: p.store},
		Domains:      domains.Config{Registry: p.registry()},
		Reports:      reports.Config{Registry: p.registry(), Own: p.config.sourceAddresses(), TLS: tlsReports{p.policies}},
		Queues:       queues.Config{Operator: p.operator},
		Sending:      sending.Config{Engine: p.engine, Store: p.store, Orders: p.orders.Now},
		Components:   p.config.HTTP.Components,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", api)
	mux.Handle("/openapi.yaml", api)
	mux.Handle("/openapi.json", api)
	mux.Handle("/", office)
	p.handler = mux
	return nil
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
	signer := delivery.NewSigner(delivery.SignerConfig{Keys: p.store.DKIMKeys, Keeper: p.keeper, Now: p.store.Now})
	var steps []time.Duration
	for _, d := range c.Queue.Retry {
		steps = append(steps, time.Duration(d))
	}
	return delivery.New(delivery.Config{
		Queue: p.runner, Bodies: p.spool, Resolver: p.resolver, Judge: reasons, Sign: signer.Sign,
		Withheld: p.withheld, Halted: p.halted, Strike: p.strike,
		Guard: p.guard, Fleet: p.fleet, Routes: routes, TLSPolicy: p.policies, ReturnPath: p.returns.path, Orders: p.orders,
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"stafette/internal/demo"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

type demoCmd struct {
	Listen     string `default:"127.0.0.1:8080" help:"Where the office and the API listen (loopback)."`
	Mailbox    string `default:"127.0.0.1:8090" help:"Where the mailbox page listens (loopback)."`
	Submission string `default:"127.0.0.1:5870" help:"Where SMTP submission listens (loopback)."`
	Verbose    bool   `short:"v" help:"Show the platform's log."`
}

// The demo's two source addresses. The second one is new: its T-Online does not
// know it and refuses it at the greeting, so that the way round can be seen.
const (
	demoSource    = "127.0.0.2"
	demoNewSource = "127.0.0.3"
	// demoNextSource is where the demo's changeover leads. The estate agents' own servers
	// do not know it.
	demoNextSource = "127.0.0.4"
)

// Run starts the demo world and a platform that lives in it, with data of its own
// that is gone afterwards.
func (d demoCmd) Run(ctx context.Context, con *console) (err error) {
	dir, err := os.MkdirTemp("", "stafette-demo-")
	if err != nil {
		return fmt.Errorf("demo data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log := con.logger(Log{Level: "error", Format: "text"})
	if d.Verbose {
		log = con.logger(Log{Level: "info", Format: "text"})
	}
	world, err := demo.Start(ctx, demo.Options{
		Mailbox: d.Mailbox, Strangers: []netip.Addr{netip.MustParseAddr(demoNewSource)},
		Admitted: []netip.Addr{netip.MustParseAddr(demoSource), netip.MustParseAddr(demoNewSource)}, Now: time.Now, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	p, err := openPlatform(ctx, d.config(dir, world), log)
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { done <- p.run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
		seeder := &demoSeeder{p: p, tenants: map[string]tenant.ID{}}
		if err = world.Seed(ctx, seeder); err == nil {
			err = errors.Join(seeder.leads(ctx), seeder.groups(ctx), seeder.approvals(ctx), seeder.samples(ctx), seeder.limits(ctx), seeder.campaigns(ctx), seeder.offers(ctx), seeder.templates(ctx), demoOperator(ctx, p), demoChangeover(ctx, p))
		}
		if err == nil {
			d.welcome(con.stdout, p, world)
			err = <-done
		} else {
			stop()
			err = errors.Join(err, <-done)
		}
	case err = <-done:
	}
	return errors.Join(err, p.close())
}

func (d demoCmd) config(dir string, world *demo.World) Config {
	c := defaults()
	c.DataDir = dir
	c.Hostname = "post.stafette.example"
	c.Node = c.Hostname
	c.HTTP = HTTP{Listen: d.Listen, PublicURL: "http://" + d.Listen, Components: true}
	c.Submission = Submission{Listen: d.Submission}
	c.ReturnMail.Listen, c.ReturnMail.Domain = world.ReturnDoor(), world.ReturnDomain()
	c.Notice.From = demo.OfficeAddress
	c.DNS.Server = world.Resolver()
	c.Egress.LoopbackOnly = true
	c.Egress.Port = world.MXPort()
	c.Egress.Sources = []Source{
		{IP: netip.MustParseAddr(demoSource), EHLO: "post1.stafette.example"},
		{IP: netip.MustParseAddr(demoNewSource), EHLO: "post2.stafette.example"},
		{IP: netip.MustParseAddr(demoNextSource), EHLO: "post3.stafette.example", Pools: []string{"demnaechst"}},
	}
	// A visitor does not wait a minute to see a second attempt.
	c.Queue.Retry = append([]Duration{Duration(8 * time.Second), Duration(30 * time.Second)}, c.Queue.Retry...)
	c.Ops.Listen = ""
	return c
}

// demoSeeder sets the sample businesses up as an operator would.
type demoSeeder struct {
	p        *platform
	tenants  map[string]tenant.ID // by domain
	reviewer tenant.UserID        // once approvals has run
}

// Found implements demo.Seeder.
func (s *demoSeeder) Found(ctx context.Context, b demo.Business) ([]demo.Record, error) {
	now := s.p.store.Now()
	t := tenant.Tenant{
		ID: id.New[tenant.Kind](now), Name: b.Name, State: tenant.Active, Locale: "de",
		OfficeTone: b.OfficeTone, CustomerTone: b.CustomerTone, CreatedAt: now,
	}
	domain := tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: t.ID, Name: b.Domain, State: tenant.Trusted, CreatedAt: now}
	keys, err := tenant.NewDKIMKeys(s.p.keeper, makeKey, domain, 1, now)
	if err != nil {
		return nil, err
	}
	founding := tenant.Founding{Tenant: t, Domains: []tenant.Domain{domain}, DKIMKeys: keys}
	for _, person := range b.People {
		founding.Users = append(founding.Users, tenant.User{
			ID: id.New[tenant.UserKind](now), Tenant: t.ID, Email: person.Email, Name: person.Name,
			PasswordHash: tenant.HashPassword(person.Password), Role: person.Role, CreatedAt: now,
		})
	}
	if err := s.p.store.Found(ctx, founding); err != nil {
		return nil, err
	}
	s.tenants[b.Domain] = t.ID
	if err := s.p.store.SaveTenant(ctx, t, tenant.Profile{Imprint: b.Imprint, Contact: b.Contact}); err != nil {
		return nil, err
	}
	if err := s.track(ctx, b, founding); err != nil {
		return nil, err
	}
	var records []demo.Record
	for _, k := range keys {
		records = append(records, demo.Record{Name: k.RecordName(), Value: k.Record})
	}
	return records, nil
}

// track sets what the business allows, and records who agreed.
func (s *demoSeeder) track(ctx context.Context, b demo.Business, f tenant.Founding) error {
	if b.Tracks.Level == tracking.Unset {
		return nil
	}
	allowed := tracking.Allowed{Setting: b.Tracks}
	allowed.Tenant, allowed.By = f.Tenant.ID, f.Users[0].ID.String()
	if _, err := s.p.trackingSettings().Set(ctx, allowed); err != nil {
		return err
	}
	for _, a := range b.Agreed {
		said := tracking.Consent{Tenant: allowed.Tenant, Address: a, State: tracking.StateGranted, Actor: allowed.By, Way: "Formular auf der Website", Wording: b.Consent}
		if err := s.p.consents().Record(ctx, said); err != nil {
			return err
		}
	}
	return nil
}

// Send implements demo.Seeder.
func (s *demoSeeder) Send(ctx context.Context, b demo.Business, l demo.Letter) error {
	draft := l.Draft
	_, err := s.p.entrance.Accept(ctx, ingest.Principal{Tenant: s.tenants[b.Domain], Actor: "demo", Door: "demo"},
		ingest.Submission{Draft: &draft, Stream: l.Stream, Tags: l.Tags})
	return err
}

// demoPassword opens the operator's account of the demonstration.
const demoPassword = "Postamt-Nachtdienst-9" //nolint:gosec // G101: printed at the start, for a world on loopback

// demoOperator makes somebody of the platform, as the first setup does.
func demoOperator(ctx context.Context, p *platform) error {
	now := p.store.Now()
	return p.store.Found(ctx, tenant.Founding{Users: []tenant.User{{
		ID: id.New[tenant.UserKind](now), Email: tenant.OperatorEmail, Name: "Operator", PasswordHash: tenant.HashPassword(demoPassword),
		Role: tenant.Operator, CreatedAt: now,
	}}})
}

func (d demoCmd) welcome(w io.Writer, p *platform, world *demo.World) {
	fmt.Fprintf(w, `
Stafette demo · everything stays on this machine · Ctrl-C ends it

  Büro · office          %s
  Postfächer · mailboxes %s
  SMTP submission        %s

  Anmelden · sign in as
`, p.config.HTTP.PublicURL, world.MailboxURL(), d.Submission)
	fmt.Fprintf(w, "    %-34s %-22s %s\n", tenant.OperatorEmail, demoPassword, "Plattform · platform")
	fmt.Fprintf(w, "    %-34s %-22s %s\n", demoReviewer, demoPassword, "Prüfungen · reviews")
	for _, b := range demo.Businesses() {
		for _, person := range b.People {
			fmt.Fprintf(w, "    %-34s %-22s %s\n", person.Email, person.Password, b.Name)
		}
	}
	fmt.Fprint(w, "\n  Adressen zum Ausprobieren · addresses to try\n")
	for _, place := range world.Places() {
		fmt.Fprintf(w, "    %-34s %s · %s\n", place.Address, place.De, place.En)
	}
	fmt.Fprintf(w, "\n  Beispiel-Listen zum Importieren · sample lists to import\n    %s%s\n\n", world.MailboxURL(), demo.ListsPath)
}

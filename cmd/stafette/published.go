package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/egress"
	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/public"
	"stafette/internal/published"
	"stafette/internal/tenant"
)

type publicCmd struct {
	List    publishedListCmd    `cmd:"" help:"Print the list as it is published."`
	Records publishedRecordsCmd `cmd:"" help:"Print the TXT records that should stand in DNS: SPF and the list."`
	Check   publishedCheckCmd   `cmd:"" help:"Compare these records with DNS; ends with 1 if they differ."`
	Verify  publishedVerifyCmd  `cmd:"" help:"Check the signature of a list (JSON)."`
}

// listArg names whose list is meant.
type listArg struct {
	Tenant string `placeholder:"ten_…" help:"The list of this account; without it that of the platform."`
}

// with opens the list, brought up to what the sources say now.
func (a listArg) with(ctx context.Context, con *console, do func(*published.Service, tenant.ID) error) error {
	var of tenant.ID
	if a.Tenant != "" {
		var err error
		if of, err = id.Parse[tenant.Kind](a.Tenant); err != nil {
			return usageError{fmt.Errorf("--tenant: %w", err)}
		}
	}
	return withBase(ctx, con, func(b *base) error {
		catalog, err := i18n.Load()
		if err != nil {
			return err
		}
		told, err := b.newDiagnosis(nil, catalog, nil, nil)
		if err != nil {
			return err
		}
		s, err := b.newPublished(noMails{}, told, catalog, nil, b.config.guard(nil))
		if err == nil {
			err = s.Refresh(ctx)
		}
		if err != nil {
			return err
		}
		return do(s, of)
	})
}

// noMails is a command's: it tells nobody, the running process does.
type noMails struct{}

// On implements published.Mails.
func (noMails) On() bool { return false }

// Send implements published.Mails.
func (noMails) Send(context.Context, notice.Letter) error {
	return errors.New("a command sends no mail")
}

type publishedListCmd struct {
	listArg
	Output string `short:"o" enum:"text,json,table" default:"table" help:"table, or text or json as published."`
}

// Run prints the list.
func (c publishedListCmd) Run(ctx context.Context, con *console) error {
	return c.with(ctx, con, func(s *published.Service, of tenant.ID) error {
		l, err := s.List(ctx, of)
		if err != nil {
			return err
		}
		switch c.Output {
		case "json":
			body, err := s.JSON(l)
			if err == nil {
				_, err = con.stdout.Write(body)
			}
			return err
		case "text":
			text, _, err := s.Text(l)
			if err == nil {
				_, err = con.stdout.Write(text)
			}
			return err
		}
		fmt.Fprintf(con.stdout, "%s, version %d of %s\n", l.Name, l.Version, l.At.Format(time.RFC3339))
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "ADDRESS\tEHLO\tPTR\tROLE\tSTREAMS\tFROM\tUNTIL")
		for _, e := range l.Entries {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Address, e.EHLO, e.PTR, e.Role, s.Streams(i18n.English, e), dayOrNone(e.ValidFrom), dayOrNone(e.ValidUntil))
		}
		return t.Flush()
	})
}

func dayOrNone(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

type publishedRecordsCmd struct{ listArg }

// Run prints the records.
func (c publishedRecordsCmd) Run(ctx context.Context, con *console) error {
	return c.with(ctx, con, func(s *published.Service, of tenant.ID) error {
		l, err := s.List(ctx, of)
		if err != nil {
			return err
		}
		for _, r := range append(l.SPF, l.DNS...) {
			fmt.Fprintf(con.stdout, "%s. TXT %q\n", r.Name, r.Value)
		}
		return nil
	})
}

type publishedCheckCmd struct {
	listArg
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// errRecordsDiffer ends the command with 1.
var errRecordsDiffer = errors.New("DNS does not have the records that should stand there")

// Run compares with DNS.
func (c publishedCheckCmd) Run(ctx context.Context, con *console) error {
	return c.with(ctx, con, func(s *published.Service, of tenant.ID) error {
		list, err := s.Check(ctx, of)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			err = json.NewEncoder(con.stdout).Encode(list)
		}
		for _, r := range list {
			if c.Output == "text" {
				fmt.Fprintln(con.stdout, r)
			}
			if r.State != published.Found {
				err = errors.Join(err, fmt.Errorf("%s: %w", r.Name, errRecordsDiffer))
			}
		}
		return err
	})
}

type publishedVerifyCmd struct {
	File string `arg:"" placeholder:"FILE" help:"Signed list (JSON)."`
	Keys string `placeholder:"FILE" help:"Key set of the installation that signed (its /.well-known/stafette-proof-keys.json); without it the key of this one."`
}

// Run verifies without asking the network.
func (c publishedVerifyCmd) Run(con *console) error {
	keys, err := proofVerifyCmd{Keys: c.Keys}.keys(con)
	if err != nil {
		return err
	}
	file, err := readBounded(c.File, maxProofFile)
	if err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	d, err := published.Verify(file, keys)
	if err != nil {
		return fmt.Errorf("verify list: %w", err)
	}
	fmt.Fprintf(con.stdout, "The signature fits. Signed by %q: %q, version %d, valid until %s\n", d.Issuer, d.Name, d.Version, d.ValidUntil)
	for _, e := range d.Addresses {
		fmt.Fprintf(con.stdout, "%s %s %q\n", e.Address, e.Role, e.EHLO)
	}
	return nil
}

// newPublished makes the keeper of the published lists.
func (b *base) newPublished(mails published.Mails, told *diagnosis.Service, catalog *i18n.Catalog, zone *time.Location, guard *egress.Guard) (*published.Service, error) {
	host, spf := b.config.publishedNames()
	port := uint16(b.config.Outbound.HTTPSPort)
	return published.New(published.Config{
		Store: b.store, Sources: b.store, Tenants: b.store, Mails: mails, Catalog: catalog, Signer: told, Keeper: b.keeper,
		Resolver: b.resolver, Dial: guard.Web(port).Dialer(egress.Source{}, false), HTTPSPort: port,
		Name: host, Domain: host, SPFName: spf, Zone: zone, Now: b.store.Now, Log: b.log,
	})
}

// publishedNames are the domain under which the platform's list stands in DNS, and where
// its SPF record does: at what sending domains are told to include, else below it.
func (c Config) publishedNames() (domain, spf string) {
	domain = c.Hostname
	if u, err := url.Parse(c.HTTP.PublicURL); err == nil {
		if _, err := message.ParseDomain(u.Hostname()); err == nil {
			domain = u.Hostname()
		}
	}
	for _, m := range c.Domains.SPF {
		if name, ok := strings.CutPrefix(m, "include:"); ok {
			return domain, name
		}
	}
	return domain, "_spf." + domain
}

// newGenuine makes the room that tells strangers whether a mail is genuine.
func (b *base) newGenuine(zone *time.Location) (*genuine.Service, error) {
	return genuine.New(genuine.Config{
		Store: b.store, Mail: b.store, Bodies: b.spool, Tenants: b.store, Resolver: b.resolver, Keeper: b.keeper, Zone: zone,
	})
}

// genuineFoot words where a mail's code can be checked, for the foot of leads.
func (b *base) genuineFoot(catalog *i18n.Catalog) func(tenant.ID, message.ID) string {
	codes := genuine.NewCoder(b.keeper)
	return func(t tenant.ID, m message.ID) string {
		return catalog.Text(i18n.German, i18n.Sie, "genuine.lead.foot", i18n.Args{
			"code": codes.Code(t, m), "url": b.config.HTTP.PublicURL + public.GenuinePath("de", t),
		})
	}
}

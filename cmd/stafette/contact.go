package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/privacy"
	"stafette/internal/published"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

type contactCmd struct {
	Export contactExportCmd `cmd:"" help:"Write everything that is known of a person into a ZIP file (GDPR, art. 15 and 20)."`
	Erase  contactEraseCmd  `cmd:"" help:"Erase a person from everything that is kept (GDPR, art. 17)."`
	Verify contactVerifyCmd `cmd:"" help:"Check a certificate of an erasure."`
}

// contacts keeps the people tenants write to.
func (b *base) contacts() *audience.Contacts { return audience.NewContacts(b.store, b.store.Now) }

// groups keeps those of them that are written to as one.
func (b *base) groups() *audience.Groups { return audience.NewGroups(b.store, b.store, b.store.Now) }

// privacy serves what people may ask for. Rooms that hold something about people are
// named here.
func (b *base) privacy(catalog *i18n.Catalog) (*privacy.Service, error) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	return privacy.New(privacy.Config{
		Store: b.store, Tenants: b.store, Contacts: b.contacts(), Audience: b.audience, Mail: b.store, Bodies: b.spool, Keeper: b.keeper, Catalog: catalog,
		Holders: append(b.store.Holders(b.store.Now), privacy.Suppressed{Audience: b.audience, Actor: "system"},
			lead.Prospects{Service: lead.New(lead.Config{Store: b.store, Keeper: b.keeper, Now: b.store.Now, Log: b.log})},
			offer.People{Store: b.store, Now: b.store.Now}, published.NewReaders(b.store, b.keeper),
			privacy.Threads{b.approvals, ticket.New(ticket.Config{Store: b.store, Keeper: b.keeper, Now: b.store.Now, Log: b.log})}),
		Sections: []privacy.Section{{Name: "consents", Read: b.consentsOf}, privacy.Memberships(b.contacts(), b.groups()), b.trackingSection(), offer.Section(b.store), series.Section(b.store, b.contacts())},
		Shed:     b.store.Shed, Zone: zone, Now: b.store.Now, Months: b.config.Limits.HistoryMonths, Log: b.log,
	})
}

// personArg names a person on the command line.
type personArg struct {
	Tenant string `required:"" help:"Identifier of the tenant (ten_…)."`
	Person string `arg:"" help:"One of the person's addresses, or a contact (con_…)."`
}

// with opens everything a command about a person needs.
func (a personArg) with(ctx context.Context, con *console, f func(*base, *privacy.Service, privacy.Person) error) error {
	t, err := id.Parse[tenant.Kind](a.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("--tenant: %w", err)}
	}
	catalog, err := i18n.Load()
	if err != nil {
		return err
	}
	return withBase(ctx, con, func(b *base) error {
		if _, err := b.store.Tenant(ctx, t); err != nil {
			return err
		}
		s, err := b.privacy(catalog)
		if err != nil {
			return err
		}
		p, err := a.find(ctx, s, t)
		if err != nil {
			return err
		}
		return f(b, s, p)
	})
}

func (a personArg) find(ctx context.Context, s *privacy.Service, t tenant.ID) (privacy.Person, error) {
	if c, err := id.Parse[audience.ContactKind](a.Person); err == nil {
		return s.Person(ctx, t, c)
	}
	address, err := message.ParseAddress(a.Person)
	if err != nil {
		return privacy.Person{}, usageError{err}
	}
	return s.PersonAt(ctx, t, address)
}

// followEvery is how often a request is looked at that a serving process works on.
const followEvery = 500 * time.Millisecond

// finish works a request off, or waits for the process that has taken it, until nothing
// is left to do now.
func finish(ctx context.Context, s *privacy.Service, r privacy.Request) (privacy.Request, error) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if _, err := s.Turn(ctx); err != nil {
			return r, err
		}
		now, err := s.Request(ctx, r.Tenant, r.ID)
		if err != nil || !now.State.Open() || now.State == privacy.Settling {
			return now, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

type contactExportCmd struct {
	personArg
	Out string `short:"o" required:"" placeholder:"FILE" help:"File to write; - for standard output."`
}

// Run puts the file together and writes it.
func (c contactExportCmd) Run(ctx context.Context, con *console) error {
	return c.with(ctx, con, func(_ *base, s *privacy.Service, p privacy.Person) error {
		r, err := s.Ask(ctx, privacy.Wish{Kind: privacy.Access, Person: p, Actor: "operator", Locale: "de"})
		if err != nil {
			return err
		}
		if r, err = finish(ctx, s, r); err != nil {
			return err
		}
		write, _, err := s.Fetch(ctx, r.Tenant, r.ID)
		if err != nil {
			return err
		}
		if c.Out == "-" {
			return write(con.stdout)
		}
		// The file names a person: nobody else reads it.
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("write export: %w", err)
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
		fmt.Fprintf(con.stdout, "%s written, %d deliveries\n", c.Out, r.Total)
		return nil
	})
}

type contactEraseCmd struct {
	personArg
	Confirm string `placeholder:"ADDRESS" help:"One of the person's addresses, to say that it is meant; without it, what would be erased is shown."`
	Block   bool   `help:"Keep the person from being written to again, by a hash of the address."`
	Compact bool   `help:"Write the database anew afterwards, so that not even fragments stay in its free space. Nothing is accepted meanwhile."`
}

// Run shows what an erasure would take, or erases and prints the certificate.
func (c contactEraseCmd) Run(ctx context.Context, con *console) error {
	return c.with(ctx, con, func(b *base, s *privacy.Service, p privacy.Person) error {
		if c.Confirm == "" {
			return c.preview(ctx, con, s, p)
		}
		r, err := s.ConfirmErasure(ctx, privacy.Wish{Person: p, Block: c.Block, Actor: "operator", Locale: "de"}, c.Confirm)
		if err != nil {
			return err
		}
		if r, err = finish(ctx, s, r); err != nil {
			return err
		}
		if c.Compact {
			if err := b.store.Compact(ctx); err != nil {
				return err
			}
		}
		switch r.State {
		case privacy.Settling:
			fmt.Fprintf(con.stdout, "%s: erased but for mail that was under way; the serving process finishes it in %s\n", r.ID, privacy.SettleAfter)
			return nil
		case privacy.Done:
			certificate, err := s.Certificate(ctx, r.Tenant, r.ID)
			if err != nil {
				return err
			}
			e := json.NewEncoder(con.stdout)
			e.SetIndent("", "  ")
			return e.Encode(certificate)
		}
		return fmt.Errorf("erasure %s: %s", r.ID, r.State)
	})
}

func (c contactEraseCmd) preview(ctx context.Context, con *console, s *privacy.Service, p privacy.Person) error {
	v, err := s.Preview(ctx, p)
	if err != nil {
		return err
	}
	for _, a := range p.Addresses {
		fmt.Fprintf(con.stdout, "address\t%s\n", a)
	}
	for _, h := range v.Goes {
		fmt.Fprintf(con.stdout, "%s\t%d\n", h.Name, h.Count)
	}
	fmt.Fprintf(con.stdout, "stays: %d suppressions as keyed hashes, counts, the proof\nnothing was erased: repeat with --confirm ADDRESS\n", v.Suppressions)
	return nil
}

type contactVerifyCmd struct {
	File    string `arg:"" placeholder:"FILE" help:"Certificate as JSON; - for standard input."`
	Address string `help:"Also say whether it is about this address."`
}

// errNotOurs makes the command end with 1.
var errNotOurs = errors.New("this platform did not make the certificate, or it was changed")

// Run checks the certificate with the root key.
func (c contactVerifyCmd) Run(ctx context.Context, con *console) error {
	in := con.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 2<<20))
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		return err
	}
	return withBase(ctx, con, func(b *base) error {
		s, err := b.privacy(catalog)
		if err != nil {
			return err
		}
		found, ok, err := s.Verify(text)
		if err != nil {
			return err
		}
		if !ok {
			return errNotOurs
		}
		fmt.Fprintf(con.stdout, "%s: erased %s for %s\n", found.Request, found.FinishedAt.Format(time.RFC3339), found.TenantName)
		if c.Address == "" {
			return nil
		}
		a, err := message.ParseAddress(c.Address)
		if err != nil {
			return usageError{err}
		}
		if !s.Names(found, b.audience.Hash(found.Tenant, a)) {
			return errors.New("the certificate is about another address")
		}
		fmt.Fprintf(con.stdout, "%s is meant\n", a)
		return nil
	})
}

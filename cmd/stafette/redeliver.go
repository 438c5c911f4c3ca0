package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// newRedelivery makes the room that sends kept mail once more. awaits is told of jobs that
// wait for a second person; nil: nobody is.
func (b *base) newRedelivery(acceptor ingest.Acceptor, leads *lead.Service, zone *time.Location, awaits func(context.Context, redelivery.Job)) *redelivery.Service {
	return redelivery.New(redelivery.Config{
		Store: b.store, Acceptor: acceptor, Leads: leads, Bodies: b.spool, PersonOf: b.personOf, ConfirmAbove: b.config.Limits.RedeliveryAlone,
		Awaits: awaits, OldSources: b.oldSources,
		Kept: time.Duration(b.config.Limits.Retention), Now: b.store.Now, Zone: zone, Log: b.log,
	})
}

// oldSources are those that a changeover under way moves the tenant's mail away from.
func (b *base) oldSources(ctx context.Context, t tenant.ID) ([]string, error) {
	list, err := b.store.Changeovers(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.Concerns(t) && c.Catches() {
			return c.Old, nil
		}
	}
	return nil, nil
}

func (b *base) newArchive() *redelivery.Archive {
	return redelivery.NewArchive(redelivery.ArchiveConfig{
		Store: b.store, Tenants: b.store, Audit: b.store, Kept: time.Duration(b.config.Limits.Retention), Now: b.store.Now,
	})
}

// personOf names the person behind a key; a key that nobody made has none.
func (b *base) personOf(ctx context.Context, t tenant.ID, actor string) (string, error) {
	number, err := id.Parse[tenant.KeyKind](actor)
	if err != nil {
		return actor, nil //nolint:nilerr // a person, or the operator
	}
	keys, err := b.store.Keys(ctx, t)
	if err != nil {
		return "", fmt.Errorf("read keys: %w", err)
	}
	for _, k := range keys {
		if k.ID == number {
			return k.CreatedBy, nil
		}
	}
	return "", nil
}

type redeliverCmd struct {
	Tenant    string        `required:"" help:"Identifier of the tenant (ten_…)."`
	ID        string        `arg:"" optional:"" help:"A message (msg_…), one delivery (dlv_…), or a redelivery (rdl_…) to look at."`
	Stream    string        `help:"Only this stream."`
	Recipient string        `help:"Only this address, or @ and a domain."`
	Customer  string        `help:"Only leads of this advertiser (the tenant's number)."`
	Object    string        `help:"Only mail about this object."`
	State     []event.State `help:"Only these states: delivered, bounced, expired, suppressed, cancelled."`
	Reply     string        `help:"Only where the server's last reply holds this text."`
	Class     string        `help:"Only this kind of failure."`
	Source    string        `help:"Only what left from this address of ours."`
	From      time.Time     `help:"Accepted at or after (RFC 3339)."`
	Until     time.Time     `help:"Accepted before (RFC 3339)."`
	To        string        `help:"Send all of it to this address."`
	Delivered bool          `help:"Send what has arrived, too."`
	Mark      bool          `help:"Put „Nachlieferung“ into the subject of mail that is no lead."`
	Old       bool          `name:"old-sources" help:"Send it over an old address of the changeover under way."`
	PerMinute int           `help:"Rate of the first minute, doubled every minute (default 20)."`
	Ceiling   int           `help:"Highest rate a minute (default 600)."`
	Reason    string        `help:"Why; it is kept with the job."`
	Key       string        `help:"Starting twice under the same key is starting once."`
	Start     bool          `help:"Start it. Without, nothing is sent."`
	Pause     bool          `help:"Let the redelivery rest."`
	Resume    bool          `help:"Let the redelivery go on."`
	Cancel    bool          `help:"End the redelivery."`
}

// Run tells what a redelivery would do, starts one, or acts on one. A running process
// sends what is started.
func (c redeliverCmd) Run(ctx context.Context, con *console) error {
	t, err := id.Parse[tenant.Kind](c.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("--tenant: %w", err)}
	}
	return withBase(ctx, con, func(b *base) error {
		leads := lead.New(lead.Config{Store: b.store, Tenants: b.store, Keeper: b.keeper, Now: b.store.Now, Log: b.log})
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			return fmt.Errorf("time zone: %w", err)
		}
		s := b.newRedelivery(nil, leads, zone, nil) // nothing is sent from here
		if number, err := id.Parse[redelivery.Kind](c.ID); err == nil {
			return c.act(ctx, con, s, t, number)
		}
		if c.Pause || c.Resume || c.Cancel {
			return usageError{errors.New("name a redelivery (rdl_…)")}
		}
		return c.plan(ctx, con, s, t)
	})
}

// act does what the flags say with a job and prints it.
func (c redeliverCmd) act(ctx context.Context, con *console, s *redelivery.Service, t tenant.ID, number redelivery.ID) error {
	do := s.Job
	switch {
	case c.Pause:
		do = s.Pause
	case c.Resume:
		do = s.Resume
	case c.Cancel:
		do = s.Cancel
	}
	j, err := do(ctx, t, number)
	if err != nil {
		return err
	}
	return printJob(con, j)
}

func printJob(con *console, j redelivery.Job) error {
	w := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "redelivery\t%s\nstate\t%s\n", j.ID, j.State)
	if j.Reason != "" {
		fmt.Fprintf(w, "reason\t%s\n", j.Reason)
	}
	fmt.Fprintf(w, "matched\t%d\nsent\t%d\nskipped\t%d\nfailed\t%d\nleft\t%d\n", j.Total, j.Sent, j.Skipped, j.Failed, j.Left())
	return w.Flush()
}

func (c redeliverCmd) filter() (redelivery.Filter, error) {
	f := redelivery.Filter{Stream: tenant.Stream(c.Stream), Recipient: c.Recipient, Advertiser: c.Customer, Object: c.Object, States: c.State,
		Reply: c.Reply, Class: c.Class, Source: c.Source, From: c.From, To: c.Until}
	if c.ID == "" {
		return f, nil
	}
	var err error
	if f.Message, err = id.Parse[message.Kind](c.ID); err == nil {
		return f, nil
	}
	if f.Delivery, err = id.Parse[message.DeliveryKind](c.ID); err != nil {
		return f, usageError{fmt.Errorf("%q is no message, delivery or redelivery", c.ID)}
	}
	return f, nil
}

func (c redeliverCmd) plan(ctx context.Context, con *console, s *redelivery.Service, t tenant.ID) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	o := redelivery.Options{To: c.To, Delivered: c.Delivered, Mark: c.Mark, Old: c.Old, PerMinute: c.PerMinute, Ceiling: c.Ceiling, Reason: c.Reason}
	if c.Start {
		j, _, err := s.Start(ctx, ingest.Principal{Tenant: t, Actor: "operator", Door: "cli"}, f, o, c.Key)
		if err != nil {
			return err
		}
		return printJob(con, j)
	}
	p, err := s.Preview(ctx, t, f, o)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "Dry run, nothing was sent.\nmatched\t%d\nwould be sent\t%d\n", p.Matched, p.Send)
	for _, reason := range slices.Sorted(maps.Keys(p.Skips)) {
		fmt.Fprintf(w, "skipped, %s\t%d\n", reason, p.Skips[reason])
	}
	fmt.Fprintf(w, "takes about\t%s\n", p.Takes)
	if p.Confirm {
		fmt.Fprintln(w, "A second person must confirm it in the office.")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, one := range p.Samples {
		line, err := json.Marshal(map[string]string{"delivery": one.Delivery.String(), "to": one.To.String(), "subject": one.Subject, "problem": one.Problem})
		if err != nil {
			return err
		}
		fmt.Fprintln(con.stdout, string(line))
	}
	return nil
}

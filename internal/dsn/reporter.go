package dsn

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Bodies reads messages again; *spool.Spool implements it.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Tenants finds tenants; tenant.Store implements it.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config of a Reporter. Fields without a stated default are demanded.
type Config struct {
	Store    Store
	Bodies   Bodies
	Acceptor ingest.Acceptor
	Tenants  Tenants
	Catalog  *i18n.Catalog
	Reasons  *bounce.Table
	Hostname string // Reporting-MTA
	Now      func() time.Time

	Zone *time.Location // of times in the text; nil: UTC
	// Gather is how long a report waits for other recipients of its message; 0: 5 s,
	// negative: not at all.
	Gather time.Duration
	Every  time.Duration // how often due reports are looked for; 0: 3 s
	Lease  time.Duration // how long a report that could not be handed over rests; 0: 1 min
	Log    *slog.Logger  // nil discards
}

// Door is how ingest calls where reports come from.
const Door = "report"

const (
	turnLimit = 100 // reports claimed at once
	hands     = 8   // reports composed at the same time, so that they share commits
	// patience bounds how long a report is tried to be handed over: as long as mail is.
	patience = ingest.DefaultExpiry
)

// Reporter writes reports. Its methods are safe for concurrent use, and any number of
// them may work on one database.
type Reporter struct {
	c Config
}

// NewReporter makes a Reporter that does nothing yet.
func NewReporter(c Config) (*Reporter, error) {
	switch {
	case c.Store == nil, c.Bodies == nil, c.Acceptor == nil, c.Tenants == nil, c.Catalog == nil, c.Reasons == nil,
		c.Hostname == "", c.Now == nil:
		return nil, errors.New("reporter: a demanded part is missing from its configuration")
	}
	if c.Gather == 0 {
		c.Gather = 5 * time.Second
	}
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Reporter{c: c}, nil
}

// Run sends reports as they fall due, until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(r.c.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := r.Turn(ctx); err != nil && ctx.Err() == nil {
			r.c.Log.Error("reports not sent", "err", err)
		}
	}
}

// Turn sends what is due now and returns how many reports were dealt with. A report
// that cannot be handed over at present is tried again after the lease and is no error.
func (r *Reporter) Turn(ctx context.Context) (n int, err error) {
	for {
		list, err := r.c.Store.ClaimReports(ctx, Claim{
			Now: r.c.Now(), Gather: max(r.c.Gather, 0), Lease: r.c.Lease, Limit: turnLimit,
		})
		if err != nil {
			return n, err
		}
		n += len(list)
		r.tellAll(ctx, list)
		if len(list) < turnLimit || ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
}

func (r *Reporter) tellAll(ctx context.Context, list []Due) {
	var work sync.WaitGroup
	places := make(chan struct{}, hands)
	for _, d := range list {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			if err := r.tell(ctx, d); err != nil && ctx.Err() == nil {
				r.c.Log.Warn("report not sent yet", "tenant", d.Tenant.String(), "delivery", d.Batch.String(), "err", err)
			}
		})
	}
	work.Wait()
}

// tell sees one report through. An error leaves it to be claimed again.
func (r *Reporter) tell(ctx context.Context, d Due) error {
	l, err := r.c.Store.Letter(ctx, d.Tenant, d.Deliveries)
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return err
	}
	l.Fates = r.standing(d.Action, l.Fates)
	if err != nil || len(l.Fates) == 0 {
		return r.c.Store.EndReports(ctx, d, nil)
	}
	report := Report{ReportingMTA: r.c.Hostname}
	for _, f := range l.Fates {
		report.Recipients = append(report.Recipients, recipientOf(d.Action, f))
	}
	receipt, err := r.submit(ctx, d.Tenant, l, report, fmt.Sprintf("report/%s/%s", d.Batch, d.Action))
	switch {
	case lasting(err):
		r.c.Log.Warn("report given up", "tenant", d.Tenant.String(), "delivery", d.Batch.String(), "err", err)
		return r.c.Store.EndReports(ctx, d, nil)
	case err != nil:
		return err
	}
	facts := make([]event.Event, len(l.Fates))
	for i, f := range l.Fates {
		facts[i] = r.fact(f.Delivery, d.Action, receipt)
	}
	return r.c.Store.EndReports(ctx, d, facts)
}

// standing leaves out whom there is nothing to tell of any more: a delay that is over,
// and what is so long ago that nobody expects a report.
func (r *Reporter) standing(a bounce.Action, fates []Fate) []Fate {
	var list []Fate
	old := r.c.Now().Add(-patience)
	for _, f := range fates {
		waits := f.State == event.Queued || f.State == event.Deferred || f.State == event.Held
		if a == bounce.ActionDelayed && waits || a != bounce.ActionDelayed && f.UpdatedAt.After(old) {
			list = append(list, f)
		}
	}
	return list
}

// submit hands the report to the one entrance. The key makes sure that it is sent once,
// however often it is submitted.
func (r *Reporter) submit(ctx context.Context, t tenant.ID, l Letter, report Report, key string) (ingest.Receipt, error) {
	to, err := message.ParseAddress(l.Sender)
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("sender of the message: %w", err)
	}
	owner, err := r.c.Tenants.Tenant(ctx, t)
	if err != nil {
		return ingest.Receipt{}, err
	}
	report.Original, err = r.c.Bodies.Body(ctx, l.Body)
	if err != nil && !errors.Is(err, spool.ErrGone) && !errors.Is(err, spool.ErrCorrupt) {
		return ingest.Receipt{}, fmt.Errorf("read message: %w", err)
	}
	report.To, report.About = to, l.MessageID
	report.EnvelopeID, report.Arrived, report.Date = l.EnvelopeID, l.AcceptedAt, r.c.Now().UTC()
	// RFC 3461, 4.3: only a failure brings the whole message back.
	report.Full = l.Return == message.ReturnFull && report.Recipients[0].Action == bounce.ActionFailed
	r.word(owner, l, &report)
	receipt, err := r.accept(ctx, t, l, report, key)
	if err != nil && report.Full && (fault.IsKind(err, fault.Invalid) || fault.IsKind(err, fault.TooLarge)) {
		// A message at a limit is over it as a part of another one.
		report.Full = false
		receipt, err = r.accept(ctx, t, l, report, key)
	}
	return receipt, err
}

func (r *Reporter) accept(ctx context.Context, t tenant.ID, l Letter, report Report, key string) (ingest.Receipt, error) {
	return r.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: t, Actor: "system", Door: Door}, ingest.Submission{
		Raw: Compose(report), Recipients: []message.Address{report.To}, Sender: &message.Address{}, Stream: tenant.System,
		Metadata:    map[string]string{"report_on": l.Body.Message.String()},
		Idempotency: key,
		// Not of the bytes: a second try is the same report even if its Date differs.
		RequestHash: sha256.Sum256([]byte(key)),
	})
}

// lasting reports whether trying again is of no use. A locked tenant may be unlocked.
func lasting(err error) bool {
	f := fault.As(err)
	if f == nil || f.Code == ingest.CodeTenantLocked {
		return false
	}
	switch f.Kind {
	case fault.Invalid, fault.Forbidden, fault.Conflict, fault.NotFound, fault.TooLarge:
		return true
	}
	return false
}

// fact is the event on the message reported on. Its identifier follows from the report,
// so that whoever writes it a second time writes the same.
func (r *Reporter) fact(d message.DeliveryID, a bounce.Action, receipt ingest.Receipt) event.Event {
	name := id.Lowest[event.Kind](receipt.AcceptedAt)
	sum := sha256.Sum256([]byte(d.String() + "/" + string(a)))
	copy(name[9:], sum[:])
	return event.Event{
		ID: name, Message: message.Of(d), Delivery: d, Type: event.Reported,
		At: receipt.AcceptedAt.UTC().Truncate(time.Millisecond), Actor: "system", Reason: string(a),
	}
}

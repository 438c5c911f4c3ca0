package affected

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Config of a Surveyor. Fields without a stated default are demanded.
type Config struct {
	Store       Store
	Changeovers interface {
		Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error)
	}
	// Marks tells whose mail fell back to old sources.
	Marks       func(ctx context.Context, t tenant.ID, c changeover.ID) ([]changeover.Mark, error)
	Advertisers interface {
		Advertisers(ctx context.Context, t tenant.ID, after string, limit int) ([]lead.Advertiser, error)
	}
	// Ways tells which addresses the sources have.
	Ways interface {
		Ways(ctx context.Context) (egress.Ways, error)
	}
	// Tenants lists the accounts behind one, in order.
	Tenants interface {
		Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error)
	}
	// Provider names the mailbox provider of a receiving server, "" for a site of its own.
	// A provider's domains are no customers: what it thinks of new sources is told by the
	// figures by provider.
	Provider func(host string) string
	Cases    Cases // nil: no reports are asked for
	Now      func() time.Time
	Log      *slog.Logger // nil discards
	// Span bounds how many deliveries of all recipients are looked at on each side of the
	// beginning of the test phase, the newest of them; 0: 50,000.
	Span int
}

// Surveyor compares old and new. Its methods are safe for concurrent use.
type Surveyor struct{ c Config }

// NewSurveyor makes a Surveyor.
func NewSurveyor(c Config) *Surveyor {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Span <= 0 {
		c.Span = 50_000
	}
	return &Surveyor{c}
}

const (
	// baseline is how far before the test phase mail over the old sources is looked at.
	baseline = 14 * 24 * time.Hour
	// ofCustomer bounds the deliveries that are looked at for one address on each side.
	ofCustomer = 500
	part       = 500
	// keptAfter is how long customers are remembered after the end of a changeover: long
	// enough for the report and its questions.
	keptAfter = 90 * 24 * time.Hour
)

// Run surveys every tenant of every changeover that is under way, and forgets the
// customers of those that ended long ago.
func (s *Surveyor) Run(ctx context.Context, now time.Time) error {
	list, err := s.c.Changeovers.Changeovers(ctx, tenant.ID{})
	if err != nil {
		return fmt.Errorf("survey customers: %w", err)
	}
	var errs []error
	for _, c := range list {
		over := c.Stage == changeover.Done && now.Sub(c.UpdatedAt) > keptAfter
		if !c.Stage.Under() && !over {
			continue
		}
		errs = append(errs, s.each(ctx, c, func(t tenant.ID) error {
			if over {
				_, err := s.c.Store.DropCustomers(ctx, t, c.ID)
				return err
			}
			return s.Survey(ctx, t, c)
		}))
	}
	return errors.Join(errs...)
}

// each calls do for every tenant that the changeover is about. One that fails does not
// keep the others from their turn.
func (s *Surveyor) each(ctx context.Context, c changeover.Changeover, do func(tenant.ID) error) error {
	if !c.Tenant.IsZero() {
		return do(c.Tenant)
	}
	var errs []error
	for after := (tenant.ID{}); ctx.Err() == nil; {
		list, err := s.c.Tenants.Tenants(ctx, after, part)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("survey customers: %w", err))...)
		}
		for _, t := range list {
			after = t.ID
			errs = append(errs, do(t.ID))
		}
		if len(list) < part {
			break
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// survey is one run for one tenant.
type survey struct {
	*Surveyor
	t      tenant.ID
	c      changeover.Changeover
	now    time.Time
	window [2]Query // before and since the test phase began
	side   sideOf
	marks  []changeover.Mark
}

// Survey looks at what the facts say of a tenant's customers now and keeps it. It may
// run at any time and any number of times.
func (s *Surveyor) Survey(ctx context.Context, t tenant.ID, c changeover.Changeover) error {
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	v := &survey{Surveyor: s, t: t, c: c, now: now, window: windows(c, now)}
	ways, err := s.c.Ways.Ways(ctx)
	if err != nil {
		return fmt.Errorf("survey customers: %w", err)
	}
	v.side = sidesOf(c, ways.Sources)
	if v.marks, err = s.c.Marks(ctx, t, c.ID); err != nil {
		return fmt.Errorf("survey customers: %w", err)
	}
	known, err := v.advertisers(ctx)
	if err == nil {
		err = v.domains(ctx, known)
	}
	if err == nil {
		// What is not found any more, or was erased, is not told any longer.
		err = s.c.Store.FadeFindings(ctx, t, c.ID, now)
	}
	if err != nil {
		return fmt.Errorf("survey customers of %s: %w", t, err)
	}
	return nil
}

func windows(c changeover.Changeover, now time.Time) [2]Query {
	since := c.TestFrom
	if since.IsZero() || since.After(now) {
		since = now
	}
	return [2]Query{{From: since.Add(-baseline), To: since}, {From: since, To: now}}
}

// sidesOf tells the sides by what attempts have on record: the address, or the name of a
// source without one.
func sidesOf(c changeover.Changeover, sources []egress.Source) sideOf {
	isNew := map[string]bool{}
	for _, s := range sources {
		if fresh, used := c.Uses(s.Name); used {
			isNew[s.IP.String()], isNew[s.Name] = fresh, fresh
		}
	}
	return func(source string) (bool, bool) {
		fresh, used := isNew[source]
		return fresh, used
	}
}

// advertisers surveys those who receive leads and returns the domains of their
// addresses.
func (v *survey) advertisers(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	for after := ""; ; {
		list, err := v.Surveyor.c.Advertisers.Advertisers(ctx, v.t, after, part)
		if err != nil {
			return nil, err
		}
		var found []Found
		for _, a := range list {
			after = a.ID
			f, err := v.advertiser(ctx, a)
			if err != nil {
				return nil, err
			}
			for _, one := range a.Emails {
				known[strings.ToLower(one.Domain)] = true
			}
			found = append(found, f)
		}
		if err := v.keep(ctx, found); err != nil {
			return nil, err
		}
		if len(list) < part {
			return known, nil
		}
	}
}

func (v *survey) advertiser(ctx context.Context, a lead.Advertiser) (Found, error) {
	l, partial := newLedger(v.side), false
	for _, one := range a.Emails {
		for _, q := range v.window {
			q.Recipient = one
			more, err := v.read(ctx, q, ofCustomer, func(domain string) *ledger { return l })
			if err != nil {
				return Found{}, err
			}
			partial = partial || more
		}
	}
	f := l.finding()
	f.At, f.Partial = v.now, partial
	for _, m := range v.marks {
		if v.own(f, m.Domain) && slices.ContainsFunc(a.Emails, func(one message.Address) bool { return strings.EqualFold(one.Domain, m.Domain) }) {
			f.Fallback.add(blameOf(m))
		}
	}
	if v.Surveyor.c.Cases != nil {
		var err error
		if f.Cases, f.CaseAt, err = v.Surveyor.c.Cases.MissingXML(ctx, v.t, a.ID, v.window[1].From); err != nil {
			return Found{}, err
		}
	}
	return Found{Kind: Advertiser, Key: a.ID, Name: a.Name, Software: a.Profile.Software, Emails: a.Emails, Finding: f}, nil
}

// own reports whether a domain is served by the customer's own server as far as is
// known: what a provider refused is not to be told of each of its users.
func (s *Surveyor) own(f Finding, domain string) bool {
	for _, site := range f.Sites {
		if strings.EqualFold(site.Site, domain) {
			return s.c.Provider(site.Host) == ""
		}
	}
	return true
}

func blameOf(m changeover.Mark) Blame {
	b := Blame{Count: m.Count, Source: m.Source, Reply: m.Reply, At: m.LastAt}
	if d, err := id.Parse[message.DeliveryKind](m.Delivery); err == nil {
		b.Delivery = d
	}
	return b
}

// read feeds attempts to the ledgers of their recipients' domains; a nil ledger takes
// none. It reports whether there were more than most deliveries.
func (v *survey) read(ctx context.Context, q Query, most int, of func(domain string) *ledger) (more bool, err error) {
	q.Limit = part
	for seen := 0; seen < most; {
		steps, err := v.Surveyor.c.Store.Attempts(ctx, v.t, q)
		if err != nil {
			return false, err
		}
		for list := steps.List; len(list) > 0; {
			n := slices.IndexFunc(list, func(s Step) bool { return s.Delivery != list[0].Delivery })
			if n < 0 {
				n = len(list)
			}
			if l := of(list[0].Recipient.Domain); l != nil {
				l.add(list[:n])
			}
			list = list[n:]
		}
		seen += steps.Deliveries
		if q.Before = steps.Last; steps.Deliveries < part {
			return false, nil
		}
	}
	return true, nil
}

// domains surveys the recipient domains that belong to no advertiser. Only those that
// something speaks against become customers.
func (v *survey) domains(ctx context.Context, known map[string]bool) error {
	books, partial := map[string]*ledger{}, false
	for _, q := range v.window {
		more, err := v.read(ctx, q, v.Surveyor.c.Span, func(domain string) *ledger {
			domain = strings.ToLower(domain)
			if known[domain] {
				return nil
			}
			if books[domain] == nil {
				books[domain] = newLedger(v.side)
			}
			return books[domain]
		})
		if err != nil {
			return err
		}
		partial = partial || more
	}
	for _, m := range v.marks {
		if domain := strings.ToLower(m.Domain); !known[domain] && books[domain] == nil {
			books[domain] = newLedger(v.side)
		}
	}
	var found []Found
	for domain, l := range books {
		f := l.finding()
		f.At, f.Partial = v.now, partial
		for _, m := range v.marks {
			if strings.EqualFold(m.Domain, domain) {
				f.Fallback.add(blameOf(m))
			}
		}
		if v.own(f, domain) && (Customer{Finding: f}).Problem(v.now) != NoProblem {
			found = append(found, Found{Kind: Domain, Key: domain, Finding: f})
		}
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Key, b.Key) })
	return v.keep(ctx, found)
}

// keep writes in small transactions.
func (v *survey) keep(ctx context.Context, list []Found) error {
	for some := range slices.Chunk(list, 200) {
		if err := v.Surveyor.c.Store.PutFound(ctx, v.t, v.c.ID, some, v.now); err != nil {
			return err
		}
	}
	return nil
}

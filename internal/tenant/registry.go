package tenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"stafette/internal/dmarc"
	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
)

// DomainStore keeps domains, their keys and their history. Every method is one whole
// transaction; what is not found or of another tenant is NotFound "domain_not_found".
type DomainStore interface {
	// Tenants is that of Store.
	Tenants(ctx context.Context, after ID, limit int) ([]Tenant, error)
	// Domains lists the tenant's domains by name, without their Findings.
	Domains(ctx context.Context, t ID) ([]Domain, error)
	// Domain returns one domain with its Findings.
	Domain(ctx context.Context, t ID, d DomainID) (Domain, error)
	// DKIMKeys is that of Store.
	DKIMKeys(ctx context.Context, t ID, domain string) ([]DKIMKey, error)
	// DomainFacts returns up to limit facts about a domain, newest first.
	DomainFacts(ctx context.Context, t ID, d DomainID, limit int) ([]DomainFact, error)

	// AddDomain is that of Store.
	AddDomain(ctx context.Context, d Domain, keys []DKIMKey) error
	// RecordCheck stores State, GraceUntil, CheckedAt and Findings of a domain, and
	// the fact if there is one, provided that its state is still was; otherwise
	// somebody else has checked and it is Conflict "domain_changed". A name that
	// another tenant uses is Conflict "domain_taken".
	RecordCheck(ctx context.Context, d Domain, was DomainState, fact *DomainFact) error
	// RemoveDomain forgets a domain with its keys and its history. It refuses with
	// Conflict "domain_in_use" while mail with it in From waits.
	RemoveDomain(ctx context.Context, t ID, d DomainID) error
	// ChangeKeys adds, switches and removes keys of one domain as one, with the fact.
	// Keys that sign are not removed. Conflict "domain_changed" if a key to activate
	// is not there any more.
	ChangeKeys(ctx context.Context, c KeyChange) error
	// AddDomainFact stores a fact.
	AddDomainFact(ctx context.Context, t ID, f DomainFact) error

	// DomainOwner returns a domain, of whatever tenant, by the identifier in the address
	// its reports come to.
	DomainOwner(ctx context.Context, d DomainID) (Domain, error)
	// SaveDMARC counts a report about a domain of the tenant, once: Conflict
	// "report_known" for one that was counted. Limited "reports_too_many" if maxDay were
	// received in the 24 hours before received.
	SaveDMARC(ctx context.Context, t ID, domain string, r dmarc.Report, received time.Time, maxDay int) error
	// DMARCSources sums up by source what was reported on the days since from and
	// before to, the biggest first, limit at most.
	DMARCSources(ctx context.Context, t ID, domain string, from, to time.Time, limit int) ([]DMARCSource, error)
	// DMARCDays sums the same up by day, in order.
	DMARCDays(ctx context.Context, t ID, domain string, from, to time.Time) ([]DMARCDay, error)
	// DropDMARC forgets what was reported about days before a time.
	DropDMARC(ctx context.Context, t ID, before time.Time) error
}

// KeyChange is what becomes of the keys of one domain.
type KeyChange struct {
	Tenant ID
	Domain DomainID
	At     time.Time
	Add    []DKIMKey // a selector in use is Conflict "selector_taken"
	// Activate sign from At on, and Retire no more.
	Activate, Retire []DKIMKeyID
	Remove           []DKIMKeyID // their private halves are gone for good
	Fact             DomainFact
}

// DomainEvent names what happened to a domain.
type DomainEvent string

// The events of a domain.
const (
	DomainAdded       DomainEvent = "added"
	DomainVerified    DomainEvent = "verified"          // all records it needs are there
	DomainGrace       DomainEvent = "grace"             // some have vanished
	DomainRestored    DomainEvent = "restored"          // and are back
	DomainLapsed      DomainEvent = "lapsed"            // and stayed away
	RotationStarted   DomainEvent = "rotation_started"  // new keys wait for their records
	RotationCancelled DomainEvent = "rotation_canceled" // they were given up
	KeysSwitched      DomainEvent = "keys_switched"     // the new keys sign
	KeysRemoved       DomainEvent = "keys_removed"      // the old ones are gone; so may their records be
)

// DomainFact is one fact about a domain.
type DomainFact struct {
	ID     DomainFactID
	Domain DomainID
	At     time.Time
	Event  DomainEvent
	Actor  string // user or key; "system" for the hourly check
	Detail string // names of records, separated by spaces; "" if none
}

// system is the Actor of what nobody asked for.
const system = "system"

// Times of a Registry that are not configured.
const (
	DefaultGrace = 72 * time.Hour
	// linger is how long an old key's record must stay: longer than mail may wait in
	// queues (five days) and signatures hold (seven).
	linger = 7 * 24 * time.Hour
	// interest ends the hourly check of domains that were never set up.
	interest = 30 * 24 * time.Hour
)

// RegistryConfig is what a Registry needs. Store, Resolver, Keeper, MakeKey and Now
// are demanded.
type RegistryConfig struct {
	Store DomainStore
	// Resolver returns one that remembers nothing: who has just published a record
	// must not be told yesterday's answer.
	Resolver func() dns.Resolver
	Keeper   *seal.Keeper
	MakeKey  MakeKey
	Hosts    Hosts
	Grace    time.Duration // 0: DefaultGrace
	// RotateEvery begins a rotation of keys that have signed for so long; 0: only
	// people do.
	RotateEvery time.Duration
	Parallel    int // domains checked at the same time; 0: 8
	Now         func() time.Time
	Log         *slog.Logger // nil: discard
}

// Registry sets sending domains up, checks them and rotates their keys. It is safe for
// concurrent use, also by several nodes.
type Registry struct{ c RegistryConfig }

// NewRegistry makes a Registry.
func NewRegistry(c RegistryConfig) *Registry {
	if c.Grace <= 0 {
		c.Grace = DefaultGrace
	}
	if c.Parallel <= 0 {
		c.Parallel = 8
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Registry{c: c}
}

// DomainSetup is a domain with all there is to know about its set-up.
type DomainSetup struct {
	Domain
	Keys []DKIMKey // without their private halves
	// Records are the findings of the last check; those that were added since, or were
	// never looked for, are Unchecked.
	Records []Finding
	History []DomainFact // newest first, 50 at most
}

const (
	shownFacts = 50
	maxDomains = 500 // of a tenant
)

func (r *Registry) now() time.Time { return r.c.Now().UTC().Truncate(time.Millisecond) }

// List returns the tenant's domains by name.
func (r *Registry) List(ctx context.Context, t ID) ([]Domain, error) {
	return r.c.Store.Domains(ctx, t)
}

// Setup returns one domain of the tenant.
func (r *Registry) Setup(ctx context.Context, t ID, d DomainID) (DomainSetup, error) {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return DomainSetup{}, err
	}
	keys, err := r.c.Store.DKIMKeys(ctx, t, domain.Name)
	if err != nil {
		return DomainSetup{}, err
	}
	s := DomainSetup{Domain: domain, Keys: keys, Records: merge(Plan(domain, keys, r.c.Hosts), domain.Findings)}
	for i := range s.Keys {
		s.Keys[i].Sealed = nil
	}
	s.History, err = r.c.Store.DomainFacts(ctx, t, d, shownFacts)
	return s, err
}

// merge puts the findings of the last check into the plan of today.
func merge(plan, found []Finding) []Finding {
	for i, p := range plan {
		at := slices.IndexFunc(found, func(f Finding) bool {
			// A key that begins to sign keeps its record; DMARC may be found further up.
			key := p.Purpose == ForDKIM && f.Purpose == ForNextDKIM || p.Purpose == f.Purpose
			return key && (f.Name == p.Name || p.Purpose == ForDMARC)
		})
		if at >= 0 {
			plan[i] = found[at]
			plan[i].Purpose = p.Purpose
		}
	}
	return plan
}

// Add sets a domain up with keys of its own. It is Pending. Errors: Invalid "domain",
// Conflict "domain_exists" and "domains_too_many".
func (r *Registry) Add(ctx context.Context, t ID, name, actor string) (Domain, error) {
	name, err := NormalDomain(name)
	if err != nil {
		return Domain{}, err
	}
	have, err := r.c.Store.Domains(ctx, t)
	if err != nil {
		return Domain{}, err
	}
	if len(have) >= maxDomains {
		return Domain{}, fault.New(fault.Conflict, "domains_too_many", "The account has 500 domains already.")
	}
	now := r.now()
	d := Domain{ID: id.New[DomainKind](now), Tenant: t, Name: name, State: Pending, CreatedAt: now}
	keys, err := NewDKIMKeys(r.c.Keeper, r.c.MakeKey, d, 1, now)
	if err != nil {
		return Domain{}, err
	}
	if err := r.c.Store.AddDomain(ctx, d, keys); err != nil {
		return Domain{}, err
	}
	return d, r.c.Store.AddDomainFact(ctx, t, r.fact(d.ID, now, DomainAdded, actor, nil))
}

// Remove forgets a domain and its keys. It refuses with Conflict "domain_in_use" while
// mail with it in From waits; what is accepted at that very moment is held, and never
// leaves unsigned.
func (r *Registry) Remove(ctx context.Context, t ID, d DomainID) error {
	return r.c.Store.RemoveDomain(ctx, t, d)
}

func (r *Registry) fact(d DomainID, at time.Time, e DomainEvent, actor string, names []string) DomainFact {
	f := DomainFact{ID: id.New[DomainFactKind](at), Domain: d, At: at, Event: e, Actor: actor}
	for i, n := range names {
		if i > 0 {
			f.Detail += " "
		}
		f.Detail += n
	}
	return f
}

// Check asks DNS about a domain now and stores what it says. A name server that gives
// no answer never changes a state.
func (r *Registry) Check(ctx context.Context, t ID, d DomainID, actor string) (DomainSetup, error) {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return DomainSetup{}, err
	}
	if err := r.check(ctx, domain, actor); err != nil {
		return DomainSetup{}, err
	}
	return r.Setup(ctx, t, d)
}

// check is one look at a domain and all that follows from it.
func (r *Registry) check(ctx context.Context, d Domain, actor string) error {
	keys, err := r.c.Store.DKIMKeys(ctx, d.Tenant, d.Name)
	if err != nil {
		return err
	}
	found, err := CheckDomain(ctx, r.c.Resolver(), d, keys, r.c.Hosts)
	if err != nil {
		return err
	}
	now := r.now()
	next, event := d.after(found, now, r.c.Grace)
	var fact *DomainFact
	if event != "" {
		f := r.fact(d.ID, now, event, actor, gone(found))
		fact = &f
	}
	if err = r.c.Store.RecordCheck(ctx, next, d.State, fact); err == nil {
		err = r.turn(ctx, next, keys, actor)
	}
	if e := fault.As(err); e != nil && e.Code == "domain_changed" {
		return nil // somebody else has just checked, and knows as much
	}
	return err
}

// after is the domain as a check leaves it, and what has happened to it, "" if nothing.
func (d Domain) after(found []Finding, now time.Time, grace time.Duration) (Domain, DomainEvent) {
	was := d.State
	d.Findings, d.CheckedAt = found, now
	switch proofOf(found) {
	case Found:
		d.GraceUntil = time.Time{}
		switch was {
		case Pending:
			d.State = Verified
			return d, DomainVerified
		case Grace, Lapsed:
			d.State = Verified
			return d, DomainRestored
		}
	case Missing:
		switch {
		case was == Verified:
			d.State, d.GraceUntil = Grace, now.Add(grace)
			return d, DomainGrace
		case was == Grace && !now.Before(d.GraceUntil):
			d.State, d.GraceUntil = Lapsed, time.Time{}
			return d, DomainLapsed
		}
	}
	return d, ""
}

// proofOf sums the records up that a domain needs: Found, Missing, or NoAnswer where
// a name server was silent about one.
func proofOf(found []Finding) RecordState {
	needed, missing := 0, false
	for _, f := range found {
		if !f.Needed() {
			continue
		}
		if f.State == NoAnswer {
			return NoAnswer
		}
		needed++
		missing = missing || f.State != Found
	}
	if missing || needed == 0 {
		return Missing // no key at all proves nothing
	}
	return Found
}

// gone lists the names of the needed records that are not there.
func gone(found []Finding) []string {
	var names []string
	for _, f := range found {
		if f.Needed() && f.State != Found {
			names = append(names, f.Name)
		}
	}
	return names
}

// CheckAll looks at every domain of the platform, a few at the same time, and drops
// DMARC figures that are too old. A domain that
// fails is logged and does not keep the others from being checked. It is a chore for
// one node, every hour.
func (r *Registry) CheckAll(ctx context.Context, now time.Time) error {
	const page = 100
	var after ID
	for {
		tenants, err := r.c.Store.Tenants(ctx, after, page)
		if err != nil {
			return fmt.Errorf("check domains: %w", err)
		}
		var group errgroup.Group
		group.SetLimit(r.c.Parallel)
		for _, t := range tenants {
			if err := r.c.Store.DropDMARC(ctx, t.ID, now.Add(-reportsKept)); err != nil {
				return errors.Join(fmt.Errorf("drop old DMARC reports: %w", err), group.Wait())
			}
			domains, err := r.c.Store.Domains(ctx, t.ID)
			if err != nil {
				return errors.Join(fmt.Errorf("check domains: %w", err), group.Wait())
			}
			for _, d := range domains {
				group.Go(func() error { r.hourly(ctx, d, now); return nil })
			}
		}
		_ = group.Wait() // hourly has told the log
		if len(tenants) < page || ctx.Err() != nil {
			return ctx.Err()
		}
		after = tenants[page-1].ID
	}
}

func (r *Registry) hourly(ctx context.Context, d Domain, now time.Time) {
	if d.State == Pending && now.Sub(d.CreatedAt) > interest {
		return
	}
	err := r.check(ctx, d, system)
	if err == nil {
		err = r.due(ctx, d, now)
	}
	if err != nil && ctx.Err() == nil {
		r.c.Log.Warn("domain not checked", "tenant", d.Tenant, "domain", d.Name, "err", err)
	}
}

package privacy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// ErrTaken: another node has taken the request up meanwhile.
var ErrTaken = errors.New("request was taken by another node")

// Contacts is what a Service needs of contacts; *audience.Contacts has it.
type Contacts interface {
	Contact(ctx context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error)
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
	Notes(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.Note, error)
	Acts(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.ContactAct, error)
	Create(ctx context.Context, t tenant.ID, c audience.Contact, o audience.Origin, actor string) (audience.Contact, error)
}

// Audience is what a Service needs of suppressions; *audience.Service has it.
type Audience interface {
	Hash(t tenant.ID, a message.Address) audience.Hash
	Suppress(ctx context.Context, t tenant.ID, w audience.Wish, actor string) (audience.Entry, error)
	Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error)
	History(ctx context.Context, t tenant.ID, h audience.Hash) ([]audience.Act, error)
	Erase(ctx context.Context, t tenant.ID, a message.Address, actor string) (int64, error)
}

// Mail is what a Service needs of messages.
type Mail interface {
	insight.PersonStore
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
}

// Bodies reads messages in clear; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Tenants tells who a tenant is and who answers for it, and which there are; *store.Store
// does.
type Tenants interface {
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error)
}

// DefaultMonths is how long rows of mail are kept where nobody says otherwise: long
// enough for a customer who asks after last year's order, and for the second year of
// statutory warranty.
const DefaultMonths = 24

// Config of a Service. Fields without a stated default are demanded.
type Config struct {
	Store    Store
	Tenants  Tenants
	Contacts Contacts
	Audience Audience
	Mail     Mail
	Bodies   Bodies
	Keeper   *seal.Keeper
	Catalog  *i18n.Catalog
	// Holders are told in the order in which they erase: what could write again comes
	// before what it writes.
	Holders  []Holder
	Sections []Section
	// Shed is called after an erasure to bring deletions to the files; nil: nothing to do.
	Shed func(context.Context) error
	Zone *time.Location // of the times people read; nil: UTC
	// Now is the clock that nodes share.
	Now    func() time.Time
	Months int           // 0: DefaultMonths
	Every  time.Duration // how often work is looked for; 0: 2 seconds
	Lease  time.Duration // how long a silent node keeps a request; 0: a minute
	// Lives is how long a file can be fetched; 0: 7 days.
	Lives time.Duration
	Log   *slog.Logger // nil discards
}

// Service takes requests and works them off. It is safe for concurrent use.
type Service struct {
	c    Config
	wake chan struct{}
}

// New makes a Service. Nothing runs yet.
func New(c Config) (*Service, error) {
	switch {
	case c.Store == nil, c.Tenants == nil, c.Contacts == nil, c.Audience == nil, c.Mail == nil, c.Bodies == nil, c.Keeper == nil, c.Catalog == nil, c.Now == nil:
		return nil, errors.New("privacy: a demanded part is missing from its configuration")
	}
	for _, v := range []struct {
		field     *time.Duration
		otherwise time.Duration
	}{{&c.Every, 2 * time.Second}, {&c.Lease, time.Minute}, {&c.Lives, 7 * 24 * time.Hour}} {
		if *v.field <= 0 {
			*v.field = v.otherwise
		}
	}
	if c.Months <= 0 {
		c.Months = DefaultMonths
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}, nil
}

// Person is the contact with all its addresses. The error is "contact_not_found".
func (s *Service) Person(ctx context.Context, t tenant.ID, c audience.ContactID) (Person, error) {
	found, err := s.c.Contacts.Contact(ctx, t, c)
	if err != nil {
		return Person{}, err
	}
	return personOf(found), nil
}

func personOf(c audience.Contact) Person {
	name := c.Name()
	if name == c.Main().String() {
		name = ""
	}
	return Person{Tenant: c.Tenant, Contact: c.ID, Name: name, Addresses: c.Addresses}
}

// PersonAt is who has an address: a contact with all its addresses, or the address alone.
func (s *Service) PersonAt(ctx context.Context, t tenant.ID, a message.Address) (Person, error) {
	c, found, err := s.c.Contacts.Of(ctx, t, a)
	if err != nil || found {
		return personOf(c), err
	}
	return Person{Tenant: t, Addresses: []message.Address{a}}, nil
}

// Holding is how much a holder has about a person.
type Holding struct {
	Name  string
	Count int64
}

// Preview is what an erasure would do.
type Preview struct {
	Goes []Holding // only what there is
	// Suppressions stay, by their hashes alone.
	Suppressions int
}

// Preview tells what an erasure of the person would take, and what stays.
func (s *Service) Preview(ctx context.Context, p Person) (Preview, error) {
	var v Preview
	for _, h := range s.c.Holders {
		n, err := h.Count(ctx, p)
		if err != nil {
			return Preview{}, fmt.Errorf("count %s: %w", h.Name(), err)
		}
		if n > 0 {
			v.Goes = append(v.Goes, Holding{h.Name(), n})
		}
	}
	for _, a := range p.Addresses {
		page, err := s.c.Audience.Suppressions(ctx, p.Tenant, audience.Filter{Text: a.String()})
		if err != nil {
			return Preview{}, fmt.Errorf("count suppressions: %w", err)
		}
		v.Suppressions += len(page.Entries)
	}
	return v, nil
}

// Wish is a request as somebody enters it.
type Wish struct {
	Kind   Kind
	Person Person
	Block  bool
	Locale string
	Actor  string
	// Idempotency is the key of a program that may ask twice; "" for none.
	Idempotency string
}

// Ask takes a request. One of the same kind about the same person that is still open is
// returned instead, and so is the one that was made with the same idempotency key, how
// long ago that was. Conflict "idempotency_conflict" if the key was used for something else.
func (s *Service) Ask(ctx context.Context, w Wish) (Request, error) {
	if len(w.Person.Addresses) == 0 || w.Person.Tenant.IsZero() {
		return Request{}, fault.Field("address", "address_missing", "An address is expected.")
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	r := Request{ID: id.New[RequestKind](now), Tenant: w.Person.Tenant, Kind: w.Kind, State: Waiting, Actor: w.Actor, Person: w.Person,
		Block: w.Block && w.Kind == Erasure, Locale: w.Locale, CreatedAt: now}
	for _, a := range w.Person.Addresses {
		r.Hashes = append(r.Hashes, s.c.Audience.Hash(r.Tenant, a))
	}
	if w.Idempotency != "" {
		sum := sha256.Sum256([]byte(w.Idempotency))
		r.Idempotency = sum[:]
	}
	if one, found, err := s.asked(ctx, r); err != nil || found {
		return one, err
	}
	ctx = audit.Note(ctx, func(a *audit.Act) { a.Target = r.ID.String() })
	if err := s.c.Store.AddRequest(ctx, r); err != nil {
		if one, found, again := s.asked(ctx, r); fault.IsKind(err, fault.Conflict) && again == nil && found {
			return one, nil // somebody asked at the same moment
		}
		return Request{}, err
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return r, nil
}

// asked finds the request that r would repeat.
func (s *Service) asked(ctx context.Context, r Request) (Request, bool, error) {
	if r.Idempotency != nil {
		one, err := s.c.Store.RequestByKey(ctx, r.Tenant, r.Idempotency)
		switch {
		case err == nil && one.Kind == r.Kind && slices.Equal(one.Hashes, r.Hashes):
			return one, true, nil
		case err == nil:
			return Request{}, false, fault.New(fault.Conflict, "idempotency_conflict", "This idempotency key was used for another request.")
		case !fault.IsKind(err, fault.NotFound):
			return Request{}, false, err
		}
	}
	lately, _, err := s.c.Store.Requests(ctx, r.Tenant, RequestID{}, 100)
	if err != nil {
		return Request{}, false, err
	}
	for _, one := range lately {
		if one.Kind == r.Kind && one.State.Open() && slices.Equal(one.Hashes, r.Hashes) {
			return one, true, nil
		}
	}
	return Request{}, false, nil
}

// ConfirmErasure takes an erasure request if typed is one of the person's addresses: what
// cannot be taken back is not done by a click alone. The error is "erasure_unconfirmed"
// (field "address").
func (s *Service) ConfirmErasure(ctx context.Context, w Wish, typed string) (Request, error) {
	a, err := message.ParseAddress(typed)
	if err != nil || !slices.ContainsFunc(w.Person.Addresses, func(own message.Address) bool { return audience.Canonical(own) == audience.Canonical(a) }) {
		return Request{}, fault.Field("address", "erasure_unconfirmed", "The address is not one of the person's.")
	}
	w.Kind = Erasure
	return s.Ask(ctx, w)
}

// Request returns one of a tenant's requests.
func (s *Service) Request(ctx context.Context, t tenant.ID, r RequestID) (Request, error) {
	return s.c.Store.Request(ctx, t, r)
}

// Requests lists a tenant's requests from new to old.
func (s *Service) Requests(ctx context.Context, t tenant.ID, after RequestID, limit int) ([]Request, bool, error) {
	return s.c.Store.Requests(ctx, t, after, limit)
}

// Settings returns a tenant's settings.
func (s *Service) Settings(ctx context.Context, t tenant.ID) (Settings, error) {
	return s.c.Store.PrivacySettings(ctx, t)
}

// MaxMonths bounds how long rows can be kept.
const MaxMonths = 120

// SetSettings replaces them. The error is "months_out_of_range" (field "months").
func (s *Service) SetSettings(ctx context.Context, t tenant.ID, v Settings) error {
	if v.Months < 0 || v.Months > MaxMonths {
		return fault.Field("months", "months_out_of_range", "Between 1 and 120 months, or 0 for the platform's default.")
	}
	ctx = audit.Note(ctx, func(a *audit.Act) {
		a.Detail = fmt.Sprintf("months: %d; gather: %t; notes: %t", v.Months, v.Gather, v.Notes)
	})
	return s.c.Store.SetPrivacySettings(ctx, t, v, s.c.Now())
}

// DefaultMonths is what holds for tenants that set nothing.
func (s *Service) DefaultMonths() int { return s.c.Months }

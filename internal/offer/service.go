package offer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Tenants tells who makes an offer; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}

// Mail tells what became of messages; insight.Store does.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
}

// Brands tells in which colours a tenant writes, and with which logo; *stationery.Service
// does.
type Brands interface {
	Brand(ctx context.Context, t tenant.ID) (blocks.Brand, error)
	Logo(ctx context.Context, t tenant.ID) (stationery.Logo, error)
}

// Config of a Service. Fields without a stated default are needed.
type Config struct {
	Store    Store
	Tenants  Tenants
	Brands   Brands // nil: pages have our colours
	Acceptor ingest.Acceptor
	Mail     Mail
	Keeper   *seal.Keeper
	Catalog  *i18n.Catalog
	// Watch records what recipients look at.
	Watch Watch
	// PublicURL is the origin of the pages of recipients.
	PublicURL string
	Zone      *time.Location // of tenants without one; nil: UTC
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

// Service keeps offers. It is safe for concurrent use.
type Service struct {
	c   Config
	key []byte
	// hashing bounds how many passwords are hashed at once: each takes 19 MiB.
	hashing chan struct{}
	// drawing bounds how many pictures are decoded at once.
	drawing chan struct{}
}

// Door is how ingest calls where these mails come from.
const Door = "offer"

// New makes a Service.
func New(c Config) (*Service, error) {
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("offers: public URL %q is not an origin", c.PublicURL)
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, key: c.Keeper.MACKey("offer recipient"), hashing: make(chan struct{}, 2), drawing: make(chan struct{}, 2)}, nil
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// short makes the identifier of a part of an offer; offers have few enough of them.
func short() string { return strings.ToLower(rand.Text()[:12]) }

// numbered gives new units and links their identifiers.
func (c *Content) numbered() {
	for i := range c.Units {
		if c.Units[i].ID == "" {
			c.Units[i].ID = short()
		}
		if c.Units[i].State == "" {
			c.Units[i].State = Free
		}
	}
	for i := range c.Links {
		if c.Links[i].ID == "" {
			c.Links[i].ID = short()
		}
	}
}

// Create keeps a new draft. Files are added to it afterwards. Errors of the input are
// Invalid at its fields, as they are called in JSON.
func (s *Service) Create(ctx context.Context, t tenant.ID, actor string, c Content) (Offer, error) {
	if c.Files = nil; c.From == "" {
		said, err := s.c.Tenants.Profile(ctx, t)
		if err != nil {
			return Offer{}, fmt.Errorf("create offer: %w", err)
		}
		if said.From.Local != "" {
			c.From = said.From.String()
		}
	}
	c.numbered()
	if err := c.check(); err != nil {
		return Offer{}, err
	}
	now := s.now()
	o := Offer{ID: id.New[Kind](now), Tenant: t, State: Draft, Content: c, Creator: actor, CreatedAt: now, UpdatedAt: now}
	return o, s.save(ctx, o)
}

func (s *Service) save(ctx context.Context, o Offer) error {
	if err := s.c.Store.SaveOffer(ctx, o, MaxOffers); err != nil {
		return fmt.Errorf("save offer: %w", err)
	}
	return nil
}

// Save replaces the draft of an offer but for its files. Errors are those of Create.
func (s *Service) Save(ctx context.Context, t tenant.ID, o ID, c Content) (Offer, error) {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return Offer{}, err
	}
	c.Files = v.Content.Files
	c.numbered()
	if err := c.check(); err != nil {
		return Offer{}, err
	}
	v.Content, v.UpdatedAt = c, s.now()
	return v, s.save(ctx, v)
}

// Offer returns one; NotFound CodeUnknown.
func (s *Service) Offer(ctx context.Context, t tenant.ID, o ID) (Offer, error) {
	v, err := s.c.Store.Offer(ctx, t, o)
	if err != nil {
		return Offer{}, fmt.Errorf("read offer: %w", err)
	}
	return v, nil
}

// Offers lists all of a tenant from new to old.
func (s *Service) Offers(ctx context.Context, t tenant.ID) ([]Row, error) {
	list, err := s.c.Store.Offers(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list offers: %w", err)
	}
	return list, nil
}

// Version returns a published content.
func (s *Service) Version(ctx context.Context, t tenant.ID, o ID, number int) (Version, error) {
	v, err := s.c.Store.OfferVersion(ctx, t, o, number)
	if err != nil {
		return Version{}, fmt.Errorf("read version of offer: %w", err)
	}
	return v, nil
}

// Publish makes the draft the next version, which all recipients see from now on; an ended
// offer is open again. Errors of what is missing are Invalid at the fields of the content.
func (s *Service) Publish(ctx context.Context, t tenant.ID, o ID, actor string) (Offer, error) {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return Offer{}, err
	}
	if err := v.Content.ready(); err != nil {
		return Offer{}, err
	}
	now := s.now()
	v.State, v.Version, v.PublishedAt, v.UpdatedAt = Published, v.Version+1, now, now
	if err := s.c.Store.PublishOffer(ctx, v, Version{Number: v.Version, Content: v.Content, Actor: actor, At: now}); err != nil {
		return Offer{}, fmt.Errorf("publish offer: %w", err)
	}
	return v, nil
}

// End closes the pages of all recipients but for the way to withdraw; proofs stay.
func (s *Service) End(ctx context.Context, t tenant.ID, o ID) error {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return err
	}
	if v.State != Published {
		return fault.New(fault.Conflict, CodeState, "Only a published offer can be ended.")
	}
	v.State = Ended
	return s.save(ctx, v)
}

// ProofsKept is how long an offer with confirmations or withdrawals cannot be deleted:
// what they prove falls under the limitation of three years that begins when the year
// ends (§§ 195, 199 BGB).
const ProofsKept = 4 * 366 * 24 * time.Hour

// Drop deletes an offer with all that belongs to it. Conflict CodeProofs while there are
// proofs that must be kept.
func (s *Service) Drop(ctx context.Context, t tenant.ID, o ID) error {
	if err := s.c.Store.DropOffer(ctx, t, o, s.now().Add(-ProofsKept)); err != nil {
		return fmt.Errorf("delete offer: %w", err)
	}
	return nil
}

// Duplicate makes a new draft of the draft of another, with its files; title is its new
// title.
func (s *Service) Duplicate(ctx context.Context, t tenant.ID, o ID, actor, title string) (Offer, error) {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return Offer{}, err
	}
	now := s.now()
	fresh := Offer{ID: id.New[Kind](now), Tenant: t, State: Draft, Content: v.Content, Creator: actor, CreatedAt: now, UpdatedAt: now}
	fresh.Content.Title = firstRunes(title, MaxTitle)
	if err := s.save(ctx, fresh); err != nil {
		return Offer{}, err
	}
	var errs []error
	for _, f := range v.Content.Files {
		errs = append(errs, s.c.Store.CopyOfferParts(ctx, t, o, fresh.ID, f.SHA256))
	}
	if err := errors.Join(errs...); err != nil {
		return Offer{}, fmt.Errorf("copy files of offer: %w", err)
	}
	return fresh, nil
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// voice says things to the customers of a tenant.
type voice struct {
	i18n.Clock
	catalog *i18n.Catalog
	tone    i18n.Tone
}

func (s *Service) voice(t tenant.Tenant, lang i18n.Lang, at time.Time) voice {
	if !lang.Valid() {
		lang = i18n.German
	}
	return voice{Clock: i18n.Clock{Lang: lang, Zone: t.Zone(s.c.Zone), Now: at}, catalog: s.c.Catalog, tone: i18n.Tone(t.CustomerTone)}
}

func (v voice) say(key string, args i18n.Args) string {
	return v.catalog.Text(v.Lang, v.tone, key, args)
}

// Package diagnosis answers the question an office hears most: "the customer says
// nothing arrived". From an address, a name, an order number, a subject or a
// Message-ID it finds the deliveries that can be meant and says of each in a sentence
// what became of it, with the proof: who took it, when, with which words, how
// protected, from which of our addresses.
//
// It stands behind the journey (floor 3): it reads messages and facts and changes none
// of them. What it makes itself are texts to pass on, delivery proofs (PDF, signed
// JSON), links to a status page for one delivery, and new messages, which go through
// ingest like any other. It guesses nothing that no fact supports: in which folder a
// mail lies, and whether it was read, no sender can know.
package diagnosis

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Mail reads messages and their facts; insight.Store does.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
	Messages(ctx context.Context, t tenant.ID, f insight.Filter) (insight.Page, error)
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
}

// Store finds deliveries by what people know of them, through indexes alone, however
// old they are, and keeps the links to status pages. Every method is one whole
// transaction.
type Store interface {
	// DeliveriesTo returns the newest deliveries to an address, whatever its case, from
	// new to old, at most limit.
	DeliveriesTo(ctx context.Context, t tenant.ID, a message.Address, limit int) ([]message.DeliveryID, error)
	// Addressees returns addresses with a local part, whatever its case, that the tenant
	// sent to, in the order of their domains, at most limit, each with its newest delivery.
	Addressees(ctx context.Context, t tenant.ID, local string, limit int) ([]Addressee, error)
	// Referring returns messages of which a metadata value is the given one, whatever its
	// case, from new to old, at most limit.
	Referring(ctx context.Context, t tenant.ID, value string, limit int) ([]message.ID, error)

	// AddStatusLink stores a link and forgets those of the tenant that had expired when it
	// was made.
	AddStatusLink(ctx context.Context, l StatusLink) error
	// StatusLink returns a link that was neither revoked nor forgotten; else it is
	// *fault.Error NotFound "status_link_not_found".
	StatusLink(ctx context.Context, t tenant.ID, l LinkID) (StatusLink, error)
	// StatusLinks returns the links to a delivery that were not revoked, from new to old.
	StatusLinks(ctx context.Context, t tenant.ID, d message.DeliveryID) ([]StatusLink, error)
	// RevokeStatusLinks takes back all links to a delivery and returns how many there were.
	RevokeStatusLinks(ctx context.Context, t tenant.ID, d message.DeliveryID) (int, error)
}

// Addressee is an address that the tenant sent to.
type Addressee struct {
	Address message.Address // in lower case
	Last    message.DeliveryID
}

// Bodies reads messages in clear; *spool.Spool does. What is no longer kept is
// spool.ErrGone.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Tenants tells a tenant's name, how it speaks to its customers and where they reach it;
// *store.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}

// Reasons explains bounce classes; *bounce.Table does. An unknown class is "".
type Reasons interface {
	Sentence(class bounce.Class, lang string) string
}

// Config is what a Service stands on. Fields without a stated default are needed.
type Config struct {
	Store    Store
	Mail     Mail
	Bodies   Bodies
	Tenants  Tenants
	Acceptor ingest.Acceptor
	Catalog  *i18n.Catalog
	Reasons  Reasons
	// Keeper holds the root key. From it come the key that signs proofs and the one that
	// authenticates links, so that all nodes have the same.
	Keeper *seal.Keeper
	// PublicURL is the origin of status pages and of the published key.
	PublicURL string
	// LinkLife is how long a link to a status page is valid; 0: 30 days.
	LinkLife time.Duration
	Zone     *time.Location // of all times; nil: UTC
	Now      func() time.Time
}

// Service answers. It is safe for concurrent use.
type Service struct {
	Config
	guides  []Guide
	linkKey []byte
	signer  ed25519.PrivateKey
}

// New makes a Service. An error is a mistake in the data that comes with the program.
func New(c Config) (*Service, error) {
	if c.Keeper == nil || c.Now == nil {
		return nil, errors.New("diagnosis: no keeper or no clock")
	}
	if c.LinkLife <= 0 {
		c.LinkLife = 30 * 24 * time.Hour
	}
	guides, err := loadGuides()
	if err != nil {
		return nil, fmt.Errorf("diagnosis: %w", err)
	}
	return &Service{
		Config: c, guides: guides, linkKey: c.Keeper.MACKey("status links"),
		signer: signerOf(c.Keeper),
	}, nil
}

// Voice is how a reader is spoken to.
type Voice struct {
	Lang i18n.Lang
	Tone i18n.Tone
}

func (s *Service) text(v Voice, key string, args i18n.Args) string {
	return s.Catalog.Text(v.Lang, v.Tone, key, args)
}

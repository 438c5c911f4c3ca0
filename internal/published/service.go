package published

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// Sources tells of the ways out; egress.Store does.
type Sources interface {
	Plan(ctx context.Context) (egress.Plan, error)
	Findings(ctx context.Context) ([]egress.Finding, error)
}

// Tenants tells the names and domains of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
}

// Mails writes to subscribers; *notice.Sender does.
type Mails interface {
	On() bool
	Send(ctx context.Context, l notice.Letter) error
}

// Config is what a Service stands on. Fields without a stated default are needed.
type Config struct {
	Store   Store
	Sources Sources
	Tenants Tenants
	Mails   Mails
	Catalog *i18n.Catalog
	// Signer has the key that delivery proofs are signed with, and the origin of the pages.
	Signer *diagnosis.Service
	Keeper *seal.Keeper
	// Resolver asks what is published, and for the hosts of webhooks.
	Resolver dns.Resolver
	// Dial connects webhooks to an address and refuses forbidden ones; egress.Guard.Web
	// has it. HTTPSPort is the only port it may be asked for; 0: 443.
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	HTTPSPort uint16
	// Transport carries webhooks; nil: one that dials with Dial and trusts the system's
	// authorities.
	Transport http.RoundTripper
	Name      string // of the platform
	Domain    string // under which the list stands in DNS
	SPFName   string // where the platform's own SPF record stands
	Zone      *time.Location
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

// Service keeps the lists. It is safe for concurrent use, on any number of nodes.
type Service struct {
	c      Config
	client *webhook.Client
	mac    []byte // of links
	hash   []byte // of targets
	wake   chan struct{}
}

// New makes a Service that does nothing yet.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sources == nil || c.Signer == nil || c.Keeper == nil || c.Now == nil || c.Mails == nil {
		return nil, errors.New("published addresses: a demanded part is missing from the configuration")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	s := &Service{c: c, mac: c.Keeper.MACKey("published links"), hash: hashKey(c.Keeper), wake: make(chan struct{}, 1)}
	s.client = webhook.NewClient(webhook.ClientConfig{Resolver: c.Resolver, Dial: c.Dial, Port: c.HTTPSPort, Transport: c.Transport})
	return s, nil
}

// hashKey is the key of hashOf.
func hashKey(k *seal.Keeper) []byte { return k.MACKey("published targets") }

const (
	// every is how often the plan is looked at, and tellings that are due.
	every = 15 * time.Second
	// confirmWithin is how long a wish that nobody confirms is kept.
	confirmWithin = 48 * time.Hour
)

// Wake makes Run look now: the plan was changed.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run keeps the lists up and tells subscribers, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.Turn(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Error("sending addresses not published", "err", err)
		}
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// Turn makes the editions that are due and tells what is to be told.
func (s *Service) Turn(ctx context.Context) error { return errors.Join(s.Refresh(ctx), s.Tell(ctx)) }

// Sweep forgets wishes that were not confirmed in time.
func Sweep(ctx context.Context, s Store, now time.Time) error {
	return s.DropUnconfirmed(ctx, now.Add(-confirmWithin))
}

// Refresh makes a new edition of each list that comes out otherwise than before.
func (s *Service) Refresh(ctx context.Context) error {
	plan, err := s.c.Sources.Plan(ctx)
	if err != nil {
		return fmt.Errorf("read sources: %w", err)
	}
	if len(plan.Sources) == 0 {
		return nil // no node ever served
	}
	findings, err := s.c.Sources.Findings(ctx)
	if err != nil {
		return fmt.Errorf("read findings: %w", err)
	}
	have, err := s.c.Store.EditionOwners(ctx)
	if err != nil {
		return fmt.Errorf("read owners: %w", err)
	}
	names, done := reverseNames(findings), map[tenant.ID]bool{}
	for _, owner := range append(owners(plan), have...) {
		if done[owner] {
			continue
		}
		done[owner] = true
		if err := s.refresh(ctx, plan, owner, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) refresh(ctx context.Context, plan egress.Plan, owner tenant.ID, names map[string]string) error {
	last, err := s.c.Store.Edition(ctx, owner)
	if err != nil && !notFound(err) {
		return fmt.Errorf("read edition: %w", err)
	}
	now := s.c.Now().UTC().Truncate(time.Second)
	e := Edition{Owner: owner, Version: last.Version + 1, At: now, Entries: Derive(plan, owner, names, last.Entries, now)}
	e.Changes = changes(last.Entries, e.Entries)
	if len(e.Changes) == 0 && last.Version > 0 {
		return nil
	}
	if last.Version == 0 {
		e.Changes = nil
	}
	added, err := s.c.Store.AddEdition(ctx, e)
	if err != nil {
		return fmt.Errorf("add edition: %w", err)
	}
	if added {
		s.c.Log.InfoContext(ctx, "list of sending addresses changed", "account", owner.String(), "version", e.Version, "changes", len(e.Changes))
	}
	return nil
}

func notFound(err error) bool { return fault.IsKind(err, fault.NotFound) }

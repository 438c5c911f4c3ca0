package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/dkim"
	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/genuine"
	"stafette/internal/ingest"
	"stafette/internal/ledger"
	"stafette/internal/pause"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

// base is what every command that touches data stands on.
type base struct {
	config   Config
	log      *slog.Logger
	keeper   *seal.Keeper
	store    *store.Store
	spool    *spool.Spool
	merger   *campaign.Merger
	hub      *event.Hub
	audience *audience.Service
	resolver *dns.Client
	tracking trackingParts
	// tellHalt tells a tenant's owners; nil in commands that serve nobody.
	approvals *approval.Service
	gate      *approval.Gate
	watch     *approval.Watch
	pauses    *pause.Service
	ledger    *ledger.Service
	tickets   *ticket.Service
	states    *lockBook
	// tellLimits writes about plans, pauses and tickets; nil where nobody can.
	tellLimits limitTeller
	// unlock lets an account send again whose appeal was granted; set with the doors.
	unlock func(ctx context.Context, t tenant.ID, reason string) error
	// tellApproval writes to an account about an approval; nil where nobody can.
	tellApproval func(ctx context.Context, told approval.Told) error
	tellHalt     func(ctx context.Context, h audience.Halt) error
	// fatal receives the error after which the process must not go on: a failed
	// flush leaves unknown what is on disk, and only a restart can tell.
	fatal chan error
}

// openBase opens data directory, root key, database and name server.
func openBase(ctx context.Context, c Config, log *slog.Logger) (*base, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	keeper, err := seal.Load(c.rootKey())
	if err != nil {
		return nil, err
	}
	b := &base{config: c, log: log, keeper: keeper, hub: event.NewHub(), fatal: make(chan error, 1)}
	hashKey := keeper.MACKey("suppressions")
	b.store, err = store.Open(ctx, store.Config{
		URL: c.Database.URL, DataDir: c.DataDir, Now: time.Now, Log: log,
		OnCommit: b.hub.Publish, Fatal: b.stop, Failpoint: failpoint(os.Environ()),
		HashKey: hashKey, OnSuppress: func(list []audience.Hash) { b.audience.Noted(list) },
	})
	if err != nil {
		return nil, err
	}
	// A node with another key could not sign, and what it took could nobody read.
	if err := b.store.Agree(ctx, "root key", hex.EncodeToString(keeper.MACKey("agreement")[:8])); err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	b.audience, err = audience.New(audience.Config{
		Store: b.store, Key: hashKey, Now: b.store.Now, Log: log,
		Waits: ingest.MaxAhead + time.Duration(c.Queue.Expiry),
		OnHalt: func(ctx context.Context, h audience.Halt) error {
			if b.tellHalt == nil {
				return nil
			}
			return b.tellHalt(ctx, h)
		},
	})
	if err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	if err := b.openApprovals(); err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	if b.tracking, err = b.newTracking(); err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	b.merger = b.newMerger()
	b.spool = spool.New(b.store.Archive(), keeper).Merging(b.merger)
	b.resolver = dns.New(dns.Config{Server: c.DNS.Server, TrustAD: c.trustAD(), Now: time.Now})
	return b, nil
}

// stop ends the process with the first fatal error.
func (b *base) stop(err error) {
	select {
	case b.fatal <- err:
	default:
	}
}

func (b *base) close() error { return errors.Join(b.store.Close()) }

// founder sets up tenants.
func (b *base) founder() *tenant.Founder {
	return tenant.NewFounder(tenant.FounderConfig{Store: b.store, Keeper: b.keeper, MakeKey: makeKey, Now: b.store.Now})
}

// checkPatience is how long a check of a domain waits for one answer: somebody waits
// for the page.
const checkPatience = 5 * time.Second

// registry sets up, checks and rotates sending domains.
func (b *base) registry() *tenant.Registry {
	c := b.config
	hosts := tenant.Hosts{Return: c.ReturnMail.Domain, Tracking: c.Domains.TrackingHost, SPF: c.Domains.SPF}
	address := c.Domains.ReportAddress
	if address == "" && c.ReturnMail.Listen != "" {
		address = "reports@" + c.ReturnMail.Domain
	}
	if local, host, ok := strings.Cut(address, "@"); ok {
		hosts.Reports = func(_ tenant.ID, d tenant.DomainID) string { return local + "+" + d.String() + "@" + host }
	}
	return tenant.NewRegistry(tenant.RegistryConfig{
		Store: b.store, Keeper: b.keeper, MakeKey: makeKey, Hosts: hosts, Now: b.store.Now, Log: b.log,
		Resolver: func() dns.Resolver {
			return dns.New(dns.Config{Server: c.DNS.Server, Timeout: checkPatience, Now: b.store.Now})
		},
		Grace: time.Duration(c.Domains.Grace), RotateEvery: time.Duration(c.Domains.RotateEvery),
	})
}

// makeKey speaks of algorithms in the words of the tenant's room.
func makeKey(a tenant.Algorithm) (der []byte, record string, err error) {
	return dkim.GenerateKey(dkim.Algorithm(a))
}

// acceptor is the one entrance; feed may be nil where no queue runs in this process.
func (b *base) acceptor(feed ingest.Feed) *ingest.Service {
	expiry := map[tenant.Stream]time.Duration{}
	for _, s := range tenant.Streams() {
		expiry[s] = time.Duration(b.config.Queue.Expiry)
	}
	return ingest.New(ingest.Config{
		Store: b.store, Tenants: b.store, Keeper: b.keeper, Feed: feed, Now: b.store.Now, Log: b.log, Expiry: expiry, Code: genuine.NewCoder(b.keeper).Code, Weaver: b.tracking.weaver, Merger: b.merger,
		Limits:    ingest.Limits{MaxSize: b.config.Limits.MessageSize, MaxRecipients: b.config.Limits.Recipients},
		Approvals: b.gate, FreeRecipients: b.config.Approval.FreeRecipients, Pattern: b.watch.Saw,
	})
}

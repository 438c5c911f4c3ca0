// Package account is what people do about accounts: who belongs to a tenant and to the
// platform, how they show who they are, and what staff may do for them. Invitations,
// passwords, second factors, passkeys, sign-in at an OpenID provider, sessions, API
// keys, locks, visits by support.
//
// It stands behind the journey (floor 3): doors call it, and it writes to people by
// notice. Every change ends the sessions that must not survive it, in the transaction
// that makes it, which also leaves the entry in the tenant's audit chain.
//
// It does not decide what a role may do or recognise who knocks (tenant), and keeps no
// mail.
package account

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Lifetimes of what is handed out.
const (
	InvitationLasts = 7 * 24 * time.Hour
	ResetLasts      = 30 * time.Minute
	VisitLasts      = 30 * time.Minute
	// ProofLasts is how long after a password, passkey or code the person may change what
	// protects the account without showing it again.
	ProofLasts   = 15 * time.Minute
	ceremonyLast = 10 * time.Minute
)

// Config is what a Service needs. Fields without a stated default are demanded.
type Config struct {
	Store    Store
	Accounts *tenant.Accounts
	Founder  *tenant.Founder
	Keeper   *seal.Keeper
	Notices  *notice.Sender
	Catalog  *i18n.Catalog
	// PublicURL is the origin of the office.
	PublicURL string
	Now       func() time.Time
	Zone      *time.Location // of times in letters; nil: UTC
	// OpenID is the provider people may sign in at; nil: there is none.
	OpenID *OpenID
	Log    *slog.Logger // nil: discard
}

// Service does the work. It is safe for concurrent use. Its Authenticator methods are
// those of tenant.Accounts with the record, the letters and the second factor added.
type Service struct {
	*tenant.Accounts
	c        Config
	host     string
	passkeys *webauthn.WebAuthn // nil where the office has no name
	later    chan func(context.Context)
}

var _ tenant.Authenticator = (*Service)(nil)

// New makes a Service. An error means that its configuration cannot work.
func New(c Config) (*Service, error) {
	switch {
	case c.Store == nil, c.Accounts == nil, c.Founder == nil, c.Keeper == nil, c.Notices == nil, c.Catalog == nil, c.Now == nil:
		return nil, errors.New("accounts: a demanded part is missing from the configuration")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("accounts: the public URL is not an origin")
	}
	s := &Service{Accounts: c.Accounts, c: c, host: public.Hostname(), later: make(chan func(context.Context), 200)}
	// WebAuthn binds passkeys to a name; an address is none.
	if net.ParseIP(s.host) == nil {
		s.passkeys, err = webauthn.New(&webauthn.Config{
			RPID: s.host, RPDisplayName: "Stafette", RPOrigins: []string{public.Scheme + "://" + public.Host},
			AttestationPreference: protocol.PreferNoAttestation,
			AuthenticatorSelection: protocol.AuthenticatorSelection{
				ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
			},
		})
		if err != nil {
			return nil, errors.Join(errors.New("accounts: passkeys"), err)
		}
	}
	return s, nil
}

// Run does what must not delay an answer, until ctx ends: whether an address is known
// must not be told by the time an answer takes.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case do := <-s.later:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// afterwards leaves work to Run. If there is too much already, it is dropped: whoever
// floods us waits for mail in vain, nobody else does for long.
func (s *Service) afterwards(do func(context.Context)) {
	select {
	case s.later <- do:
	default:
		s.c.Log.Warn("work on accounts dropped: too much at once")
	}
}

// now is the instant of one change.
func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// note names the target and the detail of the act that the door has begun.
func note(ctx context.Context, t tenant.ID, target, detail string) context.Context {
	return audit.Note(ctx, func(a *audit.Act) {
		a.Tenant, a.Detail = t, detail
		if target != "" {
			a.Target = target
		}
	})
}

// act begins an act of this room's own, where no door named one.
func act(ctx context.Context, who tenant.User, action, remote string) context.Context {
	return audit.With(ctx, audit.Act{Tenant: who.Tenant, Actor: who.ID.String(), Door: "office", Action: action, Network: tenant.Network(remote)})
}

// writable reports whether mail can be meant for an address (RFC 2606, 2).
func writable(email string) bool { return !strings.HasSuffix(strings.ToLower(email), ".invalid") }

// missing is the refusal for what is not there or another tenant's.
func missing(what string) error {
	return fault.New(fault.NotFound, what+"_not_found", "There is no such thing here.")
}

package tenant

import (
	"context"
	"time"
)

// Store keeps this room's things. Every method is one whole transaction. Things
// not found, or of another tenant, are *fault.Error of Kind NotFound with codes
// such as "tenant_not_found"; a name already taken is Kind Conflict.
type Store interface {
	// Found creates a tenant with its first user, keys and domain in one commit.
	Found(ctx context.Context, f Founding) error
	// Tenant returns one tenant.
	Tenant(ctx context.Context, t ID) (Tenant, error)
	// Tenants returns up to limit tenants with an ID above after, in order.
	Tenants(ctx context.Context, after ID, limit int) ([]Tenant, error)
	// SetState locks or unlocks a tenant.
	SetState(ctx context.Context, t ID, s State, reason string) error

	// UserByEmail finds a user for sign-in; addresses are unique on the platform
	// and compared in lower case.
	UserByEmail(ctx context.Context, email string) (User, error)
	// User returns a user of the tenant (zero ID: of the platform).
	User(ctx context.Context, t ID, u UserID) (User, error)
	// SetPassword replaces the hash and ends all sessions of the user.
	SetPassword(ctx context.Context, t ID, u UserID, hash string) error

	// OpenSession stores a new session.
	OpenSession(ctx context.Context, s Session) error
	// Session returns the session by its hash if it has not expired at now.
	Session(ctx context.Context, hash [32]byte, now time.Time) (Session, error)
	// TouchSession records that the session was used.
	TouchSession(ctx context.Context, hash [32]byte, seen time.Time) error
	// CloseSession ends a session; ending one that is gone is no error.
	CloseSession(ctx context.Context, hash [32]byte) error

	// AddKey stores a new API key.
	AddKey(ctx context.Context, k Key) error
	// KeyByHash finds a key, revoked ones too.
	KeyByHash(ctx context.Context, hash [32]byte) (Key, error)
	// Keys lists the keys of a tenant, newest first.
	Keys(ctx context.Context, t ID) ([]Key, error)
	// RevokeKey makes a key invalid from at on.
	RevokeKey(ctx context.Context, t ID, k KeyID, at time.Time) error
	// TouchKey records that a key was used.
	TouchKey(ctx context.Context, t ID, k KeyID, at time.Time) error

	// AddDomain stores a domain with its DKIM keys.
	AddDomain(ctx context.Context, d Domain, keys []DKIMKey) error
	// Domains lists the tenant's domains by name, without their Findings.
	Domains(ctx context.Context, t ID) ([]Domain, error)
	// SetDomainState records the outcome of a check at the given time.
	SetDomainState(ctx context.Context, t ID, d DomainID, s DomainState, checked time.Time) error
	// DKIMKeys lists the keys of the tenant's domain of that name, active or not.
	DKIMKeys(ctx context.Context, t ID, domain string) ([]DKIMKey, error)
}

// Founding is everything a new tenant starts with. With a zero Tenant.ID only the
// Users and Keys are stored: staff of the platform.
type Founding struct {
	Tenant   Tenant
	Users    []User
	Keys     []Key
	Domains  []Domain
	DKIMKeys []DKIMKey
}

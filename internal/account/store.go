package account

import (
	"context"
	"time"

	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// InvitationKind is the id.Kind of invitations.
type InvitationKind struct{}

// Prefix implements id.Kind.
func (InvitationKind) Prefix() string { return "inv" }

// InvitationID names an invitation.
type InvitationID = id.Of[InvitationKind]

// Invitation lets one person join a tenant, or the platform where Tenant is zero.
type Invitation struct {
	ID        InvitationID
	Tenant    tenant.ID
	Hash      [32]byte // of the token in the link
	Email     string   // lower case
	Name      string
	Role      tenant.Role
	InvitedBy tenant.UserID
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Open reports whether it can still be accepted.
func (i Invitation) Open(now time.Time) bool { return now.Before(i.ExpiresAt) }

// Ceremony is something begun that whoever brings its token may finish, once.
type Ceremony struct {
	Hash      [32]byte // of the token
	Kind      string
	Tenant    tenant.ID
	User      tenant.UserID // zero where nobody is known yet
	Sealed    []byte
	ExpiresAt time.Time
}

// Passkey is a key pair of a person's device.
type Passkey struct {
	ID         []byte
	Tenant     tenant.ID
	User       tenant.UserID
	Name       string
	Credential []byte // JSON of webauthn.Credential; holds no secret
	CreatedAt  time.Time
	UsedAt     time.Time // zero if never
}

// Factors are a person's second factors.
type Factors struct {
	TOTP     []byte // sealed secret; nil: none
	TOTPStep int64  // of the last code used
	Passkeys []Passkey
	Codes    int // recovery codes left
}

// Any reports whether there is one.
func (f Factors) Any() bool { return f.TOTP != nil || len(f.Passkeys) > 0 }

// UserChange is what becomes of a user. Sessions end with it, and with Disable the keys
// the person made.
type UserChange struct {
	Role    tenant.Role // "": stays
	Disable *bool       // nil: stays
	At      time.Time
	Letters []notice.Due
}

// Store is what accounts need of the database. Every method is one transaction, writes
// the act that its context owes, and keeps the letters given to it. Things not there,
// or of another tenant, are NotFound with codes such as "user_not_found".
type Store interface {
	People
	Secrets
	Keys
	Offices
}

// People keeps users and invitations.
type People interface {
	UserByEmail(ctx context.Context, email string) (tenant.User, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	// Users lists the users of a tenant by name (zero: staff).
	Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
	// ChangeUser changes role or state and ends the person's sessions. Conflict
	// "last_owner" if nobody would be left who manages the tenant or the platform.
	ChangeUser(ctx context.Context, t tenant.ID, u tenant.UserID, c UserChange) error
	// RemoveUser forgets a user with factors and sessions and revokes the keys the person
	// made. Conflict as ChangeUser.
	RemoveUser(ctx context.Context, t tenant.ID, u tenant.UserID, at time.Time) error

	Invitations(ctx context.Context, t tenant.ID) ([]Invitation, error)
	// PutInvitation adds an invitation, or replaces the one with its ID. Conflict
	// "email_taken" if the address has a user, "invitation_exists" if another invitation.
	PutInvitation(ctx context.Context, i Invitation, letters []notice.Due) error
	RemoveInvitation(ctx context.Context, t tenant.ID, i InvitationID) error
	// InvitationByHash finds an invitation by its token's hash, whoever it is for.
	InvitationByHash(ctx context.Context, hash [32]byte) (Invitation, error)
	// AcceptInvitation replaces the invitation by the user. NotFound
	// "invitation_not_found" if it is gone; Conflict "email_taken".
	AcceptInvitation(ctx context.Context, i Invitation, u tenant.User) error
}

// Secrets keeps what people show who they are with, and their sessions.
type Secrets interface {
	// NewPassword replaces the hash and ends all sessions of the person.
	NewPassword(ctx context.Context, t tenant.ID, u tenant.UserID, hash string, letters []notice.Due) error
	// Sessions lists a person's open sessions, newest first.
	Sessions(ctx context.Context, t tenant.ID, u tenant.UserID, now time.Time) ([]tenant.Session, error)
	// CloseSessions ends the person's sessions of the hashes; with keep, all but those.
	CloseSessions(ctx context.Context, t tenant.ID, u tenant.UserID, hashes [][32]byte, keep bool) error
	CloseSession(ctx context.Context, hash [32]byte) error
	// ProveSession records that the person has shown a secret again.
	ProveSession(ctx context.Context, hash [32]byte, at time.Time) error
	// SetVisit lets a session of staff look into a tenant; the zero Visit ends it.
	SetVisit(ctx context.Context, hash [32]byte, v tenant.Visit, letters []notice.Due) error
	// NoteDevice remembers a kind of device. new says that the person had signed in
	// before, but never from this one; only then the letters are kept.
	NoteDevice(ctx context.Context, t tenant.ID, u tenant.UserID, hash [32]byte, at time.Time, letters []notice.Due) (fresh bool, err error)

	PutCeremony(ctx context.Context, c Ceremony) error
	// TakeCeremony removes and returns a ceremony of the kind that has not expired:
	// NotFound "ceremony_not_found" otherwise.
	TakeCeremony(ctx context.Context, kind string, hash [32]byte, now time.Time) (Ceremony, error)
	// Ceremony is TakeCeremony without removing it.
	Ceremony(ctx context.Context, kind string, hash [32]byte, now time.Time) (Ceremony, error)

	Factors(ctx context.Context, t tenant.ID, u tenant.UserID) (Factors, error)
	// SetTOTP keeps a secret (nil: takes it away); codes, if not nil, replace the recovery
	// codes. Other sessions than keep end. The person is guarded while a factor is left.
	SetTOTP(ctx context.Context, t tenant.ID, u tenant.UserID, sealed []byte, step int64, codes [][32]byte, keep [32]byte, letters []notice.Due) error
	// UseTOTP moves the last step forward: Conflict "code_used" if it is not later.
	UseTOTP(ctx context.Context, t tenant.ID, u tenant.UserID, step int64) error
	// SetCodes replaces the recovery codes.
	SetCodes(ctx context.Context, t tenant.ID, u tenant.UserID, codes [][32]byte, letters []notice.Due) error
	// UseCode marks a code as used: NotFound "code_not_found" if it is none, or was.
	UseCode(ctx context.Context, t tenant.ID, u tenant.UserID, code [32]byte, at time.Time) error
	// AddPasskey keeps a passkey; as SetTOTP otherwise. Conflict "passkey_exists".
	AddPasskey(ctx context.Context, p Passkey, codes [][32]byte, keep [32]byte, letters []notice.Due) error
	RemovePasskey(ctx context.Context, t tenant.ID, u tenant.UserID, id []byte, keep [32]byte, letters []notice.Due) error
	// PasskeyByID finds a passkey, whoever's.
	PasskeyByID(ctx context.Context, id []byte) (Passkey, error)
	// UsePasskey stores the credential after a sign-in.
	UsePasskey(ctx context.Context, p Passkey) error
	// UserBySubject finds a user by the name at the OpenID provider.
	UserBySubject(ctx context.Context, subject string) (tenant.User, error)
	// SetSubject ties a user to that name: Conflict "subject_taken".
	SetSubject(ctx context.Context, t tenant.ID, u tenant.UserID, subject string) error
}

// Keys keeps API keys.
type Keys interface {
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
	// IssueKey is tenant.Store.AddKey with letters.
	IssueKey(ctx context.Context, k tenant.Key, letters []notice.Due) error
	RevokeKey(ctx context.Context, t tenant.ID, k tenant.KeyID, at time.Time) error
}

// Offices keeps tenants as staff see them.
type Offices interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	// FindTenants lists tenants by name whose name or a domain contains text, after a
	// name and its ID.
	FindTenants(ctx context.Context, text string, limit int) ([]tenant.Tenant, error)
	// LockTenant locks or unlocks a tenant. A lock ends the sessions of all its people.
	LockTenant(ctx context.Context, t tenant.ID, s tenant.State, reason string, letters []notice.Due) error
	// Profile is what a tenant says of itself; the zero Profile if it said nothing.
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
	// SaveTenant stores Name, Locale, tones, TimeZone and DailyQuota, and the profile.
	SaveTenant(ctx context.Context, t tenant.Tenant, p tenant.Profile) error
	// Domains lists the tenant's sending domains.
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
}

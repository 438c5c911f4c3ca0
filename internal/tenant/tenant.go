// Package tenant knows who may send: tenants, their users and sessions, API keys,
// sending domains with their DKIM keys, and streams.
//
// It is floor 1: it decides who somebody is and what a domain belongs to. It does
// not decide whether a message may go (ingest) and keeps no mail.
package tenant

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"stafette/internal/id"
)

// Identifier kinds of this room.
type (
	// Kind is the id.Kind of tenants.
	Kind struct{}
	// UserKind is the id.Kind of users.
	UserKind struct{}
	// KeyKind is the id.Kind of API keys.
	KeyKind struct{}
	// DomainKind is the id.Kind of sending domains.
	DomainKind struct{}
	// DKIMKeyKind is the id.Kind of DKIM keys.
	DKIMKeyKind struct{}
	// DomainFactKind is the id.Kind of facts about domains.
	DomainFactKind struct{}
)

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "ten" }

// Prefix implements id.Kind.
func (UserKind) Prefix() string { return "usr" }

// Prefix implements id.Kind.
func (KeyKind) Prefix() string { return "key" }

// Prefix implements id.Kind.
func (DomainKind) Prefix() string { return "dom" }

// Prefix implements id.Kind.
func (DKIMKeyKind) Prefix() string { return "dkm" }

// Prefix implements id.Kind.
func (DomainFactKind) Prefix() string { return "dmf" }

// Identifiers of this room's things.
type (
	// ID names a tenant. The zero ID is the platform itself.
	ID = id.Of[Kind]
	// UserID names a user.
	UserID = id.Of[UserKind]
	// KeyID names an API key; it is also the SMTP user name.
	KeyID = id.Of[KeyKind]
	// DomainID names a sending domain.
	DomainID = id.Of[DomainKind]
	// DKIMKeyID names a DKIM key.
	DKIMKeyID = id.Of[DKIMKeyKind]
	// DomainFactID names a fact about a domain.
	DomainFactID = id.Of[DomainFactKind]
)

// State says whether a tenant may send.
type State string

// The states of a tenant.
const (
	Active State = "active"
	Locked State = "locked"
)

// ReasonLocked is the reason of deliveries that are held because their tenant is locked;
// they go on when it no longer is.
const ReasonLocked = "tenant_locked"

// Tone is how a text addresses its reader.
type Tone string

// The tones. The tenant has one towards its staff and one towards its customers.
const (
	Sie Tone = "sie"
	Du  Tone = "du"
)

// Tenant is a business that sends.
type Tenant struct {
	ID           ID
	Name         string
	State        State
	LockReason   string
	Locale       string // "de" or "en": language of the office where a user has no own choice
	OfficeTone   Tone
	CustomerTone Tone
	TimeZone     string // of times on pages and in letters, a name of the tz database; "" is the platform's
	DailyQuota   int64  // deliveries per UTC day; 0 means no limit
	Metered      bool   // has a plan, to which what it sends is charged (package ledger)
	CreatedAt    time.Time
	// NoFailureReports: senders of SMTP submission who do not say what they want to be
	// told by mail (RFC 3461) are told nothing. By default they are told of failures.
	NoFailureReports bool
	// VisitedUntil is until when staff may look into the office; zero if nobody does.
	VisitedUntil time.Time
}

// Stream is a category of mail with its own From, pool and suppression scope.
type Stream string

// The streams every tenant has.
const (
	Transactional Stream = "transactional"
	Lead          Stream = "lead"
	Reminder      Stream = "reminder"
	Newsletter    Stream = "newsletter"
	System        Stream = "system"
)

// Streams lists all streams, urgent ones first.
func Streams() []Stream { return []Stream{Transactional, Lead, System, Reminder, Newsletter} }

// Valid reports whether s is a stream.
func (s Stream) Valid() bool {
	switch s {
	case Transactional, Lead, Reminder, Newsletter, System:
		return true
	}
	return false
}

// Urgency orders streams in every queue: 0 goes before 1 goes before 2.
func (s Stream) Urgency() int {
	switch s {
	case Newsletter:
		return 2
	case Reminder:
		return 1
	}
	return 0
}

// DomainState says how far a sending domain is set up.
type DomainState string

// The states of a domain. Only Verified, Grace and Trusted domains may be used in From.
const (
	Pending  DomainState = "pending"  // the records it needs were never all there
	Verified DomainState = "verified" // they are
	Grace    DomainState = "grace"    // they were, and have vanished; usable until GraceUntil
	Lapsed   DomainState = "lapsed"   // they have been gone for longer than that
	Trusted  DomainState = "trusted"  // an operator vouches for it, whatever DNS says
)

// Usable reports whether a domain in this state may stand in From.
func (s DomainState) Usable() bool { return s == Verified || s == Grace || s == Trusted }

// Domain is a sending domain of one tenant. A name belongs to at most one tenant
// in a usable state.
type Domain struct {
	ID         DomainID
	Tenant     ID
	Name       string // A-labels, lower case
	State      DomainState
	GraceUntil time.Time // of Grace; otherwise zero
	CheckedAt  time.Time // last DNS check that got an answer; zero if never
	Findings   []Finding // of that check; nil if never, and in lists
	CreatedAt  time.Time
}

// Usable reports whether the domain may stand in From.
func (d Domain) Usable() bool { return d.State.Usable() }

// Algorithm is a DKIM signature algorithm (RFC 6376, RFC 8463).
type Algorithm string

// The DKIM algorithms.
const (
	RSA     Algorithm = "rsa"     // rsa-sha256 with 2048 bits
	Ed25519 Algorithm = "ed25519" // ed25519-sha256
)

// DKIMKey is a signing key of a domain.
type DKIMKey struct {
	ID         DKIMKeyID
	Tenant     ID
	Domain     DomainID
	DomainName string
	Selector   string
	Algorithm  Algorithm
	Sealed     []byte // PKCS #8 DER, sealed in the context "dkim/" + ID
	Record     string // TXT value to publish at Selector._domainkey.DomainName
	Active     bool   // signs new mail
	CreatedAt  time.Time
	RetiredAt  time.Time // when it ceased to sign; zero if it has not, or not begun
}

// Waiting reports whether the key is to sign once its record is published.
func (k DKIMKey) Waiting() bool { return !k.Active && k.RetiredAt.IsZero() }

// Role is what a user may do; see Can.
type Role string

// The roles. The first four belong to tenants, the rest to the platform.
const (
	Owner     Role = "owner"
	Office    Role = "office"
	Developer Role = "developer"
	ReadOnly  Role = "read_only"
	Support   Role = "support"
	Reviewer  Role = "reviewer"
	Operator  Role = "operator"
)

// User is a person who signs in.
type User struct {
	ID           UserID
	Tenant       ID // zero for staff of the platform
	Email        string
	Name         string
	PasswordHash string // argon2id in PHC form
	Role         Role
	Locale       string // "de", "en" or "" for the tenant's
	CreatedAt    time.Time
	DisabledAt   time.Time // zero if enabled
	// Guarded: the password alone does not let the person in, a second factor must
	// follow.
	Guarded bool
}

// Session is a signed-in browser. The cookie holds a random token, the store
// only its SHA-256.
type Session struct {
	Hash      [32]byte
	User      UserID
	Tenant    ID
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // absolute end
	Device    string    // kind of program and system, "Firefox · Windows"; never the whole name it gave
	Network   string    // the /24 (IPv4) or /48 (IPv6) it was opened from, never the address
	// Pending: the password was right and the second factor has not followed yet. Such a
	// session identifies nobody.
	Pending bool
	// ProvedAt is when the person last showed password, passkey or code in this session.
	ProvedAt time.Time
	// Visit is the tenant that staff look into; zero if they do not.
	Visit Visit
}

// Handle names the session where its owner can end it, without being its secret.
func (s Session) Handle() string {
	sum := sha256.Sum256(s.Hash[:])
	return hex.EncodeToString(sum[:12])
}

// Visit is staff's look into a tenant's office, to help: read only, for a short time,
// and told to the tenant.
type Visit struct {
	Tenant ID
	Reason string
	Since  time.Time
	Until  time.Time
}

// On reports whether the visit lasts.
func (v Visit) On(now time.Time) bool { return !v.Tenant.IsZero() && now.Before(v.Until) }

// Scope is what an API key may do.
type Scope string

// The scopes of API keys.
const (
	ScopeSend  Scope = "send"  // submit mail, over HTTP and SMTP
	ScopeRead  Scope = "read"  // read messages and their status
	ScopeAdmin Scope = "admin" // change settings of the tenant
)

// Key is an API key. Its text is "stf_", 43 base64url characters and a checksum, by
// which scanners of published code find it, shown once; the store keeps only the
// SHA-256.
type Key struct {
	ID         KeyID
	Tenant     ID // zero: a key of the platform's operator
	Name       string
	Hint       string // the first 8 characters of the text, to recognise it by
	Hash       [32]byte
	Scopes     []Scope
	CreatedAt  time.Time
	LastUsedAt time.Time // to the minute; zero if never
	RevokedAt  time.Time // zero if valid
	ExpiresAt  time.Time // zero if it does not expire
	// Networks are those the key may be used from; none: from everywhere.
	Networks []netip.Prefix
	// DailyCap is how many deliveries a UTC day it may send, over all nodes; 0: as many as
	// the tenant.
	DailyCap int64
	// CreatedBy is the text of the user who made it; "" for the first ones.
	CreatedBy string
}

// From reports whether the key may be used from a remote address ("ip" or "ip:port").
func (k Key) From(remote string) bool {
	if len(k.Networks) == 0 {
		return true
	}
	addr, ok := remoteAddr(remote)
	if !ok {
		return false
	}
	for _, n := range k.Networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// Allows reports whether the key is valid and has the scope.
func (k Key) Allows(s Scope) bool {
	if !k.RevokedAt.IsZero() {
		return false
	}
	for _, have := range k.Scopes {
		if have == s {
			return true
		}
	}
	return false
}

// Package audience knows whom a tenant writes to (Contacts), and who may not be written
// to (Service): the suppressions of each tenant, where they come from, how long they
// last and how they are lifted; and it tells of an address, without asking its server,
// whether mail to it can arrive.
//
// It is floor 1. Acceptance asks for suppressions through its own store interface;
// delivery asks again (Service.Check) at the moment of sending, and reports outcomes
// that may count against an address (Service.Strike). The intake of return mail
// reports Bounced, Complained and Unsubscribed. The package sends nothing, reads no
// mail and knows nobody's consent.
package audience

import (
	"slices"
	"strings"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of suppressions.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "sup" }

// ID names a suppression.
type ID = id.Of[Kind]

// Hash stands for an address of one tenant. It cannot be turned back without the key,
// so that it may outlive the address: who was erased stays suppressed, and is
// recognised when somebody brings the address again (T44).
type Hash [16]byte

// HashOf makes the Hash of an address, which counts in lower case. Equal addresses of
// two tenants have nothing in common.
func HashOf(key []byte, t tenant.ID, a message.Address) Hash { return NewHasher(key).Of(t, a) }

// Hasher makes many a Hash under one key, as HashOf does. It is safe for concurrent use.
type Hasher struct{ codes *seal.Codes }

// NewHasher makes a Hasher.
func NewHasher(key []byte) Hasher { return Hasher{seal.NewCodes(key)} }

// Of is the Hash of an address.
func (h Hasher) Of(t tenant.ID, a message.Address) Hash {
	code := h.codes.Of(t[:], []byte(Canonical(a)))
	return Hash(code[:16])
}

// Canonical is how addresses are compared: in lower case throughout. Case in a local
// part may matter to its server (RFC 5321, 2.4), but two people never share the rest.
func Canonical(a message.Address) string {
	return strings.ToLower(a.Local) + "@" + strings.ToLower(a.Domain)
}

// Reason is why an address must not be written to. It is also the reason of the
// deliveries that are suppressed for it, and the catalogue key "reason.<reason>".
type Reason string

// The reasons, from strong to weak: of two for the same address the stronger stays.
const (
	Complaint      Reason = "complaint"       // the person reported mail as spam
	Unsubscribed   Reason = "unsubscribed"    // the person wants no more of this category
	HardBounce     Reason = "hard_bounce"     // the address does not exist
	RepeatedBounce Reason = "repeated_bounce" // refused again and again
	Manual         Reason = "manual"          // a person or program of the tenant said so
	Role           Reason = "role"            // nobody in particular reads it
	Unnamed        Reason = "unnamed"         // another reason, told in the note if at all
	Imported       Reason = "import"          // came with a list from elsewhere
)

// Reasons lists all of them, strong ones first.
func Reasons() []Reason {
	return []Reason{Complaint, Unsubscribed, HardBounce, RepeatedBounce, Manual, Role, Unnamed, Imported}
}

// Valid reports whether r is a reason.
func (r Reason) Valid() bool { return slices.Contains(Reasons(), r) }

// Stronger is the one of two reasons that stays; "" is weaker than all.
func (r Reason) Stronger(other Reason) Reason {
	if r == "" || other != "" && other.outweighs(r) {
		return other
	}
	return r
}

func (r Reason) outweighs(other Reason) bool {
	return slices.Index(Reasons(), r) < slices.Index(Reasons(), other)
}

// Entry is one suppression. A tenant has at most one for an address and stream.
type Entry struct {
	ID     ID
	Tenant tenant.ID
	Hash   Hash
	// Address is in lower case; zero when it was erased and only the hash is left.
	Address message.Address
	Stream  tenant.Stream // "" is every stream
	Reason  Reason
	Class   string             // bounce class that led to it, "" if none
	Source  message.DeliveryID // delivery whose outcome led to it, zero if none
	Actor   string             // "system", or the text of a key's or user's identifier
	Note    string             // what a person wrote about it
	// CreatedAt is when the address became suppressed; ExpiresAt when it ends, zero for
	// never. Both are to the millisecond.
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Erased reports whether the address is gone and only its hash is left.
func (e Entry) Erased() bool { return e.Address.IsZero() }

// Active reports whether the suppression holds at an instant.
func (e Entry) Active(at time.Time) bool { return e.ExpiresAt.IsZero() || e.ExpiresAt.After(at) }

// Merge is what becomes of a suppression when the same address is suppressed on the
// same stream again: the stronger reason with its origin, and the later end. One that
// has ended counts for nothing. The identifier stays; an erased address comes back
// only with a suppression that somebody makes by name.
func Merge(old, fresh Entry, now time.Time) Entry {
	e := old
	switch {
	case !old.Active(now):
		e = fresh
		e.ID = old.ID
	case fresh.Reason.outweighs(old.Reason):
		e.Reason, e.Class, e.Source, e.Actor, e.Note = fresh.Reason, fresh.Class, fresh.Source, fresh.Actor, fresh.Note
		e.ExpiresAt = later(old.ExpiresAt, fresh.ExpiresAt)
	default:
		e.ExpiresAt = later(old.ExpiresAt, fresh.ExpiresAt)
	}
	if e.Address = old.Address; e.Erased() && fresh.Source.IsZero() {
		e.Address = fresh.Address
	}
	return e
}

// later compares two ends, of which zero is never.
func later(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if b.After(a) {
		return b
	}
	return a
}

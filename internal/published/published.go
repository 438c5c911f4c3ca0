// Package published tells the world from which addresses mail leaves: the list that
// receivers who admit senders by IP address live by (Absender-IP-Adressen), one for the
// platform and one for each account with pools of its own.
//
// It stands behind the journey (floor 3) and decides nothing about it. A list is derived
// from the sources of package egress, their states and dates. Each time it comes out
// differently there is a new Edition, with what changed; editions are signed, put into
// DNS records, and told to those who subscribed, by mail or webhook. Since sources have
// dates, an edition tells of a change before it comes.
//
// It changes no source, publishes no DNS record by itself (it says which should stand,
// and whether they do), and draws no page.
package published

import (
	"context"
	"net/netip"
	"time"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Entry is one address of a list. Times are in UTC and whole seconds.
type Entry struct {
	Address netip.Addr `json:"address"`
	EHLO    string     `json:"ehlo"` // the name it gives in EHLO
	PTR     string     `json:"ptr"`  // the name in its reverse record; "": not known
	// Role is egress.StateNew (announced, or warming up), StateActive, StateRetiring (still
	// used, till ValidUntil) or StateRetired (used no more).
	Role egress.SourceState `json:"role"`
	// Streams are those whose mail may leave from it, in the order of tenant.Streams; none
	// for a retired one.
	Streams    []tenant.Stream `json:"streams,omitempty"`
	ValidFrom  time.Time       `json:"valid_from,omitzero"`  // zero: from before the list began
	ValidUntil time.Time       `json:"valid_until,omitzero"` // zero: open
}

// Used reports whether mail comes, or will come, from the address, so that receivers
// should admit it.
func (e Entry) Used() bool { return e.Role != egress.StateRetired }

// ChangeKind says what a Change is about.
type ChangeKind string

// The kinds of changes.
const (
	Added     ChangeKind = "added"
	Moved     ChangeKind = "role"    // to another role
	Dated     ChangeKind = "dates"   // other first or last moment
	Renamed   ChangeKind = "names"   // EHLO name or reverse record
	Reassigns ChangeKind = "streams" // other streams leave from it
	Dropped   ChangeKind = "dropped" // out of the list
)

// Change is one difference between an edition and the one before it.
type Change struct {
	Kind  ChangeKind `json:"kind"`
	Entry Entry      `json:"entry"` // as it is now; of a dropped one as it was
}

// Edition is one state of a list. Editions are never changed.
type Edition struct {
	Owner   tenant.ID // zero: the platform
	Version int       // counted from 1 for each owner
	At      time.Time // when it came out so
	Entries []Entry
	Changes []Change // against the version before; of version 1 none
}

// Medium is the way in which a subscriber is told.
type Medium string

// The media.
const (
	ByMail    Medium = "mail"
	ByWebhook Medium = "webhook"
)

// SubscriptionKind is the id.Kind of subscriptions.
type SubscriptionKind struct{}

// Prefix implements id.Kind.
func (SubscriptionKind) Prefix() string { return "sub" }

// SubscriptionID names a subscription.
type SubscriptionID = id.Of[SubscriptionKind]

// Subscription is somebody's wish to be told of new editions.
type Subscription struct {
	Owner  tenant.ID // whose list; zero: the platform's
	ID     SubscriptionID
	Medium Medium
	Lang   string
	// Hash is the keyed hash of medium and target: each stands once in a list.
	Hash [32]byte
	// Sealed is the Target.
	Sealed      []byte
	CreatedAt   time.Time
	ConfirmedAt time.Time // zero: nobody has shown yet that the target is theirs
}

// Target is where a subscriber is told, sealed at rest.
type Target struct {
	To     string `json:"to"`               // mail address or URL
	Secret string `json:"secret,omitempty"` // of a webhook, see Sign
}

// Telling is one edition to be told to one subscriber.
type Telling struct {
	Owner        tenant.ID
	Subscription SubscriptionID
	Version      int
	Attempts     int // that failed before
	DueAt        time.Time
}

// Store is what the room needs of the database; each method is one transaction.
type Store interface {
	// Edition returns the newest edition of a list; NotFound "edition_not_found".
	Edition(ctx context.Context, owner tenant.ID) (Edition, error)
	// Editions returns up to limit editions of a list, from new to old.
	Editions(ctx context.Context, owner tenant.ID, limit int) ([]Edition, error)
	// EditionOwners returns whose lists have editions.
	EditionOwners(ctx context.Context) ([]tenant.ID, error)
	// AddEdition keeps an edition and, from version 2 on, a Telling for each confirmed
	// subscription of the list, due at once. If the version is there already, because
	// another node was faster, it changes nothing and returns false.
	AddEdition(ctx context.Context, e Edition) (bool, error)

	// PutSubscription keeps a subscription. If there is one with its hash in the list, that
	// one is returned, with the sealed target of the new one if it was not confirmed yet.
	PutSubscription(ctx context.Context, s Subscription) (Subscription, error)
	// AddressSubscription returns one; NotFound "subscription_not_found".
	AddressSubscription(ctx context.Context, owner tenant.ID, s SubscriptionID) (Subscription, error)
	// AddressSubscriptions returns up to limit subscriptions of all lists, from new to old.
	AddressSubscriptions(ctx context.Context, limit int) ([]Subscription, error)
	// CountSubscriptions counts those of a list.
	CountSubscriptions(ctx context.Context, owner tenant.ID) (int, error)
	// ConfirmSubscription notes the first confirmation; NotFound "subscription_not_found".
	ConfirmSubscription(ctx context.Context, owner tenant.ID, s SubscriptionID, at time.Time) error
	// EndSubscription forgets a subscription and what was to be told to it. One that is
	// not there is no error.
	EndSubscription(ctx context.Context, owner tenant.ID, s SubscriptionID) error
	// SubscriptionOf returns the subscription of a list with a hash; NotFound
	// "subscription_not_found".
	SubscriptionOf(ctx context.Context, owner tenant.ID, hash [32]byte) (Subscription, error)
	// DropUnconfirmed forgets subscriptions made before and never confirmed.
	DropUnconfirmed(ctx context.Context, before time.Time) error

	// ClaimTellings takes up to limit tellings that are due at now and leaves them alone
	// until now + lease.
	ClaimTellings(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Telling, error)
	// SettleTelling ends a telling (next is zero) or puts it off after a failure.
	SettleTelling(ctx context.Context, t Telling, next time.Time) error
}

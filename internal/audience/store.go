package audience

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Store keeps suppressions. Every method is one whole transaction. What is not there,
// or belongs to another tenant, is *fault.Error NotFound "suppression_not_found".
type Store interface {
	HaltStore

	// Suppress stores entries of one tenant, each merged with what is there (Merge), and
	// returns them as they are now, in the same order. What changed is noted in the
	// history of its address.
	Suppress(ctx context.Context, t tenant.ID, list []Entry, now time.Time) ([]Entry, error)
	// Strike counts an outcome and reports whether it led to a suppression. The same
	// delivery counts once.
	Strike(ctx context.Context, k Strike, now time.Time) (bool, error)
	// Lift takes a suppression away and returns it. Actor and note stay in the history of
	// its address. What was counted against the address is forgotten.
	Lift(ctx context.Context, t tenant.ID, s ID, actor, note string, now time.Time) (Entry, error)
	// Erase takes the address and people's notes out of everything kept under a hash, and
	// returns how many suppressions remain, by their hash alone.
	Erase(ctx context.Context, t tenant.ID, h Hash, actor string, now time.Time) (int64, error)
	// Suppression returns one.
	Suppression(ctx context.Context, t tenant.ID, s ID) (Entry, error)
	// Suppressions returns those that the filter matches.
	Suppressions(ctx context.Context, t tenant.ID, f Filter) (Page, error)
	// History returns what happened to an address, from old to new, at most 200 acts.
	History(ctx context.Context, t tenant.ID, h Hash) ([]Act, error)
	// Suppressed returns which of the addresses may not be written to on the stream at
	// an instant, each with its reason.
	Suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, list []message.Address, at time.Time) (map[message.Address]string, error)

	// Marks returns, for each tenant that ever had a change, the number of its last one.
	Marks(ctx context.Context) (map[tenant.ID]int64, error)
	// Changes returns the hashes that were suppressed by changes above after, at most
	// limit, in order, and the number of the last. Changes of a tenant become visible in
	// the order of their numbers.
	Changes(ctx context.Context, t tenant.ID, after int64, limit int) (hashes []Hash, last int64, err error)
	// ChangesSince is Changes for all that were suppressed at or after an instant, in any order.
	ChangesSince(ctx context.Context, t tenant.ID, since time.Time, limit int) ([]Hash, error)

	// Rules returns a tenant's own rules, none if it has none.
	Rules(ctx context.Context, t tenant.ID) (Rules, error)
	// SetRules replaces them and notes it with who did. It counts as a change.
	SetRules(ctx context.Context, t tenant.ID, r Rules, actor string, now time.Time) error
	// Thresholds returns a tenant's own thresholds, nil if it has none.
	Thresholds(ctx context.Context, t tenant.ID) (*Thresholds, error)
	// SetThresholds is SetRules for thresholds; nil takes them away.
	SetThresholds(ctx context.Context, t tenant.ID, v *Thresholds, actor string, now time.Time) error
	// SettingChanges returns what was set when by whom, from new to old, at most 100.
	SettingChanges(ctx context.Context, t tenant.ID) ([]SettingChange, error)
}

// Filter picks suppressions of a tenant. The zero Filter is all, new ones first.
type Filter struct {
	Hash   Hash   // of a whole address; zero: any
	Text   string // part of an address that is not erased; "" any
	Stream tenant.Stream
	Reason Reason
	// ByAddress orders by address instead of by time; Ascending from low to high.
	ByAddress, Ascending bool
	After                ID  // last one of the page before
	Limit                int // 0: 50
}

// Page is a part of a list.
type Page struct {
	Entries []Entry
	More    bool
}

// Act is one thing that happened to an address. Acts are never changed, except that
// erasing takes people's notes out.
type Act struct {
	At     time.Time
	Type   ActType
	Stream tenant.Stream
	Reason Reason
	Class  string
	Source message.DeliveryID
	Actor  string
	Note   string
}

// ActType says what was done.
type ActType string

// The acts.
const (
	ActSuppressed ActType = "suppressed" // newly, or for a stronger reason, or for longer
	ActLifted     ActType = "lifted"
	ActErased     ActType = "erased" // the address was taken out
)

// Strike is one outcome that counts against an address, with what follows when there
// are Count of its class, this one included, since an instant.
type Strike struct {
	Entry Entry // the suppression to make; its Source is the delivery that counts
	Count int   // 1: at once
	Since time.Time
}

// Report is an outcome of a delivery, found out at sending or by what came back.
type Report struct {
	Tenant   tenant.ID
	Stream   tenant.Stream // of the mail
	Address  message.Address
	Class    string // bounce class; Complained and Unsubscribed set it themselves
	Hard     bool   // the address will never work (bounce.Judgement)
	At       time.Time
	Delivery message.DeliveryID
}

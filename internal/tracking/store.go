package tracking

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Store is what the room needs of the database.
type Store interface {
	SettingStore
	ConsentStore
	ActivityStore
}

// SettingStore keeps what tenants allow.
type SettingStore interface {
	// TrackingSetting returns the tenant's setting now; DefaultSetting where it has none.
	TrackingSetting(ctx context.Context, t tenant.ID) (Setting, error)
	// TrackingSettings returns all settings the tenant had, from new to old, at most limit.
	TrackingSettings(ctx context.Context, t tenant.ID, limit int) ([]Setting, error)
	// PutTrackingSetting adds a setting, which holds from now on.
	PutTrackingSetting(ctx context.Context, s Setting) error
	// TrackingStreams returns the limits of the tenant's streams that have one.
	TrackingStreams(ctx context.Context, t tenant.ID) ([]StreamLevel, error)
	// PutTrackingStream sets the limit of one stream; Unset takes it away.
	PutTrackingStream(ctx context.Context, t tenant.ID, l StreamLevel) error
}

// ConsentStore keeps what recipients said.
type ConsentStore interface {
	// TrackingConsents returns what is known of the addresses, by their canonical form
	// (audience.Canonical); nothing said is not in it. Address is that of the question.
	TrackingConsents(ctx context.Context, t tenant.ID, of []message.Address) (map[string]Consent, error)
	// PutTrackingConsent records what was said; it holds from now on, whatever was said before.
	PutTrackingConsent(ctx context.Context, c Consent) error
	// TrackingConsentHistory returns all that was said by an address, from new to old.
	TrackingConsentHistory(ctx context.Context, t tenant.ID, a message.Address) ([]Consent, error)
}

// ActivityStore keeps what was done.
type ActivityStore interface {
	// Tracked returns what is kept beside a message. The error is NotFound
	// "message_untracked", also for a message that was erased.
	Tracked(ctx context.Context, t tenant.ID, m message.ID) (Tracked, error)
	// Recipients returns the addresses of a message in the order of its deliveries, and
	// when each was taken by its server (zero: not yet). An erased one has no local part.
	Recipients(ctx context.Context, t tenant.ID, m message.ID) ([]Recipient, error)
	// Trail returns Tracked and Recipients at once. Who waits at the same time may be
	// answered together.
	Trail(ctx context.Context, t tenant.ID, m message.ID) (Tracked, []Recipient, error)
	// AddActivities stores activities durably and returns only then, together with what
	// others add at the same time. What may not be recorded is passed over: of the answers,
	// false says that nothing was kept. At Aggregate only the counters move, and nothing is
	// kept for a message that was erased. Each one is judged by the recipients that
	// stand beside it, at the moment of the commit.
	AddActivities(ctx context.Context, list []Hit) ([]bool, error)
	// NoteActivity stores one activity durably and returns only then, as AddActivities does,
	// but may leave it for a moment longer whether it is kept; whoever reads afterwards finds
	// it nevertheless. decided, which may be nil, is told once that is known, by a goroutine
	// of the store; it may read and write. After a crash it is not called. The store keeps h,
	// which nobody may change any more.
	NoteActivity(ctx context.Context, h *Hit, decided func(kept bool)) error
	// Activities lists activities and reports whether there are more.
	Activities(ctx context.Context, t tenant.ID, q Query) ([]Activity, bool, error)
	// Activity returns one. The error is NotFound "activity_unknown".
	Activity(ctx context.Context, t tenant.ID, a ActivityID) (Activity, error)
	// ActivityCounts sums up a message's opens and clicks, also those that were folded. The error
	// is that of Tracked.
	ActivityCounts(ctx context.Context, t tenant.ID, m message.ID) (Counts, error)
	// ActivityBurst returns the activities of one burst that are not older than since: those
	// of an offer, or where that is "" of a message.
	ActivityBurst(ctx context.Context, t tenant.ID, m message.ID, offer string, burst int64, since time.Time) ([]Activity, error)
	// Rerate changes judgements. Activities that are gone are passed over.
	Rerate(ctx context.Context, t tenant.ID, of map[ActivityID]Machine) error
	// Outdated returns activities judged by rules older than a version, of any tenant, at
	// most limit.
	Outdated(ctx context.Context, t tenant.ID, rules int, after ActivityID, limit int) ([]Activity, error)
	// FoldActivities turns activities of the tenant that are older into counts and drops
	// them, at most limit, and returns how many it dropped.
	FoldActivities(ctx context.Context, t tenant.ID, before time.Time, limit int) (int, error)
}

// Recipient is one address of a message.
type Recipient struct {
	Delivery    message.DeliveryID
	Address     message.Address
	DeliveredAt time.Time // zero: not yet
}

// Hit is an activity on its way into the store, with what must still hold at the commit.
type Hit struct {
	Activity Activity
	// Recipients are all addresses of the mail or offer: where one of them has withdrawn,
	// nothing is kept, unless the kind is declared.
	Recipients []message.Address
	// Granted demands that each of them has granted.
	Granted bool
	// Tracked demands that the message's Tracked is still there.
	Tracked bool
}

package audience

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Config of a Service. Fields without a stated default are demanded.
type Config struct {
	Store Store
	// Key keys the hashes of addresses; all nodes and the store have the same.
	Key []byte
	// Now is the clock that all nodes share.
	Now func() time.Time
	// Every is how often changes of other nodes are looked for; 0: half a second.
	Every time.Duration
	// Remember is how many addresses are kept in memory at most, about 50 bytes each;
	// 0: 200,000.
	Remember int
	// OnHalt, if set, is called for each halt in force that this process learns of, by
	// all nodes and again after a restart: it must bear being called twice. Its error
	// is logged. Halts older than a day are no news.
	OnHalt func(ctx context.Context, h Halt) error
	// Waits is the longest time between acceptance and the last attempt; 0: 36 days.
	Waits time.Duration
	Log   *slog.Logger // nil discards
}

const (
	// margin is by how much the instant of acceptance may be off: nodes' clocks differ by
	// up to a second, and acceptance asks some time before it commits.
	margin = time.Minute
	// staleAfter is how long memory is believed when changes cannot be read.
	staleAfter = 15 * time.Second
	changePage = 5000
)

// Service decides who may not be written to. It is safe for concurrent use. Until Start
// it asks the store for every delivery; Run keeps it informed of other nodes.
type Service struct {
	cfg      Config
	hashes   Hasher
	defaults Rules
	limits   Limits
	recent   *recent
	looked   atomic.Int64 // when changes were last read, Unix milliseconds

	mu    sync.RWMutex
	own   map[tenant.ID]Rules
	marks map[tenant.ID]int64
	halts map[tenant.ID]Halt
	// thresholds are those of tenants that have their own.
	thresholds map[tenant.ID]*Thresholds
	// suspects are tenants whose mail is to be counted, and when; judged those that
	// lately were.
	suspects, judged map[tenant.ID]time.Time
}

// New makes a Service. An error is a mistake in the default rules.
func New(c Config) (*Service, error) {
	defaults, err := DefaultRules()
	if err != nil {
		return nil, err
	}
	limits, err := DefaultLimits()
	if err != nil {
		return nil, err
	}
	if c.Every <= 0 {
		c.Every = 500 * time.Millisecond
	}
	if c.Remember <= 0 {
		c.Remember = 200_000
	}
	if c.Waits <= 0 {
		c.Waits = 36 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		hashes: NewHasher(c.Key),
		cfg:    c, defaults: defaults, limits: limits, recent: newRecent(c.Remember/2, c.Now()),
		own: map[tenant.ID]Rules{}, marks: map[tenant.ID]int64{}, thresholds: map[tenant.ID]*Thresholds{},
		halts: map[tenant.ID]Halt{}, suspects: map[tenant.ID]time.Time{}, judged: map[tenant.ID]time.Time{},
	}, nil
}

// Start reads what was suppressed while mail that still waits may have been accepted,
// and the rules and halts of all tenants. Where that is more than fits in memory, mail accepted
// before the start is asked for in the store.
func (s *Service) Start(ctx context.Context) error {
	now := s.cfg.Now()
	marks, err := s.cfg.Store.Marks(ctx)
	if err != nil {
		return fmt.Errorf("load suppressions: %w", err)
	}
	room, whole := s.recent.limit, true
	var list []Hash
	for t := range marks {
		if whole {
			part, err := s.cfg.Store.ChangesSince(ctx, t, now.Add(-s.cfg.Waits-margin), room-len(list)+1)
			if err != nil {
				return fmt.Errorf("load suppressions: %w", err)
			}
			list = append(list, part...)
			whole = len(list) <= room
		}
		if err := errors.Join(s.loadSettings(ctx, t), s.loadHalt(ctx, t)); err != nil {
			return err
		}
	}
	if !whole {
		list = nil
	}
	s.recent.load(list, whole, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = marks
	s.looked.Store(now.UnixMilli())
	return nil
}

// Run looks for changes of other nodes, and whether bulk mail must be halted, until ctx ends. Call Start before it.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("changes of suppressions not read", "err", err)
		}
		if err := s.Judge(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("bulk mail not judged", "err", err)
		}
	}
}

// look reads what has changed since the last look.
func (s *Service) look(ctx context.Context) error {
	began := s.cfg.Now()
	marks, err := s.cfg.Store.Marks(ctx)
	if err != nil {
		return err
	}
	s.mu.RLock()
	seen := maps.Clone(s.marks)
	s.mu.RUnlock()
	for t, mark := range marks {
		if mark == seen[t] {
			continue
		}
		if err := s.follow(ctx, t, seen[t], mark); err != nil {
			return err
		}
	}
	s.looked.Store(began.UnixMilli())
	return nil
}

// follow reads one tenant's changes up to a mark.
func (s *Service) follow(ctx context.Context, t tenant.ID, after, mark int64) error {
	for after < mark {
		list, last, err := s.cfg.Store.Changes(ctx, t, after, changePage)
		if err != nil {
			return err
		}
		s.Noted(list)
		if after = last; len(list) < changePage {
			break // what is left up to the mark changed again later, or was no suppression
		}
	}
	if err := errors.Join(s.loadSettings(ctx, t), s.loadHalt(ctx, t)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks[t] = mark
	return nil
}

// Noted takes in hashes that this process has just suppressed; the store calls it after
// each commit.
func (s *Service) Noted(list []Hash) { s.recent.add(list, s.cfg.Now()) }

// Check asks at the moment of sending whether mail accepted at an instant may go to an
// address: "", or why not. It asks the store only where memory cannot say no for
// certain.
func (s *Service) Check(ctx context.Context, t tenant.ID, stream tenant.Stream, a message.Address, accepted time.Time) (Reason, error) {
	now := s.cfg.Now()
	stale := now.Sub(time.UnixMilli(s.looked.Load())) > staleAfter
	if !stale && !s.recent.may(s.Hash(t, a), accepted.Add(-margin)) {
		return "", nil
	}
	found, err := s.cfg.Store.Suppressed(ctx, t, stream, []message.Address{a}, now)
	if err != nil {
		return "", fmt.Errorf("check suppression: %w", err)
	}
	return Reason(found[a]), nil
}

// Hash is what stands for an address of a tenant.
func (s *Service) Hash(t tenant.ID, a message.Address) Hash { return s.hashes.Of(t, a) }

// RulesOf are the rules that hold for a tenant, its own before the defaults.
func (s *Service) RulesOf(t tenant.ID) Rules {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.defaults.with(s.own[t])
}

// Strike says what an outcome counts against its address: nil for nothing. The store
// takes the strike in with the outcome, in one transaction.
func (s *Service) Strike(v Report) *Strike {
	s.suspect(v)
	s.mu.RLock()
	own := s.own[v.Tenant]
	s.mu.RUnlock()
	rule, ok := s.defaults.with(own).find(v.Class, v.Hard, v.Stream)
	if !ok {
		return nil
	}
	return rule.strike(v, s.Hash(v.Tenant, v.Address))
}

// Bounced takes in a bounce that came back after the receiving server had taken the mail.
// It reports whether the address is now suppressed because of it. The caller has made
// sure that the report is about that delivery.
func (s *Service) Bounced(ctx context.Context, v Report) (bool, error) {
	k := s.Strike(v)
	if k == nil {
		return false, nil
	}
	made, err := s.cfg.Store.Strike(ctx, *k, s.cfg.Now())
	if err != nil {
		return false, fmt.Errorf("count %s: %w", v.Class, err)
	}
	return made, nil
}

// Complained is Bounced for a complaint.
func (s *Service) Complained(ctx context.Context, v Report) (bool, error) {
	v.Class, v.Hard = ClassComplaint, false
	return s.Bounced(ctx, v)
}

// Unsubscribed is Bounced for somebody who wants no more of a stream.
func (s *Service) Unsubscribed(ctx context.Context, v Report) (bool, error) {
	v.Class, v.Hard = ClassUnsubscribe, false
	return s.Bounced(ctx, v)
}

// Wish is a suppression as somebody asks for it.
type Wish struct {
	Address   message.Address
	Stream    tenant.Stream // "" every stream
	Reason    Reason        // "" Manual
	ExpiresAt time.Time     // zero: for good
	Note      string
}

const maxNote = 500

// entry holds a wish to the rules. Errors are *fault.Error with the fields of the wish:
// "address_missing", "stream_unknown", "reason_unknown", "expiry_past", "note_malformed".
func (s *Service) entry(t tenant.ID, w Wish, actor string, now time.Time) (Entry, error) {
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	if w.Reason == "" {
		w.Reason = Manual
	}
	if w.Address.IsZero() {
		refuse("address", "address_missing", "An address is expected.")
	}
	if w.Stream != "" && !w.Stream.Valid() {
		refuse("stream", "stream_unknown", "There is no such stream.")
	}
	if !w.Reason.Valid() {
		refuse("reason", "reason_unknown", "There is no such reason.")
	}
	if !w.ExpiresAt.IsZero() && !w.ExpiresAt.After(now) {
		refuse("expires_at", "expiry_past", "The end is not in the future.")
	}
	if !note(w.Note) {
		refuse("note", "note_malformed", "A note has at most 500 characters on one line.")
	}
	return Entry{
		ID: id.New[Kind](now), Tenant: t, Hash: s.Hash(t, w.Address), Address: w.Address, Stream: w.Stream, Reason: w.Reason,
		Actor: actor, Note: w.Note, CreatedAt: now.UTC().Truncate(time.Millisecond), ExpiresAt: w.ExpiresAt.UTC().Truncate(time.Millisecond),
	}, fault.Join(wrong)
}

func note(text string) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxNote {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}

// Suppress makes a suppression, or strengthens the one that is there; see Merge.
func (s *Service) Suppress(ctx context.Context, t tenant.ID, w Wish, actor string) (Entry, error) {
	now := s.cfg.Now()
	e, err := s.entry(t, w, actor, now)
	if err != nil {
		return Entry{}, err
	}
	list, err := s.cfg.Store.Suppress(ctx, t, []Entry{e}, now)
	if err != nil {
		return Entry{}, err
	}
	if actor == ByRecipient && e.Reason == Unsubscribed {
		s.suspect(Report{Tenant: t, Stream: e.Stream, Class: ClassUnsubscribe})
	}
	return list[0], nil
}

// ByRecipient is the actor of what people do by the links of their mail.
const ByRecipient = "recipient"

// Lift takes a suppression away. Why is demanded and stays in the address's history with
// who did it; the next refusal suppresses the address again. Errors: "lift_reason_missing",
// "note_malformed" (field "reason"), "suppression_not_found".
func (s *Service) Lift(ctx context.Context, t tenant.ID, e ID, actor, why string) (Entry, error) {
	switch {
	case utf8.RuneCountInString(why) < 3:
		return Entry{}, fault.Field("reason", "lift_reason_missing", "Lifting a suppression needs a reason of at least 3 characters.")
	case !note(why):
		return Entry{}, fault.Field("reason", "note_malformed", "A reason has at most 500 characters on one line.")
	}
	return s.cfg.Store.Lift(ctx, t, e, actor, why, s.cfg.Now())
}

// Erase takes an address out of all suppressions and their history, for a person who
// wants to be forgotten; hashes keep mail from being sent there (GDPR, art. 17(3) and
// 21(3)). It returns how many suppressions remain.
func (s *Service) Erase(ctx context.Context, t tenant.ID, a message.Address, actor string) (int64, error) {
	if a.IsZero() {
		return 0, errors.New("erase suppression: no address")
	}
	return s.cfg.Store.Erase(ctx, t, s.Hash(t, a), actor, s.cfg.Now())
}

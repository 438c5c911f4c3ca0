// Package audiencetest is an audience.Store in memory, for tests of whoever stands on
// package audience.
package audiencetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Key keys the hashes of the addresses that Suppressed is asked for.
const Key = "key of a test"

type place struct {
	tenant tenant.ID
	hash   audience.Hash
	stream tenant.Stream
}

type act struct {
	tenant tenant.ID
	hash   audience.Hash
	audience.Act
}

type change struct {
	tenant tenant.ID
	hash   audience.Hash
	seq    int64
	at     time.Time
}

// Store keeps everything in memory. The zero Store is empty. It is safe for concurrent use.
type Store struct {
	// Fail, if set, is asked before every call and its error returned.
	Fail func(method string) error
	// Count answers Tally; nil: nothing was sent. Held is how many deliveries FreeHeld
	// finds at first, over all tenants.
	Count func(t tenant.ID, v audience.Span) audience.Tally
	Held  int

	mu      sync.Mutex
	entries map[place]audience.Entry
	acts    []act
	strikes map[place]map[message.DeliveryID]time.Time
	marks   map[tenant.ID]int64
	changes []change
	rules   map[tenant.ID]audience.Rules
	// thresholds and settings are what tenants set, changes from new to old.
	thresholds map[tenant.ID]*audience.Thresholds
	settings   map[tenant.ID][]audience.SettingChange
	halts      []audience.Halt
	asked      int
}

var _ audience.Store = (*Store)(nil)

// Asked is how often Suppressed was called.
func (s *Store) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Store) open(method string) error {
	if s.Fail != nil {
		if err := s.Fail(method); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.entries == nil {
		s.entries, s.strikes = map[place]audience.Entry{}, map[place]map[message.DeliveryID]time.Time{}
		s.marks, s.rules = map[tenant.ID]int64{}, map[tenant.ID]audience.Rules{}
		s.thresholds, s.settings = map[tenant.ID]*audience.Thresholds{}, map[tenant.ID][]audience.SettingChange{}
	}
	return nil
}

func (s *Store) suppress(e audience.Entry, now time.Time) audience.Entry {
	at := place{e.Tenant, e.Hash, e.Stream}
	if old, ok := s.entries[at]; ok {
		merged := audience.Merge(old, e, now)
		if merged == old {
			return old
		}
		e = merged
	}
	s.entries[at] = e
	s.marks[e.Tenant]++
	s.changes = append(s.changes, change{e.Tenant, e.Hash, s.marks[e.Tenant], now})
	s.note(e, audience.ActSuppressed, e.Actor, e.Note, now)
	return e
}

func (s *Store) note(e audience.Entry, what audience.ActType, actor, note string, now time.Time) {
	s.acts = append(s.acts, act{e.Tenant, e.Hash, audience.Act{At: now, Type: what, Stream: e.Stream, Reason: e.Reason,
		Class: e.Class, Source: e.Source, Actor: actor, Note: note}})
}

// Suppress implements audience.Store.
func (s *Store) Suppress(_ context.Context, _ tenant.ID, list []audience.Entry, now time.Time) ([]audience.Entry, error) {
	if err := s.open("Suppress"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	stored := make([]audience.Entry, len(list))
	for i, e := range list {
		if e.ID.IsZero() {
			return nil, fault.New(fault.Invalid, "id_missing", "a suppression needs its identifier")
		}
		stored[i] = s.suppress(e, now)
	}
	return stored, nil
}

// Strike implements audience.Store. The suppression's identifier is made of its source.
func (s *Store) Strike(_ context.Context, k audience.Strike, now time.Time) (bool, error) {
	if err := s.open("Strike"); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	at := place{k.Entry.Tenant, k.Entry.Hash, k.Entry.Stream}
	if s.strikes[at] == nil {
		s.strikes[at] = map[message.DeliveryID]time.Time{}
	}
	s.strikes[at][k.Entry.Source] = k.Entry.CreatedAt
	n := 0
	for when := range maps.Values(s.strikes[at]) {
		if !when.Before(k.Since) {
			n++
		}
	}
	if n < k.Count {
		return false, nil
	}
	k.Entry.ID = audience.ID(k.Entry.Source)
	s.suppress(k.Entry, now)
	return true, nil
}

func (s *Store) byID(t tenant.ID, v audience.ID) (audience.Entry, error) {
	for at, e := range s.entries {
		if at.tenant == t && e.ID == v {
			return e, nil
		}
	}
	return audience.Entry{}, fault.New(fault.NotFound, "suppression_not_found", "There is no such thing here.")
}

// Lift implements audience.Store.
func (s *Store) Lift(_ context.Context, t tenant.ID, v audience.ID, actor, note string, now time.Time) (audience.Entry, error) {
	if err := s.open("Lift"); err != nil {
		return audience.Entry{}, err
	}
	defer s.mu.Unlock()
	e, err := s.byID(t, v)
	if err == nil {
		delete(s.entries, place{t, e.Hash, e.Stream})
		delete(s.strikes, place{t, e.Hash, e.Stream})
		s.note(e, audience.ActLifted, actor, note, now)
	}
	return e, err
}

// Erase implements audience.Store.
func (s *Store) Erase(_ context.Context, t tenant.ID, h audience.Hash, actor string, now time.Time) (n int64, err error) {
	if err := s.open("Erase"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for at, e := range s.entries {
		if at.tenant == t && at.hash == h {
			e.Address, e.Note = message.Address{}, ""
			s.entries[at] = e
			n++
		}
	}
	if n > 0 {
		s.note(audience.Entry{Tenant: t, Hash: h}, audience.ActErased, actor, "", now)
	}
	return n, nil
}

// Suppression implements audience.Store.
func (s *Store) Suppression(_ context.Context, t tenant.ID, v audience.ID) (audience.Entry, error) {
	if err := s.open("Suppression"); err != nil {
		return audience.Entry{}, err
	}
	defer s.mu.Unlock()
	return s.byID(t, v)
}

// Suppressions implements audience.Store.
func (s *Store) Suppressions(_ context.Context, t tenant.ID, f audience.Filter) (audience.Page, error) {
	if err := s.open("Suppressions"); err != nil {
		return audience.Page{}, err
	}
	defer s.mu.Unlock()
	var list []audience.Entry
	for at, e := range s.entries {
		if at.tenant == t && (f.Hash == (audience.Hash{}) || f.Hash == e.Hash) && (f.Reason == "" || f.Reason == e.Reason) &&
			(f.Stream == "" || e.Stream == "" || f.Stream == e.Stream) && strings.Contains(e.Address.String(), strings.ToLower(f.Text)) {
			list = append(list, e)
		}
	}
	order := func(a, b audience.Entry) int {
		n := slices.Compare(a.ID[:], b.ID[:])
		if f.ByAddress {
			n = cmp.Or(cmp.Compare(a.Address.String(), b.Address.String()), n)
		}
		if !f.Ascending {
			n = -n
		}
		return n
	}
	slices.SortFunc(list, order)
	if !f.After.IsZero() {
		last, _ := s.byID(t, f.After)
		list = slices.DeleteFunc(list, func(e audience.Entry) bool { return order(e, last) <= 0 })
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	n := min(f.Limit, len(list))
	return audience.Page{Entries: list[:n], More: len(list) > n}, nil
}

// History implements audience.Store.
func (s *Store) History(_ context.Context, t tenant.ID, h audience.Hash) ([]audience.Act, error) {
	if err := s.open("History"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []audience.Act
	for _, a := range s.acts {
		if a.tenant == t && a.hash == h {
			list = append(list, a.Act)
		}
	}
	return list, nil
}

// Suppressed implements audience.Store.
func (s *Store) Suppressed(_ context.Context, t tenant.ID, stream tenant.Stream, list []message.Address, at time.Time) (map[message.Address]string, error) {
	if err := s.open("Suppressed"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	s.asked++
	found := map[message.Address]string{}
	for _, a := range list {
		var reason audience.Reason
		for _, scope := range []tenant.Stream{stream, ""} {
			if e, ok := s.entries[place{t, audience.HashOf([]byte(Key), t, a), scope}]; ok && e.Active(at) {
				reason = reason.Stronger(e.Reason)
			}
		}
		if reason != "" {
			found[a] = string(reason)
		}
	}
	return found, nil
}

// Marks implements audience.Store.
func (s *Store) Marks(context.Context) (map[tenant.ID]int64, error) {
	if err := s.open("Marks"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return maps.Clone(s.marks), nil
}

// Changes implements audience.Store.
func (s *Store) Changes(_ context.Context, t tenant.ID, after int64, limit int) (list []audience.Hash, last int64, err error) {
	if err := s.open("Changes"); err != nil {
		return nil, 0, err
	}
	defer s.mu.Unlock()
	last = after
	for _, c := range s.changes {
		if c.tenant == t && c.seq > after && len(list) < limit {
			list, last = append(list, c.hash), c.seq
		}
	}
	return list, last, nil
}

// ChangesSince implements audience.Store.
func (s *Store) ChangesSince(_ context.Context, t tenant.ID, since time.Time, limit int) (list []audience.Hash, err error) {
	if err := s.open("ChangesSince"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, c := range s.changes {
		if c.tenant == t && !c.at.Before(since) && len(list) < limit {
			list = append(list, c.hash)
		}
	}
	return list, nil
}

// Rules implements audience.Store.
func (s *Store) Rules(_ context.Context, t tenant.ID) (audience.Rules, error) {
	if err := s.open("Rules"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return s.rules[t], nil
}

// SetRules implements audience.Store.
func (s *Store) SetRules(_ context.Context, t tenant.ID, r audience.Rules, actor string, now time.Time) error {
	if err := s.open("SetRules"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.changed(t, audience.SettingChange{At: now, Actor: actor, RulesSet: true, RulesBefore: s.rules[t], Rules: r})
	s.rules[t] = r
	return nil
}

func (s *Store) changed(t tenant.ID, c audience.SettingChange) {
	s.settings[t] = append([]audience.SettingChange{c}, s.settings[t]...)
	s.marks[t]++
}

// Thresholds implements audience.Store.
func (s *Store) Thresholds(_ context.Context, t tenant.ID) (*audience.Thresholds, error) {
	if err := s.open("Thresholds"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return s.thresholds[t], nil
}

// SetThresholds implements audience.Store.
func (s *Store) SetThresholds(_ context.Context, t tenant.ID, v *audience.Thresholds, actor string, now time.Time) error {
	if err := s.open("SetThresholds"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.changed(t, audience.SettingChange{At: now, Actor: actor, Before: s.thresholds[t], After: v})
	s.thresholds[t] = v
	return nil
}

// SettingChanges implements audience.Store.
func (s *Store) SettingChanges(_ context.Context, t tenant.ID) ([]audience.SettingChange, error) {
	if err := s.open("SettingChanges"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.settings[t]), nil
}

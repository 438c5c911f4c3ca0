// Package trackingtest is a store of tracking in memory, for tests of doors that stand on it.
// It judges nothing again and folds nothing: that is tested on the real store.
package trackingtest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

var (
	_ tracking.SettingStore = (*Shelf)(nil)
	_ tracking.ConsentStore = (*Shelf)(nil)
	_ tracking.Reader       = (*Shelf)(nil)
)

// Shelf is what doors need of a tracking.Store: settings, consents, and activities as they
// were put in. The zero value is empty and ready; it is safe for concurrent
// use.
type Shelf struct {
	mu         sync.Mutex
	settings   map[tenant.ID][]tracking.Setting // from old to new
	streams    map[tenant.ID]map[tenant.Stream]tracking.StreamLevel
	consents   map[tenant.ID]map[string][]tracking.Consent // from old to new
	tracked    map[message.ID]tracking.Tracked
	recipients map[message.ID][]tracking.Recipient
	activities []tracking.Activity
}

// Put keeps what stands beside a message.
func (s *Shelf) Put(v tracking.Tracked, to ...tracking.Recipient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tracked == nil {
		s.tracked, s.recipients = map[message.ID]tracking.Tracked{}, map[message.ID][]tracking.Recipient{}
	}
	s.tracked[v.Message], s.recipients[v.Message] = v, to
}

// TrackingSetting implements tracking.SettingStore.
func (s *Shelf) TrackingSetting(_ context.Context, t tenant.ID) (tracking.Setting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.settings[t]; len(list) > 0 {
		return list[len(list)-1], nil
	}
	return tracking.DefaultSetting(t), nil
}

// TrackingSettings implements tracking.SettingStore.
func (s *Shelf) TrackingSettings(_ context.Context, t tenant.ID, limit int) ([]tracking.Setting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.settings[t])
	slices.Reverse(list)
	return list[:min(len(list), limit)], nil
}

// PutTrackingSetting implements tracking.SettingStore.
func (s *Shelf) PutTrackingSetting(_ context.Context, v tracking.Setting) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == nil {
		s.settings = map[tenant.ID][]tracking.Setting{}
	}
	s.settings[v.Tenant] = append(s.settings[v.Tenant], v)
	return nil
}

// TrackingStreams implements tracking.SettingStore.
func (s *Shelf) TrackingStreams(_ context.Context, t tenant.ID) ([]tracking.StreamLevel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []tracking.StreamLevel
	for _, one := range tenant.Streams() {
		if l, ok := s.streams[t][one]; ok {
			list = append(list, l)
		}
	}
	return list, nil
}

// PutTrackingStream implements tracking.SettingStore.
func (s *Shelf) PutTrackingStream(_ context.Context, t tenant.ID, l tracking.StreamLevel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		s.streams = map[tenant.ID]map[tenant.Stream]tracking.StreamLevel{}
	}
	if s.streams[t] == nil {
		s.streams[t] = map[tenant.Stream]tracking.StreamLevel{}
	}
	if s.streams[t][l.Stream] = l; l.Level == tracking.Unset {
		delete(s.streams[t], l.Stream)
	}
	return nil
}

// TrackingConsents implements tracking.ConsentStore.
func (s *Shelf) TrackingConsents(_ context.Context, t tenant.ID, of []message.Address) (map[string]tracking.Consent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]tracking.Consent{}
	for _, a := range of {
		if list := s.consents[t][audience.Canonical(a)]; len(list) > 0 {
			known[audience.Canonical(a)] = list[len(list)-1]
		}
	}
	return known, nil
}

// PutTrackingConsent implements tracking.ConsentStore.
func (s *Shelf) PutTrackingConsent(_ context.Context, c tracking.Consent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.consents == nil {
		s.consents = map[tenant.ID]map[string][]tracking.Consent{}
	}
	if s.consents[c.Tenant] == nil {
		s.consents[c.Tenant] = map[string][]tracking.Consent{}
	}
	name := audience.Canonical(c.Address)
	s.consents[c.Tenant][name] = append(s.consents[c.Tenant][name], c)
	return nil
}

// TrackingConsentHistory implements tracking.ConsentStore.
func (s *Shelf) TrackingConsentHistory(_ context.Context, t tenant.ID, a message.Address) ([]tracking.Consent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.consents[t][audience.Canonical(a)])
	slices.Reverse(list)
	return list, nil
}

// Tracked implements tracking.ActivityStore.
func (s *Shelf) Tracked(_ context.Context, t tenant.ID, m message.ID) (tracking.Tracked, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.tracked[m]
	if !ok || v.Tenant != t {
		return tracking.Tracked{}, fault.New(fault.NotFound, "message_untracked", "The message is not tracked.")
	}
	return v, nil
}

// Trail implements tracking.ActivityStore.
func (s *Shelf) Trail(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, []tracking.Recipient, error) {
	v, err := s.Tracked(ctx, t, m)
	if err != nil {
		return v, nil, err
	}
	to, err := s.Recipients(ctx, t, m)
	return v, to, err
}

// Recipients implements tracking.ActivityStore.
func (s *Shelf) Recipients(_ context.Context, t tenant.ID, m message.ID) ([]tracking.Recipient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tracked[m].Tenant != t {
		return nil, nil
	}
	return slices.Clone(s.recipients[m]), nil
}

// NoteActivity implements tracking.ActivityStore; it decides at once.
func (s *Shelf) NoteActivity(ctx context.Context, h *tracking.Hit, decided func(bool)) error {
	kept, err := s.AddActivities(ctx, []tracking.Hit{*h})
	if err == nil && decided != nil {
		decided(kept[0])
	}
	return err
}

// AddActivities implements tracking.ActivityStore.
func (s *Shelf) AddActivities(ctx context.Context, list []tracking.Hit) ([]bool, error) {
	kept := make([]bool, len(list))
	for i, h := range list {
		said, err := s.TrackingConsents(ctx, h.Activity.Tenant, h.Recipients)
		if err != nil {
			return nil, err
		}
		silent := false
		for _, c := range said {
			silent = silent || c.State == tracking.StateWithdrawn
		}
		if silent && !h.Activity.Kind.Declared() {
			continue
		}
		kept[i] = true
		s.mu.Lock()
		s.activities = append(s.activities, h.Activity)
		s.mu.Unlock()
	}
	return kept, nil
}

// Activities implements tracking.ActivityStore; it knows the questions of the doors.
func (s *Shelf) Activities(_ context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []tracking.Activity
	for _, a := range s.activities {
		switch {
		case a.Tenant != t, !q.Message.IsZero() && a.Message != q.Message, q.Offer != "" && a.Offer != q.Offer, q.Sender != "" && a.Sender != q.Sender,
			a.At.Before(q.Since), !q.Until.IsZero() && !a.At.Before(q.Until),
			q.Part != "" && (a.Recipient == nil || !strings.Contains(audience.Canonical(*a.Recipient), strings.ToLower(q.Part))),
			len(q.Kinds) > 0 && !slices.Contains(q.Kinds, a.Kind), len(q.Classes) > 0 && !slices.Contains(q.Classes, a.Machine.Class),
			q.Recipient.Domain != "" && (a.Recipient == nil || audience.Canonical(*a.Recipient) != audience.Canonical(q.Recipient)):
			continue
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b tracking.Activity) int {
		if q.Forward {
			return bytes.Compare(a.ID[:], b.ID[:])
		}
		return bytes.Compare(b.ID[:], a.ID[:])
	})
	if !q.After.IsZero() {
		list = slices.DeleteFunc(list, func(a tracking.Activity) bool {
			later := bytes.Compare(a.ID[:], q.After[:]) > 0
			return a.ID == q.After || later != q.Forward
		})
	}
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	return list[:min(len(list), limit)], len(list) > limit, nil
}

// Activity implements tracking.ActivityStore.
func (s *Shelf) Activity(_ context.Context, t tenant.ID, id tracking.ActivityID) (tracking.Activity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.activities {
		if a.Tenant == t && a.ID == id {
			return a, nil
		}
	}
	return tracking.Activity{}, fault.New(fault.NotFound, "activity_unknown", "There is no such activity.")
}

// Openings implements tracking.Reader.
func (s *Shelf) Openings(ctx context.Context, t tenant.ID, of []message.ID) (map[message.ID]tracking.Opening, error) {
	found := map[message.ID]tracking.Opening{}
	for _, m := range of {
		c, err := s.ActivityCounts(ctx, t, m)
		if err != nil {
			continue // not tracked
		}
		o := tracking.Opening{Level: c.Level, Recipients: c.Recipients, Count: c.Opened}
		s.mu.Lock()
		for _, a := range s.activities {
			if a.Tenant == t && a.Message == m && a.Kind == tracking.Opened && a.Machine.Counted() && (o.First.IsZero() || a.At.Before(o.First)) {
				o.First = a.At
			}
		}
		s.mu.Unlock()
		found[m] = o
	}
	return found, nil
}

// ActivityCounts implements tracking.ActivityStore.
func (s *Shelf) ActivityCounts(ctx context.Context, t tenant.ID, m message.ID) (tracking.Counts, error) {
	v, err := s.Tracked(ctx, t, m)
	if err != nil {
		return tracking.Counts{}, err
	}
	c := tracking.Counts{Level: v.Decision.Level, Recipients: v.Recipients, Hidden: v.Decision.Level == tracking.Aggregate && v.Recipients < tracking.MinForCounts}
	if c.Hidden {
		return c, nil
	}
	numbers := map[int]int{}
	for i, l := range v.Links {
		if !l.Trap {
			numbers[i+1] = len(c.Links)
			c.Links = append(c.Links, tracking.LinkCount{Link: l, Number: i + 1})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(to *tracking.Count, a tracking.Activity) {
		if a.Machine.Counted() {
			to.Persons++
		} else {
			to.Machines++
		}
	}
	for _, a := range s.activities {
		if a.Tenant != t || a.Message != m {
			continue
		}
		if a.Kind == tracking.Opened {
			add(&c.Opened, a)
		}
		if at, ok := numbers[a.Link]; ok && a.Kind == tracking.Clicked {
			add(&c.Links[at].Count, a)
		}
	}
	return c, nil
}

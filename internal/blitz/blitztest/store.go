// Package blitztest keeps activities and readers in memory, for tests of what stands on
// package blitz.
package blitztest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"stafette/internal/audience"
	"stafette/internal/blitz"
	"stafette/internal/fault"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Store is a blitz.Store and reads Kept, which runs from old to new. It is safe for
// concurrent use once Kept is set.
type Store struct {
	Kept    []tracking.Activity
	Tenants []tenant.ID // with webhooks

	mu      sync.Mutex
	readers []blitz.Reader
	one     map[tracking.ActivityID]tenant.UserID
	places  map[tenant.ID]tracking.ActivityID
	letters []notice.Due
}

var (
	_ blitz.Store      = (*Store)(nil)
	_ blitz.Activities = (*Store)(nil)
)

// Letters are those that were kept.
func (s *Store) Letters() []notice.Due {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.letters)
}

// Keep adds an activity.
func (s *Store) Keep(a tracking.Activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Kept = append(s.Kept, a)
}

// Activities implements blitz.Activities.
func (s *Store) Activities(_ context.Context, t tenant.ID, q tracking.Query) (list []tracking.Activity, more bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.Kept {
		newer, older := bytes.Compare(a.ID[:], q.After[:]) > 0, q.After.IsZero() || bytes.Compare(a.ID[:], q.After[:]) < 0
		if a.Tenant == t && (len(q.Classes) == 0 || slices.Contains(q.Classes, a.Machine.Class)) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, a.Kind)) &&
			(q.Sender == "" || a.Sender == q.Sender) && (q.Offer == "" || a.Offer == q.Offer) && (q.Message.IsZero() || a.Message == q.Message) &&
			(q.Recipient.IsZero() || a.Recipient != nil && *a.Recipient == q.Recipient) && (q.Part == "" || a.Recipient != nil && strings.Contains(audience.Canonical(*a.Recipient), strings.ToLower(q.Part))) && (q.Since.IsZero() || !a.At.Before(q.Since)) &&
			(q.Until.IsZero() || a.At.Before(q.Until)) && (q.Forward && newer || !q.Forward && older) {
			list = append(list, a)
		}
	}
	if !q.Forward {
		slices.Reverse(list)
	}
	if q.Limit > 0 && len(list) > q.Limit {
		return list[:q.Limit], true, nil
	}
	return list, false, nil
}

// Activity implements blitz.Activities.
func (s *Store) Activity(_ context.Context, t tenant.ID, id tracking.ActivityID) (tracking.Activity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.Kept {
		if a.Tenant == t && a.ID == id {
			return a, nil
		}
	}
	return tracking.Activity{}, fault.New(fault.NotFound, "activity_unknown", "There is no such activity.")
}

func (s *Store) at(t tenant.ID, u tenant.UserID) *blitz.Reader {
	for i := range s.readers {
		if s.readers[i].Tenant == t && s.readers[i].User == u {
			return &s.readers[i]
		}
	}
	return nil
}

func (s *Store) made(t tenant.ID, u tenant.UserID) *blitz.Reader {
	if r := s.at(t, u); r != nil {
		return r
	}
	s.readers = append(s.readers, blitz.Reader{Tenant: t, User: u, Choice: blitz.UsualChoice()})
	return &s.readers[len(s.readers)-1]
}

// BlitzReader implements blitz.Store.
func (s *Store) BlitzReader(_ context.Context, t tenant.ID, u tenant.UserID) (blitz.Reader, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.at(t, u); r != nil {
		return *r, true, nil
	}
	return blitz.Reader{}, false, nil
}

// ChooseBlitz implements blitz.Store.
func (s *Store) ChooseBlitz(_ context.Context, r blitz.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.made(r.Tenant, r.User)
	if len(have.Choice.Mail) == 0 {
		have.ToldUntil = r.ToldUntil
	}
	have.Choice = r.Choice
	return nil
}

// ReadBlitz implements blitz.Store.
func (s *Store) ReadBlitz(_ context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.made(t, u); bytes.Compare(until[:], r.ReadUntil[:]) > 0 {
		r.ReadUntil = until
	}
	return nil
}

// ReadOne implements blitz.Store.
func (s *Store) ReadOne(_ context.Context, _ tenant.ID, u tenant.UserID, a, _ tracking.ActivityID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.one == nil {
		s.one = map[tracking.ActivityID]tenant.UserID{}
	}
	s.one[a] = u
	return nil
}

// ReadBeside implements blitz.Store.
func (s *Store) ReadBeside(_ context.Context, _ tenant.ID, u tenant.UserID, until tracking.ActivityID) (list []tracking.ActivityID, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, who := range s.one {
		if who == u && bytes.Compare(a[:], until[:]) > 0 {
			list = append(list, a)
		}
	}
	return list, nil
}

// UnreadBlitz implements blitz.Store.
func (s *Store) UnreadBlitz(_ context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID, limit int) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.Kept {
		if a.Tenant == t && a.Machine.Counted() && bytes.Compare(a.ID[:], until[:]) > 0 && s.one[a.ID] != u {
			n++
		}
	}
	return min(n, limit), nil
}

// BlitzMails implements blitz.Store.
func (s *Store) BlitzMails(context.Context) (list []blitz.Reader, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers {
		if len(r.Choice.Mail) > 0 {
			list = append(list, r)
		}
	}
	return list, nil
}

// TellBlitz implements blitz.Store.
func (s *Store) TellBlitz(_ context.Context, r blitz.Reader, until tracking.ActivityID, d notice.Due) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.at(r.Tenant, r.User)
	if have == nil || have.ToldUntil != r.ToldUntil {
		return false, nil
	}
	have.ToldUntil = until
	if d.Key != "" {
		s.letters = append(s.letters, d)
	}
	return true, nil
}

// FeedTenants implements blitz.Store.
func (s *Store) FeedTenants(context.Context) ([]tenant.ID, error) { return s.Tenants, nil }

// FeedPlace implements blitz.Store.
func (s *Store) FeedPlace(_ context.Context, t tenant.ID) (tracking.ActivityID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places[t], nil
}

// SetFeedPlace implements blitz.Store.
func (s *Store) SetFeedPlace(_ context.Context, t tenant.ID, a tracking.ActivityID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		s.places = map[tenant.ID]tracking.ActivityID{}
	}
	s.places[t] = a
	return nil
}

// Package webhooktest keeps endpoints and calls in memory, for tests of what stands on
// package webhook. It leaves no notes of facts: calls come by AddCalls.
package webhooktest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// Store is a webhook.Store. The zero Store is empty; it is safe for concurrent use.
type Store struct {
	// Facts are what FactOf knows.
	Facts map[event.ID]webhook.Fact
	// Deeds are what DeedOf knows.
	Deeds map[webhook.CallID]json.RawMessage

	mu        sync.Mutex
	endpoints []webhook.Endpoint
	calls     []webhook.Call
}

var _ webhook.Store = (*Store)(nil)

func none(code string) error { return fault.New(fault.NotFound, code, "There is no such thing here.") }

func (s *Store) at(t tenant.ID, w webhook.ID) int {
	return slices.IndexFunc(s.endpoints, func(e webhook.Endpoint) bool { return e.Tenant == t && e.ID == w })
}

// AddWebhook implements webhook.Store.
func (s *Store) AddWebhook(_ context.Context, e webhook.Endpoint, limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, have := range s.endpoints {
		if have.Tenant == e.Tenant {
			n++
		}
	}
	if n >= limit {
		return fault.New(fault.Conflict, "webhooks_full", "full")
	}
	s.endpoints = append(s.endpoints, e)
	return nil
}

// Webhooks implements webhook.Store.
func (s *Store) Webhooks(_ context.Context, t tenant.ID) (list []webhook.Endpoint, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		if e.Tenant == t {
			list = append(list, e)
		}
	}
	return list, nil
}

// Webhook implements webhook.Store.
func (s *Store) Webhook(_ context.Context, t tenant.ID, w webhook.ID) (webhook.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.at(t, w); i >= 0 {
		return s.endpoints[i], nil
	}
	return webhook.Endpoint{}, none("webhook_not_found")
}

// ChangeWebhook implements webhook.Store.
func (s *Store) ChangeWebhook(_ context.Context, e webhook.Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(e.Tenant, e.ID)
	if i < 0 {
		return none("webhook_not_found")
	}
	s.endpoints[i] = e
	return nil
}

// RemoveWebhook implements webhook.Store.
func (s *Store) RemoveWebhook(_ context.Context, t tenant.ID, w webhook.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, w)
	if i < 0 {
		return none("webhook_not_found")
	}
	s.endpoints = slices.Delete(s.endpoints, i, i+1)
	s.calls = slices.DeleteFunc(s.calls, func(c webhook.Call) bool { return c.Tenant == t && c.Endpoint == w })
	return nil
}

// NoteHealth implements webhook.Store.
func (s *Store) NoteHealth(_ context.Context, e webhook.Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.at(e.Tenant, e.ID); i >= 0 && s.endpoints[i].State == webhook.Active {
		s.endpoints[i] = e
	}
	return nil
}

// FollowWebhooks implements webhook.Store.
func (s *Store) FollowWebhooks(context.Context) error { return nil }

// FoldFacts implements webhook.Store.
func (s *Store) FoldFacts(context.Context, int) (int, error) { return 0, nil }

// AddCalls implements webhook.Store.
func (s *Store) AddCalls(_ context.Context, list []webhook.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		if s.call(c) < 0 {
			s.calls = append(s.calls, c)
		}
	}
	return nil
}

func (s *Store) call(of webhook.Call) int {
	return slices.IndexFunc(s.calls, func(c webhook.Call) bool {
		return c.Tenant == of.Tenant && c.Endpoint == of.Endpoint && c.ID == of.ID
	})
}

// DueEndpoints implements webhook.Store.
func (s *Store) DueEndpoints(_ context.Context, now time.Time, limit int) (list []webhook.Endpoint, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		due := slices.ContainsFunc(s.calls, func(c webhook.Call) bool {
			return c.Tenant == e.Tenant && c.Endpoint == e.ID && !c.DueAt.IsZero() && !c.DueAt.After(now)
		})
		if due && e.State == webhook.Active && !e.RestsUntil.After(now) && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

// ClaimCalls implements webhook.Store.
func (s *Store) ClaimCalls(_ context.Context, t tenant.ID, w webhook.ID, now time.Time, lease time.Duration, limit int) (list []webhook.Call, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.calls, func(a, b webhook.Call) int { return cmp.Compare(a.DueAt.UnixMilli(), b.DueAt.UnixMilli()) })
	for i := range s.calls {
		c := &s.calls[i]
		if c.Tenant == t && c.Endpoint == w && !c.DueAt.IsZero() && !c.DueAt.After(now) && len(list) < limit {
			list = append(list, *c)
			c.DueAt = now.Add(lease)
		}
	}
	return list, nil
}

// SettleCall implements webhook.Store.
func (s *Store) SettleCall(_ context.Context, c webhook.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.call(c); i >= 0 {
		s.calls[i] = c
	}
	return nil
}

// Calls implements webhook.Store.
func (s *Store) Calls(_ context.Context, t tenant.ID, w webhook.ID, f webhook.CallFilter) (list []webhook.Call, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.Tenant == t && c.Endpoint == w && (f.State == "" || c.State == f.State) && (f.Before.IsZero() || bytes.Compare(c.ID[:], f.Before[:]) < 0) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b webhook.Call) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	if f.Limit > 0 {
		list = list[:min(len(list), f.Limit)]
	}
	return list, nil
}

// RepeatCalls implements webhook.Store.
func (s *Store) RepeatCalls(_ context.Context, t tenant.ID, w webhook.ID, one webhook.CallID, since, now time.Time) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	low := id.Lowest[webhook.CallKind](since)
	for i := range s.calls {
		c := &s.calls[i]
		chosen := c.ID == one || one.IsZero() && bytes.Compare(c.ID[:], low[:]) >= 0
		if c.Tenant == t && c.Endpoint == w && c.DueAt.IsZero() && chosen {
			c.State, c.Attempts, c.DueAt = webhook.Due, 0, now
			n++
		}
	}
	return n, nil
}

// DropCalls implements webhook.Store.
func (s *Store) DropCalls(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = slices.DeleteFunc(s.calls, func(c webhook.Call) bool { return c.DueAt.IsZero() && c.At.Before(before) })
	return nil
}

// DeedOf implements webhook.Store.
func (s *Store) DeedOf(_ context.Context, _ tenant.ID, c webhook.CallID) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data, ok := s.Deeds[c]; ok {
		return data, nil
	}
	return nil, none("fact_not_found")
}

// FactOf implements webhook.Store.
func (s *Store) FactOf(_ context.Context, _ tenant.ID, _ message.ID, e event.ID) (webhook.Fact, error) {
	f, ok := s.Facts[e]
	if !ok {
		return webhook.Fact{}, none("fact_not_found")
	}
	return f, nil
}

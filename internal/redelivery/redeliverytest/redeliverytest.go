// Package redeliverytest has a store of redeliveries in memory for tests of the doors.
// It keeps the contracts of redelivery.Store and redelivery.ArchiveStore, but for dropping content; the
// conformance suite of package store holds the real ones to them.
package redeliverytest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// Store implements the stores in memory. The zero value is empty and ready; it is safe
// for concurrent use.
type Store struct {
	// All are the deliveries of a tenant, from old to new; nil: none.
	All func(t tenant.ID) []redelivery.Candidate
	// Runs are told as they are.
	Runs []redelivery.Run

	mu    sync.Mutex
	jobs  []*job
	terms map[tenant.ID]map[tenant.Stream]int
}

type job struct {
	redelivery.Job
	hash  [32]byte
	items []redelivery.Item
}

var (
	_ redelivery.Store        = (*Store)(nil)
	_ redelivery.ArchiveStore = (*Store)(nil)
)

// Candidates implements redelivery.Store.
func (s *Store) Candidates(_ context.Context, t tenant.ID, f redelivery.Filter, after message.DeliveryID, limit int) (list []redelivery.Candidate, more bool, err error) {
	if s.All == nil {
		return nil, false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.All(t) {
		d, at := c.Delivery, c.Message.AcceptedAt
		switch {
		case slices.Compare(d.ID[:], after[:]) <= 0, !f.From.IsZero() && at.Before(f.From), !f.To.IsZero() && !at.Before(f.To),
			len(f.States) > 0 && !slices.Contains(f.States, d.State), !f.Message.IsZero() && message.Of(d.ID) != f.Message, !f.Delivery.IsZero() && d.ID != f.Delivery,
			f.Recipient != "" && f.Recipient[0] != '@' && !strings.EqualFold(d.Recipient.String(), f.Recipient):
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		c.Redelivered = s.sent(t, d.ID, redelivery.ID{})
		list = append(list, c)
	}
	return list, false, nil
}

func (s *Store) sent(t tenant.ID, d message.DeliveryID, but redelivery.ID) bool {
	for _, j := range s.jobs {
		for _, i := range j.items {
			// Whoever plans leaves alone what waits in another job; whoever sends does not.
			waits := but.IsZero() && i.State == redelivery.Waiting && !j.State.Over()
			if j.Tenant == t && j.ID != but && i.Delivery == d && (i.State == redelivery.Sent || i.State == redelivery.Sending || waits) {
				return true
			}
		}
	}
	return false
}

// Suppressed implements redelivery.Store: nobody is.
func (*Store) Suppressed(context.Context, tenant.ID, tenant.Stream, []message.Address, time.Time) (map[message.Address]string, error) {
	return map[message.Address]string{}, nil
}

// AddJob implements redelivery.Store.
func (s *Store) AddJob(_ context.Context, j redelivery.Job, hash [32]byte) (*redelivery.Job, [32]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.jobs {
		if j.Key != "" && one.Tenant == j.Tenant && one.Key == j.Key {
			first := one.Job
			return &first, one.hash, nil
		}
	}
	s.jobs = append(s.jobs, &job{Job: j, hash: hash})
	return nil, hash, nil
}

func (s *Store) find(t tenant.ID, number redelivery.ID) (*job, error) {
	for _, j := range s.jobs {
		if j.Tenant == t && j.ID == number {
			return j, nil
		}
	}
	return nil, fault.New(fault.NotFound, redelivery.CodeNotFound, "There is no such thing here.")
}

// AddItems implements redelivery.Store.
func (s *Store) AddItems(_ context.Context, t tenant.ID, number redelivery.ID, list []redelivery.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(t, number)
	if err != nil {
		return err
	}
	j.items = append(j.items, list...)
	j.Total += len(list)
	for _, i := range list {
		if i.State == redelivery.Skipped {
			j.Skipped++
		}
	}
	return nil
}

// ChangeJob implements redelivery.Store.
func (s *Store) ChangeJob(_ context.Context, v redelivery.Job, from redelivery.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if j.State != from {
		return fault.New(fault.Conflict, redelivery.CodeState, "The redelivery is not in a state that allows this.")
	}
	j.State, j.Reason, j.ConfirmedBy, j.ConfirmedAt, j.RampAt, j.DueAt, j.FinishedAt = v.State, v.Reason, v.ConfirmedBy, v.ConfirmedAt, v.RampAt, v.DueAt, v.FinishedAt
	return nil
}

// Redelivery implements redelivery.Store.
func (s *Store) Redelivery(_ context.Context, t tenant.ID, number redelivery.ID) (redelivery.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(t, number)
	if err != nil {
		return redelivery.Job{}, err
	}
	return j.Job, nil
}

// Redeliveries implements redelivery.Store.
func (s *Store) Redeliveries(_ context.Context, t tenant.ID, after redelivery.ID, limit int) (list []redelivery.Job, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.Tenant == t && (after.IsZero() || slices.Compare(j.ID[:], after[:]) < 0) {
			list = append(list, j.Job)
		}
	}
	slices.SortFunc(list, func(a, b redelivery.Job) int { return slices.Compare(b.ID[:], a.ID[:]) })
	more = len(list) > limit
	return list[:min(len(list), limit)], more, nil
}

// RedeliveryItems implements redelivery.Store.
func (s *Store) RedeliveryItems(_ context.Context, t tenant.ID, number redelivery.ID, f redelivery.ItemFilter) (list []redelivery.Item, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(t, number)
	if err != nil {
		return nil, false, err
	}
	for _, i := range j.items {
		if i.Number > f.After && (f.State == "" || i.State == f.State) {
			list = append(list, i)
		}
	}
	more = len(list) > f.Limit
	return list[:min(len(list), f.Limit)], more, nil
}

// OpenJobs implements redelivery.Store.
func (s *Store) OpenJobs(_ context.Context, now, stale time.Time) (list []redelivery.Job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.State == redelivery.Running && !j.DueAt.After(now) || j.State == redelivery.Planning && j.CreatedAt.Before(stale) {
			list = append(list, j.Job)
		}
	}
	return list, nil
}

// NextItems implements redelivery.Store.
func (s *Store) NextItems(_ context.Context, t tenant.ID, number redelivery.ID, limit int) (list []redelivery.Item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(t, number)
	if err != nil {
		return nil, err
	}
	for _, wanted := range []redelivery.ItemState{redelivery.Sending, redelivery.Waiting} {
		for k, i := range j.items {
			if i.State == wanted && len(list) < limit && !slices.ContainsFunc(list, func(o redelivery.Item) bool { return o.Number == i.Number }) {
				i.Elsewhere = s.sent(t, i.Delivery, number)
				list = append(list, i)
				j.items[k].State = redelivery.Sending
			}
		}
	}
	return list, nil
}

// SettleItem implements redelivery.Store.
func (s *Store) SettleItem(_ context.Context, t tenant.ID, number redelivery.ID, i redelivery.Item) (redelivery.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(t, number)
	if err != nil {
		return "", err
	}
	k := slices.IndexFunc(j.items, func(o redelivery.Item) bool { return o.Number == i.Number && o.State == redelivery.Sending })
	if k < 0 {
		return j.State, nil
	}
	j.items[k] = i
	switch i.State {
	case redelivery.Sent:
		j.Sent++
	case redelivery.Skipped:
		j.Skipped++
	case redelivery.Failed:
		j.Failed++
	}
	return j.State, nil
}

// Tagged implements redelivery.Store: nothing was left half done.
func (*Store) Tagged(context.Context, tenant.ID, string) (message.ID, bool, error) {
	return message.ID{}, false, nil
}

// Terms implements both stores.
func (s *Store) Terms(_ context.Context, t tenant.ID) (list []redelivery.Term, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for stream, days := range s.terms[t] {
		list = append(list, redelivery.Term{Stream: stream, Days: days})
	}
	slices.SortFunc(list, func(a, b redelivery.Term) int { return cmp.Compare(a.Stream, b.Stream) })
	return list, nil
}

// SaveTerm implements redelivery.ArchiveStore.
func (s *Store) SaveTerm(_ context.Context, t tenant.ID, v redelivery.Term) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terms == nil {
		s.terms = map[tenant.ID]map[tenant.Stream]int{}
	}
	if s.terms[t] == nil {
		s.terms[t] = map[tenant.Stream]int{}
	}
	s.terms[t][v.Stream] = v.Days
	return nil
}

// LongestTerm implements redelivery.ArchiveStore.
func (s *Store) LongestTerm(context.Context) (most int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range s.terms {
		for _, days := range set {
			most = max(most, days)
		}
	}
	return most, nil
}

// DropContent implements redelivery.ArchiveStore: there is none.
func (*Store) DropContent(_ context.Context, r redelivery.Run, _ int, now time.Time) (redelivery.Run, bool, error) {
	r.EndedAt = now
	return r, false, nil
}

// DropLeadsOf implements redelivery.ArchiveStore: there are none.
func (*Store) DropLeadsOf(context.Context, tenant.ID, time.Time, int) (int, error) { return 0, nil }

// ArchiveRuns implements redelivery.ArchiveStore.
func (s *Store) ArchiveRuns(_ context.Context, t tenant.ID, after redelivery.RunID, limit int) (list []redelivery.Run, more bool, err error) {
	for _, r := range slices.Backward(s.Runs) {
		if r.Tenant == t && (after.IsZero() || slices.Compare(r.ID[:], after[:]) < 0) {
			list = append(list, r)
		}
	}
	more = len(list) > limit
	return list[:min(len(list), limit)], more, nil
}

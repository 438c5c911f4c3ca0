// Package queuetest holds a queue.Store in memory for tests. It is honest about
// what the durable one promises: claims belong to epochs, dead epochs are fenced,
// and a settlement under another epoch changes nothing.
package queuetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Row is one delivery as the Store keeps it.
type Row struct {
	Entry  queue.Entry
	State  event.State
	Owner  queue.Epoch // 0: nobody
	Events []event.Event
	// Reports are what settlements made due.
	Reports []queue.Report
	// Fallbacks are what settlements marked.
	Fallbacks []queue.Fallback
	// Dialogues are those that settlements brought, by attempt.
	Dialogues map[int][]byte
	Claims    int // how often it was claimed
}

// Store implements queue.Store. The zero value is not usable; call New.
type Store struct {
	now func() time.Time

	mu        sync.Mutex
	rows      map[message.DeliveryID]*Row
	epochs    map[queue.Epoch]time.Time // alive until; zero: dead
	last      queue.Epoch
	fail      error
	failBeats error
	beats     int
	notes     map[uint64]message.DeliveryID // not dropped; nil: none are taken
	noted     uint64
}

// New returns an empty Store that tells time by now.
func New(now func() time.Time) *Store {
	return &Store{now: now, rows: map[message.DeliveryID]*Row{}, epochs: map[queue.Epoch]time.Time{}}
}

// Add stores new deliveries held by the epoch, or by nobody if it is 0.
func (s *Store) Add(e queue.Epoch, entries ...queue.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range entries {
		s.rows[entry.Delivery] = &Row{Entry: entry, State: event.Queued, Owner: e}
	}
}

// Fail makes every later call return err, as a database does that is down; nil
// heals it.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Kill declares an epoch dead, as another node would.
func (s *Store) Kill(e queue.Epoch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epochs[e] = time.Time{}
}

// Row returns a copy of one delivery's row.
func (s *Store) Row(d message.DeliveryID) Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[d]; r != nil {
		c := *r
		c.Events, c.Reports = slices.Clone(r.Events), slices.Clone(r.Reports)
		return c
	}
	return Row{}
}

// Count returns how many deliveries are in each state.
func (s *Store) Count() map[event.State]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[event.State]int{}
	for _, r := range s.rows {
		n[r.State]++
	}
	return n
}

// Owned returns how many unsettled deliveries the epoch holds.
func (s *Store) Owned(e queue.Epoch) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.rows {
		if r.Owner == e && waits(r) {
			n++
		}
	}
	return n
}

// Beats returns how many heartbeats came.
func (s *Store) Beats() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beats
}

// FailBeats lets Beat alone return err, until it is nil again.
func (s *Store) FailBeats(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failBeats = err
}

// TakeNotes makes Note note. By itself the Store notes nothing.
func (s *Store) TakeNotes() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = map[uint64]message.DeliveryID{}
}

// Notes returns how many notes there were, and how many are not dropped.
func (s *Store) Notes() (all, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.noted), len(s.notes)
}

// Note implements queue.Store. It works while all else fails.
func (s *Store) Note(list []*queue.Settlement) (numbers []uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		return nil, nil
	}
	for _, v := range list {
		s.noted++
		s.notes[s.noted] = v.Delivery
		numbers = append(numbers, s.noted)
	}
	return numbers, nil
}

// Drop implements queue.Store.
func (s *Store) Drop(numbers []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range numbers {
		delete(s.notes, n)
	}
	return nil
}

// StartEpoch implements queue.Store.
func (s *Store) StartEpoch(_ context.Context, _ string, _, aliveUntil time.Time) (queue.Epoch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	s.last++
	s.epochs[s.last] = aliveUntil
	return s.last, nil
}

// Beat implements queue.Store.
func (s *Store) Beat(_ context.Context, e queue.Epoch, _, aliveUntil time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fail, s.failBeats); err != nil {
		return err
	}
	if s.epochs[e].IsZero() {
		return queue.ErrFenced
	}
	s.beats++
	s.epochs[e] = aliveUntil
	return nil
}

// EndEpoch implements queue.Store.
func (s *Store) EndEpoch(_ context.Context, e queue.Epoch, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.epochs[e] = time.Time{}
	for _, r := range s.rows {
		if r.Owner == e {
			r.Owner = 0
		}
	}
	return nil
}

func waits(r *Row) bool { return r.State == event.Queued || r.State == event.Deferred }

// free reports whether nobody alive holds the row.
func (s *Store) free(r *Row, now time.Time) bool {
	return waits(r) && (r.Owner == 0 || s.epochs[r.Owner].Before(now))
}

// DueTenants implements queue.Store.
func (s *Store) DueTenants(_ context.Context, now time.Time, after tenant.ID, limit int) ([]tenant.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[tenant.ID]bool{}
	for _, r := range s.rows {
		if t := r.Entry.Tenant; bytes.Compare(t[:], after[:]) > 0 && s.free(r, now) && !r.Entry.DueAt.After(now) {
			seen[t] = true
		}
	}
	list := make([]tenant.ID, 0, len(seen))
	for t := range seen {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b tenant.ID) int { return bytes.Compare(a[:], b[:]) })
	return list[:min(limit, len(list))], s.fail
}

// Claim implements queue.Store.
func (s *Store) Claim(_ context.Context, c queue.Claim) ([]queue.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	if s.epochs[c.Epoch].IsZero() {
		return nil, queue.ErrFenced
	}
	var due []*Row
	for _, r := range s.rows {
		if r.Entry.Tenant == c.Tenant && s.free(r, c.Now) && !r.Entry.DueAt.After(c.Now) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *Row) int {
		if d := a.Entry.Stream.Urgency() - b.Entry.Stream.Urgency(); d != 0 {
			return d
		}
		if d := a.Entry.DueAt.Compare(b.Entry.DueAt); d != 0 {
			return d
		}
		return bytes.Compare(a.Entry.Delivery[:], b.Entry.Delivery[:])
	})
	due = due[:min(c.Limit, len(due))]
	entries := make([]queue.Entry, len(due))
	for i, r := range due {
		r.Owner = c.Epoch
		r.Claims++
		entries[i] = r.Entry
	}
	return entries, nil
}

// NextDue implements queue.Store.
func (s *Store) NextDue(_ context.Context, after, until time.Time) (time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	for _, r := range s.rows {
		due := r.Entry.DueAt.After(after) && !r.Entry.DueAt.After(until)
		if due && s.free(r, s.now()) && (next.IsZero() || r.Entry.DueAt.Before(next)) {
			next = r.Entry.DueAt
		}
	}
	return next, !next.IsZero(), s.fail
}

// Settle implements queue.Store. A delivered verdict wins over a command that
// held or cancelled the delivery meanwhile.
func (s *Store) Settle(_ context.Context, list []queue.Settlement) ([]message.DeliveryID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var fenced []message.DeliveryID
	for _, v := range list {
		r := s.rows[v.Delivery]
		wins := r != nil && v.State == event.Delivered && r.Owner == 0 && !waits(r) && r.State != event.Delivered
		if r == nil || !wins && (r.Owner != v.Epoch || !waits(r)) {
			fenced = append(fenced, v.Delivery)
			continue
		}
		r.State, r.Owner = v.State, 0
		r.Entry.Attempts = v.Attempts
		r.Entry.Signature = v.Signature
		if v.State == event.Deferred {
			r.Entry.DueAt = v.DueAt
		}
		r.Events = append(append(r.Events, v.Earlier...), v.Event)
		if v.Fallback != nil {
			r.Fallbacks = append(r.Fallbacks, *v.Fallback)
		}
		if v.Dialogue != nil {
			if r.Dialogues == nil {
				r.Dialogues = map[int][]byte{}
			}
			r.Dialogues[v.Attempts] = v.Dialogue
		}
		if v.Report.Action != "" {
			r.Reports = append(r.Reports, v.Report)
		}
	}
	return fenced, nil
}

// Release implements queue.Store.
func (s *Store) Release(_ context.Context, e queue.Epoch, entries []queue.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, entry := range entries {
		if r := s.rows[entry.Delivery]; r != nil && r.Owner == e {
			r.Owner, r.Entry.DueAt = 0, entry.DueAt
		}
	}
	return nil
}

// Apply implements queue.Store for one delivery named by the selection.
func (s *Store) Apply(_ context.Context, c queue.Command, sel queue.Selection, _ string, now time.Time) ([]message.DeliveryID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[sel.Delivery]
	if r == nil || r.Entry.Tenant != sel.Tenant {
		return nil, s.fail
	}
	switch {
	case c == queue.Hold && waits(r):
		r.State, r.Owner = event.Held, 0
	case c == queue.Cancel && (waits(r) || r.State == event.Held):
		r.State, r.Owner = event.Cancelled, 0
	case c == queue.Resume && r.State == event.Held:
		r.State = event.Queued
	case c == queue.Retry && r.State == event.Deferred:
		r.Entry.DueAt = now
	default:
		return nil, s.fail
	}
	return []message.DeliveryID{sel.Delivery}, s.fail
}

// List implements queue.Store for the states of the selection.
func (s *Store) List(_ context.Context, sel queue.Selection) ([]queue.Listed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []queue.Listed
	for _, r := range s.rows {
		if (sel.Platform || r.Entry.Tenant == sel.Tenant) && (len(sel.States) == 0 || slices.Contains(sel.States, r.State)) {
			list = append(list, queue.Listed{
				Tenant: r.Entry.Tenant, Delivery: r.Entry.Delivery, Stream: r.Entry.Stream, Recipient: r.Entry.Recipient,
				State: r.State, Attempts: r.Entry.Attempts, DueAt: r.Entry.DueAt, ExpiresAt: r.Entry.ExpiresAt,
			})
		}
	}
	return list, s.fail
}

// Depth implements queue.Store.
func (s *Store) Depth(context.Context) (map[event.State]int64, error) {
	depth := map[event.State]int64{}
	for state, n := range s.Count() {
		if state == event.Queued || state == event.Deferred || state == event.Held {
			depth[state] = int64(n)
		}
	}
	return depth, nil
}

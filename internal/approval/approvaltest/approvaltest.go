// Package approvaltest has a store of approvals in memory, with the refusals of the real
// one, for tests of what stands on it.
package approvaltest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Store is an approval.Store in memory. The zero Store is empty; it is safe for concurrent
// use.
type Store struct {
	mu     sync.Mutex
	rows   []approval.Row
	lines  map[approval.ID][]approval.Line
	files  map[approval.ID][]approval.Exhibit
	alarms []approval.Alarm
	counts map[pattern]map[audience.Hash]audience.GroupID
	freed  int
}

// pattern is a shape of a tenant.
type pattern struct {
	tenant tenant.ID
	shape  approval.Shape
}

var _ approval.Store = (*Store)(nil)

func (s *Store) find(t tenant.ID, g audience.GroupID) int {
	return slices.IndexFunc(s.rows, func(r approval.Row) bool { return r.Tenant == t && r.Group == g })
}

func unknown() error {
	return fault.New(fault.NotFound, approval.CodeUnknown, "There is no such case.")
}

// Freed is how often held mail was let go.
func (s *Store) Freed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freed
}

// Approval implements approval.Store.
func (s *Store) Approval(_ context.Context, t tenant.ID, g audience.GroupID) (approval.Row, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(t, g); i >= 0 {
		return s.rows[i], true, nil
	}
	return approval.Row{}, false, nil
}

func (s *Store) pick(ok func(approval.Row) bool) (list []approval.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if ok(r) {
			list = append(list, r)
		}
	}
	return list
}

// Approvals implements approval.Store.
func (s *Store) Approvals(_ context.Context, t tenant.ID) ([]approval.Row, error) {
	return s.pick(func(r approval.Row) bool { return r.Tenant == t }), nil
}

// Review implements approval.Store.
func (s *Store) Review(_ context.Context, c approval.ID) (approval.Row, error) {
	if list := s.pick(func(r approval.Row) bool { return r.ID == c }); len(list) > 0 {
		return list[0], nil
	}
	return approval.Row{}, unknown()
}

// Reviews implements approval.Store.
func (s *Store) Reviews(_ context.Context, states []approval.State, limit int) ([]approval.Row, error) {
	list := s.pick(func(r approval.Row) bool { return slices.Contains(states, r.State) })
	slices.SortStableFunc(list, func(a, b approval.Row) int {
		if a.Due.IsZero() != b.Due.IsZero() {
			if a.Due.IsZero() {
				return 1
			}
			return -1
		}
		return a.Due.Compare(b.Due)
	})
	return list[:min(len(list), limit)], nil
}

// SaveApproval implements approval.Store.
func (s *Store) SaveApproval(_ context.Context, r approval.Row, lines []approval.Line, files []approval.Exhibit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(r.Tenant, r.Group)
	if i < 0 && r.Version != 1 || i >= 0 && s.rows[i].Version != r.Version-1 {
		return fault.New(fault.Conflict, approval.CodeChanged, "Somebody else has changed this approval since.")
	}
	if len(s.files[r.ID])+len(files) > approval.MaxFiles && len(files) > 0 {
		return fault.Field("file", "approval_files", "A case has at most 20 files.")
	}
	if i < 0 {
		s.rows = append(s.rows, r)
	} else {
		s.rows[i] = r
	}
	if s.lines == nil {
		s.lines, s.files = map[approval.ID][]approval.Line{}, map[approval.ID][]approval.Exhibit{}
	}
	s.lines[r.ID] = append(s.lines[r.ID], lines...)
	s.files[r.ID] = append(s.files[r.ID], files...)
	return nil
}

// NoteApproval implements approval.Store.
func (s *Store) NoteApproval(_ context.Context, r approval.Row) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(r.Tenant, r.Group)
	if i < 0 || s.rows[i].Version != r.Version {
		return false, nil
	}
	s.rows[i].Sealed, s.rows[i].Examined, s.rows[i].Freed = r.Sealed, r.Examined, r.Freed
	return true, nil
}

// RewriteApproval implements approval.Store.
func (s *Store) RewriteApproval(ctx context.Context, r approval.Row, lines []approval.Line) error {
	_, err := s.NoteApproval(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[r.ID] = slices.Clone(lines)
	return err
}

// ApprovalLog implements approval.Store.
func (s *Store) ApprovalLog(_ context.Context, t tenant.ID, c approval.ID) ([]approval.Line, error) {
	if !s.owns(t, c) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.lines[c])
	slices.SortFunc(list, func(a, b approval.Line) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list, nil
}

func (s *Store) owns(t tenant.ID, c approval.ID) bool {
	return len(s.pick(func(r approval.Row) bool { return r.ID == c && r.Tenant == t })) > 0
}

// Exhibits implements approval.Store.
func (s *Store) Exhibits(_ context.Context, t tenant.ID, c approval.ID) ([]approval.Exhibit, error) {
	if !s.owns(t, c) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.files[c])
	for i := range list {
		list[i].Body = nil
	}
	return list, nil
}

// Exhibit implements approval.Store.
func (s *Store) Exhibit(_ context.Context, t tenant.ID, c approval.ID, f approval.FileID) (approval.Exhibit, error) {
	if s.owns(t, c) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, x := range s.files[c] {
			if x.ID == f {
				return x, nil
			}
		}
	}
	return approval.Exhibit{}, unknown()
}

// Decisions implements approval.Store.
func (s *Store) Decisions(_ context.Context, t tenant.ID) (map[approval.Act]int, error) {
	count := map[approval.Act]int{}
	for _, r := range s.pick(func(r approval.Row) bool { return r.Tenant == t }) {
		s.mu.Lock()
		for _, l := range s.lines[r.ID] {
			count[l.Act]++
		}
		s.mu.Unlock()
	}
	return count, nil
}

// Voided implements approval.Store.
func (s *Store) Voided(_ context.Context, t tenant.ID) (at time.Time, err error) {
	for _, r := range s.pick(func(r approval.Row) bool {
		return r.Tenant == t && r.State != approval.Approved && !r.DecidedAt.IsZero()
	}) {
		if r.Since.After(at) {
			at = r.Since
		}
	}
	return at, nil
}

// UnfreedApprovals implements approval.Store.
func (s *Store) UnfreedApprovals(context.Context, int) ([]approval.Row, error) {
	return s.pick(func(r approval.Row) bool { return r.State == approval.Approved && !r.Freed }), nil
}

// FreeUnapproved implements approval.Store.
func (s *Store) FreeUnapproved(context.Context, tenant.ID, int, time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed++
	return 0, nil
}

// RaisePatternAlarm implements approval.Store.
func (s *Store) RaisePatternAlarm(_ context.Context, a approval.Alarm) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.alarms, func(o approval.Alarm) bool { return o.Tenant == a.Tenant && o.Shape == a.Shape }) {
		return false, nil
	}
	s.alarms = append(s.alarms, a)
	return true, nil
}

// PatternAlarms implements approval.Store.
func (s *Store) PatternAlarms(context.Context) ([]approval.Alarm, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.alarms), nil
}

// StandingPatterns implements approval.Store.
func (s *Store) StandingPatterns(ctx context.Context) ([]approval.Alarm, error) {
	return s.PatternAlarms(ctx)
}

// EndPatternAlarm implements approval.Store.
func (s *Store) EndPatternAlarm(_ context.Context, t tenant.ID, shape approval.Shape, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.alarms, func(o approval.Alarm) bool { return o.Tenant == t && o.Shape == shape })
	if at < 0 {
		return unknown()
	}
	ended := s.alarms[at]
	s.alarms = slices.DeleteFunc(s.alarms, func(o approval.Alarm) bool {
		return o.Tenant == t && o.Group == ended.Group && o.Stream == ended.Stream
	})
	return nil
}

// CountPattern implements approval.Store. Nobody is forgotten.
func (s *Store) CountPattern(_ context.Context, p approval.Pattern) (int, audience.GroupID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[pattern]map[audience.Hash]audience.GroupID{}
	}
	of := pattern{p.Tenant, p.Shape}
	if s.counts[of] == nil {
		s.counts[of] = map[audience.Hash]audience.GroupID{}
	}
	for _, m := range p.Members {
		s.counts[of][m.Hash] = m.Group
	}
	return len(s.counts[of]), p.Members[0].Group, nil
}

// FreePatterns implements approval.Store.
func (s *Store) FreePatterns(context.Context, int, time.Time) (int, error) { return 0, nil }

// DropPatterns implements approval.Store.
func (s *Store) DropPatterns(context.Context, time.Time) error { return nil }

// DropApprovals implements approval.Store.
func (s *Store) DropApprovals(context.Context, time.Time, int) (int, error) { return 0, nil }

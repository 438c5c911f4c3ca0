package leadtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/tenant"
)

// Forms implements leadform.Store in memory. The zero value is empty and ready; it is safe
// for concurrent use.
type Forms struct {
	mu   sync.Mutex
	rows []leadform.Form
}

var _ leadform.Store = (*Forms)(nil)

// SaveLeadForm implements leadform.Store.
func (s *Forms) SaveLeadForm(_ context.Context, f leadform.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = slices.DeleteFunc(s.rows, func(o leadform.Form) bool { return o.Tenant == f.Tenant && o.ID == f.ID })
	s.rows = append(s.rows, f)
	return nil
}

// LeadForm implements leadform.Store.
func (s *Forms) LeadForm(_ context.Context, t tenant.ID, id leadform.ID) (leadform.Form, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.rows {
		if f.Tenant == t && f.ID == id {
			return f, nil
		}
	}
	return leadform.Form{}, fault.New(fault.NotFound, leadform.CodeUnknown, "There is no such thing here.")
}

// LeadForms implements leadform.Store.
func (s *Forms) LeadForms(_ context.Context, t tenant.ID) (list []leadform.Form, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.rows {
		if f.Tenant == t {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b leadform.Form) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DropLeadForm implements leadform.Store.
func (s *Forms) DropLeadForm(_ context.Context, t tenant.ID, id leadform.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.rows)
	s.rows = slices.DeleteFunc(s.rows, func(f leadform.Form) bool { return f.Tenant == t && f.ID == id })
	if len(s.rows) == n {
		return fault.New(fault.NotFound, leadform.CodeUnknown, "There is no such thing here.")
	}
	return nil
}

// Cases implements leadcase.Store in memory. The zero value is empty and ready; it is safe
// for concurrent use.
type Cases struct {
	mu    sync.Mutex
	rows  []leadcase.Case // in the order of their opening
	notes map[leadcase.ID][]leadcase.Note
}

var _ leadcase.Store = (*Cases)(nil)

// OpenLeadCase implements leadcase.Store.
func (s *Cases) OpenLeadCase(_ context.Context, c leadcase.Case, first leadcase.Note, notes int) (leadcase.Case, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = map[leadcase.ID][]leadcase.Note{}
	}
	first.Text = ""
	c.Number = 1
	for _, o := range s.rows {
		if o.Tenant != c.Tenant {
			continue
		}
		c.Number++
		if o.State == leadcase.Open && o.Advertiser == c.Advertiser && o.Object == c.Object && o.Lead == c.Lead {
			if len(s.notes[o.ID]) < notes {
				s.notes[o.ID] = append(s.notes[o.ID], first)
			}
			return o, false, nil
		}
	}
	s.rows = append(s.rows, c)
	s.notes[c.ID] = []leadcase.Note{first}
	return c, true, nil
}

func (s *Cases) at(t tenant.ID, id leadcase.ID) int {
	return slices.IndexFunc(s.rows, func(c leadcase.Case) bool { return c.Tenant == t && c.ID == id })
}

// LeadCase implements leadcase.Store.
func (s *Cases) LeadCase(_ context.Context, t tenant.ID, id leadcase.ID) (leadcase.Case, []leadcase.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, id)
	if i < 0 {
		return leadcase.Case{}, nil, fault.New(fault.NotFound, leadcase.CodeUnknown, "There is no such thing here.")
	}
	return s.rows[i], slices.Clone(s.notes[id]), nil
}

// LeadCases implements leadcase.Store.
func (s *Cases) LeadCases(_ context.Context, t tenant.ID, f leadcase.Filter) (page leadcase.Page, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := slices.Clone(s.rows)
	if !f.Oldest {
		slices.Reverse(rows)
	}
	behind := !f.After.IsZero()
	for _, c := range rows {
		skip := behind
		behind = behind && c.ID != f.After
		if skip || c.Tenant != t || f.State != "" && c.State != f.State || f.Kind != "" && c.Kind != f.Kind || f.Advertiser != "" && c.Advertiser != f.Advertiser {
			continue
		}
		if len(page.Cases) == f.Limit {
			page.More = true
			break
		}
		page.Cases = append(page.Cases, c)
	}
	return page, nil
}

// SettleLeadCase implements leadcase.Store.
func (s *Cases) SettleLeadCase(_ context.Context, c leadcase.Case, n *leadcase.Note) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(c.Tenant, c.ID)
	if i < 0 {
		return fault.New(fault.NotFound, leadcase.CodeUnknown, "There is no such thing here.")
	}
	s.rows[i] = c
	if n != nil {
		kept := *n
		kept.Text = ""
		s.notes[c.ID] = append(s.notes[c.ID], kept)
	}
	return nil
}

// CountLeadCases implements leadcase.Store.
func (s *Cases) CountLeadCases(_ context.Context, t tenant.ID) (n int, since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.rows {
		if c.Tenant == t && c.State == leadcase.Open {
			if n++; n == 1 {
				since = c.OpenedAt
			}
		}
	}
	return n, since, nil
}

// DropLeadCaseNotes implements leadcase.Store.
func (s *Cases) DropLeadCaseNotes(_ context.Context, before time.Time, limit int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.rows {
		worded := slices.ContainsFunc(s.notes[c.ID], func(n leadcase.Note) bool { return n.Sealed != nil })
		if c.State != leadcase.Closed || !c.ClosedAt.Before(before) || !worded || n == limit {
			continue
		}
		for i := range s.notes[c.ID] {
			s.notes[c.ID][i].Sealed = nil
		}
		n++
	}
	return n, nil
}

// Package seriestest is a series.Store in memory, for tests of whoever stands on package
// series: series and who is in them, without the work of a worker.
package seriestest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

// Store keeps series. The zero Store is empty; it is safe for concurrent use. What only a
// worker asks for is not there, and panics.
type Store struct {
	series.Store
	// Find finds groups, Declared are the fields of everybody; nil: there are none.
	Find     func(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Declared []audience.Field
	// Tell, if set, is what reports say; Lines and Deeds who is where, of all series.
	Tell  series.Report
	Lines []series.Line
	Deeds []series.Deed
	// Who is in all groups.
	People []audience.Contact

	mu       sync.Mutex
	list     []series.Series
	versions map[series.ID]map[int64]series.Definition
}

func missing() error {
	return fault.New(fault.NotFound, series.CodeNotFound, "There is no such thing here.")
}

func busy() error {
	return fault.New(fault.Conflict, series.CodeState, "The series is not in a state that allows this.")
}

func (s *Store) at(t tenant.ID, number series.ID) int {
	return slices.IndexFunc(s.list, func(v series.Series) bool { return v.Tenant == t && v.ID == number })
}

func (s *Store) keep(v series.Series) {
	if s.versions == nil {
		s.versions = map[series.ID]map[int64]series.Definition{}
	}
	if s.versions[v.ID] == nil {
		s.versions[v.ID] = map[int64]series.Definition{}
	}
	s.versions[v.ID][v.Version] = v.Definition
}

// CreateSeries implements series.Store.
func (s *Store) CreateSeries(_ context.Context, v series.Series, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(v)
	s.list = append(s.list, v)
	return nil
}

// ChangeSeries implements series.Store.
func (s *Store) ChangeSeries(_ context.Context, v series.Series, from series.State, fresh bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(v.Tenant, v.ID)
	switch {
	case i < 0:
		return missing()
	case s.list[i].State != from || s.list[i].Revision != v.Revision-1:
		return busy()
	}
	if fresh {
		s.keep(v)
	}
	s.list[i] = v
	return nil
}

// DeleteSeries implements series.Store.
func (s *Store) DeleteSeries(_ context.Context, t tenant.ID, number series.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, number)
	switch {
	case i < 0:
		return missing()
	case s.list[i].State != series.Draft && s.list[i].State != series.Ended:
		return busy()
	}
	s.list = slices.Delete(s.list, i, i+1)
	return nil
}

// Series implements series.Store.
func (s *Store) Series(_ context.Context, t tenant.ID, number series.ID) (series.Series, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, number)
	if i < 0 {
		return series.Series{}, missing()
	}
	return s.list[i], nil
}

// SeriesList implements series.Store.
func (s *Store) SeriesList(_ context.Context, t tenant.ID) (list []series.Series, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.list {
		if v.Tenant == t {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b series.Series) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return list, nil
}

// SeriesVersion implements series.Store.
func (s *Store) SeriesVersion(_ context.Context, t tenant.ID, number series.ID, version int64) (series.Definition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.versions[number][version]
	if s.at(t, number) < 0 || !ok {
		return d, missing()
	}
	d.Steps = slices.Clone(d.Steps)
	return d, nil
}

// AddSignals implements series.Store: it only says who hears.
func (s *Store) AddSignals(_ context.Context, t tenant.ID, on series.On, key string, _ audience.ContactID, _ json.RawMessage, _ time.Time) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.list {
		if d := v.Definition.Trigger; v.Tenant == t && v.State == series.Active && d.On == on && d.Key() == key {
			n++
		}
	}
	return n, nil
}

// StopRun implements series.Store: nobody is under way.
func (s *Store) StopRun(context.Context, tenant.ID, series.ID, audience.ContactID, string, time.Time) (bool, error) {
	return false, nil
}

// Picked implements series.Store: filters pick everybody.
func (s *Store) Picked(_ context.Context, _ tenant.ID, _ audience.Segment, list []audience.ContactID) (map[audience.ContactID]bool, error) {
	found := map[audience.ContactID]bool{}
	for _, c := range list {
		found[c] = true
	}
	return found, nil
}

// SeriesReport implements series.Store.
func (s *Store) SeriesReport(context.Context, tenant.ID, series.ID) (series.Report, error) {
	return s.Tell, nil
}

// SeriesRuns implements series.Store.
func (s *Store) SeriesRuns(_ context.Context, _ tenant.ID, _ series.ID, f series.RunFilter) (list []series.Line, more bool, err error) {
	for _, l := range s.Lines {
		if (f.Contact.IsZero() || f.Contact == l.Contact) && (f.Step == "" || f.Step == l.Step && !l.Over()) && (f.State == "" || l.Over() == (f.State == "over")) {
			list = append(list, l)
		}
	}
	return list, false, nil
}

// SeriesDeeds implements series.Store.
func (s *Store) SeriesDeeds(_ context.Context, _ tenant.ID, _ series.ID, c audience.ContactID) (list []series.Deed, err error) {
	for _, d := range s.Deeds {
		if d.Contact == c {
			list = append(list, d)
		}
	}
	return list, nil
}

// SeriesLetter implements series.Store.
func (s *Store) SeriesLetter(context.Context, tenant.ID, campaign.ID) (campaign.Letter, audience.GroupID, error) {
	return campaign.Letter{}, audience.GroupID{}, missing()
}

// Group implements series.Store.
func (s *Store) Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	if s.Find == nil {
		return audience.Group{}, fault.New(fault.NotFound, "group_not_found", "There is no such thing here.")
	}
	return s.Find(ctx, t, g)
}

// Members implements series.Store.
func (s *Store) Members(context.Context, tenant.ID, audience.GroupID, audience.MemberFilter) (p audience.MemberPage, err error) {
	for _, c := range s.People {
		p.Members = append(p.Members, audience.Member{Contact: c})
	}
	return p, nil
}

// Fields implements series.Store.
func (s *Store) Fields(context.Context, tenant.ID) ([]audience.Field, error) { return s.Declared, nil }

// Suppressed implements series.Store: nobody is.
func (s *Store) Suppressed(context.Context, tenant.ID, tenant.Stream, []message.Address, time.Time) (map[message.Address]string, error) {
	return nil, nil
}

// Tenant implements series.Store.
func (s *Store) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, State: tenant.Active}, nil
}

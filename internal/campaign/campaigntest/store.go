// Package campaigntest keeps campaigns in memory, for the tests of doors.
package campaigntest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Store is a campaign.Store in memory. Find must be set; it is safe for concurrent use.
type Store struct {
	// Find returns a group of a tenant.
	Find func(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	// People are the members of every group; nil: nobody.
	People func(t tenant.ID) []audience.Contact
	// Declared are the fields of contacts of every tenant.
	Declared []audience.Field
	// Told is what every report says.
	Told campaign.Report

	mu   sync.Mutex
	list []campaign.Campaign
	rows map[campaign.ID][]campaign.Recipient
	most map[tenant.ID]campaign.Cap

	beside Beside
}

var _ campaign.Store = (*Store)(nil)

func missing() error {
	return fault.New(fault.NotFound, campaign.CodeNotFound, "There is no such thing here.")
}

func busy() error { return fault.New(fault.Conflict, campaign.CodeState, "It is in another state.") }

// at is the place of a campaign, -1 if there is none; mu is held.
func (s *Store) at(t tenant.ID, c campaign.ID) int {
	return slices.IndexFunc(s.list, func(v campaign.Campaign) bool { return v.Tenant == t && v.ID == c })
}

// CreateCampaign implements campaign.Store.
func (s *Store) CreateCampaign(_ context.Context, c campaign.Campaign) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, c)
	return nil
}

// ChangeCampaign implements campaign.Store.
func (s *Store) ChangeCampaign(_ context.Context, c campaign.Campaign, from campaign.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(c.Tenant, c.ID)
	switch {
	case i < 0:
		return missing()
	case s.list[i].State != from || s.list[i].Revision != c.Revision-1:
		return busy()
	}
	s.list[i] = c
	return nil
}

// DeleteCampaign implements campaign.Store.
func (s *Store) DeleteCampaign(_ context.Context, t tenant.ID, c campaign.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, c)
	switch {
	case i < 0:
		return missing()
	case s.list[i].State != campaign.Draft:
		return busy()
	}
	s.list = slices.Delete(s.list, i, i+1)
	return nil
}

// Campaign implements campaign.Store.
func (s *Store) Campaign(_ context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, c)
	if i < 0 {
		return campaign.Campaign{}, missing()
	}
	return s.list[i], nil
}

// Campaigns implements campaign.Store.
func (s *Store) Campaigns(_ context.Context, t tenant.ID, after campaign.ID, limit int) (list []campaign.Campaign, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.list) {
		if c.Tenant == t && (after.IsZero() || slices.Compare(c.ID[:], after[:]) < 0) {
			list = append(list, c)
		}
	}
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, nil
}

// OpenCampaigns implements campaign.Store.
func (s *Store) OpenCampaigns(_ context.Context, now time.Time) (list []campaign.Campaign, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if (c.State == campaign.Scheduled || c.State == campaign.Sending || c.Task != campaign.TaskNone) && !c.DueAt.After(now) {
			list = append(list, c)
		}
	}
	return list, nil
}

// TakeRecipients implements campaign.Store.
func (s *Store) TakeRecipients(_ context.Context, c campaign.Campaign, list []campaign.Recipient) (fresh []audience.ContactID, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(c.Tenant, c.ID)
	if i < 0 || s.list[i].Step != c.Step || s.list[i].State != campaign.Sending {
		return nil, false, nil
	}
	v := &s.list[i]
	v.At, v.After, v.Listed, v.WaveAt, v.Step = c.At, c.After, c.Listed, c.WaveAt, c.Step+1
	if s.rows == nil {
		s.rows = map[campaign.ID][]campaign.Recipient{}
	}
	for _, r := range list {
		if slices.ContainsFunc(s.rows[c.ID], func(o campaign.Recipient) bool { return o.Contact == r.Contact }) {
			continue
		}
		s.rows[c.ID] = append(s.rows[c.ID], r)
		if v.Total++; r.State == campaign.Excluded {
			v.Excluded++
		} else {
			fresh = append(fresh, r.Contact)
		}
	}
	return fresh, true, nil
}

// SettleRecipients implements campaign.Store.
func (s *Store) SettleRecipients(_ context.Context, t tenant.ID, c campaign.ID, list []campaign.Recipient) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(t, c)
	for _, r := range list {
		for n := range s.rows[c] {
			if s.rows[c][n].Contact != r.Contact || s.rows[c][n].State != campaign.Waiting {
				continue
			}
			if r.At.IsZero() {
				r.At = s.rows[c][n].At
			}
			if s.rows[c][n] = r; r.State == campaign.Accepted {
				s.list[i].Accepted++
			} else {
				s.list[i].Excluded++
			}
		}
	}
	return nil
}

// WaitingRecipients implements campaign.Store.
func (s *Store) WaitingRecipients(_ context.Context, _ tenant.ID, c campaign.ID, provider string, limit int) (list []campaign.Recipient, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows[c] {
		if r.State == campaign.Waiting && r.Provider == provider && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

// MoveCampaign implements campaign.Store.
func (s *Store) MoveCampaign(_ context.Context, c campaign.Campaign, from campaign.State) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(c.Tenant, c.ID)
	if i < 0 || s.list[i].State != from {
		return false, nil
	}
	v := &s.list[i]
	v.State, v.Reason, v.DueAt, v.Pace, v.Task, v.Order, v.FinishedAt = c.State, c.Reason, c.DueAt, c.Pace, c.Task, c.Order, c.FinishedAt
	return true, nil
}

// PutTrial implements campaign.Store.
func (s *Store) PutTrial(_ context.Context, c campaign.Campaign) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.at(c.Tenant, c.ID)
	if i < 0 || s.list[i].Step != c.Step || s.list[i].State != campaign.Sending {
		return false, nil
	}
	v := &s.list[i]
	v.Trial, v.At, v.After, v.Listed, v.Reason, v.DueAt, v.Step = c.Trial, c.At, c.After, c.Listed, c.Reason, c.DueAt, c.Step+1
	return true, nil
}

// TrialCounts implements campaign.Store: nobody followed a link.
func (s *Store) TrialCounts(_ context.Context, _ tenant.ID, c campaign.ID) (a, b campaign.TrialCount, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows[c] {
		switch {
		case r.State != campaign.Accepted:
		case r.Version == campaign.VersionB:
			b.Accepted++
		default:
			a.Accepted++
		}
	}
	return a, b, nil
}

// CampaignLines implements campaign.Store: every mail that was accepted is queued.
func (s *Store) CampaignLines(_ context.Context, t tenant.ID, c campaign.ID, f campaign.LineFilter) (list []campaign.Line, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at(t, c) < 0 {
		return nil, false, nil
	}
	for _, r := range s.rows[c] {
		l := campaign.Line{Recipient: r}
		if r.State == campaign.Accepted {
			l.Fate = event.Queued
		}
		for _, p := range s.people(t) {
			if p.ID == r.Contact {
				l.Address = p.Main()
			}
		}
		if (f.Fate == "" || f.Fate == l.Told()) && (f.After.IsZero() || slices.Compare(r.Contact[:], f.After[:]) > 0) {
			list = append(list, l)
		}
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, nil
}

// CampaignReport implements campaign.Store.
func (s *Store) CampaignReport(ctx context.Context, t tenant.ID, number campaign.ID, now time.Time) (campaign.Report, error) {
	c, err := s.Campaign(ctx, t, number)
	r := s.Told
	r.Measured = c.MeasuredFrom(now)
	r.Paces, r.Waves = s.paces(number, r.Measured), s.waves(c)
	return r, err
}

// paces counts who waits and who was handed over.
func (s *Store) paces(c campaign.ID, since time.Time) []campaign.PaceCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := map[string]campaign.PaceCount{}
	for _, r := range s.rows[c] {
		p := of[r.Provider]
		if p.Provider = r.Provider; r.State == campaign.Waiting {
			p.Waiting++
		} else if r.State == campaign.Accepted && !r.At.Before(since) {
			p.Lately++
		}
		of[r.Provider] = p
	}
	return slices.SortedFunc(maps.Values(of), func(a, b campaign.PaceCount) int { return strings.Compare(a.Provider, b.Provider) })
}

// RecentCampaigns implements campaign.Store: nobody got any.
func (s *Store) RecentCampaigns(context.Context, tenant.ID, []audience.ContactID, time.Time) (map[audience.ContactID]int, error) {
	return map[audience.ContactID]int{}, nil
}

// CampaignCap implements campaign.Store.
func (s *Store) CampaignCap(_ context.Context, t tenant.ID) (campaign.Cap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[t], nil
}

// PutCampaignCap implements campaign.Store.
func (s *Store) PutCampaignCap(_ context.Context, t tenant.ID, v campaign.Cap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most == nil {
		s.most = map[tenant.ID]campaign.Cap{}
	}
	s.most[t] = v
	return nil
}

// Group implements campaign.Store.
func (s *Store) Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	return s.Find(ctx, t, g)
}

func (s *Store) people(t tenant.ID) []audience.Contact {
	if s.People == nil {
		return nil
	}
	return s.People(t)
}

// Members implements campaign.Store: all at once.
func (s *Store) Members(_ context.Context, t tenant.ID, _ audience.GroupID, _ audience.MemberFilter) (page audience.MemberPage, err error) {
	for _, p := range s.people(t) {
		page.Members = append(page.Members, audience.Member{Contact: p})
	}
	return page, nil
}

// Contact implements campaign.Store.
func (s *Store) Contact(_ context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error) {
	for _, p := range s.people(t) {
		if p.ID == c {
			return p, nil
		}
	}
	return audience.Contact{}, fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
}

// Fields implements campaign.Store.
func (s *Store) Fields(context.Context, tenant.ID) ([]audience.Field, error) { return s.Declared, nil }

// Suppressed implements campaign.Store: addresses at "gesperrt." domains are.
func (*Store) Suppressed(_ context.Context, _ tenant.ID, _ tenant.Stream, addrs []message.Address, _ time.Time) (map[message.Address]string, error) {
	list := map[message.Address]string{}
	for _, a := range addrs {
		if a.Domain == "gesperrt.example" {
			list[a] = string(audience.Unsubscribed)
		}
	}
	return list, nil
}

// Tenant implements campaign.Store: every one is active.
func (*Store) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, State: tenant.Active}, nil
}

// PutOrder implements campaign.Store.
func (*Store) PutOrder(context.Context, queue.Order) error { return nil }

// EndOrder implements campaign.Store.
func (*Store) EndOrder(context.Context, tenant.ID, queue.OrderID, string, time.Time) (queue.Order, error) {
	return queue.Order{}, nil
}

// ApplyNoted implements campaign.Store.
func (*Store) ApplyNoted(context.Context, queue.Command, queue.Selection, string, string, time.Time) ([]queue.Listed, error) {
	return nil, nil
}

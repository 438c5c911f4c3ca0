package audiencetest

import (
	"bytes"
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Groups is an audience.GroupStore in memory over Contacts, with the refusals of the real
// one. Segments are understood as far as they ask for tags and groups. It is safe for
// concurrent use.
type Groups struct {
	People *Contacts

	groups  []audience.Group
	members []audience.Membership
	batches []audience.Batch
}

var _ audience.GroupStore = (*Groups)(nil)

func (s *Groups) find(t tenant.ID, g audience.GroupID) (int, error) {
	i := slices.IndexFunc(s.groups, func(one audience.Group) bool { return one.Tenant == t && one.ID == g })
	if i < 0 {
		return 0, gone("group_not_found")
	}
	return i, nil
}

func (s *Groups) named(g audience.Group) error {
	for _, other := range s.groups {
		if other.Tenant == g.Tenant && other.ID != g.ID && audience.Fold(other.Name) == audience.Fold(g.Name) {
			return &fault.Error{Kind: fault.Conflict, Code: "group_name_taken", Field: "name", Detail: "Another group has this name."}
		}
	}
	return nil
}

// CreateGroup implements audience.GroupStore.
func (s *Groups) CreateGroup(_ context.Context, g audience.Group) error {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	if err := s.named(g); err != nil {
		return err
	}
	s.groups = append(s.groups, g)
	return nil
}

// ChangeGroup implements audience.GroupStore.
func (s *Groups) ChangeGroup(_ context.Context, g audience.Group) error {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	i, err := s.find(g.Tenant, g.ID)
	if err != nil {
		return err
	}
	if s.groups[i].Version != g.Version-1 {
		return fault.New(fault.Conflict, "group_changed", "Somebody else has changed the group meanwhile.")
	}
	if err := s.named(g); err != nil {
		return err
	}
	s.groups[i] = g
	return nil
}

// DeleteGroup implements audience.GroupStore.
func (s *Groups) DeleteGroup(_ context.Context, t tenant.ID, g audience.GroupID, _ time.Time) error {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	i, err := s.find(t, g)
	if err != nil {
		return err
	}
	s.groups = slices.Delete(s.groups, i, i+1)
	s.members = slices.DeleteFunc(s.members, func(m audience.Membership) bool { return m.Group == g })
	return nil
}

// DropGroups implements audience.GroupStore: nothing is ever left behind.
func (s *Groups) DropGroups(context.Context) (int, error) { return 0, nil }

// CountGroup implements audience.GroupStore.
func (s *Groups) CountGroup(ctx context.Context, t tenant.ID, g audience.GroupID, now time.Time) (int64, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return 0, err
	}
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	n := int64(len(s.inside(found)))
	if i, err := s.find(t, g); err == nil {
		s.groups[i].Members, s.groups[i].CountedAt = n, now
	}
	return n, nil
}

// Group implements audience.GroupStore.
func (s *Groups) Group(_ context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	i, err := s.find(t, g)
	if err != nil {
		return audience.Group{}, err
	}
	found := s.groups[i]
	if found.Kind == audience.Static {
		found.Members = int64(len(s.inside(found)))
	}
	return found, nil
}

// Groups implements audience.GroupStore.
func (s *Groups) Groups(ctx context.Context, t tenant.ID) ([]audience.Group, error) {
	s.People.mu.Lock()
	var ids []audience.GroupID
	for _, g := range s.groups {
		if g.Tenant == t {
			ids = append(ids, g.ID)
		}
	}
	s.People.mu.Unlock()
	var list []audience.Group
	for _, g := range ids {
		if found, err := s.Group(ctx, t, g); err == nil {
			list = append(list, found)
		}
	}
	slices.SortFunc(list, func(a, b audience.Group) int { return strings.Compare(audience.Fold(a.Name), audience.Fold(b.Name)) })
	return list, nil
}

// inside lists the members of a group.
func (s *Groups) inside(g audience.Group) []audience.Member {
	var list []audience.Member
	for _, c := range s.People.list {
		if c.Tenant != g.Tenant {
			continue
		}
		if g.Kind == audience.Dynamic {
			if s.picks(*g.Segment, c) {
				list = append(list, audience.Member{Contact: c})
			}
			continue
		}
		for _, m := range s.members {
			if m.Group == g.ID && m.Contact == c.ID {
				list = append(list, audience.Member{Contact: c, Batch: m.Batch, AddedAt: m.AddedAt})
			}
		}
	}
	return list
}

func (s *Groups) picks(seg audience.Segment, c audience.Contact) bool {
	picks := func(part audience.Segment) bool { return s.picks(part, c) }
	switch {
	case len(seg.All) > 0:
		return !slices.ContainsFunc(seg.All, func(part audience.Segment) bool { return !picks(part) })
	case len(seg.Any) > 0:
		return slices.ContainsFunc(seg.Any, picks)
	case seg.Not != nil:
		return !picks(*seg.Not)
	case seg.Of == "tag":
		return slices.Contains(c.Tags, seg.Value) == (seg.Is == audience.Has)
	}
	in := func(m audience.Membership) bool { return m.Group.String() == seg.Value && m.Contact == c.ID }
	return seg.Of == "group" && slices.ContainsFunc(s.members, in) == (seg.Is == audience.Has)
}

// AddMembers implements audience.GroupStore.
func (s *Groups) AddMembers(_ context.Context, b audience.Batch, list []audience.ContactID, now time.Time) ([]audience.ContactID, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	i, err := s.find(b.Tenant, b.Group)
	if err != nil {
		return nil, err
	}
	if s.groups[i].Kind != audience.Static {
		return nil, fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
	}
	var added []audience.ContactID
	for _, c := range list {
		in := func(m audience.Membership) bool { return m.Group == b.Group && m.Contact == c }
		if _, err := s.People.find(b.Tenant, c); err == nil && !slices.ContainsFunc(s.members, in) {
			added = append(added, c)
			s.members = append(s.members, audience.Membership{Group: b.Group, Contact: c, Batch: b.ID, AddedAt: now})
		}
	}
	if n := int64(len(added)); n > 0 {
		at := slices.IndexFunc(s.batches, func(one audience.Batch) bool { return one.ID == b.ID && one.Group == b.Group })
		if at < 0 {
			at, s.batches = len(s.batches), append(s.batches, b)
		}
		s.batches[at].Added += n
	}
	return added, nil
}

// Enlist implements audience.EnlistStore, without references and without changing anybody.
func (s *Groups) Enlist(ctx context.Context, e audience.Enlistment, now time.Time) ([]audience.Enlisted, error) {
	found, err := s.Group(ctx, e.Batch.Tenant, e.Batch.Group)
	if err == nil && found.Kind != audience.Static {
		err = fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
	}
	if err != nil {
		return nil, err
	}
	var results []audience.Enlisted
	for _, c := range e.People {
		known, ok, _ := s.People.ContactOf(ctx, c.Tenant, c.Main()) // it never fails
		done := audience.Enlisted{Contact: known.ID, Result: audience.EnlistKnown}
		if !ok {
			if err := s.People.CreateContact(ctx, c, audience.ContactAct{ID: id.New[audience.NoteKind](now), At: now, Type: audience.ContactCreated, Actor: c.Actor}); err != nil {
				return nil, err
			}
			done = audience.Enlisted{Contact: c.ID, Result: audience.EnlistCreated}
		}
		added, err := s.AddMembers(ctx, e.Batch, []audience.ContactID{done.Contact}, now)
		if err != nil {
			return nil, err
		}
		if ok && len(added) > 0 {
			done.Result = audience.EnlistJoined
		}
		results = append(results, done)
	}
	return results, nil
}

// RemoveMembers implements audience.GroupStore.
func (s *Groups) RemoveMembers(_ context.Context, t tenant.ID, g audience.GroupID, list []audience.ContactID, _ string, _ time.Time) (int64, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	i, err := s.find(t, g)
	if err != nil {
		return 0, err
	}
	if s.groups[i].Kind != audience.Static {
		return 0, fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
	}
	before := len(s.members)
	s.members = slices.DeleteFunc(s.members, func(m audience.Membership) bool { return m.Group == g && slices.Contains(list, m.Contact) })
	return int64(before - len(s.members)), nil
}

// Members implements audience.GroupStore.
func (s *Groups) Members(ctx context.Context, t tenant.ID, g audience.GroupID, f audience.MemberFilter) (audience.MemberPage, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return audience.MemberPage{}, err
	}
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	list := slices.DeleteFunc(s.inside(found), func(m audience.Member) bool { return !fits(m.Contact, f.Text) })
	slices.SortFunc(list, func(a, b audience.Member) int {
		order := bytes.Compare(a.ID[:], b.ID[:])
		if f.ByName {
			order = cmp.Or(strings.Compare(a.SortName(), b.SortName()), order)
		}
		if !f.Ascending {
			order = -order
		}
		return order
	})
	if i := slices.IndexFunc(list, func(m audience.Member) bool { return m.ID == f.After }); i >= 0 {
		list = list[i+1:]
	}
	limit := cmp.Or(f.Limit, 50)
	return audience.MemberPage{Members: list[:min(len(list), limit)], More: len(list) > limit}, nil
}

// MembershipsOf implements audience.GroupStore.
func (s *Groups) MembershipsOf(_ context.Context, t tenant.ID, c audience.ContactID) ([]audience.Membership, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	var list []audience.Membership
	for _, m := range s.members {
		if _, err := s.find(t, m.Group); err == nil && m.Contact == c {
			list = append(list, m)
		}
	}
	return list, nil
}

// MemberOf implements audience.GroupStore.
func (s *Groups) MemberOf(_ context.Context, t tenant.ID, list []message.Address) (map[message.Address][]audience.GroupID, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	of := map[message.Address][]audience.GroupID{}
	for _, g := range s.groups {
		if g.Tenant != t {
			continue
		}
		for _, m := range s.inside(g) {
			for _, a := range list {
				if m.Has(a) {
					of[a] = append(of[a], g.ID)
				}
			}
		}
	}
	return of, nil
}

// SampleMembers implements audience.GroupStore.
func (s *Groups) SampleMembers(ctx context.Context, t tenant.ID, g audience.GroupID, n int, seed uint64) ([]audience.Contact, error) {
	page, err := s.Members(ctx, t, g, audience.MemberFilter{Limit: 500})
	var list []audience.Contact
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(page.Members)) {
		if len(list) < n {
			list = append(list, page.Members[i].Contact)
		}
	}
	return list, err
}

// GroupFacts implements audience.GroupStore.
func (s *Groups) GroupFacts(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (audience.GroupFacts, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return audience.GroupFacts{}, err
	}
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	facts := audience.GroupFacts{Members: found.Members}
	for _, b := range slices.Backward(s.batches) {
		if b.Group != g {
			continue
		}
		facts.Batches = append(facts.Batches, b)
		if !b.At.Before(since) {
			facts.AddedSince += b.Added
		}
	}
	return facts, nil
}

// CountSegment implements audience.GroupStore.
func (s *Groups) CountSegment(_ context.Context, t tenant.ID, seg audience.Segment) (int64, error) {
	s.People.mu.Lock()
	defer s.People.mu.Unlock()
	return int64(len(s.inside(audience.Group{Tenant: t, Kind: audience.Dynamic, Segment: &seg}))), nil
}

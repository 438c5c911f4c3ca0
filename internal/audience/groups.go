package audience

import (
	"context"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Groups keeps a tenant's groups. It is safe for concurrent use.
type Groups struct {
	store  GroupStore
	people ContactStore
	now    func() time.Time
}

// NewGroups makes Groups on stores and a clock.
func NewGroups(s GroupStore, people ContactStore, now func() time.Time) *Groups {
	return &Groups{store: s, people: people, now: now}
}

func (s *Groups) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Create stores a group with the name, description, kind and segment of g. Errors: those
// of Group (see its fields), "segment_group_unknown", "group_name_taken", "groups_too_many".
func (s *Groups) Create(ctx context.Context, t tenant.ID, g Group, actor string) (Group, error) {
	now := s.stamp()
	g.ID, g.Tenant, g.Version, g.Actor, g.Members, g.CreatedAt, g.UpdatedAt = id.New[GroupKind](now), t, 1, actor, 0, now, now
	if err := s.admit(ctx, &g); err != nil {
		return Group{}, err
	}
	return g, s.store.CreateGroup(ctx, g)
}

// Change replaces name, description and segment of a group by those of g, which names the
// version the caller saw. Errors: those of Create, "group_not_found", "group_changed".
func (s *Groups) Change(ctx context.Context, t tenant.ID, g Group) (Group, error) {
	old, err := s.store.Group(ctx, t, g.ID)
	if err != nil {
		return Group{}, err
	}
	if old.Version != g.Version {
		return Group{}, fault.New(fault.Conflict, "group_changed", "Somebody else has changed the group meanwhile.")
	}
	next := old
	next.Name, next.Description, next.Segment = g.Name, g.Description, g.Segment
	next.Version, next.UpdatedAt = old.Version+1, s.stamp()
	if err := s.admit(ctx, &next); err != nil {
		return Group{}, err
	}
	return next, s.store.ChangeGroup(ctx, next)
}

// admit holds a group to the rules and counts whom its segment picks. Groups that a
// segment looks at are static and the tenant's: filters never stand on filters.
func (s *Groups) admit(ctx context.Context, g *Group) error {
	declared, err := s.people.Fields(ctx, g.Tenant)
	if err != nil {
		return err
	}
	if err := g.check(declared); err != nil || g.Kind == Static {
		return err
	}
	if err := s.looks(ctx, g.Tenant, *g.Segment); err != nil {
		return err
	}
	g.CountedAt = s.stamp()
	g.Members, err = s.store.CountSegment(ctx, g.Tenant, *g.Segment)
	return err
}

func (s *Groups) looks(ctx context.Context, t tenant.ID, seg Segment) error {
	for _, at := range seg.Groups() {
		found, err := s.store.Group(ctx, t, at)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return err
		}
		if err != nil || found.Kind != Static {
			return fault.Field("segment", "segment_group_unknown", "A filter looks at groups of this account whose members were added one by one.")
		}
	}
	return nil
}

// Count checks a segment and returns how many contacts it picks. Errors: those of
// Segment.Check, "segment_group_unknown".
func (s *Groups) Count(ctx context.Context, t tenant.ID, seg Segment) (int64, error) {
	declared, err := s.people.Fields(ctx, t)
	if err != nil {
		return 0, err
	}
	if err := seg.Check(declared); err != nil {
		return 0, err
	}
	if err := s.looks(ctx, t, seg); err != nil {
		return 0, err
	}
	return s.store.CountSegment(ctx, t, seg)
}

// Delete takes a group away; its contacts stay.
func (s *Groups) Delete(ctx context.Context, t tenant.ID, g GroupID) error {
	return s.store.DeleteGroup(ctx, t, g, s.stamp())
}

// Group returns one. The error is NotFound "group_not_found".
func (s *Groups) Group(ctx context.Context, t tenant.ID, g GroupID) (Group, error) {
	return s.store.Group(ctx, t, g)
}

// countLasts is how long the count of a dynamic group is good enough for its page.
const countLasts = time.Minute

// Counted is Group with a count of a dynamic group that is at most a minute old.
func (s *Groups) Counted(ctx context.Context, t tenant.ID, g GroupID) (Group, error) {
	found, err := s.store.Group(ctx, t, g)
	now := s.stamp()
	if err != nil || found.Kind == Static || now.Sub(found.CountedAt) < countLasts {
		return found, err
	}
	found.Members, err = s.store.CountGroup(ctx, t, g, now)
	found.CountedAt = now
	return found, err
}

// List returns all groups of a tenant by name.
func (s *Groups) List(ctx context.Context, t tenant.ID) ([]Group, error) {
	return s.store.Groups(ctx, t)
}

// membersAtOnce is how many members come or go in one transaction.
const membersAtOnce = 500

// Add puts contacts into a static group, some hundreds in each transaction, and returns
// how many were not in it. Errors: "group_not_found", "group_dynamic".
func (s *Groups) Add(ctx context.Context, t tenant.ID, g GroupID, list []ContactID, o Origin, actor string) (int, error) {
	now, n := s.stamp(), 0
	for first := true; first || len(list) > 0; first = false {
		part := list[:min(len(list), membersAtOnce)]
		added, err := s.store.AddMembers(ctx, DayBatch(t, g, o, actor, now), part, now)
		if err != nil {
			return n, err
		}
		n, list = n+len(added), list[len(part):]
	}
	return n, nil
}

// Remove takes contacts out of a static group and returns how many were in it.
func (s *Groups) Remove(ctx context.Context, t tenant.ID, g GroupID, list []ContactID, actor string) (int64, error) {
	var n int64
	for first := true; first || len(list) > 0; first = false {
		part := list[:min(len(list), membersAtOnce)]
		gone, err := s.store.RemoveMembers(ctx, t, g, part, actor, s.stamp())
		if err != nil {
			return n, err
		}
		n, list = n+gone, list[len(part):]
	}
	return n, nil
}

// Members returns a page of a group.
func (s *Groups) Members(ctx context.Context, t tenant.ID, g GroupID, f MemberFilter) (MemberPage, error) {
	return s.store.Members(ctx, t, g, f)
}

// Of returns the static groups that a contact is in.
func (s *Groups) Of(ctx context.Context, t tenant.ID, c ContactID) ([]Membership, error) {
	return s.store.MembershipsOf(ctx, t, c)
}

// MemberOf returns the groups that addresses are in; see GroupStore.
func (s *Groups) MemberOf(ctx context.Context, t tenant.ID, list []message.Address) (map[message.Address][]GroupID, error) {
	return s.store.MemberOf(ctx, t, list)
}

// Facts returns what a group's content comes to.
func (s *Groups) Facts(ctx context.Context, t tenant.ID, g GroupID, since time.Time) (GroupFacts, error) {
	return s.store.GroupFacts(ctx, t, g, since)
}

// Sweep ends deletions that were cut short.
func (s *Groups) Sweep(ctx context.Context) error {
	_, err := s.store.DropGroups(ctx)
	return err
}

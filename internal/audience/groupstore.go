package audience

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// GroupStore keeps groups and who is in them. Every method is one whole transaction,
// unless it says otherwise. What is not there, or belongs to another tenant, is
// *fault.Error NotFound "group_not_found".
type GroupStore interface {
	EnlistStore

	// CreateGroup stores a group. Errors: Conflict "group_name_taken" (field "name"),
	// Limited "groups_too_many".
	CreateGroup(ctx context.Context, g Group) error
	// ChangeGroup replaces name, description and segment of a group that is in the version
	// before g's; any other is Conflict "group_changed". Errors also: "group_name_taken".
	ChangeGroup(ctx context.Context, g Group) error
	// DeleteGroup takes a group away. Nobody sees it from then on; its members are taken
	// out in several short transactions, which DropGroups ends should this be cut short.
	DeleteGroup(ctx context.Context, t tenant.ID, g GroupID, now time.Time) error
	// DropGroups ends what DeleteGroup began, of all tenants, and returns how many groups
	// that were.
	DropGroups(ctx context.Context) (int, error)
	// CountGroup counts the members of a dynamic group and keeps the number with it.
	CountGroup(ctx context.Context, t tenant.ID, g GroupID, now time.Time) (int64, error)

	// Group returns one.
	Group(ctx context.Context, t tenant.ID, g GroupID) (Group, error)
	// Groups returns all of a tenant, by name.
	Groups(ctx context.Context, t tenant.ID) ([]Group, error)

	// AddMembers puts contacts into the static group of a batch, at most 1,000 of them, and
	// returns which were not in it; contacts that are not the tenant's are left out. A
	// dynamic group is Conflict "group_dynamic".
	AddMembers(ctx context.Context, b Batch, list []ContactID, now time.Time) ([]ContactID, error)
	// RemoveMembers takes contacts out of a static group, at most 1,000 of them, and
	// returns how many were in it. Each is noted in the contact's history.
	RemoveMembers(ctx context.Context, t tenant.ID, g GroupID, list []ContactID, actor string, now time.Time) (int64, error)
	// Members returns a page of those that the filter matches, of a group of either kind.
	Members(ctx context.Context, t tenant.ID, g GroupID, f MemberFilter) (MemberPage, error)
	// MembershipsOf returns the static groups that a contact is in, by group.
	MembershipsOf(ctx context.Context, t tenant.ID, c ContactID) ([]Membership, error)
	// MemberOf returns the groups of either kind that each of the addresses is in, by any
	// address of its contact; who is in none is not in the map. At most 1,000 addresses.
	MemberOf(ctx context.Context, t tenant.ID, list []message.Address) (map[message.Address][]GroupID, error)
	// SampleMembers returns n members chosen at random, fewer if there are not as many. The
	// same seed chooses the same of a group that has not changed. At most 100.
	SampleMembers(ctx context.Context, t tenant.ID, g GroupID, n int, seed uint64) ([]Contact, error)
	// GroupFacts returns what a group's content comes to.
	GroupFacts(ctx context.Context, t tenant.ID, g GroupID, since time.Time) (GroupFacts, error)

	// CountSegment returns how many contacts a checked Segment picks.
	CountSegment(ctx context.Context, t tenant.ID, s Segment) (int64, error)
}

// MemberFilter picks members of a group. The zero MemberFilter is all, those first whose
// contacts were made last.
type MemberFilter struct {
	Text              string // as in ContactFilter
	ByName, Ascending bool
	After             ContactID // last one of the page before
	Limit             int       // 0: 50, at most 500
}

// MemberPage is a part of a group.
type MemberPage struct {
	Members []Member
	More    bool
}

// Member is a contact with how it came into the group.
type Member struct {
	Contact
	// Batch and AddedAt are zero in a dynamic group.
	Batch   BatchID
	AddedAt time.Time
}

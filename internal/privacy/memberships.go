package privacy

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Finder finds the contact an address belongs to; *audience.Contacts does.
type Finder interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
}

// Groups tells which groups a contact is in and what brought it there; *audience.Groups
// does.
type Groups interface {
	Of(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.Membership, error)
	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Facts(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (audience.GroupFacts, error)
}

// Memberships is the Section "groups": the static groups a person is in and what brought
// them there. Groups by rules keep nobody.
func Memberships(f Finder, g Groups) Section {
	m := memberships{f, g}
	return Section{Name: "groups", Read: m.read}
}

type memberships struct {
	people Finder
	groups Groups
}

// membershipFile is a group that a person is in, in what is handed out to them.
type membershipFile struct {
	Group   string    `json:"group"`
	Origin  string    `json:"origin"`
	Source  string    `json:"source,omitempty"` // where the address comes from, as whoever imported it said
	AddedAt time.Time `json:"added_at"`
}

func (m memberships) read(ctx context.Context, p Person) (any, error) {
	var list []membershipFile
	seen := map[audience.ContactID]bool{}
	for _, a := range p.Addresses {
		c, ok, err := m.people.Of(ctx, p.Tenant, a)
		if err != nil {
			return nil, fmt.Errorf("groups of person: %w", err)
		}
		if !ok || seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		of, err := m.of(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("groups of person: %w", err)
		}
		list = append(list, of...)
	}
	if list == nil {
		return nil, nil
	}
	return list, nil
}

func (m memberships) of(ctx context.Context, c audience.Contact) (list []membershipFile, err error) {
	in, err := m.groups.Of(ctx, c.Tenant, c.ID)
	for _, one := range in {
		g, err := m.groups.Group(ctx, c.Tenant, one.Group)
		if fault.IsKind(err, fault.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		facts, err := m.groups.Facts(ctx, c.Tenant, one.Group, one.AddedAt)
		if err != nil {
			return nil, err
		}
		f := membershipFile{Group: g.Name, AddedAt: one.AddedAt}
		for _, batch := range facts.Batches {
			if batch.ID == one.Batch {
				f.Origin, f.Source = string(batch.Origin), batch.Source
			}
		}
		list = append(list, f)
	}
	return list, err
}

package main

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/privacy"
)

// membershipRecord is a group that a person is in, in what is handed out to them.
type membershipRecord struct {
	Group   string    `json:"group"`
	Origin  string    `json:"origin"`
	Source  string    `json:"source,omitempty"` // where the address comes from, as whoever imported it said
	AddedAt time.Time `json:"added_at"`
}

// membershipsOf are the groups a person is in and what brought them there.
func (b *base) membershipsOf(ctx context.Context, p privacy.Person) (any, error) {
	var records []membershipRecord
	seen := map[audience.ContactID]bool{}
	for _, a := range p.Addresses {
		c, ok, err := b.contacts().Of(ctx, p.Tenant, a)
		if err != nil {
			return nil, fmt.Errorf("groups of person: %w", err)
		}
		if !ok || seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		of, err := b.memberships(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("groups of person: %w", err)
		}
		records = append(records, of...)
	}
	if records == nil {
		return nil, nil
	}
	return records, nil
}

func (b *base) memberships(ctx context.Context, c audience.Contact) (list []membershipRecord, err error) {
	in, err := b.groups().Of(ctx, c.Tenant, c.ID)
	for _, m := range in {
		g, err := b.groups().Group(ctx, c.Tenant, m.Group)
		if fault.IsKind(err, fault.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		facts, err := b.groups().Facts(ctx, c.Tenant, m.Group, m.AddedAt)
		if err != nil {
			return nil, err
		}
		r := membershipRecord{Group: g.Name, AddedAt: m.AddedAt}
		for _, batch := range facts.Batches {
			if batch.ID == m.Batch {
				r.Origin, r.Source = string(batch.Origin), batch.Source
			}
		}
		list = append(list, r)
	}
	return list, err
}

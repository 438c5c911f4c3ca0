package campaigntest

import (
	"cmp"
	"context"
	"slices"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// MemberZones implements campaign.Store.
func (s *Store) MemberZones(_ context.Context, t tenant.ID, _ audience.GroupID, key string) (map[string]int64, error) {
	found := map[string]int64{}
	for _, p := range s.people(t) {
		found[p.Fields[key]]++
	}
	return found, nil
}

// waves counts who was taken of a campaign at local times.
func (s *Store) waves(c campaign.Campaign) (list []campaign.Wave) {
	if c.Local.At == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows[c.ID] {
		i := slices.IndexFunc(list, func(w campaign.Wave) bool { return w.Zone == r.Zone })
		if i < 0 {
			i, list = len(list), append(list, campaign.Wave{Zone: r.Zone})
		}
		switch w := &list[i]; r.State {
		case campaign.Accepted:
			w.Accepted++
		case campaign.Excluded:
			w.Excluded++
		case campaign.Waiting:
			w.Waiting++
		}
	}
	slices.SortFunc(list, func(a, b campaign.Wave) int { return cmp.Compare(a.Zone, b.Zone) })
	return list
}

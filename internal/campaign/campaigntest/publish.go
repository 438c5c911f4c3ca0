package campaigntest

import (
	"bytes"
	"context"
	"slices"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// PutCampaignPublication implements campaign.Store.
func (s *Store) PutCampaignPublication(_ context.Context, _ tenant.ID, c campaign.ID, v campaign.Publication) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.public == nil {
		s.beside.public = map[campaign.ID]campaign.Publication{}
	}
	s.beside.public[c] = v
	return nil
}

// CampaignPublication implements campaign.Store.
func (s *Store) CampaignPublication(_ context.Context, _ tenant.ID, c campaign.ID) (campaign.Publication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beside.public[c], nil
}

// PublicCampaigns implements campaign.Store.
func (s *Store) PublicCampaigns(_ context.Context, t tenant.ID, limit int) (list []campaign.Campaign, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if s.beside.public[c.ID].Public && c.Tenant == t && (c.State == campaign.Sending || c.State == campaign.Paused || c.State == campaign.Sent) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b campaign.Campaign) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return list[:min(len(list), limit)], nil
}

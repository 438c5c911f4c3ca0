package campaigntest

import (
	"bytes"
	"context"
	"slices"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// AddCampaignComment implements campaign.Store.
func (s *Store) AddCampaignComment(_ context.Context, c campaign.Comment, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.beside.comments) >= most {
		return fault.Field("comment", campaign.CodeValue, "There are as many comments as there can be.")
	}
	s.beside.comments = append(s.beside.comments, c)
	return nil
}

// ResolveCampaignComment implements campaign.Store.
func (s *Store) ResolveCampaignComment(_ context.Context, c campaign.Comment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, known := range s.beside.comments {
		if known.Tenant == c.Tenant && known.Campaign == c.Campaign && known.ID == c.ID {
			s.beside.comments[i].ResolvedAt, s.beside.comments[i].ResolvedBy = c.ResolvedAt, c.ResolvedBy
			return nil
		}
	}
	return fault.New(fault.NotFound, campaign.CodeComment, "There is no such thing here.")
}

// CampaignComments implements campaign.Store.
func (s *Store) CampaignComments(_ context.Context, t tenant.ID, c campaign.ID) (list []campaign.Comment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.beside.comments {
		if known.Tenant == t && known.Campaign == c {
			list = append(list, known)
		}
	}
	slices.SortFunc(list, func(a, b campaign.Comment) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list, nil
}

// ReadCampaignComments implements campaign.Store.
func (s *Store) ReadCampaignComments(_ context.Context, t tenant.ID, c campaign.ID, reader string, to campaign.CommentID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.read == nil {
		s.beside.read = map[string]campaign.CommentID{}
	}
	s.beside.read[t.String()+c.String()+reader] = to
	return nil
}

// CampaignCommentsRead implements campaign.Store.
func (s *Store) CampaignCommentsRead(_ context.Context, t tenant.ID, c campaign.ID, reader string) (campaign.CommentID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beside.read[t.String()+c.String()+reader], nil
}

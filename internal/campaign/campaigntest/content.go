package campaigntest

import (
	"bytes"
	"context"
	"slices"

	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Beside keeps what stands beside campaigns: reviews, comments, settings and checks. The zero Beside is
// empty; it is safe under the lock of its Store alone.
type Beside struct {
	reviews  []campaign.Review
	comments []campaign.Comment
	read     map[string]campaign.CommentID
	settings map[tenant.ID]campaign.Settings
	trials   map[string]int
	checks   map[campaign.ID]preflight.Check
	public   map[campaign.ID]campaign.Publication
}

var _ preflight.Store = (*Store)(nil)

// AskReview implements campaign.Store.
func (s *Store) AskReview(_ context.Context, r campaign.Review, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.beside.reviews) >= most {
		return fault.New(fault.Conflict, campaign.CodeValue, "Nobody else can be asked.")
	}
	s.beside.reviews = append(s.beside.reviews, r)
	return nil
}

// AnswerReview implements campaign.Store.
func (s *Store) AnswerReview(_ context.Context, r campaign.Review) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, known := range s.beside.reviews {
		if known.Tenant == r.Tenant && known.ID == r.ID && known.State == campaign.ReviewOpen {
			s.beside.reviews[i] = r
			return nil
		}
	}
	return fault.New(fault.Conflict, campaign.CodeReviewClosed, "It is closed.")
}

// CampaignReview implements campaign.Store.
func (s *Store) CampaignReview(_ context.Context, t tenant.ID, r campaign.ReviewID) (campaign.Review, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.beside.reviews {
		if known.Tenant == t && known.ID == r {
			return known, nil
		}
	}
	return campaign.Review{}, fault.New(fault.NotFound, campaign.CodeReviewUnknown, "There is no such thing here.")
}

// CampaignReviews implements campaign.Store.
func (s *Store) CampaignReviews(_ context.Context, t tenant.ID, c campaign.ID) (list []campaign.Review, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.beside.reviews {
		if r.Tenant == t && r.Campaign == c {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b campaign.Review) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return list, nil
}

// CampaignSettings implements campaign.Store.
func (s *Store) CampaignSettings(_ context.Context, t tenant.ID) (campaign.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beside.settings[t], nil
}

// PutCampaignSettings implements campaign.Store.
func (s *Store) PutCampaignSettings(_ context.Context, t tenant.ID, v campaign.Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.settings == nil {
		s.beside.settings = map[tenant.ID]campaign.Settings{}
	}
	s.beside.settings[t] = v
	return nil
}

// TakeTests implements campaign.Store.
func (s *Store) TakeTests(_ context.Context, t tenant.ID, day string, n, most int) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.trials == nil {
		s.beside.trials = map[string]int{}
	}
	key := t.String() + day
	if s.beside.trials[key]+n > most {
		return false, nil
	}
	s.beside.trials[key] += n
	return true, nil
}

// OwnAddresses implements campaign.Store: muster.example is everybody's.
func (*Store) OwnAddresses(context.Context, tenant.ID) (campaign.Own, error) {
	return campaign.Own{Domains: []string{"muster.example"}}, nil
}

// BeginCampaignCheck implements preflight.Store.
func (s *Store) BeginCampaignCheck(_ context.Context, c preflight.Check) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.checks == nil {
		s.beside.checks = map[campaign.ID]preflight.Check{}
	}
	s.beside.checks[c.Campaign] = c
	return nil
}

// MoveCampaignCheck implements preflight.Store.
func (s *Store) MoveCampaignCheck(_ context.Context, c preflight.Check) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside.checks[c.Campaign].Step != c.Step {
		return false, nil
	}
	c.Step++
	s.beside.checks[c.Campaign] = c
	return true, nil
}

// CampaignCheck implements preflight.Store.
func (s *Store) CampaignCheck(_ context.Context, _ tenant.ID, c campaign.ID) (preflight.Check, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beside.checks[c], nil
}

// DueCampaignChecks implements preflight.Store.
func (s *Store) DueCampaignChecks(context.Context) (list []preflight.Check, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.beside.checks {
		if !c.Over {
			list = append(list, c)
		}
	}
	return list, nil
}

// Domains implements preflight.Store: muster.example is everybody's.
func (*Store) Domains(_ context.Context, t tenant.ID) ([]tenant.Domain, error) {
	return []tenant.Domain{{Tenant: t, Name: "muster.example", State: tenant.Trusted}}, nil
}

// Domain implements preflight.Store.
func (*Store) Domain(_ context.Context, t tenant.ID, d tenant.DomainID) (tenant.Domain, error) {
	return tenant.Domain{ID: d, Tenant: t, Name: "muster.example", State: tenant.Trusted,
		Findings: []tenant.Finding{{Purpose: tenant.ForSPF, Type: "TXT", Name: "muster.example", State: tenant.Missing}}}, nil
}

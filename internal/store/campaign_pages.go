package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// PutCampaignPublication implements campaign.Store.
func (s *Store) PutCampaignPublication(ctx context.Context, t tenant.ID, c campaign.ID, v campaign.Publication) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO campaign_pages (tenant, campaign, shown, indexed, actor, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant, campaign) DO UPDATE SET shown = excluded.shown, indexed = excluded.indexed, actor = excluded.actor, at = excluded.at`,
		t[:], c[:], flag(v.Public), flag(v.Index), plain(v.By), millis(v.At))
	if err != nil {
		return fmt.Errorf("keep publication: %w", s.refusal(err))
	}
	return nil
}

// CampaignPublication implements campaign.Store.
func (s *Store) CampaignPublication(ctx context.Context, t tenant.ID, c campaign.ID) (v campaign.Publication, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT shown, indexed, actor, at FROM campaign_pages WHERE tenant = $1 AND campaign = $2", t[:], c[:]).
		Scan(truth{&v.Public}, truth{&v.Index}, &v.By, instant{&v.At})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("read publication: %w", s.refusal(err))
	}
	return v, nil
}

// PublicCampaigns implements campaign.Store.
func (s *Store) PublicCampaigns(ctx context.Context, t tenant.ID, limit int) (list []campaign.Campaign, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+campaignColumns+`, l.letter FROM campaign_pages p
		JOIN campaigns c ON c.tenant = p.tenant AND c.id = p.campaign
		JOIN campaign_letters l ON l.tenant = p.tenant AND l.campaign = p.campaign
		WHERE p.tenant = $1 AND p.shown = 1 AND c.state IN ('sending', 'paused', 'sent') ORDER BY p.campaign DESC LIMIT $2`, t[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var letter campaign.Letter
		c, err := readCampaign(beside{row, []any{document{&letter}}})
		c.Letter = letter
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list public campaigns: %w", s.refusal(err))
	}
	return list, nil
}

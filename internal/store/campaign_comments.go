package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// AddCampaignComment implements campaign.Store. Two that come at the same moment may pass the
// limit together by one.
func (s *Store) AddCampaignComment(ctx context.Context, c campaign.Comment, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM campaign_comments WHERE tenant = $1 AND campaign = $2", c.Tenant[:], c.Campaign[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.Field("comment", campaign.CodeValue, "There are as many comments as there can be.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO campaign_comments (tenant, campaign, id, block, author, review, asked, body, at, resolved_at, resolved_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, '')`, c.Tenant[:], c.Campaign[:], c.ID[:], c.Block, plain(c.Author), c.Review[:], plain(c.Asked), plain(c.Text), millis(c.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep comment: %w", err)
	}
	return nil
}

// ResolveCampaignComment implements campaign.Store.
func (s *Store) ResolveCampaignComment(ctx context.Context, c campaign.Comment) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE campaign_comments SET resolved_at = $4, resolved_by = $5 WHERE tenant = $1 AND campaign = $2 AND id = $3",
			c.Tenant[:], c.Campaign[:], c.ID[:], optional(c.ResolvedAt), plain(c.ResolvedBy))
		return touched(res, err, campaign.CodeComment)
	})
	if err != nil {
		return fmt.Errorf("settle comment: %w", err)
	}
	return nil
}

// CampaignComments implements campaign.Store.
func (s *Store) CampaignComments(ctx context.Context, t tenant.ID, c campaign.ID) (list []campaign.Comment, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, block, author, review, asked, body, at, resolved_at, resolved_by FROM campaign_comments
		WHERE tenant = $1 AND campaign = $2 ORDER BY id`, t[:], c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		v := campaign.Comment{Tenant: t, Campaign: c}
		err := row.Scan(&v.ID, &v.Block, &v.Author, &v.Review, &v.Asked, &v.Text, instant{&v.At}, instant{&v.ResolvedAt}, &v.ResolvedBy)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list comments: %w", s.refusal(err))
	}
	return list, nil
}

// ReadCampaignComments implements campaign.Store.
func (s *Store) ReadCampaignComments(ctx context.Context, t tenant.ID, c campaign.ID, reader string, to campaign.CommentID) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO campaign_comment_reads (tenant, campaign, reader, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, campaign, reader) DO UPDATE SET seen = excluded.seen`, t[:], c[:], plain(reader), to[:])
	if err != nil {
		return fmt.Errorf("note comments as read: %w", s.refusal(err))
	}
	return nil
}

// CampaignCommentsRead implements campaign.Store.
func (s *Store) CampaignCommentsRead(ctx context.Context, t tenant.ID, c campaign.ID, reader string) (to campaign.CommentID, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT seen FROM campaign_comment_reads WHERE tenant = $1 AND campaign = $2 AND reader = $3", t[:], c[:], plain(reader)).Scan(&to)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return to, fmt.Errorf("read what was read of comments: %w", s.refusal(err))
	}
	return to, nil
}

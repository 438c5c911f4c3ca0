package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

var _ campaign.Store = (*Store)(nil)

// campaignSpec is what of a campaign is not asked for alone.
type campaignSpec struct {
	Groups  []audience.GroupID `json:"groups"`
	PerHour int                `json:"per_hour,omitempty"`
	Trial   campaign.Trial     `json:"trial,omitzero"`
	Rates   []campaign.Rate    `json:"per_provider,omitempty"`
	Local   campaign.Local     `json:"local,omitzero"`
}

const campaignColumns = `c.tenant, c.id, c.revision, c.state, c.reason, c.name, c.actor, c.spec, c.total, c.accepted, c.excluded, c.listed,
	c.groups_at, c.after, c.step, c.due_at, c.pace, c.task, c.halt, c.start_at, c.finished_at, c.created_at, c.updated_at, c.wave_at`

func readCampaign(row scanner) (c campaign.Campaign, err error) {
	var spec campaignSpec
	var after, halt []byte
	err = row.Scan(&c.Tenant, &c.ID, &c.Revision, &c.State, &c.Reason, &c.Name, &c.Actor, document{&spec}, &c.Total, &c.Accepted, &c.Excluded, truth{&c.Listed},
		&c.At, &after, &c.Step, instant{&c.DueAt}, document{&c.Pace}, &c.Task, &halt, instant{&c.StartAt}, instant{&c.FinishedAt}, instant{&c.CreatedAt}, instant{&c.UpdatedAt}, instant{&c.WaveAt})
	c.Groups, c.PerHour, c.Trial, c.PerProvider, c.Local = spec.Groups, spec.PerHour, spec.Trial, spec.Rates, spec.Local
	copy(c.After[:], after)
	copy(c.Order[:], halt)
	return c, err
}

// campaignDue is when the worker is to look at a campaign; NULL: not at all.
func campaignDue(c campaign.Campaign) any {
	if c.Task == campaign.TaskNone && c.State != campaign.Scheduled && c.State != campaign.Sending {
		return nil
	}
	return millis(c.DueAt)
}

func campaignHalt(c campaign.Campaign) any {
	if c.Order.IsZero() {
		return nil
	}
	return c.Order[:]
}

func specOf(c campaign.Campaign) string {
	return plain(asJSON(campaignSpec{c.Groups, c.PerHour, c.Trial, c.PerProvider, c.Local}))
}

// paceOf writes Campaign.Pace.
func paceOf(c campaign.Campaign) string {
	if len(c.Pace) == 0 {
		return "{}"
	}
	return asJSON(c.Pace)
}

// CreateCampaign implements campaign.Store.
func (s *Store) CreateCampaign(ctx context.Context, c campaign.Campaign) error {
	err := s.transact(ctx, func(tx *sql.Tx) error { return addCampaign(ctx, tx, c) })
	if err != nil {
		return fmt.Errorf("create campaign: %w", err)
	}
	return nil
}

// addCampaign keeps a new draft.
func addCampaign(ctx context.Context, tx *sql.Tx, c campaign.Campaign) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO campaigns (tenant, id, revision, state, reason, name, actor, spec, total, accepted, excluded, listed,
		groups_at, step, task, created_at, updated_at) VALUES ($1, $2, $3, $4, '', $5, $6, $7, 0, 0, 0, 0, 0, 0, '', $8, $9)`,
		c.Tenant[:], c.ID[:], c.Revision, string(c.State), plain(c.Name), plain(c.Actor), specOf(c), millis(c.CreatedAt), millis(c.UpdatedAt))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO campaign_letters (tenant, campaign, letter) VALUES ($1, $2, $3)", c.Tenant[:], c.ID[:], plain(asJSON(c.Letter)))
	return err
}

// ChangeCampaign implements campaign.Store.
func (s *Store) ChangeCampaign(ctx context.Context, c campaign.Campaign, from campaign.State) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE campaigns SET revision = $3, state = $5, reason = $6, name = $7, actor = $8, spec = $9, due_at = $10, task = $11,
			halt = $12, start_at = $13, finished_at = $14, updated_at = $15 WHERE tenant = $1 AND id = $2 AND revision = $3 - 1 AND state = $4`,
			c.Tenant[:], c.ID[:], c.Revision, string(from), string(c.State), c.Reason, plain(c.Name), plain(c.Actor), specOf(c), campaignDue(c), c.Task,
			campaignHalt(c), optional(c.StartAt), optional(c.FinishedAt), millis(c.UpdatedAt))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, campaignRefused(ctx, tx, c.Tenant, c.ID))
		}
		if from != campaign.Draft {
			return nil // what is sent never changes
		}
		_, err = tx.ExecContext(ctx, "UPDATE campaign_letters SET letter = $3 WHERE tenant = $1 AND campaign = $2", c.Tenant[:], c.ID[:], plain(asJSON(c.Letter)))
		return err
	})
	if err != nil {
		return fmt.Errorf("change campaign: %w", err)
	}
	return nil
}

// campaignRefused is why a campaign could not be changed.
func campaignRefused(ctx context.Context, tx *sql.Tx, t tenant.ID, c campaign.ID) error {
	var one int
	if err := tx.QueryRowContext(ctx, "SELECT 1 FROM campaigns WHERE tenant = $1 AND id = $2", t[:], c[:]).Scan(&one); err != nil {
		return missing(err, campaign.CodeNotFound)
	}
	return fault.New(fault.Conflict, campaign.CodeState, "The campaign is not in a state that allows this, or somebody else has changed it meanwhile.")
}

// DeleteCampaign implements campaign.Store.
func (s *Store) DeleteCampaign(ctx context.Context, t tenant.ID, c campaign.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM campaigns WHERE tenant = $1 AND id = $2 AND state = 'draft'", t[:], c[:])
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, campaignRefused(ctx, tx, t, c))
		}
		for _, text := range []string{"DELETE FROM campaign_letters WHERE tenant = $1 AND campaign = $2", "DELETE FROM campaign_checks WHERE tenant = $1 AND campaign = $2",
			"DELETE FROM campaign_reviews WHERE tenant = $1 AND campaign = $2", "DELETE FROM campaign_comments WHERE tenant = $1 AND campaign = $2",
			"DELETE FROM campaign_comment_reads WHERE tenant = $1 AND campaign = $2", "DELETE FROM campaign_pages WHERE tenant = $1 AND campaign = $2"} {
			if _, err := tx.ExecContext(ctx, text, t[:], c[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete campaign: %w", err)
	}
	return nil
}

// Campaign implements campaign.Store.
func (s *Store) Campaign(ctx context.Context, t tenant.ID, number campaign.ID) (campaign.Campaign, error) {
	var letter campaign.Letter
	c, err := readCampaign(beside{s.read.QueryRowContext(ctx, "SELECT "+campaignColumns+`, l.letter FROM campaigns c
		JOIN campaign_letters l ON l.tenant = c.tenant AND l.campaign = c.id WHERE c.tenant = $1 AND c.id = $2`, t[:], number[:]), []any{document{&letter}}})
	if err != nil {
		return campaign.Campaign{}, fmt.Errorf("read campaign: %w", s.refusal(missing(err, campaign.CodeNotFound)))
	}
	c.Letter = letter
	return c, nil
}

// Campaigns implements campaign.Store. Their letters are left out.
func (s *Store) Campaigns(ctx context.Context, t tenant.ID, after campaign.ID, limit int) (list []campaign.Campaign, more bool, err error) {
	text, args := "SELECT "+campaignColumns+" FROM campaigns c WHERE c.tenant = $1", []any{t[:], limit + 1}
	if !after.IsZero() {
		text, args = text+" AND c.id < $3", append(args, after[:])
	}
	if list, err = s.campaigns(ctx, text+" ORDER BY c.id DESC LIMIT $2", args...); len(list) > limit {
		return list[:limit], true, err
	}
	return list, false, err
}

// OpenCampaigns implements campaign.Store.
func (s *Store) OpenCampaigns(ctx context.Context, now time.Time) ([]campaign.Campaign, error) {
	return s.campaigns(ctx, "SELECT "+campaignColumns+" FROM campaigns c WHERE c.due_at IS NOT NULL AND c.due_at <= $1 ORDER BY c.due_at LIMIT 100", millis(now))
}

func (s *Store) campaigns(ctx context.Context, text string, args ...any) (list []campaign.Campaign, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readCampaign(row)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", s.refusal(err))
	}
	return list, nil
}

// MoveCampaign implements campaign.Store.
func (s *Store) MoveCampaign(ctx context.Context, c campaign.Campaign, from campaign.State) (moved bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE campaigns SET state = $4, reason = $5, due_at = $6, task = $7, halt = $8, finished_at = $9, pace = $11
			WHERE tenant = $1 AND id = $2 AND state = $3 AND revision = $10`, c.Tenant[:], c.ID[:], string(from), string(c.State), c.Reason, campaignDue(c), c.Task, campaignHalt(c),
			optional(c.FinishedAt), c.Revision, paceOf(c))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		moved = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("move campaign: %w", err)
	}
	return moved, nil
}

// CampaignCap implements campaign.Store.
func (s *Store) CampaignCap(ctx context.Context, t tenant.ID) (v campaign.Cap, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT most, days FROM campaign_caps WHERE tenant = $1", t[:]).Scan(&v.Count, &v.Days)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("read frequency cap: %w", s.refusal(err))
	}
	return v, nil
}

// PutCampaignCap implements campaign.Store.
func (s *Store) PutCampaignCap(ctx context.Context, t tenant.ID, v campaign.Cap) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO campaign_caps (tenant, most, days) VALUES ($1, $2, $3)
		ON CONFLICT (tenant) DO UPDATE SET most = excluded.most, days = excluded.days`, t[:], v.Count, v.Days)
	if err != nil {
		return fmt.Errorf("keep frequency cap: %w", s.refusal(err))
	}
	return nil
}

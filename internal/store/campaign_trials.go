package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// PutTrial implements campaign.Store.
func (s *Store) PutTrial(ctx context.Context, c campaign.Campaign) (ok bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var after any
		if !c.After.IsZero() {
			after = c.After[:]
		}
		res, err := tx.ExecContext(ctx, `UPDATE campaigns SET spec = $4, groups_at = $5, after = $6, listed = $7, reason = $8, due_at = $9, step = step + 1
			WHERE tenant = $1 AND id = $2 AND step = $3 AND state = 'sending'`, c.Tenant[:], c.ID[:], c.Step, specOf(c), c.At, after, flag(c.Listed), c.Reason, campaignDue(c))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		ok = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("put trial: %w", err)
	}
	return ok, nil
}

// TrialCounts implements campaign.Store.
func (s *Store) TrialCounts(ctx context.Context, t tenant.ID, c campaign.ID) (a, b campaign.TrialCount, err error) {
	s.settle(ctx)
	of := map[campaign.Version]*campaign.TrialCount{campaign.VersionA: &a, campaign.VersionB: &b}
	for _, q := range []struct {
		text string
		to   func(*campaign.TrialCount, int64)
	}{
		{"SELECT r.version, count(*) FROM campaign_recipients r WHERE r.tenant = $1 AND r.campaign = $2 AND r.state = 'accepted' GROUP BY r.version",
			func(v *campaign.TrialCount, n int64) { v.Accepted = n }},
		{"SELECT r.version, count(DISTINCT a.message) FROM campaign_recipients r JOIN activities a ON a.tenant = r.tenant AND a.message = " + s.dialect.messageOf("r.delivery") +
			" WHERE r.tenant = $1 AND r.campaign = $2 AND a.kind = 'clicked' AND a.class <> 'scanner' GROUP BY r.version",
			func(v *campaign.TrialCount, n int64) { v.Clicked = n }},
	} {
		rows, err := s.read.QueryContext(ctx, q.text, t[:], c[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			var version campaign.Version
			var n int64
			err := row.Scan(&version, &n)
			if v := of[version]; v != nil {
				q.to(v, n)
			}
			return err
		})
		if err != nil {
			return a, b, fmt.Errorf("count versions: %w", s.refusal(err))
		}
	}
	return a, b, nil
}

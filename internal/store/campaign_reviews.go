package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

var _ preflight.Store = (*Store)(nil)

const reviewColumns = "tenant, id, campaign, hash, name, asked, state, answered_by, linked, note, asked_at, expires_at, answered_at"

func readReview(row scanner) (r campaign.Review, err error) {
	var hash []byte
	err = row.Scan(&r.Tenant, &r.ID, &r.Campaign, &hash, &r.Name, &r.Asked, &r.State, &r.By, truth{&r.Linked}, &r.Note, instant{&r.AskedAt}, instant{&r.ExpiresAt}, instant{&r.AnsweredAt})
	copy(r.Hash[:], hash)
	return r, err
}

// AskReview implements campaign.Store.
func (s *Store) AskReview(ctx context.Context, r campaign.Review, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM campaign_reviews WHERE tenant = $1 AND campaign = $2", r.Tenant[:], r.Campaign[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.New(fault.Conflict, campaign.CodeValue, "Nobody else can be asked about this mailing.")
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO campaign_reviews ("+reviewColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, '', $8, $9, NULL)",
			r.Tenant[:], r.ID[:], r.Campaign[:], r.Hash[:], plain(r.Name), plain(r.Asked), string(r.State), millis(r.AskedAt), millis(r.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for review: %w", err)
	}
	return nil
}

// AnswerReview implements campaign.Store.
func (s *Store) AnswerReview(ctx context.Context, r campaign.Review) error {
	linked := 0
	if r.Linked {
		linked = 1
	}
	res, err := s.write.ExecContext(ctx, `UPDATE campaign_reviews SET state = $3, answered_by = $4, linked = $5, note = $6, answered_at = $7
		WHERE tenant = $1 AND id = $2 AND state = 'open'`, r.Tenant[:], r.ID[:], string(r.State), plain(r.By), linked, plain(r.Note), millis(r.AnsweredAt))
	if err != nil {
		return fmt.Errorf("answer review: %w", s.refusal(err))
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("answer review: %w", errors.Join(err, fault.New(fault.Conflict, campaign.CodeReviewClosed, "The review was answered or withdrawn.")))
	}
	return nil
}

// CampaignReview implements campaign.Store.
func (s *Store) CampaignReview(ctx context.Context, t tenant.ID, r campaign.ReviewID) (campaign.Review, error) {
	found, err := readReview(s.read.QueryRowContext(ctx, "SELECT "+reviewColumns+" FROM campaign_reviews WHERE tenant = $1 AND id = $2", t[:], r[:]))
	if err != nil {
		return campaign.Review{}, fmt.Errorf("read review: %w", s.refusal(missing(err, campaign.CodeReviewUnknown)))
	}
	return found, nil
}

// CampaignReviews implements campaign.Store.
func (s *Store) CampaignReviews(ctx context.Context, t tenant.ID, c campaign.ID) (list []campaign.Review, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+reviewColumns+" FROM campaign_reviews WHERE tenant = $1 AND campaign = $2 ORDER BY id DESC LIMIT $3", t[:], c[:], campaign.MaxReviews)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readReview(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", s.refusal(err))
	}
	return list, nil
}

// CampaignSettings implements campaign.Store.
func (s *Store) CampaignSettings(ctx context.Context, t tenant.ID) (v campaign.Settings, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT spec FROM campaign_settings WHERE tenant = $1", t[:]).Scan(document{&v})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("read settings of mailings: %w", s.refusal(err))
	}
	return v, nil
}

// PutCampaignSettings implements campaign.Store.
func (s *Store) PutCampaignSettings(ctx context.Context, t tenant.ID, v campaign.Settings) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO campaign_settings (tenant, spec, day, trials) VALUES ($1, $2, '', 0)
		ON CONFLICT (tenant) DO UPDATE SET spec = excluded.spec`, t[:], plain(asJSON(v)))
	if err != nil {
		return fmt.Errorf("keep settings of mailings: %w", s.refusal(err))
	}
	return nil
}

// TakeTests implements campaign.Store.
func (s *Store) TakeTests(ctx context.Context, t tenant.ID, day string, n, most int) (ok bool, err error) {
	if n > most {
		return false, nil
	}
	res, err := s.write.ExecContext(ctx, `INSERT INTO campaign_settings (tenant, spec, day, trials) VALUES ($1, '{}', $2, $3)
		ON CONFLICT (tenant) DO UPDATE SET trials = excluded.trials + CASE WHEN campaign_settings.day = excluded.day THEN campaign_settings.trials ELSE 0 END, day = excluded.day
		WHERE campaign_settings.day <> excluded.day OR campaign_settings.trials + excluded.trials <= $4`, t[:], day, n, most)
	if err != nil {
		return false, fmt.Errorf("count test mails: %w", s.refusal(err))
	}
	taken, err := res.RowsAffected()
	return taken > 0, err
}

// OwnAddresses implements campaign.Store.
func (s *Store) OwnAddresses(ctx context.Context, t tenant.ID) (own campaign.Own, err error) {
	domains, err := s.Domains(ctx, t)
	if err != nil {
		return own, err
	}
	for _, d := range domains {
		if d.Usable() {
			own.Domains = append(own.Domains, d.Name)
		}
	}
	people, err := s.Users(ctx, t)
	for _, u := range people {
		if u.DisabledAt.IsZero() {
			own.People = append(own.People, u.Email)
		}
	}
	return own, err
}

const checkOfCampaignColumns = "tenant, campaign, hash, step, done, total, finished, at, found"

func readCampaignCheck(row scanner) (c preflight.Check, err error) {
	var hash []byte
	err = row.Scan(&c.Tenant, &c.Campaign, &hash, &c.Step, &c.Done, &c.Total, truth{&c.Over}, instant{&c.At}, document{&c.Found})
	copy(c.Hash[:], hash)
	return c, err
}

// BeginCampaignCheck implements preflight.Store.
func (s *Store) BeginCampaignCheck(ctx context.Context, c preflight.Check) error {
	_, err := s.write.ExecContext(ctx, "INSERT INTO campaign_checks ("+checkOfCampaignColumns+`) VALUES ($1, $2, $3, $4, 0, $5, 0, $6, $7)
		ON CONFLICT (tenant, campaign) DO UPDATE SET hash = excluded.hash, step = excluded.step, done = 0, total = excluded.total, finished = 0, at = excluded.at, found = excluded.found`,
		c.Tenant[:], c.Campaign[:], c.Hash[:], c.Step, c.Total, millis(c.At), plain(asJSON(c.Found)))
	if err != nil {
		return fmt.Errorf("begin check of mailing: %w", s.refusal(err))
	}
	return nil
}

// MoveCampaignCheck implements preflight.Store.
func (s *Store) MoveCampaignCheck(ctx context.Context, c preflight.Check) (bool, error) {
	over := 0
	if c.Over {
		over = 1
	}
	res, err := s.write.ExecContext(ctx, `UPDATE campaign_checks SET step = $3 + 1, done = $4, finished = $5, at = $6, found = $7
		WHERE tenant = $1 AND campaign = $2 AND step = $3`, c.Tenant[:], c.Campaign[:], c.Step, c.Done, over, millis(c.At), plain(asJSON(c.Found)))
	if err != nil {
		return false, fmt.Errorf("move check of mailing: %w", s.refusal(err))
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// CampaignCheck implements preflight.Store.
func (s *Store) CampaignCheck(ctx context.Context, t tenant.ID, c campaign.ID) (preflight.Check, error) {
	found, err := readCampaignCheck(s.read.QueryRowContext(ctx, "SELECT "+checkOfCampaignColumns+" FROM campaign_checks WHERE tenant = $1 AND campaign = $2", t[:], c[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return preflight.Check{}, nil
	}
	if err != nil {
		return preflight.Check{}, fmt.Errorf("read check of mailing: %w", s.refusal(err))
	}
	return found, nil
}

// DueCampaignChecks implements preflight.Store.
func (s *Store) DueCampaignChecks(ctx context.Context) (list []preflight.Check, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+checkOfCampaignColumns+" FROM campaign_checks WHERE finished = 0 ORDER BY at LIMIT 20")
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readCampaignCheck(row)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find checks of mailings: %w", s.refusal(err))
	}
	return list, nil
}

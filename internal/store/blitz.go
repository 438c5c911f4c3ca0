package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/blitz"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

var _ blitz.Store = (*Store)(nil)

const blitzColumns = "tenant, user_id, choice, read_until, told_until"

func readBlitz(row scanner) (r blitz.Reader, err error) {
	r.Choice = blitz.UsualChoice()
	err = row.Scan(&r.Tenant, &r.User, document{&r.Choice}, &r.ReadUntil, &r.ToldUntil)
	return r, err
}

// BlitzReader implements blitz.Store.
func (s *Store) BlitzReader(ctx context.Context, t tenant.ID, u tenant.UserID) (blitz.Reader, bool, error) {
	r, err := readBlitz(s.read.QueryRowContext(ctx, "SELECT "+blitzColumns+" FROM blitz_readers WHERE tenant = $1 AND user_id = $2", t[:], u[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return blitz.Reader{}, false, nil
	}
	if err != nil {
		return blitz.Reader{}, false, fmt.Errorf("read place in the feed: %w", s.refusal(err))
	}
	return r, true, nil
}

// ChooseBlitz implements blitz.Store.
func (s *Store) ChooseBlitz(ctx context.Context, r blitz.Reader) error {
	mails := flag(len(r.Choice.Mail) > 0)
	var zero tracking.ActivityID
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO blitz_readers (tenant, user_id, choice, mails, read_until, told_until) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant, user_id) DO UPDATE SET choice = excluded.choice, mails = excluded.mails,
			told_until = CASE WHEN blitz_readers.mails = 1 THEN blitz_readers.told_until ELSE excluded.told_until END`,
			r.Tenant[:], r.User[:], asJSON(r.Choice), mails, zero[:], r.ToldUntil[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("keep choice: %w", err)
	}
	return nil
}

// ReadBlitz implements blitz.Store. A place never goes back.
func (s *Store) ReadBlitz(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) error {
	var zero tracking.ActivityID
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO blitz_readers (tenant, user_id, choice, mails, read_until, told_until) VALUES ($1, $2, NULL, 0, $3, $4)
			ON CONFLICT (tenant, user_id) DO UPDATE SET read_until = excluded.read_until WHERE blitz_readers.read_until < excluded.read_until`,
			t[:], u[:], until[:], zero[:])
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM blitz_reads WHERE tenant = $1 AND user_id = $2 AND activity <= $3", t[:], u[:], until[:])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mark read: %w", err)
	}
	return nil
}

// ReadOne implements blitz.Store.
func (s *Store) ReadOne(ctx context.Context, t tenant.ID, u tenant.UserID, a, oldest tracking.ActivityID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM blitz_reads WHERE tenant = $1 AND user_id = $2 AND activity < $3", t[:], u[:], oldest[:])
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO blitz_reads (tenant, user_id, activity) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", t[:], u[:], a[:])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mark read: %w", err)
	}
	return nil
}

// ReadBeside implements blitz.Store.
func (s *Store) ReadBeside(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) (list []tracking.ActivityID, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT activity FROM blitz_reads WHERE tenant = $1 AND user_id = $2 AND activity > $3 ORDER BY activity", t[:], u[:], until[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var a tracking.ActivityID
		err := row.Scan(&a)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is read: %w", s.refusal(err))
	}
	return list, nil
}

// UnreadBlitz implements blitz.Store.
func (s *Store) UnreadBlitz(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID, limit int) (n int, err error) {
	s.settle(ctx)
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM activities a WHERE a.tenant = $1 AND a.id > $3 AND a.class <> 'scanner'
		AND NOT EXISTS (SELECT 1 FROM blitz_reads b WHERE b.tenant = $1 AND b.user_id = $2 AND b.activity = a.id) LIMIT $4) AS unread`,
		t[:], u[:], until[:], limit).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count unread: %w", s.refusal(err))
	}
	return n, nil
}

// BlitzMails implements blitz.Store.
func (s *Store) BlitzMails(ctx context.Context) (list []blitz.Reader, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+blitzColumns+" FROM blitz_readers WHERE mails = 1 ORDER BY tenant, user_id")
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readBlitz(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", s.refusal(err))
	}
	return list, nil
}

// TellBlitz implements blitz.Store.
func (s *Store) TellBlitz(ctx context.Context, r blitz.Reader, until tracking.ActivityID, d notice.Due) (told bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		told = false
		res, err := tx.ExecContext(ctx, "UPDATE blitz_readers SET told_until = $4 WHERE tenant = $1 AND user_id = $2 AND told_until = $3",
			r.Tenant[:], r.User[:], r.ToldUntil[:], until[:])
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if told = n > 0; err != nil || !told || d.Key == "" {
			return err
		}
		return insertNotice(ctx, tx, &d)
	})
	if err != nil {
		return false, fmt.Errorf("tell activities: %w", err)
	}
	return told, nil
}

// FeedTenants implements blitz.Store.
func (s *Store) FeedTenants(ctx context.Context) ([]tenant.ID, error) {
	list, err := tenantsOf(ctx, s.read, "SELECT DISTINCT tenant FROM webhooks WHERE state = 'active' ORDER BY tenant")
	if err != nil {
		return nil, fmt.Errorf("list tenants with webhooks: %w", s.refusal(err))
	}
	return list, nil
}

// FeedPlace implements blitz.Store.
func (s *Store) FeedPlace(ctx context.Context, t tenant.ID) (a tracking.ActivityID, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT activity FROM webhook_places WHERE tenant = $1", t[:]).Scan(&a)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("read place of webhooks: %w", s.refusal(err))
	}
	return a, nil
}

// SetFeedPlace implements blitz.Store. A place never goes back.
func (s *Store) SetFeedPlace(ctx context.Context, t tenant.ID, a tracking.ActivityID) error {
	if _, err := s.write.ExecContext(ctx, `INSERT INTO webhook_places (tenant, activity) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE
		SET activity = excluded.activity WHERE webhook_places.activity < excluded.activity`, t[:], a[:]); err != nil {
		return fmt.Errorf("move place of webhooks: %w", s.refusal(err))
	}
	return nil
}

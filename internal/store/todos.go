package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/insight"
	"stafette/internal/ledger"
	"stafette/internal/message"
	"stafette/internal/pause"
	"stafette/internal/tenant"
)

// heldCounted bounds how many held deliveries are counted.
const heldCounted = 100_000

// Held implements what insight.HeldMail asks: how many deliveries are held for another
// reason than except or one of those that end by themselves, and since when the oldest message of them waits. It counts no
// further than a hundred thousand.
func (s *Store) Held(ctx context.Context, t tenant.ID, except string) (n int64, since time.Time, err error) {
	count, oldest := s.heldTexts()
	err = s.read.QueryRowContext(ctx, count, t[:], except, heldCounted).Scan(&n)
	if err == nil && n > 0 {
		var first message.DeliveryID
		err = s.read.QueryRowContext(ctx, oldest, t[:], except).Scan(&first)
		since = first.Time()
	}
	if errors.Is(err, sql.ErrNoRows) { // released between the two
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count held deliveries: %w", s.refusal(err))
	}
	return n, since, nil
}

// heldTexts are the queries of Held. Without statistics SQLite prefers the primary key,
// and walks all deliveries of the tenant.
func (s *Store) heldTexts() (count, oldest string) {
	held := " FROM deliveries" + s.dialect.through("deliveries_waiting") +
		" WHERE tenant = $1 AND state = 'held' AND state IN ('deferred', 'held') AND reason <> $2 AND reason NOT IN ('" + ledger.ReasonHeld + "', '" + pause.ReasonHeld + "', '" + tenant.ReasonLocked + "') "
	return "SELECT count(*) FROM (SELECT 1" + held + "LIMIT $3) h", "SELECT id" + held + "ORDER BY id LIMIT 1"
}

// Dismiss implements insight.TodoStore.
func (s *Store) Dismiss(ctx context.Context, t tenant.ID, u tenant.UserID, key string, until time.Time) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO todo_dismissals (tenant, user_id, key, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, user_id, key) DO UPDATE SET until = excluded.until`, t[:], u[:], plain(key), millis(until))
	if err != nil {
		return fmt.Errorf("dismiss: %w", s.refusal(err))
	}
	return nil
}

// Dismissed implements insight.TodoStore.
func (s *Store) Dismissed(ctx context.Context, t tenant.ID, u tenant.UserID, now time.Time) ([]string, error) {
	var list []string
	rows, err := s.read.QueryContext(ctx, "SELECT key FROM todo_dismissals WHERE tenant = $1 AND user_id = $2 AND until > $3", t[:], u[:], millis(now))
	err = scan(rows, err, func(row *sql.Rows) error {
		var key string
		err := row.Scan(&key)
		list = append(list, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read dismissals: %w", s.refusal(err))
	}
	return list, nil
}

// Awaited implements what insight.Team asks.
func (s *Store) Awaited(ctx context.Context, t tenant.ID, before time.Time) ([]insight.Awaited, error) {
	all, err := s.Invitations(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []insight.Awaited
	for _, i := range all {
		if i.CreatedAt.Before(before) {
			list = append(list, insight.Awaited{ID: i.ID.String(), Email: i.Email, At: i.CreatedAt, EndsAt: i.ExpiresAt})
		}
	}
	return list, nil
}

// Locked implements what insight.LockedAccounts asks.
func (s *Store) Locked(ctx context.Context) (n int, last string, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name FROM tenants WHERE state = 'locked' ORDER BY created_at, id")
	err = scan(rows, err, func(row *sql.Rows) error {
		n++
		return row.Scan(&last)
	})
	if err != nil {
		return 0, "", fmt.Errorf("count locked tenants: %w", s.refusal(err))
	}
	return n, last, nil
}

var _ insight.TodoStore = (*Store)(nil)

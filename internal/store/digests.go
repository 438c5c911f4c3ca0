package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Readers implements insight.DigestStore.
func (s *Store) Readers(ctx context.Context, t tenant.ID) ([]insight.Reader, error) {
	var list []insight.Reader
	rows, err := s.read.QueryContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND disabled_at IS NULL ORDER BY id", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		u, err := readUser(row)
		list = append(list, insight.Reader{User: u, Choice: insight.UsualChoice(u.Role)})
		return err
	})
	chosen := map[tenant.UserID]insight.Choice{}
	if err == nil {
		rows, err = s.read.QueryContext(ctx, "SELECT user_id, weekly, todos FROM digest_choices WHERE tenant = $1", t[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			var u tenant.UserID
			var c insight.Choice
			err := row.Scan(&u, truth{&c.Weekly}, truth{&c.Todos})
			chosen[u] = c
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", s.refusal(err))
	}
	for i := range list {
		if c, ok := chosen[list[i].User.ID]; ok {
			list[i].Choice = c
		}
	}
	return list, nil
}

// ChooseDigests implements insight.DigestStore.
func (s *Store) ChooseDigests(ctx context.Context, t tenant.ID, u tenant.UserID, c insight.Choice) error {
	err := s.change1(ctx, "", `INSERT INTO digest_choices (tenant, user_id, weekly, todos) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, user_id) DO UPDATE SET weekly = excluded.weekly, todos = excluded.todos`, t[:], u[:], flag(c.Weekly), flag(c.Todos))
	if err != nil {
		return fmt.Errorf("choose digests: %w", err)
	}
	return nil
}

// DigestRun implements insight.DigestStore.
func (s *Store) DigestRun(ctx context.Context, t tenant.ID, k insight.DigestKind) (r insight.DigestRun, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT period, state FROM digest_runs WHERE tenant = $1 AND kind = $2", t[:], string(k)).Scan(&r.Period, &r.State)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return insight.DigestRun{}, fmt.Errorf("read digest run: %w", s.refusal(err))
	}
	return r, nil
}

// SetDigestRun implements insight.DigestStore.
func (s *Store) SetDigestRun(ctx context.Context, t tenant.ID, k insight.DigestKind, r insight.DigestRun, now time.Time) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO digest_runs (tenant, kind, period, state, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, kind) DO UPDATE SET period = excluded.period, state = excluded.state, at = excluded.at`,
		t[:], string(k), r.Period, plain(r.State), millis(now))
	if err != nil {
		return fmt.Errorf("keep digest run: %w", s.refusal(err))
	}
	return nil
}

var _ insight.DigestStore = (*Store)(nil)

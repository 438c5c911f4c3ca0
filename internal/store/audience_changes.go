package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// Marks implements audience.Store.
func (s *Store) Marks(ctx context.Context) (map[tenant.ID]int64, error) {
	marks := map[tenant.ID]int64{}
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, seq FROM suppression_marks")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		var seq int64
		err := row.Scan(&t, &seq)
		marks[t] = seq
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read marks of suppressions: %w", s.refusal(err))
	}
	return marks, nil
}

// Changes implements audience.Store. Numbers become visible in order because their
// transactions wait for each other at the tenant's mark.
func (s *Store) Changes(ctx context.Context, t tenant.ID, after int64, limit int) (list []audience.Hash, last int64, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT hash, seq FROM suppressions WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3", t[:], after, limit)
	last = after
	err = scan(rows, err, func(row *sql.Rows) error {
		var hash []byte
		if err := row.Scan(&hash, &last); err != nil {
			return err
		}
		list = append(list, audience.Hash(hash))
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read changes of suppressions: %w", s.refusal(err))
	}
	return list, last, nil
}

// ChangesSince implements audience.Store.
func (s *Store) ChangesSince(ctx context.Context, t tenant.ID, since time.Time, limit int) (list []audience.Hash, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT hash FROM suppressions WHERE tenant = $1 AND changed_at >= $2 LIMIT $3", t[:], millis(since), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var hash []byte
		if err := row.Scan(&hash); err != nil {
			return err
		}
		list = append(list, audience.Hash(hash))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read late suppressions: %w", s.refusal(err))
	}
	return list, nil
}

// Rules implements audience.Store.
func (s *Store) Rules(ctx context.Context, t tenant.ID) (audience.Rules, error) {
	var r audience.Rules
	err := s.read.QueryRowContext(ctx, "SELECT rules FROM suppression_rules WHERE tenant = $1", t[:]).Scan(document{&r})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read suppression rules: %w", s.refusal(err))
	}
	return r, nil
}

// SetRules implements audience.Store.
func (s *Store) SetRules(ctx context.Context, t tenant.ID, r audience.Rules) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, t, 1); err != nil {
			return err
		}
		if len(r) == 0 {
			_, err := tx.ExecContext(ctx, "DELETE FROM suppression_rules WHERE tenant = $1", t[:])
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO suppression_rules (tenant, rules) VALUES ($1, $2)
			ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules`, t[:], asJSON(r))
		return err
	})
	if err != nil {
		return fmt.Errorf("store suppression rules: %w", err)
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
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
func (s *Store) SetRules(ctx context.Context, t tenant.ID, r audience.Rules, actor string, now time.Time) error {
	after := ""
	if len(r) > 0 {
		after = asJSON(r)
	}
	if err := s.set(ctx, t, "rules", after, actor, now); err != nil {
		return fmt.Errorf("store suppression rules: %w", err)
	}
	return nil
}

// Thresholds implements audience.Store.
func (s *Store) Thresholds(ctx context.Context, t tenant.ID) (*audience.Thresholds, error) {
	var v *audience.Thresholds
	err := s.read.QueryRowContext(ctx, "SELECT thresholds FROM halt_thresholds WHERE tenant = $1", t[:]).Scan(document{&v})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read thresholds: %w", s.refusal(err))
	}
	return v, nil
}

// SetThresholds implements audience.Store.
func (s *Store) SetThresholds(ctx context.Context, t tenant.ID, v *audience.Thresholds, actor string, now time.Time) error {
	after := ""
	if v != nil {
		after = asJSON(v)
	}
	if err := s.set(ctx, t, "thresholds", after, actor, now); err != nil {
		return fmt.Errorf("store thresholds: %w", err)
	}
	return nil
}

// set stores a setting of a tenant, "" for none, and notes what it was before, unless
// that is the same. The tenant's mark is held, so that changes are noted in their order.
func (s *Store) set(ctx context.Context, t tenant.ID, setting, after, actor string, now time.Time) error {
	table := map[string]string{"rules": "suppression_rules", "thresholds": "halt_thresholds"}[setting]
	return s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, t, 1); err != nil {
			return err
		}
		var before string
		err := tx.QueryRowContext(ctx, "SELECT "+setting+" FROM "+table+" WHERE tenant = $1", t[:]).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || before == after {
			return ignoreNone(err)
		}
		if after == "" {
			_, err = tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE tenant = $1", t[:])
		} else {
			//nolint:gosec // G202: names of ours
			_, err = tx.ExecContext(ctx, "INSERT INTO "+table+" (tenant, "+setting+") VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET "+
				setting+" = excluded."+setting, t[:], after)
		}
		if err != nil {
			return err
		}
		change := id.New[audience.Kind](now)
		_, err = tx.ExecContext(ctx, "INSERT INTO audience_settings (tenant, id, setting, actor, former, latter, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			t[:], change[:], setting, plain(actor), cmp.Or(before, "null"), cmp.Or(after, "null"), millis(now))
		return err
	})
}

// ignoreNone is the error of a query that may find nothing.
func ignoreNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// settingsShown bounds the changes of settings that are shown.
const settingsShown = 100

// SettingChanges implements audience.Store.
func (s *Store) SettingChanges(ctx context.Context, t tenant.ID) ([]audience.SettingChange, error) {
	var list []audience.SettingChange
	rows, err := s.read.QueryContext(ctx, "SELECT setting, actor, former, latter, at FROM audience_settings WHERE tenant = $1 ORDER BY id DESC LIMIT $2", t[:], settingsShown)
	err = scan(rows, err, func(row *sql.Rows) error {
		var c audience.SettingChange
		var setting, before, after string
		if err := row.Scan(&setting, &c.Actor, &before, &after, instant{&c.At}); err != nil {
			return err
		}
		var old, fresh any = &c.Before, &c.After
		if c.RulesSet = setting == "rules"; c.RulesSet {
			old, fresh = &c.RulesBefore, &c.Rules
		}
		err := errors.Join(document{old}.Scan(before), document{fresh}.Scan(after))
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read changes of settings: %w", s.refusal(err))
	}
	return list, nil
}

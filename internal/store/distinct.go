package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// PutDistinct implements audience.Mergers.
func (s *Store) PutDistinct(ctx context.Context, t tenant.ID, list []audience.Distinct) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, d := range list {
			_, err := tx.ExecContext(ctx, `INSERT INTO contact_distinct (tenant, low, high, actor, at)
				SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT 1 FROM contacts WHERE tenant = $1 AND id = $2) AND EXISTS (SELECT 1 FROM contacts WHERE tenant = $1 AND id = $3)
				ON CONFLICT DO NOTHING`, t[:], d.Pair[0][:], d.Pair[1][:], d.Actor, millis(d.At))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note two people: %w", err)
	}
	return nil
}

// DropDistinct implements audience.Mergers.
func (s *Store) DropDistinct(ctx context.Context, t tenant.ID, p audience.Pair) error {
	_, err := s.write.ExecContext(ctx, "DELETE FROM contact_distinct WHERE tenant = $1 AND low = $2 AND high = $3", t[:], p[0][:], p[1][:])
	if err != nil {
		return fmt.Errorf("forget two people: %w", s.refusal(err))
	}
	return nil
}

// Distinct implements audience.Mergers.
func (s *Store) Distinct(ctx context.Context, t tenant.ID, limit int) (list []audience.Distinct, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT low, high, actor, at FROM contact_distinct WHERE tenant = $1 ORDER BY at DESC, low, high LIMIT $2", t[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d audience.Distinct
		err := row.Scan(&d.Pair[0], &d.Pair[1], &d.Actor, instant{&d.At})
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list two people: %w", s.refusal(err))
	}
	return list, nil
}

// endDistinct forgets what was said of a contact that goes.
func endDistinct(ctx context.Context, tx *sql.Tx, t tenant.ID, c audience.ContactID) error {
	for _, text := range []string{
		"DELETE FROM contact_distinct WHERE tenant = $1 AND low = $2",
		"DELETE FROM contact_distinct WHERE tenant = $1 AND high = $2 AND low IN (SELECT x.low FROM contact_distinct x WHERE x.tenant = $1 AND x.high = $2)",
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], c[:]); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audit"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// An allotment is a sixteenth of what is left, so that what a node that dies takes with
// it is little, and at most two thousand: with a second's worth of mail for each question
// nobody waits for them.
const (
	allotPart = 16
	allotMost = 2000
)

// Allot implements ingest.Store. It is no part of the act that the caller's request may
// owe.
func (s *Store) Allot(ctx context.Context, t tenant.ID, actor string, day time.Time, most, want int64) (got int64, err error) {
	err = s.transact(audit.Without(ctx), func(tx *sql.Tx) error {
		taken, err := s.takenOf(ctx, tx, t, actor, day)
		if err != nil {
			return err
		}
		if got = 0; most-taken < want {
			return nil
		}
		got = max(want, min((most-taken)/allotPart, allotMost))
		_, err = tx.ExecContext(ctx, "UPDATE key_usage SET taken = taken + $4 WHERE tenant = $1 AND actor = $2 AND day = $3", t[:], plain(actor), millis(day), got)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("allot deliveries: %w", err)
	}
	return got, nil
}

// takenOf reads what was taken of an actor's day and keeps other nodes from taking until
// the commit. A day that begins counts what was accepted before, and ends the one before.
func (s *Store) takenOf(ctx context.Context, tx *sql.Tx, t tenant.ID, actor string, day time.Time) (taken int64, err error) {
	read := "SELECT taken FROM key_usage WHERE tenant = $1 AND actor = $2 AND day = $3" + s.dialect.lockRow()
	err = tx.QueryRowContext(ctx, read, t[:], plain(actor), millis(day)).Scan(&taken)
	if !errors.Is(err, sql.ErrNoRows) {
		return taken, err
	}
	// Identifiers begin with their time, so a day of a tenant is one range of the key.
	low := id.Lowest[message.Kind](day)
	err = tx.QueryRowContext(ctx, "SELECT CAST(COALESCE(sum(recipients), 0) AS BIGINT) FROM messages WHERE tenant = $1 AND id >= $2 AND actor = $3", t[:], low[:], plain(actor)).Scan(&taken)
	if err != nil {
		return 0, err
	}
	if _, err = tx.ExecContext(ctx, "INSERT INTO key_usage (tenant, actor, day, taken) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, actor, day) DO NOTHING",
		t[:], plain(actor), millis(day), taken); err != nil {
		return 0, err
	}
	if _, err = tx.ExecContext(ctx, "DELETE FROM key_usage WHERE tenant = $1 AND actor = $2 AND day < $3", t[:], plain(actor), millis(day)); err != nil {
		return 0, err
	}
	return taken, tx.QueryRowContext(ctx, read, t[:], plain(actor), millis(day)).Scan(&taken)
}

// Disallot implements ingest.Store.
func (s *Store) Disallot(ctx context.Context, t tenant.ID, actor string, day time.Time, n int64) error {
	_, err := s.write.ExecContext(ctx, "UPDATE key_usage SET taken = taken - $4 WHERE tenant = $1 AND actor = $2 AND day = $3", t[:], plain(actor), millis(day), n)
	if err != nil {
		return fmt.Errorf("give back deliveries: %w", s.refusal(err))
	}
	return nil
}

// KeyUsage returns what was taken on a UTC day for the keys of a tenant that have a cap,
// by the key's text. Other keys are not in it.
func (s *Store) KeyUsage(ctx context.Context, t tenant.ID, day time.Time) (map[string]int64, error) {
	used := map[string]int64{}
	rows, err := s.read.QueryContext(ctx, "SELECT actor, taken FROM key_usage WHERE tenant = $1 AND day = $2", t[:], millis(day))
	err = scan(rows, err, func(row *sql.Rows) error {
		var actor string
		var taken int64
		err := row.Scan(&actor, &taken)
		used[actor] = taken
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read usage of keys: %w", s.refusal(err))
	}
	return used, nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"stafette/internal/ingest"
	"stafette/internal/spool"
)

// tableArchive keeps bodies in a PostgreSQL table with a partition for each day.
type tableArchive struct {
	db    *sql.DB
	now   func() time.Time
	known atomic.Int32 // the last day whose partition was seen to exist
}

const partitionPrefix = "bodies_"

// put stores all bodies in tx. They are filed under one day.
func (a *tableArchive) put(ctx context.Context, tx *sql.Tx, list []*ingest.Acceptance) (func() error, error) {
	day := spool.DayOf(a.now())
	if err := a.ensure(ctx, day); err != nil {
		return noWait, err
	}
	tenants, messages, sealed := make([][]byte, len(list)), make([][]byte, len(list)), make([][]byte, len(list))
	for i, acc := range list {
		if len(acc.Sealed) > spool.MaxSealed {
			return noWait, spool.ErrTooLarge
		}
		tenants[i], messages[i], sealed[i] = acc.Message.Tenant[:], acc.Message.ID[:], acc.Sealed
		acc.Ref = spool.Ref{Day: day, Length: int32(len(acc.Sealed))}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO bodies (day, tenant, message, sealed)
		SELECT $1::integer, * FROM unnest($2::bytea[], $3::bytea[], $4::bytea[])`, int32(day), tenants, messages, sealed)
	return noWait, err
}

func (a *tableArchive) transactional() bool { return true }

// ensure makes the partition of a day. It does so in a transaction of its own,
// under a lock that other nodes share, so that a group never fails for it.
func (a *tableArchive) ensure(ctx context.Context, d spool.Day) error {
	if a.known.Load() == int32(d) {
		return nil
	}
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext('stafette bodies'))"); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%d PARTITION OF bodies FOR VALUES FROM (%d) TO (%d)",
		partitionPrefix, d, d, d+1))
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	a.known.Store(int32(d))
	return nil
}

// Read implements spool.Archive.
func (a *tableArchive) Read(ctx context.Context, h spool.Handle) ([]byte, error) {
	var sealed []byte
	err := a.db.QueryRowContext(ctx, "SELECT sealed FROM bodies WHERE day = $1 AND tenant = $2 AND message = $3",
		int32(h.Ref.Day), h.Tenant[:], h.Message[:]).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, spool.ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(sealed) != int(h.Ref.Length) {
		return nil, spool.ErrCorrupt
	}
	return sealed, nil
}

// DropBefore implements spool.Archive.
func (a *tableArchive) DropBefore(ctx context.Context, d spool.Day) (days int, bytes int64, err error) {
	type partition struct {
		name  string
		bytes int64
	}
	var old []partition
	rows, err := a.db.QueryContext(ctx, `SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'bodies'::regclass ORDER BY c.relname`)
	err = scan(rows, err, func(row *sql.Rows) error {
		var p partition
		if err := row.Scan(&p.name, &p.bytes); err != nil {
			return err
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(p.name, partitionPrefix)); err == nil && spool.Day(n) < d {
			old = append(old, p)
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("drop bodies: %w", err)
	}
	for _, p := range old {
		// The name is a prefix of ours and digits: see above.
		if _, err := a.db.ExecContext(ctx, "DROP TABLE IF EXISTS "+p.name); err != nil {
			return days, bytes, fmt.Errorf("drop bodies: %w", err)
		}
		days, bytes = days+1, bytes+p.bytes
	}
	a.known.Store(0) // a dropped day may be written to again if the clock is set back
	return days, bytes, nil
}

// Close implements archive; the connections belong to the store.
func (a *tableArchive) Close() error { return nil }

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// StartEpoch implements queue.Store. Epochs of the same node, or on SQLite all,
// are those of processes that are gone: they are declared dead.
func (s *Store) StartEpoch(ctx context.Context, node string, now, aliveUntil time.Time) (queue.Epoch, error) {
	if s.dialect.onlyProcess() {
		if err := s.lockQueue(); err != nil {
			return 0, fmt.Errorf("start epoch: %w", err)
		}
	}
	began := s.cfg.Now()
	var e int64
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE epochs SET alive = 0 WHERE node = $1 OR $2 = 1", node, flag(s.dialect.onlyProcess()))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "INSERT INTO epochs (node, alive, beat, lease) VALUES ($1, 1, 0, $2) RETURNING epoch",
			node, aliveUntil.Sub(now).Milliseconds()).Scan(&e)
	})
	if err != nil {
		return 0, fmt.Errorf("start epoch: %w", err)
	}
	s.pulses.note(queue.Epoch(e), 0, began)
	return queue.Epoch(e), nil
}

// Beat implements queue.Store. It also forgets dead epochs that hold nothing, and
// looks how far the node's clock is from the database's; see Now.
func (s *Store) Beat(ctx context.Context, e queue.Epoch, now, aliveUntil time.Time) error {
	began := s.cfg.Now()
	var beat int64
	err := s.transact(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "UPDATE epochs SET beat = beat + 1, lease = $2 WHERE epoch = $1 AND alive = 1 RETURNING beat",
			int64(e), aliveUntil.Sub(now).Milliseconds()).Scan(&beat)
		if errors.Is(err, sql.ErrNoRows) {
			return queue.ErrFenced
		}
		if err != nil {
			return err
		}
		return forgetEpochs(ctx, tx)
	})
	if errors.Is(err, queue.ErrFenced) {
		return queue.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	s.pulses.note(e, beat, began)
	if err := s.setClock(ctx); err != nil {
		// The beat stands; an old correction is better than none.
		s.cfg.Log.Warn("clock of the database not read", "err", err)
	}
	return nil
}

// EndEpoch implements queue.Store: what it holds is from now on free to claim.
func (s *Store) EndEpoch(ctx context.Context, e queue.Epoch, _ time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE epochs SET alive = 0 WHERE epoch = $1", int64(e)); err != nil {
			return err
		}
		return forgetEpochs(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("end epoch: %w", err)
	}
	return nil
}

// busyTenants walks the index of due deliveries from tenant to tenant without
// reading what lies between. The parameter $1 is where it starts, exclusive. Its
// order is that of the index, lest a planner walk the primary key instead.
const busyTenants = `busy (t) AS (
	SELECT (SELECT tenant FROM deliveries WHERE state IN ('queued', 'deferred') AND tenant > $1
		ORDER BY tenant, owner, urgency, due_at LIMIT 1)
	UNION ALL
	SELECT (SELECT tenant FROM deliveries WHERE state IN ('queued', 'deferred') AND tenant > busy.t
		ORDER BY tenant, owner, urgency, due_at LIMIT 1)
	FROM busy WHERE busy.t IS NOT NULL)`

// forgetEpochs removes the epochs declared dead that hold nothing any more. No
// delivery can come to them later: acceptance asks for a living epoch under a lock.
func forgetEpochs(ctx context.Context, tx *sql.Tx) error {
	dead, err := deadEpochs(ctx, tx)
	if err != nil {
		return err
	}
	for _, e := range dead {
		_, err := tx.ExecContext(ctx, "WITH RECURSIVE "+busyTenants+` DELETE FROM epochs WHERE epoch = $2 AND NOT EXISTS (
			SELECT 1 FROM busy JOIN deliveries d ON d.tenant = busy.t
			WHERE d.owner = $2 AND d.state IN ('queued', 'deferred'))`, new(tenant.ID)[:], int64(e))
		if err != nil {
			return err
		}
	}
	return nil
}

// deadEpochs returns the epochs that were declared dead and are not forgotten yet.
func deadEpochs(ctx context.Context, tx *sql.Tx) ([]queue.Epoch, error) {
	var dead []queue.Epoch
	rows, err := tx.QueryContext(ctx, "SELECT epoch FROM epochs WHERE alive = 0 ORDER BY epoch")
	err = scan(rows, err, func(row *sql.Rows) error {
		var e int64
		err := row.Scan(&e)
		dead = append(dead, queue.Epoch(e))
		return err
	})
	return dead, err
}

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
	var e int64
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE epochs SET alive_until = 0 WHERE node = $1 OR alive_until < $2 OR $3 = 1",
			node, millis(now), flag(s.dialect.onlyProcess()))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "INSERT INTO epochs (node, alive_until) VALUES ($1, $2) RETURNING epoch",
			node, millis(aliveUntil)).Scan(&e)
	})
	if err != nil {
		return 0, fmt.Errorf("start epoch: %w", err)
	}
	return queue.Epoch(e), nil
}

// Beat implements queue.Store. It also forgets dead epochs that hold nothing.
func (s *Store) Beat(ctx context.Context, e queue.Epoch, now, aliveUntil time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE epochs SET alive_until = $2 WHERE epoch = $1 AND alive_until > 0", int64(e), millis(aliveUntil))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return queue.ErrFenced
		}
		return forgetEpochs(ctx, tx)
	})
	if errors.Is(err, queue.ErrFenced) {
		return queue.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	return nil
}

// EndEpoch implements queue.Store: what it holds is from now on free to claim.
func (s *Store) EndEpoch(ctx context.Context, e queue.Epoch, _ time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE epochs SET alive_until = 0 WHERE epoch = $1", int64(e)); err != nil {
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
	var dead []int64
	rows, err := tx.QueryContext(ctx, "SELECT epoch FROM epochs WHERE alive_until = 0")
	err = scan(rows, err, func(row *sql.Rows) error {
		var e int64
		err := row.Scan(&e)
		dead = append(dead, e)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range dead {
		_, err := tx.ExecContext(ctx, "WITH RECURSIVE "+busyTenants+` DELETE FROM epochs WHERE epoch = $2 AND NOT EXISTS (
			SELECT 1 FROM busy JOIN deliveries d ON d.tenant = busy.t
			WHERE d.owner = $2 AND d.state IN ('queued', 'deferred'))`, new(tenant.ID)[:], e)
		if err != nil {
			return err
		}
	}
	return nil
}

// buryEpochs declares expired epochs dead, so that their processes are told so
// before anybody takes what they hold, and returns all dead ones.
func buryEpochs(ctx context.Context, tx *sql.Tx, now time.Time) ([]queue.Epoch, error) {
	var dead []queue.Epoch
	expired := false
	rows, err := tx.QueryContext(ctx, "SELECT epoch, alive_until FROM epochs WHERE alive_until < $1 ORDER BY epoch", millis(now))
	err = scan(rows, err, func(row *sql.Rows) error {
		var e, until int64
		if err := row.Scan(&e, &until); err != nil {
			return err
		}
		dead = append(dead, queue.Epoch(e))
		expired = expired || until > 0
		return nil
	})
	if err != nil || !expired {
		return dead, err
	}
	// Asked again under the row locks: one that beat in between lives on.
	dead = dead[:0]
	rows, err = tx.QueryContext(ctx, "UPDATE epochs SET alive_until = 0 WHERE alive_until < $1 RETURNING epoch", millis(now))
	err = scan(rows, err, func(row *sql.Rows) error {
		var e int64
		err := row.Scan(&e)
		dead = append(dead, queue.Epoch(e))
		return err
	})
	return dead, err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/queue"
)

// StartEpoch implements queue.Store. Epochs of the same node, or on SQLite all,
// are those of processes that are gone: they are declared dead.
func (s *Store) StartEpoch(ctx context.Context, node string, now, aliveUntil time.Time) (queue.Epoch, error) {
	if s.dialect.onlyProcess() {
		if err := s.lockQueue(); err != nil {
			return 0, fmt.Errorf("start epoch: %w", err)
		}
		if err := s.takeUpVerdicts(ctx); err != nil {
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
	if s.dialect.onlyProcess() {
		return s.beatAlone(ctx, e, began)
	}
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
		return s.forgetEpochs(ctx, tx)
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

// beatAlone is Beat where nobody else can have the queue: nothing need be written for
// others to see, and so a full disk does not end a lease, which would break off mail on
// the wire.
func (s *Store) beatAlone(ctx context.Context, e queue.Epoch, began time.Time) error {
	var beat int64
	err := s.read.QueryRowContext(ctx, "SELECT beat FROM epochs WHERE epoch = $1 AND alive = 1", int64(e)).Scan(&beat)
	if errors.Is(err, sql.ErrNoRows) {
		return queue.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("beat: %w", s.refusal(err))
	}
	s.pulses.note(e, beat, began)
	dead, err := deadEpochs(ctx, s.read)
	if err == nil && len(dead) > 0 {
		err = s.transact(ctx, func(tx *sql.Tx) error { return s.forgetEpochs(ctx, tx) })
	}
	if err != nil {
		s.cfg.Log.Warn("dead epochs not forgotten", "err", err)
	}
	return nil
}

// EndEpoch implements queue.Store: what it holds is from now on free to claim.
func (s *Store) EndEpoch(ctx context.Context, e queue.Epoch, _ time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE epochs SET alive = 0 WHERE epoch = $1", int64(e)); err != nil {
			return err
		}
		return s.forgetEpochs(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("end epoch: %w", err)
	}
	return nil
}

// forgetAfter is how long an epoch has been dead before it may be forgotten. A node
// that was paused in the middle of a claim may still commit it when it wakes, until the
// database has ended its transaction (see idleInTransaction); the epoch must be there
// for others to know whose it is.
const forgetAfter = 2 * time.Minute

// holdsText asks whether an epoch holds anything.
const holdsText = `SELECT count(*) FROM tenants t WHERE (EXISTS (
	SELECT 1 FROM deliveries d WHERE d.tenant = t.id AND d.owner = $1 AND d.state IN ('queued', 'deferred'))) IS TRUE`

// forgetEpochs removes the epochs that have long been dead and hold nothing any more.
func (s *Store) forgetEpochs(ctx context.Context, tx *sql.Tx) error {
	dead, err := deadEpochs(ctx, tx)
	if err != nil {
		return err
	}
	least := forgetAfter
	if s.dialect.onlyProcess() {
		least = 0 // its process is gone, and its transactions with it
	}
	for _, e := range s.pulses.longDead(dead, s.cfg.Now(), least) {
		var holding int
		if err := tx.QueryRowContext(ctx, holdsText, int64(e)).Scan(&holding); err != nil {
			return err
		}
		if holding > 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM epochs WHERE epoch = $1 AND alive = 0", int64(e)); err != nil {
			return err
		}
	}
	return nil
}

// deadEpochs returns the epochs that were declared dead and are not forgotten yet.
func deadEpochs(ctx context.Context, q querier) ([]queue.Epoch, error) {
	var dead []queue.Epoch
	rows, err := q.QueryContext(ctx, "SELECT epoch FROM epochs WHERE alive = 0 ORDER BY epoch")
	err = scan(rows, err, func(row *sql.Rows) error {
		var e int64
		err := row.Scan(&e)
		dead = append(dead, queue.Epoch(e))
		return err
	})
	return dead, err
}

// Nodes returns the processes that are or lately were on the queue, by epoch.
func (s *Store) Nodes(ctx context.Context) ([]queue.Node, error) {
	var list []queue.Node
	rows, err := s.read.QueryContext(ctx, "SELECT node, epoch, alive FROM epochs ORDER BY epoch DESC LIMIT 100")
	err = scan(rows, err, func(row *sql.Rows) error {
		var n queue.Node
		err := row.Scan(&n.Name, &n.Epoch, truth{&n.Alive})
		list = append(list, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", s.refusal(err))
	}
	return list, nil
}

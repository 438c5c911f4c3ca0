package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ queue.OperatorStore = (*Store)(nil)

// maxOrders bounds a list of orders.
const maxOrders = 500

const orderColumns = `giver, id, command, of_tenant, stream, tag, domain, site, pool, next_hop, actor, reason, created_at, expires_at, ended_at, ended_by`

func readOrder(row interface{ Scan(dest ...any) error }) (queue.Order, error) {
	var o queue.Order
	err := row.Scan(&o.Giver, &o.ID, &o.Command, &o.Scope.Tenant, &o.Scope.Stream, &o.Scope.Tag, &o.Scope.Domain, &o.Scope.Site, &o.Pool, &o.NextHop,
		&o.Actor, &o.Reason, instant{&o.Created}, instant{&o.Expires}, instant{&o.Ended}, &o.EndedBy)
	return o, err
}

// Orders implements queue.OrderReader.
func (s *Store) Orders(ctx context.Context, t tenant.ID, now time.Time, ended bool) ([]queue.Order, error) {
	text := "SELECT " + orderColumns + " FROM queue_orders WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"
	if ended {
		text = "SELECT " + orderColumns + " FROM queue_orders WHERE created_at <= $1"
	}
	args := []any{millis(now)}
	if !t.IsZero() {
		text, args = text+" AND giver = $2", append(args, t[:])
	}
	var list []queue.Order
	rows, err := s.read.QueryContext(ctx, text+fmt.Sprintf(" ORDER BY id DESC LIMIT %d", maxOrders), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		o, err := readOrder(row)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", s.refusal(err))
	}
	return list, nil
}

// PutOrder implements queue.OperatorStore. One that there is already, even if it has
// ended, stays as it is. More than can be looked at with every mail
// are refused: Conflict "orders_too_many".
func (s *Store) PutOrder(ctx context.Context, o queue.Order) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM queue_orders WHERE giver = $1 AND id = $2", o.Giver[:], o.ID[:]).Scan(&n)
		if err != nil || n > 0 {
			return err // begun already, by the same preview
		}
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM queue_orders WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > $1)", millis(o.Created)).Scan(&n)
		if err != nil {
			return err
		}
		if n >= maxOrders {
			return fault.New(fault.Conflict, "orders_too_many", "Too many orders hold already; end some first.")
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO queue_orders ("+orderColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`,
			o.Giver[:], o.ID[:], string(o.Command), o.Scope.Tenant[:], string(o.Scope.Stream), plain(o.Scope.Tag), plain(o.Scope.Domain), plain(o.Scope.Site),
			plain(o.Pool), plain(o.NextHop), plain(o.Actor), plain(o.Reason), millis(o.Created), optional(o.Expires), optional(o.Ended), plain(o.EndedBy))
		return err
	})
	if err != nil {
		return fmt.Errorf("put order: %w", err)
	}
	return nil
}

// EndOrder implements queue.OperatorStore.
func (s *Store) EndOrder(ctx context.Context, giver tenant.ID, id queue.OrderID, by string, now time.Time) (queue.Order, error) {
	var o queue.Order
	err := s.transact(ctx, func(tx *sql.Tx) error {
		where, args := "id = $1 AND ended_at IS NULL", []any{id[:]}
		if !giver.IsZero() {
			where, args = where+" AND giver = $2", append(args, giver[:])
		}
		var err error
		o, err = readOrder(tx.QueryRowContext(ctx, "SELECT "+orderColumns+" FROM queue_orders WHERE "+where+s.dialect.lockRow(), args...))
		if err != nil {
			return missing(err, "order_not_found")
		}
		o.Ended, o.EndedBy = now.UTC().Truncate(time.Millisecond), by
		_, err = tx.ExecContext(ctx, "UPDATE queue_orders SET ended_at = $3, ended_by = $4 WHERE giver = $1 AND id = $2",
			o.Giver[:], o.ID[:], millis(now), plain(by))
		return err
	})
	if err != nil {
		return queue.Order{}, fmt.Errorf("end order: %w", err)
	}
	return o, nil
}

// PutLog implements queue.OperatorStore.
func (s *Store) PutLog(ctx context.Context, l queue.LogEntry) error {
	var order any
	if !l.Order.IsZero() {
		order = l.Order[:]
	}
	_, err := s.write.ExecContext(ctx, `INSERT INTO queue_log (tenant, id, at, actor, act, reason, planned, changed, finished_at, order_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (tenant, id) DO UPDATE SET changed = excluded.changed, finished_at = excluded.finished_at, order_id = excluded.order_id`,
		l.Tenant[:], l.ID[:], millis(l.At), plain(l.Actor), asJSON(l.Act), plain(l.Reason), l.Planned, l.Changed, optional(l.Finished), order)
	if err != nil {
		return fmt.Errorf("put command log: %w", s.refusal(err))
	}
	return nil
}

// Log implements queue.OperatorStore.
func (s *Store) Log(ctx context.Context, t tenant.ID, limit int) ([]queue.LogEntry, error) {
	where, args := "", []any{limit}
	if !t.IsZero() {
		where, args = " WHERE tenant = $2", append(args, t[:])
	}
	var list []queue.LogEntry
	//nolint:gosec // G202: a constant and placeholders only
	rows, err := s.read.QueryContext(ctx, `SELECT tenant, id, at, actor, act, reason, planned, changed, finished_at, order_id
		FROM queue_log`+where+" ORDER BY id DESC LIMIT $1", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var l queue.LogEntry
		var order []byte
		err := row.Scan(&l.Tenant, &l.ID, instant{&l.At}, &l.Actor, document{&l.Act}, &l.Reason, &l.Planned, &l.Changed, instant{&l.Finished}, &order)
		copy(l.Order[:], order)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read command log: %w", s.refusal(err))
	}
	return list, nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

var _ redelivery.Store = (*Store)(nil)

const jobColumns = `tenant, id, key, state, reason, actor, door, filter, options, total, sent, skipped, failed,
	created_at, confirmed_by, confirmed_at, ramp_at, due_at, finished_at`

func readJob(row scanner) (j redelivery.Job, err error) {
	err = row.Scan(&j.Tenant, &j.ID, nullText[string]{&j.Key}, &j.State, &j.Reason, &j.Actor, &j.Door, document{&j.Filter}, document{&j.Options},
		&j.Total, &j.Sent, &j.Skipped, &j.Failed, instant{&j.CreatedAt}, &j.ConfirmedBy, instant{&j.ConfirmedAt}, instant{&j.RampAt}, instant{&j.DueAt}, instant{&j.FinishedAt})
	return j, err
}

// AddJob implements redelivery.Store.
func (s *Store) AddJob(ctx context.Context, j redelivery.Job, hash [32]byte) (first *redelivery.Job, request [32]byte, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		first = nil
		if j.Key != "" {
			var sum []byte
			err := tx.QueryRowContext(ctx, "SELECT request FROM redeliveries WHERE tenant = $1 AND key = $2", j.Tenant[:], j.Key).Scan(&sum)
			if err == nil {
				copy(request[:], sum)
				found, err := readJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM redeliveries WHERE tenant = $1 AND key = $2", j.Tenant[:], j.Key))
				first = &found
				return err
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO redeliveries (tenant, id, key, state, reason, actor, door, filter, options, total, sent, skipped, failed, created_at, confirmed_by, request)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, $10, '', $11)`,
			j.Tenant[:], j.ID[:], textOrNull(j.Key), string(j.State), j.Reason, plain(j.Actor), j.Door, plain(asJSON(j.Filter)), plain(asJSON(j.Options)),
			millis(j.CreatedAt), hash[:])
		return s.taken(err, "redelivery_key_busy", "Another request with this key is being worked on.")
	})
	if err != nil {
		return nil, request, fmt.Errorf("add redelivery: %w", err)
	}
	return first, request, nil
}

// AddItems implements redelivery.Store.
func (s *Store) AddItems(ctx context.Context, t tenant.ID, j redelivery.ID, list []redelivery.Item) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO redelivery_items (tenant, job, number, delivery, state, reason, message, at)
			VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)`)
		if err != nil {
			return err
		}
		defer func() { _ = put.Close() }() // the transaction's end closes it too
		var skipped int
		for _, i := range list {
			if i.State == redelivery.Skipped {
				skipped++
			}
			if _, err := put.ExecContext(ctx, t[:], j[:], i.Number, i.Delivery[:], string(i.State), i.Reason, millis(i.At)); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE redeliveries SET total = total + $3, skipped = skipped + $4 WHERE tenant = $1 AND id = $2", t[:], j[:], len(list), skipped)
		return err
	})
	if err != nil {
		return fmt.Errorf("add items: %w", err)
	}
	return nil
}

// ChangeJob implements redelivery.Store.
func (s *Store) ChangeJob(ctx context.Context, j redelivery.Job, from redelivery.State) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE redeliveries SET state = $4, reason = $5, confirmed_by = $6, confirmed_at = $7, ramp_at = $8, due_at = $9, finished_at = $10
			WHERE tenant = $1 AND id = $2 AND state = $3`, j.Tenant[:], j.ID[:], string(from), string(j.State), j.Reason, plain(j.ConfirmedBy),
			optional(j.ConfirmedAt), optional(j.RampAt), optional(j.DueAt), optional(j.FinishedAt))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var one int
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM redeliveries WHERE tenant = $1 AND id = $2", j.Tenant[:], j.ID[:]).Scan(&one); err != nil {
			return missing(err, redelivery.CodeNotFound)
		}
		return fault.New(fault.Conflict, redelivery.CodeState, "The redelivery is not in a state that allows this.")
	})
	if err != nil {
		return fmt.Errorf("change redelivery: %w", err)
	}
	return nil
}

// Redelivery implements redelivery.Store.
func (s *Store) Redelivery(ctx context.Context, t tenant.ID, number redelivery.ID) (redelivery.Job, error) {
	j, err := readJob(s.read.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM redeliveries WHERE tenant = $1 AND id = $2", t[:], number[:]))
	if err != nil {
		return redelivery.Job{}, fmt.Errorf("read redelivery: %w", s.refusal(missing(err, redelivery.CodeNotFound)))
	}
	return j, nil
}

// Redeliveries implements redelivery.Store.
func (s *Store) Redeliveries(ctx context.Context, t tenant.ID, after redelivery.ID, limit int) (list []redelivery.Job, more bool, err error) {
	text, args := "SELECT "+jobColumns+" FROM redeliveries WHERE tenant = $1", []any{t[:], limit + 1}
	if !after.IsZero() {
		text, args = text+" AND id < $3", append(args, after[:])
	}
	list, err = s.jobs(ctx, text+" ORDER BY id DESC LIMIT $2", args...)
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, err
}

// AwaitingRedeliveries implements what redelivery.Approval asks.
func (s *Store) AwaitingRedeliveries(ctx context.Context, t tenant.ID) (n int, since time.Time, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT count(*), min(created_at) FROM redeliveries WHERE tenant = $1 AND state = 'awaiting'", t[:]).Scan(&n, instant{&since})
	if err != nil {
		return 0, since, fmt.Errorf("count redeliveries that wait: %w", s.refusal(err))
	}
	return n, since, nil
}

func (s *Store) jobs(ctx context.Context, text string, args ...any) (list []redelivery.Job, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		j, err := readJob(row)
		list = append(list, j)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list redeliveries: %w", s.refusal(err))
	}
	return list, nil
}

// OpenJobs implements redelivery.Store.
func (s *Store) OpenJobs(ctx context.Context, now, stale time.Time) ([]redelivery.Job, error) {
	return s.jobs(ctx, "SELECT "+jobColumns+` FROM redeliveries WHERE state = 'running' AND due_at <= $1 OR state = 'planning' AND created_at < $2 ORDER BY id LIMIT 100`,
		millis(now), millis(stale))
}

const itemColumns = "number, delivery, state, reason, message, at"

func readItem(row scanner, more ...any) (i redelivery.Item, err error) {
	var mail []byte
	err = row.Scan(append([]any{&i.Number, &i.Delivery, &i.State, &i.Reason, &mail, instant{&i.At}}, more...)...)
	copy(i.Message[:], mail)
	return i, err
}

// RedeliveryItems implements redelivery.Store.
func (s *Store) RedeliveryItems(ctx context.Context, t tenant.ID, j redelivery.ID, f redelivery.ItemFilter) (list []redelivery.Item, more bool, err error) {
	if _, err := s.Redelivery(ctx, t, j); err != nil {
		return nil, false, err
	}
	text, args := "SELECT "+itemColumns+" FROM redelivery_items WHERE tenant = $1 AND job = $2 AND number > $3", []any{t[:], j[:], f.After, f.Limit + 1}
	if f.State != "" {
		text, args = text+" AND state = $5", append(args, string(f.State))
	}
	rows, err := s.read.QueryContext(ctx, text+" ORDER BY number LIMIT $4", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		i, err := readItem(row)
		list = append(list, i)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list items: %w", s.refusal(err))
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, nil
}

// nextItems takes what waits; "sending" stands before "waiting" in the index.
const nextItems = `SELECT i.number, i.delivery, i.state, i.reason, i.message, i.at,
	CASE WHEN EXISTS (SELECT 1 FROM redelivery_items o WHERE o.tenant = $1 AND o.delivery = i.delivery AND o.job <> i.job AND o.state IN ('sent', 'sending')) THEN 1 ELSE 0 END
	FROM redelivery_items i WHERE i.tenant = $1 AND i.job = $2 AND i.state IN ('sending', 'waiting') ORDER BY i.state, i.number LIMIT $3`

// NextItems implements redelivery.Store.
func (s *Store) NextItems(ctx context.Context, t tenant.ID, j redelivery.ID, limit int) (list []redelivery.Item, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		list = nil
		rows, err := tx.QueryContext(ctx, nextItems, t[:], j[:], limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			var elsewhere bool
			i, err := readItem(row, truth{&elsewhere})
			i.Elsewhere = elsewhere
			list = append(list, i)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		// Those that wait come in order, so the last of them bounds them.
		_, err = tx.ExecContext(ctx, "UPDATE redelivery_items SET state = 'sending' WHERE tenant = $1 AND job = $2 AND state = 'waiting' AND number <= $3",
			t[:], j[:], lastWaiting(list))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take items: %w", err)
	}
	return list, nil
}

func lastWaiting(list []redelivery.Item) (n int) {
	for _, i := range list {
		if i.State == redelivery.Waiting {
			n = max(n, i.Number)
		}
	}
	return n
}

// SettleItem implements redelivery.Store. An item that has its answer keeps it.
func (s *Store) SettleItem(ctx context.Context, t tenant.ID, j redelivery.ID, i redelivery.Item) (state redelivery.State, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var mail any
		if !i.Message.IsZero() {
			mail = i.Message[:]
		}
		res, err := tx.ExecContext(ctx, "UPDATE redelivery_items SET state = $4, reason = $5, message = $6, at = $7 WHERE tenant = $1 AND job = $2 AND number = $3 AND state = 'sending'",
			t[:], j[:], i.Number, string(i.State), plain(i.Reason), mail, millis(i.At))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if column := map[redelivery.ItemState]string{redelivery.Sent: "sent", redelivery.Skipped: "skipped", redelivery.Failed: "failed"}[i.State]; n > 0 && column != "" {
			//nolint:gosec // G202: one of three words of ours
			if _, err := tx.ExecContext(ctx, "UPDATE redeliveries SET "+column+" = "+column+" + 1 WHERE tenant = $1 AND id = $2", t[:], j[:]); err != nil {
				return err
			}
		}
		err = tx.QueryRowContext(ctx, "SELECT state FROM redeliveries WHERE tenant = $1 AND id = $2", t[:], j[:]).Scan(&state)
		return missing(err, redelivery.CodeNotFound)
	})
	if err != nil {
		return "", fmt.Errorf("settle item: %w", err)
	}
	return state, nil
}

// Tagged implements redelivery.Store.
func (s *Store) Tagged(ctx context.Context, t tenant.ID, tag string) (m message.ID, found bool, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT message FROM message_tags WHERE tenant = $1 AND tag = $2 LIMIT 1", t[:], plain(tag)).Scan(&m)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("find message by tag: %w", s.refusal(err))
	}
	return m, true, nil
}

// quoted makes a list of words of ours for a text: constants, which indexes are matched by.
func quoted[T ~string](words []T) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = "'" + strings.ReplaceAll(string(w), "'", "") + "'"
	}
	return strings.Join(list, ", ")
}

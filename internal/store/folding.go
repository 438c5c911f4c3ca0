package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/returns"
	"stafette/internal/tenant"
)

// foldKey is a row of folded_deliveries.
type foldKey struct {
	hour   int64
	stream string
	state  event.State
}

type foldCount struct{ deliveries, late, complaints int64 }

// old is a message whose time is over.
type old struct {
	id     message.ID
	stream string
	tags   []string
}

// Fold implements privacy.RetentionStore.
func (s *Store) Fold(ctx context.Context, t tenant.ID, before time.Time, after message.ID, limit int) (privacy.Folding, error) {
	var f privacy.Folding
	top := id.Lowest[message.Kind](before)
	var list []old
	// Asked outside the transaction: as a rule nothing is over, and nothing is written.
	rows, err := s.read.QueryContext(ctx, "SELECT id, stream, tags FROM messages WHERE tenant = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4",
		t[:], after[:], top[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m old
		err := row.Scan(&m.id, &m.stream, document{&m.tags})
		list = append(list, m)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("fold deliveries: %w", s.refusal(err))
	}
	if len(list) == 0 {
		return f, nil
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		f = privacy.Folding{Last: list[len(list)-1].id, More: len(list) == limit}
		counts := map[foldKey]foldCount{}
		for _, m := range list {
			if err := s.foldMessage(ctx, tx, t, m, counts, &f); err != nil {
				return err
			}
		}
		return addFolded(ctx, tx, t, counts)
	})
	if err != nil {
		return privacy.Folding{}, fmt.Errorf("fold deliveries: %w", err)
	}
	return f, nil
}

// foldMessage counts the deliveries of a message and drops its rows, unless one of
// them still waits.
func (s *Store) foldMessage(ctx context.Context, tx *sql.Tx, t tenant.ID, m old, counts map[foldKey]foldCount, f *privacy.Folding) error {
	top := message.Delivery(m.id, message.MaxRecipients)
	hour := m.id.Time().UnixMilli() / millisPerHour
	own := map[foldKey]foldCount{}
	waits := false
	rows, err := tx.QueryContext(ctx, `SELECT state, count(*), sum(CASE WHEN (marks & $4) <> 0 THEN 1 ELSE 0 END), sum(CASE WHEN (marks & $5) <> 0 THEN 1 ELSE 0 END)
		FROM deliveries WHERE tenant = $1 AND id > $2 AND id <= $3 GROUP BY state`, t[:], m.id[:], top[:], bitOf(event.MarkLateBounce), bitOf(event.MarkComplained))
	err = scan(rows, err, func(row *sql.Rows) error {
		var state event.State
		var c foldCount
		err := row.Scan(&state, &c.deliveries, &c.late, &c.complaints)
		waits = waits || !state.Final()
		own[foldKey{hour, m.stream, state}] = c
		return err
	})
	if err != nil || waits {
		return err
	}
	for _, tag := range m.tags {
		if _, err := tx.ExecContext(ctx, "DELETE FROM message_tags WHERE tenant = $1 AND tag = $2 AND message = $3", t[:], plain(tag), m.id[:]); err != nil {
			return err
		}
	}
	if err := s.dropReferences(ctx, tx, t, m.id); err != nil {
		return err
	}
	s.hits.known.forget()
	if err := dropRows(ctx, tx, t, m.id, f); err != nil {
		return err
	}
	for key, c := range own {
		sum := counts[key]
		counts[key] = foldCount{sum.deliveries + c.deliveries, sum.late + c.late, sum.complaints + c.complaints}
	}
	return nil
}

// dropRows drops a message with its deliveries and facts, and counts them.
func dropRows(ctx context.Context, tx *sql.Tx, t tenant.ID, m message.ID, f *privacy.Folding) error {
	top := message.Delivery(m, message.MaxRecipients)
	for _, drop := range []struct {
		text string
		args []any
		sum  *int64
	}{
		{"DELETE FROM status_links WHERE tenant = $1 AND delivery > $2 AND delivery <= $3", []any{t[:], m[:], top[:]}, new(int64)},
		{"DELETE FROM tracked_messages WHERE tenant = $1 AND message = $2", []any{t[:], m[:]}, new(int64)},
		{"DELETE FROM activity_counts WHERE tenant = $1 AND message = $2", []any{t[:], m[:]}, new(int64)},
		{"DELETE FROM activities WHERE tenant = $1 AND message = $2 AND " + notDeclared, []any{t[:], m[:]}, new(int64)},
		{"DELETE FROM events WHERE tenant = $1 AND message = $2", []any{t[:], m[:]}, &f.Events},
		{"DELETE FROM deliveries WHERE tenant = $1 AND id > $2 AND id <= $3", []any{t[:], m[:], top[:]}, &f.Deliveries},
		{"DELETE FROM messages WHERE tenant = $1 AND id = $2", []any{t[:], m[:]}, &f.Messages},
	} {
		res, err := tx.ExecContext(ctx, drop.text, drop.args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		*drop.sum += n
	}
	return nil
}

// addFolded adds counts, in the order of the key, so that two nodes cannot wait for each
// other.
func addFolded(ctx context.Context, tx *sql.Tx, t tenant.ID, counts map[foldKey]foldCount) error {
	keys := make([]foldKey, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b foldKey) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.stream, b.stream), cmp.Compare(a.state, b.state))
	})
	for _, k := range keys {
		c := counts[k]
		_, err := tx.ExecContext(ctx, `INSERT INTO folded_deliveries (tenant, hour, stream, state, deliveries, late_bounces, complaints)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, hour, stream, state) DO UPDATE SET
			deliveries = folded_deliveries.deliveries + excluded.deliveries, late_bounces = folded_deliveries.late_bounces + excluded.late_bounces,
			complaints = folded_deliveries.complaints + excluded.complaints`,
			t[:], k.hour, k.stream, string(k.state), c.deliveries, c.late, c.complaints)
		if err != nil {
			return err
		}
	}
	return nil
}

// folded counts by state what was folded of [from, to). An hour belongs to where it
// begins.
func folded(ctx context.Context, q querier, t tenant.ID, from, to time.Time) (map[event.State]int64, error) {
	counts := map[event.State]int64{}
	first := (millis(from) + millisPerHour - 1) / millisPerHour
	last := (millis(to) + millisPerHour - 1) / millisPerHour
	rows, err := q.QueryContext(ctx, `SELECT state, CAST(sum(deliveries) AS BIGINT) FROM folded_deliveries
		WHERE tenant = $1 AND hour >= $2 AND hour < $3 GROUP BY state`, t[:], first, last)
	err = scan(rows, err, func(row *sql.Rows) error {
		var state event.State
		var n int64
		err := row.Scan(&state, &n)
		counts[state] = n
		return err
	})
	return counts, err
}

// FoldReturns implements privacy.RetentionStore.
func (s *Store) FoldReturns(ctx context.Context, t tenant.ID, before time.Time, limit int) (int64, error) {
	top := id.Lowest[returns.Kind](before)
	var n int64
	res, err := s.write.ExecContext(ctx, `DELETE FROM returns WHERE id IN (SELECT id FROM returns WHERE id < $2 AND account = $1 AND state = 'matched'
		ORDER BY id LIMIT $3)`, t[:], top[:], limit)
	if err == nil {
		n, err = res.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("fold return mail: %w", s.refusal(err))
	}
	return n, nil
}

// retentionKind is the id.Kind of runs, whose identifiers only order them.
type retentionKind struct{}

// Prefix implements id.Kind.
func (retentionKind) Prefix() string { return "rtn" }

// AddRetention implements privacy.RetentionStore.
func (s *Store) AddRetention(ctx context.Context, v privacy.Retention) error {
	run := id.New[retentionKind](v.BeganAt)
	_, err := s.write.ExecContext(ctx, `INSERT INTO retention_runs (tenant, id, before, messages, deliveries, events, returns, began_at, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, v.Tenant[:], run[:], millis(v.Before), v.Messages, v.Deliveries, v.Events, v.Returns,
		millis(v.BeganAt), millis(v.EndedAt))
	if err != nil {
		return fmt.Errorf("note retention: %w", s.refusal(err))
	}
	return nil
}

// Retentions implements privacy.RetentionStore.
func (s *Store) Retentions(ctx context.Context, t tenant.ID, limit int) ([]privacy.Retention, error) {
	var list []privacy.Retention
	rows, err := s.read.QueryContext(ctx, `SELECT before, messages, deliveries, events, returns, began_at, ended_at FROM retention_runs
		WHERE tenant = $1 ORDER BY id DESC LIMIT $2`, t[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		v := privacy.Retention{Tenant: t}
		err := row.Scan(instant{&v.Before}, &v.Messages, &v.Deliveries, &v.Events, &v.Returns, instant{&v.BeganAt}, instant{&v.EndedAt})
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list retention: %w", s.refusal(err))
	}
	return list, nil
}

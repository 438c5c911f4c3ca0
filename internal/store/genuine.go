package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/genuine"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var _ genuine.Store = (*Store)(nil)

// AcceptedAt implements genuine.Store.
func (s *Store) AcceptedAt(ctx context.Context, t tenant.ID, from, to time.Time, limit int) (list []message.ID, err error) {
	low, high := id.Lowest[message.Kind](from), id.Lowest[message.Kind](to)
	rows, err := s.read.QueryContext(ctx, "SELECT id FROM messages WHERE tenant = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4", t[:], low[:], high[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		err := row.Scan(&m)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list messages of an instant: %w", s.refusal(err))
	}
	return list, nil
}

// sentAsText reads no more rows than it is told to, whatever the day held: who asks is
// anybody.
const sentAsText = `SELECT CAST(COALESCE(SUM(recipients), 0) AS BIGINT) FROM
	(SELECT subject, recipients FROM messages WHERE tenant = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4) AS first WHERE subject = $5`

// SentAs implements genuine.Store.
func (s *Store) SentAs(ctx context.Context, t tenant.ID, from, to time.Time, subject string, limit int) (n int64, err error) {
	low, high := id.Lowest[message.Kind](from), id.Lowest[message.Kind](to)
	if err := s.read.QueryRowContext(ctx, sentAsText, t[:], low[:], high[:], limit, plain(subject)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count recipients of a subject: %w", s.refusal(err))
	}
	return n, nil
}

// NamedBySender implements genuine.Store.
func (s *Store) NamedBySender(ctx context.Context, t tenant.ID, messageID string) (m message.ID, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT id FROM messages WHERE tenant = $1 AND message_id = $2 ORDER BY id DESC LIMIT 1", t[:], plain(messageID)).Scan(&m)
	if err != nil {
		return m, fmt.Errorf("find message: %w", s.refusal(missing(err, "message_not_found")))
	}
	return m, nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

var _ redelivery.ArchiveStore = (*Store)(nil)

// Terms implements redelivery.ArchiveStore.
func (s *Store) Terms(ctx context.Context, t tenant.ID) (list []redelivery.Term, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT stream, days FROM archive_terms WHERE tenant = $1 AND days > 0 ORDER BY stream", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var v redelivery.Term
		err := row.Scan(&v.Stream, &v.Days)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read retention times: %w", s.refusal(err))
	}
	return list, nil
}

// SaveTerm implements redelivery.ArchiveStore.
func (s *Store) SaveTerm(ctx context.Context, t tenant.ID, v redelivery.Term) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var none message.ID
		_, err := tx.ExecContext(ctx, `INSERT INTO archive_terms (tenant, stream, days, done) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, stream) DO UPDATE SET days = excluded.days`, t[:], string(v.Stream), v.Days, none[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("save retention time: %w", err)
	}
	return nil
}

// LongestTerm implements redelivery.ArchiveStore.
func (s *Store) LongestTerm(ctx context.Context) (days int, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COALESCE(max(days), 0) FROM archive_terms WHERE days > 0").Scan(&days)
	if err != nil {
		return 0, fmt.Errorf("find longest retention time: %w", s.refusal(err))
	}
	return days, nil
}

// ended are messages in order whose content may go, with whether they still wait.
const ended = `SELECT m.id, m.size, m.accepted_at, CASE WHEN m.salt IS NULL THEN 1 ELSE 0 END,
	CASE WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = $1 AND d.id > m.id AND d.id < %s AND d.state IN ('queued', 'deferred')) THEN 1 ELSE 0 END
	FROM messages m WHERE m.tenant = $1 AND m.stream = $2 AND m.id > $3 AND m.id < $4 ORDER BY m.id LIMIT $5`

// DropContent implements redelivery.ArchiveStore. Dropping the salt makes the content
// unreadable wherever it lies; its bytes go with their day.
func (s *Store) DropContent(ctx context.Context, r redelivery.Run, limit int, now time.Time) (after redelivery.Run, more bool, err error) {
	err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
		after = r
		var done message.ID
		err := tx.QueryRowContext(ctx, "SELECT done FROM archive_terms WHERE tenant = $1 AND stream = $2", r.Tenant[:], string(r.Stream)).Scan(&done)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var gone []message.ID
		gone, done, more, err = s.endedContent(ctx, tx, &after, done, limit)
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			in, args := inList(s.dialect, 2, gone)
			//nolint:gosec // G202: constants of the dialect and placeholders only
			if _, err := tx.ExecContext(ctx, "UPDATE messages SET salt = NULL WHERE tenant = $1 AND id "+in, append([]any{r.Tenant[:]}, args...)...); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO archive_terms (tenant, stream, days, done) VALUES ($1, $2, 0, $3)
			ON CONFLICT (tenant, stream) DO UPDATE SET done = excluded.done`, r.Tenant[:], string(r.Stream), done[:])
		if err != nil {
			return err
		}
		if !more {
			after.EndedAt = now.UTC().Truncate(time.Millisecond)
		}
		return putRun(ctx, tx, after)
	})
	if err != nil {
		return r, false, fmt.Errorf("drop content: %w", err)
	}
	return after, more, nil
}

// walked bounds the messages of all streams that one transaction goes through: those of
// one stream may lie far apart in a long history.
const walked = 5000

// horizon is up to where a walk behind done may go before top, and the last message on it;
// the zero one where it reaches top.
func horizon(ctx context.Context, tx *sql.Tx, t tenant.ID, done, top message.ID) (end, last message.ID, err error) {
	err = tx.QueryRowContext(ctx, "SELECT id FROM messages WHERE tenant = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT 1 OFFSET $4",
		t[:], done[:], top[:], walked-1).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return top, last, nil
	}
	return message.After(last), last, err
}

// endedContent finds up to limit messages behind done, adds those that have content to
// the run, and says up to where all were looked at.
func (s *Store) endedContent(ctx context.Context, tx *sql.Tx, r *redelivery.Run, done message.ID, limit int) (gone []message.ID, upTo message.ID, more bool, err error) {
	top := id.Lowest[message.Kind](r.Before)
	end, last, err := horizon(ctx, tx, r.Tenant, done, top)
	if err != nil {
		return nil, done, false, err
	}
	upTo = done
	n, stopped := 0, false
	rows, err := tx.QueryContext(ctx, fmt.Sprintf(ended, s.dialect.deliveryAt("m.id", message.MaxRecipients+1)), r.Tenant[:], string(r.Stream), done[:], end[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		var size int64
		var at time.Time
		var empty, waits bool
		if err := row.Scan(&m, &size, instant{&at}, truth{&empty}, truth{&waits}); err != nil {
			return err
		}
		n++
		if stopped = stopped || waits; stopped {
			return nil
		}
		if upTo = m; !empty {
			gone = append(gone, m)
			r.Add(m, size, at)
		}
		return nil
	})
	switch {
	case stopped:
	case n == limit:
		more = true
	case end != top:
		upTo, more = last, true
	default:
		upTo = top // nothing older can come
	}
	return gone, upTo, more, err
}

func putRun(ctx context.Context, tx *sql.Tx, r redelivery.Run) error {
	if r.Messages+r.Leads == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO archive_runs (tenant, id, stream, before, messages, bytes, leads, oldest, newest, digest, began_at, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (tenant, id) DO UPDATE SET messages = excluded.messages, bytes = excluded.bytes,
		leads = excluded.leads, oldest = excluded.oldest, newest = excluded.newest, digest = excluded.digest, ended_at = excluded.ended_at`,
		r.Tenant[:], r.ID[:], string(r.Stream), millis(r.Before), r.Messages, r.Bytes, r.Leads, optional(r.Oldest), optional(r.Newest), r.Digest[:],
		millis(r.BeganAt), optional(r.EndedAt))
	return err
}

// DropLeadsOf implements redelivery.ArchiveStore.
func (s *Store) DropLeadsOf(ctx context.Context, t tenant.ID, before time.Time, limit int) (n int, err error) {
	err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE leads SET sealed = NULL, salt = NULL, title = '' WHERE tenant = $1 AND id IN
			(SELECT l.id FROM leads l WHERE l.tenant = $1 AND l.sealed IS NOT NULL AND l.taken_at < $2 ORDER BY l.id LIMIT $3)`, t[:], millis(before), limit)
		if err != nil {
			return err
		}
		changed, err := res.RowsAffected()
		n = int(changed)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop content of leads: %w", err)
	}
	return n, nil
}

// ArchiveRuns implements redelivery.ArchiveStore.
func (s *Store) ArchiveRuns(ctx context.Context, t tenant.ID, after redelivery.RunID, limit int) (list []redelivery.Run, more bool, err error) {
	text, args := `SELECT id, stream, before, messages, bytes, leads, oldest, newest, digest, began_at, ended_at FROM archive_runs WHERE tenant = $1`, []any{t[:], limit + 1}
	if !after.IsZero() {
		text, args = text+" AND id < $3", append(args, after[:])
	}
	rows, err := s.read.QueryContext(ctx, text+" ORDER BY id DESC LIMIT $2", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		r := redelivery.Run{Tenant: t}
		err := row.Scan(&r.ID, &r.Stream, instant{&r.Before}, &r.Messages, &r.Bytes, &r.Leads, instant{&r.Oldest}, instant{&r.Newest}, bytes32{&r.Digest},
			instant{&r.BeganAt}, instant{&r.EndedAt})
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list archive runs: %w", s.refusal(err))
	}
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, nil
}

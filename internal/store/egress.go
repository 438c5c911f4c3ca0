package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/egress"
)

var _ egress.Store = (*Store)(nil)

// tallyDays is how many days of counts are kept.
const tallyDays = 90

// PutAlarms implements egress.Store.
func (s *Store) PutAlarms(ctx context.Context, list []egress.Alarm) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for i := range list {
			a := &list[i]
			_, err := tx.ExecContext(ctx, `INSERT INTO egress_alarms (source, provider, first_at, last_at, count, class, code, enhanced,
				stage, host, reply, paused_until, pauses, cleared_at, cleared_by)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
				ON CONFLICT (source, provider, first_at) DO UPDATE SET last_at = excluded.last_at, count = excluded.count,
					class = excluded.class, code = excluded.code, enhanced = excluded.enhanced, stage = excluded.stage,
					host = excluded.host, reply = excluded.reply, paused_until = excluded.paused_until, pauses = excluded.pauses,
					cleared_at = excluded.cleared_at, cleared_by = excluded.cleared_by
				WHERE egress_alarms.cleared_at IS NULL`,
				plain(a.Source), plain(a.Provider), millis(a.First), millis(a.Last), a.Count, plain(a.Class), a.Code, plain(a.Enhanced),
				plain(a.Stage), plain(a.Host), plain(a.Text), millis(a.PausedUntil), a.Pauses, optional(a.ClearedAt), plain(a.ClearedBy))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put source alarms: %w", err)
	}
	return nil
}

// maxAlarms bounds a list of alarms.
const maxAlarms = 1000

// Alarms implements egress.Store.
func (s *Store) Alarms(ctx context.Context, all bool) ([]egress.Alarm, error) {
	var list []egress.Alarm
	rows, err := s.read.QueryContext(ctx, `SELECT source, provider, first_at, last_at, count, class, code, enhanced, stage, host, reply,
		paused_until, pauses, cleared_at, cleared_by FROM egress_alarms WHERE cleared_at IS NULL OR $1 = 1
		ORDER BY first_at DESC, source, provider LIMIT $2`, flag(all), maxAlarms)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a egress.Alarm
		err := row.Scan(&a.Source, &a.Provider, instant{&a.First}, instant{&a.Last}, &a.Count, &a.Class, &a.Code, &a.Enhanced, &a.Stage,
			&a.Host, &a.Text, instant{&a.PausedUntil}, &a.Pauses, instant{&a.ClearedAt}, &a.ClearedBy)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read source alarms: %w", s.refusal(err))
	}
	return list, nil
}

// ClearAlarm implements egress.Store.
func (s *Store) ClearAlarm(ctx context.Context, p egress.Pair, by string, now time.Time) error {
	err := s.change1(ctx, "alarm_unknown", `UPDATE egress_alarms SET cleared_at = $3, cleared_by = $4
		WHERE source = $1 AND provider = $2 AND cleared_at IS NULL`, plain(p.Source), plain(p.Provider), millis(now), plain(by))
	if err != nil {
		return fmt.Errorf("clear source alarm: %w", err)
	}
	return nil
}

// AddSent implements egress.Store.
func (s *Store) AddSent(ctx context.Context, list []egress.Tally) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var last egress.Day
		for _, t := range list {
			last = max(last, t.Day)
			if _, err := tx.ExecContext(ctx, `INSERT INTO egress_tallies (day, source, provider, sent, overflow) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (day, source, provider) DO UPDATE SET sent = egress_tallies.sent + excluded.sent,
					overflow = egress_tallies.overflow + excluded.overflow`,
				int64(t.Day), plain(t.Source), plain(t.Provider), t.Sent, t.Overflow); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM egress_tallies WHERE day < $1", int64(last)-tallyDays)
		return err
	})
	if err != nil {
		return fmt.Errorf("add warm-up counts: %w", err)
	}
	return nil
}

// Sent implements egress.Store.
func (s *Store) Sent(ctx context.Context, d egress.Day) ([]egress.Tally, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT day, source, provider, sent, overflow FROM egress_tallies WHERE day = $1 ORDER BY source, provider", int64(d))
	return s.tallies(rows, err)
}

// maxTallies bounds the counts of one source.
const maxTallies = 20000

// SentBy implements egress.Store.
func (s *Store) SentFrom(ctx context.Context, source string, from egress.Day) ([]egress.Tally, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT day, source, provider, sent, overflow FROM egress_tallies
		WHERE source = $1 AND day >= $2 ORDER BY day DESC, provider LIMIT $3`, plain(source), int64(from), maxTallies)
	return s.tallies(rows, err)
}

func (s *Store) tallies(rows *sql.Rows, err error) ([]egress.Tally, error) {
	var list []egress.Tally
	err = scan(rows, err, func(row *sql.Rows) error {
		var t egress.Tally
		err := row.Scan(&t.Day, &t.Source, &t.Provider, &t.Sent, &t.Overflow)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read warm-up counts: %w", s.refusal(err))
	}
	return list, nil
}

// PutFindings implements egress.Store.
func (s *Store) PutFindings(ctx context.Context, list []egress.Finding) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		checked := time.Time{}
		for i := range list {
			f := &list[i]
			checked = f.CheckedAt
			if _, err := tx.ExecContext(ctx, `INSERT INTO egress_findings (source, kind, subject, problem, have, since, checked_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, kind, subject) DO UPDATE SET
					since = CASE WHEN egress_findings.problem = excluded.problem THEN egress_findings.since ELSE excluded.since END,
					problem = excluded.problem, have = excluded.have, checked_at = excluded.checked_at`,
				plain(f.Source), string(f.Check), plain(f.Subject), string(f.Problem), plain(f.Have), millis(f.Since), millis(f.CheckedAt)); err != nil {
				return err
			}
		}
		// What was not looked at this time is a source or list that is gone.
		_, err := tx.ExecContext(ctx, "DELETE FROM egress_findings WHERE checked_at < $1", millis(checked))
		return err
	})
	if err != nil {
		return fmt.Errorf("put findings: %w", err)
	}
	return nil
}

// Findings implements egress.Store.
func (s *Store) Findings(ctx context.Context) ([]egress.Finding, error) {
	var list []egress.Finding
	rows, err := s.read.QueryContext(ctx, `SELECT source, kind, subject, problem, have, since, checked_at FROM egress_findings
		ORDER BY source, kind, subject`)
	err = scan(rows, err, func(row *sql.Rows) error {
		var f egress.Finding
		err := row.Scan(&f.Source, &f.Check, &f.Subject, &f.Problem, &f.Have, instant{&f.Since}, instant{&f.CheckedAt})
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", s.refusal(err))
	}
	return list, nil
}

// LiveNodes implements egress.Store.
func (s *Store) LiveNodes(ctx context.Context) (int, error) {
	var n int
	if err := s.read.QueryRowContext(ctx, "SELECT count(DISTINCT node) FROM epochs WHERE alive = 1").Scan(&n); err != nil {
		return 0, fmt.Errorf("count nodes: %w", s.refusal(err))
	}
	return n, nil
}

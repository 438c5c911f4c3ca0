package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

const runColumns = "r.contact, r.entry, r.version, r.step, r.step_at, r.due_at, r.reason, r.turn, r.data, r.entered_at, r.ended_at"

func readRun(row scanner) (r series.Run, err error) {
	var data sql.NullString
	err = row.Scan(&r.Contact, &r.Entry, &r.Version, &r.Step, instant{&r.At}, instant{&r.DueAt}, &r.Reason, &r.Turn, &data, instant{&r.EnteredAt}, instant{&r.EndedAt})
	if data.Valid {
		r.Data = json.RawMessage(data.String)
	}
	return r, err
}

func eventOf(r series.Run) any {
	if len(r.Data) == 0 {
		return nil
	}
	return plain(string(r.Data))
}

// enterText begins a run unless the contact is under way or began after $12.
const enterText = `INSERT INTO series_runs (tenant, series, contact, entry, version, step, step_at, due_at, reason, turn, data, entered_at, ended_at)
	SELECT $1, $2, $3, COALESCE(max(r.entry), 0) + 1, $4, $5, $6, $7, $8, 0, $9, $10, $11 FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.contact = $3
	HAVING COALESCE(sum(CASE WHEN r.due_at IS NOT NULL OR r.entered_at > $12 THEN 1 ELSE 0 END), 0) = 0 ON CONFLICT DO NOTHING RETURNING entry`

// EnterSeries implements series.Store.
func (s *Store) EnterSeries(ctx context.Context, v series.Series, list []series.Run, seen []series.SignalID) (entered int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		entered = 0
		res, err := tx.ExecContext(ctx, "UPDATE series SET scan_at = $3, scan_after = $4 WHERE tenant = $1 AND id = $2 AND state = 'active'",
			v.Tenant[:], v.ID[:], optional(v.ScanAt), orNone(v.ScanAfter))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		notes, err := s.runNotes(ctx, tx, v.Tenant, v.ID)
		if err != nil {
			return err
		}
		for _, r := range list {
			since := int64(0) // whoever began ever
			if v.Again > 0 {
				since = millis(r.EnteredAt.AddDate(0, 0, -v.Again))
			}
			var entry int64
			err := tx.QueryRowContext(ctx, enterText, v.Tenant[:], v.ID[:], r.Contact[:], r.Version, r.Step, millis(r.At), optional(r.DueAt), r.Reason,
				eventOf(r), millis(r.EnteredAt), optional(r.EndedAt), since).Scan(&entry)
			if errors.Is(err, sql.ErrNoRows) {
				continue // under way already
			}
			if err != nil {
				return err
			}
			entered++
			notes.add(webhook.RunStarted, r.EnteredAt, r.Contact, entry, "", "")
			if r.Entry = entry; r.DueAt.IsZero() {
				notes.moved(series.Move{Run: r})
			}
		}
		if err := s.noteRuns(ctx, tx, v.Tenant, notes); err != nil {
			return err
		}
		for _, g := range seen {
			if _, err := tx.ExecContext(ctx, "DELETE FROM series_signals WHERE tenant = $1 AND series = $2 AND id = $3", v.Tenant[:], v.ID[:], g[:]); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE series SET entered = entered + $3 WHERE tenant = $1 AND id = $2", v.Tenant[:], v.ID[:], entered)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("begin runs: %w", err)
	}
	return entered, nil
}

const dueRuns = "SELECT " + runColumns + ` FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NOT NULL AND r.due_at <= $3
	ORDER BY r.due_at LIMIT $4`

// DueRuns implements series.Store.
func (s *Store) DueRuns(ctx context.Context, t tenant.ID, v series.ID, now time.Time, limit int) (list []series.Run, err error) {
	rows, err := s.read.QueryContext(ctx, dueRuns, t[:], v[:], millis(now), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readRun(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list due runs: %w", s.refusal(err))
	}
	return list, nil
}

// NameMails implements series.Store.
func (s *Store) NameMails(ctx context.Context, t tenant.ID, v series.ID, list []series.Move) (deeds []series.Deed, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		deeds = make([]series.Deed, len(list))
		for i, m := range list {
			d := m.Deed
			_, err := tx.ExecContext(ctx, `INSERT INTO series_deeds (tenant, series, contact, entry, step, outcome, reason, form, delivery, at, seq)
				SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.contact = $3 AND r.entry = $4
				AND r.turn = $11 AND r.due_at IS NOT NULL ON CONFLICT DO NOTHING`,
				t[:], v[:], d.Contact[:], d.Entry, d.Step, string(d.Outcome), d.Reason, orNone(d.Form), orNone(d.Delivery), millis(d.At), m.Run.Turn)
			if err != nil {
				return err
			}
			found, err := readDeed(tx.QueryRowContext(ctx, "SELECT "+deedColumns+`, CASE WHEN y.id IS NULL THEN 0 ELSE 1 END FROM series_deeds d
				JOIN series_runs r ON r.tenant = d.tenant AND r.series = d.series AND r.contact = d.contact AND r.entry = d.entry
				LEFT JOIN deliveries y ON y.tenant = d.tenant AND y.id = d.delivery
				WHERE d.tenant = $1 AND d.series = $2 AND d.contact = $3 AND d.entry = $4 AND d.step = $5 AND r.turn = $6 AND r.due_at IS NOT NULL`,
				t[:], v[:], d.Contact[:], d.Entry, d.Step, m.Run.Turn))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			deeds[i] = found
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("name mails: %w", err)
	}
	s.pass(afterRecipientsBeforeMail)
	return deeds, nil
}

const deedColumns = "d.contact, d.entry, d.step, d.outcome, d.reason, d.form, d.delivery, d.at"

// readDeed reads deedColumns and whether the mail is known.
func readDeed(row scanner) (d series.Deed, err error) {
	var form, delivery []byte
	err = row.Scan(&d.Contact, &d.Entry, &d.Step, &d.Outcome, &d.Reason, &form, &delivery, instant{&d.At}, truth{&d.Known})
	copy(d.Form[:], form)
	copy(d.Delivery[:], delivery)
	return d, err
}

// MoveRuns implements series.Store.
func (s *Store) MoveRuns(ctx context.Context, t tenant.ID, v series.ID, list []series.Move) error {
	s.pass(afterMailBeforeAnswers)
	err := s.transact(ctx, func(tx *sql.Tx) error {
		notes, err := s.runNotes(ctx, tx, t, v)
		if err != nil {
			return err
		}
		for _, m := range list {
			r, d := m.Run, m.Deed
			res, err := tx.ExecContext(ctx, `UPDATE series_runs SET version = $6, step = $7, step_at = $8, due_at = $9, reason = $10, data = $11, ended_at = $12, turn = turn + 1
				WHERE tenant = $1 AND series = $2 AND contact = $3 AND entry = $4 AND turn = $5 AND due_at IS NOT NULL`,
				t[:], v[:], r.Contact[:], r.Entry, r.Turn, r.Version, r.Step, millis(r.At), optional(r.DueAt), r.Reason, eventOf(r), optional(r.EndedAt))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if n > 0 {
				notes.moved(m)
			}
			if n == 0 || d.Step == "" {
				continue // somebody else has moved it, or there is nothing to tell
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO series_deeds (tenant, series, contact, entry, step, outcome, reason, form, delivery, at, seq)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (tenant, series, contact, entry, step)
				DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, form = excluded.form, at = excluded.at`,
				t[:], v[:], d.Contact[:], d.Entry, d.Step, string(d.Outcome), d.Reason, orNone(d.Form), orNone(d.Delivery), millis(d.At), r.Turn)
			if err != nil {
				return err
			}
		}
		return s.noteRuns(ctx, tx, t, notes)
	})
	if err != nil {
		return fmt.Errorf("move runs: %w", err)
	}
	return nil
}

// StopRuns implements series.Store.
func (s *Store) StopRuns(ctx context.Context, v series.Series, now time.Time, limit int) (n int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		notes, err := s.runNotes(ctx, tx, v.Tenant, v.ID)
		if err != nil {
			return err
		}
		n = 0
		rows, err := tx.QueryContext(ctx, `UPDATE series_runs SET due_at = NULL, reason = $3, data = NULL, ended_at = $4, turn = turn + 1
			WHERE tenant = $1 AND series = $2 AND due_at IS NOT NULL AND contact IN
			(SELECT x.contact FROM series_runs x WHERE x.tenant = $1 AND x.series = $2 AND x.due_at IS NOT NULL ORDER BY x.due_at LIMIT $5) RETURNING contact, entry`,
			v.Tenant[:], v.ID[:], series.ReasonEnded, millis(now), limit)
		err = notes.ended(rows, err, series.ReasonEnded, now, &n)
		if err == nil {
			err = s.noteRuns(ctx, tx, v.Tenant, notes)
		}
		if err != nil || n >= limit {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM series_signals WHERE tenant = $1 AND series = $2", v.Tenant[:], v.ID[:]); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE series SET next_at = NULL WHERE tenant = $1 AND id = $2 AND state = 'ended'", v.Tenant[:], v.ID[:])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("stop runs: %w", err)
	}
	return n, nil
}

// StopRun implements series.Store.
func (s *Store) StopRun(ctx context.Context, t tenant.ID, v series.ID, c audience.ContactID, reason string, now time.Time) (bool, error) {
	n := 0
	err := s.transact(ctx, func(tx *sql.Tx) error {
		notes, err := s.runNotes(ctx, tx, t, v)
		if err != nil {
			return err
		}
		n = 0
		rows, err := tx.QueryContext(ctx, `UPDATE series_runs SET due_at = NULL, reason = $4, data = NULL, ended_at = $5, turn = turn + 1
			WHERE tenant = $1 AND series = $2 AND contact = $3 AND due_at IS NOT NULL RETURNING contact, entry`, t[:], v[:], c[:], reason, millis(now))
		if err := notes.ended(rows, err, reason, now, &n); err != nil {
			return err
		}
		return s.noteRuns(ctx, tx, t, notes)
	})
	if err != nil {
		return false, fmt.Errorf("stop run: %w", err)
	}
	return n > 0, nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

const checkColumns = "tenant, id, name, heading, stream, actor, state, total, done, counts, created_at, ended_at, expires_at"

func readCheck(row scanner) (c listcheck.Check, err error) {
	err = row.Scan(&c.Tenant, &c.ID, &c.Name, &c.Column, &c.Stream, &c.Actor, &c.State, &c.Rows, &c.Done, document{&c.Counts},
		instant{&c.CreatedAt}, instant{&c.EndedAt}, instant{&c.ExpiresAt})
	return c, err
}

// BeginCheck implements listcheck.Store. Two that begin at the same moment may pass the
// limits together by one.
func (s *Store) BeginCheck(ctx context.Context, c listcheck.Check) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var open int
		var rows int64
		err := tx.QueryRowContext(ctx, `SELECT COALESCE(sum(CASE WHEN state IN ('receiving', 'running') THEN 1 ELSE 0 END), 0),
			CAST(COALESCE(sum(total), 0) AS BIGINT) FROM list_checks WHERE tenant = $1 AND expires_at > $2`, c.Tenant[:], millis(c.CreatedAt)).Scan(&open, &rows)
		switch {
		case err != nil:
			return err
		case open >= listcheck.MaxOpen:
			return fault.New(fault.Limited, "checks_too_many", "So many lists are being checked already; wait for one or cancel one.")
		case rows >= listcheck.MaxKept:
			return fault.New(fault.Limited, "check_rows_too_many", "The lists that are kept are too long together; delete one.")
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO list_checks ("+checkColumns+") VALUES ($1, $2, $3, '', $4, $5, $6, 0, 0, '{}', $7, NULL, $8)",
			c.Tenant[:], c.ID[:], plain(c.Name), string(c.Stream), plain(c.Actor), string(c.State), millis(c.CreatedAt), millis(c.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("begin check of a list: %w", err)
	}
	return nil
}

// rowsAtOnce is how many rows of a list one statement writes.
const rowsAtOnce = 100

const checkRowColumns = "tenant, list, number, line, address, print, result, codes, reason, suggestion"

// writeCheckRows inserts rows of a list, or writes over them.
func (s *Store) writeCheckRows(ctx context.Context, tx *sql.Tx, t tenant.ID, c listcheck.ID, rows []listcheck.Row) error {
	const width = 10
	for len(rows) > 0 {
		n := min(len(rows), rowsAtOnce)
		args := make([]any, 0, n*width)
		for _, r := range rows[:n] {
			args = append(args, t[:], c[:], r.Number, r.Line, plain(r.Text), r.Print, string(r.Result), strings.Join(r.Codes, " "), r.Reason, plain(r.Suggestion))
		}
		rows = rows[n:]
		//nolint:gosec // G202: constants and placeholders only
		text := "INSERT INTO list_check_rows (" + checkRowColumns + ") VALUES " + tuples(s.dialect, n, width) + ` ON CONFLICT (tenant, list, number)
			DO UPDATE SET result = excluded.result, codes = excluded.codes, reason = excluded.reason, suggestion = excluded.suggestion`
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

// tuples are the placeholders of so many rows.
func tuples(d dialect, rows, width int) string {
	var text strings.Builder
	for r := range rows {
		if r > 0 {
			text.WriteByte(',')
		}
		text.WriteByte('(')
		writePlaceholders(d, &text, r*width+1, width)
		text.WriteByte(')')
	}
	return text.String()
}

// AddCheckRows implements listcheck.Store.
func (s *Store) AddCheckRows(ctx context.Context, t tenant.ID, c listcheck.ID, rows []listcheck.Row) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM list_checks WHERE tenant = $1 AND id = $2 AND state = 'receiving'", t[:], c[:]).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return missing(sql.ErrNoRows, "check_not_found")
		}
		return s.writeCheckRows(ctx, tx, t, c, rows)
	})
	if err != nil {
		return fmt.Errorf("add rows of a list: %w", err)
	}
	return nil
}

// ReadyCheck implements listcheck.Store.
func (s *Store) ReadyCheck(ctx context.Context, t tenant.ID, c listcheck.ID, rows int, column string) error {
	res, err := s.write.ExecContext(ctx, "UPDATE list_checks SET state = 'running', total = $3, heading = $4 WHERE tenant = $1 AND id = $2 AND state = 'receiving'",
		t[:], c[:], rows, plain(column))
	if err := touched(res, err, "check_not_found"); err != nil {
		return fmt.Errorf("let check of a list run: %w", s.refusal(err))
	}
	return nil
}

// OpenChecks implements listcheck.Store.
func (s *Store) OpenChecks(ctx context.Context) ([]listcheck.Check, error) {
	// Identifiers begin with the time: the first of a tenant is its oldest.
	list, err := s.checks(ctx, "SELECT "+checkColumns+" FROM list_checks WHERE state IN ('receiving', 'running') AND state = 'running' ORDER BY tenant, id")
	if err != nil {
		return nil, fmt.Errorf("list open checks: %w", s.refusal(err))
	}
	var first []listcheck.Check
	for _, c := range list {
		if len(first) == 0 || first[len(first)-1].Tenant != c.Tenant {
			first = append(first, c)
		}
	}
	return first, nil
}

func (s *Store) checks(ctx context.Context, text string, args ...any) (list []listcheck.Check, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readCheck(row)
		list = append(list, c)
		return err
	})
	return list, err
}

// NextRows implements listcheck.Store.
func (s *Store) NextRows(ctx context.Context, t tenant.ID, c listcheck.ID, after, limit int) (list []listcheck.Row, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT r.number, r.line, r.address, r.print, (SELECT min(f.number) FROM list_check_rows f
		WHERE f.tenant = $1 AND f.list = $2 AND f.print = r.print) FROM list_check_rows r
		WHERE r.tenant = $1 AND r.list = $2 AND r.number > $3 ORDER BY r.number LIMIT $4`, t[:], c[:], after, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var r listcheck.Row
		err := row.Scan(&r.Number, &r.Line, &r.Text, &r.Print, &r.First)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows to check: %w", s.refusal(err))
	}
	return list, nil
}

// SettleRows implements listcheck.Store. Where the check is then stands guard: whoever
// comes second finds it elsewhere.
func (s *Store) SettleRows(ctx context.Context, c listcheck.Check, before int, rows []listcheck.Row) (done bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE list_checks SET done = $4, counts = $5, state = $6, ended_at = $7
			WHERE tenant = $1 AND id = $2 AND done = $3 AND state = 'running'`,
			c.Tenant[:], c.ID[:], before, c.Done, asJSON(c.Counts), string(c.State), optional(c.EndedAt))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if done = n > 0; err != nil || !done {
			return err
		}
		return s.writeCheckRows(ctx, tx, c.Tenant, c.ID, rows)
	})
	if err != nil {
		return false, fmt.Errorf("settle rows of a list: %w", err)
	}
	return done, nil
}

// CancelCheck implements listcheck.Store.
func (s *Store) CancelCheck(ctx context.Context, t tenant.ID, c listcheck.ID, now time.Time) (v listcheck.Check, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE list_checks SET state = 'cancelled', ended_at = $3 WHERE tenant = $1 AND id = $2 AND state IN ('receiving', 'running')",
			t[:], c[:], millis(now))
		if err == nil {
			v, err = readCheck(tx.QueryRowContext(ctx, "SELECT "+checkColumns+" FROM list_checks WHERE tenant = $1 AND id = $2", t[:], c[:]))
		}
		return missing(err, "check_not_found")
	})
	if err != nil {
		return listcheck.Check{}, fmt.Errorf("cancel check of a list: %w", err)
	}
	return v, nil
}

// ForgetCheck implements listcheck.Store.
func (s *Store) ForgetCheck(ctx context.Context, t tenant.ID, c listcheck.ID, now time.Time) error {
	err := s.change1(ctx, "check_not_found", `UPDATE list_checks SET expires_at = $3, state = CASE WHEN state = 'done' THEN state ELSE 'cancelled' END
		WHERE tenant = $1 AND id = $2`, t[:], c[:], millis(now))
	if err != nil {
		return fmt.Errorf("forget check of a list: %w", err)
	}
	return nil
}

// Check implements listcheck.Store.
func (s *Store) Check(ctx context.Context, t tenant.ID, c listcheck.ID, now time.Time) (listcheck.Check, error) {
	v, err := readCheck(s.read.QueryRowContext(ctx, "SELECT "+checkColumns+" FROM list_checks WHERE tenant = $1 AND id = $2 AND expires_at > $3", t[:], c[:], millis(now)))
	if err != nil {
		return listcheck.Check{}, fmt.Errorf("read check of a list: %w", s.refusal(missing(err, "check_not_found")))
	}
	return v, nil
}

// checksShown bounds the lists of a tenant that are shown.
const checksShown = 100

// Checks implements listcheck.Store.
func (s *Store) Checks(ctx context.Context, t tenant.ID, now time.Time) ([]listcheck.Check, error) {
	list, err := s.checks(ctx, "SELECT "+checkColumns+" FROM list_checks WHERE tenant = $1 AND expires_at > $2 ORDER BY id DESC LIMIT $3", t[:], millis(now), checksShown)
	if err != nil {
		return nil, fmt.Errorf("list checks of lists: %w", s.refusal(err))
	}
	return list, nil
}

// CheckRows implements listcheck.Store.
func (s *Store) CheckRows(ctx context.Context, t tenant.ID, c listcheck.ID, f listcheck.Filter) (list []listcheck.Row, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	args := []any{t[:], c[:], f.After, f.Limit}
	results := "<> ''"
	if len(f.Results) > 0 {
		var in []string
		for _, r := range f.Results {
			args = append(args, string(r))
			in = append(in, fmt.Sprintf("$%d", len(args))) // numbered, for a parameter follows
		}
		results = "IN (" + strings.Join(in, ", ") + ")"
	}
	rows, err := s.read.QueryContext(ctx, `SELECT number, line, address, print, result, codes, reason, suggestion FROM list_check_rows
		WHERE tenant = $1 AND list = $2 AND number > $3 AND result `+results+" ORDER BY number LIMIT $4", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var r listcheck.Row
		var codes string
		err := row.Scan(&r.Number, &r.Line, &r.Text, &r.Print, &r.Result, &codes, &r.Reason, &r.Suggestion)
		r.Codes = strings.Fields(codes)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows of a list: %w", s.refusal(err))
	}
	return list, nil
}

// dropCheckRows is how many rows of a list go in one transaction, so that mail need not wait.
const dropCheckRows = 5000

// DropChecks implements listcheck.Store.
func (s *Store) DropChecks(ctx context.Context, now, stale time.Time) (int, error) {
	old, err := s.checks(ctx, "SELECT "+checkColumns+` FROM list_checks WHERE expires_at <= $1 OR state IN ('receiving', 'running') AND state = 'receiving' AND created_at < $2
		ORDER BY expires_at`, millis(now), millis(stale))
	for i := 0; err == nil && i < len(old); i++ {
		err = s.dropCheck(ctx, old[i])
	}
	if err != nil {
		return 0, fmt.Errorf("drop checks of lists: %w", s.refusal(err))
	}
	return len(old), nil
}

func (s *Store) dropCheck(ctx context.Context, c listcheck.Check) error {
	// From now on nobody writes a row.
	if err := s.ForgetCheck(ctx, c.Tenant, c.ID, c.CreatedAt); err != nil {
		return err
	}
	for {
		var last int
		err := s.read.QueryRowContext(ctx, `SELECT number FROM list_check_rows WHERE tenant = $1 AND list = $2 ORDER BY number LIMIT 1`, c.Tenant[:], c.ID[:]).Scan(&last)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err == nil {
			_, err = s.write.ExecContext(ctx, "DELETE FROM list_check_rows WHERE tenant = $1 AND list = $2 AND number < $3", c.Tenant[:], c.ID[:], last+dropCheckRows)
		}
		if err != nil {
			return err
		}
	}
	_, err := s.write.ExecContext(ctx, "DELETE FROM list_checks WHERE tenant = $1 AND id = $2", c.Tenant[:], c.ID[:])
	return err
}

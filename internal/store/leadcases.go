package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/lead/leadcase"
	"stafette/internal/tenant"
)

const leadCaseColumns = "tenant, id, number, kind, state, outcome, advertiser, object, lead, test, since, until, outside, evidence, opened_at, closed_at"

func readLeadCase(row scanner) (c leadcase.Case, err error) {
	var lead, test []byte
	var outside int
	var evidence string
	if err := row.Scan(&c.Tenant, &c.ID, &c.Number, &c.Kind, &c.State, &c.Outcome, &c.Advertiser, &c.Object, &lead, &test,
		instant{&c.From}, instant{&c.To}, &outside, &evidence, instant{&c.OpenedAt}, instant{&c.ClosedAt}); err != nil {
		return c, err
	}
	copy(c.Lead[:], lead)
	copy(c.Test[:], test)
	c.ByAdvertiser = outside != 0
	return c, json.Unmarshal([]byte(evidence), &c.Evidence)
}

// noneOr is an identifier as the database keeps it, null for the zero one.
func noneOr(id [16]byte) []byte {
	if id == ([16]byte{}) {
		return nil
	}
	return id[:]
}

// OpenLeadCase implements leadcase.Store. The count of numbers is one row of the tenant,
// which also makes reports of the same tenant follow each other.
func (s *Store) OpenLeadCase(ctx context.Context, c leadcase.Case, first leadcase.Note, notes int) (opened leadcase.Case, made bool, err error) {
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return c, false, fmt.Errorf("open case of leads: %w", err)
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		opened, made = c, true
		if err := tx.QueryRowContext(ctx, `INSERT INTO lead_case_numbers (tenant, last) VALUES ($1, 1)
			ON CONFLICT (tenant) DO UPDATE SET last = lead_case_numbers.last + 1 RETURNING last`, c.Tenant[:]).Scan(&opened.Number); err != nil {
			return err
		}
		same, err := readLeadCase(tx.QueryRowContext(ctx, "SELECT "+leadCaseColumns+` FROM lead_cases
			WHERE tenant = $1 AND advertiser = $2 AND object = $3 AND state = 'open' AND COALESCE(lead, $5) = $4 ORDER BY id LIMIT 1`,
			c.Tenant[:], plain(c.Advertiser), plain(c.Object), c.Lead[:], make([]byte, len(c.Lead))))
		if err == nil {
			opened, made = same, false
			if _, err := tx.ExecContext(ctx, "UPDATE lead_case_numbers SET last = last - 1 WHERE tenant = $1", c.Tenant[:]); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM lead_case_notes WHERE tenant = $1 AND lead_case = $2", c.Tenant[:], same.ID[:]).Scan(&n); err != nil || n >= notes {
				return err
			}
			return addCaseNote(ctx, tx, same, first)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO lead_cases (`+leadCaseColumns+`, words) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL, 1)`,
			c.Tenant[:], c.ID[:], opened.Number, string(c.Kind), string(c.State), string(c.Outcome), plain(c.Advertiser), plain(c.Object), noneOr(c.Lead), noneOr(c.Test),
			instantOrNull(c.From), instantOrNull(c.To), flag(c.ByAdvertiser), plain(string(evidence)), millis(c.OpenedAt)); err != nil {
			return err
		}
		return addCaseNote(ctx, tx, c, first)
	})
	if err != nil {
		return c, false, fmt.Errorf("open case of leads: %w", err)
	}
	return opened, made, nil
}

// instantOrNull is an instant as the database keeps it, null for the zero one.
func instantOrNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: millis(t), Valid: !t.IsZero()}
}

func addCaseNote(ctx context.Context, tx *sql.Tx, c leadcase.Case, n leadcase.Note) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO lead_case_notes (tenant, lead_case, id, actor, text) VALUES ($1, $2, $3, $4, $5)",
		c.Tenant[:], c.ID[:], n.ID[:], n.Actor, n.Sealed)
	return err
}

// LeadCase implements leadcase.Store.
func (s *Store) LeadCase(ctx context.Context, t tenant.ID, id leadcase.ID) (c leadcase.Case, notes []leadcase.Note, err error) {
	c, err = readLeadCase(s.read.QueryRowContext(ctx, "SELECT "+leadCaseColumns+" FROM lead_cases WHERE tenant = $1 AND id = $2", t[:], id[:]))
	if err != nil {
		return leadcase.Case{}, nil, fmt.Errorf("read case of leads: %w", s.refusal(missing(err, leadcase.CodeUnknown)))
	}
	rows, err := s.read.QueryContext(ctx, "SELECT id, actor, text FROM lead_case_notes WHERE tenant = $1 AND lead_case = $2 ORDER BY id", t[:], id[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var n leadcase.Note
		err := row.Scan(&n.ID, &n.Actor, &n.Sealed)
		notes = append(notes, n)
		return err
	})
	if err != nil {
		return leadcase.Case{}, nil, fmt.Errorf("read notes of case: %w", s.refusal(err))
	}
	return c, notes, nil
}

// LeadCases implements leadcase.Store.
func (s *Store) LeadCases(ctx context.Context, t tenant.ID, f leadcase.Filter) (page leadcase.Page, err error) {
	where, args := []string{"tenant = $1"}, []any{t[:]}
	add := func(clause string, v any) {
		args = append(args, v)
		where = append(where, strings.ReplaceAll(clause, "$", fmt.Sprintf("$%d", len(args))))
	}
	if f.State != "" {
		add("state = $", string(f.State))
	}
	if f.Kind != "" {
		add("kind = $", string(f.Kind))
	}
	if f.Advertiser != "" {
		add("advertiser = $", plain(f.Advertiser))
	}
	order, behind := "DESC", "id < $"
	if f.Oldest {
		order, behind = "ASC", "id > $"
	}
	if !f.After.IsZero() {
		add(behind, f.After[:])
	}
	args = append(args, f.Limit+1)
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+leadCaseColumns+" FROM lead_cases WHERE "+strings.Join(where, " AND ")+
		fmt.Sprintf(" ORDER BY id %s LIMIT $%d", order, len(args)), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readLeadCase(row)
		page.Cases = append(page.Cases, c)
		return err
	})
	if err != nil {
		return leadcase.Page{}, fmt.Errorf("list cases of leads: %w", s.refusal(err))
	}
	if page.More = len(page.Cases) > f.Limit; page.More {
		page.Cases = page.Cases[:f.Limit]
	}
	return page, nil
}

// SettleLeadCase implements leadcase.Store.
func (s *Store) SettleLeadCase(ctx context.Context, c leadcase.Case, n *leadcase.Note) error {
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return fmt.Errorf("settle case of leads: %w", err)
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE lead_cases SET state = $3, outcome = $4, test = $5, evidence = $6, closed_at = $7, words = CASE WHEN $8 = 1 THEN 1 ELSE words END WHERE tenant = $1 AND id = $2",
			c.Tenant[:], c.ID[:], string(c.State), string(c.Outcome), noneOr(c.Test), plain(string(evidence)), instantOrNull(c.ClosedAt), flag(n != nil))
		if err := touched(res, err, leadcase.CodeUnknown); err != nil || n == nil {
			return err
		}
		return addCaseNote(ctx, tx, c, *n)
	})
	if err != nil {
		return fmt.Errorf("settle case of leads: %w", err)
	}
	return nil
}

// CountLeadCases implements leadcase.Store.
func (s *Store) CountLeadCases(ctx context.Context, t tenant.ID) (n int, since time.Time, err error) {
	var first sql.NullInt64
	if err := s.read.QueryRowContext(ctx, "SELECT count(*), min(opened_at) FROM (SELECT opened_at FROM lead_cases WHERE tenant = $1 AND state = 'open' ORDER BY id LIMIT $2) w",
		t[:], leadsCounted).Scan(&n, &first); err != nil {
		return 0, time.Time{}, fmt.Errorf("count cases of leads: %w", s.refusal(err))
	}
	if first.Valid {
		since = time.UnixMilli(first.Int64).UTC()
	}
	return n, since, nil
}

// DropLeadCaseNotes implements leadcase.Store. Each case is emptied by itself, so that a
// crash loses nothing of the work.
func (s *Store) DropLeadCaseNotes(ctx context.Context, before time.Time, limit int) (n int, err error) {
	type one struct {
		tenant tenant.ID
		id     leadcase.ID
	}
	var list []one
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, id FROM lead_cases WHERE state = 'closed' AND words = 1 AND closed_at < $1 LIMIT $2", millis(before), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var v one
		err := row.Scan(&v.tenant, &v.id)
		list = append(list, v)
		return err
	})
	for _, v := range list {
		if err != nil {
			break
		}
		err = s.transact(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE lead_case_notes SET text = NULL WHERE tenant = $1 AND lead_case = $2", v.tenant[:], v.id[:]); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "UPDATE lead_cases SET words = 0 WHERE tenant = $1 AND id = $2", v.tenant[:], v.id[:])
			return err
		})
		if err == nil {
			n++
		}
	}
	if err != nil {
		return n, fmt.Errorf("drop words of cases: %w", s.refusal(err))
	}
	return n, nil
}

var _ leadcase.Store = (*Store)(nil)

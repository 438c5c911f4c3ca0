package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ approval.Store = (*Store)(nil)

const approvalColumns = "tenant, grp, id, version, state, since, submitted_at, due, decided_at, claimed_by, examined, freed, sealed"

func readApproval(row scanner) (r approval.Row, err error) {
	err = row.Scan(&r.Tenant, &r.Group, &r.ID, &r.Version, &r.State, instant{&r.Since}, instant{&r.SubmittedAt}, instant{&r.Due}, instant{&r.DecidedAt},
		&r.ClaimedBy, truth{&r.Examined}, truth{&r.Freed}, &r.Sealed)
	return r, err
}

// approvals lists cases; what it is called for stands before its errors.
func (s *Store) approvals(ctx context.Context, doing, where string, args ...any) (list []approval.Row, err error) {
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE "+where, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readApproval(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, s.refusal(err))
	}
	return list, nil
}

// Approval implements approval.Store.
func (s *Store) Approval(ctx context.Context, t tenant.ID, g audience.GroupID) (approval.Row, bool, error) {
	r, err := readApproval(s.read.QueryRowContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE tenant = $1 AND grp = $2", t[:], g[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return approval.Row{}, false, nil
	}
	if err != nil {
		return approval.Row{}, false, fmt.Errorf("read approval: %w", s.refusal(err))
	}
	return r, true, nil
}

// Approvals implements approval.Store.
func (s *Store) Approvals(ctx context.Context, t tenant.ID) ([]approval.Row, error) {
	return s.approvals(ctx, "list approvals", "tenant = $1 ORDER BY grp", t[:])
}

// Review implements approval.Store.
func (s *Store) Review(ctx context.Context, c approval.ID) (approval.Row, error) {
	r, err := readApproval(s.read.QueryRowContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE id = $1", c[:]))
	if err != nil {
		return approval.Row{}, fmt.Errorf("read review: %w", s.refusal(missing(err, approval.CodeUnknown)))
	}
	return r, nil
}

// Reviews implements approval.Store.
func (s *Store) Reviews(ctx context.Context, states []approval.State, limit int) ([]approval.Row, error) {
	if len(states) == 0 {
		return nil, nil
	}
	args, places := []any{limit}, make([]string, len(states))
	for i, state := range states {
		args = append(args, string(state))
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	// A clock that rests stands behind those that run.
	return s.approvals(ctx, "list reviews", "state IN ("+strings.Join(places, ", ")+") ORDER BY CASE WHEN due = 0 THEN 1 ELSE 0 END, due, since, id LIMIT $1", args...)
}

// UnfreedApprovals implements approval.Store.
func (s *Store) UnfreedApprovals(ctx context.Context, limit int) ([]approval.Row, error) {
	return s.approvals(ctx, "list approvals to free", "freed = 0 AND state = 'approved' LIMIT $1", limit)
}

func errApprovalChanged() error {
	return fault.New(fault.Conflict, approval.CodeChanged, "Somebody else has changed this approval since.")
}

// SaveApproval implements approval.Store.
func (s *Store) SaveApproval(ctx context.Context, r approval.Row, lines []approval.Line, files []approval.Exhibit) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := putApproval(ctx, tx, r); err != nil {
			return err
		}
		for _, l := range lines {
			if _, err := tx.ExecContext(ctx, "INSERT INTO approval_log (tenant, approval, id, act, actor, sealed) VALUES ($1, $2, $3, $4, $5, $6)",
				r.Tenant[:], r.ID[:], l.ID[:], string(l.Act), plain(l.Actor), l.Sealed); err != nil {
				return err
			}
		}
		if err := s.noteApproval(ctx, tx, r, lines); err != nil {
			return err
		}
		for _, f := range files {
			if _, err := tx.ExecContext(ctx, "INSERT INTO approval_files (tenant, approval, id, meta, body) VALUES ($1, $2, $3, $4, $5)",
				r.Tenant[:], r.ID[:], f.ID[:], f.Meta, f.Body); err != nil {
				return err
			}
		}
		if len(files) == 0 {
			return nil
		}
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM approval_files WHERE tenant = $1 AND approval = $2", r.Tenant[:], r.ID[:]).Scan(&n); err != nil {
			return err
		}
		if n > approval.MaxFiles {
			return fault.Field("file", "approval_files", "A case has at most 20 files.")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save approval: %w", err)
	}
	return nil
}

func putApproval(ctx context.Context, tx *sql.Tx, r approval.Row) error {
	args := []any{r.Tenant[:], r.Group[:], r.ID[:], r.Version, string(r.State), millis(r.Since), millis(r.SubmittedAt), millis(r.Due), millis(r.DecidedAt),
		plain(r.ClaimedBy), flag(r.Examined), flag(r.Freed), r.Sealed}
	text := "INSERT INTO approvals (" + approvalColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"
	if r.Version > 1 {
		text = `UPDATE approvals SET version = $4, state = $5, since = $6, submitted_at = $7, due = $8, decided_at = $9, claimed_by = $10, examined = $11,
			freed = $12, sealed = $13 WHERE tenant = $1 AND grp = $2 AND id = $3 AND version = $4 - 1`
	}
	res, err := tx.ExecContext(ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return errApprovalChanged()
	}
	return err
}

// NoteApproval implements approval.Store.
func (s *Store) NoteApproval(ctx context.Context, r approval.Row) (bool, error) {
	res, err := s.write.ExecContext(ctx, "UPDATE approvals SET sealed = $4, examined = $5, freed = $6 WHERE tenant = $1 AND grp = $2 AND version = $3",
		r.Tenant[:], r.Group[:], r.Version, r.Sealed, flag(r.Examined), flag(r.Freed))
	if err != nil {
		return false, fmt.Errorf("note approval: %w", s.refusal(err))
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// RewriteApproval implements approval.Store.
func (s *Store) RewriteApproval(ctx context.Context, r approval.Row, lines []approval.Line) error {
	err := s.transactSecurely(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE approvals SET sealed = $4 WHERE tenant = $1 AND id = $2 AND version = $3", r.Tenant[:], r.ID[:], r.Version, r.Sealed)
		for i := 0; err == nil && i < len(lines); i++ {
			_, err = tx.ExecContext(ctx, "UPDATE approval_log SET sealed = $4 WHERE tenant = $1 AND approval = $2 AND id = $3", r.Tenant[:], r.ID[:], lines[i].ID[:], lines[i].Sealed)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("rewrite approval: %w", err)
	}
	return nil
}

// ApprovalLog implements approval.Store.
func (s *Store) ApprovalLog(ctx context.Context, t tenant.ID, c approval.ID) (list []approval.Line, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, act, actor, sealed FROM approval_log WHERE tenant = $1 AND approval = $2 ORDER BY id", t[:], c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var l approval.Line
		err := row.Scan(&l.ID, &l.Act, &l.Actor, &l.Sealed)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read log of approval: %w", s.refusal(err))
	}
	return list, nil
}

// Exhibits implements approval.Store.
func (s *Store) Exhibits(ctx context.Context, t tenant.ID, c approval.ID) (list []approval.Exhibit, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, meta FROM approval_files WHERE tenant = $1 AND approval = $2 ORDER BY id", t[:], c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var x approval.Exhibit
		err := row.Scan(&x.ID, &x.Meta)
		list = append(list, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list evidence: %w", s.refusal(err))
	}
	return list, nil
}

// Exhibit implements approval.Store.
func (s *Store) Exhibit(ctx context.Context, t tenant.ID, c approval.ID, f approval.FileID) (approval.Exhibit, error) {
	x := approval.Exhibit{ID: f}
	err := s.read.QueryRowContext(ctx, "SELECT meta, body FROM approval_files WHERE tenant = $1 AND approval = $2 AND id = $3", t[:], c[:], f[:]).Scan(&x.Meta, &x.Body)
	if err != nil {
		return approval.Exhibit{}, fmt.Errorf("read evidence: %w", s.refusal(missing(err, approval.CodeUnknown)))
	}
	return x, nil
}

// Decisions implements approval.Store.
func (s *Store) Decisions(ctx context.Context, t tenant.ID) (map[approval.Act]int, error) {
	count := map[approval.Act]int{}
	rows, err := s.read.QueryContext(ctx, "SELECT act, count(*) FROM approval_log WHERE tenant = $1 GROUP BY act", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var act approval.Act
		var n int
		err := row.Scan(&act, &n)
		count[act] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count decisions: %w", s.refusal(err))
	}
	return count, nil
}

// Voided implements approval.Store.
func (s *Store) Voided(ctx context.Context, t tenant.ID) (at time.Time, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT max(since) FROM approvals WHERE tenant = $1 AND state <> 'approved' AND decided_at > 0", t[:]).Scan(instant{&at})
	if err != nil {
		return time.Time{}, fmt.Errorf("read when approvals were taken back: %w", s.refusal(err))
	}
	return at, nil
}

// FreeUnapproved implements approval.Store.
func (s *Store) FreeUnapproved(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error) {
	return s.freeHeld(ctx, t, approval.ReasonHeld, limit, now)
}

// heldAgain gives mail the time again for which it was held: it is not given up because
// somebody was waited for.
const heldAgain = ", expires_at = expires_at + CASE WHEN updated_at < CAST($1 AS BIGINT) THEN CAST($1 AS BIGINT) - updated_at ELSE 0 END"

// freeHeld lets deliveries go on that are held with a reason.
func (s *Store) freeHeld(ctx context.Context, t tenant.ID, reason string, limit int, now time.Time) (int, error) {
	act, err := actionOf(queue.Resume)
	if err != nil {
		return 0, err
	}
	act.set += heldAgain
	freed, err := s.act(ctx, act, "system", "", now, func(tx *sql.Tx) (list []queue.Listed, err error) {
		//nolint:gosec // G202: constants and placeholders only
		rows, err := tx.QueryContext(ctx, `SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.state = 'held' AND d.state IN ('deferred', 'held')
			AND d.reason = $2 ORDER BY d.id LIMIT $3`+s.dialect.lockRows(false), t[:], reason, limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			v := queue.Listed{Tenant: t}
			err := row.Scan(&v.Delivery)
			list = append(list, v)
			return err
		})
		return list, err
	})
	if err != nil {
		return 0, fmt.Errorf("free held deliveries: %w", err)
	}
	return len(freed), nil
}

// DropApprovals implements approval.Store. Each case is dropped by itself, so that a crash
// loses nothing of the work.
func (s *Store) DropApprovals(ctx context.Context, before time.Time, limit int) (n int, err error) {
	owners, err := s.approvalOwners(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range owners {
		list, err := s.approvals(ctx, "list approvals of groups that are gone", `tenant = $1 AND NOT EXISTS (SELECT 1 FROM contact_groups g WHERE g.tenant = $1 AND g.id = approvals.grp AND g.gone = 0)
			AND (since < $2 OR EXISTS (SELECT 1 FROM approval_files f WHERE f.tenant = $1 AND f.approval = approvals.id)) LIMIT $3`, t[:], millis(before), limit-n)
		if err != nil {
			return n, err
		}
		dropped, err := s.dropApprovals(ctx, list, before)
		if n += dropped; err != nil || n >= limit {
			return n, err
		}
	}
	return n, nil
}

// approvalOwners are the tenants with cases.
func (s *Store) approvalOwners(ctx context.Context) (list []tenant.ID, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT t.id FROM tenants t WHERE EXISTS (SELECT 1 FROM approvals d WHERE d.tenant = t.id) ORDER BY t.id")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		err := row.Scan(&t)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants with approvals: %w", s.refusal(err))
	}
	return list, nil
}

// dropApprovals drops what is left of cases, and those that are past their time altogether,
// which it counts.
func (s *Store) dropApprovals(ctx context.Context, list []approval.Row, before time.Time) (n int, err error) {
	for _, r := range list {
		texts := []string{"DELETE FROM approval_files WHERE tenant = $1 AND approval = $2"}
		if r.Since.Before(before) {
			texts = append(texts, "DELETE FROM approval_log WHERE tenant = $1 AND approval = $2", "DELETE FROM approvals WHERE tenant = $1 AND id = $2")
		}
		err := s.transact(ctx, func(tx *sql.Tx) error {
			for _, text := range texts {
				if _, err := tx.ExecContext(ctx, text, r.Tenant[:], r.ID[:]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("drop approval: %w", err)
		}
		if len(texts) > 1 {
			n++
		}
	}
	return n, nil
}

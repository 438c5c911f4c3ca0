package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audit"
	"stafette/internal/tenant"
)

var _ audit.Store = (*Store)(nil)

// recordAct writes the act that ctx owes, as the last thing of a transaction: the chain
// of a tenant is locked for as short as can be, and always after everything else. undo
// must be called if the transaction fails after all.
func (s *Store) recordAct(ctx context.Context, tx *sql.Tx) (undo func(), err error) {
	a, undo, owed := audit.Claim(ctx)
	if !owed {
		return func() {}, nil
	}
	return undo, s.appendAudit(ctx, tx, a)
}

func (s *Store) appendAudit(ctx context.Context, tx *sql.Tx, a audit.Act) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO audit_heads (tenant, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING", a.Tenant[:], make([]byte, 32))
	if err != nil {
		return fmt.Errorf("record act: %w", err)
	}
	var h audit.Head
	err = tx.QueryRowContext(ctx, "SELECT seq, hash FROM audit_heads WHERE tenant = $1"+s.dialect.lockRow(), a.Tenant[:]).Scan(&h.Seq, bytes32{&h.Hash})
	if err != nil {
		return fmt.Errorf("record act: %w", err)
	}
	a.Actor, a.Action, a.Target, a.Detail = plain(a.Actor), plain(a.Action), plain(a.Target), plain(a.Detail)
	e := audit.Next(a, h.Seq, h.Hash, s.Now())
	_, err = tx.ExecContext(ctx, "INSERT INTO audit ("+auditColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		e.Tenant[:], e.Seq, millis(e.At), e.Actor, e.Door, e.Action, e.Target, e.Detail, e.Network, e.Prev[:], e.Hash[:])
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE audit_heads SET seq = $2, hash = $3 WHERE tenant = $1", e.Tenant[:], e.Seq, e.Hash[:])
	}
	if err != nil {
		return fmt.Errorf("record act: %w", err)
	}
	return nil
}

const auditColumns = "tenant, seq, at, actor, door, action, target, detail, network, prev, hash"

func readAuditEntry(row scanner) (audit.Entry, error) {
	var e audit.Entry
	err := row.Scan(&e.Tenant, &e.Seq, instant{&e.At}, &e.Actor, &e.Door, &e.Action, &e.Target, &e.Detail, &e.Network, bytes32{&e.Prev}, bytes32{&e.Hash})
	return e, err
}

// Audit implements audit.Store.
func (s *Store) Audit(ctx context.Context, t tenant.ID, f audit.Filter) ([]audit.Entry, error) {
	where, args := []string{"tenant = $1"}, []any{t[:]}
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Before > 0 {
		add("seq < $%d", f.Before)
	}
	if f.After > 0 {
		add("seq > $%d", f.After)
	}
	if f.Action != "" {
		add("action = $%d", plain(f.Action))
	}
	if f.Actor != "" {
		add("actor = $%d", plain(f.Actor))
	}
	if !f.From.IsZero() {
		add("at >= $%d", millis(f.From))
	}
	if !f.To.IsZero() {
		add("at < $%d", millis(f.To))
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	order := "DESC"
	if f.OldestFirst {
		order = "ASC"
	}
	text := "SELECT " + auditColumns + " FROM audit WHERE " + strings.Join(where, " AND ") + fmt.Sprintf(" ORDER BY seq %s LIMIT %d", order, f.Limit)
	return s.entries(ctx, text, args...)
}

// AuditChain implements audit.Store.
func (s *Store) AuditChain(ctx context.Context, t tenant.ID, after int64, limit int) ([]audit.Entry, error) {
	return s.entries(ctx, "SELECT "+auditColumns+" FROM audit WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3", t[:], after, limit)
}

func (s *Store) entries(ctx context.Context, text string, args ...any) ([]audit.Entry, error) {
	var list []audit.Entry
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readAuditEntry(row)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", s.refusal(err))
	}
	return list, nil
}

// AuditHead implements audit.Store.
func (s *Store) AuditHead(ctx context.Context, t tenant.ID) (audit.Head, error) {
	var h audit.Head
	rows, err := s.read.QueryContext(ctx, "SELECT seq, hash FROM audit_heads WHERE tenant = $1", t[:])
	err = scan(rows, err, func(row *sql.Rows) error { return row.Scan(&h.Seq, bytes32{&h.Hash}) })
	if err != nil {
		return audit.Head{}, fmt.Errorf("read end of audit chain: %w", s.refusal(err))
	}
	return h, nil
}

// PutAudit implements audit.Store.
func (s *Store) PutAudit(ctx context.Context, a audit.Act) error {
	err := s.transact(audit.With(ctx, a), func(*sql.Tx) error { return nil })
	if err != nil {
		return fmt.Errorf("put audit entry: %w", err)
	}
	return nil
}

// Tries implements tenant.TryStore.
func (s *Store) Tries(ctx context.Context, names [][32]byte, now time.Time) ([]tenant.Try, error) {
	var list []tenant.Try
	for _, n := range names {
		rows, err := s.read.QueryContext(ctx, "SELECT clear_at FROM tries WHERE name = $1 AND clear_at > $2", n[:], millis(now))
		err = scan(rows, err, func(row *sql.Rows) error {
			t := tenant.Try{Name: n}
			err := row.Scan(instant{&t.Clear})
			list = append(list, t)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read tries: %w", s.refusal(err))
		}
	}
	return list, nil
}

// KeepTries implements tenant.TryStore.
func (s *Store) KeepTries(ctx context.Context, list []tenant.Try) error {
	err := s.transact(audit.Without(ctx), func(tx *sql.Tx) error {
		for _, t := range list {
			_, err := tx.ExecContext(ctx, `INSERT INTO tries (name, clear_at) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET clear_at = excluded.clear_at WHERE tries.clear_at < excluded.clear_at`, t.Name[:], millis(t.Clear))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep tries: %w", err)
	}
	return nil
}

// ForgetTries implements tenant.TryStore.
func (s *Store) ForgetTries(ctx context.Context, names [][32]byte) error {
	for _, n := range names {
		if _, err := s.write.ExecContext(ctx, "DELETE FROM tries WHERE name = $1", n[:]); err != nil {
			return fmt.Errorf("forget tries: %w", s.refusal(err))
		}
	}
	return nil
}

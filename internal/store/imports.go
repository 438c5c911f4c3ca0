package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

var _ intake.Store = (*Store)(nil)

const importColumns = "tenant, id, grp, name, actor, state, plan, progress, parts, done, total, created_at, ended_at, expires_at"

func readImport(row scanner) (i intake.Import, err error) {
	err = row.Scan(&i.Tenant, &i.ID, &i.Group, &i.Name, &i.Actor, &i.State, document{&i.Plan}, document{&i.Progress}, &i.Parts, &i.Done, &i.Total,
		instant{&i.CreatedAt}, instant{&i.EndedAt}, instant{&i.ExpiresAt})
	return i, err
}

// BeginImport implements intake.Store. Two that begin at the same moment may pass the
// limit together by one.
func (s *Store) BeginImport(ctx context.Context, i intake.Import) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		g, err := s.heldGroup(ctx, tx, i.Tenant, i.Group)
		if err != nil {
			return err
		}
		if g.Kind != audience.Static {
			return fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
		}
		var open int
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM contact_imports WHERE tenant = $1 AND state IN ('receiving', 'draft', 'running', 'undoing')
			AND (expires_at IS NULL OR expires_at > $2)`, i.Tenant[:], millis(i.CreatedAt)).Scan(&open)
		if err != nil {
			return err
		}
		if open >= intake.MaxOpen {
			return fault.New(fault.Limited, "imports_too_many", "So many lists are being imported already; wait for one or cancel one.")
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO contact_imports ("+importColumns+") VALUES ($1, $2, $3, $4, $5, $6, '{}', '{}', 0, 0, 0, $7, NULL, $8)",
			i.Tenant[:], i.ID[:], i.Group[:], plain(i.Name), plain(i.Actor), string(i.State), millis(i.CreatedAt), millis(i.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("begin import: %w", err)
	}
	return nil
}

// AddImportPart implements intake.Store.
func (s *Store) AddImportPart(ctx context.Context, t tenant.ID, i intake.ID, part int, data []byte) error {
	if _, err := s.write.ExecContext(ctx, "INSERT INTO import_parts (tenant, import, part, data) VALUES ($1, $2, $3, $4)", t[:], i[:], part, data); err != nil {
		return fmt.Errorf("add part of import: %w", s.refusal(err))
	}
	return nil
}

// ReadyImport implements intake.Store.
func (s *Store) ReadyImport(ctx context.Context, i intake.Import) error {
	res, err := s.write.ExecContext(ctx, `UPDATE contact_imports SET state = 'draft', plan = $3, parts = $4, total = $5
		WHERE tenant = $1 AND id = $2 AND state = 'receiving'`, i.Tenant[:], i.ID[:], plain(asJSON(i.Plan)), i.Parts, i.Total)
	if err := touched(res, err, "import_not_found"); err != nil {
		return fmt.Errorf("keep draft of import: %w", s.refusal(err))
	}
	return nil
}

// StartImport implements intake.Store.
func (s *Store) StartImport(ctx context.Context, i intake.Import) error {
	res, err := s.write.ExecContext(ctx, `UPDATE contact_imports SET state = 'running', plan = $3, expires_at = NULL
		WHERE tenant = $1 AND id = $2 AND state = 'draft'`, i.Tenant[:], i.ID[:], plain(asJSON(i.Plan)))
	err = touched(res, err, "import_not_found")
	if fault.IsKind(err, fault.NotFound) {
		err = fault.New(fault.Conflict, "import_begun", "This import has begun already, or is over.")
	}
	if err != nil {
		return fmt.Errorf("start import: %w", s.refusal(err))
	}
	return nil
}

// CancelImport implements intake.Store.
func (s *Store) CancelImport(ctx context.Context, t tenant.ID, i intake.ID, now time.Time) error {
	if _, err := s.Import(ctx, t, i); err != nil {
		return err
	}
	// What was not begun can go at once.
	_, err := s.write.ExecContext(ctx, `UPDATE contact_imports SET expires_at = CASE WHEN done = 0 THEN CAST($3 AS BIGINT) ELSE CAST($4 AS BIGINT) END, state = 'cancelled', ended_at = CAST($3 AS BIGINT)
		WHERE tenant = $1 AND id = $2 AND state IN ('receiving', 'draft', 'running')`, t[:], i[:], millis(now), millis(now.Add(intake.UndoLasts)))
	if err != nil {
		return fmt.Errorf("cancel import: %w", s.refusal(err))
	}
	return nil
}

// UndoImport implements intake.Store.
func (s *Store) UndoImport(ctx context.Context, t tenant.ID, i intake.ID, now time.Time) error {
	found, err := s.Import(ctx, t, i)
	if err == nil && !found.Revocable(now) {
		err = fault.New(fault.Conflict, "import_not_revocable", "This import cannot be taken back, or not any more.")
	}
	if err == nil {
		_, err = s.write.ExecContext(ctx, "UPDATE contact_imports SET state = 'undoing', expires_at = NULL WHERE tenant = $1 AND id = $2 AND state = $3",
			t[:], i[:], string(found.State))
	}
	if err != nil {
		return fmt.Errorf("undo import: %w", s.refusal(err))
	}
	return nil
}

// OpenImports implements intake.Store.
func (s *Store) OpenImports(ctx context.Context) ([]intake.Import, error) {
	list, err := s.imports(ctx, "SELECT "+importColumns+" FROM contact_imports WHERE state IN ('running', 'undoing') ORDER BY tenant, id")
	if err != nil {
		return nil, fmt.Errorf("list open imports: %w", s.refusal(err))
	}
	// Identifiers begin with the time: the first of a tenant is its oldest.
	var first []intake.Import
	for _, i := range list {
		if len(first) == 0 || first[len(first)-1].Tenant != i.Tenant {
			first = append(first, i)
		}
	}
	return first, nil
}

func (s *Store) imports(ctx context.Context, text string, args ...any) (list []intake.Import, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		i, err := readImport(row)
		list = append(list, i)
		return err
	})
	return list, err
}

// Import implements intake.Store.
func (s *Store) Import(ctx context.Context, t tenant.ID, i intake.ID) (intake.Import, error) {
	found, err := readImport(s.read.QueryRowContext(ctx, "SELECT "+importColumns+" FROM contact_imports WHERE tenant = $1 AND id = $2", t[:], i[:]))
	if err != nil {
		return intake.Import{}, fmt.Errorf("read import: %w", s.refusal(missing(err, "import_not_found")))
	}
	return found, nil
}

// importsShown bounds the imports of a group that are told of.
const importsShown = 100

// Imports implements intake.Store.
func (s *Store) Imports(ctx context.Context, t tenant.ID, g audience.GroupID) ([]intake.Import, error) {
	list, err := s.imports(ctx, "SELECT "+importColumns+" FROM contact_imports WHERE tenant = $1 AND grp = $2 ORDER BY id DESC LIMIT $3", t[:], g[:], importsShown)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", s.refusal(err))
	}
	return list, nil
}

// ImportPart implements intake.Store.
func (s *Store) ImportPart(ctx context.Context, t tenant.ID, i intake.ID, part int) (data []byte, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT data FROM import_parts WHERE tenant = $1 AND import = $2 AND part = $3", t[:], i[:], part).Scan(&data)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read part of import: %w", s.refusal(err))
	}
	return data, nil
}

// ImportFaults implements intake.Store.
func (s *Store) ImportFaults(ctx context.Context, t tenant.ID, i intake.ID, after, limit int) (list []intake.Fault, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT line, field, code, value, address FROM import_faults WHERE tenant = $1 AND import = $2 AND line > $3
		ORDER BY line LIMIT $4`, t[:], i[:], after, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var f intake.Fault
		err := row.Scan(&f.Line, &f.Field, &f.Code, &f.Value, &f.Address)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read refused rows: %w", s.refusal(err))
	}
	return list, nil
}

// SettlePart implements intake.Store. Where the import is then stands guard: whoever comes
// second finds it elsewhere.
func (s *Store) SettlePart(ctx context.Context, step intake.Step, now time.Time) (done bool, err error) {
	done, err = s.settleStep(ctx, step, now)
	if step.Ready != nil && isKnown(err) {
		step.Ready = nil
		done, err = s.settleStep(ctx, step, now)
	}
	if err != nil {
		return false, fmt.Errorf("import part: %w", err)
	}
	return done, nil
}

func (s *Store) settleStep(ctx context.Context, step intake.Step, now time.Time) (done bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		i := step.Import
		found, err := readImport(tx.QueryRowContext(ctx, "SELECT "+importColumns+` FROM contact_imports WHERE tenant = $1 AND id = $2
			AND done = $3 AND state = 'running'`+s.dialect.lockRow(), i.Tenant[:], i.ID[:], i.Done))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		// Added is counted by what really happens, so the batch begins without any.
		results, err := s.enlistStep(ctx, tx, step, now)
		if err != nil {
			return err
		}
		faults := step.Faults
		for n, r := range results {
			found.Count(r.Result)
			if r.Err != nil {
				faults = append(faults, intake.Fault{Line: step.Lines[n], Field: r.Err.Field, Code: r.Err.Code, Value: step.Enlistment.People[n].Reference,
					Address: canonicalAddress(step.Enlistment.People[n].Main())})
			}
		}
		before := found.Refused
		found.Refused += int64(len(step.Faults))
		done = true
		return s.settlePart(ctx, tx, found, step, faults[:min(len(faults), max(0, intake.MaxFaults-int(before)))], now)
	})
	return done, err
}

func (s *Store) settlePart(ctx context.Context, tx *sql.Tx, i intake.Import, step intake.Step, faults []intake.Fault, now time.Time) error {
	parts := max(1, step.Parts)
	for _, f := range faults {
		_, err := tx.ExecContext(ctx, "INSERT INTO import_faults (tenant, import, line, field, code, value, address) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
			i.Tenant[:], i.ID[:], f.Line, plain(f.Field), f.Code, plain(f.Value), plain(f.Address))
		if err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM import_parts WHERE tenant = $1 AND import = $2 AND part >= $3 AND part < $4",
		i.Tenant[:], i.ID[:], i.Done, i.Done+parts); err != nil {
		return err
	}
	state, ended, expires := intake.Running, time.Time{}, time.Time{}
	if step.Last {
		state, ended, expires = intake.Done, now, now.Add(intake.UndoLasts)
	}
	_, err := tx.ExecContext(ctx, "UPDATE contact_imports SET done = done + $7, state = $3, progress = $4, ended_at = $5, expires_at = $6 WHERE tenant = $1 AND id = $2",
		i.Tenant[:], i.ID[:], string(state), asJSON(i.Progress), optional(ended), optional(expires), parts)
	return err
}

// dropImportRows is how many rows of an import go in one transaction, and dropParts how many
// parts, so that mail need not wait.
const (
	dropImportRows = 1000
	dropParts      = 50
)

// DropImports implements intake.Store.
func (s *Store) DropImports(ctx context.Context, now time.Time) error {
	old, err := s.imports(ctx, "SELECT "+importColumns+" FROM contact_imports WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at", millis(now))
	for n := 0; err == nil && n < len(old); n++ {
		err = s.dropImport(ctx, old[n])
	}
	if err != nil {
		return fmt.Errorf("drop imports: %w", s.refusal(err))
	}
	return nil
}

func (s *Store) dropImport(ctx context.Context, i intake.Import) error {
	for _, v := range []struct {
		table, key string
		limit      int
	}{{"import_parts", "part", dropParts}, {"import_faults", "line", dropImportRows}, {"import_changes", "contact", dropImportRows}} {
		for more := true; more; {
			//nolint:gosec // G202: constants only
			res, err := s.write.ExecContext(ctx, "DELETE FROM "+v.table+" WHERE tenant = $1 AND import = $2 AND "+v.key+" IN (SELECT x."+v.key+" FROM "+v.table+
				" x WHERE x.tenant = $1 AND x.import = $2 LIMIT $3)", i.Tenant[:], i.ID[:], v.limit)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			more = n == int64(v.limit)
		}
	}
	return s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE contact_imports SET expires_at = NULL WHERE tenant = $1 AND id = $2", i.Tenant[:], i.ID[:]); err != nil {
			return err
		}
		// What brought nobody in, or its group is gone, is nothing to tell of.
		_, err := tx.ExecContext(ctx, `DELETE FROM contact_imports WHERE tenant = $1 AND id = $2 AND (done = 0 OR grp NOT IN
			(SELECT g.id FROM contact_groups g WHERE g.tenant = $1))`, i.Tenant[:], i.ID[:])
		return err
	})
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"stafette/internal/lead/leadform"
	"stafette/internal/tenant"
)

const leadFormColumns = "tenant, id, name, active, created_at, updated_at, spec"

func readLeadForm(row scanner) (f leadform.Form, err error) {
	var active int
	var spec string
	var head leadform.Form
	if err := row.Scan(&head.Tenant, &head.ID, &head.Name, &active, instant{&head.CreatedAt}, instant{&head.UpdatedAt}, &spec); err != nil {
		return f, err
	}
	if err := json.Unmarshal([]byte(spec), &f); err != nil {
		return f, err
	}
	f.Tenant, f.ID, f.Name, f.Active, f.CreatedAt, f.UpdatedAt = head.Tenant, head.ID, head.Name, active != 0, head.CreatedAt, head.UpdatedAt
	return f, nil
}

// SaveLeadForm implements leadform.Store.
func (s *Store) SaveLeadForm(ctx context.Context, f leadform.Form) error {
	spec, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("save form of leads: %w", err)
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO lead_forms (`+leadFormColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, active = excluded.active, updated_at = excluded.updated_at, spec = excluded.spec`,
			f.Tenant[:], f.ID[:], plain(f.Name), flag(f.Active), millis(f.CreatedAt), millis(f.UpdatedAt), plain(string(spec)))
		return err
	})
	if err != nil {
		return fmt.Errorf("save form of leads: %w", err)
	}
	return nil
}

// LeadForm implements leadform.Store.
func (s *Store) LeadForm(ctx context.Context, t tenant.ID, id leadform.ID) (leadform.Form, error) {
	f, err := readLeadForm(s.read.QueryRowContext(ctx, "SELECT "+leadFormColumns+" FROM lead_forms WHERE tenant = $1 AND id = $2", t[:], id[:]))
	if err != nil {
		return leadform.Form{}, fmt.Errorf("read form of leads: %w", s.refusal(missing(err, leadform.CodeUnknown)))
	}
	return f, nil
}

// LeadForms implements leadform.Store.
func (s *Store) LeadForms(ctx context.Context, t tenant.ID) (list []leadform.Form, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+leadFormColumns+" FROM lead_forms WHERE tenant = $1 ORDER BY name, id LIMIT $2", t[:], leadform.MaxForms)
	err = scan(rows, err, func(row *sql.Rows) error {
		f, err := readLeadForm(row)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list forms of leads: %w", s.refusal(err))
	}
	return list, nil
}

// DropLeadForm implements leadform.Store.
func (s *Store) DropLeadForm(ctx context.Context, t tenant.ID, id leadform.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM lead_forms WHERE tenant = $1 AND id = $2", t[:], id[:])
		return touched(res, err, leadform.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("remove form of leads: %w", err)
	}
	return nil
}

var _ leadform.Store = (*Store)(nil)

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/tenant"
)

// Profile implements account.Offices.
func (s *Store) Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error) {
	var p tenant.Profile
	err := s.read.QueryRowContext(ctx, "SELECT stream, from_name, from_local, from_domain, contact, imprint FROM tenant_profiles WHERE tenant = $1", t[:]).
		Scan(&p.Stream, &p.From.Name, &p.From.Local, &p.From.Domain, &p.Contact, &p.Imprint)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return tenant.Profile{}, fmt.Errorf("read profile: %w", s.refusal(err))
	}
	return p, nil
}

// SaveTenant implements account.Offices.
func (s *Store) SaveTenant(ctx context.Context, t tenant.Tenant, p tenant.Profile) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE tenants SET name = $2, locale = $3, office_tone = $4, customer_tone = $5, daily_quota = $6, time_zone = $7 WHERE id = $1",
			t.ID[:], plain(t.Name), t.Locale, string(t.OfficeTone), string(t.CustomerTone), t.DailyQuota, t.TimeZone)
		if err := touched(res, err, "tenant_not_found"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO tenant_profiles (tenant, stream, from_name, from_local, from_domain, contact, imprint) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant) DO UPDATE SET stream = excluded.stream, from_name = excluded.from_name, from_local = excluded.from_local,
			from_domain = excluded.from_domain, contact = excluded.contact, imprint = excluded.imprint`,
			t.ID[:], string(p.Stream), plain(p.From.Name), plain(p.From.Local), p.From.Domain, plain(p.Contact), plain(p.Imprint))
		return err
	})
	if err != nil {
		return fmt.Errorf("save tenant: %w", err)
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/tenant"
)

// AddDomain implements tenant.Store. A name that another tenant may use already
// is Conflict "domain_taken", one that the tenant has itself "domain_exists".
func (s *Store) AddDomain(ctx context.Context, d tenant.Domain, keys []tenant.DKIMKey) error {
	err := s.transact(ctx, func(tx *sql.Tx) error { return s.insertDomain(ctx, tx, &d, keys) })
	if err != nil {
		return fmt.Errorf("add domain: %w", err)
	}
	return nil
}

func (s *Store) insertDomain(ctx context.Context, tx *sql.Tx, d *tenant.Domain, keys []tenant.DKIMKey) error {
	name := strings.ToLower(d.Name)
	var mine int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM domains WHERE tenant = $1 AND name = $2", d.Tenant[:], name).Scan(&mine); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO domains (tenant, id, name, state, checked_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
		d.Tenant[:], d.ID[:], name, string(d.State), optional(d.CheckedAt), millis(d.CreatedAt))
	if mine > 0 {
		return s.taken(err, "domain_exists", "This domain is set up already.")
	}
	if err != nil {
		return s.taken(err, "domain_taken", "This domain belongs to another account.")
	}
	return s.insertDKIMKeys(ctx, tx, keys)
}

const dkimColumns = "tenant, id, domain, domain_name, selector, algorithm, sealed, record, active, created_at, retired_at"

func (s *Store) insertDKIMKeys(ctx context.Context, tx *sql.Tx, keys []tenant.DKIMKey) error {
	for i := range keys {
		k := &keys[i]
		_, err := tx.ExecContext(ctx, "INSERT INTO dkim_keys ("+dkimColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
			k.Tenant[:], k.ID[:], k.Domain[:], strings.ToLower(k.DomainName), k.Selector, string(k.Algorithm), k.Sealed, k.Record,
			flag(k.Active), millis(k.CreatedAt), optional(k.RetiredAt))
		if err != nil {
			return s.taken(err, "selector_taken", "The domain has a key with this selector already.")
		}
	}
	return nil
}

// Domains implements tenant.Store.
func (s *Store) Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error) {
	var list []tenant.Domain
	rows, err := s.read.QueryContext(ctx, "SELECT id, name, state, grace_until, checked_at, created_at FROM domains WHERE tenant = $1 ORDER BY name", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		d := tenant.Domain{Tenant: t}
		err := row.Scan(&d.ID, &d.Name, &d.State, instant{&d.GraceUntil}, instant{&d.CheckedAt}, instant{&d.CreatedAt})
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", s.refusal(err))
	}
	return list, nil
}

// SetDomainState implements tenant.Store. A name that another tenant may use
// already is Conflict "domain_taken".
func (s *Store) SetDomainState(ctx context.Context, t tenant.ID, d tenant.DomainID, state tenant.DomainState, checked time.Time) error {
	res, err := s.write.ExecContext(ctx, "UPDATE domains SET state = $3, grace_until = NULL, checked_at = $4 WHERE tenant = $1 AND id = $2",
		t[:], d[:], string(state), optional(checked))
	err = touched(res, s.taken(err, "domain_taken", "This domain belongs to another account."), "domain_not_found")
	if err != nil {
		return fmt.Errorf("set state of domain: %w", s.refusal(err))
	}
	return nil
}

// DKIMKeys implements tenant.Store.
func (s *Store) DKIMKeys(ctx context.Context, t tenant.ID, domain string) ([]tenant.DKIMKey, error) {
	var list []tenant.DKIMKey
	rows, err := s.read.QueryContext(ctx, "SELECT "+dkimColumns+" FROM dkim_keys WHERE tenant = $1 AND domain_name = $2 ORDER BY id",
		t[:], strings.ToLower(plain(domain)))
	err = scan(rows, err, func(row *sql.Rows) error {
		var k tenant.DKIMKey
		err := row.Scan(&k.Tenant, &k.ID, &k.Domain, &k.DomainName, &k.Selector, &k.Algorithm, &k.Sealed, &k.Record,
			truth{&k.Active}, instant{&k.CreatedAt}, instant{&k.RetiredAt})
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list DKIM keys: %w", s.refusal(err))
	}
	return list, nil
}

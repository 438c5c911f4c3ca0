package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Domain implements tenant.DomainStore.
func (s *Store) Domain(ctx context.Context, t tenant.ID, d tenant.DomainID) (tenant.Domain, error) {
	v := tenant.Domain{ID: d, Tenant: t}
	err := s.read.QueryRowContext(ctx, "SELECT name, state, grace_until, checked_at, findings, created_at FROM domains WHERE tenant = $1 AND id = $2",
		t[:], d[:]).Scan(&v.Name, &v.State, instant{&v.GraceUntil}, instant{&v.CheckedAt}, document{&v.Findings}, instant{&v.CreatedAt})
	if err != nil {
		return tenant.Domain{}, fmt.Errorf("read domain: %w", s.refusal(missing(err, "domain_not_found")))
	}
	return v, nil
}

// RecordCheck implements tenant.DomainStore.
func (s *Store) RecordCheck(ctx context.Context, d tenant.Domain, was tenant.DomainState, fact *tenant.DomainFact) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE domains SET state = $3, grace_until = $4, checked_at = $5, findings = $6
			WHERE tenant = $1 AND id = $2 AND state = $7`,
			d.Tenant[:], d.ID[:], string(d.State), optional(d.GraceUntil), optional(d.CheckedAt), asJSON(d.Findings), string(was))
		err = touched(res, s.taken(err, "domain_taken", "This domain belongs to another account."), "domain_not_found")
		if fault.IsKind(err, fault.NotFound) {
			return s.unlessChanged(ctx, tx, d, err)
		}
		if err != nil || fact == nil {
			return err
		}
		return insertDomainFact(ctx, tx, d.Tenant, *fact)
	})
	if err != nil {
		return fmt.Errorf("record check of domain: %w", err)
	}
	return nil
}

// unlessChanged tells a domain in another state than was thought from none at all.
func (s *Store) unlessChanged(ctx context.Context, tx *sql.Tx, d tenant.Domain, none error) error {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM domains WHERE tenant = $1 AND id = $2", d.Tenant[:], d.ID[:]).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return none
	}
	return fault.New(fault.Conflict, "domain_changed", "The state of the domain has just changed.")
}

// RemoveDomain implements tenant.DomainStore.
func (s *Store) RemoveDomain(ctx context.Context, t tenant.ID, d tenant.DomainID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var name string
		if err := tx.QueryRowContext(ctx, "SELECT name FROM domains WHERE tenant = $1 AND id = $2", t[:], d[:]).Scan(&name); err != nil {
			return missing(err, "domain_not_found")
		}
		if err := s.refuseWaiting(ctx, tx, t, name); err != nil {
			return err
		}
		for _, text := range []string{
			"DELETE FROM dmarc_reports WHERE tenant = $1 AND domain = $2",
			"DELETE FROM dmarc_tallies WHERE tenant = $1 AND domain = $2",
		} {
			if _, err := tx.ExecContext(ctx, text, t[:], name); err != nil {
				return err
			}
		}
		for _, text := range []string{
			"DELETE FROM domains WHERE tenant = $1 AND id = $2",
			"DELETE FROM dkim_keys WHERE tenant = $1 AND domain = $2",
			"DELETE FROM domain_facts WHERE tenant = $1 AND domain = $2",
		} {
			if _, err := tx.ExecContext(ctx, text, t[:], d[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove domain: %w", err)
	}
	return nil
}

// refuseWaiting refuses if mail with the domain in From waits: it could not be signed any
// more. Mail that is accepted at this very moment is held when it comes to be signed.
func (s *Store) refuseWaiting(ctx context.Context, tx *sql.Tx, t tenant.ID, name string) error {
	for _, waiting := range []string{"d.state IN ('queued', 'deferred')", "d.state IN ('deferred', 'held') AND d.state = 'held'"} {
		var one int
		err := tx.QueryRowContext(ctx, "SELECT 1 FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = "+s.dialect.messageOf("d.id")+
			" WHERE d.tenant = $1 AND "+waiting+" AND m.tenant = $1 AND m.sign_domain = $2 LIMIT 1", t[:], name).Scan(&one)
		if err == nil {
			return fault.New(fault.Conflict, "domain_in_use", "Mail with this domain in From still waits; let it end or cancel it.")
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// HasDomain reports whether a tenant has a domain of that name, in any state.
func (s *Store) HasDomain(ctx context.Context, t tenant.ID, name string) (bool, error) {
	var n int
	if err := s.hasDomain.QueryRowContext(ctx, t[:], strings.ToLower(plain(name))).Scan(&n); err != nil {
		return false, fmt.Errorf("find domain: %w", s.refusal(err))
	}
	return n > 0, nil
}

// ChangeKeys implements tenant.DomainStore.
func (s *Store) ChangeKeys(ctx context.Context, c tenant.KeyChange) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM domains WHERE tenant = $1 AND id = $2", c.Tenant[:], c.Domain[:]).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return missing(sql.ErrNoRows, "domain_not_found")
		}
		if err := s.insertDKIMKeys(ctx, tx, c.Add); err != nil {
			return err
		}
		if err := changeKeys(ctx, tx, c); err != nil {
			return err
		}
		return insertDomainFact(ctx, tx, c.Tenant, c.Fact)
	})
	if err != nil {
		return fmt.Errorf("change keys of domain: %w", err)
	}
	return nil
}

// changeKeys switches and removes. A key that another node has removed meanwhile
// cannot sign any more, and then the old ones must go on.
func changeKeys(ctx context.Context, tx *sql.Tx, c tenant.KeyChange) error {
	for _, k := range c.Activate {
		res, err := tx.ExecContext(ctx, "UPDATE dkim_keys SET active = 1, retired_at = NULL WHERE tenant = $1 AND domain = $2 AND id = $3",
			c.Tenant[:], c.Domain[:], k[:])
		if err := touched(res, err, "dkim_key_not_found"); fault.IsKind(err, fault.NotFound) {
			return fault.New(fault.Conflict, "domain_changed", "The keys of the domain have just changed.")
		} else if err != nil {
			return err
		}
	}
	for _, k := range c.Retire {
		if _, err := tx.ExecContext(ctx, "UPDATE dkim_keys SET active = 0, retired_at = $4 WHERE tenant = $1 AND domain = $2 AND id = $3",
			c.Tenant[:], c.Domain[:], k[:], millis(c.At)); err != nil {
			return err
		}
	}
	for _, k := range c.Remove {
		if _, err := tx.ExecContext(ctx, "DELETE FROM dkim_keys WHERE tenant = $1 AND domain = $2 AND id = $3 AND active = 0",
			c.Tenant[:], c.Domain[:], k[:]); err != nil {
			return err
		}
	}
	return nil
}

// AddDomainFact implements tenant.DomainStore.
func (s *Store) AddDomainFact(ctx context.Context, t tenant.ID, f tenant.DomainFact) error {
	if err := insertDomainFact(ctx, s.write, t, f); err != nil {
		return fmt.Errorf("add fact about domain: %w", s.refusal(err))
	}
	return nil
}

func insertDomainFact(ctx context.Context, q querier, t tenant.ID, f tenant.DomainFact) error {
	_, err := q.ExecContext(ctx, "INSERT INTO domain_facts (tenant, domain, id, at, event, actor, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		t[:], f.Domain[:], f.ID[:], millis(f.At), string(f.Event), f.Actor, plain(f.Detail))
	return err
}

// DomainFacts implements tenant.DomainStore.
func (s *Store) DomainFacts(ctx context.Context, t tenant.ID, d tenant.DomainID, limit int) ([]tenant.DomainFact, error) {
	var list []tenant.DomainFact
	rows, err := s.read.QueryContext(ctx, `SELECT id, at, event, actor, detail FROM domain_facts
		WHERE tenant = $1 AND domain = $2 ORDER BY id DESC LIMIT $3`, t[:], d[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		f := tenant.DomainFact{Domain: d}
		err := row.Scan(&f.ID, instant{&f.At}, &f.Event, &f.Actor, &f.Detail)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list facts about domain: %w", s.refusal(err))
	}
	return list, nil
}

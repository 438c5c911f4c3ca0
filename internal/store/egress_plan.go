package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"stafette/internal/egress"
)

const sourceColumns = "name, node, ip, ehlo, state, valid_from, valid_until, retiring_since, warm_up_from, weight"

// Plan implements egress.Store.
func (s *Store) Plan(ctx context.Context) (egress.Plan, error) {
	p, err := readPlan(ctx, s.read)
	if err != nil {
		return p, fmt.Errorf("read egress plan: %w", s.refusal(err))
	}
	return p, nil
}

func readPlan(ctx context.Context, q querier) (p egress.Plan, err error) {
	rows, err := q.QueryContext(ctx, "SELECT "+sourceColumns+" FROM egress_sources ORDER BY name")
	if err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readSource(row)
		p.Sources = append(p.Sources, v)
		return err
	}); err != nil {
		return p, err
	}
	rows, err = q.QueryContext(ctx, "SELECT name FROM egress_pools ORDER BY name")
	if err = scan(rows, err, func(row *sql.Rows) error {
		var v egress.Pool
		err := row.Scan(&v.Name)
		p.Pools = append(p.Pools, v)
		return err
	}); err != nil {
		return p, err
	}
	rows, err = q.QueryContext(ctx, "SELECT pool, source, weight FROM egress_members ORDER BY pool, source")
	if err = scan(rows, err, func(row *sql.Rows) error {
		var pool string
		var m egress.Member
		err := row.Scan(&pool, &m.Source, &m.Weight)
		if i := slices.IndexFunc(p.Pools, func(v egress.Pool) bool { return v.Name == pool }); i >= 0 {
			p.Pools[i].Members = append(p.Pools[i].Members, m)
		}
		return err
	}); err != nil {
		return p, err
	}
	rows, err = q.QueryContext(ctx, "SELECT tenant, stream, pool FROM egress_assignments ORDER BY tenant, stream")
	if err = scan(rows, err, func(row *sql.Rows) error {
		var a egress.Assignment
		err := row.Scan(&a.Tenant, &a.Stream, &a.Pool)
		p.Assignments = append(p.Assignments, a)
		return err
	}); err != nil {
		return p, err
	}
	rows, err = q.QueryContext(ctx, "SELECT source, provider, shift, paused_on, finished FROM egress_paces ORDER BY source, provider")
	err = scan(rows, err, func(row *sql.Rows) error {
		var v egress.Pace
		err := row.Scan(&v.Source, &v.Provider, &v.Shift, &v.PausedOn, truth{&v.Finished})
		p.Paces = append(p.Paces, v)
		return err
	})
	if err != nil {
		return p, err
	}
	rows, err = q.QueryContext(ctx, "SELECT document FROM egress_shifts ORDER BY name")
	err = scan(rows, err, func(row *sql.Rows) error {
		var v egress.Shift
		err := row.Scan(document{&v})
		p.Shifts = append(p.Shifts, v)
		return err
	})
	return p, err
}

func readSource(row scanner) (egress.Source, error) {
	var v egress.Source
	var ip string
	err := row.Scan(&v.Name, &v.Node, &ip, &v.EHLO, &v.State, instant{&v.ValidFrom}, instant{&v.ValidUntil},
		instant{&v.RetiringSince}, instant{&v.WarmUpFrom}, &v.Weight)
	if err == nil && ip != "" {
		v.IP, err = netip.ParseAddr(ip)
	}
	return v, err
}

// The texts that write a source over the one of its name: by hand in any case, from
// the configuration only over what came from there.
const (
	putSourceText = "INSERT INTO egress_sources (" + sourceColumns + `, seeder, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (name) DO UPDATE SET node = excluded.node, ip = excluded.ip, ehlo = excluded.ehlo, state = excluded.state,
			valid_from = excluded.valid_from, valid_until = excluded.valid_until, retiring_since = excluded.retiring_since,
			warm_up_from = excluded.warm_up_from, weight = excluded.weight, seeder = excluded.seeder, updated_at = excluded.updated_at`
	seedSourceText = putSourceText + " WHERE egress_sources.seeder = excluded.seeder"
)

// putSource writes a source by one of the texts.
func putSource(ctx context.Context, tx *sql.Tx, text string, v egress.Source, seeder string, now time.Time) error {
	ip := ""
	if v.IP.IsValid() {
		ip = v.IP.String()
	}
	_, err := tx.ExecContext(ctx, text, plain(v.Name), plain(v.Node), ip, plain(v.EHLO), string(v.State), optional(v.ValidFrom),
		optional(v.ValidUntil), optional(v.RetiringSince), optional(v.WarmUpFrom), v.Weight, seeder, millis(now))
	return err
}

// SeedPlan implements egress.Store.
func (s *Store) SeedPlan(ctx context.Context, node string, p egress.Plan, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		before, err := readPlan(ctx, tx)
		if err != nil {
			return err
		}
		if err := seedSources(ctx, tx, node, p.Sources, now); err != nil {
			return err
		}
		if err := seedPools(ctx, tx, node, p.Pools, now); err != nil {
			return err
		}
		for _, a := range p.Assignments {
			if _, err := tx.ExecContext(ctx, `INSERT INTO egress_assignments (tenant, stream, pool, seeder) VALUES ($1, $2, $3, $4)
				ON CONFLICT (tenant, stream) DO UPDATE SET pool = excluded.pool WHERE egress_assignments.seeder = excluded.seeder`,
				a.Tenant[:], string(a.Stream), a.Pool, node); err != nil {
				return err
			}
		}
		if err := forgetSeeded(ctx, tx, node, p); err != nil {
			return err
		}
		return reviseSeeded(ctx, tx, before, egress.Change{By: egress.ByConfiguration(node), At: now, Version: egress.AnyVersion})
	})
	if err != nil {
		return fmt.Errorf("seed egress plan: %w", err)
	}
	return nil
}

// seedSources writes the node's sources, and retires those it had and has no more.
func seedSources(ctx context.Context, tx *sql.Tx, node string, list []egress.Source, now time.Time) error {
	old, err := readPlan(ctx, tx)
	if err != nil {
		return err
	}
	for _, v := range list {
		i := slices.IndexFunc(old.Sources, func(o egress.Source) bool { return o.Name == v.Name })
		began := egress.Source{WarmUpFrom: now, RetiringSince: now}
		if i >= 0 && old.Sources[i].State == v.State {
			began = old.Sources[i]
		}
		if v.State == egress.StateNew && v.WarmUpFrom.IsZero() {
			v.WarmUpFrom = began.WarmUpFrom
		}
		if v.State == egress.StateRetiring && v.RetiringSince.IsZero() {
			v.RetiringSince = began.RetiringSince
		}
		if err := putSource(ctx, tx, seedSourceText, v, node, now); err != nil {
			return err
		}
	}
	return nil
}

func seedPools(ctx context.Context, tx *sql.Tx, node string, list []egress.Pool, now time.Time) error {
	for _, pool := range list {
		_, err := tx.ExecContext(ctx, "INSERT INTO egress_pools (name, by_hand, updated_at) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
			plain(pool.Name), millis(now))
		if err != nil {
			return err
		}
		for _, m := range pool.Members {
			_, err := tx.ExecContext(ctx, `INSERT INTO egress_members (pool, source, weight, seeder)
				SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS INTEGER), CAST($4 AS TEXT)
				WHERE EXISTS (SELECT 1 FROM egress_pools WHERE name = $1 AND by_hand = 0)
				ON CONFLICT (pool, source) DO UPDATE SET weight = excluded.weight WHERE egress_members.seeder = excluded.seeder`,
				plain(pool.Name), plain(m.Source), m.Weight, node)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetSeeded undoes what the node's configuration said before and says no more.
func forgetSeeded(ctx context.Context, tx *sql.Tx, node string, p egress.Plan) error {
	var sources []string
	for _, v := range p.Sources {
		sources = append(sources, v.Name)
	}
	if err := eachSeeded(ctx, tx, "SELECT name, '', '' FROM egress_sources WHERE seeder = $1", node, func(key [3]string) (string, []any) {
		if slices.Contains(sources, key[0]) {
			return "", nil
		}
		return "UPDATE egress_sources SET state = 'retired' WHERE name = $1", []any{key[0]}
	}); err != nil {
		return err
	}
	if err := eachSeeded(ctx, tx, "SELECT pool, source, '' FROM egress_members WHERE seeder = $1", node, func(key [3]string) (string, []any) {
		for _, pool := range p.Pools {
			if pool.Name == key[0] && slices.ContainsFunc(pool.Members, func(m egress.Member) bool { return m.Source == key[1] }) {
				return "", nil
			}
		}
		return "DELETE FROM egress_members WHERE pool = $1 AND source = $2", []any{key[0], key[1]}
	}); err != nil {
		return err
	}
	return eachSeeded(ctx, tx, "SELECT tenant, stream, '' FROM egress_assignments WHERE seeder = $1", node, func(key [3]string) (string, []any) {
		if slices.ContainsFunc(p.Assignments, func(a egress.Assignment) bool {
			return string(a.Tenant[:]) == key[0] && string(a.Stream) == key[1]
		}) {
			return "", nil
		}
		return "DELETE FROM egress_assignments WHERE tenant = $1 AND stream = $2", []any{[]byte(key[0]), key[1]}
	})
}

// eachSeeded runs what undo returns for every row of a node's configuration.
func eachSeeded(ctx context.Context, tx *sql.Tx, query, node string, undo func(key [3]string) (string, []any)) error {
	var keys [][3]string
	rows, err := tx.QueryContext(ctx, query, node)
	if err = scan(rows, err, func(row *sql.Rows) error {
		var a, b, c []byte
		err := row.Scan(&a, &b, &c)
		keys = append(keys, [3]string{string(a), string(b), string(c)})
		return err
	}); err != nil {
		return err
	}
	for _, key := range keys {
		text, args := undo(key)
		if text == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

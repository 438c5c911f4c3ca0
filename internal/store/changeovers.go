package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

const changeoverColumns = "tenant, id, stage, version, document, created_at, updated_at"

func readChangeover(row scanner) (changeover.Changeover, error) {
	var c, kept changeover.Changeover
	err := row.Scan(&c.Tenant, &c.ID, &c.Stage, &c.Version, document{&kept}, instant{&c.CreatedAt}, instant{&c.UpdatedAt})
	kept.Tenant, kept.ID, kept.Stage, kept.Version = c.Tenant, c.ID, c.Stage, c.Version
	kept.CreatedAt, kept.UpdatedAt = c.CreatedAt, c.UpdatedAt
	return kept, err
}

// Changeovers implements changeover.Store.
func (s *Store) Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error) {
	var list []changeover.Changeover
	var platform tenant.ID
	rows, err := s.read.QueryContext(ctx, "SELECT "+changeoverColumns+` FROM changeovers
		WHERE $3 = 1 OR tenant = $1 OR tenant = $2 ORDER BY id DESC`, t[:], platform[:], flag(t.IsZero()))
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readChangeover(row)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list changeovers: %w", s.refusal(err))
	}
	return list, nil
}

// Changeover implements changeover.Store.
func (s *Store) Changeover(ctx context.Context, c changeover.ID) (changeover.Changeover, error) {
	v, err := readChangeover(s.read.QueryRowContext(ctx, "SELECT "+changeoverColumns+" FROM changeovers WHERE id = $1", c[:]))
	if err != nil {
		return changeover.Changeover{}, fmt.Errorf("read changeover: %w", s.refusal(missing(err, "changeover_unknown")))
	}
	return v, nil
}

// PutChangeover implements changeover.Store.
func (s *Store) PutChangeover(ctx context.Context, c changeover.Changeover, d changeover.Deed) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := putChangeover(ctx, tx, c); err != nil {
			return err
		}
		var number int
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(max(number), 0) FROM changeover_events WHERE changeover = $1", c.ID[:]).Scan(&number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO changeover_events (changeover, number, at, actor, what, detail) VALUES ($1, $2, $3, $4, $5, $6)",
			c.ID[:], number+1, millis(d.At), plain(d.Actor), d.What, plain(d.Detail))
		return err
	})
	if err != nil {
		return fmt.Errorf("put changeover: %w", s.taken(err, "changeover_changed", "Somebody else has changed this meanwhile."))
	}
	return nil
}

func putChangeover(ctx context.Context, tx *sql.Tx, c changeover.Changeover) error {
	if c.Version == 0 {
		_, err := tx.ExecContext(ctx, "INSERT INTO changeovers ("+changeoverColumns+") VALUES ($1, $2, $3, 1, $4, $5, $6)",
			c.Tenant[:], c.ID[:], string(c.Stage), plain(asJSON(c)), millis(c.CreatedAt), millis(c.UpdatedAt))
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE changeovers SET stage = $4, version = version + 1, document = $5, updated_at = $6
		WHERE tenant = $1 AND id = $2 AND version = $3`,
		c.Tenant[:], c.ID[:], c.Version, string(c.Stage), plain(asJSON(c)), millis(c.UpdatedAt))
	if err = touched(res, err, "changeover_unknown"); fault.IsKind(err, fault.NotFound) {
		return fault.New(fault.Conflict, "changeover_changed", "Somebody else has changed this meanwhile.")
	}
	return err
}

// ChangeoverDeeds implements changeover.Store.
func (s *Store) ChangeoverDeeds(ctx context.Context, c changeover.ID) ([]changeover.Deed, error) {
	var list []changeover.Deed
	rows, err := s.read.QueryContext(ctx, `SELECT at, actor, what, detail FROM changeover_events
		WHERE changeover = $1 ORDER BY number DESC LIMIT 500`, c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var d changeover.Deed
		err := row.Scan(instant{&d.At}, &d.Actor, &d.What, &d.Detail)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list deeds of changeover: %w", s.refusal(err))
	}
	return list, nil
}

// FallbackMarks implements changeover.Store.
func (s *Store) FallbackMarks(ctx context.Context, t tenant.ID, c changeover.ID) ([]changeover.Mark, error) {
	const text = "SELECT tenant, domain, site, source, count, reply, first_at, last_at, delivery FROM changeover_marks WHERE "
	const order = " ORDER BY count DESC, tenant, domain LIMIT 10000"
	var list []changeover.Mark
	var rows *sql.Rows
	var err error
	if t.IsZero() {
		rows, err = s.read.QueryContext(ctx, text+"changeover = $1"+order, c[:])
	} else {
		rows, err = s.read.QueryContext(ctx, text+"tenant = $1 AND changeover = $2"+order, t[:], c[:])
	}
	err = scan(rows, err, func(row *sql.Rows) error {
		m := changeover.Mark{Changeover: c}
		err := row.Scan(&m.Tenant, &m.Domain, &m.Site, &m.Source, &m.Count, &m.Reply, instant{&m.FirstAt}, instant{&m.LastAt}, &m.Delivery)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list marks of changeover: %w", s.refusal(err))
	}
	return list, nil
}

// AddFallbackMark implements changeover.Store.
func (s *Store) AddFallbackMark(ctx context.Context, m changeover.Mark) error {
	if err := addMark(ctx, s.write, m); err != nil {
		return fmt.Errorf("add mark of changeover: %w", s.refusal(err))
	}
	return nil
}

func addMark(ctx context.Context, q querier, m changeover.Mark) error {
	_, err := q.ExecContext(ctx, `INSERT INTO changeover_marks (tenant, changeover, domain, site, source, count, reply, first_at, last_at, delivery)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
		ON CONFLICT (tenant, changeover, domain) DO UPDATE SET site = excluded.site, source = excluded.source,
			count = changeover_marks.count + excluded.count, reply = excluded.reply, last_at = excluded.last_at, delivery = excluded.delivery`,
		m.Tenant[:], m.Changeover[:], plain(m.Domain), plain(m.Site), plain(m.Source), m.Count, plain(m.Reply), millis(m.LastAt), m.Delivery)
	return err
}

// writeFallbacks marks customers of settlements that took effect: few, so each is written
// by itself, in the order of their keys, so that two nodes wait for each other in one
// direction only.
func writeFallbacks(ctx context.Context, tx *sql.Tx, group []*work) error {
	var list []changeover.Mark
	for _, w := range group {
		for n, v := range w.settle {
			if v.Fallback == nil || !w.changed[n] {
				continue
			}
			c, err := id.Parse[changeover.Kind](v.Fallback.Shift)
			if err != nil {
				continue // a shift of no changeover marks nobody
			}
			list = append(list, changeover.Mark{Changeover: c, Tenant: v.Tenant, Domain: v.Fallback.Domain, Site: v.Fallback.Site,
				Source: v.Fallback.Source, Count: 1, Reply: v.Fallback.Reply, LastAt: v.Event.At, Delivery: v.Delivery.String()})
		}
	}
	slices.SortStableFunc(list, func(a, b changeover.Mark) int {
		return cmp.Or(bytes.Compare(a.Tenant[:], b.Tenant[:]), bytes.Compare(a.Changeover[:], b.Changeover[:]), cmp.Compare(a.Domain, b.Domain))
	})
	for _, m := range list {
		if err := addMark(ctx, tx, m); err != nil {
			return fmt.Errorf("mark customer on fallback: %w", err)
		}
	}
	return nil
}

// DropFallbackMarks implements changeover.Store.
func (s *Store) DropFallbackMarks(ctx context.Context, before time.Time) (int, error) {
	res, err := s.write.ExecContext(ctx, `DELETE FROM changeover_marks
		WHERE changeover IN (SELECT id FROM changeovers WHERE stage = 'done' AND updated_at < $1)`, millis(before))
	var n int64
	if err == nil {
		n, err = res.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("drop marks of changeovers: %w", s.refusal(err))
	}
	return int(n), nil
}

// PutShift implements egress.Store.
func (s *Store) PutShift(ctx context.Context, v egress.Shift, c egress.Change) error {
	return s.changePlan(ctx, "put shift", egress.ThingShift, v.Name, c, func(tx *sql.Tx, _ egress.Plan) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO egress_shifts (name, document) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET document = excluded.document",
			plain(v.Name), plain(asJSON(v)))
		return err
	})
}

// RemoveShift implements egress.Store.
func (s *Store) RemoveShift(ctx context.Context, name string, c egress.Change) error {
	return s.changePlan(ctx, "end shift", egress.ThingShift, name, c, func(tx *sql.Tx, _ egress.Plan) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM egress_shifts WHERE name = $1", plain(name))
		return err
	})
}

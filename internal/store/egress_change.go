package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"stafette/internal/egress"
	"stafette/internal/fault"
)

// changePlan runs a change of one thing made by hand, keeps its revision, and refuses
// it if somebody else changed the thing meanwhile or the plan is not sound after it.
func (s *Store) changePlan(ctx context.Context, what string, t egress.Thing, name string, c egress.Change, change func(tx *sql.Tx, before egress.Plan) error) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		before, err := readPlan(ctx, tx)
		if err != nil {
			return err
		}
		was := thingText(before, t, name)
		version, err := nextVersion(ctx, tx, t, name, c, was != "")
		if err != nil {
			return err
		}
		if err := change(tx, before); err != nil {
			return err
		}
		after, err := readPlan(ctx, tx)
		if err != nil {
			return err
		}
		if err := after.Check(); err != nil {
			return &fault.Error{Kind: fault.Invalid, Code: "egress_plan_unsound", Detail: "The change does not fit the other sources and pools.", Err: err}
		}
		if err := stranded(t, before, after, c); err != nil {
			return err
		}
		return revise(ctx, tx, t, name, version, c, was, thingText(after, t, name))
	})
	if err != nil {
		// Two people who changed the same version at the same moment.
		return fmt.Errorf("%s: %w", what, s.taken(err, "egress_changed", "Somebody else has changed this meanwhile."))
	}
	return nil
}

// stranded refuses a change that takes its last source from a pool in use.
func stranded(t egress.Thing, before, after egress.Plan, c egress.Change) error {
	old := before.Stranded(c.At)
	for _, pool := range after.Stranded(c.At) {
		if slices.Contains(old, pool) {
			continue
		}
		field := map[egress.Thing]string{egress.ThingSource: "state", egress.ThingPool: "members", egress.ThingAssignment: "pool"}[t]
		return fault.Field(field, "pool_stranded", "The pool "+fault.Quote(pool)+" would have no source that may send.")
	}
	return nil
}

// nextVersion is the number of the revision to come, if the change was made on what is
// there.
func nextVersion(ctx context.Context, q querier, t egress.Thing, name string, c egress.Change, there bool) (int, error) {
	var version int
	if err := q.QueryRowContext(ctx, "SELECT COALESCE(max(version), 0) FROM egress_revisions WHERE thing = $1 AND name = $2",
		string(t), plain(name)).Scan(&version); err != nil {
		return 0, err
	}
	if c.Version == egress.Absent && there || c.Version >= 0 && c.Version != version {
		return 0, fault.New(fault.Conflict, "egress_changed", "Somebody else has changed this meanwhile.")
	}
	return version + 1, nil
}

// revise keeps a change, if it is one.
func revise(ctx context.Context, tx *sql.Tx, t egress.Thing, name string, version int, c egress.Change, before, after string) error {
	if before == after {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO egress_revisions (thing, name, version, at, by_whom, before_text, after_text)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, string(t), plain(name), version, millis(c.At), plain(c.By), before, after)
	return err
}

// reviseSeeded keeps what a configuration changed.
func reviseSeeded(ctx context.Context, tx *sql.Tx, before egress.Plan, c egress.Change) error {
	after, err := readPlan(ctx, tx)
	if err != nil {
		return err
	}
	for _, one := range thingsOf(before, after) {
		was, is := thingText(before, one.thing, one.name), thingText(after, one.thing, one.name)
		if was == is {
			continue
		}
		version, err := nextVersion(ctx, tx, one.thing, one.name, c, was != "")
		if err != nil {
			return err
		}
		if err := revise(ctx, tx, one.thing, one.name, version, c, was, is); err != nil {
			return err
		}
	}
	return nil
}

// thingKey names one thing.
type thingKey struct {
	thing egress.Thing
	name  string
}

// thingsOf names every source, pool and assignment of the plans once.
func thingsOf(plans ...egress.Plan) []thingKey {
	var list []thingKey
	for _, p := range plans {
		for _, v := range p.Sources {
			list = append(list, thingKey{egress.ThingSource, v.Name})
		}
		for _, v := range p.Pools {
			list = append(list, thingKey{egress.ThingPool, v.Name})
		}
		for _, v := range p.Assignments {
			list = append(list, thingKey{egress.ThingAssignment, v.Name()})
		}
	}
	slices.SortFunc(list, func(a, b thingKey) int { return strings.Compare(string(a.thing)+a.name, string(b.thing)+b.name) })
	return slices.Compact(list)
}

// thingText is a thing of the plan in JSON, "" if it is not there.
func thingText(p egress.Plan, t egress.Thing, name string) string {
	switch t {
	case egress.ThingSource:
		if v, ok := p.Source(name); ok {
			return asJSON(v)
		}
	case egress.ThingPool:
		if v, ok := p.Pool(name); ok {
			return asJSON(v)
		}
	case egress.ThingAssignment:
		for _, v := range p.Assignments {
			if v.Name() == name {
				return asJSON(v)
			}
		}
	case egress.ThingShift:
		if v, ok := p.Shift(name); ok {
			return asJSON(v)
		}
	case egress.ThingPace:
		for _, v := range p.Paces {
			if v.Name() == name {
				return asJSON(v)
			}
		}
	}
	return ""
}

// PutSource implements egress.Store.
func (s *Store) PutSource(ctx context.Context, v egress.Source, pools []string, c egress.Change) error {
	return s.changePlan(ctx, "change source", egress.ThingSource, v.Name, c, func(tx *sql.Tx, before egress.Plan) error {
		if err := putSource(ctx, tx, putSourceText, v, "", c.At); err != nil {
			return err
		}
		old, there := before.Source(v.Name)
		if there && !old.WarmUpFrom.Equal(v.WarmUpFrom) {
			// Another warm-up: what was changed about the one before says nothing of it.
			if _, err := tx.ExecContext(ctx, "DELETE FROM egress_paces WHERE source = $1", plain(v.Name)); err != nil {
				return err
			}
		}
		if there {
			return nil
		}
		for _, pool := range pools {
			if err := s.join(ctx, tx, before, pool, v.Name, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// join makes a new source a member of a pool, with a revision of the pool.
func (s *Store) join(ctx context.Context, tx *sql.Tx, before egress.Plan, pool, source string, c egress.Change) error {
	c.Version = egress.AnyVersion
	version, err := nextVersion(ctx, tx, egress.ThingPool, pool, c, true)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO egress_members (pool, source, weight, seeder) VALUES ($1, $2, -1, '')",
		plain(pool), plain(source)); err != nil {
		return err
	}
	after, err := readPlan(ctx, tx)
	if err != nil {
		return err
	}
	return revise(ctx, tx, egress.ThingPool, pool, version, c, thingText(before, egress.ThingPool, pool), thingText(after, egress.ThingPool, pool))
}

// PutPool implements egress.Store.
func (s *Store) PutPool(ctx context.Context, p egress.Pool, c egress.Change) error {
	return s.changePlan(ctx, "change pool", egress.ThingPool, p.Name, c, func(tx *sql.Tx, _ egress.Plan) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO egress_pools (name, by_hand, updated_at) VALUES ($1, 1, $2)
			ON CONFLICT (name) DO UPDATE SET by_hand = 1, updated_at = excluded.updated_at`, plain(p.Name), millis(c.At)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM egress_members WHERE pool = $1", plain(p.Name)); err != nil {
			return err
		}
		for _, m := range p.Members {
			if _, err := tx.ExecContext(ctx, "INSERT INTO egress_members (pool, source, weight, seeder) VALUES ($1, $2, $3, '')",
				plain(p.Name), plain(m.Source), m.Weight); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemovePool implements egress.Store.
func (s *Store) RemovePool(ctx context.Context, name string, c egress.Change) error {
	return s.changePlan(ctx, "remove pool", egress.ThingPool, name, c, func(tx *sql.Tx, before egress.Plan) error {
		if before.InUse(name) {
			return fault.New(fault.Conflict, "pool_in_use", "Mail is assigned to this pool.")
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM egress_members WHERE pool = $1", plain(name)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM egress_pools WHERE name = $1", plain(name))
		return touched(res, err, "pool_unknown")
	})
}

// Assign implements egress.Store.
func (s *Store) Assign(ctx context.Context, a egress.Assignment, c egress.Change) error {
	return s.changePlan(ctx, "assign pool", egress.ThingAssignment, a.Name(), c, func(tx *sql.Tx, _ egress.Plan) error {
		if a.Pool == "" {
			_, err := tx.ExecContext(ctx, "DELETE FROM egress_assignments WHERE tenant = $1 AND stream = $2", a.Tenant[:], string(a.Stream))
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO egress_assignments (tenant, stream, pool, seeder) VALUES ($1, $2, $3, '')
			ON CONFLICT (tenant, stream) DO UPDATE SET pool = excluded.pool, seeder = ''`, a.Tenant[:], string(a.Stream), plain(a.Pool))
		return err
	})
}

// PutPace implements egress.Store.
func (s *Store) PutPace(ctx context.Context, p egress.Pace, c egress.Change) error {
	return s.changePlan(ctx, "change warm-up", egress.ThingPace, p.Name(), c, func(tx *sql.Tx, _ egress.Plan) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO egress_paces (source, provider, shift, paused_on, finished) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (source, provider) DO UPDATE SET shift = excluded.shift, paused_on = excluded.paused_on, finished = excluded.finished`,
			plain(p.Source), plain(p.Provider), p.Shift, int64(p.PausedOn), flag(p.Finished))
		return err
	})
}

// FollowConfiguration implements egress.Store.
func (s *Store) FollowConfiguration(ctx context.Context, source string, c egress.Change) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := nextVersion(ctx, tx, egress.ThingSource, source, c, true); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "UPDATE egress_sources SET seeder = node, updated_at = $2 WHERE name = $1 AND node <> ''",
			plain(source), millis(c.At))
		return touched(res, err, "source_unknown")
	})
	if err != nil {
		return fmt.Errorf("follow configuration: %w", err)
	}
	return nil
}

// maxRevisions bounds a list of revisions.
const maxRevisions = 200

// Revisions implements egress.Store.
func (s *Store) Revisions(ctx context.Context, t egress.Thing, name string) ([]egress.Revision, error) {
	var list []egress.Revision
	rows, err := s.read.QueryContext(ctx, `SELECT thing, name, version, at, by_whom, before_text, after_text FROM egress_revisions
		WHERE ($1 = '' OR thing = $1) AND ($2 = '' OR name = $2) ORDER BY at DESC, version DESC, thing, name LIMIT $3`,
		string(t), plain(name), maxRevisions)
	err = scan(rows, err, func(row *sql.Rows) error {
		var r egress.Revision
		err := row.Scan(&r.Thing, &r.Name, &r.Version, instant{&r.At}, &r.By, &r.Before, &r.After)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read revisions: %w", s.refusal(err))
	}
	return list, nil
}

// Ways implements egress.Store.
func (s *Store) Ways(ctx context.Context) (egress.Ways, error) {
	w := egress.Ways{Standings: map[egress.Thing]map[string]egress.Standing{}, Addresses: map[string][]netip.Addr{}}
	var err error
	if w.Plan, err = readPlan(ctx, s.read); err == nil {
		err = errors.Join(readStandings(ctx, s.read, &w), readAddresses(ctx, s.read, &w))
	}
	if err != nil {
		return w, fmt.Errorf("read ways out: %w", s.refusal(err))
	}
	return w, nil
}

// readStandings reads versions and where things come from.
func readStandings(ctx context.Context, q querier, w *egress.Ways) error {
	set := func(t egress.Thing, name string, change func(*egress.Standing)) {
		if w.Standings[t] == nil {
			w.Standings[t] = map[string]egress.Standing{}
		}
		v := w.Standings[t][name]
		change(&v)
		w.Standings[t][name] = v
	}
	rows, err := q.QueryContext(ctx, "SELECT thing, name, max(version) FROM egress_revisions GROUP BY thing, name")
	if err := scan(rows, err, func(row *sql.Rows) error {
		var t egress.Thing
		var name string
		var version int
		err := row.Scan(&t, &name, &version)
		set(t, name, func(v *egress.Standing) { v.Version = version })
		return err
	}); err != nil {
		return err
	}
	rows, err = q.QueryContext(ctx, "SELECT name, seeder FROM egress_sources")
	if err := scan(rows, err, func(row *sql.Rows) error {
		var name, seeder string
		err := row.Scan(&name, &seeder)
		set(egress.ThingSource, name, func(v *egress.Standing) { v.Seeder = seeder })
		return err
	}); err != nil {
		return err
	}
	rows, err = q.QueryContext(ctx, `SELECT p.name, COALESCE(max(m.seeder), '') FROM egress_pools p
		LEFT JOIN egress_members m ON m.pool = p.name WHERE p.by_hand = 0 GROUP BY p.name`)
	return scan(rows, err, func(row *sql.Rows) error {
		var name, seeder string
		err := row.Scan(&name, &seeder)
		set(egress.ThingPool, name, func(v *egress.Standing) { v.Seeder = seeder })
		return err
	})
}

func readAddresses(ctx context.Context, q querier, w *egress.Ways) error {
	rows, err := q.QueryContext(ctx, "SELECT node, ip FROM egress_node_addresses ORDER BY node, ip")
	return scan(rows, err, func(row *sql.Rows) error {
		var node, text string
		if err := row.Scan(&node, &text); err != nil {
			return err
		}
		a, err := netip.ParseAddr(text)
		w.Addresses[node] = append(w.Addresses[node], a)
		return err
	})
}

// PutNodeAddresses implements egress.Store.
func (s *Store) PutNodeAddresses(ctx context.Context, node string, list []netip.Addr) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM egress_node_addresses WHERE node = $1", plain(node)); err != nil {
			return err
		}
		for _, a := range list {
			if _, err := tx.ExecContext(ctx, "INSERT INTO egress_node_addresses (node, ip) VALUES ($1, $2) ON CONFLICT DO NOTHING",
				plain(node), a.Unmap().String()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put addresses of a node: %w", err)
	}
	return nil
}

// PutTask implements egress.Store.
func (s *Store) PutTask(ctx context.Context, t egress.TaskDone) error {
	var err error
	if t.At.IsZero() {
		_, err = s.write.ExecContext(ctx, "DELETE FROM egress_tasks WHERE source = $1 AND task = $2", plain(t.Source), string(t.Task))
	} else {
		_, err = s.write.ExecContext(ctx, `INSERT INTO egress_tasks (source, task, done_by, done_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (source, task) DO UPDATE SET done_by = excluded.done_by, done_at = excluded.done_at`,
			plain(t.Source), string(t.Task), plain(t.By), millis(t.At))
	}
	if err != nil {
		return fmt.Errorf("put task: %w", s.refusal(err))
	}
	return nil
}

// Tasks implements egress.Store.
func (s *Store) Tasks(ctx context.Context) ([]egress.TaskDone, error) {
	var list []egress.TaskDone
	rows, err := s.read.QueryContext(ctx, "SELECT source, task, done_by, done_at FROM egress_tasks ORDER BY source, task")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t egress.TaskDone
		err := row.Scan(&t.Source, &t.Task, &t.By, instant{&t.At})
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", s.refusal(err))
	}
	return list, nil
}

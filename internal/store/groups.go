package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

var _ audience.GroupStore = (*Store)(nil)

const groupColumns = "id, version, name, description, kind, segment, actor, members, counted_at, created_at, updated_at"

func readGroup(row scanner, t tenant.ID) (audience.Group, error) {
	g := audience.Group{Tenant: t}
	var segment audience.Segment
	err := row.Scan(&g.ID, &g.Version, &g.Name, &g.Description, &g.Kind, document{&segment}, &g.Actor, &g.Members, instant{&g.CountedAt},
		instant{&g.CreatedAt}, instant{&g.UpdatedAt})
	if g.Kind == audience.Dynamic {
		g.Segment = &segment
	}
	return g, err
}

func segmentText(g audience.Group) any {
	if g.Segment == nil {
		return nil
	}
	return plain(asJSON(g.Segment))
}

func (s *Store) groupTaken(err error) error {
	if err != nil && s.failureOf(err) == failConflict {
		return &fault.Error{Kind: fault.Conflict, Code: "group_name_taken", Field: "name", Detail: "Another group has this name.", Err: err}
	}
	return err
}

// CreateGroup implements audience.GroupStore. Two that are made at the same moment may pass
// the limits together by one.
func (s *Store) CreateGroup(ctx context.Context, g audience.Group) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var all, dynamic int
		err := tx.QueryRowContext(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN kind = 'dynamic' THEN 1 ELSE 0 END), 0) FROM contact_groups
			WHERE tenant = $1 AND gone = 0`, g.Tenant[:]).Scan(&all, &dynamic)
		if err != nil {
			return err
		}
		if all >= audience.MaxGroups || g.Kind == audience.Dynamic && dynamic >= audience.MaxDynamicGroups {
			return fault.New(fault.Limited, "groups_too_many", "An account has at most 500 groups, 50 of them dynamic.")
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO contact_groups (tenant, id, version, name, fold, description, kind, segment, actor, members,
			counted_at, created_at, updated_at, gone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)`,
			g.Tenant[:], g.ID[:], g.Version, plain(g.Name), plain(audience.Fold(g.Name)), plain(g.Description), string(g.Kind), segmentText(g),
			plain(g.Actor), g.Members, optional(g.CountedAt), millis(g.CreatedAt), millis(g.UpdatedAt))
		return s.groupTaken(err)
	})
	if err != nil {
		return fmt.Errorf("create group: %w", err)
	}
	return nil
}

// ChangeGroup implements audience.GroupStore.
func (s *Store) ChangeGroup(ctx context.Context, g audience.Group) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := s.heldGroup(ctx, tx, g.Tenant, g.ID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE contact_groups SET version = $3, name = $4, fold = $5, description = $6, segment = $7, members = $8,
			counted_at = $9, updated_at = $10 WHERE tenant = $1 AND id = $2 AND version = $3 - 1`,
			g.Tenant[:], g.ID[:], g.Version, plain(g.Name), plain(audience.Fold(g.Name)), plain(g.Description), segmentText(g), g.Members,
			optional(g.CountedAt), millis(g.UpdatedAt))
		if err != nil {
			return s.groupTaken(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "group_changed", "Somebody else has changed the group meanwhile.")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change group: %w", err)
	}
	return nil
}

// heldGroup reads a group that nobody else may change before the commit.
func (s *Store) heldGroup(ctx context.Context, tx *sql.Tx, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	found, err := readGroup(tx.QueryRowContext(ctx, "SELECT "+groupColumns+" FROM contact_groups WHERE tenant = $1 AND id = $2 AND gone = 0"+s.dialect.lockRow(), t[:], g[:]), t)
	return found, missing(err, "group_not_found")
}

// Group implements audience.GroupStore.
func (s *Store) Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	found, err := readGroup(s.read.QueryRowContext(ctx, "SELECT "+groupColumns+" FROM contact_groups WHERE tenant = $1 AND id = $2 AND gone = 0", t[:], g[:]), t)
	if err != nil {
		return audience.Group{}, fmt.Errorf("read group: %w", s.refusal(missing(err, "group_not_found")))
	}
	return found, nil
}

// Groups implements audience.GroupStore.
func (s *Store) Groups(ctx context.Context, t tenant.ID) ([]audience.Group, error) {
	var list []audience.Group
	rows, err := s.read.QueryContext(ctx, "SELECT "+groupColumns+" FROM contact_groups WHERE tenant = $1 AND gone = 0 ORDER BY fold, id", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		g, err := readGroup(row, t)
		list = append(list, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", s.refusal(err))
	}
	return list, nil
}

// CountGroup implements audience.GroupStore.
func (s *Store) CountGroup(ctx context.Context, t tenant.ID, g audience.GroupID, now time.Time) (int64, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil || found.Kind != audience.Dynamic {
		return found.Members, err
	}
	n, err := s.CountSegment(ctx, t, *found.Segment)
	if err != nil {
		return 0, err
	}
	// Of a version that is gone meanwhile the number says nothing.
	_, err = s.write.ExecContext(ctx, "UPDATE contact_groups SET members = $4, counted_at = $5 WHERE tenant = $1 AND id = $2 AND version = $3",
		t[:], g[:], found.Version, n, millis(now))
	if err != nil {
		return 0, fmt.Errorf("keep count of group: %w", s.refusal(err))
	}
	return n, nil
}

// DeleteGroup implements audience.GroupStore.
func (s *Store) DeleteGroup(ctx context.Context, t tenant.ID, g audience.GroupID, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := s.heldGroup(ctx, tx, t, g); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE contact_groups SET gone = 1, members = 0, updated_at = $3 WHERE tenant = $1 AND id = $2", t[:], g[:], millis(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE contact_imports SET state = 'cancelled', ended_at = $3, expires_at = $3 WHERE tenant = $1 AND grp = $2`,
			t[:], g[:], millis(now))
		return err
	})
	if err == nil {
		err = s.dropGroup(ctx, t, g)
	}
	if err != nil {
		return fmt.Errorf("delete group: %w", s.refusal(err))
	}
	return nil
}

// DropGroups implements audience.GroupStore.
func (s *Store) DropGroups(ctx context.Context) (int, error) {
	type place struct {
		tenant tenant.ID
		group  audience.GroupID
	}
	var list []place
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, id FROM contact_groups WHERE gone = 1 ORDER BY tenant, id")
	err = scan(rows, err, func(row *sql.Rows) error {
		var p place
		err := row.Scan(&p.tenant, &p.group)
		list = append(list, p)
		return err
	})
	for i := 0; err == nil && i < len(list); i++ {
		err = s.dropGroup(ctx, list[i].tenant, list[i].group)
	}
	if err != nil {
		return 0, fmt.Errorf("drop groups: %w", s.refusal(err))
	}
	return len(list), nil
}

// dropMembers is how many members go in one transaction, so that mail need not wait.
const dropMembers = 5000

// dropGroup takes away what is left of a group that nobody sees any more.
func (s *Store) dropGroup(ctx context.Context, t tenant.ID, g audience.GroupID) error {
	for more := true; more; {
		res, err := s.write.ExecContext(ctx, `DELETE FROM group_members WHERE tenant = $1 AND grp = $2 AND contact IN (SELECT m.contact FROM group_members m
			WHERE m.tenant = $1 AND m.grp = $2 ORDER BY m.contact LIMIT $3)`, t[:], g[:], dropMembers)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		more = n == dropMembers
	}
	return s.transact(ctx, func(tx *sql.Tx) error {
		for _, text := range []string{
			"DELETE FROM group_batches WHERE tenant = $1 AND grp = $2",
			"DELETE FROM group_bounds WHERE tenant = $1 AND grp = $2",
			"DELETE FROM contact_groups WHERE tenant = $1 AND id = $2 AND gone = 1",
		} {
			if _, err := tx.ExecContext(ctx, text, t[:], g[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// batchesShown bounds the batches of one group that are told of.
const batchesShown = 500

// GroupFacts implements audience.GroupStore.
func (s *Store) GroupFacts(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (audience.GroupFacts, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return audience.GroupFacts{}, err
	}
	facts := audience.GroupFacts{Members: found.Members}
	err = s.read.QueryRowContext(ctx, "SELECT CAST(COALESCE(sum(added), 0) AS BIGINT) FROM group_batches WHERE tenant = $1 AND grp = $2 AND at >= $3",
		t[:], g[:], millis(since)).Scan(&facts.AddedSince)
	if err == nil {
		facts.Batches, err = s.batches(ctx, t, g)
	}
	if err != nil {
		return audience.GroupFacts{}, fmt.Errorf("read facts of group: %w", s.refusal(err))
	}
	return facts, nil
}

func (s *Store) batches(ctx context.Context, t tenant.ID, g audience.GroupID) (list []audience.Batch, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, origin, name, source, actor, at, added, undone FROM group_batches
		WHERE tenant = $1 AND grp = $2 ORDER BY id DESC LIMIT $3`, t[:], g[:], batchesShown)
	err = scan(rows, err, func(row *sql.Rows) error {
		b := audience.Batch{Tenant: t, Group: g}
		err := row.Scan(&b.ID, &b.Origin, &b.Name, &b.Source, &b.Actor, instant{&b.At}, &b.Added, truth{&b.Undone})
		list = append(list, b)
		return err
	})
	return list, err
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/pause"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ pause.Store = (*Store)(nil)

// groupTally names one row of group_tallies of a tenant.
type groupTally struct {
	group audience.GroupID
	start int64
	what  string
}

// addGroupTallies adds to the rows in the order of their keys.
func addGroupTallies(ctx context.Context, tx *sql.Tx, t tenant.ID, sums map[groupTally]int64) error {
	keys := make([]groupTally, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b groupTally) int {
		return cmp.Or(slices.Compare(a.group[:], b.group[:]), cmp.Compare(a.start, b.start), cmp.Compare(a.what, b.what))
	})
	for _, k := range keys {
		_, err := tx.ExecContext(ctx, `INSERT INTO group_tallies (tenant, grp, start, what, n) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, grp, start, what) DO UPDATE SET n = group_tallies.n + excluded.n`, t[:], k.group[:], k.start, k.what, sums[k])
		if err != nil {
			return err
		}
	}
	return nil
}

// noteWithdrawal notes that a recipient wants no more of a group.
func (s *Store) noteWithdrawal(ctx context.Context, tx *sql.Tx, t tenant.ID, e *event.Event) error {
	if len(pause.CountsOf(e)) == 0 {
		return nil
	}
	var tags []string
	m := message.Of(e.Delivery)
	err := tx.QueryRowContext(ctx, "SELECT tags FROM messages WHERE tenant = $1 AND id = $2", t[:], m[:]).Scan(document{&tags})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	notes := tallyNotes{}
	notes.addGroup(t, e, (&queue.Entry{Tags: tags}).Group())
	return s.texts.notes.insert(ctx, s.texts, tx, notes.rows())
}

// GroupFigures implements pause.Store.
func (s *Store) GroupFigures(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (f pause.Figures, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT what, CAST(SUM(n) AS BIGINT) FROM group_tallies WHERE tenant = $1 AND grp = $2 AND start >= $3 GROUP BY what", t[:], g[:], millis(since))
	err = scan(rows, err, func(row *sql.Rows) error {
		var what pause.Count
		var n int64
		err := row.Scan(&what, &n)
		switch what {
		case pause.CountSent:
			f.Sent = n
		case pause.CountHard:
			f.Hard = n
		case pause.CountComplaints:
			f.Complaints = n
		case pause.CountUnsubscribes:
			f.Unsubscribes = n
		}
		return err
	})
	if err != nil {
		return f, fmt.Errorf("read figures of group: %w", s.refusal(err))
	}
	return f, nil
}

// StirredGroups implements pause.Store.
func (s *Store) StirredGroups(ctx context.Context, since time.Time) (list []pause.GroupOf, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, grp FROM group_tallies WHERE start >= $1 GROUP BY tenant, grp ORDER BY tenant, grp", millis(since.Truncate(time.Hour)))
	err = scan(rows, err, func(row *sql.Rows) error {
		var of pause.GroupOf
		err := row.Scan(&of.Tenant, &of.Group)
		list = append(list, of)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find groups with figures: %w", s.refusal(err))
	}
	return list, nil
}

const pauseColumns = "tenant, grp, at, cause, figures, released_at, released_by, self, note, freed"

func (s *Store) pauses(ctx context.Context, doing, where string, args ...any) (list []pause.Pause, err error) {
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+pauseColumns+" FROM group_pauses "+where, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var p pause.Pause
		err := row.Scan(&p.Tenant, &p.Group, instant{&p.At}, &p.Cause, document{&p.Figures}, instant{&p.ReleasedAt}, &p.ReleasedBy, truth{&p.Self}, &p.Note, truth{&p.Freed})
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, s.refusal(err))
	}
	return list, nil
}

// PutPause implements pause.Store.
func (s *Store) PutPause(ctx context.Context, p pause.Pause) (made bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "INSERT INTO group_pauses ("+pauseColumns+") VALUES ($1, $2, $3, $4, $5, 0, '', 0, '', 0) ON CONFLICT DO NOTHING",
			p.Tenant[:], p.Group[:], millis(p.At), string(p.Cause), asJSON(p.Figures))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if made = n > 0; err != nil || !made {
			return err
		}
		return s.notePause(ctx, tx, p)
	})
	if err != nil {
		return false, fmt.Errorf("pause group: %w", err)
	}
	return made, nil
}

// PausesOf implements pause.Store.
func (s *Store) PausesOf(ctx context.Context, t tenant.ID) ([]pause.Pause, error) {
	return s.pauses(ctx, "list pauses", "WHERE tenant = $1 ORDER BY at DESC, grp LIMIT 200", t[:])
}

// Pauses implements pause.Store.
func (s *Store) Pauses(ctx context.Context) ([]pause.Pause, error) {
	return s.pauses(ctx, "list pauses", "ORDER BY at DESC, tenant, grp LIMIT 200")
}

// EndPause implements pause.Store.
func (s *Store) EndPause(ctx context.Context, p pause.Pause) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE group_pauses SET released_at = $4, released_by = $5, self = $6, note = $7 WHERE tenant = $1 AND grp = $2 AND at = $3 AND released_at = 0",
			p.Tenant[:], p.Group[:], millis(p.At), millis(p.ReleasedAt), plain(p.ReleasedBy), flag(p.Self), plain(p.Note))
		if err := touched(res, err, pause.CodeNone); err != nil {
			return err
		}
		return s.notePause(ctx, tx, p)
	})
	if err != nil {
		return fmt.Errorf("end pause: %w", err)
	}
	return nil
}

// UnfreedPauses implements pause.Store.
func (s *Store) UnfreedPauses(ctx context.Context) ([]pause.Pause, error) {
	return s.pauses(ctx, "find ended pauses", "WHERE freed = 0 AND released_at > 0 ORDER BY tenant, at LIMIT 200")
}

// FreePaused implements pause.Store.
func (s *Store) FreePaused(ctx context.Context, t tenant.ID, g audience.GroupID, limit int, now time.Time) (int, error) {
	act, err := actionOf(queue.Resume)
	if err != nil {
		return 0, err
	}
	act.set += lateRelease
	freed, err := s.act(ctx, act, "system", "", now, func(tx *sql.Tx) (list []queue.Listed, err error) {
		//nolint:gosec // G202: constants and placeholders only
		rows, err := tx.QueryContext(ctx, `SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.state = 'held' AND d.state IN ('deferred', 'held') AND d.reason = $2
			AND EXISTS (SELECT 1 FROM message_tags g WHERE g.tenant = $1 AND g.tag = $3 AND g.message = `+s.dialect.messageOf("d.id")+`)
			ORDER BY d.id LIMIT $4`+s.dialect.lockRows(false), t[:], pause.ReasonHeld, queue.GroupTag+g.String(), limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			v := queue.Listed{Tenant: t}
			err := row.Scan(&v.Delivery)
			list = append(list, v)
			return err
		})
		return list, err
	})
	if err != nil {
		return 0, fmt.Errorf("free mail to group: %w", err)
	}
	return len(freed), nil
}

// PauseFreed implements pause.Store.
func (s *Store) PauseFreed(ctx context.Context, p pause.Pause) error {
	_, err := s.write.ExecContext(ctx, "UPDATE group_pauses SET freed = 1 WHERE tenant = $1 AND grp = $2 AND at = $3", p.Tenant[:], p.Group[:], millis(p.At))
	if err != nil {
		return fmt.Errorf("note freed deliveries: %w", s.refusal(err))
	}
	return nil
}

// GroupLimits implements pause.Store.
func (s *Store) GroupLimits(ctx context.Context, t tenant.ID) (l pause.Limits, ok bool, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT limits FROM group_limits WHERE tenant = $1", t[:]).Scan(document{&l})
	if errors.Is(err, sql.ErrNoRows) {
		return pause.Limits{}, false, nil
	}
	if err != nil {
		return pause.Limits{}, false, fmt.Errorf("read limits of groups: %w", s.refusal(err))
	}
	return l, true, nil
}

// PutGroupLimits implements pause.Store.
func (s *Store) PutGroupLimits(ctx context.Context, t tenant.ID, l *pause.Limits) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if l == nil {
			_, err := tx.ExecContext(ctx, "DELETE FROM group_limits WHERE tenant = $1", t[:])
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO group_limits (tenant, limits) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET limits = excluded.limits", t[:], asJSON(l))
		return err
	})
	if err != nil {
		return fmt.Errorf("set limits of groups: %w", err)
	}
	return nil
}

// GroupBounds implements pause.Store.
func (s *Store) GroupBounds(ctx context.Context, t tenant.ID) (list []pause.Bound, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT grp, staff, shares, reason, actor, at FROM group_bounds WHERE tenant = $1 ORDER BY grp, staff LIMIT 1000", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		b := pause.Bound{Tenant: t}
		err := row.Scan(&b.Group, truth{&b.Staff}, document{&b.Shares}, &b.Reason, &b.Actor, instant{&b.At})
		list = append(list, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read own limits of groups: %w", s.refusal(err))
	}
	return list, nil
}

// PutGroupBound implements pause.Store.
func (s *Store) PutGroupBound(ctx context.Context, b pause.Bound) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if b.Shares == (pause.Shares{}) {
			_, err := tx.ExecContext(ctx, "DELETE FROM group_bounds WHERE tenant = $1 AND grp = $2 AND staff = $3", b.Tenant[:], b.Group[:], flag(b.Staff))
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO group_bounds (tenant, grp, staff, shares, reason, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, grp, staff) DO UPDATE SET shares = excluded.shares, reason = excluded.reason, actor = excluded.actor, at = excluded.at`,
			b.Tenant[:], b.Group[:], flag(b.Staff), asJSON(b.Shares), plain(b.Reason), plain(b.Actor), millis(b.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("set own limits of groups: %w", err)
	}
	return nil
}

// DropGroupTallies implements pause.Store.
func (s *Store) DropGroupTallies(ctx context.Context, before time.Time) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM group_tallies WHERE start < $1", millis(before)); err != nil {
		return fmt.Errorf("drop figures of groups: %w", s.refusal(err))
	}
	return nil
}

// FreeUnlocked lets mail go on that was held because its account was locked, of all accounts
// that no longer are, limit deliveries in one transaction, and returns how many these were.
func (s *Store) FreeUnlocked(ctx context.Context, limit int, now time.Time) (int, error) {
	tenants, err := tenantsOf(ctx, s.read, "SELECT id FROM tenants WHERE lock_changed > 0 AND state <> 'locked' ORDER BY id")
	sum := 0
	for i := 0; err == nil && i < len(tenants); i++ {
		freed := 0
		for n := limit; err == nil && n == limit; freed += n {
			n, err = s.freeHeld(ctx, tenants[i], tenant.ReasonLocked, limit, now)
		}
		if sum += freed; err != nil || freed > 0 {
			continue
		}
		// Nobody holds any more a minute after the lock was lifted.
		_, err = s.write.ExecContext(ctx, "UPDATE tenants SET lock_changed = 0 WHERE id = $1 AND state <> 'locked' AND lock_changed < $2", tenants[i][:], millis(now.Add(-time.Minute)))
	}
	if err != nil {
		return sum, fmt.Errorf("free mail of unlocked accounts: %w", s.refusal(err))
	}
	return sum, nil
}

// LockedBy is who locked an account, as the record of who did what names them; "" where
// nobody is named or it is not locked.
func (s *Store) LockedBy(ctx context.Context, t tenant.ID) (by string, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT locked_by FROM tenants WHERE id = $1 AND state = 'locked'", t[:]).Scan(&by)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read who locked: %w", s.refusal(err))
	}
	return by, nil
}

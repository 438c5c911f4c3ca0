package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// RaisePatternAlarm implements approval.Store.
func (s *Store) RaisePatternAlarm(ctx context.Context, a approval.Alarm) (bool, error) {
	res, err := s.write.ExecContext(ctx, `INSERT INTO approval_alarms (tenant, shape, grp, stream, members, at, ended_at, freed) VALUES ($1, $2, $3, $4, $5, $6, 0, 1)
		ON CONFLICT (tenant, shape) DO UPDATE SET grp = excluded.grp, stream = excluded.stream, members = excluded.members, at = excluded.at, ended_at = 0, freed = 1
		WHERE approval_alarms.ended_at > 0`, a.Tenant[:], a.Shape[:], a.Group[:], string(a.Stream), a.Members, millis(a.At))
	if err != nil {
		return false, fmt.Errorf("raise alarm: %w", s.refusal(err))
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

const (
	// alarmsShown bounds the alarms that staff see, alarmsStanding those that hold mail.
	alarmsShown    = 200
	alarmsStanding = 10_000
)

// StandingPatterns implements approval.Store.
func (s *Store) StandingPatterns(ctx context.Context) (list []approval.Alarm, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, shape, grp, stream, members, at FROM approval_alarms WHERE ended_at = 0 ORDER BY at DESC LIMIT $1", alarmsStanding)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a approval.Alarm
		var shape []byte
		err := row.Scan(&a.Tenant, &shape, &a.Group, &a.Stream, &a.Members, instant{&a.At})
		copy(a.Shape[:], shape)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", s.refusal(err))
	}
	return list, nil
}

// PatternAlarms implements approval.Store.
func (s *Store) PatternAlarms(ctx context.Context) (shown []approval.Alarm, err error) {
	list, err := s.StandingPatterns(ctx)
	for _, a := range list {
		at := slices.IndexFunc(shown, func(o approval.Alarm) bool { return o.Tenant == a.Tenant && o.Group == a.Group && o.Stream == a.Stream })
		switch {
		case at < 0 && len(shown) < alarmsShown:
			shown = append(shown, a)
		case at >= 0 && a.Members > shown[at].Members:
			shown[at] = a
		}
	}
	return shown, err
}

// EndPatternAlarm implements approval.Store.
func (s *Store) EndPatternAlarm(ctx context.Context, t tenant.ID, shape approval.Shape, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var grp []byte
		var stream string
		err := tx.QueryRowContext(ctx, "SELECT grp, stream FROM approval_alarms WHERE tenant = $1 AND shape = $2 AND ended_at = 0"+s.dialect.lockRow(), t[:], shape[:]).Scan(&grp, &stream)
		if err != nil {
			return missing(err, approval.CodeUnknown)
		}
		_, err = tx.ExecContext(ctx, "UPDATE approval_alarms SET ended_at = $4, freed = 0 WHERE tenant = $1 AND grp = $2 AND stream = $3 AND ended_at = 0", t[:], grp, stream, millis(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("end alarm: %w", err)
	}
	return nil
}

// CountPattern implements approval.Store.
func (s *Store) CountPattern(ctx context.Context, p approval.Pattern) (members int, most audience.GroupID, err error) {
	args := make([]any, 0, len(p.Members)*5)
	for i := range p.Members {
		m := &p.Members[i]
		args = append(args, p.Tenant[:], p.Shape[:], m.Hash[:], m.Group[:], millis(p.At))
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		members = 0
		if err := s.texts.patterns.insert(ctx, s.texts, tx, args); err != nil {
			return err
		}
		most := &most
		rows, err := tx.QueryContext(ctx, `SELECT grp, count(*) FROM approval_patterns WHERE tenant = $1 AND shape = $2 AND at > $3
			AND at > COALESCE((SELECT a.ended_at FROM approval_alarms a WHERE a.tenant = $1 AND a.shape = $2), 0)
			GROUP BY grp ORDER BY count(*) DESC, grp`, p.Tenant[:], p.Shape[:], millis(p.At.Add(-approval.PatternWindow)))
		return scan(rows, err, func(row *sql.Rows) error {
			var group audience.GroupID
			n := 0
			err := row.Scan(&group, &n)
			if members == 0 {
				*most = group
			}
			members += n
			return err
		})
	})
	if err != nil {
		return 0, most, fmt.Errorf("count pattern: %w", err)
	}
	return members, most, nil
}

// FreePatterns implements approval.Store.
func (s *Store) FreePatterns(ctx context.Context, limit int, now time.Time) (sum int, err error) {
	tenants, err := tenantsOf(ctx, s.read, "SELECT tenant FROM approval_alarms WHERE freed = 0 ORDER BY tenant")
	for _, t := range slices.Compact(tenants) {
		n, err := s.freePatterns(ctx, t, limit, now)
		if sum += n; err != nil {
			return sum, fmt.Errorf("free mail that alarms held: %w", s.refusal(err))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("find alarms that ended: %w", s.refusal(err))
	}
	return sum, nil
}

func (s *Store) freePatterns(ctx context.Context, t tenant.ID, limit int, now time.Time) (sum int, err error) {
	var standing int
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM approval_alarms WHERE tenant = $1 AND ended_at = 0", t[:]).Scan(&standing)
	if err != nil || standing > 0 {
		return 0, err
	}
	for n := limit; n == limit; sum += n {
		if n, err = s.freeHeld(ctx, t, approval.ReasonShape, limit, now); err != nil {
			return sum, err
		}
	}
	// Nodes that have not heard of the end may hold some more for a while.
	_, err = s.write.ExecContext(ctx, "UPDATE approval_alarms SET freed = 1 WHERE tenant = $1 AND freed = 0 AND ended_at < $2", t[:], millis(now.Add(-time.Minute)))
	return sum, err
}

// DropPatterns implements approval.Store.
func (s *Store) DropPatterns(ctx context.Context, before time.Time) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM approval_patterns WHERE at < $1", millis(before)); err != nil {
		return fmt.Errorf("drop patterns: %w", s.refusal(err))
	}
	return nil
}

package store

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/fault"
)

// Agree holds a value to what the first node of this database said under the name.
// A node that says otherwise gets Conflict "nodes_disagree".
func (s *Store) Agree(ctx context.Context, name, value string) error {
	if _, err := s.write.ExecContext(ctx, "INSERT INTO agreements (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, value); err != nil {
		return fmt.Errorf("agree on %s: %w", name, s.refusal(err))
	}
	var agreed string
	if err := s.write.QueryRowContext(ctx, "SELECT value FROM agreements WHERE name = $1", name).Scan(&agreed); err != nil {
		return fmt.Errorf("agree on %s: %w", name, s.refusal(err))
	}
	if agreed != value {
		return fault.New(fault.Conflict, "nodes_disagree", "The "+name+" is not the one this database was set up with.")
	}
	return nil
}

// singletonMost is the longest that is held without being asked for again.
const singletonMost = 6 * time.Hour

// Singleton asks for what only one node may do at a time, by name: it reports
// whether the holder has it until then. Who has it asks again before that time;
// asking for a time that is not after now gives it up. Both times are those of
// Store.Now, so that all nodes mean the same.
//
// A holder whose time is further away than twice what is asked for now has it by a
// clock that has been set back since, and loses it.
//
// It keeps work from being done twice for nothing. It does not fence: what is done
// under it must bear being done by two nodes at once, as a node may be paused at any
// moment.
func (s *Store) Singleton(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	res, err := s.write.ExecContext(ctx, `INSERT INTO singletons (name, holder, until) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE singletons.holder = excluded.holder OR singletons.until <= $4 OR singletons.until > $5`,
		name, plain(holder), millis(until), millis(now), millis(now.Add(max(2*until.Sub(now), singletonMost))))
	if err != nil {
		return false, fmt.Errorf("take singleton %s: %w", name, s.refusal(err))
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("take singleton %s: %w", name, err)
	}
	return n > 0 && until.After(now), nil
}

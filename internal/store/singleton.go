package store

import (
	"context"
	"fmt"
	"time"
)

// Singleton asks for what only one node may do at a time, by name: it reports
// whether the holder has it until then. Who has it asks again before that time;
// asking for a time that is not after now gives it up. Both times are those of
// Store.Now, so that all nodes mean the same.
//
// It keeps work from being done twice for nothing. It does not fence: what is done
// under it must bear being done by two nodes at once, as a node may be paused at any
// moment.
func (s *Store) Singleton(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	res, err := s.write.ExecContext(ctx, `INSERT INTO singletons (name, holder, until) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE singletons.holder = excluded.holder OR singletons.until <= $4`,
		name, plain(holder), millis(until), millis(now))
	if err != nil {
		return false, fmt.Errorf("take singleton %s: %w", name, s.refusal(err))
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("take singleton %s: %w", name, err)
	}
	return n > 0 && until.After(now), nil
}

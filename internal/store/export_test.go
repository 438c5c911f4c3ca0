package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// Migrate makes the tables of an empty database and leaves it as nobody has opened it.
func Migrate(ctx context.Context, cfg Config) error {
	s := &Store{cfg: cfg}
	err := s.connect(ctx)
	if err == nil {
		err = migrate(ctx, s.dialect, s.write)
	}
	if err == nil && s.dialect.onlyProcess() {
		_, err = s.write.ExecContext(ctx, s.dialect.checkpoint())
	}
	return errors.Join(err, s.disconnect())
}

// LimitPages lets the database grow no further until lift is called.
func LimitPages(t *testing.T, s *Store) (lift func()) {
	t.Helper()
	set := func(pages int) {
		t.Helper()
		var have int
		if err := s.write.QueryRowContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&have); err != nil {
			t.Fatal(err)
		}
	}
	set(1) // SQLite takes the present size instead
	return func() { set(1 << 30) }
}

// DirOf is where a store on SQLite keeps its data.
func DirOf(s *Store) string { return s.cfg.DataDir }

// WhileWriting calls f while somebody else has the one connection that writes.
func WhileWriting(t *testing.T, s *Store, f func()) {
	t.Helper()
	c, err := s.write.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

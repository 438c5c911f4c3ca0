package store

import (
	"context"
	"fmt"
	"testing"
)

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

package store

import (
	"database/sql"
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// TestOpenedMailIsMarked: the index of mail that nobody opened holds no mail that somebody
// opened, so that who asks for the former does not walk the latter.
func TestOpenedMailIsMarked(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	of, opened, shut := tenant.ID{1}, id.New[message.Kind](now), id.New[message.Kind](now)
	for _, m := range []message.ID{opened, shut} {
		if _, err := s.write.ExecContext(t.Context(), "INSERT INTO tracked_messages (tenant, message, level, rule, recipients) VALUES ($1, $2, 3, 'tenant', 1)", of[:], m[:]); err != nil {
			t.Fatal(err)
		}
	}
	a := tracking.Activity{ID: id.New[tracking.ActivityKind](now), Tenant: of, Kind: tracking.Opened, Message: opened, Decision: tracking.Decision{Level: tracking.Pseudonymous},
		Machine: tracking.Machine{Class: tracking.Person}}
	for range 2 { // the second time it is known
		a.ID = id.New[tracking.ActivityKind](now)
		if kept, err := s.AddActivities(t.Context(), []tracking.Hit{{Activity: a, Tracked: true}}); err != nil || !kept[0] {
			t.Fatalf("kept %v, %v", kept, err)
		}
	}
	var left []message.ID
	top := message.ID{0xff}
	rows, err := s.read.QueryContext(t.Context(), openedFrom(tracking.OpenedByNobody, "")+" ORDER BY id LIMIT $4", of[:], new(message.ID)[:], top[:], 9)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		err := row.Scan(&m)
		left = append(left, m)
		return err
	})
	if err != nil || len(left) != 1 || left[0] != shut {
		t.Errorf("candidates %v, %v; want %v alone", left, err, shut)
	}
}

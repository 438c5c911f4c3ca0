package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"stafette/internal/fault"
	"stafette/internal/spool"
)

func TestFailuresOfPostgres(t *testing.T) {
	s := &Store{dialect: postgresDialect{}}
	s.commits = &committer{s: s}
	code := func(c string) error { return fmt.Errorf("insert: %w", &pgconn.PgError{Code: c}) }
	for _, c := range []struct {
		err  error
		kind failure
		code string
	}{
		{code("23505"), failConflict, ""},
		{code("53100"), failFull, "storage_full"},
		{code("53300"), failDown, "storage_unavailable"}, // too_many_connections
		{code("57P01"), failDown, "storage_unavailable"}, // admin_shutdown
		{code("08006"), failDown, "storage_unavailable"},
		{code("58030"), failDown, "storage_unavailable"}, // io_error
		{code("40P01"), failClash, ""},
		{code("22001"), failOther, ""},
		{driver.ErrBadConn, failDown, "storage_unavailable"},
		{spool.ErrFull, failFull, "storage_full"},
		{spool.ErrFailed, failFlush, "storage_failed"},
		{sql.ErrNoRows, failOther, ""},
	} {
		if have := s.failureOf(c.err); have != c.kind {
			t.Errorf("%v: failure %d, want %d", c.err, have, c.kind)
		}
		refusal, have := s.refusal(c.err), ""
		if f := fault.As(refusal); f != nil {
			have = f.Code
		}
		if have != c.code || !errors.Is(refusal, c.err) {
			t.Errorf("%v: refusal %v, want %q", c.err, refusal, c.code)
		}
	}
}

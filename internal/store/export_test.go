package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"stafette/internal/spool"
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

// Synchronous is how the one connection that writes commits: 2 is FULL.
func Synchronous(t *testing.T, s *Store) (level int) {
	t.Helper()
	if err := s.write.QueryRowContext(context.Background(), "PRAGMA synchronous").Scan(&level); err != nil {
		t.Fatal(err)
	}
	return level
}

// FlushLog flushes the log at path three times; between is called before the last.
func FlushLog(t *testing.T, disk spool.Disk, path string, between func()) {
	t.Helper()
	l := &logFile{path: path, disk: disk}
	for _, then := range []func(){func() {}, between, func() {}} {
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
		then()
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

// WriteJournal writes one note into a new journal below dir, as hits and verdicts have theirs.
func WriteJournal(t *testing.T, dir, name string, disk spool.Disk) {
	t.Helper()
	open := func() (*journal, error) { return openJournal(dir, name, disk, 0, nil) }
	if name == hitsDir {
		open = func() (*journal, error) {
			j, _, err := openHits(dir, disk, 0)
			return j, err
		}
	}
	j, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.write(endNote(beginNote(nil, 1), 0)); err != nil {
		t.Error(err)
	}
	if err := j.close(0); err != nil {
		t.Error(err)
	}
}

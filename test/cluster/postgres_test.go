package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"stafette/internal/store/pgtest"
	"stafette/test/load/daemon"
	"stafette/test/load/usage"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// database is the name of the nodes' database on every server.
const database = "stafette"

// postgres is a PostgreSQL server that can be killed without a word.
type postgres struct {
	dir, port string
	cmd       *exec.Cmd
}

// startPostgres makes a server with an empty database. Settings are of postgresql.conf.
func startPostgres(t testing.TB, settings ...string) *postgres {
	t.Helper()
	p := newPostgres(t)
	out, err := pgtest.Command(t, p.dir, "initdb", "-D", p.data(), "-U", "stafette", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	p.start(t, settings...)
	p.exec(t, "postgres", "CREATE DATABASE "+database+" TEMPLATE template0")
	return p
}

func newPostgres(t testing.TB) *postgres {
	t.Helper()
	// Not t.TempDir: the user that PostgreSQL runs as may not reach it.
	dir, err := os.MkdirTemp("", "stafette-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	port, err := daemon.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{dir: dir, port: port}
	t.Cleanup(func() {
		p.kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := pgtest.Own(dir); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *postgres) data() string    { return filepath.Join(p.dir, "data") }
func (p *postgres) address() string { return net.JoinHostPort("127.0.0.1", p.port) }

// url is that of the nodes' database, at an address that leads to this server.
func url(address string) string {
	return fmt.Sprintf("postgres://stafette@%s/%s?connect_timeout=2", address, database)
}

func (p *postgres) start(t testing.TB, settings ...string) {
	t.Helper()
	args := []string{"-D", p.data(), "-p", p.port, "-h", "127.0.0.1", "-k", ""}
	for _, s := range append([]string{"max_connections=80", "log_min_messages=panic", "fsync=off"}, settings...) {
		args = append(args, "-c", s)
	}
	p.cmd = pgtest.Command(t, p.dir, "postgres", args...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.await(t, "SELECT 1")
}

// await repeats a query until its answer is true.
func (p *postgres) await(t testing.TB, query string) {
	t.Helper()
	db := p.open(t, "postgres")
	defer db.Close()
	eventually(t, query, func(ctx context.Context) error {
		var yes bool
		if err := db.QueryRowContext(ctx, "SELECT ("+query+")::int = 1").Scan(&yes); err != nil {
			return err
		}
		if !yes {
			return errors.New("not yet")
		}
		return nil
	})
}

func (p *postgres) open(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://stafette@%s/%s?default_query_exec_mode=simple_protocol", p.address(), name))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (p *postgres) exec(t testing.TB, name, text string) {
	t.Helper()
	db := p.open(t, name)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// standby copies the server and makes the copy follow it. Commits wait for it from
// then on.
func (p *postgres) standby(t testing.TB) *postgres {
	t.Helper()
	s := newPostgres(t)
	out, err := pgtest.Command(t, s.dir, "pg_basebackup", "-D", s.data(), "-h", "127.0.0.1", "-p", p.port, "-U", "stafette", "-R", "-X", "stream", "-c", "fast", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
	s.start(t)
	p.exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	p.exec(t, "postgres", "SELECT pg_reload_conf()")
	p.await(t, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
	return s
}

// promote makes a standby a primary. It returns when it takes writes.
func (p *postgres) promote(t testing.TB) {
	t.Helper()
	p.exec(t, "postgres", "SELECT pg_promote(false)")
	p.await(t, "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE 1 END")
}

// kill ends all processes of the server with SIGKILL.
func (p *postgres) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	// The postmaster is stopped first, so that it starts nothing while it is listed.
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	tree, err := usage.Tree(p.cmd.Process.Pid)
	if err != nil {
		tree = []int{p.cmd.Process.Pid}
	}
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.cmd.Wait() // it was killed
	p.cmd = nil
}

// patience bounds every wait for something that should happen.
const patience = 45 * time.Second

// eventually repeats a check until it passes; after patience it reports its last error.
func eventually(t testing.TB, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for: %s; last: %v", what, last)
		case <-again.C:
		}
	}
}

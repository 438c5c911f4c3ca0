package crash

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
	"time"

	"stafette/internal/store/pgtest"
	"stafette/test/load/daemon"
	"stafette/test/load/usage"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// Postgres is a private PostgreSQL server that flushes every commit and can be killed
// without a word.
type Postgres struct {
	dir, port string
	cmd       *exec.Cmd
	databases int
}

// StartPostgres makes a server in a new temporary directory.
// Without PostgreSQL on this machine the error is pgtest.ErrNone.
func StartPostgres(ctx context.Context) (p *Postgres, err error) {
	port, err := daemon.FreePort()
	if err != nil {
		return nil, err
	}
	// Not below a test's directory: the user that PostgreSQL runs as may not reach it.
	dir, err := os.MkdirTemp("", "crash-pg-")
	if err != nil {
		return nil, err
	}
	p = &Postgres{dir: dir, port: port}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := pgtest.Own(dir); err != nil {
		return p, err
	}
	initdb, err := pgtest.Find(dir, "initdb", "-D", p.data(), "-U", "stafette", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return p, err
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		return p, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return p, p.Start(ctx)
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// Database makes an empty database and returns its URL, as it stands in the product's
// configuration.
func (p *Postgres) Database(ctx context.Context) (url string, err error) {
	p.databases++
	name := fmt.Sprintf("trial%d", p.databases)
	return fmt.Sprintf("postgres://stafette@%s/%s?connect_timeout=2", net.JoinHostPort("127.0.0.1", p.port), name),
		p.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
}

// Start runs the server, again after Kill, and returns when it has recovered and
// answers.
func (p *Postgres) Start(ctx context.Context) error {
	cmd, err := pgtest.Find(p.dir, "postgres", "-D", p.data(), "-p", p.port, "-h", "127.0.0.1", "-k", "",
		"-c", "max_connections=60", "-c", "log_min_messages=panic")
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.cmd = cmd
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := p.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
	}
}

func (p *Postgres) exec(ctx context.Context, text string) error {
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://stafette@%s/postgres", net.JoinHostPort("127.0.0.1", p.port)))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, text)
	return errors.Join(err, db.Close())
}

// Kill ends all processes of the server with SIGKILL. Killing the dead is no error.
func (p *Postgres) Kill() error {
	if p.cmd == nil {
		return nil
	}
	// The postmaster is stopped first, so that it starts nothing while it is listed.
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	tree, err := usage.Tree(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that ended meanwhile is dead, too
	}
	_ = p.cmd.Wait() // it was killed
	p.cmd = nil
	return nil
}

// Close kills the server and removes its files.
func (p *Postgres) Close() error {
	return errors.Join(p.Kill(), os.RemoveAll(p.dir))
}

// KillDatabase is kill -9 of PostgreSQL, all of it, and a new start a moment later. The
// product must live through it and take mail again by itself.
func KillDatabase(p *Postgres) Fault {
	return Fault{Name: "kill PostgreSQL", Happen: func(ctx context.Context, t *Trial) error {
		if err := p.Kill(); err != nil {
			return err
		}
		if err := wait(ctx, time.Duration(t.Rand.IntN(int(500*time.Millisecond)))); err != nil {
			return err
		}
		if err := p.Start(ctx); err != nil {
			return err
		}
		return t.heal(ctx, "the database came back")
	}}
}

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/store"
	"stafette/internal/store/pgtest"
	"stafette/internal/store/storetest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgres.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// emptySQLite is a migrated database in which nobody has written: most tests begin with
// a copy, because to make the tables takes longer than what they test.
var emptySQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "stafette-empty-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := store.Migrate(context.Background(), store.Config{DataDir: dir, Now: storetest.Start}); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "stafette.db"))
})

func openSQLite(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	empty, err := emptySQLite()
	if err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "stafette.db"), empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, cfg)
}

func openPostgres(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	cfg.URL = postgres.Copy(t, func(url string) error {
		return store.Migrate(context.Background(), store.Config{URL: url, Now: storetest.Start})
	})
	return open(t, cfg)
}

func open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// TestLostConnections ends the server's side of all connections again and again.
// What Accept says must be what is stored.
func TestLostConnections(t *testing.T) {
	var url string
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.URL = postgres.URL(t)
		url = cfg.URL
		return open(t, cfg)
	})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 15 {
				a := w.Draft(w.A, "r@example.net")
				err := w.Store.Accept(context.Background(), a)
				stored := -1
				for stored < 0 {
					_, lookup := w.Store.Message(context.Background(), w.A, a.Message.ID)
					switch {
					case lookup == nil:
						stored = 1
					case fault.IsKind(lookup, fault.NotFound):
						stored = 0
					}
				}
				if (err == nil) != (stored == 1) || err != nil && !fault.IsKind(err, fault.Unavailable) {
					t.Errorf("accept said %v, stored %d", err, stored)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		callers.Wait()
		close(done)
	}()
	const cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	for cuts := 0; ; cuts++ {
		select {
		case <-done:
			if cuts == 0 {
				t.Error("no connection was cut")
			}
			return
		default:
			if _, err := db.ExecContext(t.Context(), cut); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSQLite(t *testing.T) { storetest.Run(t, openSQLite) }

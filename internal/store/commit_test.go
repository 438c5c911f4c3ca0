package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// moodyDisk is a disk whose writes or flushes can be made to fail.
type moodyDisk struct {
	spool.OSDisk
	writeErr, syncErr atomic.Pointer[error]
	syncs             atomic.Int64
}

func (d *moodyDisk) Create(path string) (spool.File, error) {
	f, err := d.OSDisk.Create(path)
	return &moodyFile{f, d}, err
}

type moodyFile struct {
	spool.File
	disk *moodyDisk
}

func (f *moodyFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.writeErr.Load(); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], at) // a full disk takes a part
		return n, *err
	}
	return f.File.WriteAt(p, at)
}

func (f *moodyFile) Sync() error {
	f.disk.syncs.Add(1)
	if err := f.disk.syncErr.Load(); err != nil {
		return *err
	}
	return f.File.Sync()
}

func wantFault(t *testing.T, err error, code string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != fault.Unavailable || f.Code != code {
		t.Errorf("have error %v, want unavailable %s", err, code)
	}
}

func TestFullDiskHeals(t *testing.T) {
	var disk moodyDisk
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.Disk = &disk
		return openSQLite(t, cfg)
	})
	before := w.Draft(w.A, "r@example.net")
	w.Accept(before)
	full := error(syscall.ENOSPC)
	disk.writeErr.Store(&full)
	lost := w.Draft(w.A, "r@example.net")
	wantFault(t, w.Store.Accept(t.Context(), lost), "storage_full")
	if _, err := w.Store.Message(t.Context(), w.A, lost.Message.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a message without a body: %v", err)
	}
	// Verdicts need no body: what was sent meanwhile is still recorded.
	e := w.Epoch("n")
	w.Claim(e, w.A, 1)
	w.Settle(w.Verdict(e, w.A, before.Deliveries[0].ID, event.Delivered))

	disk.writeErr.Store(nil)
	w.Accept(lost)
	for _, a := range []spool.Handle{{Message: before.Message.ID, Ref: before.Ref}, {Message: lost.Message.ID, Ref: lost.Ref}} {
		if _, err := w.Store.Archive().Read(t.Context(), a); err != nil {
			t.Errorf("body of %s: %v", a.Message, err)
		}
	}
	if err := w.Store.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
}

func TestFullDatabaseHeals(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite)
	w.Epoch("n")
	e := w.Epoch("n") // the one before it is dead and could be forgotten
	stop := store.LimitPages(t, w.Store)
	a := w.Draft(w.A, "r@example.net")
	a.Message.Subject = strings.Repeat("x", 1<<20)
	wantFault(t, w.Store.Accept(t.Context(), a), "storage_full")
	// The lease goes on: ending it would break off mail on the wire.
	now := w.Clock.Now()
	if err := w.Store.Beat(t.Context(), e, now, now.Add(time.Hour)); err != nil {
		t.Errorf("beat: %v", err)
	}
	stop()
	w.Accept(a)
}

func TestFailedFlushIsFinal(t *testing.T) {
	var disk moodyDisk
	var fatal atomic.Int64
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.Disk, cfg.Fatal = &disk, func(error) { fatal.Add(1) }
		return openSQLite(t, cfg)
	})
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 1)
	broken := error(syscall.EIO)
	disk.syncErr.Store(&broken)
	wantFault(t, w.Store.Accept(t.Context(), w.Draft(w.A, "r@example.net")), "storage_failed")
	disk.syncErr.Store(nil)
	syncs := disk.syncs.Load()
	wantFault(t, w.Store.Accept(t.Context(), w.Draft(w.A, "r@example.net")), "storage_failed")
	_, err := w.Store.Settle(t.Context(), []queue.Settlement{w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)})
	wantFault(t, err, "storage_failed")
	wantFault(t, w.Store.Ready(t.Context()), "storage_failed")
	if disk.syncs.Load() != syncs || fatal.Load() != 1 {
		t.Errorf("flushed again: %d, told %d times", disk.syncs.Load()-syncs, fatal.Load())
	}
}

func TestWaitersShareFlushes(t *testing.T) {
	var disk moodyDisk
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.Disk, cfg.GroupWait, cfg.GroupLimit = &disk, time.Second, 50
		return openSQLite(t, cfg)
	})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := w.Store.Accept(context.Background(), w.Draft(w.A, "r@example.net")); err != nil {
				t.Errorf("accept: %v", err)
			}
		})
	}
	wg.Wait()
	if n := disk.syncs.Load(); n > 4 {
		t.Errorf("%d flushes for 100 messages in groups of 50", n)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	now := storetest.Start()
	s, err := store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Accept(t.Context(), storetest.Draft(now, tenant.ID{1}, "r@example.net")), "storage_closed")
}

func TestOneEpochPerDirectory(t *testing.T) {
	cfg := store.Config{DataDir: t.TempDir(), Now: storetest.Start}
	now := storetest.Start()
	first, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.StartEpoch(t.Context(), "a", now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	second, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("a command beside the server: %v", err)
	}
	defer second.Close()
	if err := second.Accept(t.Context(), storetest.Draft(now, tenant.ID{1}, "r@example.net")); err != nil {
		t.Errorf("accept beside the server: %v", err)
	}
	if _, err := second.StartEpoch(t.Context(), "b", now, now.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second epoch: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := second.StartEpoch(t.Context(), "b", now, now.Add(time.Minute)); err != nil {
		t.Errorf("after the first ended: %v", err)
	}
}

// TestReopenedStoreHasEverything also damages the end of the last body file, as
// a power failure in the middle of a write would.
func TestReopenedStoreHasEverything(t *testing.T) {
	dir := t.TempDir()
	reopen := func(t testing.TB, cfg store.Config) *store.Store {
		cfg.DataDir = dir
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w := storetest.NewWorld(t, reopen)
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "bodies", "*", "*.spool"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments: %v, %v", segments, err)
	}
	f, err := os.OpenFile(segments[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.WriteString("STFb torn")
	if err := errors.Join(werr, f.Close()); err != nil {
		t.Fatal(err)
	}
	w.Store = reopen(t, store.Config{Now: w.Clock.Now})
	b := w.Draft(w.A, "r@example.net")
	w.Accept(b)
	for _, v := range []spool.Handle{{Message: a.Message.ID, Ref: a.Ref}, {Message: b.Message.ID, Ref: b.Ref}} {
		if _, err := w.Store.Archive().Read(t.Context(), v); err != nil {
			t.Errorf("body of %s: %v", v.Message, err)
		}
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{"mysql://u:secret@h/d", "postgres://u:secret@h:notaport/d"} {
		_, err := store.Open(t.Context(), store.Config{URL: url, Now: storetest.Start})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

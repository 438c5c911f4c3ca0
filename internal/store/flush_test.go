package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// logDisk is a disk that tells of flushes of SQLite's log, holds them up or lets them fail.
type logDisk struct {
	spool.OSDisk
	opens, syncs atomic.Int64
	err          atomic.Pointer[error]
	began        chan struct{} // nil: nothing is held up
	held         chan struct{}
}

func (d *logDisk) Open(path string) (spool.File, error) {
	f, err := d.OSDisk.Open(path)
	if err != nil || !strings.HasSuffix(path, "-wal") {
		return f, err
	}
	d.opens.Add(1)
	return &logSyncs{f, d}, nil
}

type logSyncs struct {
	spool.File
	disk *logDisk
}

func (f *logSyncs) Sync() error {
	f.disk.syncs.Add(1)
	if f.disk.began != nil {
		f.disk.began <- struct{}{}
		<-f.disk.held
	}
	if err := f.disk.err.Load(); err != nil {
		return *err
	}
	return f.File.Sync()
}

func worldOn(t *testing.T, disk spool.Disk, fatal func(error)) *storetest.World {
	t.Helper()
	return storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.Disk, cfg.Fatal = disk, fatal
		return openSQLite(t, cfg)
	})
}

// TestNobodyIsToldBeforeTheFlush holds that a group is written while the log of the one
// before goes to the disk, and that neither is acknowledged before it is there.
func TestNobodyIsToldBeforeTheFlush(t *testing.T) {
	disk := &logDisk{began: make(chan struct{}), held: make(chan struct{})}
	w := worldOn(t, disk, nil)
	var told atomic.Int64
	answers := make(chan error, 2)
	accept := func(a *ingest.Acceptance) {
		err := w.Store.Accept(t.Context(), a)
		told.Add(1)
		answers <- err
	}
	stored := func(a *ingest.Acceptance) {
		for {
			if _, err := w.Store.Message(t.Context(), w.A, a.Message.ID); !fault.IsKind(err, fault.NotFound) {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	first, second := w.Draft(w.A, "r@example.net"), w.Draft(w.A, "s@example.net")
	go accept(first)
	<-disk.began
	stored(first)
	go accept(second)
	stored(second)
	if n := told.Load(); n != 0 {
		t.Errorf("%d acknowledged before anything was flushed", n)
	}
	disk.held <- struct{}{}
	if err := <-answers; err != nil {
		t.Error(err)
	}
	<-disk.began // the flush for the second
	if n := told.Load(); n != 1 {
		t.Errorf("%d acknowledged after the first flush", n)
	}
	disk.held <- struct{}{}
	if err := <-answers; err != nil {
		t.Error(err)
	}
}

// TestOnlyGroupsAreFlushedApart holds that whatever else is written waits for the disk.
func TestOnlyGroupsAreFlushedApart(t *testing.T) {
	disk := &logDisk{}
	w := worldOn(t, disk, nil)
	w.Accept(w.Draft(w.A, "r@example.net"))
	if level := store.Synchronous(t, w.Store); level != 2 {
		t.Errorf("synchronous is %d after a group", level)
	}
	if n := disk.syncs.Load(); n != 1 {
		t.Errorf("%d flushes for a group", n)
	}
}

// TestAnAnswerGivenAgainIsDurable holds that who repeats a request is not told of a message
// that is only about to be durable.
func TestAnAnswerGivenAgainIsDurable(t *testing.T) {
	disk := &logDisk{}
	w := worldOn(t, disk, nil)
	a := w.Draft(w.A, "r@example.net")
	a.Idempotency = &ingest.Idempotency{Key: "k", ExpiresAt: w.Clock.Now().Add(time.Hour)}
	w.Accept(a)
	before := disk.syncs.Load()
	for key, want := range map[string]int64{"k": 1, "unknown": 0} {
		r, err := w.Store.Replay(t.Context(), w.A, key, w.Clock.Now())
		if err != nil || (r != nil) != (want == 1) {
			t.Fatalf("key %s: %v, %v", key, r, err)
		}
		if n := disk.syncs.Load() - before; n < want {
			t.Errorf("key %s: %d flushes", key, n)
		}
		before = disk.syncs.Load()
	}
}

func TestFailedFlushOfTheLogIsFinal(t *testing.T) {
	disk := &logDisk{}
	var fatal atomic.Int64
	w := worldOn(t, disk, func(error) { fatal.Add(1) })
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 1)
	broken := error(syscall.EIO)
	disk.err.Store(&broken)
	verdict := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)
	_, err := w.Store.Settle(t.Context(), []queue.Settlement{verdict})
	wantFault(t, err, "storage_failed")
	disk.err.Store(nil)
	syncs := disk.syncs.Load()
	wantFault(t, w.Store.Accept(t.Context(), w.Draft(w.A, "r@example.net")), "storage_failed")
	wantFault(t, w.Store.Ready(t.Context()), "storage_failed")
	if disk.syncs.Load() != syncs || fatal.Load() != 1 {
		t.Errorf("flushed again: %d, told %d times", disk.syncs.Load()-syncs, fatal.Load())
	}
}

// TestWhoWaitsBehindAFailedFlushIsRefused holds that a group which was committed while a flush
// was under way does not believe the next one after that failed: what the system lost with it
// are pages of both.
func TestWhoWaitsBehindAFailedFlushIsRefused(t *testing.T) {
	disk := &logDisk{began: make(chan struct{}), held: make(chan struct{})}
	w := worldOn(t, disk, func(error) {})
	answers := make(chan error, 2)
	accept := func(a *ingest.Acceptance) { answers <- w.Store.Accept(t.Context(), a) }
	first, second := w.Draft(w.A, "r@example.net"), w.Draft(w.A, "s@example.net")
	go accept(first)
	<-disk.began
	go accept(second)
	for {
		_, err := w.Store.Message(t.Context(), w.A, second.Message.ID)
		if err == nil {
			break
		}
		if !fault.IsKind(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	broken := error(syscall.EIO)
	disk.err.Store(&broken)
	disk.held <- struct{}{}
	for range 2 {
		select {
		case err := <-answers:
			wantFault(t, err, "storage_failed")
		case <-disk.began:
			t.Error("the log is flushed again")
			disk.err.Store(nil)
			disk.held <- struct{}{}
			<-answers
		}
	}
}

// TestTheLogIsTheOneWrittenTo holds that a log made anew is flushed, not the one before it.
func TestTheLogIsTheOneWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x-wal")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk := &logDisk{}
	store.FlushLog(t, disk, path, func() {
		err := errors.Join(os.WriteFile(path+"2", []byte("b"), 0o600), os.Rename(path+"2", path))
		if err != nil {
			t.Fatal(err)
		}
	})
	if n := disk.opens.Load(); n != 2 {
		t.Errorf("opened %d times", n)
	}
	if n := disk.syncs.Load(); n != 3 {
		t.Errorf("flushed %d times", n)
	}
}

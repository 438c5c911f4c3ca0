package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// underway accepts a mail to each of the people under an epoch, and returns verdicts on them.
func underway(t *testing.T, w *storetest.World, people ...string) (message.ID, []*queue.Settlement) {
	t.Helper()
	a := w.Draft(w.A, people...)
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, len(people))
	var list []*queue.Settlement
	for _, d := range a.Deliveries {
		v := w.Verdict(e, w.A, d.ID, event.Delivered)
		list = append(list, &v)
	}
	return a.Message.ID, list
}

func mustNote(t *testing.T, s *store.Store, list ...*queue.Settlement) []uint64 {
	t.Helper()
	numbers, err := s.Note(list)
	if err != nil || len(numbers) != len(list) {
		t.Fatalf("numbers %v, %v", numbers, err)
	}
	return numbers
}

// afterCrash starts a queue on a data directory, and returns the states of a message, and
// how many facts say that it was delivered.
func afterCrash(t *testing.T, dir string, w *storetest.World, m message.ID) (states string, delivered int) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DataDir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := w.Clock.Now()
	e, err := s.StartEpoch(t.Context(), "n", now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.Claim(t.Context(), queue.Claim{Epoch: e, Tenant: w.A, Now: now.Add(time.Hour), Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Message(t.Context(), w.A, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found.Deliveries {
		states += string(d.State) + " "
	}
	events, err := s.Events(t.Context(), w.A, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range events {
		if v.Type == event.Completed {
			delivered++
		}
	}
	if n := strings.Count(states, string(event.Queued)); n != len(left) {
		t.Errorf("%d may be sent anew of %d that wait", len(left), n)
	}
	return states, delivered
}

// What was noted is not sent again after a crash and has its fact once, whether the crash
// came before or after its rows, and however often it comes.
func TestNotedVerdictsSurviveACrash(t *testing.T) {
	w, dir := noting(t, nil)
	m, list := underway(t, w, "a@x.example", "b@x.example", "c@x.example", "d@x.example")
	mustNote(t, w.Store, list[:3]...)
	crashed := copyOf(t, dir)
	files, err := filepath.Glob(filepath.Join(crashed, "verdicts", "*.notes"))
	if err != nil || len(files) != 1 {
		t.Fatalf("journal %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	torn := copyOf(t, crashed)
	end := len(bytes.TrimRight(whole, "\x00"))
	if err := os.WriteFile(filepath.Join(torn, "verdicts", filepath.Base(files[0])), whole[:end-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if states, facts := afterCrash(t, torn, w, m); strings.Count(states, "delivered") != 2 || facts != 2 {
		t.Errorf("%s, %d facts after a torn write of the last of three", states, facts)
	}
	for range 2 {
		if states, facts := afterCrash(t, crashed, w, m); strings.Count(states, "delivered") != 3 || facts != 3 {
			t.Errorf("%s, %d facts, want three", states, facts)
		}
		if left, err := filepath.Glob(filepath.Join(crashed, "verdicts", "*.notes")); err != nil || len(left) != 0 {
			t.Errorf("%v left, %v", left, err)
		}
		// The old journal beside the new rows changes nothing.
		if err := os.WriteFile(files[0], whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle(*list[0])
	after := copyOf(t, dir)
	if states, facts := afterCrash(t, after, w, m); strings.Count(states, "delivered") != 3 || facts != 3 {
		t.Errorf("%s, %d facts after one of three had its rows", states, facts)
	}
}

// Notes whose rows are there go, in whatever order they come: nothing of a mail stays.
func TestNotesOfVerdictsGo(t *testing.T) {
	w, dir := noting(t, nil)
	_, list := underway(t, w, "a@x.example", "b@x.example", "c@x.example")
	numbers := mustNote(t, w.Store, list...)
	held := func() bool {
		t.Helper()
		found := false
		err := filepath.Walk(filepath.Join(dir, "verdicts"), func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				var b []byte
				b, err = os.ReadFile(path)
				found = found || bytes.Contains(b, list[0].Delivery[:])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for i, n := range []uint64{numbers[2], numbers[0], numbers[1]} {
		if !held() {
			t.Errorf("gone after %d of three", i)
		}
		if err := w.Store.Drop([]uint64{n}); err != nil {
			t.Fatal(err)
		}
	}
	if held() {
		t.Error("still there")
	}
	mustNote(t, w.Store, list...)
	if !held() {
		t.Error("nothing is noted any more")
	}
}

// Only who has the queue notes anything, and takes up what is noted: a command beside it
// leaves it alone.
func TestOnlyTheQueueNotes(t *testing.T) {
	w, dir := noting(t, nil)
	m, list := underway(t, w, "a@x.example")
	mustNote(t, w.Store, list...)
	crashed := copyOf(t, dir)
	s, err := store.Open(t.Context(), store.Config{DataDir: crashed, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if numbers, err := s.Note(list); err != nil || numbers != nil {
		t.Errorf("a command notes %v, %v", numbers, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if states, facts := afterCrash(t, crashed, w, m); !strings.Contains(states, "delivered") || facts != 1 {
		t.Errorf("%s, %d facts", states, facts)
	}
}

// A full disk refuses notes and nothing else; a flush that fails ends all storing.
func TestNotesOfVerdictsOnBadDisks(t *testing.T) {
	disk := &moodyDisk{}
	w, _ := noting(t, func(c *store.Config) { c.Disk = disk })
	_, list := underway(t, w, "a@x.example", "b@x.example")
	var full, broken error = syscall.ENOSPC, syscall.EIO
	disk.writeErr.Store(&full)
	_, err := w.Store.Note(list[:1])
	wantFault(t, err, "storage_full")
	disk.writeErr.Store(nil)
	numbers := mustNote(t, w.Store, list[:1]...)
	if fenced := w.Settle(*list[0]); len(fenced) > 0 {
		t.Error("fenced")
	}
	if err := w.Store.Drop(numbers); err != nil {
		t.Error(err)
	}
	disk.syncErr.Store(&broken)
	_, err = w.Store.Note(list[1:])
	wantFault(t, err, "storage_failed")
	disk.syncErr.Store(nil)
	_, err = w.Store.Note(list[1:])
	wantFault(t, err, "storage_failed")
	_, err = w.Store.Settle(t.Context(), []queue.Settlement{*list[1]})
	wantFault(t, err, "storage_failed")
}

// namesDisk remembers which directories' names were made durable, and refuses some.
type namesDisk struct {
	spool.OSDisk
	safe   map[string]bool
	broken string // the name of a directory whose flush fails
}

func (d *namesDisk) SyncDir(path string) error {
	if d.broken != "" && filepath.Base(path) == d.broken {
		return syscall.EIO
	}
	d.safe[path] = true
	return d.OSDisk.SyncDir(path)
}

// A power cut must not take the directory of a journal with it, nor a file from there.
func TestNamesOfJournalsAreDurable(t *testing.T) {
	for _, name := range []string{"verdicts", "hits"} {
		dir := t.TempDir()
		disk := &namesDisk{safe: map[string]bool{}}
		store.WriteJournal(t, dir, name, disk)
		for _, path := range []string{dir, filepath.Join(dir, name)} {
			if !disk.safe[path] {
				t.Errorf("%s: names in %s are not durable", name, path)
			}
		}
	}
}

func TestFailedFlushOfNamesIsFinal(t *testing.T) {
	disk := &namesDisk{safe: map[string]bool{}, broken: "verdicts"}
	w, _ := noting(t, func(c *store.Config) { c.Disk = disk })
	_, list := underway(t, w, "a@x.example")
	_, err := w.Store.Note(list)
	wantFault(t, err, "storage_failed")
	wantFault(t, w.Store.Ready(t.Context()), "storage_failed")
}

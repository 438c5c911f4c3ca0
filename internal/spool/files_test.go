package spool_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
)

var noon = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)

func openFiles(t testing.TB, cfg spool.FilesConfig) *spool.Files {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "bodies")
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	f, err := spool.OpenFiles(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func bodies(sizes ...int) []spool.Body {
	list := make([]spool.Body, len(sizes))
	for i, n := range sizes {
		list[i] = spool.Body{Message: message.NewID(noon), Sealed: make([]byte, n)}
		_, _ = rand.Read(list[i].Sealed)
	}
	return list
}

func mustAppend(t testing.TB, f *spool.Files, list []spool.Body) []spool.Handle {
	t.Helper()
	refs, err := f.Append(list)
	if err != nil {
		t.Fatal(err)
	}
	handles := make([]spool.Handle, len(refs))
	for i, r := range refs {
		handles[i] = spool.Handle{Message: list[i].Message, Ref: r}
	}
	return handles
}

func check(t testing.TB, f *spool.Files, list []spool.Body, handles []spool.Handle) {
	t.Helper()
	for i, h := range handles {
		have, err := f.Read(context.Background(), h)
		if err != nil || !bytes.Equal(have, list[i].Sealed) {
			t.Errorf("body %d at %+v: %d bytes, %v", i, h.Ref, len(have), err)
		}
	}
}

func TestBodiesComeBack(t *testing.T) {
	for name, sizes := range map[string][]int{
		"none": {}, "one": {10}, "empty": {0, 0, 3}, "many": {1, 2, 3000, 4, 5}, "beyond the buffer": {900_000, 900_000, 3_000_000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := openFiles(t, spool.FilesConfig{})
			list := bodies(sizes...)
			handles := mustAppend(t, f, list)
			second := bodies(sizes...)
			check(t, f, second, mustAppend(t, f, second))
			check(t, f, list, handles)
		})
	}
}

func TestSegmentsEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bodies")
	f := openFiles(t, spool.FilesConfig{Dir: dir, SegmentSize: 1000, OpenFiles: 2})
	list := bodies(600, 600, 600, 5000, 10)
	handles := mustAppend(t, f, list)
	check(t, f, list, handles)
	check(t, f, list, handles)
	var numbers []int32
	for _, h := range handles {
		numbers = append(numbers, h.Ref.Segment)
	}
	if want := "[1 1 2 2 3]"; fmt.Sprint(numbers) != want {
		t.Errorf("segments: %v, want %s", numbers, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "2026-03-28", "000003.spool")); err != nil {
		t.Error(err)
	}
}

func TestReopenedBeginsNewSegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bodies")
	first := openFiles(t, spool.FilesConfig{Dir: dir})
	list := bodies(100)
	handles := mustAppend(t, first, list)
	second := openFiles(t, spool.FilesConfig{Dir: dir})
	more := bodies(100)
	later := mustAppend(t, second, more)
	if later[0].Ref.Segment != 2 {
		t.Errorf("segment %d was continued", later[0].Ref.Segment)
	}
	check(t, second, list, handles)
	check(t, second, more, later)
}

func TestDamageIsFound(t *testing.T) {
	for name, damage := range map[string]func(record []byte) []byte{
		"body":   func(r []byte) []byte { r[len(r)-1] ^= 1; return r },
		"magic":  func(r []byte) []byte { r[0] ^= 1; return r },
		"header": func(r []byte) []byte { r[6] ^= 1; return r },
		"id":     func(r []byte) []byte { r[9] ^= 1; return r },
		"length": func(r []byte) []byte { r[27] ^= 1; return r },
		"sum":    func(r []byte) []byte { r[28] ^= 1; return r },
		"torn":   func(r []byte) []byte { return r[:len(r)-1] },
		"empty":  func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bodies")
			f := openFiles(t, spool.FilesConfig{Dir: dir})
			h := mustAppend(t, f, bodies(100))[0]
			path := filepath.Join(dir, "2026-03-28", "000001.spool")
			record, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(record), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Read(t.Context(), h); !errors.Is(err, spool.ErrCorrupt) {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestWrongHandle(t *testing.T) {
	f := openFiles(t, spool.FilesConfig{})
	list := mustAppend(t, f, bodies(100, 100))
	for name, c := range map[string]struct {
		change func(*spool.Handle)
		want   error
	}{
		"another's body":  {func(h *spool.Handle) { h.Ref = list[1].Ref }, spool.ErrCorrupt},
		"offset":          {func(h *spool.Handle) { h.Ref.Offset++ }, spool.ErrCorrupt},
		"negative offset": {func(h *spool.Handle) { h.Ref.Offset = -1 }, spool.ErrCorrupt},
		"length":          {func(h *spool.Handle) { h.Ref.Length-- }, spool.ErrCorrupt},
		"negative length": {func(h *spool.Handle) { h.Ref.Length = -40 }, spool.ErrCorrupt},
		"huge length":     {func(h *spool.Handle) { h.Ref.Length = 1<<31 - 1 }, spool.ErrCorrupt},
		"no such segment": {func(h *spool.Handle) { h.Ref.Segment = 9 }, spool.ErrGone},
		"no such day":     {func(h *spool.Handle) { h.Ref.Day-- }, spool.ErrGone},
	} {
		h := list[0]
		c.change(&h)
		if _, err := f.Read(t.Context(), h); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestDropBefore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bodies")
	now := noon
	f := openFiles(t, spool.FilesConfig{Dir: dir, Now: func() time.Time { return now }})
	var lists [][]spool.Body
	var handles [][]spool.Handle
	for range 3 {
		lists = append(lists, bodies(1000))
		handles = append(handles, mustAppend(t, f, lists[len(lists)-1]))
		check(t, f, lists[len(lists)-1], handles[len(handles)-1])
		now = now.Add(24 * time.Hour)
	}
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	days, size, err := f.DropBefore(t.Context(), handles[2][0].Ref.Day)
	if err != nil || days != 2 || size != 2*(1000+32) {
		t.Errorf("dropped %d days, %d bytes, %v", days, size, err)
	}
	for _, h := range handles[:2] {
		if _, err := f.Read(t.Context(), h[0]); !errors.Is(err, spool.ErrGone) {
			t.Errorf("dropped body: %v", err)
		}
	}
	check(t, f, lists[2], handles[2])
	if days, _, err := f.DropBefore(t.Context(), spool.DayOf(now)+1); err != nil || days != 1 {
		t.Errorf("dropped %d days, %v", days, err)
	}
	again := bodies(10)
	check(t, f, again, mustAppend(t, f, again))
}

func TestReadersAndAppender(t *testing.T) {
	f := openFiles(t, spool.FilesConfig{SegmentSize: 2000, OpenFiles: 2})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				list := bodies(500, 700, 900)
				refs, err := f.Append(list)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				for i, r := range refs {
					have, err := f.Read(context.Background(), spool.Handle{Message: list[i].Message, Ref: r})
					if err != nil || !bytes.Equal(have, list[i].Sealed) {
						t.Errorf("read: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// failingDisk fails the operations that have an error set.
type failingDisk struct {
	spool.OSDisk
	create, write, truncate, sync, syncDir error
}

func (d *failingDisk) Create(path string) (spool.File, error) {
	if d.create != nil {
		return nil, d.create
	}
	f, err := d.OSDisk.Create(path)
	return &failingFile{f, d}, err
}

func (d *failingDisk) SyncDir(path string) error {
	return errors.Join(d.syncDir, d.OSDisk.SyncDir(path))
}

type failingFile struct {
	spool.File
	disk *failingDisk
}

func (f *failingFile) WriteAt(p []byte, at int64) (int, error) {
	if f.disk.write != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], at)
		return n, f.disk.write
	}
	return f.File.WriteAt(p, at)
}

func (f *failingFile) Truncate(size int64) error {
	if f.disk.truncate != nil {
		return f.disk.truncate
	}
	return f.File.Truncate(size)
}

func (f *failingFile) Sync() error {
	if f.disk.sync != nil {
		return f.disk.sync
	}
	return f.File.Sync()
}

func TestFullDiskTakesNothing(t *testing.T) {
	for name, fail := range map[string]func(*failingDisk){
		"write":                 func(d *failingDisk) { d.write = syscall.ENOSPC },
		"quota":                 func(d *failingDisk) { d.write = syscall.EDQUOT },
		"write, stuck truncate": func(d *failingDisk) { d.write, d.truncate = syscall.ENOSPC, syscall.EIO },
	} {
		t.Run(name, func(t *testing.T) {
			var disk failingDisk
			dir := filepath.Join(t.TempDir(), "bodies")
			f := openFiles(t, spool.FilesConfig{Disk: &disk, Dir: dir})
			before := bodies(100)
			handles := mustAppend(t, f, before)
			fail(&disk)
			if _, err := f.Append(bodies(5000, 2_000_000, 5000)); !errors.Is(err, spool.ErrFull) {
				t.Errorf("append: %v", err)
			}
			if name == "write" {
				info, err := os.Stat(filepath.Join(dir, "2026-03-28", "000001.spool"))
				if err != nil || info.Size() != 132 {
					t.Errorf("a part stayed: %v, %v", info.Size(), err)
				}
			}
			disk = failingDisk{}
			after := bodies(100)
			check(t, f, after, mustAppend(t, f, after))
			check(t, f, before, handles)
		})
	}
}

func TestNoRoomForNewSegment(t *testing.T) {
	disk := failingDisk{create: syscall.ENOSPC}
	f := openFiles(t, spool.FilesConfig{Disk: &disk})
	if _, err := f.Append(bodies(10)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("append: %v", err)
	}
	disk.create = nil
	list := bodies(10)
	check(t, f, list, mustAppend(t, f, list))
}

func TestFailedFlushIsNeverRetried(t *testing.T) {
	for name, fail := range map[string]func(*failingDisk, error){
		"file":      func(d *failingDisk, err error) { d.sync = err },
		"directory": func(d *failingDisk, err error) { d.syncDir = err },
	} {
		t.Run(name, func(t *testing.T) {
			var disk failingDisk
			f := openFiles(t, spool.FilesConfig{Disk: &disk})
			fail(&disk, syscall.EIO)
			for range 2 {
				if _, err := f.Append(bodies(10)); !errors.Is(err, spool.ErrFailed) {
					t.Errorf("append: %v", err)
				}
				fail(&disk, nil)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	f := openFiles(t, spool.FilesConfig{})
	if _, err := f.Append([]spool.Body{{Sealed: make([]byte, spool.MaxSealed+1)}}); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("append: %v", err)
	}
}

func TestSpoolOpensBodies(t *testing.T) {
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	salt := seal.NewSalt()
	sealed, err := keeper.SealBody(nil, []byte("Subject: x\r\n\r\n"), salt)
	if err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, spool.FilesConfig{})
	h := mustAppend(t, f, []spool.Body{{Message: message.NewID(noon), Sealed: sealed}})[0]
	s := spool.New(f, keeper)
	h.Salt = salt
	if body, err := s.Body(t.Context(), h); err != nil || string(body) != "Subject: x\r\n\r\n" {
		t.Errorf("body: %q, %v", body, err)
	}
	h.Salt[0] ^= 1
	if _, err := s.Body(t.Context(), h); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("another key: %v", err)
	}
	h.Salt = seal.Salt{}
	if _, err := s.Body(t.Context(), h); !errors.Is(err, spool.ErrGone) {
		t.Errorf("erased: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 20, 100, 500} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			f := openFiles(b, spool.FilesConfig{})
			sizes := make([]int, group)
			for i := range sizes {
				sizes[i] = 10_000
			}
			list := bodies(sizes...)
			b.SetBytes(10_000)
			for i := 0; i < b.N; i += group {
				mustAppend(b, f, list)
			}
		})
	}
}

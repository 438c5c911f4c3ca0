package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Defaults of FilesConfig.
const (
	// DefaultSegmentSize is where a segment ends: large enough that a day has few
	// files, small enough to copy or check one by hand.
	DefaultSegmentSize = 256 << 20
	// DefaultOpenFiles bounds the segments kept open for reading.
	DefaultOpenFiles = 64
)

// writeSize is how much is gathered before it is written.
const writeSize = 1 << 20

// FilesConfig configures Files. Dir and Now are required.
type FilesConfig struct {
	Dir         string           // holds YYYY-MM-DD/NNNNNN.spool
	Now         func() time.Time // tells the day a body is filed under
	SegmentSize int64            // bytes; 0: DefaultSegmentSize
	OpenFiles   int              // 0: DefaultOpenFiles
	Disk        Disk             // nil: OSDisk
	Log         *slog.Logger     // nil: discard
}

// Files is an Archive of append-only files. A segment is written by one process
// in one go and never again: after a restart a new one is begun, so that a torn
// tail harms nobody. It is safe for concurrent use.
type Files struct {
	cfg    FilesConfig
	opened *openFiles

	mu     sync.Mutex // guards all below: one appender at a time
	active *segment
	buf    []byte
	failed error // set once, by a failed flush
}

var _ Archive = (*Files)(nil)

// segment is the file being appended to.
type segment struct {
	file   File
	day    Day
	number int32
	size   int64
	synced int64 // of size, durable
	fresh  bool  // its name is not yet durable
}

// OpenFiles opens the archive in cfg.Dir and creates the directory if need be.
func OpenFiles(cfg FilesConfig) (*Files, error) {
	if cfg.SegmentSize <= 0 {
		cfg.SegmentSize = DefaultSegmentSize
	}
	if cfg.OpenFiles <= 0 {
		cfg.OpenFiles = DefaultOpenFiles
	}
	if cfg.Disk == nil {
		cfg.Disk = OSDisk{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Disk.Mkdir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open body files: %w", err)
	}
	if err := cfg.Disk.SyncDir(filepath.Dir(cfg.Dir)); err != nil {
		return nil, fmt.Errorf("open body files: %w", err)
	}
	return &Files{cfg: cfg, opened: newOpenFiles(cfg.Disk, cfg.OpenFiles)}, nil
}

// Append writes the bodies with one flush and returns where they lie, in the same
// order. They are durable when it returns without error. On ErrFull nothing is
// kept and a later call may succeed; after ErrFailed every call fails.
func (f *Files) Append(bodies []Body) ([]Ref, error) {
	refs, err := f.Write(bodies)
	if err != nil {
		return nil, err
	}
	if err := f.Flush(); err != nil {
		return nil, err
	}
	return refs, nil
}

// Write is Append without the flush: the bodies are durable once a later Flush has
// returned without error.
func (f *Files) Write(bodies []Body) ([]Ref, error) {
	for _, b := range bodies {
		if len(b.Sealed) > MaxSealed {
			return nil, fmt.Errorf("append body of %s: %w", b.Message, ErrTooLarge)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return nil, f.failed
	}
	refs, err := f.append(bodies)
	if err != nil {
		return nil, fmt.Errorf("append bodies: %w", err)
	}
	return refs, nil
}

// Flush makes durable what was written. After ErrFailed every call fails.
func (f *Files) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	if err := f.sync(); err != nil {
		return fmt.Errorf("append bodies: %w", err)
	}
	return nil
}

func (f *Files) append(bodies []Body) ([]Ref, error) {
	day := DayOf(f.cfg.Now())
	refs := make([]Ref, 0, len(bodies))
	var start int64 // of what this call has written to the active segment
	if f.active != nil {
		start = f.active.size
	}
	f.buf = f.buf[:0]
	for _, b := range bodies {
		if s := f.active; s == nil || s.day != day || s.size+int64(len(f.buf)) >= f.cfg.SegmentSize {
			if err := f.turn(day, start); err != nil {
				return nil, err
			}
			start = 0
		}
		s := f.active
		refs = append(refs, Ref{Day: s.day, Segment: s.number, Offset: s.size + int64(len(f.buf)), Length: int32(len(b.Sealed))})
		f.buf = appendRecord(f.buf, b)
		if len(f.buf) >= writeSize {
			if err := f.write(start); err != nil {
				return nil, err
			}
		}
	}
	if len(bodies) == 0 {
		return refs, nil
	}
	if err := f.write(start); err != nil {
		return nil, err
	}
	if cap(f.buf) > 4*writeSize {
		f.buf = nil
	}
	return refs, nil
}

// turn ends the active segment and begins the next one of the day.
func (f *Files) turn(day Day, start int64) error {
	if f.active != nil {
		if err := f.write(start); err != nil {
			return err
		}
		if err := f.sync(); err != nil {
			return err
		}
		if err := f.abandon(); err != nil {
			return err
		}
	}
	dir := filepath.Join(f.cfg.Dir, dayName(day))
	if err := f.cfg.Disk.Mkdir(dir); err != nil {
		return fullOr(err)
	}
	last, err := lastSegment(dir)
	if err != nil {
		return err
	}
	// Another process may take the next number at the same moment: a command that
	// sends while the platform serves.
	for number := last + 1; ; number++ {
		file, err := f.cfg.Disk.Create(segmentPath(f.cfg.Dir, day, number))
		if errors.Is(err, fs.ErrExist) && number < last+100 {
			continue
		}
		if err != nil {
			return fullOr(err)
		}
		f.active = &segment{file: file, day: day, number: number, fresh: true}
		return nil
	}
}

// write moves the buffer into the active segment. If that fails it takes back
// everything from start on, so that no half record stays.
func (f *Files) write(start int64) error {
	s := f.active
	if len(f.buf) == 0 {
		return nil
	}
	_, err := s.file.WriteAt(f.buf, s.size)
	if err == nil {
		s.size += int64(len(f.buf))
		f.buf = f.buf[:0]
		return nil
	}
	f.buf = f.buf[:0]
	if terr := s.file.Truncate(start); terr != nil {
		// Nothing points at the half-written tail; leave it and begin a new file.
		f.cfg.Log.Warn("segment abandoned", "segment", segmentPath(f.cfg.Dir, s.day, s.number), "err", terr)
		// What others have written before is still to be flushed for them.
		s.size = start
		return errors.Join(fullOr(err), f.sync(), f.abandon())
	}
	s.size = start
	return fullOr(err)
}

// sync makes the active segment and its name durable.
func (f *Files) sync() error {
	s := f.active
	if s == nil || s.size == s.synced {
		return nil
	}
	err := s.file.Sync()
	if err == nil && s.fresh {
		err = errors.Join(
			f.cfg.Disk.SyncDir(filepath.Join(f.cfg.Dir, dayName(s.day))),
			f.cfg.Disk.SyncDir(f.cfg.Dir))
	}
	if err != nil {
		f.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		return f.failed
	}
	s.fresh, s.synced = false, s.size
	return nil
}

func (f *Files) abandon() error {
	s := f.active
	f.active = nil
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// Read implements Archive.
func (f *Files) Read(_ context.Context, h Handle) ([]byte, error) {
	if h.Ref.Length < 0 || h.Ref.Length > MaxSealed || h.Ref.Offset < 0 {
		return nil, ErrCorrupt
	}
	file, release, err := f.opened.take(segmentPath(f.cfg.Dir, h.Ref.Day, h.Ref.Segment))
	if isMissing(err) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer release()
	record := make([]byte, recordHeader+int(h.Ref.Length))
	if _, err := file.ReadAt(record, h.Ref.Offset); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("segment is too short: %w", ErrCorrupt)
	} else if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return parseRecord(record, h.Message)
}

// DropBefore implements Archive.
func (f *Files) DropBefore(ctx context.Context, d Day) (days int, bytes int64, err error) {
	entries, err := os.ReadDir(f.cfg.Dir)
	if err != nil {
		return 0, 0, fmt.Errorf("drop bodies: %w", err)
	}
	f.mu.Lock()
	if f.active != nil && f.active.day < d {
		err = f.abandon()
	}
	f.mu.Unlock()
	if err != nil {
		return 0, 0, fmt.Errorf("drop bodies: %w", err)
	}
	for _, e := range entries {
		at, perr := time.Parse(time.DateOnly, e.Name())
		if perr != nil || !e.IsDir() || DayOf(at) >= d {
			continue
		}
		if err := ctx.Err(); err != nil {
			return days, bytes, err
		}
		dir := filepath.Join(f.cfg.Dir, e.Name())
		size := sizeOf(dir)
		f.opened.forget(dir)
		if err := os.RemoveAll(dir); err != nil {
			return days, bytes, fmt.Errorf("drop bodies: %w", err)
		}
		days, bytes = days+1, bytes+size
	}
	return days, bytes, nil
}

// Close ends the active segment and closes every file. Reads and appends must
// have returned.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.active != nil {
		err = f.abandon()
	}
	f.opened.forget(f.cfg.Dir)
	return err
}

func dayName(d Day) string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

func segmentPath(dir string, d Day, number int32) string {
	return filepath.Join(dir, dayName(d), fmt.Sprintf("%06d.spool", number))
}

// lastSegment returns the highest number in use in a day's directory, 0 if none.
func lastSegment(dir string) (int32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("list segments: %w", err)
	}
	var last int32
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".spool")
		if n, err := strconv.ParseInt(name, 10, 32); ok && err == nil {
			last = max(last, int32(n))
		}
	}
	return last, nil
}

func sizeOf(dir string) (sum int64) {
	// The figure is for people; what cannot be read counts nothing.
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

func fullOr(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"stafette/internal/spool"
)

const (
	// journalSegment is the size in bytes from which a new file is begun.
	journalSegment = 4 << 20
	// journalAhead is how far a file is filled with zeros before its notes: a flush of
	// what overwrites bytes need not wait for the journal of the file system, as one of
	// what makes a file longer does, and behind other flushes.
	journalAhead = 256 << 10
)

// journal is a row of files that notes are appended to, one after the other, and that are
// dropped when all they hold is in rows. It belongs to one goroutine at a time, and its
// directory to one process.
type journal struct {
	dir     string
	of      string // what it holds, for errors
	disk    spool.Disk
	release func() error // of the lock on dir; nil: another lock guards it
	last    uint64       // number of the last note
	open    segment      // is written now; its file may be nil
	full    []segment    // before it
	next    int          // number of the next file
}

// segment is one file of a journal.
type segment struct {
	path string
	file spool.File // nil: written by an earlier process
	size int64      // of its notes; zeros may follow
	made int64      // up to where there are bytes to overwrite
	last uint64     // number of the last note in it
}

// openJournal takes the journal in a directory of its own below parent. Each note that an
// earlier process left is given to read, files in their order, until one is no whole note
// of the version, which read says by errNote: what follows it was never acknowledged.
// Numbers go on behind folded and what is left.
func openJournal(parent, of string, disk spool.Disk, folded uint64, read func(note []byte, number uint64) error) (*journal, error) {
	j := &journal{dir: filepath.Join(parent, of), of: of, disk: disk, last: folded}
	if err := errors.Join(disk.Mkdir(j.dir), disk.SyncDir(parent)); err != nil {
		return nil, fmt.Errorf("make journal of %s: %w", of, err)
	}
	if err := j.recover(read); err != nil {
		return nil, fmt.Errorf("read journal of %s: %w", of, err)
	}
	return j, nil
}

func (j *journal) recover(read func(note []byte, number uint64) error) error {
	names, err := filepath.Glob(filepath.Join(j.dir, "*.notes"))
	if err != nil {
		return err
	}
	for _, path := range names {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".notes"))
		if err != nil {
			continue
		}
		j.next = max(j.next, n+1)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s := segment{path: path, size: int64(len(b))}
		for {
			note, number, rest, err := readNote(b)
			if err == nil {
				err = read(note, number)
			}
			if err != nil {
				break
			}
			b, s.last = rest, max(s.last, number)
		}
		j.last = max(j.last, s.last)
		j.full = append(j.full, s)
	}
	return nil
}

// write appends notes, which stand in raw one after the other as endNote left them, numbers
// them from first on, and returns when they are on stable storage.
// ErrFull of the spool leaves nothing; ErrFailed says that nobody knows what the disk holds.
func (j *journal) write(raw []byte) (first uint64, err error) {
	if err := j.turn(); err != nil {
		return 0, err
	}
	first = j.last + 1
	last := numberNotes(raw, first)
	err = j.open.prepare(int64(len(raw)))
	if err == nil {
		_, err = j.open.file.WriteAt(raw, j.open.size)
	}
	if err != nil {
		// What stands there is overwritten by the next, or is no whole note.
		if isFull(err) {
			return 0, fmt.Errorf("write journal of %s: %w: %w", j.of, spool.ErrFull, errors.Join(err, j.open.cut(j.open.size)))
		}
		return 0, fmt.Errorf("write journal of %s: %w: %w", j.of, spool.ErrFailed, err)
	}
	if err := j.open.file.Sync(); err != nil {
		return 0, fmt.Errorf("flush journal of %s: %w: %w", j.of, spool.ErrFailed, err)
	}
	j.last, j.open.last = last, last
	j.open.size += int64(len(raw))
	return first, nil
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// turn sees to it that there is a file to write to, whose name is durable.
func (j *journal) turn() error {
	if j.open.file != nil && j.open.size < journalSegment {
		return nil
	}
	if j.open.file != nil {
		j.full, j.open = append(j.full, j.open), segment{}
	}
	path := filepath.Join(j.dir, fmt.Sprintf("%09d.notes", j.next))
	f, err := j.disk.Create(path)
	if err == nil {
		j.next++
		if err = j.disk.SyncDir(j.dir); err != nil {
			full := isFull(err)
			err = errors.Join(err, f.Close(), os.Remove(path))
			if !full {
				err = fmt.Errorf("%w: %w", spool.ErrFailed, err)
			}
		}
	}
	if err != nil {
		if isFull(err) {
			err = fmt.Errorf("%w: %w", spool.ErrFull, err)
		}
		return fmt.Errorf("begin journal of %s: %w", j.of, err)
	}
	j.open = segment{path: path, file: f}
	return nil
}

// prepare sees to it that there are so many bytes more to overwrite.
func (s *segment) prepare(more int64) error {
	if s.size+more <= s.made {
		return nil
	}
	if _, err := s.file.WriteAt(make([]byte, more+journalAhead), s.made); err != nil {
		return err
	}
	s.made += more + journalAhead
	return nil
}

// cut ends the file at size, and its notes.
func (s *segment) cut(size int64) error {
	s.size, s.made = size, size
	return s.file.Truncate(size)
}

// empty forgets the notes. What is short is overwritten, for the next to overwrite it.
func (s *segment) empty() error {
	if s.size > journalAhead {
		return s.cut(0)
	}
	_, err := s.file.WriteAt(make([]byte, s.size), 0)
	if err == nil {
		s.size = 0
	}
	return err
}

// drop forgets what is in rows up to a number: files whose notes all are, and the content
// of the one that is written, so that nothing of a person stays here.
func (j *journal) drop(folded uint64) error {
	var errs []error
	j.full = slices.DeleteFunc(j.full, func(s segment) bool {
		if s.last > folded {
			return false
		}
		if s.file != nil {
			errs = append(errs, s.file.Close())
		}
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return true
	})
	if j.open.file != nil && j.open.size > 0 && j.open.last <= folded {
		errs = append(errs, j.open.empty())
	}
	return errors.Join(errs...)
}

// close gives the journal up. Files whose content is in rows go.
func (j *journal) close(folded uint64) error {
	errs := []error{j.drop(folded)}
	if j.open.file != nil {
		errs = append(errs, j.open.file.Close())
		if j.open.size == 0 {
			errs = append(errs, os.Remove(j.open.path))
		}
	}
	for _, s := range j.full {
		if s.file != nil {
			errs = append(errs, s.file.Close())
		}
	}
	if j.release != nil {
		errs = append(errs, j.release())
	}
	return errors.Join(errs...)
}

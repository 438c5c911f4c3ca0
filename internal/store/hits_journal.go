package store

import (
	"cmp"
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

// journalSegment is the size in bytes from which a new file is begun.
const journalSegment = 4 << 20

// journal is where hits lie until their rows are committed: files in DataDir/hits, written
// one after the other and dropped when all they hold is in rows. It belongs to one
// goroutine; one process at a time has it.
type journal struct {
	dir     string
	disk    spool.Disk
	release func() error // of the lock on dir
	last    uint64       // number of the last note
	open    segment      // is written now; its file may be nil
	full    []segment    // before it
	next    int          // number of the next file
}

// segment is one file of a journal.
type segment struct {
	path string
	file spool.File // nil: written by an earlier process
	size int64
	last uint64 // number of the last note in it
}

// openJournal takes the journal of a data directory with what an earlier process left in
// it behind the note with number folded. It returns nil where another process has it.
func openJournal(dir string, disk spool.Disk, folded uint64) (j *journal, left []*noted, err error) {
	j = &journal{dir: filepath.Join(dir, "hits"), disk: disk, last: folded}
	if err := disk.Mkdir(j.dir); err != nil {
		return nil, nil, fmt.Errorf("make journal of hits: %w", err)
	}
	if j.release, err = lockDir(j.dir); err != nil {
		if errors.Is(err, errInUse) {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	if left, err = j.recover(folded); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read journal of hits: %w", err), j.release())
	}
	return j, left, nil
}

// recover reads the files that are there. What follows a note that is not whole was never
// acknowledged.
func (j *journal) recover(folded uint64) (left []*noted, err error) {
	names, err := filepath.Glob(filepath.Join(j.dir, "*.notes"))
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".notes"))
		if err != nil {
			continue
		}
		j.next = max(j.next, n+1)
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		s := segment{path: path, size: int64(len(b))}
		for {
			h, number, rest, err := readNote(b)
			if err != nil {
				break
			}
			if b, s.last = rest, max(s.last, number); number > folded {
				left = append(left, &noted{entry: entry{hit: &h}, number: number})
			}
		}
		j.last = max(j.last, s.last)
		j.full = append(j.full, s)
	}
	slices.SortFunc(left, func(a, b *noted) int { return cmp.Compare(a.number, b.number) })
	return left, nil
}

// write appends notes, which appendNote made one after the other in raw, numbers them, and
// returns when they are on stable storage.
// ErrFull of the spool leaves nothing; ErrFailed says that nobody knows what the disk holds.
func (j *journal) write(notes []*noted, raw []byte) error {
	if err := j.turn(); err != nil {
		return err
	}
	from := 0
	for i, note := range notes {
		note.number = j.last + 1 + uint64(i)
		numberNote(raw[from:note.end], note.number)
		from = note.end
	}
	if _, err := j.open.file.WriteAt(raw, j.open.size); err != nil {
		// What stands there is overwritten by the next, or is no whole note.
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return fmt.Errorf("write journal of hits: %w: %w", spool.ErrFull, errors.Join(err, j.open.file.Truncate(j.open.size)))
		}
		return fmt.Errorf("write journal of hits: %w: %w", spool.ErrFailed, err)
	}
	if err := j.open.file.Sync(); err != nil {
		return fmt.Errorf("flush journal of hits: %w: %w", spool.ErrFailed, err)
	}
	j.last += uint64(len(notes))
	j.open.size += int64(len(raw))
	j.open.last = j.last
	return nil
}

// turn sees to it that there is a file to write to.
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
			err = errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = fmt.Errorf("%w: %w", spool.ErrFull, err)
		}
		return fmt.Errorf("begin journal of hits: %w", err)
	}
	j.open = segment{path: path, file: f}
	return nil
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
		if err := j.open.file.Truncate(0); err != nil {
			return errors.Join(append(errs, err)...)
		}
		j.open.size = 0
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
	return errors.Join(append(errs, j.release())...)
}

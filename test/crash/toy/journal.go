package toy

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// record is one line of the journal: a mail taken, or the end of one.
type record struct {
	ID    string `json:"id"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Body  []byte `json:"body,omitempty"`
	State string `json:"state"`
}

// journal is an append-only file of checked records. Appends that wait together
// share one flush, unless the vice forbids flushing at all.
type journal struct {
	vice Vice
	file *os.File

	mu      sync.Mutex
	wake    sync.Cond
	size    int64
	waiting []byte
	group   uint64 // the one that waiting belongs to
	done    uint64
	busy    bool
	results map[uint64]error // of groups that failed
}

// openJournal reads what is there, cuts off a torn tail and makes the file itself
// durable.
func openJournal(dir string, vice Vice) (*journal, []record, error) {
	path := filepath.Join(dir, "journal")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	records, size := decode(text)
	if vice == Amnesic {
		records = nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	if err := errors.Join(f.Truncate(size), f.Sync()); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	if vice != NoDirectory {
		if err := syncDir(dir); err != nil {
			return nil, nil, fmt.Errorf("open journal: %w", err)
		}
	}
	j := &journal{vice: vice, file: f, size: size, group: 1, results: map[uint64]error{}}
	j.wake.L = &j.mu
	return j, records, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

const header = 8 // length and checksum

func encode(r record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(text))
	return append(b, text...), nil
}

// decode returns the records up to the first that is not whole, and their length.
func decode(text []byte) (records []record, size int64) {
	for in := text; len(in) >= header; {
		n := int64(binary.BigEndian.Uint32(in))
		if n > int64(len(in)-header) {
			break
		}
		body := in[header : header+n]
		var r record
		if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(in[4:]) || json.NewDecoder(bytes.NewReader(body)).Decode(&r) != nil {
			break
		}
		records = append(records, r)
		size += header + n
		in = in[header+n:]
	}
	return records, size
}

// append returns when the record is as durable as the vice lets it be. errFlush
// means nothing is known of the disk any more.
func (j *journal) append(r record) error {
	text, err := encode(r)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, text...)
	mine := j.group
	for j.done < mine {
		if j.busy {
			j.wake.Wait()
			continue
		}
		j.flush()
	}
	return j.results[mine]
}

var errFlush = errors.New("flush failed")

func (j *journal) flush() {
	text, group, at := j.waiting, j.group, j.size
	j.waiting, j.busy = nil, true
	j.group++
	j.mu.Unlock()
	err := j.write(text, at)
	j.mu.Lock()
	if err == nil {
		j.size += int64(len(text))
	} else {
		j.results[group] = err
	}
	j.busy, j.done = false, group
	j.wake.Broadcast()
}

func (j *journal) write(text []byte, at int64) error {
	if n, err := j.file.WriteAt(text, at); err != nil {
		// A partial write must not stand before the next record.
		if n > 0 {
			err = errors.Join(err, j.file.Truncate(at))
		}
		if errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return fmt.Errorf("%w: %w", errFlush, err)
	}
	if j.vice == NoFlush {
		return nil
	}
	err := j.file.Sync()
	if err != nil && j.vice == FlushAgain {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFlush, err)
	}
	return nil
}

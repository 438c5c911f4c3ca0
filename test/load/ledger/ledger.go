// Package ledger remembers what a server acknowledged, on stable storage, so that
// whatever breaks afterwards can be held against it.
//
// It is the witness of a crash test: an entry is durable before the session that
// earned it goes on. It judges nothing; package crash compares it with the sink.
package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Entry is one acknowledged delivery.
type Entry struct {
	Token string // the letter's token
	ID    string // the server's name for it; may be empty
}

// Ledger is an append-only file. Append may be called concurrently; entries that
// wait together share one flush. The zero value is not usable; see Open.
type Ledger struct {
	file *os.File

	mu      sync.Mutex
	wake    sync.Cond
	waiting []byte
	next    uint64 // number of the group that waiting will be flushed with
	done    uint64 // groups flushed
	busy    bool
	err     error
	entries int
}

// Open creates the file or continues it.
func Open(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{file: f, next: 1}
	l.wake.L = &l.mu
	return l, nil
}

// Append returns when the entries are on stable storage. After an error the ledger
// is broken: every later call returns it.
func (l *Ledger) Append(entries ...Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.waiting = append(l.waiting, e.Token+"\t"+e.ID+"\n"...)
	}
	group := l.next
	for l.done < group && l.err == nil {
		if l.busy {
			l.wake.Wait()
			continue
		}
		l.flush()
	}
	if l.err == nil {
		l.entries += len(entries)
	}
	return l.err
}

// Len counts the entries that this Ledger has made durable.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries
}

// flush writes what waits. The lock is given up while the disk works.
func (l *Ledger) flush() {
	text, group := l.waiting, l.next
	l.waiting, l.busy = nil, true
	l.next++
	l.mu.Unlock()
	_, err := l.file.Write(text)
	if err == nil {
		err = l.file.Sync()
	}
	l.mu.Lock()
	l.busy, l.done = false, group
	if err != nil {
		l.err = fmt.Errorf("append to ledger: %w", err)
	}
	l.wake.Broadcast()
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// Read returns the entries of a ledger file. A last line without its end is
// ignored: its Append never returned.
func Read(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer f.Close()
	var entries []Entry
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		token, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			return nil, fmt.Errorf("read ledger: line %d is %q", len(entries)+1, line)
		}
		entries = append(entries, Entry{Token: token, ID: id})
	}
}

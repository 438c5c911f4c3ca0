package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"sync"

	"stafette/internal/spool"
)

// flushesAhead is how many groups may be committed and wait for a flush that has not begun.
// One flush is for all of them; more of them would only be smaller.
const flushesAhead = 1

// logFile is the log that SQLite writes commits to, as the committer makes it durable: its
// commits return before they are, so that the next group is written while the log of the one
// before goes to the disk. Whatever else is written waits for the disk itself, and with it for
// all that was committed before.
type logFile struct {
	path string
	disk spool.Disk

	mu     sync.Mutex // guards the rest; one flush at a time
	file   spool.File
	seen   os.FileInfo // of file
	failed error       // of the flush that failed
}

// flush makes durable what was committed before it was called. After one that failed all do: the
// next would succeed, and be believed by groups whose pages the one before it lost.
func (l *logFile) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	err := l.open()
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.failed = fmt.Errorf("flush log: %w", err)
	}
	return l.failed
}

// begin opens the log before anything is acknowledged: the system tells of a flush that failed,
// whoever asked for it, those who had the file open. SQLite flushes it, too, for what others
// than the committer store and before it copies it; what it is told must not be lost on us.
func (l *logFile) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	return nil
}

// open sees to it that file is the one that SQLite writes to: it makes another one after the
// last connection of all processes was closed.
func (l *logFile) open() error {
	now, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	if l.file != nil && os.SameFile(l.seen, now) {
		return nil
	}
	if err := l.shut(); err != nil {
		return err
	}
	l.file, err = l.disk.Open(l.path)
	l.seen = now
	return err
}

func (l *logFile) shut() error {
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return file.Close()
}

// close ends it. Flushes must have returned.
func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shut()
}

// flushed returns once all that can be seen in the database now is durable: before somebody is
// told of what another caller has stored and is not yet told of.
func (s *Store) flushed() error {
	if s.log == nil {
		return nil
	}
	if err := s.log.flush(); err != nil {
		return s.commits.breakDown(err)
	}
	return nil
}

// beginGroup begins the transaction of a group, whose commit does not wait for the disk where
// the log is flushed apart. The function it returns is called when the transaction has ended.
func (s *Store) beginGroup(ctx context.Context) (*sql.Tx, func(), error) {
	if s.log == nil {
		tx, err := s.write.BeginTx(ctx, nil)
		return tx, func() {}, err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	end := func() {
		if _, err := conn.ExecContext(ctx, "PRAGMA synchronous=FULL"); err != nil {
			// Nobody else may commit over a connection that does not wait for the disk.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = conn.Close() // gives it back, which does not fail
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous=NORMAL"); err != nil {
		end()
		return nil, nil, err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		end()
		return nil, nil, err
	}
	return tx, end, nil
}

// flusher is the goroutine behind the committer: it makes groups durable, all that were
// committed while the flush before ran with one, and only then ends their callers' waiting.
func (c *committer) flusher() {
	defer close(c.stopped)
	for group := range c.committed {
		groups := [][]*work{group}
		for more := true; more; {
			select {
			case g, ok := <-c.committed:
				if more = ok; ok {
					groups = append(groups, g)
				}
			default:
				more = false
			}
		}
		err := c.s.flushed()
		for _, g := range groups {
			if err != nil {
				c.release(g, fmt.Errorf("commit: %w", err))
				continue
			}
			c.s.passFor(g, afterStoreBeforeAck, afterSettleBeforeEvent)
			c.release(g, nil)
		}
	}
}

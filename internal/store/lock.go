package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockQueue makes this process the only one with an epoch on a data directory.
// Commands of other processes may read and write beside it; only one may deliver,
// and only it may know that all epochs before its own are dead.
func (s *Store) lockQueue() error {
	s.queueLock.Lock()
	defer s.queueLock.Unlock()
	if s.release != nil {
		return nil
	}
	var err error
	s.release, err = lockDir(s.cfg.DataDir)
	return err
}

// errInUse says that another process has a directory.
var errInUse = errors.New("another process uses it")

// lockDir makes this process the only one to use the directory, until release is
// called or the process ends, however it ends.
func lockDir(dir string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errInUse
		}
		return nil, errors.Join(fmt.Errorf("lock data directory %s: %w", dir, err), f.Close())
	}
	return f.Close, nil
}

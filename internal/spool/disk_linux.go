package spool

import (
	"os"
	"syscall"
)

// Sync implements File by fdatasync(2): all that is needed to read the content again, its
// length included, is on stable storage, but not when the file was changed, which nobody asks
// for. Where a file is overwritten in its length, that spares the file system a commit of its
// own journal.
func (f osFile) Sync() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			if failed = syscall.Fdatasync(int(fd)); failed != syscall.EINTR {
				return
			}
		}
	})
	if err == nil && failed != nil {
		err = &os.PathError{Op: "fdatasync", Path: f.Name(), Err: failed}
	}
	return err
}

package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// File is what Files needs of an open segment. *os.File implements it.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// Disk opens segments and makes names durable. It is the seam at which tests let
// a disk fill up or fail; OSDisk is the real one.
type Disk interface {
	// Create makes a new file for writing; one that exists is an error.
	Create(path string) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// Mkdir makes a directory with its parents; one that exists is no error.
	Mkdir(path string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(path string) error
}

// OSDisk is the Disk of the operating system. The zero value is ready for use.
type OSDisk struct{}

// osFile is a file of an OSDisk.
type osFile struct{ *os.File }

// Create implements Disk.
func (OSDisk) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open implements Disk.
func (OSDisk) Open(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Mkdir implements Disk.
func (OSDisk) Mkdir(path string) error { return os.MkdirAll(path, 0o700) }

// SyncDir implements Disk.
func (OSDisk) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

package spool

import (
	"strings"
	"sync"
)

// openFiles keeps a bounded number of segments open for reading. A file in use
// may be forgotten; it is closed when its last reader returns.
type openFiles struct {
	disk Disk
	max  int

	mu    sync.Mutex
	clock uint64
	files map[string]*openFile
}

type openFile struct {
	file    File
	readers int
	used    uint64
	dropped bool
}

func newOpenFiles(d Disk, limit int) *openFiles {
	return &openFiles{disk: d, max: limit, files: map[string]*openFile{}}
}

// take returns the file at path; release must be called once when done.
func (o *openFiles) take(path string) (_ File, release func(), _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.files[path]
	if e == nil {
		file, err := o.disk.Open(path)
		if err != nil {
			return nil, nil, err
		}
		o.evict()
		e = &openFile{file: file}
		o.files[path] = e
	}
	o.clock++
	e.used = o.clock
	e.readers++
	return e.file, func() { o.release(e) }, nil
}

func (o *openFiles) release(e *openFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e.readers--
	e.closeIfDone()
}

// evict drops the file unused for longest when there is no room for another.
func (o *openFiles) evict() {
	if len(o.files) < o.max {
		return
	}
	var oldest string
	for path, e := range o.files {
		if oldest == "" || e.used < o.files[oldest].used {
			oldest = path
		}
	}
	o.drop(oldest)
}

// forget drops every file below a directory.
func (o *openFiles) forget(dir string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for path := range o.files {
		if strings.HasPrefix(path, dir) {
			o.drop(path)
		}
	}
}

func (o *openFiles) drop(path string) {
	e := o.files[path]
	delete(o.files, path)
	e.dropped = true
	e.closeIfDone()
}

func (e *openFile) closeIfDone() {
	if e.dropped && e.readers == 0 {
		_ = e.file.Close() // opened for reading only: nothing can be lost
	}
}

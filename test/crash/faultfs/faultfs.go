// Package faultfs is a file system that loses power on purpose. It keeps what was
// written apart from what was made durable, and a cut drops the difference; it can
// also fail, refuse or delay at a chosen moment.
//
// It lives in memory behind FUSE and stands under the data directory of the server
// that a crash test torments. It is stricter than most disks: a directory entry is
// durable only when its directory was fsynced, as POSIX has it, unless Journaled
// says otherwise. Modes and times of files are durable at once; nothing here tests
// them.
package faultfs

import (
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// Config shapes a Disk.
type Config struct {
	// Journaled makes every flush write down the whole name space, as ext4's
	// journal does. Without it a name is durable when its directory is flushed.
	Journaled bool
}

// Disk is the memory behind the mount. Its methods may be called concurrently.
type Disk struct {
	config Config

	mu      sync.Mutex
	root    *node
	numbers uint64 // inode numbers given out
	faults  Faults
	used    int64
	flushes int
	dirty   map[*node]struct{} // directories with names that are not durable
}

// Faults is what goes wrong from now on. The zero value is a healthy disk.
type Faults struct {
	// Lying flushes succeed and make nothing durable.
	Lying bool
	// FailFlush fails the n-th flush from now with EIO, 1 being the next. As on
	// Linux, what it should have written is lost, who else has the file open is told
	// once by a flush of their own (errseq_t), and later flushes succeed.
	FailFlush int
	// Capacity is how many bytes files may hold in all before ENOSPC; 0: no limit.
	Capacity int64
	// Delay is how long each flush takes.
	Delay time.Duration
}

// node is a file or a directory.
type node struct {
	number uint64
	mode   uint32 // type and permissions
	mtime  time.Time
	links  int
	uid    uint32
	gid    uint32

	data    []byte   // as programs see it
	durable []byte   // as it would be after a cut
	pending []change // from durable to data

	failures int // flushes that failed

	names map[string]*node // of a directory, as programs see them
	safe  map[string]*node // of a directory, after a cut
}

// change is one write, or a truncation if data is nil.
type change struct {
	offset int64
	data   []byte
}

// New makes an empty disk.
func New(c Config) *Disk {
	d := &Disk{config: c, dirty: map[*node]struct{}{}}
	d.root = d.make(syscall.S_IFDIR | 0o755)
	return d
}

// Inject replaces the faults.
func (d *Disk) Inject(f Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
}

// Flushes counts fsync and fdatasync since New.
func (d *Disk) Flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}

// Used is how many bytes files hold.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

func (d *Disk) make(mode uint32) *node {
	d.numbers++
	n := &node{number: d.numbers, mode: mode, mtime: time.Now(), links: 1}
	if n.isDir() {
		n.names, n.safe = map[string]*node{}, map[string]*node{}
	}
	return n
}

func (n *node) isDir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// apply makes the change to an image of a file.
func (c change) apply(image []byte) []byte {
	if c.data == nil {
		return resize(image, c.offset)
	}
	if end := c.offset + int64(len(c.data)); end > int64(len(image)) {
		image = resize(image, end)
	}
	copy(image[c.offset:], c.data)
	return image
}

func resize(image []byte, size int64) []byte {
	if size <= int64(len(image)) {
		return image[:size]
	}
	if size <= int64(cap(image)) {
		old := len(image)
		image = image[:size]
		clear(image[old:])
		return image
	}
	grown := make([]byte, size, size+size/4)
	copy(grown, image)
	return grown
}

// change applies c to what programs see and remembers it for the next flush.
func (d *Disk) change(n *node, c change) syscall.Errno {
	size := int64(len(n.data))
	next := max(size, c.offset+int64(len(c.data)))
	if c.data == nil {
		next = c.offset
	}
	if grow := next - size; grow > 0 && d.faults.Capacity > 0 && d.used+grow > d.faults.Capacity {
		return syscall.ENOSPC
	}
	if n.links > 0 {
		d.used += next - size
	}
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
	n.mtime = time.Now()
	return 0
}

// handle is a file somebody has open.
type handle struct {
	told int // of the node's failures
}

// flushFor is flush for a file that somebody has open, who is told of what failed for others.
func (d *Disk) flushFor(n *node, h *handle) syscall.Errno {
	errno := d.flush(n)
	if h.told != n.failures {
		h.told = n.failures
		return syscall.EIO
	}
	return errno
}

// flush makes a node durable, or does what the faults say instead.
func (d *Disk) flush(n *node) syscall.Errno {
	d.flushes++
	if d.faults.FailFlush > 0 {
		d.faults.FailFlush--
		if d.faults.FailFlush == 0 {
			n.pending = nil
			n.failures++
			return syscall.EIO
		}
	}
	if d.faults.Lying {
		return 0
	}
	for _, c := range n.pending {
		n.durable = c.apply(n.durable)
	}
	n.pending = nil
	if d.config.Journaled {
		for dir := range d.dirty {
			d.settle(dir)
		}
	} else if n.isDir() {
		d.settle(n)
	}
	return 0
}

func (d *Disk) settle(dir *node) {
	dir.safe = maps.Clone(dir.names)
	delete(d.dirty, dir)
}

func (d *Disk) link(dir *node, name string, n *node) {
	dir.names[name] = n
	dir.mtime = time.Now()
	d.dirty[dir] = struct{}{}
}

func (d *Disk) unlink(dir *node, name string) {
	if n := dir.names[name]; n != nil {
		if n.links--; n.links == 0 {
			d.used -= int64(len(n.data))
		}
	}
	delete(dir.names, name)
	dir.mtime = time.Now()
	d.dirty[dir] = struct{}{}
}

// Damage says what a cut may leave of changes that were never flushed. A disk is
// free to have written any of them.
type Damage int

// The kinds of damage.
const (
	// Drop leaves none.
	Drop Damage = iota
	// Tear leaves the first few of each file, the last of them in part.
	Tear
	// Scatter leaves any sectors of any of them, and any names.
	Scatter
)

// sector is what a disk writes whole or not at all.
const sector = 512

// cut is the loss of power. No program may have a file open.
func (d *Disk) cut(kind Damage, r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = Faults{}
	keepNames := kind == Scatter && r.IntN(2) == 0
	d.used = 0
	d.restore(d.root, kind, r, keepNames, map[*node]bool{})
	clear(d.dirty)
}

// restore rolls a node and all below back to what is durable. With a journal the
// names of all directories survive together or not at all.
func (d *Disk) restore(n *node, kind Damage, r *rand.Rand, keepNames bool, seen map[*node]bool) {
	n.links++
	if seen[n] {
		return
	}
	seen[n], n.links = true, 1
	if n.isDir() {
		if !d.config.Journaled && kind == Scatter {
			keepNames = r.IntN(2) == 0
		}
		if keepNames {
			n.safe = maps.Clone(n.names)
		}
		n.names = maps.Clone(n.safe)
		for _, child := range n.names {
			d.restore(child, kind, r, keepNames, seen)
		}
		return
	}
	for _, c := range survivors(n.pending, kind, r) {
		n.durable = c.apply(n.durable)
	}
	n.pending = nil
	n.data = append([]byte(nil), n.durable...)
	d.used += int64(len(n.data))
}

func survivors(pending []change, kind Damage, r *rand.Rand) []change {
	if kind == Drop || len(pending) == 0 {
		return nil
	}
	if kind == Tear {
		kept := append([]change(nil), pending[:r.IntN(len(pending)+1)]...)
		if i := len(kept) - 1; i >= 0 && kept[i].data != nil {
			kept[i].data = kept[i].data[:r.IntN(len(kept[i].data)+1)/sector*sector]
		}
		return kept
	}
	var kept []change
	for _, c := range pending {
		if c.data == nil {
			if r.IntN(2) == 0 {
				kept = append(kept, c)
			}
			continue
		}
		for from := int64(0); from < int64(len(c.data)); {
			to := min(int64(len(c.data)), (c.offset+from)/sector*sector+sector-c.offset)
			if r.IntN(2) == 0 {
				kept = append(kept, change{c.offset + from, c.data[from:to]})
			}
			from = to
		}
	}
	return kept
}

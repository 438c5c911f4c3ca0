package faultfs

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// What the kernel may ask of an entry.
var (
	_ fs.NodeLookuper  = (*entry)(nil)
	_ fs.NodeGetattrer = (*entry)(nil)
	_ fs.NodeSetattrer = (*entry)(nil)
	_ fs.NodeReaddirer = (*entry)(nil)
	_ fs.NodeCreater   = (*entry)(nil)
	_ fs.NodeMkdirer   = (*entry)(nil)
	_ fs.NodeUnlinker  = (*entry)(nil)
	_ fs.NodeRmdirer   = (*entry)(nil)
	_ fs.NodeRenamer   = (*entry)(nil)
	_ fs.NodeLinker    = (*entry)(nil)
	_ fs.NodeOpener    = (*entry)(nil)
	_ fs.NodeReader    = (*entry)(nil)
	_ fs.NodeWriter    = (*entry)(nil)
	_ fs.NodeFsyncer   = (*entry)(nil)
	_ fs.NodeAllocater = (*entry)(nil)
	_ fs.NodeStatfser  = (*entry)(nil)
)

func (e *entry) child(ctx context.Context, n *node, out *fuse.EntryOut) *fs.Inode {
	c := &entry{disk: e.disk, node: n}
	c.attributes(&out.Attr)
	return e.NewInode(ctx, c, fs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.number})
}

// Lookup implements fs.NodeLookuper.
func (e *entry) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	n := e.node.names[name]
	if n == nil {
		return nil, syscall.ENOENT
	}
	return e.child(ctx, n, out), 0
}

// Getattr implements fs.NodeGetattrer.
func (e *entry) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	e.attributes(&out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer.
func (e *entry) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		e.node.mode = e.node.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if uid, ok := in.GetUID(); ok {
		e.node.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		e.node.gid = gid
	}
	if t, ok := in.GetMTime(); ok {
		e.node.mtime = t
	}
	if size, ok := in.GetSize(); ok {
		if errno := e.disk.change(e.node, change{offset: int64(size)}); errno != 0 {
			return errno
		}
	}
	e.attributes(&out.Attr)
	return 0
}

// Readdir implements fs.NodeReaddirer.
func (e *entry) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	var list []fuse.DirEntry
	for name, n := range e.node.names {
		list = append(list, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.number})
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return fs.NewListDirStream(list), 0
}

// Create implements fs.NodeCreater.
func (e *entry) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	i, errno := e.add(ctx, name, syscall.S_IFREG|mode&0o7777, out)
	return i, &handle{}, 0, errno
}

// Mkdir implements fs.NodeMkdirer.
func (e *entry) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return e.add(ctx, name, syscall.S_IFDIR|mode&0o7777, out)
}

func (e *entry) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if e.node.names[name] != nil {
		return nil, syscall.EEXIST
	}
	n := e.disk.make(mode)
	if caller, ok := fuse.FromContext(ctx); ok {
		n.uid, n.gid = caller.Uid, caller.Gid
	}
	e.disk.link(e.node, name, n)
	return e.child(ctx, n, out), 0
}

// Link implements fs.NodeLinker.
func (e *entry) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	n := target.(*entry).node
	n.links++
	e.disk.link(e.node, name, n)
	return e.child(ctx, n, out), 0
}

// Unlink implements fs.NodeUnlinker.
func (e *entry) Unlink(_ context.Context, name string) syscall.Errno {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	e.disk.unlink(e.node, name)
	return 0
}

// Rmdir implements fs.NodeRmdirer.
func (e *entry) Rmdir(_ context.Context, name string) syscall.Errno {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if n := e.node.names[name]; n != nil && len(n.names) > 0 {
		return syscall.ENOTEMPTY
	}
	e.disk.unlink(e.node, name)
	return 0
}

// Rename implements fs.NodeRenamer. Flags are those of renameat2; exchange is not
// supported.
func (e *entry) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	const noReplace = 1
	if flags&^noReplace != 0 {
		return syscall.EINVAL
	}
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	into := to.(*entry).node
	n, old := e.node.names[name], into.names[newName]
	switch {
	case n == nil:
		return syscall.ENOENT
	case old == n:
		return 0
	case old != nil && flags&noReplace != 0:
		return syscall.EEXIST
	case old != nil && len(old.names) > 0:
		return syscall.ENOTEMPTY
	case old != nil:
		e.disk.unlink(into, newName)
	}
	n.links++ // for the moment it has two names
	e.disk.link(into, newName, n)
	e.disk.unlink(e.node, name)
	return 0
}

// Open implements fs.NodeOpener. The kernel may keep its cache: only it changes
// files while the disk is mounted.
func (e *entry) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	return &handle{told: e.node.failures}, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (e *entry) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	n := 0
	if off < int64(len(e.node.data)) {
		n = copy(dest, e.node.data[off:])
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write implements fs.NodeWriter.
func (e *entry) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	// A copy: the buffer is the kernel's.
	errno := e.disk.change(e.node, change{offset: off, data: append(make([]byte, 0, len(data)), data...)})
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer for files and directories.
func (e *entry) Fsync(ctx context.Context, by fs.FileHandle, _ uint32) syscall.Errno {
	e.disk.mu.Lock()
	delay := e.disk.faults.Delay
	e.disk.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return syscall.EINTR
		}
	}
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if h, ok := by.(*handle); ok {
		return e.disk.flushFor(e.node, h)
	}
	return e.disk.flush(e.node)
}

// Allocate implements fs.NodeAllocater for plain growth (mode 0).
func (e *entry) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if end := int64(off + size); end > int64(len(e.node.data)) {
		return e.disk.change(e.node, change{offset: end})
	}
	return 0
}

// Statfs implements fs.NodeStatfser.
func (e *entry) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	const block, roomy = 4096, 64 << 30
	capacity := e.disk.faults.Capacity
	if capacity == 0 {
		capacity = roomy
	}
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Blocks = uint64(capacity / block)
	out.Bfree = uint64(max(0, capacity-e.disk.used) / block)
	out.Bavail, out.Files, out.Ffree = out.Bfree, 1<<20, 1<<20
	return 0
}

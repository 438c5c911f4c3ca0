package faultfs

import (
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount is a disk in the tree of files. The process that mounts must not map files
// below Dir into its memory: a page fault would wait for its own answer.
type Mount struct {
	disk   *Disk
	dir    string
	server *fuse.Server
}

// Available returns an error where FUSE cannot be mounted.
func Available() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("no FUSE here: %w", err)
	}
	return f.Close()
}

// Attach mounts the disk at dir, an empty directory.
func Attach(d *Disk, dir string) (*Mount, error) {
	m := &Mount{disk: d, dir: dir}
	return m, m.attach()
}

func (m *Mount) attach() error {
	root := &entry{disk: m.disk, node: m.disk.root}
	server, err := fs.Mount(m.dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMount: true, AllowOther: os.Getuid() == 0, FsName: "faultfs", Name: "faultfs",
			MaxWrite: 1 << 20,
		},
		RootStableAttr: &fs.StableAttr{Ino: m.disk.root.number},
	})
	if err != nil {
		return fmt.Errorf("attach disk: %w", err)
	}
	m.server = server
	return nil
}

// Dir is where the disk is mounted.
func (m *Mount) Dir() string { return m.dir }

// Disk is what is mounted.
func (m *Mount) Disk() *Disk { return m.disk }

// Cut is the loss of power: what was never flushed is damaged as told, faults are
// over, and the disk is mounted anew, so that the kernel's cache is gone too. The
// programs that used it must be dead.
func (m *Mount) Cut(kind Damage, r *rand.Rand) error {
	if err := m.Detach(); err != nil {
		return err
	}
	m.disk.cut(kind, r)
	return m.attach()
}

// Detach unmounts. It fails while a program has a file open.
func (m *Mount) Detach() error {
	if err := m.server.Unmount(); err != nil {
		return fmt.Errorf("detach disk: %w", err)
	}
	return nil
}

// entry joins a node to the kernel.
type entry struct {
	fs.Inode
	disk *Disk
	node *node
}

func (e *entry) attributes(a *fuse.Attr) {
	a.Ino, a.Mode, a.Nlink = e.node.number, e.node.mode, uint32(e.node.links)
	a.Size, a.Blocks = uint64(len(e.node.data)), uint64(len(e.node.data)+511)/512
	t := e.node.mtime
	a.SetTimes(&t, &t, &t)
	a.Uid, a.Gid = e.node.uid, e.node.gid
}

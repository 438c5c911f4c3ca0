// Package loopfs is a real ext4 on a loop device that loses power: a cut takes a
// copy of the device as it stands, without unmounting, and goes on with the copy.
//
// It is the second opinion beside package faultfs: less strict, but the very file
// system that servers run on, with its journal replayed by the kernel. It needs root.
package loopfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stafette/test/crash/faultfs"
)

// Disk is a mounted image. It is used by one goroutine.
type Disk struct {
	base  string // directory of images and mount point
	image string
	cuts  int
}

// New makes an image of the size in megabytes below base and mounts it. The kernel
// commits its journal every five minutes only, so that what survives a cut is what
// was flushed.
func New(base string, megabytes int) (*Disk, error) {
	if os.Getuid() != 0 {
		return nil, errors.New("make loop disk: needs root")
	}
	d := &Disk{base: base, image: filepath.Join(base, "disk0.img")}
	if err := os.Mkdir(d.mount(), 0o755); err != nil {
		return nil, fmt.Errorf("make loop disk: %w", err)
	}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, fmt.Errorf("make loop disk: %w", err)
	}
	if err := errors.Join(f.Truncate(int64(megabytes)<<20), f.Close()); err != nil {
		return nil, fmt.Errorf("make loop disk: %w", err)
	}
	if err := do("mkfs.ext4", "-q", "-F", d.image); err != nil {
		return nil, fmt.Errorf("make loop disk: %w", err)
	}
	if err := d.attach(); err != nil {
		return nil, err
	}
	// The server's directory is there before any cut.
	if err := os.Mkdir(d.Dir(), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("make loop disk: %w", err), d.Close())
	}
	return d, do("sync", "-f", d.Dir())
}

func do(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (d *Disk) mount() string { return filepath.Join(d.base, "mnt") }

func (d *Disk) attach() error {
	if err := do("mount", "-o", "loop,commit=300", d.image, d.mount()); err != nil {
		return fmt.Errorf("attach loop disk: %w", err)
	}
	return nil
}

// Dir is an empty directory at first; it survives cuts.
func (d *Disk) Dir() string { return filepath.Join(d.mount(), "data") }

// Cut is the loss of power. What it damages is the kernel's choice; kind and r are
// for disks that can choose. The programs that used the disk must be dead.
func (d *Disk) Cut(_ faultfs.Damage, _ *rand.Rand) error {
	d.cuts++
	next := filepath.Join(d.base, fmt.Sprintf("disk%d.img", d.cuts))
	if err := do("cp", "--sparse=always", d.image, next); err != nil {
		return fmt.Errorf("cut loop disk: %w", err)
	}
	if err := d.Close(); err != nil {
		return err
	}
	if err := os.Remove(d.image); err != nil {
		return fmt.Errorf("cut loop disk: %w", err)
	}
	d.image = next
	return d.attach()
}

// Close unmounts.
func (d *Disk) Close() error {
	if err := do("umount", d.mount()); err != nil {
		return fmt.Errorf("detach loop disk: %w", err)
	}
	return nil
}

package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cage is a memory cgroup. What is in it and wants more than its limit, after the
// kernel has dropped what can be read again, is killed.
type cage struct{ dir string }

// errNoCage: this machine has no memory cgroups that we may make.
var errNoCage = errors.New("no memory cgroup can be made here: it takes root")

// newCage makes a cgroup of version 1 or 2, whichever is there.
func newCage(limit int64) (*cage, error) {
	for _, kind := range []struct{ parent, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		dir, err := os.MkdirTemp(kind.parent, "stafette-soak-")
		if err != nil {
			continue
		}
		c := &cage{dir}
		if err := os.WriteFile(filepath.Join(dir, kind.limit), []byte(strconv.FormatInt(limit, 10)), 0o644); err == nil {
			return c, nil
		}
		if err := c.remove(); err != nil {
			return nil, err
		}
	}
	return nil, errNoCage
}

// join is the file that puts the process into the cage that writes its number there.
func (c *cage) join() string { return filepath.Join(c.dir, "cgroup.procs") }

// remove opens the cage, whose last process has just died.
func (c *cage) remove() error {
	const tries = 100
	for i := 0; ; i++ {
		err := syscall.Rmdir(c.dir)
		if err == nil || errors.Is(err, syscall.ENOENT) || i == tries {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// peakResident is the most memory of a process that was resident at any moment of
// its life, in bytes (VmHWM of proc(5)).
func peakResident(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("measure memory: process %d does not tell", pid)
}

// diskUse sums the files below a directory. One that goes while it is looked at does
// not count.
func diskUse(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, gone := d.Info(); gone == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

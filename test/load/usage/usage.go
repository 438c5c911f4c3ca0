// Package usage measures what a group of processes costs: processor time, memory
// and flushes, read from /proc without touching the processes.
//
// It serves the benches. It measures whole process trees, because a mail server of
// many processes must not look cheap for having forked.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every Linux
// platform that Go runs on.
const tick = 10 * time.Millisecond

// process is what /proc/PID/stat tells.
type process struct {
	parent int
	own    time.Duration // user and system time
	reaped time.Duration // the same of children that ended and were waited for
}

func read(pid int) (process, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return parse(text)
}

// parse reads a stat line; the command in parentheses may hold anything.
func parse(stat []byte) (process, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return process{}, fmt.Errorf("no command in %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:])) // fields[0] is number 3 of proc(5)
	if len(fields) < 15 {
		return process{}, fmt.Errorf("%d fields in %q", len(fields), stat)
	}
	var n [15]int64
	for _, i := range []int{1, 11, 12, 13, 14} {
		v, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return process{}, fmt.Errorf("field %d of %q: %w", i+3, stat, err)
		}
		n[i] = v
	}
	return process{
		parent: int(n[1]),
		own:    time.Duration(n[11]+n[12]) * tick,
		reaped: time.Duration(n[13]+n[14]) * tick,
	}, nil
}

// Tree lists the process and all its living descendants.
func Tree(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := read(pid); err == nil { // one that ended meanwhile is none
			children[p.parent] = append(children[p.parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// CPU sums the processor time of the trees, ended children included.
func CPU(roots ...int) (time.Duration, error) {
	var sum time.Duration
	for _, root := range roots {
		tree, err := Tree(root)
		if err != nil {
			return 0, err
		}
		for _, pid := range tree {
			if p, err := read(pid); err == nil {
				sum += p.own + p.reaped
			}
		}
	}
	return sum, nil
}

// Memory sums the proportional set size of the trees in bytes: shared pages count
// once, divided among those who share them.
func Memory(roots ...int) (int64, error) {
	var sum int64
	for _, root := range roots {
		tree, err := Tree(root)
		if err != nil {
			return 0, err
		}
		for _, pid := range tree {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
			if err != nil {
				continue
			}
			sum += pss(text)
		}
	}
	return sum, nil
}

func pss(rollup []byte) int64 {
	for line := range bytes.Lines(rollup) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// Flushes counts fsync, fdatasync and sync_file_range in the output of
// strace -f -e trace=fsync,fdatasync,sync_file_range. A call that strace splits in
// two lines counts once.
func Flushes(trace []byte) int {
	n := 0
	for line := range bytes.Lines(trace) {
		for _, call := range []string{" fsync(", " fdatasync(", " sync_file_range("} {
			if bytes.Contains(append([]byte(" "), line...), []byte(call)) && !bytes.Contains(line, []byte("resumed>")) {
				n++
			}
		}
	}
	return n
}

package usage

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	p, err := parse([]byte("42 (a) b) (c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 30 20 0 1 0"))
	if err != nil {
		t.Fatal(err)
	}
	if p != (process{parent: 7, own: 2 * time.Second, reaped: 500 * time.Millisecond}) {
		t.Errorf("%+v", p)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1", "1 (x) S y 1 1 0 -1 0 1 2 3 4 1 1 1 1 1"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTreeSeesGrandchildren(t *testing.T) {
	// The shell's child runs until the pipe closes.
	cmd := exec.Command("sh", "-c", "cat & wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); cmd.Wait() }()
	tree, err := Tree(os.Getpid())
	if err != nil || !slices.Contains(tree, cmd.Process.Pid) {
		t.Fatalf("tree %v (%v) misses %d", tree, err, cmd.Process.Pid)
	}
	if n, err := Memory(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("memory %d, %v", n, err)
	}
}

func TestPSS(t *testing.T) {
	if n := pss([]byte("Rss:  10 kB\nPss:     123 kB\nPss_Dirty: 7 kB\n")); n != 123<<10 {
		t.Errorf("%d", n)
	}
}

func TestFlushes(t *testing.T) {
	trace := "12 fsync(7) = 0\n13 fdatasync(8 <unfinished ...>\n12 write(1, \"x\") = 1\n13 <... fdatasync resumed>) = 0\nfsync(3) = 0\n"
	if n := Flushes([]byte(trace)); n != 3 {
		t.Errorf("%d, want 3", n)
	}
}

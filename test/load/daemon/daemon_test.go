package daemon

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A shell whose helper left the group: it must not survive its leader. The helper
// keeps the pipe open, so that its end shows in the pipe's end.
func TestKillReachesHelpersOfOtherGroups(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Start("sh", []string{"FIFO=" + fifo}, "-c", `setsid sh -c 'exec 3>"$FIFO"; echo up >&3; exec tail -f /dev/null' & wait`)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := io.ReadFull(alive, make([]byte, len("up\n"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(alive); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := d.Kill(); err != nil {
		t.Errorf("second kill: %v", err)
	}
}

func TestReadyTellsOfDeath(t *testing.T) {
	d, err := Start("sh", nil, "-c", "echo no such option >&2; exit 2")
	if err != nil {
		t.Fatal(err)
	}
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = d.Ready(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("error %v", err)
	}
}

func TestStopIsPoliteFirst(t *testing.T) {
	said := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(said, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Start("sh", []string{"FIFO=" + said}, "-c", `trap 'echo bye; exit 0' TERM; echo >"$FIFO"; while :; do sleep 0.01; done`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(said); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(time.Minute); err != nil || d.Said() != "bye" {
		t.Errorf("said %q, error %v", d.Said(), err)
	}
}

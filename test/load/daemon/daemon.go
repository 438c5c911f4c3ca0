// Package daemon runs the servers of load and crash tests as child processes that
// can be killed whole, whatever they forked.
//
// It knows nothing of what it runs; packages peers and crash do.
package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"stafette/test/load/usage"
)

// Daemon is one child process, leader of its own process group.
type Daemon struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// outputs is the writing end of a Daemon's outputs: it keeps the first 64 KB.
type outputs Daemon

// Write implements io.Writer.
func (o *outputs) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.output.Len() < 64<<10 {
		o.output.Write(p)
	}
	return len(p), nil
}

// Said is the first 64 KB of what it wrote to its outputs.
func (d *Daemon) Said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.TrimSpace(d.output.String())
}

// Start runs the program. It dies with this process.
func Start(name string, env []string, args ...string) (*Daemon, error) {
	d := &Daemon{cmd: exec.Command(name, args...), done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = (*outputs)(d), (*outputs)(d)
	d.cmd.Env = append(os.Environ(), env...)
	// Its own group, so that a kill reaches helpers; death with us, so that a
	// broken test leaves nothing behind.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	d.cmd.WaitDelay = 5 * time.Second // a helper that keeps the pipe must not hold us
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended shows in what it said and in what is lost
		close(d.done)
	}()
	return d, nil
}

// PID is its process id.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Done is closed when it has ended.
func (d *Daemon) Done() <-chan struct{} { return d.done }

func (d *Daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// Kill sends SIGKILL to all descendants and the whole group and waits.
func (d *Daemon) Kill() error {
	if d.ended() {
		return nil // its number may be another's by now
	}
	killTree(d.PID())
	err := syscall.Kill(-d.PID(), syscall.SIGKILL)
	<-d.done
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", d.cmd.Path, err)
	}
	return nil
}

// Stop sends SIGTERM and falls back to Kill after the patience.
func (d *Daemon) Stop(patience time.Duration) error {
	if d.ended() {
		return nil
	}
	if err := syscall.Kill(d.PID(), syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", d.cmd.Path, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-d.done:
		return nil
	case <-timer.C:
		return d.Kill()
	}
}

// Ready dials until the address answers, the process dies or ctx ends.
func (d *Daemon) Ready(ctx context.Context, network, address string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial(network, address); err == nil {
			return c.Close()
		}
		select {
		case <-d.done:
			return fmt.Errorf("%s ended: %s", d.cmd.Path, d.Said())
		case <-ctx.Done():
			d.dump()
			return fmt.Errorf("%s does not answer at %s: %w: %s", d.cmd.Path, address, ctx.Err(), d.Said())
		case <-tick.C:
		}
	}
}

// dump lets a Go program that hangs say where, which ends it.
func (d *Daemon) dump() {
	if d.ended() || syscall.Kill(d.PID(), syscall.SIGQUIT) != nil {
		return
	}
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	select {
	case <-d.done:
	case <-patience.C:
	}
}

// FreePort returns a loopback port that was free a moment ago.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// killTree kills a process and its descendants, whatever groups they moved to. The
// tree is listed again until a listing finds nobody new.
func killTree(root int) {
	killed := map[int]bool{}
	for {
		tree, err := usage.Tree(root)
		if err != nil {
			return
		}
		fresh := false
		for _, pid := range tree {
			if !killed[pid] {
				killed[pid], fresh = true, true
				// It may have ended by itself: that is as good.
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if !fresh {
			return
		}
	}
}

// Package peers starts the servers that are compared: Debian's Postfix, alone or
// with OpenDKIM, and Stafette itself, each as a throw-away instance on loopback
// with a directory of its own, relaying everything to one sink.
//
// It stands around the journey, not in it. It tunes every server as its own manual
// advises for throughput and measures none; package usage does that.
package peers

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

	"stafette/test/load/inject"
	"stafette/test/load/usage"
)

// Peer is a running server.
type Peer interface {
	// Name is what reports call it.
	Name() string
	// SMTP is its submission door.
	SMTP() inject.SMTP
	// Roots are the processes whose trees are its cost.
	Roots() []int
	// Settled returns when the server itself has nothing left to do with the first
	// n messages it was given, or with ctx's error.
	Settled(ctx context.Context, n int) error
	// Kill ends it at once with SIGKILL and waits for its death.
	Kill() error
	// Stop ends it politely and waits.
	Stop() error
}

// daemon is one child process, leader of its own process group.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
	err    error
}

// Write implements io.Writer: it keeps the first 64 KB the process says.
func (d *daemon) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.output.Len() < 64<<10 {
		d.output.Write(p)
	}
	return len(p), nil
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.TrimSpace(d.output.String())
}

func start(name string, env []string, args ...string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(name, args...), done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = d, d
	d.cmd.Env = append(os.Environ(), env...)
	// Its own group, so that a kill reaches helpers; death with us, so that a
	// broken test leaves nothing behind.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	d.cmd.WaitDelay = 5 * time.Second // a helper that keeps the pipe must not hold us
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		err := d.cmd.Wait()
		d.mu.Lock()
		d.err = err
		d.mu.Unlock()
		close(d.done)
	}()
	return d, nil
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// kill sends SIGKILL to the whole group and waits.
func (d *daemon) kill() error {
	err := syscall.Kill(-d.pid(), syscall.SIGKILL)
	<-d.done
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", d.cmd.Path, err)
	}
	return nil
}

// stop sends SIGTERM and falls back to kill after the patience.
func (d *daemon) stop(patience time.Duration) error {
	if err := syscall.Kill(d.pid(), syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", d.cmd.Path, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-d.done:
		// Helpers of a leader that is gone end with it.
		if err := syscall.Kill(-d.pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop %s: %w", d.cmd.Path, err)
		}
		return nil
	case <-timer.C:
		return d.kill()
	}
}

// ready dials until the address answers, the process dies or ctx ends.
func (d *daemon) ready(ctx context.Context, network, address string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial(network, address); err == nil {
			return c.Close()
		}
		select {
		case <-d.done:
			return fmt.Errorf("%s ended: %s", d.cmd.Path, d.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w: %s", d.cmd.Path, address, ctx.Err(), d.said())
		case <-tick.C:
		}
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

// Install brings missing programs from Debian packages of the given names when run
// as root; policy-rc.d keeps their daemons from starting.
func Install(ctx context.Context, program string, packages ...string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("%s is missing: apt-get install %s", program, strings.Join(packages, " "))
	}
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return fmt.Errorf("install %s: %w", program, err)
		}
		defer os.Remove(policy)
	}
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w: %s", program, err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[strings.LastIndexByte(text, '\n')+1:]
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

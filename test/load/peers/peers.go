// Package peers starts the servers that are compared: Debian's Postfix, alone or
// with OpenDKIM, and Stafette itself, each as a throw-away instance on loopback
// with a directory of its own, relaying everything to one sink.
//
// It stands around the journey, not in it. It tunes every server as its own manual
// advises for throughput and measures none; package usage does that.
package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"stafette/test/load/inject"
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
	// Verify fails unless the server can tell of n messages that they were
	// delivered, where it can tell at all. It may cost; it is not measured.
	Verify(ctx context.Context, n int) error
	// Kill ends it at once with SIGKILL and waits for its death.
	Kill() error
	// Stop ends it politely and waits.
	Stop() error
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

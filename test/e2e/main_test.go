package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const (
	// binaryVariable names the built program; set, it is not built again.
	binaryVariable = "STAFETTE_TEST_BINARY"
	// insideVariable says that we already run in a namespace of our own.
	insideVariable = "STAFETTE_TEST_INSIDE"
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if os.Getenv(insideVariable) != "" {
		if err := furnish(); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "stafette-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if os.Getenv(binaryVariable) == "" {
		binary := filepath.Join(dir, "stafette")
		build := exec.Command("go", "build", "-o", binary, "../../cmd/stafette")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build: %w\n%s", err, out)
		}
		if err := os.Setenv(binaryVariable, binary); err != nil {
			return 1, err
		}
	}
	if _, err := exec.LookPath("unshare"); err != nil || os.Geteuid() != 0 {
		return m.Run(), nil
	}
	return moveIn()
}

// moveIn runs the test program again in fresh namespaces. Everything it starts
// there, daemons too, dies with it.
func moveIn() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	args := append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", self}, os.Args[1:]...)
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// furnish gives the namespace its addresses.
func furnish() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", mxAddress + "/32", "dev", "lo"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

// needNamespace skips a test that needs addresses and ports of its own.
func needNamespace(t *testing.T) {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		t.Skip("needs root and unshare for a network namespace of its own")
	}
}

// needProgram skips a test that needs a program of the machine.
func needProgram(t *testing.T, path string) {
	t.Helper()
	if _, err := exec.LookPath(path); err != nil {
		missing(t, path)
	}
}

// missing skips a test that needs something. Where CI says that everything is there, it
// fails: a test that is never run must not look like one.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("needs %s", what)
}

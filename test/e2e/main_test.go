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
	// insideVariable says that we already run in a namespace of our own, and as what.
	insideVariable = "STAFETTE_TEST_INSIDE"
	asInit         = "init"
	asTests        = "tests"
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
	switch os.Getenv(insideVariable) {
	case asInit:
		return initiate()
	case asTests:
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
	cmd.Env = append(os.Environ(), insideVariable+"="+asInit)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// initiate is the namespace's process 1: it runs the tests and buries whoever was left
// behind by its parent, as Postfix's master and its children are. The tests cannot do so
// themselves: they wait for children of their own.
func initiate() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// Set, not added: of two of a name a program finds the first, and would be init again.
	if err := os.Setenv(insideVariable, asTests); err != nil {
		return 1, err
	}
	tests, err := os.StartProcess(self, os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return 1, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, fmt.Errorf("wait for the tests: %w", err)
		case pid == tests.Pid && status.Exited():
			return status.ExitStatus(), nil
		case pid == tests.Pid:
			return 1, fmt.Errorf("the tests ended by %s", status.Signal())
		}
	}
}

// datagrams is how many lines of a journal may wait for the process that writes them.
// The kernel's 10 hold up every Postfix process that says something while the machine
// is busy elsewhere, to the end of their patience and ours.
const datagrams = "512"

// furnish gives the namespace its addresses and room for journals.
func furnish() error {
	if err := os.WriteFile("/proc/sys/net/unix/max_dgram_qlen", []byte(datagrams), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: journals of Postfix may be slow:", err)
	}
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

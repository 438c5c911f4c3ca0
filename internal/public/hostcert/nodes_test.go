package hostcert_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"stafette/internal/public/hostcert"
)

// What the other process is told: that it is the other one, its folder, and the directory.
const (
	otherFolder    = "STAFETTE_TEST_OTHER_FOLDER"
	otherDirectory = "STAFETTE_TEST_OTHER_DIRECTORY"
)

// TestMain is also the other process of TestSeveralNodes.
func TestMain(m *testing.M) {
	if folder := os.Getenv(otherFolder); folder != "" {
		if err := serveOther(folder, os.Getenv(otherDirectory)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveOther serves the listener that the process was left and says for whom it was asked,
// until its input ends.
func serveOther(folder, directory string) error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	defer l.Close()
	issuer := hostcert.New(hostcert.Config{Directory: directory, Folder: folder, Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, //nolint:forcetypeassert // a TCP listener's
		Now: time.Now, Known: func(_ context.Context, name string) bool {
			fmt.Println("asked for " + name)
			return true
		}})
	defer issuer.Close()
	serve(l, issuer, &tls.Certificate{})
	fmt.Println("serving")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the end of the other process
	return nil
}

// otherProcess starts another process that serves l, and returns how to end it and what it
// was asked.
func otherProcess(t *testing.T, l net.Listener, folder, directory string) (end func() string) {
	t.Helper()
	file, err := l.(*net.TCPListener).File() //nolint:forcetypeassert // a TCP listener
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	run := exec.CommandContext(t.Context(), os.Args[0])
	run.Env = append(os.Environ(), otherFolder+"="+folder, otherDirectory+"="+directory)
	run.ExtraFiles = []*os.File{file}
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "serving" {
		t.Log(lines.Text())
	}
	return func() string {
		_ = in.Close()
		var said strings.Builder
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
		}
		_ = run.Wait()
		return said.String()
	}
}

// TestSeveralNodes: a certificate that one process asks for is proved by another process at
// which the authority knocks, if both have one folder; with folders apart it is refused.
func TestSeveralNodes(t *testing.T) {
	for name, shared := range map[string]bool{"one folder": true, "folders apart": false} {
		t.Run(name, func(t *testing.T) {
			l, port := listen(t)
			directory, roots, _ := authority(t, port)
			here, there := t.TempDir(), t.TempDir()
			if shared {
				there = here
			}
			end := otherProcess(t, l, there, directory)
			issuer := hostcert.New(hostcert.Config{Directory: directory, Roots: roots, Folder: here, Host: "127.0.0.1", Port: port, Now: time.Now,
				Known: func(_ context.Context, name string) bool { return name == host }})
			defer issuer.Close()
			issuer.Ready(t.Context(), host)
			issuer.Settle()
			got := issuer.Ready(t.Context(), host)
			if said := end(); !strings.Contains(said, "asked for "+host) {
				t.Errorf("the authority did not come to the other process: %s", said)
			}
			if got != shared {
				t.Errorf("has a certificate: %v, want %v", got, shared)
			}
		})
	}
}

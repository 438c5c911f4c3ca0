package smtp_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/internal/smtp"
)

// TestPostfixSink sends to smtp-sink of Postfix, the second foreign server, where
// it is installed; go-smtp stands in for it elsewhere.
func TestPostfixSink(t *testing.T) {
	program, err := exec.LookPath("smtp-sink")
	if err != nil {
		t.Skip("smtp-sink of Postfix is not installed")
	}
	dir := t.TempDir()
	args := []string{"-d", filepath.Join(dir, "mail.")}
	if os.Getuid() == 0 {
		// The sink drops its rights and must still reach and write the directory.
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-u", "nobody")
	}
	ln := listen(t)
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, append(args, address, "16")...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	c := dialUp(t, address)
	bodies := []string{"Subject: one\r\n\r\n.dot\r\n..dots\r\n.\r\n", "Subject: two\r\n\r\n" + strings.Repeat("long line ", 5000)}
	one, two := mail("x@mx.test", bodies[0]), mail("x@mx.test", bodies[1])
	if _, err := c.Deliver(context.Background(), one, &two); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deliver(context.Background(), two, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "mail.*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for i, body := range bodies {
		if want := strings.TrimSuffix(strings.ReplaceAll(body, "\r\n", "\n"), "\n"); !strings.Contains(all.String(), want) {
			t.Errorf("mail %d is not among the %d bytes in %d files", i, all.Len(), len(names))
		}
	}
}

// dialUp dials until the server that was just started listens.
func dialUp(t *testing.T, address string) *smtp.Conn {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		c, err := smtp.Dial(context.Background(), options(address))
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
		<-tick.C
	}
	t.Fatal("smtp-sink does not listen")
	return nil
}

package smtpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/smtpserver"
	"stafette/internal/tenant"
)

// TestMistakes holds what is answered to clients that do not keep to the protocol.
func TestMistakes(t *testing.T) {
	w := start(t, func(c *smtpserver.Config) { c.AllowPlainAuth, c.MaxRecipients = true, 2 })
	d := w.login(t)
	for _, c := range []struct{ line, want string }{
		{"MAIL FROM:<a@muster.example> SIZE=x", "501 5.5.4"},
		{"MAIL FROM:<a@muster.example> BODY=BINARYMIME", "504 5.5.4"},
		{"MAIL FROM:<a@muster.example> BODY=9BIT", "501 5.5.4"},
		{"MAIL FROM:<a@muster.example> ENVID=a+2", "501 5.5.4"},
		{"MAIL FROM:<a@muster.example> RET=SOME", "501 5.5.4"},
		{"MAIL FROM:<a@muster.example> FOO=1", "555 5.5.4"},
		{"MAIL TO:<a@muster.example>", "501 5.5.2"},
		{"MAIL FROM:<a@muster.example", "501 5.5.2"},
		{"DATA", "503 5.5.1"},
		{"MAIL FROM:a@muster.example AUTH=<>", "250 2.1.0"},
		{"MAIL FROM:<a@muster.example>", "503 5.5.1"},
		{"AUTH PLAIN", "503 5.5.1"},
		{"DATA", "503 5.5.1"},
		{"RCPT TO:<>", "501 5.5.2"},
		{"RCPT TO:<eva@kunde.example> NOTIFY=NEVER,DELAY", "501 5.5.4"},
		{"RCPT TO:<eva@kunde.example> ORCPT=x;y", "501 5.5.4"},
		{"RCPT TO:<eva@kunde.example> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;jürgen", "250 2.1.5"},
		{"RCPT TO:<@relay.example:max@kunde.example>", "250 2.1.5"},
		{"RCPT TO:<third@kunde.example>", "452 4.5.3"},
		{"DATA now", "501 5.5.4"},
		{"VRFY eva", "252 "},
		{"EXPN list", "502 "},
		{"HELP", "214 "},
		{"HELO", "501 "},
		{"HELO again.example", "250 "},
		{"RCPT TO:<eva@kunde.example>", "503 5.5.1"},
		{"FOO", "500 5.5.2"}, {"FOO", "500 5.5.2"}, {"", "500 5.5.2"}, {"FOO", "421 4.7.0"},
	} {
		d.say(c.line, c.want)
	}
	d.closed()

	d = w.login(t)
	d.say("NOOP "+strings.Repeat("x", 13<<10), "500 5.5.2")
	d.closed()

	// The bytes behind a refused BDAT are no commands; where its size is not known,
	// nobody can tell what they are.
	d = w.login(t)
	d.write("BDAT 6\r\nQUIT\r\nNOOP\r\n")
	d.want("503 5.5.1")
	d.want("250 ")
	d.write("BDAT -1\r\nNOOP\r\n")
	d.want("501 5.5.4")
	d.closed()
	if n := len(w.acceptor.submissions()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}

// TestLargestMessage holds that the limit itself still fits, by both ways.
func TestLargestMessage(t *testing.T) {
	w := start(t, func(c *smtpserver.Config) { c.AllowPlainAuth, c.MaxSize = true, int64(len(mail)) })
	d := w.login(t)
	for _, more := range []string{"", "\r\n"} {
		want := "250 2.0.0"
		if more != "" {
			want = "552 5.3.4"
		}
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.say("DATA", "354 ")
		d.say(mail+more+".", want)
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(mail+more), mail+more))
		d.want(want)
	}
}

// TestBrokenOff holds that half a message is no message, and what follows it no command.
func TestBrokenOff(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.write(mail + ".\n")
	if err := d.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	d.closed()
	if n := len(w.acceptor.submissions()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}

// pipes is a listener whose connections are pipes, so that time can be a bubble's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSilentClients lets clients say nothing, or take nothing, for too long.
func TestSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		server := smtpserver.New(smtpserver.Config{Now: time.Now, CommandTimeout: time.Minute})
		listener := make(pipes)
		go func() { _ = server.ServeSTARTTLS(listener) }()

		silent, ours := net.Pipe()
		listener <- ours
		said, err := io.ReadAll(bufio.NewReader(silent))
		if err != nil || !strings.Contains(string(said), "\r\n421 4.4.2 ") {
			t.Errorf("heard %q (%v)", said, err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %s", took)
		}
		deaf, ours := net.Pipe()
		listener <- ours
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("a client that reads nothing held the server for %s", took)
		}
		_ = deaf.Close()
		close(listener)
	})
}

// TestSlowSubmission: a message has its time as a whole, however its bytes trickle in.
func TestSlowSubmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(tenant.ScopeSend)
		server := smtpserver.New(smtpserver.Config{Now: time.Now, AllowPlainAuth: true, CommandTimeout: time.Minute,
			Acceptor: &acceptor{}, Auth: anyone{key: key}})
		listener := make(pipes)
		go func() { _ = server.ServeSTARTTLS(listener) }()
		client, ours := net.Pipe()
		listener <- ours
		go func() { _, _ = io.Copy(io.Discard, client) }()
		began := time.Now()
		_, err := io.WriteString(client, "EHLO x\r\nAUTH PLAIN "+plain("apikey", keyText)+
			"\r\nMAIL FROM:<a@muster.example>\r\nRCPT TO:<eva@kunde.example>\r\nDATA\r\n")
		for err == nil && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			_, err = client.Write([]byte("a"))
		}
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it could go on for %s", took)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		close(listener)
	})
}

// anyone takes every text for one key.
type anyone struct {
	tenant.Authenticator
	key tenant.Key
}

func (a anyone) Key(context.Context, string, string) (tenant.Key, error) { return a.key, nil }

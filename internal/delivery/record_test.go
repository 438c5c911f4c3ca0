package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/smtp"
)

func TestBrokenOff(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	tests := []struct {
		err   error
		class bounce.Class
		words string
	}{
		{&smtp.Error{Stage: smtp.StageConnect, Err: fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}, "connect_failed", "connection refused"},
		{&smtp.Error{Stage: smtp.StageConnect, Err: syscall.EHOSTUNREACH}, "connect_failed", "no route to the host"},
		{&smtp.Error{Stage: smtp.StageConnect, Err: timeout}, "connect_failed", "no answer in time"},
		{&smtp.Error{Stage: smtp.StageRcpt, Err: context.DeadlineExceeded}, "timeout", "no answer in time"},
		{&smtp.Error{Stage: smtp.StageRcpt, Err: io.EOF}, "connection_lost", "connection lost"},
		{&smtp.Error{Stage: smtp.StageData, Err: syscall.ECONNRESET}, "connection_lost", "connection lost"},
		{&smtp.Error{Stage: smtp.StageDot, Err: io.EOF, Uncertain: true}, "connection_lost", "connection lost after the whole message was sent"},
		{&smtp.Error{Stage: smtp.StageSTARTTLS, Err: errors.New("bad record")}, "tls_failed", "encryption failed: bad record"},
		{&smtp.Error{Stage: smtp.StageEHLO, Err: fmt.Errorf("%w:\r\nquiet", smtp.ErrProtocol)}, "protocol_error", "server does not keep to the protocol:\nquiet"},
		{errors.New("something else"), "connection_lost", "something else"},
	}
	table, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{cfg: Config{Judge: table}}
	for _, tt := range tests {
		f := e.judge(tt.err, "mx.example")
		if f.judgement.Class != tt.class || f.judgement.Scope != bounce.ScopeSession || f.judgement.Permanent || f.local != tt.words {
			t.Errorf("%v: %+v, want class %s and %q", tt.err, f, tt.class, tt.words)
		}
	}
	// What we refuse to send ourselves blames the message and asks no other host.
	for _, cause := range []error{smtp.ErrTooLarge, smtp.ErrBareNewline, smtp.ErrNoUTF8, smtp.ErrAddress} {
		f := e.judge(&smtp.Error{Stage: smtp.StageMail, Local: true, Err: cause}, "mx.example")
		if d := decide(f, chances{reused: true, hosts: true, sources: true}); d.step != stepSettle || d.state != event.Bounced || d.scope != bounce.ScopeMessage {
			t.Errorf("%v: %+v", cause, d)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "550 5.1.1 unknown", "a\x00b\r\nc\td", "\xff\xfe", strings.Repeat("ü", 40), "\x1b[31mred"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(n%5000, 1)
		got := clean(s, n)
		if len(got) > n || !utf8.ValidString(got) {
			t.Fatalf("clean(%q, %d) = %q", s, n, got)
		}
		for _, r := range got {
			if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
				t.Fatalf("clean(%q) keeps %q", s, r)
			}
		}
	})
}

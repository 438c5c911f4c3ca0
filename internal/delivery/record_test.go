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
	"stafette/internal/message"
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
		{&smtp.Error{Stage: smtp.StageConnect, Err: timeout}, "timeout", "no answer in time"},
		{&smtp.Error{Stage: smtp.StageRcpt, Err: context.DeadlineExceeded}, "timeout", "no answer in time"},
		{&smtp.Error{Stage: smtp.StageRcpt, Err: io.EOF}, "connection_lost", "connection lost"},
		{&smtp.Error{Stage: smtp.StageData, Err: syscall.ECONNRESET}, "connection_lost", "connection lost"},
		{&smtp.Error{Stage: smtp.StageDot, Err: io.EOF, Uncertain: true}, "connection_lost", "connection lost after the whole message was sent"},
		{&smtp.Error{Stage: smtp.StageSTARTTLS, Err: errors.New("bad record")}, "tls_failed", "encryption failed: bad record"},
		{&smtp.Error{Stage: smtp.StageEHLO, Err: errors.New("reply\r\nis not SMTP")}, "connection_lost", "reply\nis not SMTP"},
		{errors.New("something else"), "connect_failed", "something else"},
	}
	e := &Engine{}
	for _, tt := range tests {
		f := e.judge(tt.err, "mx.example")
		if f.judgement.Class != tt.class || f.judgement.Scope != bounce.ScopeSession || f.judgement.Permanent || f.local != tt.words {
			t.Errorf("%v: %+v, want class %s and %q", tt.err, f, tt.class, tt.words)
		}
	}
}

func TestPathQuotes(t *testing.T) {
	for want, a := range map[string]message.Address{
		"":                    {},
		"eva@kunde.example":   {Local: "eva", Domain: "kunde.example"},
		"eva.m+x@k.example":   {Local: "eva.m+x", Domain: "k.example"},
		"jürgen@k.example":    {Local: "jürgen", Domain: "k.example"},
		`"eva m"@k.example`:   {Local: "eva m", Domain: "k.example"},
		`"a..b"@k.example`:    {Local: "a..b", Domain: "k.example"},
		`".a"@k.example`:      {Local: ".a", Domain: "k.example"},
		`"a@b"@k.example`:     {Local: "a@b", Domain: "k.example"},
		`"a\"b\\c"@k.example`: {Local: `a"b\c`, Domain: "k.example"},
		`"a>b"@k.example`:     {Local: "a>b", Domain: "k.example"},
	} {
		if got := path(a); got != want {
			t.Errorf("path(%+v) = %s, want %s", a, got, want)
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

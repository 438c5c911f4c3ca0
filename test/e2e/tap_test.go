package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tap is a receiving server that keeps every byte clients say. It reads as strictly
// as RFC 5321 allows, so that nothing a client says badly is put right.
type tap struct {
	chunking bool // offers BDAT

	mu   sync.Mutex
	raw  []*bytes.Buffer // one for each session
	mail []tapped
}

// tapped is a mail a tap took: body without dot-stuffing.
type tapped struct {
	from, to string
	body     []byte
}

func openTap(t *testing.T, address string, chunking bool) *tap {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	tp := &tap{chunking: chunking}
	var sessions sync.WaitGroup
	t.Cleanup(sessions.Wait) // runs last: cleanups go backwards
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { tp.serve(c) })
			t.Cleanup(func() { _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return tp
}

// taken returns what was taken so far.
func (t *tap) taken() []tapped {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]tapped(nil), t.mail...)
}

// said returns what each session's client said so far.
func (t *tap) said() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, b := range t.raw {
		all = append(all, b.String())
	}
	return all
}

// tapSession is one client at a tap.
type tapSession struct {
	tap  *tap
	in   *bufio.Reader
	out  io.Writer
	kept *bytes.Buffer
	now  tapped
}

// Write keeps what was read.
func (s *tapSession) Write(p []byte) (int, error) {
	s.tap.mu.Lock()
	defer s.tap.mu.Unlock()
	return s.kept.Write(p)
}

func (t *tap) serve(c net.Conn) {
	defer c.Close()
	s := &tapSession{tap: t, out: c, kept: &bytes.Buffer{}}
	t.mu.Lock()
	t.raw = append(t.raw, s.kept)
	t.mu.Unlock()
	s.in = bufio.NewReader(io.TeeReader(c, s))
	s.say("220 tap.example ESMTP")
	for {
		line, err := s.in.ReadString('\n')
		if err != nil || !s.obey(strings.TrimSuffix(line, "\r\n")) {
			return
		}
	}
}

func (s *tapSession) say(line string) { _, _ = io.WriteString(s.out, line+"\r\n") }

// obey answers one command and reports whether more may follow.
func (s *tapSession) obey(line string) bool {
	verb, argument, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		s.say("250-tap.example\r\n250-8BITMIME\r\n250-SMTPUTF8")
		if s.tap.chunking {
			s.say("250-CHUNKING")
		}
		s.say("250 SIZE 100000000")
	case "MAIL":
		s.now = tapped{from: address(argument)}
		s.say("250 2.1.0 Ok")
	case "RCPT":
		s.now.to = address(argument)
		s.say("250 2.1.5 Ok")
	case "DATA":
		s.say("354 Go on")
		return s.dotted()
	case "BDAT":
		return s.chunk(argument)
	case "QUIT":
		s.say("221 2.0.0 Bye")
		return false
	default:
		s.say("250 2.0.0 Ok")
	}
	return true
}

// address is what stands in angle brackets.
func address(argument string) string {
	_, a, _ := strings.Cut(argument, "<")
	a, _, _ = strings.Cut(a, ">")
	return a
}

func (s *tapSession) dotted() bool {
	whole := true // the line before ended with CRLF
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return false
		}
		if whole && line == ".\r\n" {
			s.keep()
			return true
		}
		if whole {
			line = strings.TrimPrefix(line, ".")
		}
		s.now.body = append(s.now.body, line...)
		whole = strings.HasSuffix(line, "\r\n")
	}
}

func (s *tapSession) chunk(argument string) bool {
	size, last, _ := strings.Cut(argument, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		s.say("501 5.5.4 Size?")
		return false
	}
	part := make([]byte, n)
	if _, err := io.ReadFull(s.in, part); err != nil {
		return false
	}
	s.now.body = append(s.now.body, part...)
	if last == "" {
		s.say(fmt.Sprintf("250 2.0.0 %d bytes", n))
		return true
	}
	s.keep()
	return true
}

func (s *tapSession) keep() {
	s.tap.mu.Lock()
	s.tap.mail = append(s.tap.mail, s.now)
	s.tap.mu.Unlock()
	s.now = tapped{}
	s.say("250 2.0.0 Ok: tapped")
}

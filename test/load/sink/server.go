package sink

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Mail is one transaction as it came over the wire.
type Mail struct {
	From string
	To   []string // accepted recipients
	Body []byte   // with CRLF line ends, without dot-stuffing; valid until the handler returns
}

// Server receives SMTP (RFC 5321) with PIPELINING (RFC 2920) and, if asked for,
// CHUNKING (RFC 3030). It is made for speed on loopback between programs of this
// tree: no TLS, no time-outs, AUTH accepts everybody. Fields are set before Serve.
type Server struct {
	// Recipient answers RCPT; nil accepts all. The reply is a whole line without
	// CRLF. It may be called concurrently, as Message.
	Recipient func(address string) string
	// Message answers the end of data.
	Message func(m *Mail) string
	// Chunking offers BDAT.
	Chunking bool

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Serve takes connections until ctx ends, then closes them all and returns when
// the last session is over.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var sessions sync.WaitGroup
	stop := context.AfterFunc(ctx, func() {
		l.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			c.Close()
		}
	})
	defer stop()
	defer sessions.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept connection: %w", err)
		}
		s.track(c, true)
		if ctx.Err() != nil { // it ended between Accept and track
			c.Close()
		}
		sessions.Go(func() {
			defer s.track(c, false)
			defer c.Close()
			s.session(c)
		})
	}
}

func (s *Server) track(c net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[net.Conn]struct{}{}
	}
	if open {
		s.conns[c] = struct{}{}
	} else {
		delete(s.conns, c)
	}
}

// Sessions counts open connections.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// limits of one session: a peer of this tree never needs more.
const (
	maxLine = 64 << 10
	maxBody = 64 << 20
)

var errQuit = errors.New("client said QUIT")

type session struct {
	server *Server
	in     *bufio.Reader
	out    *bufio.Writer
	mail   Mail
	inMail bool
	body   []byte // reused
}

// session answers until the client leaves; a broken connection is nobody's error.
func (s *Server) session(c net.Conn) {
	x := &session{server: s, in: bufio.NewReaderSize(c, maxLine), out: bufio.NewWriter(c)}
	x.say("220 sink.example ESMTP")
	for {
		// Replies ride together as long as more commands are waiting (RFC 2920, 3.2).
		if x.in.Buffered() == 0 && x.out.Flush() != nil {
			return
		}
		line, err := x.in.ReadSlice('\n')
		if err != nil {
			return
		}
		if err := x.command(bytes.TrimRight(line, "\r\n")); err != nil {
			x.out.Flush()
			return
		}
	}
}

// say queues a reply; a write error shows at the next Flush.
func (x *session) say(line string) {
	x.out.WriteString(line)
	x.out.WriteString("\r\n")
}

func (x *session) command(line []byte) error {
	verb, arg, _ := strings.Cut(string(line), " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		x.ehlo()
	case "HELO", "NOOP":
		x.say("250 2.0.0 ok")
	case "AUTH":
		x.say("235 2.7.0 welcome")
	case "RSET":
		x.reset()
		x.say("250 2.0.0 forgotten")
	case "MAIL":
		x.reset()
		x.mail.From, x.inMail = path(arg), true
		x.say("250 2.1.0 sender ok")
	case "RCPT":
		x.rcpt(path(arg))
	case "DATA":
		return x.data()
	case "BDAT":
		return x.bdat(arg)
	case "QUIT":
		x.say("221 2.0.0 bye")
		return errQuit
	default:
		x.say("502 5.5.1 unknown command")
	}
	return nil
}

func (x *session) ehlo() {
	x.say("250-sink.example")
	x.say("250-PIPELINING")
	x.say("250-8BITMIME")
	x.say("250-SMTPUTF8")
	x.say("250-AUTH PLAIN")
	x.say("250-SIZE " + strconv.Itoa(maxBody))
	if x.server.Chunking {
		x.say("250-CHUNKING")
	}
	x.say("250 ENHANCEDSTATUSCODES")
}

func (x *session) reset() {
	x.mail = Mail{}
	x.inMail, x.body = false, x.body[:0]
}

// path returns the address between the angle brackets of a MAIL or RCPT argument.
func path(arg string) string {
	_, rest, _ := strings.Cut(arg, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func (x *session) rcpt(address string) {
	if !x.inMail {
		x.say("503 5.5.1 MAIL first")
		return
	}
	reply := "250 2.1.5 recipient ok"
	if x.server.Recipient != nil {
		reply = x.server.Recipient(address)
	}
	if reply[0] == '2' {
		x.mail.To = append(x.mail.To, address)
	}
	x.say(reply)
}

func (x *session) data() error {
	if len(x.mail.To) == 0 {
		x.say("554 5.5.1 no valid recipients")
		return nil
	}
	x.say("354 go ahead")
	if err := x.out.Flush(); err != nil {
		return err
	}
	for {
		line, err := x.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line[0] == '.' {
			if len(bytes.TrimRight(line, "\r\n")) == 1 {
				break
			}
			line = line[1:]
		}
		if len(x.body)+len(line) > maxBody {
			return errors.New("body too long")
		}
		x.body = append(x.body, line...)
	}
	x.finish()
	return nil
}

func (x *session) bdat(arg string) error {
	count, last, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || len(x.body)+n > maxBody {
		x.say("501 5.5.4 bad chunk")
		return errors.New("bad chunk")
	}
	start := len(x.body)
	x.body = append(x.body, make([]byte, n)...)
	for filled := start; filled < len(x.body); {
		got, err := x.in.Read(x.body[filled:])
		if err != nil {
			return err
		}
		filled += got
	}
	switch {
	case len(x.mail.To) == 0:
		x.say("554 5.5.1 no valid recipients")
		x.reset()
	case strings.EqualFold(last, "LAST"):
		x.finish()
	default:
		x.say("250 2.0.0 chunk ok")
	}
	return nil
}

func (x *session) finish() {
	x.mail.Body = x.body
	x.say(x.server.Message(&x.mail))
	x.reset()
}

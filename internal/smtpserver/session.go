package smtpserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"stafette/internal/tenant"
)

// Sizes of a session's buffers: a message of usual length is read at once, and the
// replies to pipelined commands leave at once.
const (
	readSize  = 16 << 10
	writeSize = 2 << 10
)

// maxCommand is how long a command may be: RFC 4954, 4 wants 12,288 for AUTH.
const maxCommand = 12 << 10

// maxMistakes is how many commands that are none are answered before the session ends.
const maxMistakes = 3

// goodbye is how long the last words of a session may take to be written.
const goodbye = 10 * time.Second

var errLineTooLong = errors.New("command line is too long")

// session is one client between greeting and QUIT, run by one goroutine. Replies are
// gathered until the client is waited for, as RFC 2920, 3.2 asks of a server that offers
// PIPELINING.
type session struct {
	server *Server
	conn   *conn    // below TLS
	stream net.Conn // conn, or TLS over it
	in     *bufio.Reader
	out    *bufio.Writer
	alarm  *time.Timer // strikes when the client has taken too long

	helo     string // what the client calls itself; "" before EHLO
	key      tenant.Key
	failures int // of authentication
	mistakes int // commands that are none
	done     bool
	broken   error // of reading: what would come next is no command
	tx       transaction
}

// serveSession conducts the dialogue on a new connection, which is closed at its end.
func (s *Server) serveSession(c net.Conn) {
	defer func() { _ = c.Close() }()
	own := below(c)
	if own == nil {
		return
	}
	e := &session{server: s, conn: own}
	e.use(c)
	e.alarm = time.AfterFunc(s.config.CommandTimeout, own.strike)
	defer e.alarm.Stop()
	defer e.recover()
	if t, ok := c.(*tls.Conn); ok && !e.shakeHands(t) {
		return
	}
	e.write("220 " + s.config.Hostname + " ESMTP Service Ready\r\n")
	for !e.done {
		line, err := e.readLine()
		if err != nil {
			e.part(err)
			return
		}
		e.obey(line)
	}
	_ = e.flush()
}

// recover keeps a mistake of ours from ending more than one session.
func (s *session) recover() {
	if fault := recover(); fault != nil {
		s.server.config.Log.Error("panic in a session", "remote", s.conn.ip.String(), "panic", fault, "stack", string(debug.Stack()))
		s.say(reply(421, 4, 3, 0, "Internal error"))
		_ = s.flush()
	}
}

// use makes c what is read and written. What was read ahead is dropped: nothing said in
// clear may be obeyed under TLS.
func (s *session) use(c net.Conn) {
	s.stream, s.in, s.out = c, bufio.NewReaderSize(c, readSize), bufio.NewWriterSize(c, writeSize)
}

func (s *session) encrypted() bool { return s.stream != net.Conn(s.conn) }

// part ends the session, with a word where somebody listens.
func (s *session) part(err error) {
	var network net.Error
	switch {
	case errors.Is(err, errLineTooLong):
		s.say(reply(500, 5, 5, 2, "The line is too long"))
	case errors.As(err, &network) && network.Timeout():
		if s.conn.ended.Load() {
			s.say(reply(421, 4, 3, 2, "The server is going down"))
		} else {
			s.say(reply(421, 4, 4, 2, "Waited too long, good-bye"))
		}
	}
	s.alarm.Reset(goodbye)
	_ = s.conn.SetWriteDeadline(time.Time{})
	_ = s.out.Flush()
}

// write queues text for the client.
func (s *session) write(text string) {
	_, _ = s.out.WriteString(text) // its error comes again with flush
}

func (s *session) say(a *answer) { s.write(a.String() + "\r\n") }

// flush sends what is queued, before the client is waited for: the time it may take
// begins.
func (s *session) flush() error {
	s.alarm.Reset(s.server.config.CommandTimeout)
	return s.out.Flush()
}

// readLine returns the next command without its line end.
func (s *session) readLine() (string, error) {
	if s.broken != nil {
		return "", s.broken
	}
	if s.conn.ended.Load() {
		return "", net.ErrClosed
	}
	line, err := s.bufferedLine()
	if err != nil {
		return "", err
	}
	if len(line) > maxCommand {
		return "", errLineTooLong
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// bufferedLine flushes only if the line is not there yet.
func (s *session) bufferedLine() ([]byte, error) {
	if n := s.in.Buffered(); n > 0 {
		ahead, _ := s.in.Peek(n) // all of it is there
		for _, c := range ahead {
			if c == '\n' {
				return s.in.ReadSlice('\n')
			}
		}
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = errLineTooLong
	}
	return line, err
}

// obey executes one command.
func (s *session) obey(line string) {
	verb, arg := cutVerb(line)
	var a *answer
	switch verb {
	case "EHLO", "HELO":
		a = s.greet(verb == "EHLO", arg)
	case "STARTTLS":
		a = s.startTLS()
	case "AUTH":
		a = s.auth(arg)
	case "MAIL":
		a = s.mail(arg)
	case "RCPT":
		a = s.rcpt(arg)
	case "DATA":
		a = s.data(arg)
	case "BDAT":
		a = s.bdat(arg)
	case "RSET":
		s.reset()
		a = reply(250, 2, 0, 0, "Reset")
	case "NOOP":
		a = reply(250, 2, 0, 0, "Here I am")
	case "VRFY":
		a = reply(252, 2, 5, 0, "Nothing is told of addresses, but mail to it is taken")
	case "HELP":
		a = reply(214, 2, 0, 0, "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT")
	case "QUIT":
		a, s.done = reply(221, 2, 0, 0, "Good-bye"), true
	case "EXPN", "SEND", "SOML", "SAML", "TURN":
		a = reply(502, 5, 5, 1, "There is no such service here")
	default:
		a = reply(500, 5, 5, 2, "This is not a command")
		if s.mistakes++; s.mistakes > maxMistakes {
			a, s.done = reply(421, 4, 7, 0, "Too many errors"), true
		}
	}
	if a != nil {
		s.say(a)
	}
}

// greet answers EHLO and HELO. Either also ends a transaction (RFC 5321, 4.1.4).
func (s *session) greet(extended bool, arg string) *answer {
	name, _, _ := strings.Cut(arg, " ")
	if name == "" {
		return malformed("The name of the client is missing")
	}
	s.helo = name
	s.reset()
	if !extended {
		s.write("250 " + s.server.config.Hostname + "\r\n")
		return nil
	}
	s.write("250-" + s.server.config.Hostname + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n")
	if s.server.config.TLS != nil && !s.encrypted() {
		s.write("250-STARTTLS\r\n")
	}
	if s.encrypted() {
		s.write("250-REQUIRETLS\r\n")
	}
	if s.encrypted() || s.server.config.AllowPlainAuth {
		s.write("250-AUTH PLAIN LOGIN\r\n")
	}
	s.write(s.server.limits)
	return nil
}

// startTLS begins TLS and the dialogue anew (RFC 3207, 4.2).
func (s *session) startTLS() *answer {
	if s.encrypted() {
		return outOfOrder("TLS is in use already")
	}
	if s.server.config.TLS == nil {
		return reply(502, 5, 5, 1, "TLS is not configured")
	}
	s.say(reply(220, 2, 0, 0, "Begin TLS"))
	if !s.whole(s.flush()) {
		return nil
	}
	c := tls.Server(s.conn, s.server.config.TLS)
	if !s.shakeHands(c) {
		s.done = true // nobody could tell what a reply would be read as
		return nil
	}
	s.reset()
	s.use(c)
	s.helo, s.key = "", tenant.Key{}
	return nil
}

// shakeHands is bounded by the alarm, like everything a client may take its time for.
func (s *session) shakeHands(c *tls.Conn) bool {
	err := c.HandshakeContext(context.Background())
	if err != nil {
		s.server.config.Log.Info("handshake failed", "remote", s.conn.ip.String(), "err", err)
	}
	return err == nil
}

// whole notes an error of reading, behind which no command is looked for, and reports
// whether there is none.
func (s *session) whole(err error) bool {
	s.broken = err
	return err == nil
}

// refuse logs what the client is not told.
func (s *session) refuse(err error) *answer {
	if unexpected(err) {
		s.server.config.Log.Error("message cannot be accepted", "tenant", s.key.Tenant.String(), "err", err)
	}
	return replyTo(err)
}

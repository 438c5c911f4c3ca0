// Package smtptest is the other side of an SMTP session, for tests and
// benchmarks: a sink that takes mail as fast as a socket gives it, and an MX that
// plays a script, good manners or bad. Both listen on a free loopback port.
//
// It is no mail server: it checks nothing, keeps nothing after Close, and never
// dials anybody.
package smtptest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Mail is one mail a Sink took.
type Mail struct {
	From, To string // last recipient; addresses without angle brackets
	Body     []byte // as sent, dot-stuffing removed
	Commands string // "DATA" or "BDAT"
}

// SinkConfig of a Sink; the zero value takes everything without extensions.
type SinkConfig struct {
	// Extensions are the EHLO keywords offered, such as "PIPELINING" or "SIZE
	// 1000000". They are only announced, except STARTTLS, which needs TLS.
	Extensions []string
	TLS        *tls.Config
	Record     bool // keep every mail for Mails
	// Refuse, if set, may answer a recipient with a line of its own ("550 no");
	// "" accepts. It is called from many goroutines.
	Refuse func(to string) string
}

// Sink is an SMTP server that takes mail and forgets it. It is safe for
// concurrent use.
type Sink struct {
	cfg   SinkConfig
	ln    net.Listener
	wg    sync.WaitGroup
	count atomic.Int64
	bytes atomic.Int64
	conns atomic.Int64

	mu    sync.Mutex
	open  map[net.Conn]struct{} // nil after Close
	mails []Mail
}

// NewSink starts a sink on a free port of 127.0.0.1.
func NewSink(cfg SinkConfig) (*Sink, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for sink: %w", err)
	}
	s := &Sink{cfg: cfg, ln: ln, open: map[net.Conn]struct{}{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr is where the sink listens, host and port.
func (s *Sink) Addr() string { return s.ln.Addr().String() }

// Count returns how many mails were taken, and the bytes of their bodies.
func (s *Sink) Count() (mails, size int64) { return s.count.Load(), s.bytes.Load() }

// Connections returns how many were ever opened.
func (s *Sink) Connections() int64 { return s.conns.Load() }

// Mails returns the mails recorded so far.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Close ends all sessions and returns when they are over.
func (s *Sink) Close() error {
	err := s.ln.Close()
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.open = nil
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

func (s *Sink) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.open == nil {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.open[c] = struct{}{}
		s.mu.Unlock()
		s.conns.Add(1)
		s.wg.Go(func() {
			s.serve(c)
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

// session is one connection to a sink.
type session struct {
	sink     *Sink
	conn     net.Conn
	r        *bufio.Reader
	w        *bufio.Writer
	from, to string
	chunks   []byte
	rcpt     bool
}

func (s *Sink) serve(c net.Conn) {
	e := &session{sink: s, conn: c, r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriter(c)}
	e.reply("220 sink.test ESMTP")
	for {
		// Answers leave together when there is nothing more to read at once.
		if e.r.Buffered() == 0 && e.w.Flush() != nil {
			return
		}
		line, err := e.r.ReadSlice('\n')
		if err != nil || e.command(bytes.TrimRight(line, "\r\n")) != nil {
			_ = e.w.Flush()
			return
		}
	}
}

func (e *session) reply(line string) {
	_, _ = e.w.WriteString(line) // the flush tells
	_, _ = e.w.WriteString("\r\n")
}

var errQuit = errors.New("quit") // ends a session

func (e *session) command(line []byte) error {
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	switch strings.ToUpper(string(verb)) {
	case "EHLO":
		e.ehlo()
	case "MAIL":
		e.from, e.rcpt = e.address(rest), false
		e.reply("250 2.1.0 Ok")
	case "RCPT":
		e.recipient(e.address(rest))
	case "DATA":
		if !e.rcpt {
			e.reply("503 5.5.1 no recipient")
			return nil
		}
		return e.data()
	case "BDAT":
		return e.bdat(string(rest))
	case "STARTTLS":
		return e.startTLS()
	case "QUIT":
		e.reply("221 2.0.0 Bye")
		return errQuit
	case "RSET":
		e.rcpt, e.chunks = false, nil
		e.reply("250 2.0.0 Ok")
	case "HELO", "NOOP":
		e.reply("250 2.0.0 Ok")
	default:
		e.reply("500 5.5.2 unknown")
	}
	return nil
}

func (e *session) ehlo() {
	lines := append([]string{"sink.test"}, e.sink.cfg.Extensions...)
	for i, line := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		e.reply("250" + separator + line)
	}
}

// address keeps the text between the angle brackets, if anybody will ask for it.
func (e *session) address(arg []byte) string {
	if !e.sink.cfg.Record && e.sink.cfg.Refuse == nil {
		return ""
	}
	_, rest, _ := bytes.Cut(arg, []byte("<"))
	addr, _, _ := bytes.Cut(rest, []byte(">"))
	return string(addr)
}

func (e *session) recipient(to string) {
	if refuse := e.sink.cfg.Refuse; refuse != nil {
		if line := refuse(to); line != "" {
			e.reply(line)
			return
		}
	}
	e.to, e.rcpt = to, true
	e.reply("250 2.1.5 Ok")
}

func (e *session) data() error {
	e.reply("354 go ahead")
	if err := e.w.Flush(); err != nil {
		return err
	}
	var body []byte
	size, whole, cr := 0, true, false // whole: the piece begins a line; cr: the byte before is a CR
	for {
		piece, err := e.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if whole && len(piece) > 0 && piece[0] == '.' {
			if string(piece) == ".\r\n" {
				break
			}
			piece = piece[1:]
		}
		if n := len(piece); n > 1 {
			cr = piece[n-2] == '\r'
		}
		whole = err == nil && cr
		cr = bytes.HasSuffix(piece, []byte("\r"))
		size += len(piece)
		if e.sink.cfg.Record {
			body = append(body, piece...)
		}
	}
	e.taken(Mail{e.from, e.to, body, "DATA"}, size)
	return nil
}

func (e *session) bdat(arg string) error {
	number, last, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		e.reply("501 5.5.4 bad size")
		return errQuit
	}
	at := len(e.chunks)
	if e.sink.cfg.Record {
		e.chunks = append(e.chunks, make([]byte, n)...)
		_, err = io.ReadFull(e.r, e.chunks[at:])
	} else {
		_, err = e.r.Discard(n)
	}
	if err != nil {
		return err
	}
	switch {
	case !e.rcpt:
		e.chunks = nil
		e.reply("503 5.5.1 no recipient")
	case strings.EqualFold(last, "LAST"):
		e.taken(Mail{e.from, e.to, e.chunks, "BDAT"}, n)
		e.chunks = nil
	default:
		e.sink.bytes.Add(int64(n))
		e.reply("250 2.0.0 chunk taken")
	}
	return nil
}

func (e *session) taken(m Mail, size int) {
	e.rcpt = false
	s := e.sink
	s.bytes.Add(int64(size))
	n := s.count.Add(1)
	if s.cfg.Record {
		s.mu.Lock()
		s.mails = append(s.mails, m)
		s.mu.Unlock()
	}
	_, _ = e.w.WriteString("250 2.0.0 Ok: queued as ")
	_, _ = e.w.Write(strconv.AppendInt(e.w.AvailableBuffer(), n, 16))
	e.reply("")
}

func (e *session) startTLS() error {
	if e.sink.cfg.TLS == nil {
		e.reply("502 5.5.1 no TLS")
		return nil
	}
	e.reply("220 2.0.0 go ahead")
	if err := e.w.Flush(); err != nil {
		return err
	}
	sec := tls.Server(e.conn, e.sink.cfg.TLS)
	if err := sec.Handshake(); err != nil {
		return err
	}
	e.r.Reset(sec)
	e.w.Reset(sec)
	return nil
}

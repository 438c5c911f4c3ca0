package smtpserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"stafette/internal/message"
	"stafette/internal/returns"
)

const (
	// maxReturnReceived is how many servers return mail may have passed (RFC 5321, 6.3).
	maxReturnReceived = 100
	// maxStrays is how many foreign recipients one client may try.
	maxStrays = 20
)

// returnSession is one client of the door for return mail. As in session, mu guards
// what Data of a BDAT shares with Reset.
type returnSession struct {
	door   *Returns
	smtp   *smtp.Conn
	conn   *conn
	strays int

	mu       sync.Mutex
	envelope returns.Envelope
	utf8     bool
}

func (r *Returns) newSession(c *smtp.Conn) (smtp.Session, error) {
	own := below(c.Conn())
	if own == nil {
		return nil, libraryReply(reply(451, 4, 3, 0, "The session cannot be opened"))
	}
	return &returnSession{door: r, smtp: c, conn: own}, nil
}

// Reset implements smtp.Session.
func (s *returnSession) Reset() {
	s.mu.Lock()
	s.envelope = returns.Envelope{}
	s.mu.Unlock()
	s.conn.finish()
}

// Logout implements smtp.Session.
func (s *returnSession) Logout() error { return nil }

// Mail implements smtp.Session. Any sender may write here: most have none.
func (s *returnSession) Mail(from string, opts *smtp.MailOptions) error {
	if opts.Size > s.door.config.MaxSize {
		return libraryReply(reply(552, 5, 3, 4, "The message is larger than this server takes"))
	}
	if !s.conn.begin() {
		s.conn.hangUp()
		return libraryReply(reply(421, 4, 3, 2, "The server is going down, try again"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelope = returns.Envelope{Sender: from, Peer: s.conn.ip, HELO: s.smtp.Hostname()}
	s.utf8 = opts.UTF8
	return nil
}

// Rcpt implements smtp.Session. An address is ours as it is written or not at all:
// nothing in it is taken for a route to elsewhere.
func (s *returnSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	local, domain, _ := strings.Cut(to, "@")
	a := message.Address{Local: local, Domain: strings.ToLower(domain)}
	if !s.door.config.Mail.Takes(a) {
		if s.strays++; s.strays >= maxStrays {
			s.conn.hangUp()
		}
		return libraryReply(reply(550, 5, 7, 1, "No mailbox of this server, and no relaying"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.envelope.Recipients {
		if known == a {
			return nil
		}
	}
	s.envelope.Recipients = append(s.envelope.Recipients, a)
	return nil
}

// Data implements smtp.Session. The mail is durable when it returns nil.
func (s *returnSession) Data(r io.Reader) error {
	s.mu.Lock()
	e := s.envelope
	s.mu.Unlock()
	held := &budget{door: s.door}
	defer held.release()
	raw, err := s.read(r, held)
	if err != nil {
		return err
	}
	if err := message.CheckLines(raw, returnLine); err != nil {
		// What is made to be understood differently by two servers gets no second try.
		s.conn.hangUp()
		return libraryReply(replyTo(err))
	}
	if countReceived(raw) > maxReturnReceived {
		return libraryReply(replyTo(loopFault()))
	}
	raw, err = s.trace(raw)
	if err != nil {
		return s.refuse(err)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.door.config.KeepTimeout, errTimeout)
	defer cancel()
	if err := s.door.config.Mail.Keep(ctx, e, raw); err != nil {
		return s.refuse(err)
	}
	return libraryReply(reply(250, 2, 0, 0, "Stored"))
}

func (s *returnSession) refuse(err error) error {
	s.door.config.Log.Error("return mail cannot be stored", "err", err)
	return libraryReply(replyTo(err))
}

// read takes the data up to the size limit, and as far as there is memory.
func (s *returnSession) read(r io.Reader, held *budget) ([]byte, error) {
	limit := s.door.config.MaxSize
	var b bytes.Buffer
	n, err := b.ReadFrom(&meter{io.LimitReader(r, limit+1), held})
	switch {
	case errors.Is(err, errNoMemory):
		return nil, libraryReply(reply(452, 4, 3, 1, "Too much mail is coming in, try again later"))
	case err == nil && n <= limit:
		return b.Bytes(), nil
	case err == nil, errors.Is(err, smtp.ErrDataTooLarge):
		return nil, libraryReply(reply(552, 5, 3, 4, "The message is larger than this server takes"))
	case errors.Is(err, smtp.ErrTooLongLine):
		return nil, libraryReply(reply(550, 5, 6, 0, "A line is longer than allowed"))
	}
	// Its time was over, or it left: the library would give it as much time again for
	// the next command.
	s.conn.hangUp()
	return nil, libraryReply(reply(451, 4, 4, 2, "The message did not arrive whole"))
}

// budget is what one mail has taken of the door's memory.
type budget struct {
	door *Returns
	n    int64
}

func (b *budget) release() { b.door.inUse.Add(-b.n) }

var errNoMemory = errors.New("memory for mail coming in is used up")

// meter counts what it reads towards a budget.
type meter struct {
	r    io.Reader
	held *budget
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.held.n += int64(n)
	if m.held.door.inUse.Add(int64(n)) > m.held.door.config.Memory {
		return n, errNoMemory
	}
	return n, err
}

// countReceived counts trace fields in a header that may be broken elsewhere.
func countReceived(raw []byte) int {
	const name = "received:"
	n := 0
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			n++
		}
	}
	return n
}

// trace puts a Received field before the mail. It stays in the house, so it names who
// brought it.
func (s *returnSession) trace(raw []byte) ([]byte, error) {
	var id [8]byte
	_, _ = rand.Read(id[:])
	protocol := "ESMTP"
	if s.utf8 {
		protocol = "UTF8SMTP"
	}
	if _, encrypted := s.smtp.TLSConnectionState(); encrypted {
		protocol += "S"
	}
	return message.PrependFields(raw, message.Header{Name: "Received", Value: "from " + heloName(s.smtp.Hostname()) +
		" ([" + addressLiteral(s.conn.ip.String()) + "]) by " + s.door.config.Hostname + " with " + protocol +
		" id " + hex.EncodeToString(id[:]) + "; " + s.door.config.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")})
}

// libraryReply is an answer in the words of go-smtp.
func libraryReply(a *answer) error {
	return &smtp.SMTPError{Code: a.code, EnhancedCode: smtp.EnhancedCode(a.enhanced), Message: a.text}
}

package smtpserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/returns"
)

const (
	// maxReturnReceived is how many servers return mail may have passed (RFC 5321, 6.3).
	maxReturnReceived = 100
	// maxStrays is how many foreign recipients one client may try.
	maxStrays = 20
)

// returnSession is one client of the door for return mail.
type returnSession struct {
	*dialogue
	door     *Returns
	strays   int
	envelope returns.Envelope
	utf8     bool
	held     *budget // of the mail under way
}

// serveSession conducts the dialogue on a new connection.
func (r *Returns) serveSession(c net.Conn) {
	if d := newDialogue(c, &r.terms); d != nil {
		d.conduct(&returnSession{dialogue: d, door: r})
	}
}

// extensions implements service. DSN is offered though this door never reports: who asks
// for it need not be refused.
func (s *returnSession) extensions() string {
	return fmt.Sprintf("250-SMTPUTF8\r\n250-DSN\r\n250-SIZE %d\r\n250 LIMITS RCPTMAX=%d\r\n", s.door.config.MaxSize, returnRecipients)
}

// auth implements service.
func (s *returnSession) auth(string) *answer {
	return reply(502, 5, 5, 1, "Nobody signs in here")
}

// mail implements service. Any sender may write here: most have none.
func (s *returnSession) mail(arg string) *answer {
	local, domain, rest, ok := cutPath(arg, "FROM:")
	if !ok {
		return reply(501, 5, 5, 2, "MAIL FROM:<address> is expected")
	}
	var announced mailParameters
	if refused := parameters(rest, func(key, value string) *answer {
		return announced.take(key, value, s.door.config.MaxSize)
	}); refused != nil {
		return refused
	}
	if refused := s.begin(); refused != nil {
		return refused
	}
	s.envelope, s.utf8 = returns.Envelope{Peer: s.conn.ip, HELO: s.helo}, announced.utf8
	if domain != "" {
		s.envelope.Sender = local + "@" + domain
	}
	s.write(senderOK)
	return nil
}

// rcpt implements service. An address is ours as it is written or not at all: nothing in
// it is taken for a route to elsewhere.
func (s *returnSession) rcpt(arg string) *answer {
	a, rest, ok := s.recipient(arg)
	if !ok {
		return reply(501, 5, 5, 2, "RCPT TO:<address> is expected")
	}
	var unused ingest.RecipientReports
	if refused := parameters(rest, func(key, value string) *answer { return rcptParameter(&unused, key, value) }); refused != nil {
		return refused
	}
	if !s.door.config.Mail.Takes(a) {
		if s.strays++; s.strays >= maxStrays {
			s.done = true
		}
		return reply(550, 5, 7, 1, "No mailbox of this server, and no relaying")
	}
	if slices.Contains(s.envelope.Recipients, a) {
		s.write(recipientOK)
		return nil
	}
	if refused := full(len(s.envelope.Recipients), returnRecipients); refused != nil {
		return refused
	}
	s.envelope.Recipients = append(s.envelope.Recipients, a)
	s.write(recipientOK)
	return nil
}

// recipient reads the path of RCPT. The postmaster needs no domain, and has this server's
// then (RFC 5321, 4.5.1).
func (s *returnSession) recipient(arg string) (a message.Address, rest string, ok bool) {
	const postmaster = "<postmaster>"
	path := strings.TrimLeft(arg[min(len("TO:"), len(arg)):], " ")
	if len(path) >= len(postmaster) && strings.EqualFold(path[:len(postmaster)], postmaster) &&
		strings.EqualFold(arg[:len("TO:")], "TO:") {
		return message.Address{Local: "postmaster", Domain: strings.ToLower(s.door.config.Hostname)}, path[len(postmaster):], true
	}
	local, domain, rest, ok := cutPath(arg, "TO:")
	return message.Address{Local: local, Domain: strings.ToLower(domain)}, rest, ok && domain != ""
}

// newBody implements service.
func (s *returnSession) newBody() (*body, *answer) {
	if len(s.envelope.Recipients) == 0 {
		return nil, noEnvelope()
	}
	field, err := s.trace()
	if err != nil {
		return nil, s.refuse(err)
	}
	s.held = &budget{door: s.door}
	return &body{bytes: field, head: len(field), room: s.door.config.MaxSize, held: s.held}, nil
}

// accept implements service. The mail is durable when it answers with 250.
func (s *returnSession) accept(b *body) *answer {
	if err := message.CheckLines(b.message(), returnLine); err != nil {
		// What is made to be understood differently by two servers gets no second try.
		s.done = fault.As(err).Code != "line_too_long"
		return replyTo(err)
	}
	if received(b.message()) > maxReturnReceived {
		return replyTo(loopFault())
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.door.config.KeepTimeout, errTimeout)
	defer cancel()
	if err := s.door.config.Mail.Keep(ctx, s.envelope, b.bytes); err != nil {
		return s.refuse(err)
	}
	return reply(250, 2, 0, 0, "Stored")
}

// forget implements service.
func (s *returnSession) forget() {
	s.held.release()
	s.envelope, s.held = returns.Envelope{}, nil
}

// forgetClient implements service: what a client calls itself is all that is known of it.
func (s *returnSession) forgetClient() {}

// refuse logs what the client is not told.
func (s *returnSession) refuse(err error) *answer {
	s.door.config.Log.Error("return mail cannot be stored", "err", err)
	return replyTo(err)
}

// trace is the Received field to put before the mail. It stays in the house, so it names
// who brought it.
func (s *returnSession) trace() ([]byte, error) {
	var id [8]byte
	_, _ = rand.Read(id[:])
	protocol := "ESMTP"
	if s.utf8 {
		protocol = "UTF8SMTP"
	}
	if s.encrypted() {
		protocol += "S"
	}
	return message.PrependFields(nil, message.Header{Name: "Received", Value: "from " + heloName(s.helo) +
		" ([" + addressLiteral(s.conn.ip.String()) + "]) by " + s.door.config.Hostname + " with " + protocol +
		" id " + hex.EncodeToString(id[:]) + "; " + s.door.config.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")})
}

// budget is what one mail has taken of the door's memory. None bounds nothing.
type budget struct {
	door     *Returns
	n        int64
	exceeded bool
}

// take reports whether there is room for n bytes more; after the first no there is none.
func (b *budget) take(n int) bool {
	if b == nil {
		return true
	}
	if b.exceeded {
		return false
	}
	b.n += int64(n)
	b.exceeded = b.door.inUse.Add(int64(n)) > b.door.config.Memory
	return !b.exceeded
}

func (b *budget) release() {
	if b != nil {
		b.door.inUse.Add(-b.n)
		b.n = 0
	}
}

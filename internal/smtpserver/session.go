package smtpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// maxReceived is how many servers a message may have passed (RFC 5321, 6.3).
const maxReceived = 50

// session is one client between EHLO and QUIT. The library calls its methods one after
// the other, except that with BDAT Data runs beside Reset and Logout; mu guards what
// they share.
type session struct {
	server   *Server
	smtp     *smtp.Conn
	conn     *conn
	failures int        // of authentication
	key      tenant.Key // zero until authenticated

	mu       sync.Mutex
	envelope envelope
}

// envelope is one transaction.
type envelope struct {
	sender     message.Address
	recipients []message.Address
	utf8       bool
	size       int64 // announced, 0 if not
	reports    ingest.Reports
}

func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	own := below(c.Conn())
	if own == nil {
		return nil, reply(451, 4, 3, 0, "The session cannot be opened")
	}
	return &session{server: s, smtp: c, conn: own}, nil
}

// Reset implements smtp.Session.
func (s *session) Reset() {
	s.mu.Lock()
	s.envelope = envelope{}
	s.mu.Unlock()
	s.conn.finish()
}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if s.key.ID.IsZero() {
		return reply(530, 5, 7, 0, "Authentication is required")
	}
	e := envelope{utf8: opts.UTF8, size: opts.Size}
	if err := message.CheckEnvelopeID(opts.EnvelopeID); err != nil {
		return replyTo(err)
	}
	e.reports = ingest.Reports{Return: message.Return(opts.Return), EnvelopeID: opts.EnvelopeID}
	if from != "" {
		a, err := s.address(from, opts.UTF8)
		if err != nil {
			return err
		}
		e.sender = a
	}
	if !s.conn.begin() {
		s.conn.hangUp()
		return reply(421, 4, 3, 2, "The server is going down, try again")
	}
	s.mu.Lock()
	s.envelope = e
	s.mu.Unlock()
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, opts *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.address(to, s.envelope.utf8)
	if err != nil {
		return err
	}
	wish, err := reportsOf(opts)
	if err != nil {
		return replyTo(err)
	}
	s.envelope.recipients = append(s.envelope.recipients, a)
	if wish != (ingest.RecipientReports{}) {
		if s.envelope.reports.Recipients == nil {
			s.envelope.reports.Recipients = map[message.Address]ingest.RecipientReports{}
		}
		s.envelope.reports.Recipients[a] = wish
	}
	return nil
}

// reportsOf reads NOTIFY and ORCPT. The library has decoded them, more leniently than
// what goes into the headers of a report may be.
func reportsOf(opts *smtp.RcptOptions) (wish ingest.RecipientReports, err error) {
	if len(opts.Notify) > 0 {
		words := make([]string, len(opts.Notify))
		for i, n := range opts.Notify {
			words[i] = string(n)
		}
		if wish.Notify, err = message.ParseNotify(strings.Join(words, ",")); err != nil {
			return wish, err
		}
	}
	if opts.OriginalRecipient != "" {
		wish.Original, err = message.NewOriginalRecipient(string(opts.OriginalRecipientType), opts.OriginalRecipient)
	}
	return wish, err
}

// address reads a path. The library has taken the quotes off the local part, so with a
// second @ nobody can tell where it ended, and a guess could send the mail elsewhere.
func (s *session) address(path string, utf8 bool) (message.Address, error) {
	local, domain, ok := strings.Cut(path, "@")
	if !ok || strings.Contains(domain, "@") {
		return message.Address{}, reply(553, 5, 1, 3, "The address is malformed")
	}
	// String puts the quotes back.
	a, err := message.ParseAddress(message.Address{Local: local, Domain: domain}.String())
	if err != nil {
		return message.Address{}, replyTo(err)
	}
	if !a.IsASCII() && !utf8 {
		return message.Address{}, reply(553, 5, 6, 7, "An address beyond ASCII needs SMTPUTF8")
	}
	return a, nil
}

// Data implements smtp.Session. The reply to an accepted message is an "error" too, for
// it is the only way to tell the client the message's ID.
func (s *session) Data(r io.Reader) error {
	s.mu.Lock()
	e := s.envelope
	s.mu.Unlock()
	raw, err := s.read(r, e.size)
	if err != nil {
		return err
	}
	if err := message.CheckLines(raw, s.server.config.LineBytes); err != nil {
		return replyTo(err)
	}
	if err := checkLoop(raw); err != nil {
		return replyTo(err)
	}
	raw, err = s.trace(raw, e)
	if err != nil {
		return s.refuse(err)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.server.config.AcceptTimeout, errTimeout)
	defer cancel()
	receipt, err := s.server.config.Acceptor.Accept(ctx,
		ingest.Principal{Tenant: s.key.Tenant, Actor: s.key.ID.String(), Door: "smtp"},
		ingest.Submission{Raw: raw, Sender: &e.sender, Recipients: e.recipients, Reports: &e.reports})
	if err != nil {
		return s.refuse(err)
	}
	return reply(250, 2, 0, 0, "Accepted as "+receipt.ID.String())
}

// refuse logs what the client is not told.
func (s *session) refuse(err error) error {
	if f := fault.As(err); f == nil || f.Kind == fault.Unavailable {
		s.server.config.Log.Error("message cannot be accepted", "tenant", s.key.Tenant.String(), "err", err)
	}
	return replyTo(err)
}

// read takes the data up to the size limit.
func (s *session) read(r io.Reader, announced int64) ([]byte, error) {
	limit := s.server.config.MaxSize
	var b bytes.Buffer
	// What a client announces is believed only so far.
	b.Grow(int(min(max(announced, 16<<10), limit, 1<<20)))
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	switch {
	case err == nil && n <= limit:
		return b.Bytes(), nil
	case err == nil, errors.Is(err, smtp.ErrDataTooLarge):
		return nil, reply(552, 5, 3, 4, "The message is larger than this server takes")
	case errors.Is(err, smtp.ErrTooLongLine):
		return nil, reply(550, 5, 6, 0, "A line is longer than allowed")
	}
	return nil, reply(451, 4, 4, 2, "The message did not arrive whole")
}

// checkLoop counts the servers the message has passed.
func checkLoop(raw []byte) error {
	fields, _, err := message.Fields(raw, message.Limits{})
	if err != nil {
		return err
	}
	n := 0
	for _, f := range fields {
		if f.Is("Received") {
			n++
		}
	}
	if n > maxReceived {
		return loopFault()
	}
	return nil
}

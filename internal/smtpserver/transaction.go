package smtpserver

import (
	"bytes"
	"context"
	"strings"

	"stafette/internal/ingest"
	"stafette/internal/message"
)

// maxReceived is how many servers a message may have passed (RFC 5321, 6.3).
const maxReceived = 50

// transaction is what a client says from MAIL to the end of the data.
type transaction struct {
	sender     message.Address
	recipients []message.Address
	announced  mailParameters
	requireTLS bool // RFC 8689
	wishes     map[message.Address]ingest.RecipientReports
}

// mail implements service.
func (s *session) mail(arg string) *answer {
	local, domain, rest, ok := cutPath(arg, "FROM:")
	if !ok {
		return reply(501, 5, 5, 2, "MAIL FROM:<address> is expected")
	}
	var tx transaction
	if refused := parameters(rest, func(key, value string) *answer { return s.mailParameter(&tx, key, value) }); refused != nil {
		return refused
	}
	if s.key.ID.IsZero() {
		return reply(530, 5, 7, 0, "Authentication is required")
	}
	if domain != "" {
		var refused *answer
		if tx.sender, refused = address(local, domain, tx.announced.utf8); refused != nil {
			return refused
		}
	}
	if refused := s.begin(); refused != nil {
		return refused
	}
	s.tx = tx
	s.write(senderOK)
	return nil
}

// mailParameter takes one parameter of MAIL.
func (s *session) mailParameter(tx *transaction, key, value string) *answer {
	var ok bool
	switch key {
	case "REQUIRETLS":
		if !s.encrypted() {
			return reply(530, 5, 7, 10, "REQUIRETLS needs an encrypted session")
		}
		ok, tx.requireTLS = value == "", true
	case "AUTH":
		_, encoded := message.ParseXText(value)
		ok = value == "<>" || value != "" && encoded
	default:
		return tx.announced.take(key, value, s.server.config.MaxSize)
	}
	if !ok {
		return malformed("The parameter " + key + " is malformed")
	}
	return nil
}

// rcpt implements service.
func (s *session) rcpt(arg string) *answer {
	local, domain, rest, ok := cutPath(arg, "TO:")
	if !ok || domain == "" {
		return reply(501, 5, 5, 2, "RCPT TO:<address> is expected")
	}
	if refused := full(len(s.tx.recipients), s.server.config.MaxRecipients); refused != nil {
		return refused
	}
	var wish ingest.RecipientReports
	if refused := parameters(rest, func(key, value string) *answer { return rcptParameter(&wish, key, value) }); refused != nil {
		return refused
	}
	a, refused := address(local, domain, s.tx.announced.utf8)
	if refused != nil {
		return refused
	}
	s.tx.recipients = append(s.tx.recipients, a)
	if wish != (ingest.RecipientReports{}) {
		if s.tx.wishes == nil {
			s.tx.wishes = map[message.Address]ingest.RecipientReports{}
		}
		s.tx.wishes[a] = wish
	}
	s.write(recipientOK)
	return nil
}

// address makes one of the parts of a path. An @ within quotes is refused: it is what
// servers disagree about, and the mail would go elsewhere.
func address(local, domain string, utf8 bool) (message.Address, *answer) {
	if strings.Contains(local, "@") || strings.Contains(domain, "@") {
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

// newBody implements service.
func (s *session) newBody() (*body, *answer) {
	if len(s.tx.recipients) == 0 {
		return nil, noEnvelope()
	}
	field, err := s.trace()
	if err != nil {
		return nil, s.refuse(err)
	}
	limit := s.server.config.MaxSize
	// What a client announces is believed only so far.
	room := min(max(s.tx.announced.size, 16<<10), limit, 1<<20)
	return &body{bytes: append(make([]byte, 0, int64(len(field))+room), field...), head: len(field), room: limit}, nil
}

// accept implements service.
func (s *session) accept(b *body) *answer {
	raw := b.message()
	if err := message.CheckLines(raw, s.server.config.LineBytes); err != nil {
		return replyTo(err)
	}
	if received(raw) > maxReceived {
		return replyTo(loopFault())
	}
	sender := s.tx.sender
	reports := ingest.Reports{Return: s.tx.announced.ret, EnvelopeID: s.tx.announced.envelopeID, Recipients: s.tx.wishes}
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.server.config.AcceptTimeout, errTimeout)
	defer cancel()
	receipt, err := s.server.config.Acceptor.Accept(ctx,
		ingest.Principal{Tenant: s.key.Tenant, Actor: s.key.ID.String(), Door: "smtp", Cap: s.key.DailyCap},
		ingest.Submission{Raw: b.bytes, Sender: &sender, Recipients: s.tx.recipients, RequireTLS: s.tx.requireTLS, Reports: &reports})
	if err != nil {
		return s.refuse(err)
	}
	s.write("250 2.0.0 Accepted as " + receipt.ID.String() + "\r\n")
	return nil
}

// received counts the servers the message has passed, in a header that may be broken
// elsewhere.
func received(raw []byte) int {
	const name = "received:"
	n := 0
	for len(raw) > 0 && !bytes.HasPrefix(raw, crlf) {
		if len(raw) >= len(name) && bytes.EqualFold(raw[:len(name)], []byte(name)) {
			n++
		}
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			break
		}
		raw = raw[end+1:]
	}
	return n
}

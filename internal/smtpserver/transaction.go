package smtpserver

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"stafette/internal/ingest"
	"stafette/internal/message"
)

// maxReceived is how many servers a message may have passed (RFC 5321, 6.3).
const maxReceived = 50

// transaction is what a client says from MAIL to the end of the data.
type transaction struct {
	open       bool // MAIL was accepted
	sender     message.Address
	recipients []message.Address
	utf8       bool
	requireTLS bool           // RFC 8689
	reports    ingest.Reports // RFC 3461
	size       int64          // announced, 0 if not
	chunks     *body          // what BDAT has brought so far; nil before the first
}

// reset ends the transaction.
func (s *session) reset() {
	if !s.tx.open {
		return
	}
	s.tx = transaction{}
	s.conn.finish()
}

func (s *session) mail(arg string) *answer {
	switch {
	case s.helo == "":
		return outOfOrder("EHLO comes first")
	case s.tx.open:
		return outOfOrder("A transaction is open")
	}
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
		if tx.sender, refused = address(local, domain, tx.utf8); refused != nil {
			return refused
		}
	}
	if !s.conn.begin() {
		s.done = true
		return reply(421, 4, 3, 2, "The server is going down, try again")
	}
	tx.open = true
	s.tx = tx
	s.write("250 2.1.0 Sender ok\r\n")
	return nil
}

// mailParameter takes one parameter of MAIL.
func (s *session) mailParameter(tx *transaction, key, value string) *answer {
	var ok bool
	switch key {
	case "SIZE":
		size, err := strconv.ParseInt(value, 10, 64)
		if err == nil && size > s.server.config.MaxSize {
			return tooLarge()
		}
		ok, tx.size = err == nil && size >= 0, size
	case "BODY":
		if strings.EqualFold(value, "BINARYMIME") {
			return reply(504, 5, 5, 4, "BINARYMIME is not offered")
		}
		ok = strings.EqualFold(value, "7BIT") || strings.EqualFold(value, "8BITMIME")
	case "SMTPUTF8":
		ok, tx.utf8 = value == "", true
	case "REQUIRETLS":
		if !s.encrypted() {
			return reply(530, 5, 7, 10, "REQUIRETLS needs an encrypted session")
		}
		ok, tx.requireTLS = value == "", true
	case "AUTH":
		_, encoded := message.ParseXText(value)
		ok = value == "<>" || value != "" && encoded
	case "RET":
		tx.reports.Return = message.Return(strings.ToUpper(value))
		ok = value != "" && tx.reports.Return.Valid()
	case "ENVID":
		if tx.reports.EnvelopeID, ok = message.ParseXText(value); ok && value != "" {
			return invalid(message.CheckEnvelopeID(tx.reports.EnvelopeID))
		}
		ok = false
	default:
		return reply(555, 5, 5, 4, "The parameter is not known")
	}
	if !ok {
		return malformed("The parameter " + key + " is malformed")
	}
	return nil
}

func (s *session) rcpt(arg string) *answer {
	switch {
	case !s.tx.open:
		return outOfOrder("MAIL comes first")
	case s.tx.chunks != nil:
		return outOfOrder("The message is under way")
	}
	local, domain, rest, ok := cutPath(arg, "TO:")
	if !ok || domain == "" {
		return reply(501, 5, 5, 2, "RCPT TO:<address> is expected")
	}
	if len(s.tx.recipients) >= s.server.config.MaxRecipients {
		return reply(452, 4, 5, 3, fmt.Sprintf("A message has at most %d recipients", s.server.config.MaxRecipients))
	}
	var wish ingest.RecipientReports
	if refused := parameters(rest, func(key, value string) *answer { return rcptParameter(&wish, key, value) }); refused != nil {
		return refused
	}
	a, refused := address(local, domain, s.tx.utf8)
	if refused != nil {
		return refused
	}
	s.tx.recipients = append(s.tx.recipients, a)
	if wish != (ingest.RecipientReports{}) {
		if s.tx.reports.Recipients == nil {
			s.tx.reports.Recipients = map[message.Address]ingest.RecipientReports{}
		}
		s.tx.reports.Recipients[a] = wish
	}
	s.write("250 2.1.5 Recipient ok\r\n")
	return nil
}

// rcptParameter takes one parameter of RCPT, both of DSN (RFC 3461, 4.1 and 4.2).
func rcptParameter(wish *ingest.RecipientReports, key, value string) *answer {
	var err error
	switch key {
	case "NOTIFY":
		wish.Notify, err = message.ParseNotify(value)
		return invalid(err)
	case "ORCPT":
		kind, encoded, _ := strings.Cut(value, ";")
		address, ok := message.ParseXText(encoded)
		if strings.EqualFold(kind, "utf-8") {
			address, ok = message.ParseUTF8Address(encoded)
		}
		if !ok {
			return malformed("The parameter ORCPT is malformed")
		}
		wish.Original, err = message.NewOriginalRecipient(kind, address)
		return invalid(err)
	}
	return reply(555, 5, 5, 4, "The parameter is not known")
}

// invalid refuses what a parameter's own check does not take.
func invalid(err error) *answer {
	if err == nil {
		return nil
	}
	return replyTo(err)
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

// mayCarry refuses data without an envelope.
func (s *session) mayCarry() *answer {
	if len(s.tx.recipients) == 0 {
		return outOfOrder("MAIL and RCPT come first")
	}
	return nil
}

func (s *session) data(arg string) *answer {
	switch {
	case arg != "":
		return malformed("DATA has no parameter")
	case s.tx.chunks != nil:
		return outOfOrder("The message is under way in chunks")
	}
	if refused := s.mayCarry(); refused != nil {
		return refused
	}
	b, refused := s.newBody()
	if refused != nil {
		return refused
	}
	s.write("354 Send the message, end with <CRLF>.<CRLF>\r\n")
	if !s.whole(s.readDotted(b)) {
		return nil
	}
	return s.accept(b)
}

func (s *session) bdat(arg string) *answer {
	size, last, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil || last != "" && !strings.EqualFold(strings.TrimSpace(last), "LAST") {
		s.done = true // where the next command begins is not known
		return malformed("BDAT is followed by a size and perhaps LAST")
	}
	refused := s.mayCarry()
	if refused == nil && s.tx.chunks == nil {
		s.tx.chunks, refused = s.newBody()
	}
	if refused != nil {
		// The chunk follows the command even when that is refused.
		if !s.whole(s.readChunk(&body{room: -1}, int64(n))) {
			return nil
		}
		return refused
	}
	b := s.tx.chunks
	if !s.whole(s.readChunk(b, int64(n))) {
		return nil
	}
	switch {
	case b.tooLarge():
		s.reset()
		return tooLarge()
	case last == "":
		return reply(250, 2, 0, 0, "Continue")
	}
	return s.accept(b)
}

func tooLarge() *answer { return reply(552, 5, 3, 4, "The message is larger than this server takes") }

// newBody makes room for a message, behind the field that goes before it.
func (s *session) newBody() (*body, *answer) {
	field, err := s.trace()
	if err != nil {
		return nil, s.refuse(err)
	}
	limit := s.server.config.MaxSize
	// What a client announces is believed only so far.
	room := min(max(s.tx.size, 16<<10), limit, 1<<20)
	return &body{bytes: append(make([]byte, 0, int64(len(field))+room), field...), head: len(field), room: limit}, nil
}

// accept hands the message in. The transaction is over, whatever comes of it.
func (s *session) accept(b *body) *answer {
	s.alarm.Stop() // now it is our time that passes
	defer s.reset()
	if b.tooLarge() {
		return tooLarge()
	}
	raw := b.message()
	if err := message.CheckLines(raw, s.server.config.LineBytes); err != nil {
		return replyTo(err)
	}
	if loops(raw) {
		return replyTo(loopFault())
	}
	sender, reports := s.tx.sender, s.tx.reports
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

// loops counts the servers the message has passed.
func loops(raw []byte) bool {
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
	return n > maxReceived
}

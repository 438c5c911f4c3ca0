package smtpserver

import (
	"fmt"
	"strconv"
	"strings"

	"stafette/internal/ingest"
	"stafette/internal/message"
)

// What both doors say to every sender and recipient they take, ready to be written.
const (
	senderOK    = "250 2.1.0 Sender ok\r\n"
	recipientOK = "250 2.1.5 Recipient ok\r\n"
)

func noEnvelope() *answer { return outOfOrder("MAIL and RCPT come first") }

// full refuses one recipient more than there may be.
func full(n, limit int) *answer {
	if n < limit {
		return nil
	}
	return reply(452, 4, 5, 3, fmt.Sprintf("A message has at most %d recipients", limit))
}

// mailParameters is what MAIL says at either door beside the sender.
type mailParameters struct {
	size       int64 // announced, 0 if not
	utf8       bool
	ret        message.Return // RFC 3461
	envelopeID string         // RFC 3461
}

// take reads one parameter; its key is in capitals.
func (p *mailParameters) take(key, value string, maxSize int64) *answer {
	var ok bool
	switch key {
	case "SIZE":
		size, err := strconv.ParseInt(value, 10, 64)
		if err == nil && size > maxSize {
			return tooLarge()
		}
		ok, p.size = err == nil && size >= 0, size
	case "BODY":
		if strings.EqualFold(value, "BINARYMIME") {
			return reply(504, 5, 5, 4, "BINARYMIME is not offered")
		}
		ok = strings.EqualFold(value, "7BIT") || strings.EqualFold(value, "8BITMIME")
	case "SMTPUTF8":
		ok, p.utf8 = value == "", true
	case "RET":
		p.ret = message.Return(strings.ToUpper(value))
		ok = value != "" && p.ret.Valid()
	case "ENVID":
		if p.envelopeID, ok = message.ParseXText(value); ok && value != "" {
			return invalid(message.CheckEnvelopeID(p.envelopeID))
		}
		ok = false
	default:
		return unknownParameter()
	}
	if !ok {
		return malformed("The parameter " + key + " is malformed")
	}
	return nil
}

func unknownParameter() *answer { return reply(555, 5, 5, 4, "The parameter is not known") }

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
	return unknownParameter()
}

// invalid refuses what a parameter's own check does not take.
func invalid(err error) *answer {
	if err == nil {
		return nil
	}
	return replyTo(err)
}

package smtpserver

import (
	"errors"
	"fmt"
	"strings"

	"stafette/internal/fault"
)

// answer is one reply of one line, with its enhanced code (RFC 2034). It is an error
// only so that it passes through the SASL library.
type answer struct {
	code     int
	enhanced [3]int
	text     string // printing ASCII
}

// Error implements error.
func (a *answer) Error() string { return a.text }

// String returns the line without its end.
func (a *answer) String() string {
	return fmt.Sprintf("%d %d.%d.%d %s", a.code, a.enhanced[0], a.enhanced[1], a.enhanced[2], a.text)
}

func reply(code int, class, subject, detail int, text string) *answer {
	return &answer{code, [3]int{class, subject, detail}, text}
}

// Answers to what clients get wrong in the protocol itself.
func outOfOrder(text string) *answer { return reply(503, 5, 5, 1, text) }
func malformed(text string) *answer  { return reply(501, 5, 5, 4, text) }

// errTimeout is the cause when acceptance takes too long.
var errTimeout = errors.New("acceptance took too long")

// codeLoop marks the one refusal of this door itself that has a reply of its own.
const codeLoop = "mail_loop"

func loopFault() *fault.Error {
	return fault.New(fault.Invalid, codeLoop, "the message has passed too many servers")
}

// replyTo is the one table from refusals to SMTP replies. Errors that are none are
// answered in general words, and as temporary: the client keeps the mail.
func replyTo(err error) *answer {
	f := fault.As(err)
	if f == nil {
		return reply(451, 4, 3, 0, "The message cannot be taken at the moment, try again later")
	}
	text := replyText(f)
	switch f.Kind {
	case fault.Invalid:
		return replyToInvalid(f, text)
	case fault.Unauthenticated:
		return reply(535, 5, 7, 8, text)
	case fault.Forbidden:
		return reply(550, 5, 7, 1, text)
	case fault.NotFound, fault.Conflict:
		return reply(550, 5, 5, 0, text)
	case fault.TooLarge:
		if strings.HasPrefix(f.Code, "recipients_") {
			return reply(550, 5, 5, 3, text)
		}
		return reply(552, 5, 3, 4, text)
	case fault.Limited:
		return reply(450, 4, 7, 1, text)
	case fault.Unavailable:
		if f.Code == "storage_full" {
			return reply(452, 4, 3, 1, text)
		}
		return reply(451, 4, 3, 0, text)
	}
	return reply(451, 4, 3, 0, "The message cannot be taken at the moment, try again later")
}

// replyToInvalid tells addresses from content (RFC 3463, 3.2 and 3.7).
func replyToInvalid(f *fault.Error, text string) *answer {
	switch {
	case f.Code == codeLoop:
		return reply(554, 5, 4, 6, text)
	case strings.HasPrefix(f.Field, "headers/"):
		return reply(550, 5, 6, 0, text)
	case f.Code == "notify_malformed", f.Code == "envelope_id_malformed", f.Code == "original_recipient_malformed":
		return reply(501, 5, 5, 4, text)
	case f.Code == "from_domain_unknown":
		return reply(550, 5, 7, 1, text)
	case strings.HasPrefix(f.Code, "address_"), strings.HasPrefix(f.Code, "domain_"):
		return reply(553, 5, 1, 3, text)
	case strings.HasPrefix(f.Code, "recipients_"), f.Code == "all_recipients_suppressed":
		return reply(550, 5, 1, 0, text)
	}
	return reply(550, 5, 6, 0, text)
}

// unexpected reports whether err is more than a refusal that concerns the client alone.
func unexpected(err error) bool {
	f := fault.As(err)
	return f == nil || f.Kind == fault.Unavailable
}

// maxReplyText keeps a reply within one line of 512 bytes (RFC 5321, 4.5.3.1.5).
const maxReplyText = 400

// replyText words a refusal: code, field and detail, in printing ASCII on one line.
func replyText(f *fault.Error) string {
	text := f.Code
	if f.Field != "" {
		text += " (" + f.Field + ")"
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxReplyText)]
}

package dsn

import (
	"bytes"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/message"
)

// status is the part for programs. It is of the international kind only if an address
// demands it (RFC 6533, 5); old programs then read no report, but could not have read
// the address either.
func status(r Report) part {
	global := false
	for _, rcpt := range r.Recipients {
		global = global || !rcpt.Final.IsASCII() || !ascii(rcpt.Original.Address)
	}
	w := fields{plain: !global}
	// RFC 3464, 2.2.
	w.add("Original-Envelope-Id", r.EnvelopeID)
	w.add("Reporting-MTA", typed("dns", r.ReportingMTA))
	w.add("Arrival-Date", date(r.Arrived))
	for _, rcpt := range r.Recipients {
		w.WriteString("\r\n")
		rcpt.write(&w)
	}
	p := part{"message/delivery-status", "7bit", w.Bytes()}
	if global {
		p.media, p.encoding = "message/global-delivery-status", "8bit"
	}
	return p
}

// write adds the fields of one recipient, in the order of RFC 3464, 2.3.
func (r Recipient) write(w *fields) {
	w.add("Original-Recipient", originalField(r.Original))
	w.add("Final-Recipient", finalField(r.Final))
	w.add("Action", string(r.Action))
	w.add("Status", r.Status)
	w.add("Remote-MTA", typed("dns", r.RemoteMTA))
	if r.Diagnostic != "" {
		w.add("Diagnostic-Code", typed("smtp", r.Diagnostic))
	} else {
		w.add("Diagnostic-Code", typed("X-Stafette", r.Finding))
	}
	w.add("Last-Attempt-Date", date(r.LastAttempt))
	w.add("Final-Log-ID", r.LogID)
	w.add("Will-Retry-Until", date(r.RetryUntil))
}

// originalField repeats what the sender called the address, whose type it chose.
func originalField(o message.OriginalRecipient) string {
	if o.IsZero() {
		return ""
	}
	return o.Type + ";" + o.Address
}

func finalField(a message.Address) string {
	if a.IsASCII() {
		return typed("rfc822", a.String())
	}
	return typed("utf-8", a.String())
}

// typed puts the type before a value that is there (RFC 3464, 2.1.2).
func typed(kind, value string) string {
	if value == "" {
		return ""
	}
	return kind + "; " + value
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(dateForm)
}

// Lines of a report's fields (RFC 5322, 2.1.1), and how much of one value is told.
const (
	foldColumn = 76
	maxValue   = 2 << 10
	maxWord    = 900
)

// fields writes header fields. The zero value lets UTF-8 through.
type fields struct {
	bytes.Buffer
	plain bool // what is not ASCII becomes a question mark
}

// add writes one field, folded at blanks, or nothing for an empty value. Nothing in the
// value can end the field.
func (w *fields) add(name, value string) {
	value = shorten(oneLine(value), maxValue)
	if w.plain {
		value = strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, value)
	}
	if value == "" {
		return
	}
	w.WriteString(name + ":")
	column := len(name) + 1
	for i, word := range strings.Fields(value) {
		for len(word) > maxWord {
			head := shorten(word, maxWord)
			w.WriteString("\r\n " + head)
			word, column = word[len(head):], foldColumn
		}
		if i > 0 && column+1+len(word) > foldColumn {
			w.WriteString("\r\n")
			column = 0
		}
		w.WriteString(" " + word)
		column += 1 + len(word)
	}
	w.WriteString("\r\n")
}

// oneLine makes foreign words fit for a field: valid UTF-8 on one line, without control
// characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// shorten cuts s to at most n bytes at a whole character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

package message

import (
	"bytes"
	"mime"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"stafette/internal/fault"
)

// STAND-IN: deleted when the message room is built. It is only as good as the
// tests of ingest and httpapi need.

// IsZero reports whether a is the null reverse path.
func (a Address) IsZero() bool { return a == Address{} }

// String returns local@domain.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return a.Local + "@" + a.Domain
}

// String returns the mailbox in plain text.
func (m Mailbox) String() string { return (&mail.Address{Name: m.Name, Address: m.Address.String()}).String() }

// ParseAddress reads one address.
func ParseAddress(s string) (Address, error) {
	if len(s) > 254 {
		return Address{}, fault.Field("", "address_too_long", "An address has at most 254 bytes.")
	}
	p, err := mail.ParseAddress(s)
	if err != nil || p.Name != "" || strings.ContainsAny(s, "\r\n<>") {
		return Address{}, fault.Field("", "address_malformed", "The address is malformed.")
	}
	i := strings.LastIndexByte(p.Address, '@')
	return Address{p.Address[:i], strings.ToLower(p.Address[i+1:])}, nil
}

// ParseMailbox reads one address with an optional name.
func ParseMailbox(s string) (Mailbox, error) {
	p, err := mail.ParseAddress(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return Mailbox{}, fault.Field("", "address_malformed", "The address is malformed.")
	}
	a, err := ParseAddress(p.Address)
	return Mailbox{p.Name, a}, err
}

// Composed is what Compose made.
type Composed struct {
	Bytes          []byte
	Digests        []Digest
	EightBit, UTF8 bool
}

// Compose makes a plain text message.
func Compose(d Draft) (Composed, error) {
	var b bytes.Buffer
	if strings.ContainsAny(d.Subject, "\r\n") {
		return Composed{}, fault.Field("subject", "header_has_line_break", "The subject has a line break.")
	}
	line := func(n, v string) { b.WriteString(n + ": " + v + "\r\n") }
	line("From", d.From.String())
	for _, m := range d.To {
		line("To", m.String())
	}
	line("Subject", mime.QEncoding.Encode("utf-8", d.Subject))
	line("Message-ID", "<"+d.MessageID+">")
	line("Date", d.Date.Format(time.RFC1123Z))
	for _, h := range d.Headers {
		if strings.ContainsAny(h.Value, "\r\n") {
			return Composed{}, fault.Field("headers/"+h.Name, "header_has_line_break", "A header has a line break.")
		}
		line(h.Name, h.Value)
	}
	b.WriteString("\r\n" + d.Text)
	return Composed{Bytes: b.Bytes()}, nil
}

// Limits of Inspect.
type Limits struct{}

// Field is one header field.
type Field struct {
	Name       string
	Start, End int
}

// Inspection is what Inspect found.
type Inspection struct {
	From               Mailbox
	Sender             *Mailbox
	To, Cc, Bcc        []Mailbox
	Subject, MessageID string
	HasDate            bool
	EightBit, UTF8     bool
	Digests            []Digest
	Fields             []Field
	BodyAt             int
}

// Inspect reads a header.
func Inspect(raw []byte, _ Limits) (Inspection, error) {
	var in Inspection
	for i := 0; i < len(raw); {
		end := bytes.Index(raw[i:], []byte("\r\n"))
		if end < 0 {
			return in, fault.Field("", "line_end_bare", "A line does not end with CRLF.")
		}
		end += i + 2
		if end == i+2 {
			in.BodyAt = end
			break
		}
		for end < len(raw) && (raw[end] == ' ' || raw[end] == '\t') {
			end += bytes.Index(raw[end:], []byte("\r\n")) + 2
		}
		name, value, _ := strings.Cut(string(raw[i:end]), ":")
		in.Fields = append(in.Fields, Field{name, i, end})
		in.set(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "")))
		i = end
	}
	return in, nil
}

func (in *Inspection) set(name, v string) {
	list := func() (out []Mailbox) {
		all, _ := mail.ParseAddressList(v)
		for _, p := range all {
			m, _ := ParseMailbox(p.String())
			out = append(out, m)
		}
		return out
	}
	switch name {
	case "From":
		in.From, _ = ParseMailbox(v)
	case "Sender":
		m, _ := ParseMailbox(v)
		in.Sender = &m
	case "To":
		in.To = append(in.To, list()...)
	case "Cc":
		in.Cc = append(in.Cc, list()...)
	case "Bcc":
		in.Bcc = append(in.Bcc, list()...)
	case "Subject":
		in.Subject, _ = new(mime.WordDecoder).DecodeHeader(v)
	case "Message-Id":
		in.MessageID = strings.Trim(v, "<>")
	case "Date":
		in.HasDate = true
	}
}

// RemoveFields takes whole fields out.
func RemoveFields(raw []byte, match func(name string) bool) []byte {
	in, _ := Inspect(raw, Limits{})
	var out []byte
	at := 0
	for _, f := range in.Fields {
		if match(f.Name) {
			out = append(out, raw[at:f.Start]...)
			at = f.End
		}
	}
	return append(out, raw[at:]...)
}

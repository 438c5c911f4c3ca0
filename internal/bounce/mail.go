package bounce

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/inbucket/html2text"

	"stafette/internal/fault"
)

// mail is a message that came back, taken apart.
type mail struct {
	header fields
	parts  []leafPart
	// text is what a person reads, without the original message where it is a part
	// of its own.
	text string
	// ours are the addresses the message is to and from, lower case: a bounce may
	// mention them and not mean them.
	ours map[string]bool
}

// leafPart is a part that is no multipart, decoded to UTF-8 with \n line ends.
type leafPart struct {
	media string
	text  string
}

// openMail takes a message apart. Broken structure is read as far as it goes, at
// worst as one text.
func openMail(raw []byte, l Limits) (*mail, error) {
	// mbox files and pipes put a "From " line in front.
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	raw = bytes.TrimLeft(raw, "\r\n")
	head, body := splitHeader(raw)
	m := &mail{header: parseFields(head), ours: map[string]bool{}}
	m.header.decode("Subject")
	m.header.decode("From")
	for _, name := range []string{"To", "From", "Return-Path", "Delivered-To", "X-Original-To", "Reply-To", "Envelope-To"} {
		for _, value := range m.header.all(name) {
			for _, a := range addresses(value) {
				m.ours[strings.ToLower(a)] = true
			}
		}
	}
	if len(m.header) == 0 {
		return nil, fault.New(fault.Invalid, "report_malformed", "no header stands in front")
	}
	var err error
	if m.parts, err = split(m.header, body, l); err != nil {
		return nil, err
	}
	if !m.hasText() {
		m.parts = append(m.parts, leafPart{"text/plain", clean(string(body))})
	}
	m.text = m.prosePart()
	return m, nil
}

func (m *mail) hasText() bool {
	for _, p := range m.parts {
		if strings.TrimSpace(p.text) != "" {
			return true
		}
	}
	return false
}

// prosePart joins the texts in front of the original message: plain ones, or HTML
// where there are no others.
func (m *mail) prosePart() string {
	var plain, html strings.Builder
	for _, p := range m.parts {
		switch {
		case isOriginal(p.media):
			if plain.Len()+html.Len() > 0 {
				return m.either(plain.String(), html.String())
			}
		case p.media == "text/plain":
			plain.WriteString(p.text + "\n")
		case p.media == "text/html":
			html.WriteString(p.text + "\n")
		}
	}
	return m.either(plain.String(), html.String())
}

// maxHTML bounds what is turned into text; an explanation is short.
const maxHTML = 256 << 10

func (m *mail) either(plain, html string) string {
	if strings.TrimSpace(plain) != "" || html == "" {
		return plain
	}
	text, err := html2text.FromString(html[:min(len(html), maxHTML)], html2text.Options{OmitLinks: true})
	if err != nil {
		return ""
	}
	return clean(text)
}

// isOriginal tells the parts that hold the message reported on (RFC 6522; RFC 6533).
func isOriginal(media string) bool {
	switch media {
	case "message/rfc822", "text/rfc822-headers", "text/rfc822-header", "message/global", "message/global-headers",
		"message/partial", "message/news":
		return true
	}
	return false
}

// part returns the first part of one of the media types.
func (m *mail) part(media ...string) (string, bool) {
	for _, p := range m.parts {
		for _, want := range media {
			if p.media == want {
				return p.text, true
			}
		}
	}
	return "", false
}

// originalFields is the header of the message reported on, from its part or from
// behind the prose.
func (m *mail) originalFields(l Limits) []Field {
	for _, p := range m.parts {
		if !isOriginal(p.media) {
			continue
		}
		if f := originalHeader(p.text, l.Fields); len(f) > 0 {
			return f
		}
	}
	_, rest := cutOriginal(m.text)
	return originalHeader(rest, l.Fields)
}

// returnedTo lists the addresses the message came to.
func (m *mail) returnedTo() []string {
	var list []string
	seen := map[string]bool{}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "Apparently-To", "To"} {
		for _, value := range m.header.all(name) {
			for _, a := range addresses(value) {
				if key := strings.ToLower(a); !seen[key] && len(list) < maxReturnedTo {
					seen[key] = true
					list = append(list, a)
				}
			}
		}
	}
	return list
}

// maxReturnedTo is far above what servers on a way note.
const maxReturnedTo = 20

// clean makes foreign text safe to keep and print: valid UTF-8, \n line ends, and no
// other control characters than tabs.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !utf8.ValidString(s) {
		s = fromLatin(s)
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return '\n'
		case r == '\u00a0':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// fromLatin reads bytes that are no UTF-8 as ISO 8859-1, in which most of the older
// servers that name no charset write.
func fromLatin(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = rune(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

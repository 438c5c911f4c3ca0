// Package letter makes the mail that load is measured with: realistic messages of
// a wanted size, each carrying a token that survives every station of the journey.
//
// It stands before the doors. It knows nothing of protocols or servers; package
// inject hands its letters in, package sink recognises them at the other end.
package letter

import (
	"fmt"
	"strings"
)

// Source makes letters. Its methods may be called concurrently.
type Source struct {
	run     string
	from    string
	domains int
	text    string
	head    string // header fields between To and the first body line
	plain   string // body up to the end mark
}

// Config describes the letters of a run.
type Config struct {
	// Run is the first part of every token: lower case letters and digits.
	Run string
	// From is the header and envelope sender.
	From string
	// Size is the wanted size in bytes. Default 10,240, least 1,024.
	Size int
	// Domains is how many recipient domains take turns. Default 50.
	Domains int
}

// Letter is one message to one recipient.
type Letter struct {
	// Token is unique in the run and the local part of To.
	Token string
	// From and To are the envelope.
	From, To string
	source   *Source
}

// Paragraph lines of plain ASCII, so that no transfer encoding changes their length.
const paragraph = "Sehr geehrte Damen und Herren, vielen Dank fuer Ihre Anfrage zur Wohnung\r\n" +
	"in der Lindenstrasse 14. Gerne senden wir Ihnen die Unterlagen und nennen\r\n" +
	"Ihnen drei Termine zur Besichtigung: Montag, Mittwoch und Freitag um 17 Uhr.\r\n\r\n"

// NewSource prepares the parts that all letters of a run share.
func NewSource(c Config) *Source {
	if c.Size == 0 {
		c.Size = 10 << 10
	}
	if c.Domains == 0 {
		c.Domains = 50
	}
	s := &Source{run: c.Run, from: c.From, domains: c.Domains}
	s.head = "Date: Sat, 21 Nov 2026 09:30:00 +0100\r\n" +
		"MIME-Version: 1.0\r\n" +
		"Reply-To: " + c.From + "\r\n" +
		"X-Mailer: Maklerportal 7.2\r\n" +
		"Content-Language: de\r\n" +
		"Content-Type: text/plain; charset=us-ascii\r\n" +
		"Content-Transfer-Encoding: 7bit\r\n\r\n"
	room := max(c.Size, 1024) - len(s.head) - 256 // 256: the fields and the mark that differ
	s.plain = strings.Repeat(paragraph, max(1, room/len(paragraph)))
	s.text = strings.ReplaceAll(s.plain, "\r\n", "\n")
	return s
}

// At returns the n-th letter of the run; the same n gives the same letter.
func (s *Source) At(n int) Letter {
	token := fmt.Sprintf("%s.%07d", s.run, n)
	return Letter{Token: token, From: s.from, To: fmt.Sprintf("%s@d%02d.example", token, n%s.domains), source: s}
}

// Subject is the decoded subject; it ends with the token.
func (l Letter) Subject() string { return "Ihre Anfrage Lindenstrasse " + l.Token }

// Text is the body with LF line ends, closed by EndMark.
func (l Letter) Text() string { return l.source.text + EndMark(l.Token) + "\n" }

// Append appends the whole message in wire form without the final dot: CRLF line
// ends, no line that would need dot-stuffing.
func (l Letter) Append(b []byte) []byte {
	b = append(b, "From: Muster Immobilien <"...)
	b = append(b, l.From...)
	b = append(b, ">\r\nTo: <"...)
	b = append(b, l.To...)
	b = append(b, ">\r\nSubject: "...)
	b = append(b, l.Subject()...)
	b = append(b, "\r\nMessage-ID: <"...)
	b = append(b, l.Token...)
	b = append(b, "@load.example>\r\n"...)
	b = append(b, l.source.head...)
	b = append(b, l.source.plain...)
	b = append(b, EndMark(l.Token)...)
	return append(b, "\r\n"...)
}

// EndMark is the last line of a letter: a body that does not end with it was torn
// or belongs to another letter.
func EndMark(token string) string { return "Ende " + token }

// TokenOf returns the token in a recipient's address, "" if it has none.
func TokenOf(address string) string {
	local, _, found := strings.Cut(address, "@")
	if !found || !strings.Contains(local, ".") {
		return ""
	}
	return local
}

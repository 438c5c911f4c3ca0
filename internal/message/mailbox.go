package message

import (
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"stafette/internal/fault"
)

// String returns the mailbox as people write it: name <address>, with the name in
// plain UTF-8, quoted where needed. For a header use Compose, which encodes names.
func (m Mailbox) String() string {
	if m.Name == "" {
		return m.Address.String()
	}
	name := m.Name
	if !isPhrase(name) {
		name = quote(name)
	}
	return name + " <" + m.Address.String() + ">"
}

// isPhrase reports whether a display name needs no quotes (RFC 5322, 3.2.5).
func isPhrase(s string) bool {
	if s == "" || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ") {
		return false
	}
	for _, r := range s {
		if r != ' ' && !isAtext(r) {
			return false
		}
	}
	return true
}

// ParseMailbox reads one mailbox: an address, <address>, or a name with <address>.
// Names may be quoted and may hold encoded words (RFC 2047). Groups are refused.
// Errors are those of ParseAddress.
func ParseMailbox(s string) (Mailbox, error) {
	list, err := parseList(s, false)
	if err != nil {
		return Mailbox{}, err
	}
	if len(list) != 1 {
		return Mailbox{}, malformed(s, "exactly one is expected")
	}
	return list[0], nil
}

// ParseMailboxes reads the unfolded value of a To, Cc or Bcc field (RFC 5322, 3.4).
// Groups are accepted and replaced by their members, so that the list may be empty.
// Errors are those of ParseAddress.
func ParseMailboxes(s string) ([]Mailbox, error) { return parseList(s, true) }

// maxComments bounds the nesting of comments in an address list.
const maxComments = 10

// listParser reads an address list from left to right, each byte once.
type listParser struct {
	s      string // what is left
	groups bool   // groups are allowed
	list   []Mailbox
}

func parseList(s string, groups bool) ([]Mailbox, error) {
	if f := checkText("", strings.ReplaceAll(s, "\t", " ")); f != nil {
		return nil, f
	}
	p := &listParser{s: s, groups: groups}
	inGroup := false
	for {
		if f := p.skip(); f != nil {
			return nil, f
		}
		switch {
		case p.s == "":
			if inGroup || len(p.list) == 0 && !groups {
				return nil, malformed(s, "the list ends too early")
			}
			return p.list, nil
		case p.s[0] == ',':
			p.s = p.s[1:]
		case p.s[0] == ';' && inGroup:
			p.s, inGroup = p.s[1:], false
		default:
			opened, f := p.item(inGroup)
			if f != nil {
				return nil, f
			}
			inGroup = inGroup || opened
		}
	}
}

// item reads one mailbox, or the name of a group with its colon.
func (p *listParser) item(inGroup bool) (opened bool, f *fault.Error) {
	start := p.s
	name, words, f := p.words()
	if f != nil {
		return false, f
	}
	bare := strings.TrimSpace(start[:len(start)-len(p.s)])
	if f := p.skip(); f != nil {
		return false, f
	}
	switch {
	case strings.HasPrefix(p.s, "<"):
		m, f := p.angle(name)
		if f != nil {
			return false, f
		}
		p.list = append(p.list, m)
	case strings.HasPrefix(p.s, ":") && p.groups && !inGroup && words > 0:
		p.s = p.s[1:]
		return true, nil
	case strings.HasPrefix(p.s, "@") || strings.HasPrefix(start, "@"):
		return false, malformed(start, "source routes and stray @ are not accepted")
	default:
		a, err := ParseAddress(bare)
		if err != nil {
			return false, fault.As(err)
		}
		p.list = append(p.list, Mailbox{Address: a})
	}
	return false, p.end()
}

// end makes sure that a mailbox is followed by a separator or nothing.
func (p *listParser) end() *fault.Error {
	if f := p.skip(); f != nil {
		return f
	}
	if p.s == "" || p.s[0] == ',' || p.s[0] == ';' {
		return nil
	}
	return malformed(p.s, "a comma is expected")
}

// angle reads <address>.
func (p *listParser) angle(name string) (Mailbox, *fault.Error) {
	inQuote := false
	for i := 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '\\' && inQuote:
			i++
		case c == '"':
			inQuote = !inQuote
		case c == '>' && !inQuote:
			a, err := ParseAddress(strings.Trim(p.s[1:i], " \t"))
			if err != nil {
				return Mailbox{}, fault.As(err)
			}
			p.s = p.s[i+1:]
			return Mailbox{Name: name, Address: a}, nil
		}
	}
	return Mailbox{}, malformed(p.s, "the angle bracket is not closed")
}

// words reads atoms and quoted strings up to a special character. For a bare
// address they are the address itself, which item reads again by ParseAddress.
func (p *listParser) words() (name string, n int, f *fault.Error) {
	var b strings.Builder
	for p.s != "" && !strings.ContainsRune(",;:<>()", rune(p.s[0])) {
		var word string
		switch p.s[0] {
		case '"':
			text, rest, ok := readQuoted(p.s)
			if !ok {
				return "", 0, malformed(p.s, "a quotation mark is not closed")
			}
			word, p.s = text, rest
		case ' ', '\t':
			p.s = strings.TrimLeft(p.s, " \t")
			continue
		default:
			end := strings.IndexAny(p.s, ",;:<>() \t\"")
			if end < 0 {
				end = len(p.s)
			}
			word, p.s = p.s[:end], p.s[end:]
		}
		if n > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		n++
	}
	name, f = decodeName(b.String())
	return name, n, f
}

// decodeName decodes encoded words; what they hide must be as clean as the rest.
func decodeName(s string) (string, *fault.Error) {
	if !strings.Contains(s, "=?") {
		return s, nil
	}
	name := decodeWords(s)
	return name, checkText("", name)
}

// skip passes over white space and comments.
func (p *listParser) skip() *fault.Error {
	for {
		p.s = strings.TrimLeft(p.s, " \t")
		if !strings.HasPrefix(p.s, "(") {
			return nil
		}
		depth := 0
		for i := 0; ; i++ {
			if i == len(p.s) || depth > maxComments {
				return malformed(p.s, "a comment is not closed or too deep")
			}
			switch p.s[i] {
			case '\\':
				i = min(i+1, len(p.s)-1)
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				p.s = p.s[i+1:]
				break
			}
		}
	}
}

// decodeWords decodes RFC 2047 encoded words in any charset the WHATWG registry
// knows; words it cannot decode stay as they are.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	dec := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return enc.NewDecoder().Reader(r), nil
	}}
	text, err := dec.DecodeHeader(s)
	if err != nil || !utf8.ValidString(text) {
		return s
	}
	return text
}

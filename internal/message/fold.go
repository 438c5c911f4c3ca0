package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Line lengths without CRLF (RFC 5322, 2.1.1; RFC 2047, 2).
const (
	foldColumn    = 77
	maxLine       = 998
	maxWord       = 75
	wordOverhead  = len("=?utf-8?q?") + len("?=")
	minWordLength = wordOverhead + 4*3 // one rune of four bytes
	maxPlainWord  = 60                 // longer ones do not fit beside a field's name
)

// headerWriter writes header fields and folds them.
type headerWriter struct {
	bytes.Buffer
	column int
}

// name starts a field.
func (w *headerWriter) name(name string) {
	w.WriteString(name)
	w.WriteString(":")
	w.column = len(name) + 1
}

// token writes s after one space, on a new line if it does not fit on this one.
func (w *headerWriter) token(s string) {
	if w.column+1+len(s) > foldColumn && w.column > 1 && !w.atStart() {
		w.WriteString("\r\n")
		w.column = 0
	}
	w.WriteByte(' ')
	w.WriteString(s)
	w.column += 1 + len(s)
}

// atStart reports whether only the field's name is written. A first line without
// content is legal, but some readers take it for an empty field.
func (w *headerWriter) atStart() bool {
	b := w.Bytes()
	return len(b) > 0 && b[len(b)-1] == ':'
}

// end ends a field.
func (w *headerWriter) end() { w.WriteString("\r\n") }

// plain writes an ASCII value, folded at its spaces and nowhere else.
func (w *headerWriter) plain(value string) {
	// Splitting after each space keeps double spaces: what is folded is the space
	// before a word, and a line of nothing but spaces cannot arise.
	for _, word := range splitWords(value) {
		w.token(word)
	}
}

// splitWords cuts s at single spaces that stand before a printing character.
func splitWords(s string) []string {
	var words []string
	start := 0
	for i := 1; i+1 < len(s); i++ {
		if s[i] == ' ' && s[i+1] != ' ' && s[i-1] != ' ' {
			words = append(words, s[start:i])
			start = i + 1
		}
	}
	return append(words, s[start:])
}

// text writes unstructured UTF-8 (RFC 5322, 2.2.1), encoded where it must be.
func (w *headerWriter) text(value string) {
	if needsEncoding(value) {
		w.encoded(value)
		return
	}
	w.plain(value)
}

// needsEncoding reports whether a text cannot stand in a header as it is: it is not
// ASCII, looks like an encoded word, or would be changed by folding and trimming.
func needsEncoding(s string) bool {
	if !isASCII(s) || strings.Contains(s, "=?") {
		return true
	}
	if s != strings.TrimSpace(s) || strings.Contains(s, "  ") {
		return true
	}
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > maxPlainWord {
			return true
		}
	}
	return false
}

// encoded writes s as encoded words (RFC 2047), each holding whole characters. Every
// character but letters and digits is encoded, so the words may stand in phrases.
func (w *headerWriter) encoded(s string) {
	q := qLength(s) <= base64.StdEncoding.EncodedLen(len(s))
	for s != "" {
		room := min(maxWord, foldColumn-w.column-1)
		if room < minWordLength {
			room = maxWord
		}
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n > 0 && wordLength(s[:n+size], q) > room {
				break
			}
			n += size
		}
		w.token(encodeWord(s[:n], q))
		s = s[n:]
	}
}

func wordLength(s string, q bool) int {
	if q {
		return wordOverhead + qLength(s)
	}
	return wordOverhead + base64.StdEncoding.EncodedLen(len(s))
}

func qLength(s string) int {
	n := 0
	for i := range len(s) {
		if isQSafe(s[i]) || s[i] == ' ' {
			n++
		} else {
			n += 3
		}
	}
	return n
}

func isQSafe(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func encodeWord(s string, q bool) string {
	if !q {
		return "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString("=?utf-8?q?")
	for i := range len(s) {
		switch c := s[i]; {
		case isQSafe(c):
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('_')
		default:
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	b.WriteString("?=")
	return b.String()
}

// mailboxes writes an address list (RFC 5322, 3.4).
func (w *headerWriter) mailboxes(list []Mailbox) {
	for i, m := range list {
		comma := ""
		if i < len(list)-1 {
			comma = ","
		}
		if m.Name == "" {
			w.token(m.Address.String() + comma)
			continue
		}
		switch {
		case needsEncoding(m.Name):
			w.encoded(m.Name)
		case isPhrase(m.Name):
			w.plain(m.Name)
		default:
			w.plain(quote(m.Name))
		}
		w.token("<" + m.Address.String() + ">" + comma)
	}
}

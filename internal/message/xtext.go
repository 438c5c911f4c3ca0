package message

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseXText decodes xtext (RFC 3461, 4), what XText wrote. ok is false if s is not
// xtext; the empty text is.
func ParseXText(s string) (text string, ok bool) {
	if !strings.ContainsRune(s, '+') {
		return s, isXText(s)
	}
	var b strings.Builder
	for {
		plain, rest, more := strings.Cut(s, "+")
		if !isXText(plain) {
			return "", false
		}
		b.WriteString(plain)
		if !more {
			return b.String(), true
		}
		if len(rest) < 2 || !isUpperHex(rest[0]) || !isUpperHex(rest[1]) {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:2], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		s = rest[2:]
	}
}

func isXText(s string) bool {
	for i := range len(s) {
		if !isXChar(s[i]) {
			return false
		}
	}
	return true
}

func isUpperHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

// ParseUTF8Address decodes utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533, 3), the
// former being what EscapeUTF8Address writes. ok is false if s is neither.
func ParseUTF8Address(s string) (address string, ok bool) {
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf && !isXChar(byte(r)):
			return "", false
		case r != '\\':
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		digits, rest, closed := strings.Cut(strings.TrimPrefix(s, `\x{`), "}")
		if !closed || !strings.HasPrefix(s, `\x{`) {
			return "", false
		}
		code, err := strconv.ParseUint(digits, 16, 32)
		if err != nil || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
			return "", false
		}
		b.WriteRune(rune(code))
		s = rest
	}
	return b.String(), true
}

package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"stafette/internal/fault"
)

// Limits of an address in bytes (RFC 5321, 4.5.3.1; RFC 1035, 2.3.4). The path
// limit of 256 counts the angle brackets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// IsZero reports whether a is the null reverse path.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the address as it stands in an envelope or header, with the local
// part quoted where its characters need it, or "" for the zero Address. One that has no
// local part is "@" and the domain: what is left of a recipient who was erased.
func (a Address) String() string {
	switch {
	case a.IsZero():
		return ""
	case a.Local == "":
		return "@" + a.Domain
	}
	if isDotAtom(a.Local) {
		return a.Local + "@" + a.Domain
	}
	return quote(a.Local) + "@" + a.Domain
}

// length is that of String, in bytes.
func (a Address) length() int {
	if a.Local == "" || isDotAtom(a.Local) {
		return len(a.Local) + len("@") + len(a.Domain)
	}
	return len(a.String())
}

// IsASCII reports whether the address may be used without SMTPUTF8 (RFC 6531).
func (a Address) IsASCII() bool { return isASCII(a.Local) }

// ParseAddress reads local@domain without display name or angle brackets. The
// local part may be quoted and may hold UTF-8 (RFC 6531); the domain must have at
// least two labels and is turned into A-labels by UTS 46. Source routes, address
// literals, comments and control characters are refused.
//
// Errors are *fault.Error without Field: "address_missing", "address_malformed",
// "address_too_long", "domain_malformed", "text_not_utf8", "header_has_line_break".
func ParseAddress(s string) (Address, error) {
	if f := checkText("", s); f != nil {
		return Address{}, f
	}
	if s == "" {
		return Address{}, fault.New(fault.Invalid, "address_missing", "an address is expected")
	}
	if len(s) > 4*maxAddress {
		return Address{}, tooLong(s)
	}
	local, rest, f := splitLocal(s)
	if f != nil {
		return Address{}, f
	}
	domain, f := parseDomain(rest)
	if f != nil {
		return Address{}, f
	}
	a := Address{Local: local, Domain: domain}
	if len(local) > maxLocal || a.length() > maxAddress {
		return Address{}, tooLong(s)
	}
	return a, nil
}

// ParseDomain turns a domain name into lower-case A-labels. It must have at least
// two labels. The error is *fault.Error "domain_malformed" without Field.
func ParseDomain(s string) (string, error) {
	d, f := parseDomain(s)
	if f != nil {
		return "", f
	}
	return d, nil
}

func tooLong(s string) *fault.Error {
	return fault.New(fault.Invalid, "address_too_long",
		fault.Quote(s)+" is longer than 254 bytes, or its local part longer than 64")
}

func malformed(s, why string) *fault.Error {
	return fault.New(fault.Invalid, "address_malformed", fault.Quote(s)+" is not an address: "+why)
}

// splitLocal reads the local part and the @ behind it.
func splitLocal(s string) (local, rest string, f *fault.Error) {
	if s[0] == '"' {
		local, rest, ok := readQuoted(s)
		if !ok || local == "" || !strings.HasPrefix(rest, "@") {
			return "", "", malformed(s, "the quoted local part is not closed or not followed by @")
		}
		for _, r := range local {
			if r >= utf8.RuneSelf && !isAtext(r) {
				return "", "", malformed(s, "it has invisible characters")
			}
		}
		return local, rest[1:], nil
	}
	local, rest, ok := strings.Cut(s, "@")
	if !ok {
		return "", "", malformed(s, "it has no @")
	}
	if !isDotAtom(local) {
		return "", "", malformed(s, "the part before @ has characters that must be quoted")
	}
	return local, rest, nil
}

// readQuoted reads a quoted string at the start of s (RFC 5321, 4.1.2).
func readQuoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			i++
			if i == len(s) || s[i] >= utf8.RuneSelf {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// isDotAtom reports whether s is a Dot-string of RFC 5321 as RFC 6531 widens it.
func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if r != '.' && !isAtext(r) {
			return false
		}
	}
	return true
}

func isAtext(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r < utf8.RuneSelf:
		return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", byte(r)) >= 0
	}
	// Foreign spaces and invisible format characters make two addresses look alike.
	return r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.IsSpace(r)
}

// domainProfile maps and validates like a registry would, but leaves hyphens in the
// third and fourth place alone: such names exist and receive mail.
func domainProfile() *idna.Profile {
	return idna.New(
		idna.MapForLookup(),
		idna.Transitional(false),
		idna.BidiRule(),
		idna.CheckJoiners(true),
		idna.CheckHyphens(false),
		idna.VerifyDNSLength(true),
	)
}

func parseDomain(s string) (string, *fault.Error) {
	bad := func(why string) *fault.Error {
		return fault.New(fault.Invalid, "domain_malformed", fault.Quote(s)+" is not a mail domain: "+why)
	}
	if len(s) > 4*maxAddress {
		return "", bad("it is too long")
	}
	if strings.HasPrefix(s, "[") {
		return "", bad("address literals are not accepted")
	}
	domain := strings.ToLower(s)
	if !isASCII(domain) || strings.Contains(domain, "xn--") {
		profile := domainProfile()
		mapped, err := profile.ToASCII(s)
		if err != nil {
			return "", bad("it breaks the rules for international names")
		}
		// An A-label must stand for something that needs one (RFC 5891, 5.4).
		back, err := profile.ToUnicode(mapped)
		again, err2 := profile.ToASCII(back)
		if err != nil || err2 != nil || again != mapped {
			return "", bad("it breaks the rules for international names")
		}
		domain = mapped
	}
	if !strings.Contains(domain, ".") {
		return "", bad("it has only one label")
	}
	last := ""
	for l := range strings.SplitSeq(domain, ".") {
		if last = l; !isLabel(l) {
			return "", bad("a label is empty, too long or has other characters than letters, digits and hyphens")
		}
	}
	if isDigits(last) { // as that of each IPv4 address is
		return "", bad("it is a number")
	}
	if len(domain) > maxAddress-2 {
		return "", bad("it is too long")
	}
	return domain, nil
}

func isLabel(l string) bool {
	if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkText refuses what no header-bound text may hold: bytes that are no UTF-8,
// line breaks in any disguise, other control characters. It returns nil if s is clean.
func checkText(field, s string) *fault.Error {
	if isPlainASCII(s) {
		return nil // as nearly all are
	}
	if !utf8.ValidString(s) {
		return fault.Field(field, "text_not_utf8", "the text is not valid UTF-8")
	}
	for _, r := range s {
		switch {
		case r == '\r' || r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			return fault.Field(field, "header_has_line_break", "line breaks are not allowed here: "+fault.Quote(s))
		case unicode.IsControl(r):
			return fault.Field(field, "text_has_control", "control characters are not allowed here: "+fault.Quote(s))
		}
	}
	return nil
}

// isPlainASCII reports whether s is of ASCII characters without any control character.
func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

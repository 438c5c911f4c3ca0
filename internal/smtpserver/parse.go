package smtpserver

import (
	"slices"
	"strings"
)

// cutVerb takes a command line apart. The verb is in capitals.
func cutVerb(line string) (verb, arg string) {
	verb, arg, _ = strings.Cut(line, " ")
	return strings.ToUpper(verb), strings.TrimSpace(arg)
}

// cutPath reads "FROM:<path>" or "TO:<path>" and returns the path without its brackets
// and quotes, and what follows it. Clients that forget the brackets are understood. A
// source route is skipped, as RFC 5321, 4.1.1.3 wants.
func cutPath(arg, keyword string) (local, domain, rest string, ok bool) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", "", false
	}
	s := strings.TrimLeft(arg[len(keyword):], " ")
	bracket := strings.HasPrefix(s, "<")
	if bracket {
		s = s[1:]
		if rest, null := strings.CutPrefix(s, ">"); null {
			return "", "", rest, true
		}
	}
	if strings.HasPrefix(s, "@") {
		if _, s, ok = strings.Cut(s, ":"); !ok {
			return "", "", "", false
		}
	}
	if local, s, ok = cutLocal(s); !ok || local == "" || !strings.HasPrefix(s, "@") {
		return "", "", "", false
	}
	s = s[1:]
	end := strings.IndexAny(s, "> \t")
	if end < 0 {
		end = len(s)
	}
	domain, rest = s[:end], s[end:]
	if bracket {
		if rest, ok = strings.CutPrefix(rest, ">"); !ok {
			return "", "", "", false
		}
	}
	return local, domain, rest, domain != ""
}

// cutLocal takes a local part from the front of s, without quotes.
func cutLocal(s string) (local, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, "@()<>[]:;\\,\" \t")
		if end < 0 || s[end] != '@' {
			return "", "", false
		}
		return s[:end], s[end:], true
	}
	var plain strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return plain.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		plain.WriteByte(s[i])
	}
	return "", "", false
}

// parameters calls each for every parameter behind a path (RFC 5321, 4.1.2), until one
// is refused; one that comes twice is (RFC 3461, 4.5). Keys are in capitals.
func parameters(text string, each func(key, value string) *answer) *answer {
	var known [8]string // more than there are, so that all of it stays on the stack
	seen := known[:0]
	for p := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(p, "=")
		key = strings.ToUpper(key)
		if slices.Contains(seen, key) {
			return malformed("A parameter is there twice")
		}
		seen = append(seen, key)
		if refused := each(key, value); refused != nil {
			return refused
		}
	}
	return nil
}

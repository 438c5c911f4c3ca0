package blocks

import "strings"

// The markup has an escape sign, the backslash, as CommonMark has it but only where a sign could
// mean something (ADR 59):
//
//   - before "*", "[" and "]" anywhere, and before "(" right behind "]";
//   - at the front of a line, behind spaces or not, before "-" and before one to three "#", and
//     between one to three digits and "."; each with a space or the end of the line behind it.
//
// Of several backslashes before such a sign each pair is one backslash, and one that is left
// makes the sign a word. Everywhere else, in tags of Handlebars too, a backslash is a backslash.

// shielded begins the two bytes that stand for an escaped sign while markup is read. No text has
// it: it is no UTF-8. The other byte is the sign's with its highest bit set.
const shielded = "\xff"

// unshield writes escaped signs as what they are. None of them means anything to HTML.
var unshield = func() *strings.Replacer {
	var pairs []string
	for _, sign := range []byte(`*[](-#.`) {
		pairs = append(pairs, shielded+string([]byte{sign | 0x80}), string(sign))
	}
	return strings.NewReplacer(pairs...)
}()

// shield takes the escapes of a text away, and hides the signs that were escaped from whatever
// looks for them until unshield shows them.
func shield(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for s != "" {
		end := strings.IndexAny(s, "\r\n")
		if end < 0 {
			end = len(s)
		}
		shieldLine(&out, s[:end])
		if s = s[end:]; s != "" {
			out.WriteByte(s[0])
			s = s[1:]
		}
	}
	return out.String()
}

func shieldLine(out *strings.Builder, line string) {
	spans := tags.FindAllStringIndex(line, -1)
	for at := 0; at < len(line); {
		if len(spans) > 0 && at == spans[0][0] {
			out.WriteString(line[at:spans[0][1]])
			at, spans = spans[0][1], spans[1:]
			continue
		}
		sign := at
		for sign < len(line) && line[sign] == '\\' {
			sign++
		}
		n := sign - at
		switch {
		case n == 0:
			out.WriteByte(line[at])
			at++
		case !escapable(line[:at], line[sign:]):
			out.WriteString(line[at:sign])
			at = sign
		default:
			out.WriteString(strings.Repeat(`\`, n/2))
			at = sign
			if n%2 == 1 {
				out.WriteString(shielded)
				out.WriteByte(line[sign] | 0x80)
				at++
			}
		}
	}
}

// escapable tells whether a sign could mean something: rest is the line from it on, front is what
// stands before it and the backslashes.
func escapable(front, rest string) bool {
	if rest == "" {
		return false
	}
	switch rest[0] {
	case '*', '[', ']':
		return true
	case '(':
		return strings.HasSuffix(front, "]")
	case '-':
		return strings.Trim(front, " ") == "" && ended(rest[1:])
	case '#':
		behind := strings.TrimLeft(rest, "#")
		return strings.Trim(front, " ") == "" && len(rest)-len(behind) <= 3 && ended(behind)
	case '.':
		digits := strings.TrimLeft(front, " ")
		return len(digits) >= 1 && len(digits) <= 3 && strings.Trim(digits, "0123456789") == "" && ended(rest[1:])
	}
	return false
}

func ended(rest string) bool { return rest == "" || rest[0] == ' ' }

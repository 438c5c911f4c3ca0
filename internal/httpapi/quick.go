package httpapi

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// quick reads the JSON that programs usually send, in one pass: the members of a Draft
// by their exact names, each once, with strings, lists of strings and maps of strings. It
// gives up at everything else, right or wrong, and the general decoder has the word; so
// what it reads must be what that would read, and nothing more. FuzzQuick holds them
// against each other. See docs/adr/0011-quick-reader.md.
type quick struct {
	text []byte // valid UTF-8
	at   int
}

// quickReader is a body that quick can read. False leaves it in any state.
type quickReader interface{ readQuick(q *quick) bool }

// end reports whether nothing but white space is left.
func (q *quick) end() bool {
	q.space()
	return q.at == len(q.text)
}

func (q *quick) space() {
	for q.at < len(q.text) {
		switch q.text[q.at] {
		case ' ', '\t', '\r', '\n':
			q.at++
		default:
			return
		}
	}
}

// take steps over c, and white space before it, if it comes next.
func (q *quick) take(c byte) bool {
	q.space()
	if q.at < len(q.text) && q.text[q.at] == c {
		q.at++
		return true
	}
	return false
}

// list reads what stands between open and shut, with commas between the elements.
func (q *quick) list(open, shut byte, element func() bool) bool {
	if !q.take(open) {
		return false
	}
	if q.take(shut) {
		return true
	}
	for element() {
		if q.take(shut) {
			return true
		}
		if !q.take(',') {
			return false
		}
	}
	return false
}

// object reads an object; member reads the value of a key.
func (q *quick) object(member func(key string) bool) bool {
	return q.list('{', '}', func() bool {
		key, ok := q.string()
		return ok && q.take(':') && member(key)
	})
}

func (q *quick) into(to *string) bool {
	s, ok := q.string()
	*to = s
	return ok
}

func (q *quick) optional(to **string) bool {
	s, ok := q.string()
	*to = &s
	return ok
}

func (q *quick) strings(to *[]string) bool {
	*to = []string{}
	return q.list('[', ']', func() bool {
		s, ok := q.string()
		*to = append(*to, s)
		return ok
	})
}

// texts reads an object of strings. A key that comes twice is left to others.
func (q *quick) texts(to *map[string]string) bool {
	*to = map[string]string{}
	return q.object(func(key string) bool {
		s, ok := q.string()
		_, twice := (*to)[key]
		(*to)[key] = s
		return ok && !twice
	})
}

func (q *quick) time(to **time.Time) bool {
	s, ok := q.string()
	*to = new(time.Time)
	return ok && (*to).UnmarshalText([]byte(s)) == nil
}

// string reads a string. Halves of surrogate pairs that stand alone are left to others.
func (q *quick) string() (string, bool) {
	if !q.take('"') {
		return "", false
	}
	start := q.at
	for ; q.at < len(q.text); q.at++ {
		switch c := q.text[q.at]; {
		case c == '"':
			q.at++
			return string(q.text[start : q.at-1]), true
		case c == '\\':
			return q.escaped(start)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads the rest of a string that began at start and has a backslash here.
func (q *quick) escaped(start int) (string, bool) {
	var plain strings.Builder
	plain.Grow(q.at - start + lengthOf(q.text[q.at:]))
	plain.Write(q.text[start:q.at])
	for q.at < len(q.text) {
		rest := q.text[q.at:]
		switch c := rest[0]; {
		case c == '"':
			q.at++
			return plain.String(), true
		case c == '\\':
			if len(rest) < 2 {
				return "", false
			}
			if rest[1] == 'u' {
				r, n := numbered(rest)
				if n == 0 {
					return "", false
				}
				plain.WriteRune(r)
				q.at += n
				continue
			}
			i := bytes.IndexByte([]byte(`"\/bfnrt`), rest[1])
			if i < 0 {
				return "", false
			}
			plain.WriteByte("\"\\/\b\f\n\r\t"[i])
			q.at += 2
		case c < ' ':
			return "", false
		default:
			n := 1
			for n < len(rest) && rest[n] != '"' && rest[n] != '\\' && rest[n] >= ' ' {
				n++
			}
			plain.Write(rest[:n])
			q.at += n
		}
	}
	return "", false
}

// numbered reads an escape by number, or two that make a surrogate pair (RFC 8259, 7),
// and returns its length; 0 is half a pair and what is no escape. Many encoders write
// "<" or all that is not ASCII so.
func numbered(text []byte) (r rune, length int) {
	if r = unit(text); r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, unitLength
	}
	if r = utf16.DecodeRune(r, unit(text[unitLength:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 2 * unitLength
}

const unitLength = len(`\u0000`)

// unit returns the number of the escape that text begins with, -1 if it begins with none.
func unit(text []byte) rune {
	if len(text) < unitLength || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var n [2]byte
	if _, err := hex.Decode(n[:], text[2:unitLength]); err != nil {
		return -1
	}
	return rune(n[0])<<8 | rune(n[1])
}

// lengthOf returns where the string ends whose rest this is.
func lengthOf(rest []byte) int {
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(rest)
}

// once reports whether a member comes for the first time. Members that come again change
// what the first has left, in ways of the general decoder's own.
func once(seen *uint, member uint) bool {
	if *seen&(1<<member) != 0 {
		return false
	}
	*seen |= 1 << member
	return true
}

// readQuick implements quickReader.
func (in *Draft) readQuick(q *quick) bool {
	var seen uint
	return q.object(func(key string) bool {
		switch key {
		case "from":
			return once(&seen, 0) && q.into(&in.From)
		case "to":
			return once(&seen, 1) && q.strings(&in.To)
		case "cc":
			return once(&seen, 2) && q.strings(&in.Cc)
		case "bcc":
			return once(&seen, 3) && q.strings(&in.Bcc)
		case "reply_to":
			return once(&seen, 4) && q.strings(&in.ReplyTo)
		case "subject":
			return once(&seen, 5) && q.into(&in.Subject)
		case "text":
			return once(&seen, 6) && q.into(&in.Text)
		case "html":
			return once(&seen, 7) && q.into(&in.HTML)
		case "headers":
			return once(&seen, 8) && q.texts(&in.Headers)
		case "stream":
			return once(&seen, 9) && q.optional(&in.Stream)
		case "tags":
			return once(&seen, 10) && q.strings(&in.Tags)
		case "metadata":
			return once(&seen, 11) && q.texts(&in.Metadata)
		case "send_at":
			return once(&seen, 12) && q.time(&in.SendAt)
		case "tracking":
			return once(&seen, 13) && q.optional(&in.Tracking)
		}
		return false
	})
}

// readQuick implements quickReader.
func (in *Batch) readQuick(q *quick) bool {
	var seen uint
	return q.object(func(key string) bool {
		if key != "messages" || !once(&seen, 0) {
			return false
		}
		in.Messages = []Draft{}
		return q.list('[', ']', func() bool {
			in.Messages = append(in.Messages, Draft{})
			return in.Messages[len(in.Messages)-1].readQuick(q)
		})
	})
}

package message

import (
	"bytes"
	"slices"
	"strings"

	"stafette/internal/fault"
)

// Field is one header field of a raw message and where it stands.
type Field struct {
	Name       string // as written
	Value      string // unfolded, not decoded, without white space around it
	Start, End int    // byte range including continuation lines and the last CRLF
}

// Is reports whether the field has that name; case does not matter.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Limits bound the work Inspect does on a foreign message. The zero value of each
// field is its default.
type Limits struct {
	Fields      int // header fields of the message: 1,000
	HeaderBytes int // of the message's header: 256 KiB
	LineBytes   int // of any line without CRLF: 998 (RFC 5322, 2.1.1); -1 for no limit
	Depth       int // of nested multiparts: 50
	Parts       int // of all multiparts together: 1,000
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	set(&l.Fields, 1000)
	set(&l.HeaderBytes, 256<<10)
	set(&l.LineBytes, maxLine)
	set(&l.Depth, 50)
	set(&l.Parts, 1000)
	return l
}

// Fields reads the header of a raw message with CRLF line ends. It returns the fields
// in order and where the body begins. Errors are *fault.Error: "header_malformed",
// "header_too_large".
func Fields(raw []byte, l Limits) (fields []Field, body int, err error) {
	fields, body, f := readFields(raw, l.withDefaults())
	if f != nil {
		return nil, 0, f
	}
	return fields, body, nil
}

func readFields(raw []byte, l Limits) ([]Field, int, *fault.Error) {
	fields := make([]Field, 0, 24)
	at := 0
	for at < len(raw) {
		if bytes.HasPrefix(raw[at:], []byte("\r\n")) {
			return fields, at + 2, nil
		}
		end := fieldEnd(raw, at)
		if end > l.HeaderBytes || len(fields) == l.Fields {
			return nil, 0, fault.New(fault.TooLarge, "header_too_large", "the header has too many fields or bytes")
		}
		name, value, ok := bytes.Cut(raw[at:end], []byte(":"))
		if !ok || !isForeignName(name) {
			return nil, 0, fault.New(fault.Invalid, "header_malformed",
				fault.Quote(string(raw[at:min(end, at+80)]))+" is not a header field")
		}
		fields = append(fields, Field{Name: string(name), Value: unfold(value), Start: at, End: end})
		at = end
	}
	return fields, at, nil
}

// fieldEnd returns where the field that starts at ends, with its continuation lines.
func fieldEnd(raw []byte, at int) int {
	for {
		i := bytes.IndexByte(raw[at:], '\n')
		if i < 0 {
			return len(raw)
		}
		at += i + 1
		if at == len(raw) || raw[at] != ' ' && raw[at] != '\t' {
			return at
		}
	}
}

// isForeignName reports whether b is a field name of RFC 5322, 2.2. White space
// before the colon, once allowed, is refused: readers disagree on it.
func isForeignName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

func unfold(value []byte) string {
	return strings.Trim(strings.ReplaceAll(string(value), "\r\n", ""), " \t")
}

// RemoveFields returns raw without the header fields whose name match wants gone, no
// other byte changed; raw itself if there are none. A header that cannot be read is
// left as it is: only what Inspect has passed should come here.
func RemoveFields(raw []byte, match func(name string) bool) []byte {
	fields, _, f := readFields(raw, Limits{Fields: len(raw) + 1, HeaderBytes: len(raw) + 1})
	if f != nil || !slices.ContainsFunc(fields, func(f Field) bool { return match(f.Name) }) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	from := 0
	for _, field := range fields {
		if match(field.Name) {
			out = append(out, raw[from:field.Start]...)
			from = field.End
		}
	}
	return append(out, raw[from:]...)
}

// PrependFields returns raw with fields before it, folded, and encoded where they are
// not ASCII. Fields the drafts of callers may not have are allowed here. The error is
// a *fault.Error as of Compose.
func PrependFields(raw []byte, fields ...Header) ([]byte, error) {
	var c checker
	w := &headerWriter{}
	for _, h := range fields {
		field := "headers/" + pointer(h.Name)
		if !isFieldName(h.Name) {
			c.refuse(field, "header_name_malformed", "a field name has letters, digits and hyphens only")
		} else if c.text(field, h.Value, maxHeaderValue) {
			writeField(w, h)
		}
	}
	if err := fault.Join(c.found); err != nil {
		return nil, err
	}
	return append(w.Bytes(), raw...), nil
}

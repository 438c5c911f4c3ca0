package spool

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Records and their data are JSON of a fixed form: texts, and objects of texts. A mailing
// writes and reads one of each for every recipient, so what is of that form is written and
// read here; all else is left to encoding/json, to which tests hold these bytes and values.

// WriteData is the Data of a Record: what json.Marshal makes of it.
func WriteData(data map[string]any) (json.RawMessage, error) {
	if text, ok := appendObject(make([]byte, 0, 512), data); ok {
		return text, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("write merge data: %w", err)
	}
	return text, nil
}

// ReadData reads the Data of a Record: what json.Unmarshal makes of it.
func ReadData(text json.RawMessage) (map[string]any, error) {
	p := reader{text: string(text)}
	if data, ok := p.object(); ok && p.at == len(p.text) {
		return data, nil
	}
	data := map[string]any{}
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, fmt.Errorf("read merge data: %w", err)
	}
	return data, nil
}

// appendObject is false for what holds more than texts and objects of texts.
func appendObject(b []byte, object map[string]any) ([]byte, bool) {
	if object == nil {
		return nil, false
	}
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, key), ':')
		switch v := object[key].(type) {
		case string:
			b = appendText(b, v)
		case map[string]any:
			var ok bool
			if b, ok = appendObject(b, v); !ok {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return append(b, '}'), true
}

const hexDigits = "0123456789abcdef"

// appendText writes a text as json.Marshal does.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028', r == '\u2029':
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// reader reads JSON of the fixed form without white space; it gives up at all else.
type reader struct {
	text string
	at   int
}

// skip goes over a text that must be next.
func (r *reader) skip(text string) bool {
	if !strings.HasPrefix(r.text[r.at:], text) {
		return false
	}
	r.at += len(text)
	return true
}

// object reads one of texts and objects.
func (r *reader) object() (map[string]any, bool) {
	if !r.skip("{") {
		return nil, false
	}
	object := map[string]any{}
	if r.skip("}") {
		return object, true
	}
	for {
		key, ok := r.string()
		if !ok || !r.skip(":") {
			return nil, false
		}
		if strings.HasPrefix(r.text[r.at:], "{") {
			inner, ok := r.object()
			if !ok {
				return nil, false
			}
			object[key] = inner
		} else {
			value, ok := r.string()
			if !ok {
				return nil, false
			}
			object[key] = value
		}
		if r.skip("}") {
			return object, true
		}
		if !r.skip(",") {
			return nil, false
		}
	}
}

// over goes over an object that looks like one of WriteData, to its end. It does not look at
// the order of what is in it.
func (r *reader) over() bool {
	if !strings.HasPrefix(r.text[r.at:], "{") {
		return false
	}
	depth := 0
	for ; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				r.at++
				return true
			}
		case '"':
			if !r.overText() {
				return false
			}
		case ':', ',':
		default:
			return false
		}
	}
	return false
}

// overText goes to the mark at the end of the text that begins here.
func (r *reader) overText() bool {
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			return true
		case c == '\\':
			r.at++
		case c < ' ', c == '<', c == '>', c == '&':
			return false
		case c == 0xe2 && (strings.HasPrefix(r.text[r.at:], "\u2028") || strings.HasPrefix(r.text[r.at:], "\u2029")):
			return false
		}
	}
	return false
}

// string reads a text. Surrogates are left to encoding/json, as is what is not UTF-8.
func (r *reader) string() (string, bool) {
	if !r.skip(`"`) {
		return "", false
	}
	start := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			s := r.text[start:r.at]
			r.at++
			return s, utf8.ValidString(s)
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads the rest of a text that began at start and has its first escape here.
func (r *reader) escaped(start int) (string, bool) {
	b := append(make([]byte, 0, 64), r.text[start:r.at]...)
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return string(b), utf8.Valid(b)
		case c < ' ' || c == '\\' && r.at == len(r.text):
			return "", false
		case c != '\\':
			b = append(b, c)
			continue
		}
		e := r.text[r.at]
		r.at++
		if at := strings.IndexByte(`"\/bfnrt`, e); at >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		if e != 'u' || len(r.text)-r.at < 4 {
			return "", false
		}
		v, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
		if err != nil || 0xd800 <= v && v < 0xe000 {
			return "", false
		}
		b = utf8.AppendRune(b, rune(v))
		r.at += 4
	}
	return "", false
}

// appendRecordText writes a record as json.Marshal does; it is false where its date cannot
// be written so. Data are taken for what WriteData makes.
func appendRecordText(b []byte, r *Record) ([]byte, bool) {
	data := reader{text: string(r.Data)}
	if y := r.Date.Year(); y < 0 || y > 9999 || !data.over() || data.at != len(data.text) {
		return nil, false
	}
	if _, offset := r.Date.Zone(); offset != 0 {
		return nil, false
	}
	b = appendText(append(b, `{"form":`...), r.Form)
	b = r.Date.AppendFormat(append(b, `,"date":"`...), time.RFC3339Nano)
	b = appendText(append(b, `","domain":`...), r.Domain)
	b = appendText(append(b, `,"to":`...), r.To)
	if r.Level != "" {
		b = appendText(append(b, `,"level":`...), r.Level)
	}
	b = append(append(b, `,"data":`...), r.Data...)
	return append(b, '}'), true
}

// readRecordText reads what appendRecordText wrote; it is false for what is written otherwise.
// Whether the data are JSON is found out by who reads them.
func readRecordText(text string) (r Record, ok bool) {
	p := reader{text: text}
	field := func(name string, to *string) bool {
		if !p.skip(name) {
			return false
		}
		s, ok := p.string()
		*to = s
		return ok
	}
	var date string
	if !field(`{"form":`, &r.Form) || !field(`,"date":`, &date) || !field(`,"domain":`, &r.Domain) || !field(`,"to":`, &r.To) {
		return Record{}, false
	}
	if strings.HasPrefix(text[p.at:], `,"level":`) && !field(`,"level":`, &r.Level) {
		return Record{}, false
	}
	var err error
	if r.Date, err = time.Parse(time.RFC3339Nano, date); err != nil {
		return Record{}, false
	}
	if !p.skip(`,"data":`) {
		return r, text[p.at:] == "}"
	}
	start := p.at
	if !p.over() || text[p.at:] != "}" {
		return Record{}, false
	}
	r.Data = json.RawMessage(text[start:p.at])
	return r, true
}

package bounce

import (
	"bytes"
	"mime"
	"regexp"
	"strings"

	"golang.org/x/net/html/charset"
)

// maxAddressText bounds what is taken for an address or Message-ID.
const maxAddressText = 320

// fields is a block of header fields. Reading is tolerant: what is no field is left
// out, as reports are written by programs of thirty years.
type fields []Field

// get returns the first value of a name, or "".
func (f fields) get(name string) string {
	for _, field := range f {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

// all returns the values of a name.
func (f fields) all(name string) []string {
	var list []string
	for _, field := range f {
		if strings.EqualFold(field.Name, name) {
			list = append(list, field.Value)
		}
	}
	return list
}

// decode undoes the encoded words (RFC 2047) of a field, where they are whole.
func (f fields) decode(name string) {
	words := mime.WordDecoder{CharsetReader: charset.NewReaderLabel}
	for i := range f {
		if !strings.EqualFold(f[i].Name, name) || !strings.Contains(f[i].Value, "=?") {
			continue
		}
		if plain, err := words.DecodeHeader(f[i].Value); err == nil {
			f[i].Value = strings.ReplaceAll(clean(plain), "\n", " ")
		}
	}
}

// splitHeader parts a message at its first empty line.
func splitHeader(raw []byte) (head string, body []byte) {
	for _, gap := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(gap)); i >= 0 && (head == "" || i < len(head)) {
			head, body = string(raw[:i]), raw[i+len(gap):]
		}
	}
	if head == "" {
		return clean(string(raw)), nil
	}
	return clean(head), body
}

// parseFields reads a block of fields and ends with the text, not at an empty line.
func parseFields(text string) fields {
	var list fields
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\n")
		if line == "" {
			continue
		}
		if (line[0] == ' ' || line[0] == '\t') && len(list) > 0 {
			last := &list[len(list)-1]
			if len(last.Value) < maxText {
				last.Value = strings.TrimSpace(last.Value + " " + strings.TrimSpace(line))
			}
			continue
		}
		if name, value, ok := cutField(line); ok {
			list = append(list, Field{name, value})
		}
	}
	return list
}

// cutField parts "Name: value". A name is short and has no blanks inside.
func cutField(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || name == "" || len(name) > 60 {
		return "", "", false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return "", "", false
		}
	}
	return name, strings.TrimSpace(value), true
}

// originalHeader reads the header of an original message at the start of text.
func originalHeader(text string, most int) []Field {
	text = strings.TrimLeft(text, "\n\t ")
	head, _, _ := strings.Cut(text, "\n\n")
	list := parseFields(head)
	return list[:min(len(list), most)]
}

// addressText finds what looks like an address: no blanks, no brackets, a domain or
// host behind the @.
var addressText = regexp.MustCompile(`(?:"[^"\s]{1,64}"|[^\s<>"'(),:;\[\]@]{1,64})@[\pL\pN](?:[\pL\pN._-]*[\pL\pN])?`)

// addresses returns all addresses in a text.
func addresses(s string) []string {
	if !strings.Contains(s, "@") {
		return nil
	}
	return addressText.FindAllString(s[:min(len(s), maxText)], 100)
}

func firstAddress(s string) string {
	if !strings.Contains(s, "@") {
		return ""
	}
	return addressText.FindString(s[:min(len(s), maxText)])
}

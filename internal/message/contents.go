package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// Content is a leaf of a message's MIME tree.
type Content struct {
	Filename    string // "" if it has none
	ContentType string // media type in lower case, without parameters
	Bytes       []byte // decoded; as it stands if it does not decode
}

// Contents returns all leaves of a message with what they hold, in their order. Errors
// are those of Inspect with its default limits.
func Contents(raw []byte) ([]Content, error) {
	l := Limits{}.withDefaults()
	fields, at, f := readFields(raw, l)
	if f != nil {
		return nil, f
	}
	var all []Content
	w := walker{limits: l, visit: func(l leaf, content []byte) {
		_, params, _ := mime.ParseMediaType(value(l.fields, "Content-Disposition"))
		name := decodeWords(params["filename"])
		if name == "" {
			name = decodeWords(l.params["name"])
		}
		all = append(all, Content{Filename: name, ContentType: l.media, Bytes: decoded(content, value(l.fields, "Content-Transfer-Encoding"))})
	}}
	if f := w.walk(raw, fields, at); f != nil {
		return nil, f
	}
	return all, nil
}

func decoded(content []byte, encoding string) []byte {
	var r io.Reader
	switch strings.ToLower(encoding) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(content))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(content))
	default:
		return content
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return content
	}
	return plain
}

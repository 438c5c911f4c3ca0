package message

import (
	"bytes"
	"encoding/base64"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// Leaf is a part of a message without parts of its own, to be looked at and replaced.
type Leaf struct {
	ContentType string            // media type in lower case, without parameters
	Params      map[string]string // of the content type, names in lower case
	Attached    bool              // a file: it has a name, or says that it is an attachment
	Bytes       []byte            // decoded; as it stands if it does not decode
	Decoded     bool              // Bytes is what the sender meant
}

// Replace returns the message with the contents of some leaves changed, in the transfer
// encodings they had; all other bytes stay. change is called for each leaf in its order and
// returns the new content, or false to leave it. ok is false where new content cannot be
// written in the encoding of its leaf (a line would be too long), and then nothing
// is changed. Errors are those of Inspect with its default limits.
func Replace(raw []byte, change func(Leaf) ([]byte, bool)) (out []byte, ok bool, err error) {
	l := Limits{}.withDefaults()
	fields, at, f := readFields(raw, l)
	if f != nil {
		return nil, false, f
	}
	var b bytes.Buffer
	done, fits := 0, true
	w := walker{limits: l, visit: func(l leaf, content []byte) {
		encoding := strings.ToLower(value(l.fields, "Content-Transfer-Encoding"))
		found, changed := change(leafOf(l, content, encoding))
		if !changed {
			return
		}
		encoded, good := encodeAs(encoding, found)
		if fits = fits && good; !fits {
			return
		}
		b.Write(raw[done:l.start])
		b.Write(encoded)
		done = l.start + len(content)
	}}
	if f := w.walk(raw, fields, at); f != nil {
		return nil, false, f
	}
	if !fits {
		return raw, false, nil
	}
	b.Write(raw[done:])
	return b.Bytes(), true, nil
}

func leafOf(l leaf, content []byte, encoding string) Leaf {
	disposition, params, _ := mime.ParseMediaType(value(l.fields, "Content-Disposition"))
	plain := decoded(content, encoding)
	return Leaf{ContentType: l.media, Params: l.params, Bytes: plain,
		Attached: disposition == "attachment" || params["filename"] != "" || l.params["name"] != "",
		Decoded:  knownEncoding(encoding) && (len(content) == 0 || isIdentity(encoding) || !bytes.Equal(plain, content))}
}

func isIdentity(encoding string) bool {
	switch encoding {
	case "", "7bit", "8bit":
		return true
	}
	return false
}

func knownEncoding(encoding string) bool {
	return isIdentity(encoding) || encoding == "base64" || encoding == "quoted-printable"
}

// encodeAs writes content in a transfer encoding, so that it decodes to exactly that.
func encodeAs(encoding string, content []byte) ([]byte, bool) {
	switch encoding {
	case "base64":
		var w headerWriter
		w.Grow(base64.StdEncoding.EncodedLen(len(content))*79/76 + 4)
		w.base64(content)
		return bytes.TrimSuffix(w.Bytes(), []byte("\r\n")), true
	case "quoted-printable":
		for _, binary := range []bool{false, true} {
			var b bytes.Buffer
			w := quotedprintable.NewWriter(&b)
			w.Binary = binary
			_, _ = w.Write(content) // to a buffer
			_ = w.Close()
			if bytes.Equal(decoded(b.Bytes(), encoding), content) {
				return b.Bytes(), true
			}
		}
		return nil, false
	}
	return content, scanLines(content, maxLine) == nil
}

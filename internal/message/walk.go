package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"stafette/internal/fault"
)

// walker goes through the MIME tree of a message by byte ranges: nothing is copied
// or kept but digests. Malformed structure is taken as a leaf.
type walker struct {
	limits  Limits
	parts   int
	digests []Digest
}

// part visits one entity: its header fields and its content.
func (w *walker) part(fields []Field, content []byte, depth int) *fault.Error {
	media, params := contentType(fields)
	boundary := params["boundary"]
	if !strings.HasPrefix(media, "multipart/") || boundary == "" || len(boundary) > 200 {
		w.leaf(fields, media, params, content)
		return nil
	}
	if depth == w.limits.Depth {
		return fault.New(fault.TooLarge, "mime_too_deep", "parts are nested too deep")
	}
	s := splitter{rest: content, delimiter: []byte("--" + boundary)}
	s.next() // what stands before the first boundary is no part
	for {
		raw, ok := s.next()
		if !ok {
			return nil
		}
		if w.parts++; w.parts > w.limits.Parts {
			return fault.New(fault.TooLarge, "mime_too_many_parts", "the message has too many parts")
		}
		inner, at := partFields(raw, w.limits)
		if f := w.part(inner, raw[at:], depth+1); f != nil {
			return f
		}
	}
}

// partFields reads the header of a part. A part whose header makes no sense is all
// content, as most readers show it.
func partFields(raw []byte, l Limits) (fields []Field, body int) {
	fields, body, f := readFields(raw, l)
	if f != nil {
		return nil, 0
	}
	return fields, body
}

// splitter cuts the content of a multipart at its boundary lines (RFC 2046, 5.1.1).
type splitter struct {
	rest      []byte
	delimiter []byte
	started   bool
	done      bool
}

// next returns what stands before the next boundary line. An unclosed multipart ends
// with its content, as readers have it.
func (s *splitter) next() (raw []byte, ok bool) {
	if s.done {
		return nil, false
	}
	for from := 0; ; {
		i := bytes.Index(s.rest[from:], s.delimiter)
		if i < 0 {
			s.done = true
			raw, s.rest = s.rest, nil
			return raw, s.started
		}
		i += from
		from = i + len(s.delimiter)
		if i > 0 && s.rest[i-1] != '\n' {
			continue
		}
		line, tail, _ := bytes.Cut(s.rest[from:], []byte("\r\n"))
		last := bytes.HasPrefix(line, []byte("--"))
		if !last && len(bytes.Trim(line, " \t")) > 0 {
			continue
		}
		raw = bytes.TrimSuffix(s.rest[:i], []byte("\r\n"))
		s.rest, s.done = tail, last
		ok, s.started = s.started, true
		return raw, ok
	}
}

func value(fields []Field, name string) string {
	for _, f := range fields {
		if f.Is(name) {
			return f.Value
		}
	}
	return ""
}

// contentType reads the Content-Type as far as it can be read; RFC 2045, 5.2 gives
// the default.
func contentType(fields []Field) (string, map[string]string) {
	v := value(fields, "Content-Type")
	if v == "" {
		return "text/plain", nil
	}
	if len(v) > maxHeaderValue {
		return "application/octet-stream", nil
	}
	media, params, err := mime.ParseMediaType(v)
	if media == "" || err != nil && params == nil {
		media, _, _ = strings.Cut(v, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		if !strings.Contains(media, "/") || strings.HasPrefix(media, "multipart/") {
			media = "application/octet-stream"
		}
	}
	return media, params
}

// leaf takes the fingerprint of everything but nameless prose.
func (w *walker) leaf(fields []Field, media string, params map[string]string, content []byte) {
	// A disposition that cannot be read is none.
	disposition, dparams, _ := mime.ParseMediaType(value(fields, "Content-Disposition"))
	name := decodeWords(dparams["filename"])
	if name == "" {
		name = decodeWords(params["name"])
	}
	isProse := strings.HasPrefix(media, "text/") && name == "" &&
		disposition != "attachment" && value(fields, "Content-ID") == ""
	if isProse {
		return
	}
	d := Digest{Filename: name, ContentType: media}
	d.Size, d.SHA256 = digest(content, value(fields, "Content-Transfer-Encoding"))
	w.digests = append(w.digests, d)
}

// digest hashes decoded content. Content that does not decode is hashed as it stands:
// the fingerprint then still tells whether it was changed.
func digest(content []byte, encoding string) (size int64, sum [32]byte) {
	var r io.Reader
	switch strings.ToLower(encoding) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(content))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(content))
	default:
		return int64(len(content)), sha256.Sum256(content)
	}
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return int64(len(content)), sha256.Sum256(content)
	}
	return size, [32]byte(h.Sum(nil))
}

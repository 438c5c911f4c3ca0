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

// walker goes through the MIME tree of a message in one pass over its lines, whatever
// the depth: nothing is copied or kept but digests. Malformed structure is a leaf.
type walker struct {
	limits  Limits
	parts   int
	open    []string // boundaries of the multiparts around the place, outermost first
	leaf    *leaf    // the part the place is in; nil before the first and after the last
	digests []Digest
	// visit, if set, is given the leaves instead of having their fingerprints taken.
	visit func(l leaf, content []byte)
}

// leaf is a part whose end has not been met.
type leaf struct {
	fields []Field
	media  string
	params map[string]string
	start  int
}

// walk visits all parts of raw, whose header fields and body are given.
func (w *walker) walk(raw []byte, fields []Field, body int) *fault.Error {
	if f := w.enter(fields, body); f != nil {
		return f
	}
	for at := body; at < len(raw) && len(w.open) > 0; {
		next := len(raw)
		if i := bytes.IndexByte(raw[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		level, last := w.match(bytes.TrimSuffix(raw[at:next], []byte("\r\n")))
		if level < 0 {
			at = next
			continue
		}
		w.leave(raw, at)
		w.open = w.open[:level+1]
		at = next
		if last {
			w.open = w.open[:level]
			continue
		}
		if w.parts++; w.parts > w.limits.Parts {
			return fault.New(fault.TooLarge, "mime_too_many_parts", "the message has too many parts")
		}
		inner, header := partFields(raw[at:], w.limits)
		at += header
		if f := w.enter(inner, at); f != nil {
			return f
		}
	}
	// An unclosed multipart ends with the message, as readers have it.
	w.leave(raw, len(raw))
	return nil
}

// enter begins the part with these header fields, whose content starts at start.
func (w *walker) enter(fields []Field, start int) *fault.Error {
	media, params := contentType(fields)
	boundary := params["boundary"]
	if !strings.HasPrefix(media, "multipart/") || boundary == "" || len(boundary) > maxBoundary {
		w.leaf = &leaf{fields, media, params, start}
		return nil
	}
	if len(w.open) == w.limits.Depth {
		return fault.New(fault.TooLarge, "mime_too_deep", "parts are nested too deep")
	}
	w.open = append(w.open, boundary)
	return nil
}

// maxBoundary is generous: RFC 2046, 5.1.1 allows 70.
const maxBoundary = 200

// match tells which open multipart a line is the boundary of (RFC 2046, 5.1.1), the
// innermost first; -1 for none.
func (w *walker) match(line []byte) (level int, last bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	line = line[2:]
	for i := len(w.open) - 1; i >= 0; i-- {
		b := w.open[i]
		if len(line) < len(b) || string(line[:len(b)]) != b {
			continue
		}
		rest := line[len(b):]
		last = bytes.HasPrefix(rest, []byte("--"))
		if last || len(bytes.Trim(rest, " \t")) == 0 {
			return i, last
		}
	}
	return -1, false
}

// leave ends the part the place is in, if any, before the boundary line at end.
func (w *walker) leave(raw []byte, end int) {
	if w.leaf == nil {
		return
	}
	content := raw[w.leaf.start:max(end, w.leaf.start)]
	if end < len(raw) {
		content = bytes.TrimSuffix(content, []byte("\r\n"))
	}
	if w.visit != nil {
		w.visit(*w.leaf, content)
	} else {
		w.take(*w.leaf, content)
	}
	w.leaf = nil
}

// partFields reads the header of the part raw begins with. A part whose header makes no
// sense is all content, as most readers show it.
func partFields(raw []byte, l Limits) (fields []Field, body int) {
	fields, body, f := readFields(raw, l)
	if f != nil {
		return nil, 0
	}
	return fields, body
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

// take keeps the fingerprint of everything but nameless prose.
func (w *walker) take(l leaf, content []byte) {
	// A disposition that cannot be read is none.
	disposition, params, _ := mime.ParseMediaType(value(l.fields, "Content-Disposition"))
	name := decodeWords(params["filename"])
	if name == "" {
		name = decodeWords(l.params["name"])
	}
	isProse := strings.HasPrefix(l.media, "text/") && name == "" &&
		disposition != "attachment" && value(l.fields, "Content-ID") == ""
	if isProse {
		return
	}
	d := Digest{Filename: name, ContentType: l.media}
	d.Size, d.SHA256 = digest(content, value(l.fields, "Content-Transfer-Encoding"))
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

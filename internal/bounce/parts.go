package bounce

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"golang.org/x/net/html/charset"
)

// splitter takes a MIME body apart in one pass over its lines, whatever the depth:
// readers that nest, one inside the other, need time exponential in the depth, which
// a foreigner chooses. Broken structure is a leaf.
type splitter struct {
	limits Limits
	open   []string // boundaries of the multiparts around the place, outermost first
	head   fields   // of the leaf the place is in
	inLeaf bool
	start  int // of the leaf in the body
	parts  []leafPart
}

// split returns the leaves of a message in order, decoded.
func split(head fields, body []byte, l Limits) ([]leafPart, error) {
	s := splitter{limits: l}
	if err := s.enter(head, 0); err != nil {
		return nil, err
	}
	count := 0
	for at := 0; at < len(body) && len(s.open) > 0; {
		next := len(body)
		if i := bytes.IndexByte(body[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		level, last := s.match(bytes.TrimRight(body[at:next], "\r\n"))
		if level < 0 {
			at = next
			continue
		}
		s.leave(body, at)
		s.open = s.open[:level+1]
		if at = next; last {
			s.open = s.open[:level]
			continue
		}
		if count++; count > l.Parts {
			return nil, tooComplex("parts")
		}
		inner, n := partHeader(body[at:])
		if isMessageHeader(inner) {
			// The original message stands there without a header of its part.
			inner, n = fields{{"Content-Type", "message/rfc822"}}, 0
		}
		at += n
		if err := s.enter(inner, at); err != nil {
			return nil, err
		}
	}
	s.leave(body, len(body))
	return s.parts, nil
}

// enter begins the part whose content starts at start.
func (s *splitter) enter(head fields, start int) error {
	media, params := mediaType(head.get("Content-Type"))
	boundary := params["boundary"]
	if !strings.HasPrefix(media, "multipart/") || boundary == "" || len(boundary) > maxBoundary {
		s.head, s.inLeaf, s.start = head, true, start
		return nil
	}
	if len(s.open) == s.limits.Depth {
		return tooComplex("nested parts")
	}
	s.open = append(s.open, boundary)
	return nil
}

// maxBoundary is generous: RFC 2046, 5.1.1 allows 70.
const maxBoundary = 200

// match tells which open multipart a line is the boundary of, the innermost first;
// -1 for none.
func (s *splitter) match(line []byte) (level int, last bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		rest, ok := bytes.CutPrefix(line[2:], []byte(s.open[i]))
		if !ok {
			continue
		}
		last = bytes.HasPrefix(rest, []byte("--"))
		if last || len(bytes.TrimSpace(rest)) == 0 {
			return i, last
		}
	}
	return -1, false
}

// leave ends the leaf the place is in, if any, at end.
func (s *splitter) leave(body []byte, end int) {
	if !s.inLeaf {
		return
	}
	s.inLeaf = false
	media, params := mediaType(s.head.get("Content-Type"))
	content := decodeTransfer(body[min(s.start, end):end], s.head.get("Content-Transfer-Encoding"))
	if strings.TrimSpace(string(content)) == "" {
		return
	}
	text := content
	if !strings.HasPrefix(media, "message/") || media == "message/delivery-status" {
		text = decodeCharset(content, params["charset"])
	}
	s.parts = append(s.parts, leafPart{leafMedia(media, params), clean(string(text))})
}

// maxPartHeader bounds the header of a part.
const maxPartHeader = 64 << 10

// partHeader reads the header at the start of b and how long it is.
func partHeader(b []byte) (fields, int) {
	at := 0
	for at < len(b) && at < maxPartHeader {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			break
		}
		line := bytes.TrimRight(b[at:at+i], "\r \t")
		at += i + 1
		if len(line) == 0 {
			return parseFields(clean(string(b[:at]))), at
		}
	}
	return nil, 0
}

// isMessageHeader tells the header of a message from that of a part.
func isMessageHeader(f fields) bool {
	return f.get("Received") != "" && f.get("Message-ID") != "" || f.get("From") != "" && f.get("Subject") != ""
}

// mediaType reads a Content-Type; a malformed one is text, as its readers took it.
func mediaType(value string) (media string, params map[string]string) {
	media, params, err := mime.ParseMediaType(value)
	if err == nil || media != "" && err == mime.ErrInvalidMediaParameter {
		return media, params
	}
	media, rest, _ := strings.Cut(strings.ToLower(value), ";")
	media, _, _ = strings.Cut(strings.TrimSpace(media), " ")
	params = map[string]string{}
	if _, b, ok := strings.Cut(rest, "boundary="); ok {
		// Keep the case: boundaries are compared byte by byte.
		b = value[len(value)-len(b):]
		if quoted, ok := strings.CutPrefix(b, `"`); ok {
			b, _, _ = strings.Cut(quoted, `"`)
		} else {
			b, _, _ = strings.Cut(b, ";")
		}
		params["boundary"] = strings.TrimSpace(b)
	}
	return media, params
}

// leafMedia is the media type of a leaf; what a broken header hides counts as text.
func leafMedia(media string, params map[string]string) string {
	nameless := media == "application/octet-stream" && params["name"] == ""
	if !strings.Contains(media, "/") || strings.HasPrefix(media, "multipart/") || nameless {
		return "text/plain"
	}
	return media
}

// decodeTransfer undoes a transfer encoding (RFC 2045, 6) as far as it goes.
func decodeTransfer(b []byte, encoding string) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		decoded, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b)))
		if err != nil && len(decoded) < len(b)/2 {
			return b
		}
		return decoded
	case "base64":
		packed := bytes.Map(func(r rune) rune {
			if r == '+' || r == '/' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, b)
		decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(packed)))
		n, _ := base64.RawStdEncoding.Decode(decoded, packed)
		return decoded[:n]
	}
	return b
}

// decodeCharset turns text of a known charset into UTF-8 and leaves other text alone.
func decodeCharset(b []byte, label string) []byte {
	if label == "" || strings.EqualFold(label, "us-ascii") || strings.EqualFold(label, "utf-8") {
		return b
	}
	e, _ := charset.Lookup(label)
	if e == nil {
		return b
	}
	decoded, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return decoded
}

package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// crlf is a line end.
const crlf = "\r\n"

// appendRelaxedField appends the relaxed form of a header field (RFC 6376, 3.4.2): name
// in lower case, unfolded, white space runs as one space, none around the value.
func appendRelaxedField(dst, field []byte) []byte {
	name, value, _ := bytes.Cut(field, []byte(":"))
	for _, c := range bytes.TrimRight(name, " \t") {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	start, gap := len(dst), false
	for _, c := range value {
		switch c {
		case ' ', '\t', '\r', '\n':
			gap = true
		default:
			if gap && len(dst) > start {
				dst = append(dst, ' ')
			}
			gap = false
			dst = append(dst, c)
		}
	}
	return append(dst, crlf...)
}

// hashBody hashes the relaxed form of a body (RFC 6376, 3.4.4): white space runs within
// lines as one space, none at their ends, no empty lines at the end of the body.
func hashBody(body []byte) [sha256.Size]byte {
	end := len(body)
	for bytes.HasSuffix(body[:end], []byte(crlf)) {
		end -= len(crlf)
	}
	if end > 0 && end < len(body) && isRelaxedBody(body) {
		return sha256.Sum256(body[:end+len(crlf)])
	}
	return hashLines(body)
}

// isRelaxedBody reports whether a body is canonical but for empty lines at its end, as
// encoded ones are.
func isRelaxedBody(body []byte) bool {
	return isRelaxed(body) && !bytes.Contains(body, []byte(" "+crlf))
}

// hashLines hashes any body, line by line.
func hashLines(body []byte) [sha256.Size]byte {
	w := bodyWriter{hash: sha256.New(), buf: make([]byte, 0, flushAt+1024)}
	empty := 0
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte(crlf))
		body = rest
		line = bytes.TrimRight(line, " \t")
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			w.write([]byte(crlf))
		}
		w.line(line)
	}
	w.flush()
	return [sha256.Size]byte(w.hash.Sum(nil))
}

const flushAt = 4 << 10

// bodyWriter gathers lines so that the hash is fed in large pieces.
type bodyWriter struct {
	hash hash.Hash
	buf  []byte
}

func (w *bodyWriter) line(line []byte) {
	if isRelaxed(line) {
		w.write(line)
	} else {
		gap := false
		for _, c := range line {
			if c == ' ' || c == '\t' {
				gap = true
				continue
			}
			if gap {
				w.buf = append(w.buf, ' ')
				gap = false
			}
			w.buf = append(w.buf, c)
		}
	}
	w.write([]byte(crlf))
}

// isRelaxed reports whether there is no white space but single spaces.
func isRelaxed(b []byte) bool {
	return bytes.IndexByte(b, '\t') < 0 && !bytes.Contains(b, []byte("  "))
}

func (w *bodyWriter) write(b []byte) {
	w.buf = append(w.buf, b...)
	if len(w.buf) >= flushAt {
		w.flush()
	}
}

func (w *bodyWriter) flush() {
	w.hash.Write(w.buf)
	w.buf = w.buf[:0]
}

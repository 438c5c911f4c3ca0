package smtp

import (
	"bytes"
	"strings"
)

// chunkSize bounds what one BDAT carries: a refusal then costs at most this.
const chunkSize = 1 << 20

// maxAddress bounds an envelope address (RFC 5321, 4.5.3.1.3, with room for
// internationalised ones), so that a command line stays a line.
const maxAddress = 900

// clean reports whether every CR and LF of the parts belongs to a CRLF and there
// is no NUL. Anything else some server reads as the end of a line and, behind a
// dot, as the end of the mail: what follows would be commands (SMTP smuggling).
func clean(parts [][]byte) bool {
	cr := false // the byte before is a CR that waits for its LF
	for _, p := range parts {
		if bytes.IndexByte(p, 0) >= 0 {
			return false
		}
		for len(p) > 0 {
			if cr {
				if p[0] != '\n' {
					return false
				}
				cr, p = false, p[1:]
				continue
			}
			i := bytes.IndexByte(p, '\r')
			if i < 0 {
				i = len(p)
			}
			if bytes.IndexByte(p[:i], '\n') >= 0 {
				return false
			}
			if i < len(p) {
				cr, i = true, i+1
			}
			p = p[i:]
		}
	}
	return !cr
}

// size is what the body takes on the wire, without dot-stuffing (RFC 1870, 5) and
// with a last CRLF.
func (m *Mail) size() int64 {
	var n int64
	last := byte('\n')
	for _, p := range m.Parts {
		if len(p) > 0 {
			n += int64(len(p))
			last = p[len(p)-1]
		}
	}
	if last != '\n' {
		n += 2
	}
	return n
}

// writeDotted queues the parts dot-stuffed, with the final dot (RFC 5321, 4.5.2).
func (w *wire) writeDotted(parts [][]byte) {
	atStart := true
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if atStart && p[0] == '.' {
			w.text(".")
		}
		atStart = p[len(p)-1] == '\n'
		for {
			i := bytes.Index(p, []byte("\n."))
			if i < 0 {
				break
			}
			w.write(p[:i+2])
			w.text(".")
			p = p[i+2:]
		}
		w.write(p)
	}
	if !atStart {
		w.text("\r\n")
	}
	w.text(".\r\n")
}

// chunks walks over the parts for BDAT (RFC 3030).
type chunks struct {
	parts [][]byte
	done  int   // bytes of parts[0] already queued
	left  int64 // bytes not yet queued, with an added last CRLF
}

// write queues the next chunk with its command and reports whether it is the last.
func (b *chunks) write(w *wire) (last bool) {
	n := min(b.left, chunkSize)
	b.left -= n
	last = b.left == 0
	w.text("BDAT ")
	w.number(n)
	if last {
		w.text(" LAST")
	}
	w.text("\r\n")
	w.noting = false // content is nobody's to hear
	for n > 0 && len(b.parts) > 0 {
		p := b.parts[0][b.done:]
		if int64(len(p)) > n {
			p = p[:n]
			b.done += len(p)
		} else {
			b.parts, b.done = b.parts[1:], 0
		}
		w.write(p)
		n -= int64(len(p))
	}
	if n > 0 {
		// What the parts lack is the added CRLF, which a chunk's end may split.
		from := 2 - n - b.left
		w.text("\r\n"[from : from+n])
	}
	return last
}

// sendable reports whether an address or name can stand in a command as it is:
// no control characters, no way out of the angle brackets, ASCII unless utf8.
func sendable(s string, utf8 bool) bool {
	if len(s) > maxAddress || strings.ContainsAny(s, "<>") {
		return false
	}
	quoted, escaped := false, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7f || c >= 0x80 && !utf8:
			return false
		case escaped:
			escaped = false
		case c == '\\':
			escaped = quoted
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			return false
		}
	}
	return !quoted
}

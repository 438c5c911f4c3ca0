package message

// quotedLine is how many characters of quoted-printable a line has at most, without the sign
// of a soft line break (RFC 2045, 6.7).
const quotedLine = 75

// quoted writes prose in quoted-printable, byte for byte as the writer of
// mime/quotedprintable does, which takes one byte at a time: line breaks of any spelling
// become CRLF, white space before them is encoded.
func (w *headerWriter) quoted(s string) {
	w.Grow(len(s) + len(s)/8 + 64)
	q := quoting{b: w.AvailableBuffer()}
	for at := 0; at < len(s); {
		end := at
		for end < len(s) && staysItself(s[end]) {
			end++
		}
		if end > at {
			q.plain(s[at:end])
			at = end
			continue
		}
		switch c := s[at]; c {
		case '\r', '\n':
			q.lineBreak(c)
		default:
			q.encode(c)
		}
		at++
	}
	q.lastByte()
	w.Write(q.b)
}

func staysItself(c byte) bool { return c >= ' ' && c <= '~' && c != '=' || c == '\t' }

// quoting is prose on its way into quoted-printable.
type quoting struct {
	b     []byte
	start int  // of the line
	cr    bool // a carriage return has made a line break, and a line feed makes no other
}

// plain takes characters that stay what they are.
func (q *quoting) plain(s string) {
	q.cr = false
	for {
		n := min(len(s), quotedLine-(len(q.b)-q.start))
		q.b = append(q.b, s[:n]...)
		if s = s[n:]; s == "" {
			return
		}
		q.soft()
	}
}

func (q *quoting) soft() {
	q.b = append(q.b, "=\r\n"...)
	q.start = len(q.b)
}

func (q *quoting) lineBreak(c byte) {
	if q.cr && c == '\n' {
		q.cr = false
		return
	}
	q.cr = q.cr || c == '\r'
	q.lastByte()
	q.b = append(q.b, '\r', '\n')
	q.start = len(q.b)
}

func (q *quoting) encode(c byte) {
	const hex = "0123456789ABCDEF"
	if len(q.b)-q.start > quotedLine-3 {
		q.soft()
	}
	q.b = append(q.b, '=', hex[c>>4], hex[c&15])
}

// lastByte encodes white space at the end of a line.
func (q *quoting) lastByte() {
	if len(q.b) == q.start {
		return
	}
	if c := q.b[len(q.b)-1]; c == ' ' || c == '\t' {
		q.b = q.b[:len(q.b)-1]
		q.encode(c)
	}
}

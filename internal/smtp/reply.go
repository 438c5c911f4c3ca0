package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// What is read and kept of one reply. A server that talks longer is cut or, past
// maxReply, no longer believed.
const (
	maxLine  = 8 << 10  // bytes of one line kept
	maxLines = 200      // lines kept
	maxReply = 64 << 10 // bytes of one reply read
)

// replies reads answers one after the other. The buffers are reused, so that an
// answer nobody keeps costs no allocation; reply makes one that lasts.
type replies struct {
	r    *bufio.Reader
	code int
	text []byte // text of the kept lines, one behind the other
	ends []int  // where each kept line ends in text
}

// next reads one whole reply and returns its code: that of the last line, should
// the lines disagree. Its errors are those of the connection, or ErrProtocol.
func (p *replies) next() (int, error) {
	p.text, p.ends = p.text[:0], p.ends[:0]
	for left := maxReply; ; {
		start := len(p.text)
		n, err := p.line(left)
		if err != nil {
			return 0, err
		}
		left -= n
		code, more, err := splitLine(p.text[start:])
		if err != nil {
			return 0, err
		}
		if len(p.ends) == maxLines {
			p.text = p.text[:start]
		} else {
			p.ends = append(p.ends, len(p.text))
		}
		if !more {
			p.code = code
			return code, nil
		}
	}
}

// line appends the next line to p.text, without its end and cut at maxLine, and
// returns how many bytes it took from the connection.
func (p *replies) line(left int) (int, error) {
	start, taken := len(p.text), 0
	for {
		piece, err := p.r.ReadSlice('\n')
		if taken += len(piece); taken > left {
			return taken, fmt.Errorf("%w: reply of more than %d bytes", ErrProtocol, maxReply)
		}
		room := maxLine - (len(p.text) - start)
		p.text = append(p.text, piece[:min(len(piece), room)]...)
		switch {
		case err == nil:
			p.text = p.text[:start+len(bytes.TrimRight(p.text[start:], "\r\n"))]
			return taken, nil
		case errors.Is(err, io.EOF):
			return taken, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return taken, err
		}
	}
}

// splitLine reads "250-text", "250 text" or "250".
func splitLine(line []byte) (code int, more bool, err error) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return 0, false, fmt.Errorf("%w: line without a reply code", ErrProtocol)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, nil
	}
	switch line[3] {
	case '-':
		return code, true, nil
	case ' ', '\t':
		return code, false, nil
	}
	return 0, false, fmt.Errorf("%w: reply code not followed by space or hyphen", ErrProtocol)
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// lines calls f with the text of every kept line behind its code.
func (p *replies) lines(f func(text []byte)) {
	start := 0
	for _, end := range p.ends {
		line := p.text[start:end]
		start = end
		f(line[min(len(line), 4):])
	}
}

// rawLines calls f with every kept line as it came, code and all.
func (p *replies) rawLines(f func(line []byte)) {
	start := 0
	for _, end := range p.ends {
		f(p.text[start:end])
		start = end
	}
}

// unread is what came behind the last line that could be read.
func (p *replies) unread() []byte {
	if len(p.ends) == 0 {
		return p.text
	}
	return p.text[p.ends[len(p.ends)-1]:]
}

// reply returns the reply read last, in a form that lasts.
func (p *replies) reply() Reply {
	r := Reply{Code: p.code, Lines: make([]string, 0, len(p.ends))}
	p.lines(func(text []byte) {
		enhanced, rest := splitEnhanced(text)
		if enhanced != nil {
			r.Enhanced = string(enhanced)
		}
		r.Lines = append(r.Lines, printable(rest))
	})
	return r
}

// splitEnhanced takes an RFC 3463 code ("5.1.1", "4.7.650") off the front.
func splitEnhanced(text []byte) (enhanced, rest []byte) {
	if len(text) < 5 || text[0] != '2' && text[0] != '4' && text[0] != '5' || text[1] != '.' {
		return nil, text
	}
	subject := digits(text[2:])
	if at := 2 + subject; subject > 0 && at < len(text) && text[at] == '.' {
		detail := digits(text[at+1:])
		end := at + 1 + detail
		if detail > 0 && (end == len(text) || text[end] == ' ') {
			return text[:end], bytes.TrimLeft(text[end:], " ")
		}
	}
	return nil, text
}

// digits counts the digits at the front, of which RFC 3463 allows three.
func digits(b []byte) int {
	n := 0
	for n < len(b) && digit(b[n]) {
		n++
	}
	if n > 3 {
		return 0
	}
	return n
}

// printable makes foreign text fit for logs, databases and pages: valid UTF-8,
// every control character a space.
func printable(b []byte) string {
	clean := true
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return string(b)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), string(utf8.RuneError)))
}

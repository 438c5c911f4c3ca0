package smtpserver

import (
	"bytes"
	"io"
)

// body takes the bytes of a message up to a limit and counts those beyond it.
type body struct {
	bytes []byte
	head  int   // bytes before the message that do not count
	room  int64 // how much more fits; below 0 when too much came
	last  byte  // of the message
	held  *budget
}

func (b *body) take(p []byte) {
	if len(p) == 0 {
		return
	}
	b.room -= int64(len(p))
	b.last = p[len(p)-1]
	if b.room >= 0 && b.held.take(len(p)) {
		b.bytes = append(b.bytes, p...)
	}
}

func (b *body) tooLarge() bool { return b.room < 0 }

// crowded reports that there was no memory for it.
func (b *body) crowded() bool { return b.held != nil && b.held.exceeded }

// refused reports that it was not kept whole.
func (b *body) refused() bool { return b.tooLarge() || b.crowded() }

// message is what came, without what was before it.
func (b *body) message() []byte { return b.bytes[b.head:] }

var crlf = []byte("\r\n")

// readDotted takes the data behind 354 up to CRLF.CRLF, which alone ends it, and takes
// the dots off that lines begin with (RFC 5321, 4.5.2). Everything else comes through as
// it was sent, bare CR and LF, too; it is read to its end however large it is.
func (d *dialogue) readDotted(b *body) error {
	atStart := true
	for {
		block, err := d.peek(1)
		if err != nil {
			return err
		}
		size := len(block)
		if atStart && block[0] == '.' {
			if block, err = d.peek(len(".\r\n")); err != nil {
				return err
			}
			if bytes.HasPrefix(block[1:], crlf) {
				d.skip(len(".\r\n"))
				return nil
			}
			d.skip(1)
			atStart = false
			continue
		}
		if b.last == '\r' && block[0] == '\n' {
			b.take(block[:1])
			d.skip(1)
			atStart = true
			continue
		}
		// A dot that begins a line is left for the next turn.
		if i := dotLine(block); i >= 0 {
			size = i
		}
		b.take(block[:size])
		atStart = bytes.HasSuffix(block[:size], crlf)
		d.skip(size)
	}
}

// dotLine returns where the first line begins, behind a CRLF, that begins with a dot; -1
// if none does. Going from line to line is quicker than searching for the three bytes.
func dotLine(block []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(block[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		if at < len(block) && block[at] == '.' && at >= 2 && block[at-2] == '\r' {
			return at
		}
	}
}

// readChunk takes n bytes as they are (RFC 3030).
func (d *dialogue) readChunk(b *body, n int64) error {
	for n > 0 {
		block, err := d.peek(1)
		if err != nil {
			return err
		}
		block = block[:min(int64(len(block)), n)]
		b.take(block)
		n -= int64(len(block))
		d.skip(len(block))
	}
	return nil
}

// peek waits for at least n bytes and returns all that came, until the next skip.
func (d *dialogue) peek(n int) ([]byte, error) {
	if d.in.Buffered() < n {
		if err := d.flush(); err != nil {
			return nil, err
		}
		if _, err := d.in.Peek(n); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return d.in.Peek(d.in.Buffered())
}

// skip drops bytes that peek has shown.
func (d *dialogue) skip(n int) {
	_, _ = d.in.Discard(n) // cannot fail: they are in the buffer
}

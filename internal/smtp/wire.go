package smtp

import (
	"io"
	"net"
	"strconv"
	"time"
)

// outSize holds the envelope and a mail of usual length, which then leave in one
// write, and is one TLS record.
const outSize = 16 << 10

// wire is the connection below the dialogue: it sets deadlines, collects what is
// written until flush, and knows how far the peer's side was given the bytes.
type wire struct {
	raw  net.Conn // TCP; closing it ends every wait
	conn net.Conn // raw, or TLS over it
	now  func() time.Time

	wait  time.Duration // set as read deadline before the next read; 0 leaves it
	block time.Duration // for each write

	noting bool   // text is kept in note, for those who listen
	note   []byte // the command so far

	buf    []byte
	queued int64 // bytes handed to write
	sent   int64 // bytes the connection took
	err    error // of the first failed write; sticky
}

func newWire(conn net.Conn, now func() time.Time, block time.Duration) *wire {
	return &wire{raw: conn, conn: conn, now: now, block: block, buf: make([]byte, 0, outSize)}
}

// allow gives the answers read from now on d to arrive. The clock is asked and the
// deadline set only if they are not in the buffer already.
func (w *wire) allow(d time.Duration) { w.wait = d }

// Read implements io.Reader for the buffered reader above.
func (w *wire) Read(p []byte) (int, error) {
	if w.wait > 0 {
		if err := w.conn.SetReadDeadline(w.now().Add(w.wait)); err != nil {
			return 0, err
		}
		w.wait = 0
	}
	return w.conn.Read(p)
}

// write queues p. Long pieces do not pass through the buffer.
func (w *wire) write(p []byte) {
	w.queued += int64(len(p))
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == 0 && len(p) >= outSize {
			w.send(p)
			return
		}
		n := min(len(p), outSize-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		if len(w.buf) == outSize {
			w.flush()
		}
	}
}

// text queues a string.
func (w *wire) text(s string) {
	if w.noting {
		w.note = append(w.note, s...)
	}
	w.queued += int64(len(s))
	for len(s) > 0 && w.err == nil {
		n := min(len(s), outSize-len(w.buf))
		w.buf = append(w.buf, s[:n]...)
		s = s[n:]
		if len(w.buf) == outSize {
			w.flush()
		}
	}
}

// number queues n in decimal, without an allocation.
func (w *wire) number(n int64) {
	if outSize-len(w.buf) < 20 {
		w.flush()
	}
	before := len(w.buf)
	w.buf = strconv.AppendInt(w.buf, n, 10)
	if w.noting {
		w.note = append(w.note, w.buf[before:]...)
	}
	w.queued += int64(len(w.buf) - before)
}

// flush sends what is queued. An error is kept in w.err.
func (w *wire) flush() {
	if len(w.buf) > 0 && w.err == nil {
		w.send(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *wire) send(p []byte) {
	if w.err = w.conn.SetWriteDeadline(w.now().Add(w.block)); w.err != nil {
		return
	}
	n, err := w.conn.Write(p)
	w.sent += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
}

package hostile

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// capacity is how much one direction of a pipe holds before writing blocks: the
// send and receive buffers of a TCP connection, roughly.
const capacity = 256 << 10

// pipe makes both ends of a connection that behaves as TCP does: buffered, with
// deadlines, an orderly end and a reset. It works inside testing/synctest.
func pipe() (client, server *end) {
	a, b := newFlow(), newFlow()
	return &end{in: a, out: b}, &end{in: b, out: a}
}

// flow is one direction.
type flow struct {
	mu       sync.Mutex
	changed  sync.Cond
	buf      []byte
	finished bool  // no more will be written
	broken   error // of a reset, or of the reader's leaving
	read     deadline
	write    deadline
}

func newFlow() *flow {
	f := &flow{}
	f.changed.L = &f.mu
	return f
}

// deadline wakes waiters when it passes.
type deadline struct {
	timer  *time.Timer
	passed bool
}

func (f *flow) set(d *deadline, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.passed = nil, !t.IsZero() && !t.After(time.Now())
	if !t.IsZero() && !d.passed {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if d.timer == timer { // not replaced since
				d.passed = true
				f.changed.Broadcast()
			}
		})
		d.timer = timer
	}
	f.changed.Broadcast()
}

// fail ends the flow for both sides.
func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = err
	}
	f.changed.Broadcast()
}

func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished = true
	f.changed.Broadcast()
}

// end is one side of a pipe.
type end struct {
	in, out *flow
	once    sync.Once
	closed  bool
	mu      sync.Mutex
}

// Read implements net.Conn.
func (e *end) Read(p []byte) (int, error) {
	f := e.in
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case e.isClosed():
			return 0, net.ErrClosed
		case f.read.passed:
			return 0, os.ErrDeadlineExceeded
		case len(f.buf) > 0: // as on Linux, also after a reset
			n := copy(p, f.buf)
			f.buf = f.buf[n:]
			f.changed.Broadcast()
			return n, nil
		case errors.Is(f.broken, syscall.ECONNRESET):
			return 0, f.broken
		case f.finished:
			return 0, io.EOF
		}
		f.changed.Wait()
	}
}

// Write implements net.Conn.
func (e *end) Write(p []byte) (written int, err error) {
	f := e.out
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case e.isClosed():
			return written, net.ErrClosed
		case f.write.passed:
			return written, os.ErrDeadlineExceeded
		case f.broken != nil:
			return written, f.broken
		}
		n := min(len(p), capacity-len(f.buf))
		f.buf = append(f.buf, p[:n]...)
		p, written = p[n:], written+n
		f.changed.Broadcast()
		if len(p) == 0 {
			return written, nil
		}
		f.changed.Wait()
	}
}

func (e *end) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Close implements net.Conn: what was written still arrives, what the peer writes
// from now on breaks.
func (e *end) Close() error {
	e.once.Do(func() {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.out.finish()
		e.in.fail(syscall.EPIPE)
		for _, d := range []struct {
			f *flow
			d *deadline
		}{{e.in, &e.in.read}, {e.out, &e.out.write}} {
			d.f.set(d.d, time.Time{})
		}
	})
	return nil
}

// Reset closes as a RST does: the peer's next write, and its next read behind what
// has arrived, fail.
func (e *end) Reset() {
	e.out.fail(syscall.ECONNRESET)
	e.in.fail(syscall.ECONNRESET)
	e.Close()
}

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error { e.in.set(&e.in.read, t); return nil }

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error { e.out.set(&e.out.write, t); return nil }

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return address{} }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "pipe" }

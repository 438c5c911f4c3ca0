//go:build unix

package smtp

import (
	"errors"
	"net"
	"syscall"
)

// peeker looks at a connection without waiting and without taking anything from
// it. It is made once per session, so that a look costs no allocation.
type peeker struct {
	raw  syscall.RawConn // nil: cannot look
	peek func(fd uintptr) bool
	b    [1]byte
	n    int
	err  error
}

func newPeeker(conn net.Conn) *peeker {
	p := new(peeker)
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn() // nil where the connection has none
	}
	p.peek = func(fd uintptr) bool {
		p.n, _, p.err = syscall.Recvfrom(int(fd), p.b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}
	return p
}

// look reports whether bytes wait to be read, and whether the peer has closed.
func (p *peeker) look() (waiting, closed bool) {
	if p.raw == nil {
		return false, false
	}
	if err := p.raw.Read(p.peek); err != nil {
		return false, true
	}
	if errors.Is(p.err, syscall.EAGAIN) || errors.Is(p.err, syscall.EINTR) {
		return false, false
	}
	return p.n > 0, p.n <= 0
}

package smtpserver

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener admits connections up to the limits of the gate.
type listener struct {
	net.Listener
	gate   *gate
	greets bool // the protocol begins in clear, so a refusal can be said
	once   sync.Once
	err    error // of Close
}

// Close implements net.Listener; Serve and Shutdown both call it.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if outOf(err) {
			// Sessions that end give back what is missing.
			<-time.NewTimer(acceptPause).C
			continue
		}
		if err != nil {
			return nil, err
		}
		if c := l.gate.admit(raw); c != nil {
			return c, nil
		}
		if l.greets {
			// A fresh socket takes one line without blocking.
			_, _ = io.WriteString(raw, "421 4.7.0 Too many connections, try again later\r\n")
		}
		_ = raw.Close()
	}
}

// acceptPause is how long to wait when the process has no descriptor for a connection.
const acceptPause = 100 * time.Millisecond

// outOf reports errors of accepting that pass.
func outOf(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// conn is a client's connection below TLS. Its fields busy and closed are guarded by
// the gate's mutex.
type conn struct {
	net.Conn
	gate   *gate
	ip     netip.Addr
	key    string // what the limit per IP counts
	busy   bool   // between MAIL and the reply to the data
	closed bool
	ended  atomic.Bool
	struck atomic.Bool
}

// admit registers a connection, or returns nil if it is one too many.
func (g *gate) admit(raw net.Conn) *conn {
	c := &conn{Conn: raw, gate: g}
	if addr, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		c.ip = addr.Addr().Unmap().WithZone("")
	}
	c.key = network(c.ip)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining || len(g.conns) >= g.total || g.perIP[c.key] >= g.perNetwork {
		return nil
	}
	g.conns[c] = struct{}{}
	g.perIP[c.key]++
	return c
}

// network is the unit one customer of a provider gets: an IPv4 address, an IPv6 /64.
func network(ip netip.Addr) string {
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// Read implements net.Conn. After hangUp there is nothing more to read, so that the
// session ends once the reply is out.
func (c *conn) Read(b []byte) (int, error) {
	if c.ended.Load() {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// Close implements net.Conn; further calls do nothing.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	if c.closed {
		c.gate.mu.Unlock()
		return nil
	}
	c.closed = true
	delete(c.gate.conns, c)
	if c.gate.perIP[c.key]--; c.gate.perIP[c.key] == 0 {
		delete(c.gate.perIP, c.key)
	}
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// hangUp ends the session before its next command, and at once if it waits for one.
func (c *conn) hangUp() {
	c.ended.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// strike ends every wait for the client; struck again, before the session is over, it
// closes the connection.
func (c *conn) strike() {
	if c.struck.Swap(true) {
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Unix(1, 0))
}

// begin marks a transaction; it reports false when the server is going down.
func (c *conn) begin() bool {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.busy = !c.gate.draining
	return c.busy
}

// finish ends the transaction.
func (c *conn) finish() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.busy = false
	if c.gate.draining {
		c.hangUp()
	}
}

// below finds our conn under TLS.
func below(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

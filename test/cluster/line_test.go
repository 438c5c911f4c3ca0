package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
)

// line is the way from a node to its database: a relay that can be cut, when
// connections break and new ones are refused, or hushed, when nothing passes any
// more and nobody is told.
type line struct {
	to string
	l  net.Listener
	wg sync.WaitGroup

	mu     sync.Mutex
	mended sync.Cond
	broken bool
	silent bool
	open   map[net.Conn]struct{}
}

func openLine(t testing.TB, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &line{to: to, l: l, open: map[net.Conn]struct{}{}}
	n.mended.L = &n.mu
	n.wg.Go(n.accept)
	t.Cleanup(func() {
		_ = l.Close()
		n.cut()
		n.wg.Wait()
	})
	return n
}

func (n *line) address() string { return n.l.Addr().String() }

// cut breaks all connections and every new one.
func (n *line) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken, n.silent = true, false
	n.closeAll()
	n.mended.Broadcast()
}

// hush lets nothing pass. Connections stay open and new ones are accepted.
func (n *line) hush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
}

// mend lets new connections pass. Old ones break, as where a firewall has forgotten
// them.
func (n *line) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closeAll()
	n.broken, n.silent = false, false
	n.mended.Broadcast()
}

// closeAll closes what is open; mu is held.
func (n *line) closeAll() {
	for c := range n.open {
		_ = c.Close()
	}
	clear(n.open)
}

func (n *line) accept() {
	for {
		near, err := n.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", n.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		n.mu.Lock()
		if n.broken {
			_, _ = near.Close(), far.Close()
		} else {
			n.open[near], n.open[far] = struct{}{}, struct{}{}
			n.wg.Go(func() { n.carry(far, near) })
			n.wg.Go(func() { n.carry(near, far) })
		}
		n.mu.Unlock()
	}
}

// carry copies in one direction until either end closes.
func (n *line) carry(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		got, err := from.Read(buf)
		if err != nil {
			return
		}
		n.mu.Lock()
		for n.silent {
			n.mended.Wait()
		}
		n.mu.Unlock()
		if _, err := io.Writer(to).Write(buf[:got]); err != nil {
			return
		}
	}
}

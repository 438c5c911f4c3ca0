package smtpserver

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/emersion/go-smtp"
)

// gate lets connections in up to its limits and ends them in order. The doors of this
// package stand behind one each. Its methods are safe for concurrent use.
type gate struct {
	door       string // for errors
	smtp       *smtp.Server
	total      int // connections at the same time
	perNetwork int // of them from one IPv4 address or IPv6 /64

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	perIP     map[string]int
}

func newGate(door string, s *smtp.Server, total, perNetwork int) *gate {
	return &gate{door: door, smtp: s, total: total, perNetwork: perNetwork, conns: make(map[*conn]struct{}), perIP: make(map[string]int)}
}

// serve keeps its own list of listeners: the library would never close one that came
// just after Shutdown had looked.
func (g *gate) serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	g.mu.Lock()
	if g.draining {
		g.mu.Unlock()
		return nil
	}
	g.listeners = append(g.listeners, l)
	g.mu.Unlock()
	err := g.smtp.Serve(l)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return nil
	}
	return fmt.Errorf("serve %s: %w", g.door, err)
}

// Shutdown closes the listeners, ends idle sessions and waits for those in the middle of
// a message. When ctx ends first, the rest is cut off and the error is that of ctx.
func (g *gate) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	for _, l := range g.listeners {
		_ = l.Close()
	}
	for c := range g.conns {
		if !c.busy {
			c.hangUp()
		}
	}
	g.mu.Unlock()
	err := g.smtp.Shutdown(ctx)
	g.mu.Lock()
	left := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		left = append(left, c)
	}
	g.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
	return err
}

package smtpserver

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// gate lets connections in up to its limits and ends them in order. The doors of this
// package stand behind one each. Its methods are safe for concurrent use.
type gate struct {
	door       string // for errors
	total      int    // connections at the same time
	perNetwork int    // of them from one IPv4 address or IPv6 /64
	// accept serves the connections of a listener until it is closed.
	accept func(l net.Listener) error
	// wait returns when no session is left, or with the error of ctx.
	wait func(ctx context.Context) error

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	perIP     map[string]int
}

func newGate(door string, total, perNetwork int) *gate {
	return &gate{door: door, total: total, perNetwork: perNetwork, conns: make(map[*conn]struct{}), perIP: make(map[string]int)}
}

// serve keeps its own list of listeners: go-smtp would never close one that came just
// after Shutdown had looked.
func (g *gate) serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	g.mu.Lock()
	if g.draining {
		g.mu.Unlock()
		return nil
	}
	g.listeners = append(g.listeners, l)
	g.mu.Unlock()
	err := g.accept(l)
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
	err := g.wait(ctx)
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

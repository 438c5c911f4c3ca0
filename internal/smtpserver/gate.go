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
	// conduct leads one session to its end.
	conduct  func(c net.Conn)
	sessions sync.WaitGroup

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	perIP     map[string]int
}

func newGate(door string, total, perNetwork int, conduct func(c net.Conn)) *gate {
	return &gate{door: door, total: total, perNetwork: perNetwork, conduct: conduct, conns: make(map[*conn]struct{}), perIP: make(map[string]int)}
}

// serve keeps a list of listeners, for Shutdown.
func (g *gate) serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	g.mu.Lock()
	if g.draining {
		g.mu.Unlock()
		return nil
	}
	g.listeners = append(g.listeners, l)
	g.mu.Unlock()
	err := g.acceptAll(l)
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
	err := g.waitForSessions(ctx)
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

// acceptAll gives each connection a session of its own until the listener is closed.
func (g *gate) acceptAll(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		g.mu.Lock()
		if g.draining { // and perhaps waiting for the sessions it knew
			g.mu.Unlock()
			return c.Close()
		}
		g.sessions.Go(func() {
			defer func() { _ = c.Close() }()
			g.conduct(c)
		})
		g.mu.Unlock()
	}
}

func (g *gate) waitForSessions(ctx context.Context) error {
	over := make(chan struct{})
	go func() {
		defer close(over)
		g.sessions.Wait()
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

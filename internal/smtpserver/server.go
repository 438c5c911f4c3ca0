// Package smtpserver is the SMTP door for submission (RFC 6409): programs that speak
// SMTP hand in their mail here, on 587 with STARTTLS and on 465 with TLS.
//
// It stands before ingest, beside the HTTP API, and knows two things: who is speaking
// (an API key) and what the envelope and bytes are. It checks what only the protocol can
// get wrong, line ends, size and loops, puts one Received field before the bytes and
// hands both to ingest. What may be sent to whom, and what X-Stafette-* fields mean, is
// decided there. It does not take mail for local mailboxes or returns.
package smtpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Config is what the door needs. Acceptor, Auth, TLS and Now have no default.
type Config struct {
	Acceptor ingest.Acceptor
	Auth     tenant.Authenticator
	TLS      *tls.Config
	Now      func() time.Time

	Hostname      string // in the greeting and in Received; "localhost" if empty
	MaxSize       int64  // bytes of a message; 0: 50 MiB
	MaxRecipients int    // of a message; 0: message.MaxRecipients
	// LineBytes is how long a line of a message may be, up to 65,536; 0: 998
	// (RFC 5322, 2.1.1).
	LineBytes int
	// MaxConns and MaxConnsPerIP bound open connections, the latter per IPv4 address
	// or IPv6 /64. 0: 2,000 and 100.
	MaxConns, MaxConnsPerIP int

	// CommandTimeout is how long the client may take for one command or for the whole of
	// one message's data; 0: 10 minutes, so that 50 MiB come through 0.7 Mbit/s, and
	// more than RFC 5321, 4.5.3.2.7 asks for.
	CommandTimeout time.Duration
	// AcceptTimeout is how long acceptance may take before the client is told to come
	// again; 0: 1 minute, well below the 10 minutes clients wait (RFC 5321, 4.5.3.2.6).
	AcceptTimeout time.Duration

	// TraceClient writes the client's name and address into Received. Recipients can read
	// them, so it is off unless an operator has a reason.
	TraceClient bool
	// AllowPlainAuth allows AUTH without TLS. Meant for tests on loopback.
	AllowPlainAuth bool
	Log            *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	if c.Hostname == "" {
		c.Hostname = "localhost"
	}
	if c.MaxSize == 0 {
		c.MaxSize = 50 << 20
	}
	if c.MaxRecipients == 0 {
		c.MaxRecipients = message.MaxRecipients
	}
	if c.MaxConns == 0 {
		c.MaxConns = 2000
	}
	if c.MaxConnsPerIP == 0 {
		c.MaxConnsPerIP = 100
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = 10 * time.Minute
	}
	if c.AcceptTimeout == 0 {
		c.AcceptTimeout = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server is the door. Its methods are safe for concurrent use.
type Server struct {
	config   Config
	limits   string // the last lines of the answer to EHLO
	sessions sync.WaitGroup

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	perIP     map[string]int
}

// New makes a server that is ready to serve.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{
		config: c,
		limits: fmt.Sprintf("250-SMTPUTF8\r\n250-DSN\r\n250-SIZE %d\r\n250 LIMITS RCPTMAX=%d\r\n", c.MaxSize, c.MaxRecipients),
		conns:  make(map[*conn]struct{}), perIP: make(map[string]int),
	}
}

// ServeSTARTTLS serves connections that begin in clear (port 587) until Shutdown, then
// returns nil. The listener is closed.
func (s *Server) ServeSTARTTLS(l net.Listener) error {
	return s.serve(&listener{Listener: l, server: s, greets: true})
}

// ServeTLS serves connections that begin with TLS (port 465; RFC 8314, 3.3) until
// Shutdown, then returns nil. The listener is closed.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.serve(tls.NewListener(&listener{Listener: l, server: s}, s.config.TLS))
}

func (s *Server) serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return nil
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	for {
		c, err := l.Accept()
		s.mu.Lock()
		switch {
		case s.draining: // and perhaps waiting for the sessions it knew
			s.mu.Unlock()
			if err == nil {
				_ = c.Close()
			}
			return nil
		case err != nil:
			s.mu.Unlock()
			return fmt.Errorf("serve submission: %w", err)
		}
		s.sessions.Go(func() { s.serveSession(c) })
		s.mu.Unlock()
	}
}

// Shutdown closes the listeners, ends idle sessions and waits for those in the middle of
// a message. When ctx ends first, the rest is cut off and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		if !c.busy {
			c.hangUp()
		}
	}
	s.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.sessions.Wait()
	}()
	var err error
	select {
	case <-over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	left := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		left = append(left, c)
	}
	s.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
	return err
}

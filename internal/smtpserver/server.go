// Package smtpserver is the SMTP door for submission (RFC 6409): programs that speak
// SMTP hand in their mail here, on 587 with STARTTLS and on 465 with TLS.
//
// It stands before ingest, beside the HTTP API, and knows two things: who is speaking
// (an API key) and what the envelope and bytes are. It checks what only the protocol can
// get wrong, line ends, size and loops, puts one Received field before the bytes and
// hands both to ingest. What may be sent to whom, and what X-Stafette-* fields mean, is
// decided there.
//
// The door for return mail on port 25 (Returns) shares the gate and the dialogue, which is
// the protocol as far as it is the same: it knows nobody, takes mail for addresses of ours
// alone and hands it to package returns.
package smtpserver

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
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
	*gate
	config Config
	terms  terms
	limits string // the last lines of the answer to EHLO
}

// New makes a server that is ready to serve.
func New(c Config) *Server {
	c = c.withDefaults()
	s := &Server{
		config: c,
		terms: terms{hostname: c.Hostname, tls: c.TLS, patience: c.CommandTimeout, log: c.Log,
			verbs: "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT"},
		limits: fmt.Sprintf("250-SMTPUTF8\r\n250-DSN\r\n250-SIZE %d\r\n250 LIMITS RCPTMAX=%d\r\n", c.MaxSize, c.MaxRecipients),
	}
	s.gate = newGate("submission", c.MaxConns, c.MaxConnsPerIP, s.serveSession)
	return s
}

// ServeSTARTTLS serves connections that begin in clear (port 587) until Shutdown, then
// returns nil. The listener is closed.
func (s *Server) ServeSTARTTLS(l net.Listener) error {
	return s.serve(&listener{Listener: l, gate: s.gate, greets: true})
}

// ServeTLS serves connections that begin with TLS (port 465; RFC 8314, 3.3) until
// Shutdown, then returns nil. The listener is closed.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.serve(tls.NewListener(&listener{Listener: l, gate: s.gate}, s.config.TLS))
}

package smtpserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"stafette/internal/message"
	"stafette/internal/returns"
)

// ReturnMail takes what the door for return mail lets in; *returns.Intake implements it.
type ReturnMail interface {
	// Takes reports whether an address is ours.
	Takes(to message.Address) bool
	// Keep stores a mail durably for addresses that are ours.
	Keep(ctx context.Context, e returns.Envelope, raw []byte) error
}

// ReturnsConfig is what the door for return mail needs. Mail, TLS and Now have no default.
type ReturnsConfig struct {
	Mail ReturnMail
	TLS  *tls.Config
	Now  func() time.Time

	Hostname string // in the greeting and in Received; "localhost" if empty
	MaxSize  int64  // bytes of a mail; 0: 10 MiB
	// MaxConns and MaxConnsPerIP bound open connections, the latter per IPv4 address or
	// IPv6 /64. 0: 500 and 20.
	MaxConns, MaxConnsPerIP int
	// Memory bounds the mails that are being received at the same time, in bytes; who
	// comes when it is used up is told to come again. 0: 128 MiB, or more if MaxSize is.
	Memory int64
	// CommandTimeout is how long a client may take for one command or for the whole of
	// one mail; 0: 5 minutes (RFC 5321, 4.5.3.2.7).
	CommandTimeout time.Duration
	// KeepTimeout is how long storing may take before the client is told to come again;
	// 0: 1 minute.
	KeepTimeout time.Duration
	Log         *slog.Logger // nil discards
}

func (c ReturnsConfig) withDefaults() ReturnsConfig {
	if c.Hostname == "" {
		c.Hostname = "localhost"
	}
	if c.MaxSize == 0 {
		c.MaxSize = 10 << 20
	}
	if c.MaxConns == 0 {
		c.MaxConns = 500
	}
	if c.MaxConnsPerIP == 0 {
		c.MaxConnsPerIP = 20
	}
	if c.Memory == 0 {
		c.Memory = max(128<<20, c.MaxSize)
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = 5 * time.Minute
	}
	if c.KeepTimeout == 0 {
		c.KeepTimeout = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Returns is the door for return mail (port 25): whoever comes may hand in mail for our
// return paths, addresses to unsubscribe at, and postmaster. Nobody signs in, nothing
// is passed to elsewhere, and what is not wanted is refused while the client is there:
// this door never answers with a mail. Its methods are safe for concurrent use.
type Returns struct {
	*gate
	config ReturnsConfig
	terms  terms
	inUse  atomic.Int64 // of ReturnsConfig.Memory
}

const (
	// returnRecipients is enough for the reports of a mailing; each gets the mail by itself.
	returnRecipients = 5
	// returnLine is how long a line may be. Forwarded and quoted mail breaks the 998
	// bytes of RFC 5322, 2.1.1 every day, and a bounce is too good to lose for it.
	returnLine = 64 << 10
)

// NewReturns makes a door that is ready to serve.
func NewReturns(c ReturnsConfig) *Returns {
	c = c.withDefaults()
	r := &Returns{config: c, terms: terms{hostname: c.Hostname, tls: c.TLS, patience: c.CommandTimeout, log: c.Log,
		verbs: "EHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP QUIT"}}
	r.gate = newGate("return mail", c.MaxConns, c.MaxConnsPerIP, r.serveSession)
	return r
}

// Serve serves connections, which begin in clear and may turn to TLS, until Shutdown,
// then returns nil. The listener is closed.
func (r *Returns) Serve(l net.Listener) error {
	return r.serve(&listener{Listener: l, gate: r.gate, greets: true})
}

package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// extensions are what a server offers in its answer to EHLO.
type extensions struct {
	pipelining, chunking, eightBit, utf8, startTLS, requireTLS, dsn bool

	size      bool
	sizeLimit int64 // 0: none told
}

// Dial connects, greets, encrypts as told. Errors are *Error. Where encryption is
// opportunistic and the handshake fails, the error's Stage is StageSTARTTLS and
// the caller may dial again with TLSNone; a STARTTLS the server refuses in words
// leaves an opportunistic session plain.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o.Deadlines = o.Deadlines.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DialContext == nil {
		o.DialContext = new(net.Dialer).DialContext
	}
	if o.EHLO == "" || !sendable(o.EHLO, false) {
		return nil, &Error{Stage: StageEHLO, Local: true, Err: fmt.Errorf("%w: EHLO %q", ErrAddress, o.EHLO)}
	}
	c := &Conn{opt: o}
	c.attend()
	if c.hears {
		c.found(StageConnect, "connecting to %s (%s)", o.Address, o.Host)
	}
	raw, err := connect(ctx, &o)
	if err != nil {
		c.found(StageConnect, "%v", err)
		return nil, &Error{Stage: StageConnect, Err: err}
	}
	if c.hears {
		c.found(StageConnect, "connected from %s", raw.LocalAddr())
	}
	c.peeker, c.wire = newPeeker(raw), newWire(raw, o.Now, o.Deadlines.Block)
	c.in.r = bufio.NewReader(c.wire)
	stop := c.watch(ctx)
	refused := c.greet(ctx)
	if !stop() && refused == nil {
		refused = c.botch(StageEHLO, context.Cause(ctx))
	}
	if refused != nil {
		refused.Err = causeOf(ctx, refused)
		_ = c.Close() // the refusal is the news
		return nil, refused
	}
	return c, nil
}

func connect(ctx context.Context, o *Options) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Deadlines.Connect)
	defer cancel()
	return o.DialContext(ctx, "tcp", o.Address)
}

// greet goes from the open connection to the end of EHLO.
func (c *Conn) greet(ctx context.Context) *Error {
	if refused := c.answer(StageGreeting, 2); refused != nil {
		return refused
	}
	if refused := c.hello(); refused != nil {
		return refused
	}
	if c.opt.TLS == TLSNone {
		return nil
	}
	if !c.ext.startTLS {
		if c.opt.TLS == TLSRequired {
			return &Error{Stage: StageSTARTTLS, Err: ErrNoTLS}
		}
		return nil
	}
	return c.encrypt(ctx)
}

// hello sends EHLO, or HELO where EHLO is unknown (RFC 5321, 3.2).
func (c *Conn) hello() *Error {
	c.ext = extensions{}
	refused := c.ask(StageEHLO, 2, "EHLO ", c.opt.EHLO)
	if refused == nil {
		c.readExtensions()
		return c.twice()
	}
	if refused.Reply == nil || refused.Reply.Code < 500 {
		return refused
	}
	return c.ask(StageEHLO, 2, "HELO ", c.opt.EHLO)
}

// twice refuses a server that answers EHLO two times: its second yes would be taken
// for that to MAIL, and every one after it for that to the command before. A no, such
// as a 421 on its way, does no harm there.
func (c *Conn) twice() *Error {
	if c.in.r.Buffered() == 0 {
		return nil
	}
	if ahead, err := c.in.r.Peek(1); err != nil || ahead[0] == '2' {
		return c.botch(StageEHLO, fmt.Errorf("%w: an answer nobody asked for", ErrProtocol))
	}
	return nil
}

func (c *Conn) readExtensions() {
	first := true // the greeting line, whose text is no keyword
	c.in.lines(func(text []byte) {
		if first {
			first = false
			return
		}
		keyword, param, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		switch strings.ToUpper(keyword) {
		case "PIPELINING":
			c.ext.pipelining = true
		case "CHUNKING":
			c.ext.chunking = !c.opt.NoChunking
		case "8BITMIME":
			c.ext.eightBit = true
		case "SMTPUTF8":
			c.ext.utf8 = true
		case "STARTTLS":
			c.ext.startTLS = true
		case "REQUIRETLS":
			c.ext.requireTLS = c.tls != nil // RFC 8689, 2: offered in clear it means nothing
		case "DSN":
			c.ext.dsn = true
		case "SIZE":
			c.ext.size = true
			if n, err := strconv.ParseInt(param, 10, 64); err == nil && n > 0 {
				c.ext.sizeLimit = n
			}
		}
	})
}

// encrypt does STARTTLS and greets again (RFC 3207).
func (c *Conn) encrypt(ctx context.Context) *Error {
	if refused := c.ask(StageSTARTTLS, 2, "STARTTLS", ""); refused != nil {
		if refused.Reply != nil && c.opt.TLS == TLSOpportunistic && !c.broken {
			return nil
		}
		return refused
	}
	// Whatever lies in the buffer was sent before the handshake, by anyone.
	if c.in.r.Buffered() > 0 {
		return c.botch(StageSTARTTLS, ErrInjected)
	}
	if err := c.wire.raw.SetDeadline(time.Time{}); err != nil { // those of the plain stages
		return c.botch(StageSTARTTLS, err)
	}
	sec := tls.Client(c.wire.raw, c.tlsConfig())
	hctx, cancel := context.WithTimeout(ctx, c.opt.Deadlines.TLS)
	defer cancel()
	if err := sec.HandshakeContext(hctx); err != nil {
		return c.botch(StageSTARTTLS, fmt.Errorf("handshake: %w", err))
	}
	state := sec.ConnectionState()
	c.tls = &state
	c.foundTLS(&state)
	c.wire.conn = sec
	c.in.r.Reset(c.wire)
	return c.hello()
}

func (c *Conn) tlsConfig() *tls.Config {
	var cfg *tls.Config
	if c.opt.TLSConfig != nil {
		cfg = c.opt.TLSConfig.Clone()
	} else {
		cfg = new(tls.Config)
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if cfg.ServerName == "" {
		cfg.ServerName = strings.TrimSuffix(c.opt.Host, ".")
	}
	if c.opt.TLS == TLSOpportunistic {
		// An unproven peer is still better than plaintext (RFC 7435).
		cfg.InsecureSkipVerify = true
	}
	return cfg
}

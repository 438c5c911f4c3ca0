package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// How long to listen after a failed write for the words that explain it, how long
// a goodbye may take, and a look at what came unasked.
const (
	lastWords = 2 * time.Second
	goodbye   = time.Second
	glance    = 10 * time.Millisecond // at bytes that are there already
)

const codeClosing = 421 // "service not available, closing transmission channel"

// Conn is one session. It is used by one goroutine at a time; only the contexts
// given to its methods may end them from elsewhere.
type Conn struct {
	opt    Options
	peeker *peeker
	wire   *wire
	in     replies
	ext    extensions
	tls    *tls.ConnectionState

	hears  bool // somebody listens
	broken bool // no further command may be sent
	reset  bool // a refused transaction is still open and needs RSET
	ahead  ahead
}

// ahead is the envelope that rode on the previous mail's end.
type ahead struct {
	sent     bool
	from, to string
	size     int64
}

// Usable reports whether another mail may be delivered over the session.
func (c *Conn) Usable() bool { return !c.broken }

// OffersDSN reports whether the server takes over the reports that a Mail asks for
// (RFC 3461, 5.2.1). Where it does not, a success is the caller's to report.
func (c *Conn) OffersDSN() bool { return c.ext.dsn }

// TLSState returns the state of encryption, or nil for a plain session.
func (c *Conn) TLSState() *tls.ConnectionState { return c.tls }

// Close ends the session with QUIT where that is still polite. It does not wait
// for the answer, and may be called again.
func (c *Conn) Close() error {
	if !c.broken && !c.ahead.sent {
		c.wire.block = goodbye
		c.saying()
		c.wire.text("QUIT\r\n")
		c.said(StageQuit)
		c.wire.flush() // a server that is gone needs no goodbye
	}
	c.broken = true
	if c.tls != nil {
		_ = c.wire.conn.Close() // says the goodbye of TLS where that is possible
	}
	if err := c.wire.raw.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// watch makes the end of ctx end every wait at once. The returned function ends
// the watch and reports whether ctx did not strike.
func (c *Conn) watch(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return struckNever
	}
	raw := c.wire.raw
	return context.AfterFunc(ctx, func() { _ = raw.Close() })
}

func struckNever() bool { return true }

// causeOf is e's cause, or the reason ctx ended if that is what lies behind it.
func causeOf(ctx context.Context, e *Error) error {
	if e.Reply == nil && !e.Local && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.Err
}

// abandon ends the session at once, without QUIT: what the server thinks it is
// doing is not known any more.
func (c *Conn) abandon() {
	c.broken = true
	_ = c.wire.raw.Close()
}

// botch abandons the session and says why.
func (c *Conn) botch(stage Stage, err error) *Error {
	c.found(stage, "%v", err)
	c.abandon()
	return &Error{Stage: stage, Err: err}
}

// ask sends one command alone and reads its answer, which must be of the class.
func (c *Conn) ask(stage Stage, class int, command, param string) *Error {
	c.saying()
	c.wire.text(command)
	c.wire.text(param)
	c.wire.text("\r\n")
	c.said(stage)
	c.flush()
	return c.answer(stage, class)
}

// answer reads one reply. It is a refusal unless its first digit is class; a reply
// that is neither acceptance nor refusal ends the session, as 421 does.
func (c *Conn) answer(stage Stage, class int) *Error {
	c.wire.allow(c.patience(stage))
	code, err := c.in.next()
	switch {
	case err != nil && c.wire.err != nil && !errors.Is(err, ErrProtocol):
		return c.botch(stage, c.wire.err)
	case err != nil:
		c.heardInPart(stage)
		return c.botch(stage, err)
	}
	c.heard(stage)
	switch {
	case code/100 == class:
		return nil
	case code < 400:
		return c.botch(stage, fmt.Errorf("%w: answer %d at %s", ErrProtocol, code, stage))
	}
	r := c.in.reply()
	if code == codeClosing || c.wire.err != nil {
		c.abandon()
	}
	return &Error{Stage: stage, Reply: &r}
}

// hungUp reports whether the server closed the session while it was idle. Asked
// before a mail leaves in one write with its envelope: into a closed session that
// write succeeds, and every loss behind it must be taken for a perhaps accepted
// mail. A 421 that waits is no hanging up, it is read as the answer to MAIL.
func (c *Conn) hungUp() bool {
	if c.in.r.Buffered() > 0 {
		return false
	}
	waiting, closed := c.peeker.look()
	if !waiting {
		return closed
	}
	// Under TLS the bytes may be a goodbye, or nothing for us.
	c.wire.allow(glance)
	_, err := c.in.r.Peek(1)
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// patience is how long to wait for the answer in a stage.
func (c *Conn) patience(stage Stage) time.Duration {
	if c.wire.err != nil {
		return lastWords
	}
	return c.opt.Deadlines.of(stage)
}

// flush sends what is queued. A server that turned a mail away and hung up makes
// the write fail; its last words are then still to be read, so a broken
// connection is not an error yet. Only a stalled or ended one is closed here.
func (c *Conn) flush() {
	if c.wire.flush(); errors.Is(c.wire.err, os.ErrDeadlineExceeded) {
		_ = c.wire.raw.Close()
	}
}

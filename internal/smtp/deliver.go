package smtp

import (
	"context"
	"fmt"
	"io"
)

// Deliver sends one mail and returns the reply to its final dot, or *Error.
//
// If next is given and the server pipelines, next's envelope rides on the same
// write as the end of m; the caller must then Deliver next or Close. Nothing rides
// where the server takes BDAT: there envelope and body share one write anyway, so
// there is no round trip left to save. Whether anything rode or not, a next that
// was not delivered was not sent.
//
// The body never goes out before the server asked for it with 354, except with
// BDAT, whose chunks a server that refused the recipient must discard (RFC 3030).
func (c *Conn) Deliver(ctx context.Context, m Mail, next *Mail) (Reply, error) {
	if c.broken {
		return Reply{}, &Error{Stage: StageMail, Err: ErrNotUsable}
	}
	size := m.size()
	if err := c.check(&m, size); err != nil {
		if c.ahead.sent {
			c.abandon() // the server waits for this mail and shall not get it
		}
		return Reply{}, &Error{Stage: StageMail, Local: true, Err: err}
	}
	if c.ahead.sent && c.ahead != (ahead{true, m.From, m.To, size}) {
		return Reply{}, c.botch(StageMail, fmt.Errorf("%w: another mail was announced", ErrNotUsable))
	}
	c.attend()
	stop := c.watch(ctx)
	refused := c.transact(ctx, &m, size, next)
	if !stop() {
		c.broken = true
	}
	if refused != nil {
		refused.Err = causeOf(ctx, refused)
		return Reply{}, refused
	}
	return c.in.reply(), nil
}

// check refuses what must not be sent at all, or not to this server.
func (c *Conn) check(m *Mail, size int64) error {
	if err := c.checkEnvelope(m, size); err != nil {
		return err
	}
	if !clean(m.Parts) {
		return ErrBareNewline
	}
	return nil
}

func (c *Conn) checkEnvelope(m *Mail, size int64) error {
	switch {
	case m.UTF8 && !c.ext.utf8:
		return ErrNoUTF8
	case m.RequireTLS && !c.ext.requireTLS:
		return ErrNoRequireTLS
	case !sendable(m.From, m.UTF8):
		return fmt.Errorf("%w: sender", ErrAddress)
	case m.To == "" || !sendable(m.To, m.UTF8):
		return fmt.Errorf("%w: recipient", ErrAddress)
	case c.ext.sizeLimit > 0 && size > c.ext.sizeLimit:
		return fmt.Errorf("%w: %d of %d bytes", ErrTooLarge, size, c.ext.sizeLimit)
	}
	return nil
}

func (c *Conn) transact(ctx context.Context, m *Mail, size int64, next *Mail) *Error {
	if c.ext.chunking {
		return c.sendChunks(ctx, m, size)
	}
	if refused := c.envelope(m, size, true); refused != nil {
		return refused
	}
	if late := c.late(ctx); late != nil {
		return late
	}
	c.wire.writeDotted(m.Parts)
	c.sentContent(size)
	end := c.wire.queued
	if next != nil && c.ext.pipelining {
		c.announce(next)
	}
	c.flush()
	return c.final(end)
}

// late keeps a mail from going out after ctx has ended. The watch on ctx closes the
// connection by itself, but a process that wakes from a pause, with the server's
// answers waiting for it, may come here before that.
func (c *Conn) late(ctx context.Context) *Error {
	if err := ctx.Err(); err != nil {
		return c.botch(StageData, err)
	}
	return nil
}

// announce queues the envelope of the mail to come.
func (c *Conn) announce(next *Mail) {
	size := next.size()
	if c.checkEnvelope(next, size) != nil {
		return // its own Deliver will say so
	}
	c.ahead = ahead{true, next.From, next.To, size}
	c.command(StageMail, next, size)
	c.command(StageRcpt, next, size)
	c.command(StageData, next, size)
}

// sendChunks delivers with BDAT. With PIPELINING the first chunk leaves with the
// envelope; its answer must be read even if the envelope was refused.
func (c *Conn) sendChunks(ctx context.Context, m *Mail, size int64) *Error {
	if late := c.late(ctx); late != nil {
		return late
	}
	body := chunks{parts: m.Parts, left: size}
	early := c.ext.pipelining
	last := false
	if early {
		if c.hungUp() {
			return c.botch(StageMail, io.ErrUnexpectedEOF)
		}
		c.queueEnvelope(m, size, false)
		last = c.chunk(&body)
		c.flush()
	}
	end := c.wire.queued
	if refused := c.envelope(m, size, false); refused != nil {
		if early && !c.broken {
			c.discard(last)
		}
		// The answers may be lost while the mail behind the commands was taken.
		refused.Uncertain = last && refused.Reply == nil && c.wire.sent >= end
		return refused
	}
	if !early {
		if late := c.late(ctx); late != nil {
			return late
		}
		last = c.chunk(&body)
		end = c.wire.queued
		c.flush()
	}
	for !last {
		if refused := c.answer(StageData, 2); refused != nil {
			c.reset = true
			return refused
		}
		if late := c.late(ctx); late != nil {
			return late
		}
		last = c.chunk(&body)
		end = c.wire.queued
		c.flush()
	}
	return c.final(end)
}

// chunk queues the next chunk of a body and reports whether it is the last.
func (c *Conn) chunk(body *chunks) (last bool) {
	c.saying()
	if last = body.write(c.wire); last {
		c.said(StageDot)
	} else {
		c.said(StageData)
	}
	return last
}

// discard reads the answer to a chunk that came behind a refused envelope. It has
// nothing to say unless the session ends, or the server took a mail for nobody.
func (c *Conn) discard(last bool) {
	stage := StageData
	if last {
		stage = StageDot
	}
	if c.answer(stage, 2) == nil && last {
		c.abandon()
	}
	c.reset = true
}

// final reads the answer to the end of the mail, whose last byte was the end-th
// queued. From the moment the connection took that byte the mail may be accepted.
func (c *Conn) final(end int64) *Error {
	refused := c.answer(StageDot, 2)
	switch {
	case refused == nil && c.wire.sent < end:
		return c.botch(StageDot, fmt.Errorf("%w: accepted before the end", ErrProtocol))
	case refused == nil:
		if c.wire.err != nil || !c.ahead.sent && c.in.r.Buffered() > 0 {
			c.broken = true // the latter: more answers than questions, as a rule a 421
		}
		return nil
	}
	refused.Uncertain = refused.Reply == nil && c.wire.sent >= end
	return refused
}

// queueEnvelope queues everything up to DATA; with BDAT, data is false.
func (c *Conn) queueEnvelope(m *Mail, size int64, data bool) {
	if c.reset {
		c.sayReset()
	}
	c.command(StageMail, m, size)
	c.command(StageRcpt, m, size)
	if data {
		c.command(StageData, m, size)
	}
}

func (c *Conn) sayReset() {
	c.saying()
	c.wire.text("RSET\r\n")
	c.said(StageMail)
}

// envelope conducts the dialogue from RSET, where needed, to RCPT, or to DATA if
// data is set. With PIPELINING the commands leave in one write, unless they rode
// ahead or the caller queued them with the first chunk.
func (c *Conn) envelope(m *Mail, size int64, data bool) *Error {
	pipelined := c.ext.pipelining
	if pipelined && data && !c.ahead.sent {
		c.queueEnvelope(m, size, data)
		c.flush()
	}
	c.ahead = ahead{}
	if c.reset {
		if !pipelined {
			c.sayReset()
			c.flush()
		}
		if refused := c.answer(StageMail, 2); refused != nil {
			if !c.broken {
				c.abandon()
			}
			return refused
		}
		c.reset = false
	}
	stages := [...]Stage{StageMail, StageRcpt, StageData}
	n := 2
	if data {
		n = 3
	}
	var refused *Error
	for _, stage := range stages[:n] {
		if !pipelined {
			if refused != nil {
				break
			}
			c.command(stage, m, size)
			c.flush()
		}
		refused = c.step(stage, refused)
		if c.broken {
			return refused
		}
	}
	return refused
}

// step reads the answer to one command of the envelope. The first refusal counts;
// the commands behind it were sent already and are only brought to an end.
func (c *Conn) step(stage Stage, earlier *Error) *Error {
	class := 2
	if stage == StageData {
		class = 3
	}
	if earlier == nil {
		refused := c.answer(stage, class)
		if refused != nil && stage != StageMail {
			c.reset = true
		}
		return refused
	}
	if late := c.answer(stage, class); late == nil {
		c.accepted(stage, earlier.Stage)
	}
	return earlier
}

// accepted handles a yes to a command behind a refused one. A 354 without a
// recipient is answered with a lone dot, which ends the transaction (RFC 2920,
// 3.1); any other yes leaves in doubt what the server would deliver to whom.
func (c *Conn) accepted(stage, refusedAt Stage) {
	if stage != StageData || refusedAt != StageRcpt {
		c.abandon()
		return
	}
	c.saying()
	c.wire.text(".\r\n")
	c.said(StageDot)
	c.flush()
	_ = c.answer(StageDot, 2) // whatever it says, the mail went to nobody
	c.reset = true            // harmless where the dot has ended the transaction
}

// command queues one command of the envelope.
func (c *Conn) command(stage Stage, m *Mail, size int64) {
	w := c.wire
	c.saying()
	switch stage {
	case StageMail:
		w.text("MAIL FROM:<")
		w.text(m.From)
		w.text(">")
		if c.ext.size {
			w.text(" SIZE=")
			w.number(size)
		}
		if m.EightBit && c.ext.eightBit {
			w.text(" BODY=8BITMIME")
		}
		if m.UTF8 {
			w.text(" SMTPUTF8")
		}
		if m.RequireTLS {
			w.text(" REQUIRETLS")
		}
		if c.ext.dsn {
			w.reportsOf(m)
		}
		w.text("\r\n")
	case StageRcpt:
		w.text("RCPT TO:<")
		w.text(m.To)
		w.text(">")
		if c.ext.dsn {
			w.reportsTo(m)
		}
		w.text("\r\n")
	case StageData:
		w.text("DATA\r\n")
	}
	c.said(stage)
}

package smtpserver

import (
	"context"
	"crypto/tls"
	"strconv"
	"strings"
)

// obey executes one command.
func (d *dialogue) obey(line string) {
	if strings.ContainsFunc(line, isControl) {
		d.say(reply(500, 5, 5, 2, "A command has no control characters"))
		return
	}
	verb, arg := cutVerb(line)
	var a *answer
	switch verb {
	case "EHLO", "HELO":
		a = d.greet(verb == "EHLO", arg)
	case "STARTTLS":
		a = d.startTLS()
	case "AUTH":
		a = d.service.auth(arg)
	case "MAIL":
		a = d.mailCommand(arg)
	case "RCPT":
		a = d.rcptCommand(arg)
	case "DATA":
		a = d.data(arg)
	case "BDAT":
		a = d.bdat(arg)
	case "RSET":
		d.reset()
		a = reply(250, 2, 0, 0, "Reset")
	case "NOOP":
		a = reply(250, 2, 0, 0, "Here I am")
	case "VRFY":
		a = reply(252, 2, 5, 0, "Nothing is told of addresses, but mail to it is taken")
	case "HELP":
		a = reply(214, 2, 0, 0, d.terms.verbs)
	case "QUIT":
		a, d.done = reply(221, 2, 0, 0, "Good-bye"), true
	case "EXPN", "SEND", "SOML", "SAML", "TURN":
		a = reply(502, 5, 5, 1, "There is no such service here")
	default:
		a = reply(500, 5, 5, 2, "This is not a command")
		if d.mistakes++; d.mistakes > maxMistakes {
			a, d.done = reply(421, 4, 7, 0, "Too many errors"), true
		}
	}
	if a != nil {
		d.say(a)
	}
}

// isControl reports what no command has a use for, and what other programs may take for
// the end of a line. A tab between words is forgiven.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// greet answers EHLO and HELO. Either also ends a transaction (RFC 5321, 4.1.4).
func (d *dialogue) greet(extended bool, arg string) *answer {
	name, _, _ := strings.Cut(arg, " ")
	if name == "" {
		return malformed("The name of the client is missing")
	}
	d.helo = name
	d.reset()
	if !extended {
		d.write("250 " + d.terms.hostname + "\r\n")
		return nil
	}
	d.write("250-" + d.terms.hostname + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n")
	if d.terms.tls != nil && !d.encrypted() {
		d.write("250-STARTTLS\r\n")
	}
	d.write(d.service.extensions())
	return nil
}

// startTLS begins TLS and the dialogue anew (RFC 3207, 4.2).
func (d *dialogue) startTLS() *answer {
	if d.encrypted() {
		return outOfOrder("TLS is in use already")
	}
	if d.terms.tls == nil {
		return reply(502, 5, 5, 1, "TLS is not configured")
	}
	d.say(reply(220, 2, 0, 0, "Begin TLS"))
	if !d.whole(d.flush()) {
		return nil
	}
	c := tls.Server(d.conn, d.terms.tls)
	if !d.shakeHands(c) {
		d.done = true // nobody could tell what a reply would be read as
		return nil
	}
	d.reset()
	d.use(c)
	d.helo = ""
	d.service.forgetClient()
	return nil
}

// shakeHands is bounded by the alarm, like everything a client may take its time for.
func (d *dialogue) shakeHands(c *tls.Conn) bool {
	d.wait()
	err := c.HandshakeContext(context.Background())
	if err != nil {
		d.terms.log.Info("handshake failed", "remote", d.conn.ip.String(), "err", err)
	}
	return err == nil
}

// mailCommand begins a transaction where one may begin; from whom is the service's question.
func (d *dialogue) mailCommand(arg string) *answer {
	switch {
	case d.helo == "":
		return outOfOrder("EHLO comes first")
	case d.open:
		return outOfOrder("A transaction is open")
	}
	return d.service.mail(arg)
}

// rcptCommand lets a recipient be named where one may be; who may be is the service's question.
func (d *dialogue) rcptCommand(arg string) *answer {
	switch {
	case !d.open:
		return outOfOrder("MAIL comes first")
	case d.chunks != nil:
		return outOfOrder("The message is under way")
	}
	return d.service.rcpt(arg)
}

func (d *dialogue) data(arg string) *answer {
	switch {
	case arg != "":
		return malformed("DATA has no parameter")
	case d.chunks != nil:
		return outOfOrder("The message is under way in chunks")
	}
	b, refused := d.service.newBody()
	if refused != nil {
		return refused
	}
	d.write("354 Send the message, end with <CRLF>.<CRLF>\r\n")
	d.wait()
	if !d.whole(d.readDotted(b)) {
		return nil
	}
	return d.handIn(b)
}

func (d *dialogue) bdat(arg string) *answer {
	size, last, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil || last != "" && !strings.EqualFold(strings.TrimSpace(last), "LAST") {
		d.done = true // where the next command begins is not known
		return malformed("BDAT is followed by a size and perhaps LAST")
	}
	if d.chunks == nil {
		b, refused := d.service.newBody()
		if refused != nil {
			// The chunk follows the command even when that is refused.
			if !d.whole(d.readChunk(&body{room: -1}, int64(n))) {
				return nil
			}
			return refused
		}
		d.chunks = b
		d.wait()
	}
	b := d.chunks
	if !d.whole(d.readChunk(b, int64(n))) {
		return nil
	}
	if b.refused() || last != "" {
		return d.handIn(b)
	}
	return reply(250, 2, 0, 0, "Continue")
}

// handIn ends the transaction, whatever comes of the message.
func (d *dialogue) handIn(b *body) *answer {
	d.alarm.Stop() // now it is our time that passes
	defer d.reset()
	switch {
	case b.crowded():
		return reply(452, 4, 3, 1, "Too much mail is coming in, try again later")
	case b.tooLarge():
		return tooLarge()
	}
	return d.service.accept(b)
}

func tooLarge() *answer { return reply(552, 5, 3, 4, "The message is larger than this server takes") }

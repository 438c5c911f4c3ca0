package smtp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Speaker is who said a Line.
type Speaker string

// The speakers of a session.
const (
	SpeakerClient  Speaker = "C"
	SpeakerServer  Speaker = "S"
	SpeakerFinding Speaker = "*" // neither: what this client found, such as the facts of TLS
)

// StageQuit is the goodbye. Only Listeners hear of it: no Error has it.
const StageQuit Stage = "quit"

// Line is one line of a session as a Listener hears it.
type Line struct {
	From  Speaker
	Stage Stage
	// Text is the line without its end: valid UTF-8 without control characters, at most
	// 8 KiB. It is good during the call only. Of the content of a mail it tells the size
	// and nothing else; this client never authenticates, so there is no secret to hide.
	Text []byte
	// Next: the line belongs to the mail that was announced, not to the one in hand.
	Next bool
}

// Listener hears what is said in a session. It is called by the goroutine that uses the
// Conn and must neither block nor use it.
type Listener interface {
	// Listens is asked when the session is dialled and before each mail; false spares
	// the work of telling.
	Listens() bool
	Hear(l Line)
}

// attend finds out whether anybody listens from now on.
func (c *Conn) attend() { c.hears = c.opt.Listener != nil && c.opt.Listener.Listens() }

// tell tells a line to the listener; the caller has asked whether there is one.
func (c *Conn) tell(from Speaker, stage Stage, text []byte, next bool) {
	c.opt.Listener.Hear(Line{From: from, Stage: stage, Text: harmless(text), Next: next})
}

// harmless is printable without a copy where there is nothing to change.
func harmless(text []byte) []byte {
	for _, b := range text {
		if b < ' ' || b >= 0x7f {
			return []byte(printable(text))
		}
	}
	return text
}

// saying begins a command: what is queued as text from now on is heard.
func (c *Conn) saying() {
	c.wire.noting, c.wire.note = c.hears, c.wire.note[:0]
}

// said ends the command that saying began. A mail that is announced has its commands
// before the end of the one in hand is answered.
func (c *Conn) said(stage Stage) {
	if !c.hears {
		return
	}
	c.wire.noting = false
	c.tell(SpeakerClient, stage, bytes.TrimRight(c.wire.note, "\r\n"), c.ahead.sent)
}

// sentContent tells of content without telling it.
func (c *Conn) sentContent(size int64) {
	if c.hears {
		c.tell(SpeakerClient, StageDot, fmt.Appendf(nil, "… %d bytes", size), false)
	}
}

// heard tells the reply that was read last.
func (c *Conn) heard(stage Stage) {
	if c.hears {
		c.in.rawLines(func(line []byte) { c.tell(SpeakerServer, stage, line, false) })
	}
}

// heardInPart tells what came of a reply that cannot be read to its end.
func (c *Conn) heardInPart(stage Stage) {
	c.heard(stage)
	if rest := c.in.unread(); c.hears && len(rest) > 0 {
		c.tell(SpeakerServer, stage, rest, false)
	}
}

// found tells what this client found out by itself.
func (c *Conn) found(stage Stage, format string, args ...any) {
	if c.hears {
		c.tell(SpeakerFinding, stage, fmt.Appendf(nil, format, args...), false)
	}
}

// maxCertificates bounds those of a chain that are told.
const maxCertificates = 5

// foundTLS tells how the session is encrypted and what is known of the server.
func (c *Conn) foundTLS(s *tls.ConnectionState) {
	if !c.hears {
		return
	}
	c.found(StageSTARTTLS, "%s, %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite))
	for i, cert := range s.PeerCertificates[:min(len(s.PeerCertificates), maxCertificates)] {
		c.found(StageSTARTTLS, "certificate %d: %s", i+1, describe(cert))
	}
	switch {
	case c.opt.TLS == TLSOpportunistic:
		c.found(StageSTARTTLS, "certificate not verified: encryption is opportunistic")
	case len(s.VerifiedChains) > 0:
		chain := s.VerifiedChains[0]
		c.found(StageSTARTTLS, "certificate verified for %s, up to %s", s.ServerName, chain[len(chain)-1].Subject)
	default:
		c.found(StageSTARTTLS, "certificate verified by other means than an authority")
	}
}

// maxNames bounds the names of a certificate that are told.
const maxNames = 10

func describe(c *x509.Certificate) string {
	text := c.Subject.String()
	if names := c.DNSNames; len(names) > 0 {
		text += "; for " + strings.Join(names[:min(len(names), maxNames)], ", ")
		if left := len(names) - maxNames; left > 0 {
			text += fmt.Sprintf(" and %d more", left)
		}
	}
	return text + "; by " + c.Issuer.String() + "; until " + c.NotAfter.UTC().Format(time.DateOnly)
}

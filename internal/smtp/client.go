// Package smtp is SMTP as a protocol (RFC 5321): replies with enhanced codes, and
// a delivery client that pipelines, keeps connections and never guesses.
//
// It is floor 0: no tenant, no retry policy, no judgement of replies. What a
// reply means is decided in package bounce, what follows from it in delivery.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Reply is a server's answer.
type Reply struct {
	Code     int      // three digits
	Enhanced string   // RFC 3463 code of the last line that has one, "" if none
	Lines    []string // text of every line without code and enhanced code
}

// Stage names the command whose answer is meant.
type Stage string

// The stages of a session.
const (
	StageConnect  Stage = "connect"
	StageGreeting Stage = "greeting"
	StageEHLO     Stage = "ehlo"
	StageSTARTTLS Stage = "starttls"
	StageMail     Stage = "mail"
	StageRcpt     Stage = "rcpt"
	StageData     Stage = "data"
	StageDot      Stage = "dot"
)

// Error is a session or transaction that did not end in acceptance.
type Error struct {
	Stage Stage
	// Reply is the server's answer; nil if none came or it was not SMTP.
	Reply *Reply
	// Uncertain: the whole message was sent and the final reply did not come, so
	// the server may have taken it.
	Uncertain bool
	Err       error // cause where no reply came
}

// Error implements error.
func (e *Error) Error() string { return string(e.Stage) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// TLSMode says how a session may be encrypted.
type TLSMode int

// The TLS modes of a session.
const (
	TLSOpportunistic TLSMode = iota // STARTTLS if offered, any certificate (RFC 7435)
	TLSNone                         // never
	TLSRequired                     // STARTTLS with a certificate the config verifies
)

// Options describe one connection.
type Options struct {
	Address   string // "192.0.2.1:25" or "[2001:db8::1]:25"
	Host      string // the MX name: TLS server name
	EHLO      string // our name
	TLS       TLSMode
	TLSConfig *tls.Config // base; nil for defaults
	// DialContext makes the TCP connection from the wanted source address.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Mail is one transaction to one recipient.
type Mail struct {
	From, To string   // addresses without angle brackets; "" is the null reverse path
	Parts    [][]byte // written one after the other: signature headers, body. CRLF line ends
	EightBit bool     // BODY=8BITMIME is needed
	UTF8     bool     // SMTPUTF8 is needed
}

// Conn is one session. It is used by one goroutine at a time.
type Conn struct{}

// Dial connects, greets, encrypts as told. Errors are *Error.
func Dial(ctx context.Context, o Options) (*Conn, error) { return nil, errors.New("smtp: not built") }

// Deliver sends one mail and returns the reply to its final dot, or *Error. If
// next is given and the server pipelines, next's envelope rides on the same write
// as the end of m; the caller must then Deliver next or Close.
func (c *Conn) Deliver(ctx context.Context, m Mail, next *Mail) (Reply, error) {
	return Reply{}, errors.New("smtp: not built")
}

// Usable reports whether another mail may be delivered over the session.
func (c *Conn) Usable() bool { return false }

// TLSState returns the state of encryption, or nil for a plain session.
func (c *Conn) TLSState() *tls.ConnectionState { return nil }

// Close ends the session with QUIT where that is still polite.
func (c *Conn) Close() error { return nil }

// Package smtp is SMTP as a protocol (RFC 5321): replies with enhanced codes, and
// a delivery client that pipelines, keeps connections and never guesses.
//
// A caller dials one host from one source (Dial), delivers mail after mail to one
// recipient each (Conn.Deliver) for as long as the session is Usable, and closes
// it. Whatever the server does, a mail ends in exactly one of: accepted (a Reply),
// refused (*Error with Reply), refused by us before anything was sent (Local), not
// sent (no Reply), or perhaps accepted (Uncertain).
//
// It is floor 0: no tenant, no retry policy, no judgement of replies. What a
// reply means is decided in package bounce, what follows from it in delivery.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"stafette/internal/message"
)

// Causes an Error can wrap where no reply explains it. Time running out in a
// stage is os.ErrDeadlineExceeded, an end by the caller is the context's cause.
var (
	// ErrProtocol: the server's answer is not SMTP, or does not fit the question.
	ErrProtocol = errors.New("server does not keep to the protocol")
	// ErrInjected: plaintext came in behind the answer to STARTTLS.
	ErrInjected = errors.New("plaintext injected behind STARTTLS")
	// ErrNoTLS: encryption is required and STARTTLS is not offered.
	ErrNoTLS = errors.New("server offers no STARTTLS")
	// ErrNotUsable: the session has ended or cannot be trusted any more.
	ErrNotUsable = errors.New("session is not usable")
	// ErrBareNewline: the mail has a CR or LF that is not part of CRLF, or a NUL.
	ErrBareNewline = errors.New("mail contains a bare CR, a bare LF or a NUL")
	// ErrAddress: an envelope address or our own name cannot be sent as written.
	ErrAddress = errors.New("name cannot be sent in a command")
	// ErrTooLarge: the mail is larger than the server's SIZE (RFC 1870).
	ErrTooLarge = errors.New("mail exceeds the size the server takes")
	// ErrNoRequireTLS: the mail demands REQUIRETLS (RFC 8689) and the session does
	// not offer it, or is not encrypted.
	ErrNoRequireTLS = errors.New("server does not take REQUIRETLS")
	// ErrNoUTF8: the mail needs SMTPUTF8 (RFC 6531) and the server lacks it.
	ErrNoUTF8 = errors.New("server does not take internationalised addresses")
)

// Reply is a server's answer. Its text is valid UTF-8 without control characters,
// whatever bytes came.
type Reply struct {
	Code     int      // three digits
	Enhanced string   // RFC 3463 code of the last line that has one, "" if none
	Lines    []string // text of every line without code and enhanced code
}

// Text returns the lines joined by "\n".
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// String returns the reply on one line, for logs.
func (r Reply) String() string {
	s := strconv.Itoa(r.Code)
	if r.Enhanced != "" {
		s += " " + r.Enhanced
	}
	return s + " " + strings.Join(r.Lines, " / ")
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
	StageData     Stage = "data" // DATA up to 354, or a BDAT chunk before the last
	StageDot      Stage = "dot"  // the final dot, or BDAT LAST
)

// Error is a session or transaction that did not end in acceptance.
type Error struct {
	Stage Stage
	// Reply is the server's answer; nil if none came or it was not SMTP.
	Reply *Reply
	// Uncertain: the whole message was sent and the final reply did not come, so
	// the server may have taken it.
	Uncertain bool
	// Local: this client refused the mail before sending any of it, because this
	// server could not take it or no server should. Err says why. The session stays
	// usable, unless this mail had been announced as next.
	Local bool
	Err   error // cause where no reply came
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Reply != nil:
		return string(e.Stage) + ": " + e.Reply.String()
	case e.Uncertain:
		return string(e.Stage) + ": final reply lost: " + e.Err.Error()
	case e.Err != nil:
		return string(e.Stage) + ": " + e.Err.Error()
	}
	return string(e.Stage)
}

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
	TLSConfig *tls.Config // base; nil for defaults. It is cloned, never changed
	// DialContext makes the TCP connection from the wanted source address; nil
	// takes any source.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Deadlines bound each stage; the zero value means the RFC's.
	Deadlines Deadlines
	// NoChunking sends with DATA even where the server offers BDAT.
	NoChunking bool
	// Listener hears what is said; nil: nobody, and nothing is paid for it.
	Listener Listener
	// Now is the clock deadlines are set by; nil takes the machine's.
	Now func() time.Time
}

// Deadlines are how long to wait for the whole answer of a stage (RFC 5321,
// 4.5.3.2). Zero fields mean the default named beside them.
type Deadlines struct {
	Connect  time.Duration // 30 s
	Greeting time.Duration // 5 min
	EHLO     time.Duration // 5 min
	TLS      time.Duration // 1 min: the handshake, for which the RFC names none
	Mail     time.Duration // 5 min
	Rcpt     time.Duration // 5 min
	Data     time.Duration // 2 min, to the 354
	Block    time.Duration // 3 min, for each write to be taken
	Dot      time.Duration // 10 min
}

func (d Deadlines) withDefaults() Deadlines {
	set := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&d.Connect, 30*time.Second)
	set(&d.Greeting, 5*time.Minute)
	set(&d.EHLO, 5*time.Minute)
	set(&d.TLS, time.Minute)
	set(&d.Mail, 5*time.Minute)
	set(&d.Rcpt, 5*time.Minute)
	set(&d.Data, 2*time.Minute)
	set(&d.Block, 3*time.Minute)
	set(&d.Dot, 10*time.Minute)
	return d
}

func (d *Deadlines) of(s Stage) time.Duration {
	switch s {
	case StageConnect:
		return d.Connect
	case StageGreeting:
		return d.Greeting
	case StageMail:
		return d.Mail
	case StageRcpt:
		return d.Rcpt
	case StageData:
		return d.Data
	case StageDot:
		return d.Dot
	}
	return d.EHLO
}

// Mail is one transaction to one recipient.
type Mail struct {
	From, To string // addresses without angle brackets; "" is the null reverse path
	// Parts are written one after the other: signature headers, body. Lines end
	// in CRLF, also across parts; a missing last CRLF is added. They are only read.
	Parts    [][]byte
	EightBit bool // BODY=8BITMIME is needed; sent as it is where the server lacks it
	UTF8     bool // SMTPUTF8 is needed
	// RequireTLS demands REQUIRETLS (RFC 8689): every hop to come must be encrypted
	// and proven. Whether this one is, the caller sees to.
	RequireTLS bool

	// What follows goes only to servers that offer DSN (RFC 3461), see Conn.OffersDSN.
	Notify            message.Notify // sent where the client asked
	OriginalRecipient message.OriginalRecipient
	Return            message.Return
	EnvelopeID        string // decoded, as message.CheckEnvelopeID takes it
}

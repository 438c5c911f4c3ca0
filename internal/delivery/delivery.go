// Package delivery hands mail to the receiving servers: it resolves the domain,
// chooses a connection of a lane, signs, speaks SMTP, judges the reply and makes
// the verdict durable.
//
// It is the fifth station of the journey. It does not decide what is due or when
// it is tried again (queue), which address it leaves from or may go to (egress),
// what a reply means (bounce), nor whether a message may be sent (ingest).
//
// The way through the package: intake (engine.go) → the domain's hosts
// (target.go) → a lane's line (lane.go), as ceilings and places allow (pair.go,
// staff.go) → a connection (connection.go, trip.go) → the decision (verdict.go), and
// what it teaches (learn.go) → the record (attempt.go) → the settler (settle.go).
package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// Session is one SMTP session as package smtp opens it; see smtp.Conn.
type Session interface {
	Deliver(ctx context.Context, m smtp.Mail, next *smtp.Mail) (smtp.Reply, error)
	Usable() bool
	TLSState() *tls.ConnectionState
	OffersDSN() bool
	Close() error
}

// Bodies reads what is to be sent; *spool.Spool implements it.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Judge says what replies and failures without a reply mean; *bounce.Table
// implements it.
type Judge interface {
	Judge(in bounce.Input) bounce.Judgement
	Local(err error) bounce.Judgement
}

// Config of an Engine. Fields without a stated default are demanded.
type Config struct {
	Queue    *queue.Runner // started; Run runs it
	Bodies   Bodies
	Resolver dns.Resolver
	Judge    Judge
	// Sign returns the signature fields to put before the body, or nothing for a
	// domain without keys: Signer.Sign. With ErrDomainGone the mail is held.
	Sign func(ctx context.Context, e queue.Entry, body []byte) ([]byte, error)
	// OwnFields returns header fields that only this delivery bears, complete lines that
	// go before the mail and are signed with it; none for most. It must say the same as
	// long as the delivery's return path is the same. nil: none.
	OwnFields func(e queue.Entry, mail []byte) []byte
	// SignOwn is Sign for a mail with such fields, which shares its signature with no
	// other; nil: Sign.
	SignOwn func(ctx context.Context, e queue.Entry, mail []byte) ([]byte, error)
	// Withheld asks, just before a mail is made ready, whether it may go to its recipient
	// after all: "", or the reason why not. nil: it may. It must be cheap.
	Withheld func(ctx context.Context, e queue.Entry) (reason string, err error)
	// Halted tells of a reason to hold the mail for now instead of sending it; "" for
	// none, nil: never. It must not block.
	Halted func(e queue.Entry) (reason string)
	// Waits asks, just before a mail is made ready, whether it must wait, and for what reason;
	// "": it need not. nil: none must.
	Waits func(ctx context.Context, e queue.Entry) (reason string, err error)
	// Gate looks at the mail of a stream right before it is sent; an error holds it, with
	// the code of a *fault.Error as reason. Streams that are not in it are not looked at.
	Gate map[tenant.Stream]func(raw []byte) error
	// Strike says what a final refusal counts against the recipient, if anything; nil:
	// nothing.
	Strike func(e queue.Entry, j bounce.Judgement, at time.Time) *audience.Strike
	// ReturnPath returns the envelope sender of an attempt; nil: Entry.Sender. It must
	// leave the null sender as it is, lest a bounce be bounced (RFC 5321, 4.5.5).
	ReturnPath func(queue.Entry) string
	// Dial opens a session; nil: smtp.Dial.
	Dial      func(ctx context.Context, o smtp.Options) (Session, error)
	Guard     *egress.Guard
	Fleet     *egress.Fleet // sources and limits
	Routes    *egress.Routes
	Orders    *queue.Orders   // what people ordered about mail; nil: nothing
	Schedule  *queue.Schedule // nil: the default one
	Hostnames []string        // names we go by besides the sources' EHLO names, for the loop guard
	TLSConfig *tls.Config     // base of every session; nil for defaults
	// TLSPolicy says how sessions must be protected; nil: encrypted if offered.
	TLSPolicy TLSPolicy
	// Trace records what is said with receiving servers; nil: nobody does.
	Trace *trace.Tracer

	Connections int   // at the same time over all lanes; 0: 500
	Memory      int64 // bytes of bodies at the same time; 0: 256 MiB
	// DelayReport is how long after a delivery's time a sender who wants to know is told
	// that it is delayed; 0: 4 h (RFC 5321, 4.5.4.1 speaks of hours).
	DelayReport time.Duration
	Grace       time.Duration // for transactions in flight at an orderly stop; 0: 30 s
	Now         func() time.Time
	Metrics     *Metrics     // nil counts nothing
	Log         *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	if c.SignOwn == nil {
		c.SignOwn = c.Sign
	}
	if c.ReturnPath == nil {
		c.ReturnPath = func(e queue.Entry) string { return e.Sender }
	}
	if c.Dial == nil {
		c.Dial = dial
	}
	if c.Schedule == nil {
		c.Schedule = queue.NewSchedule(nil, nil)
	}
	if c.Connections <= 0 {
		c.Connections = 500
	}
	if c.Memory <= 0 {
		c.Memory = 256 << 20
	}
	if c.Grace <= 0 {
		c.Grace = 30 * time.Second
	}
	if c.DelayReport <= 0 {
		c.DelayReport = 4 * time.Hour
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Queue == nil, c.Bodies == nil, c.Resolver == nil, c.Guard == nil, c.Fleet == nil, c.Routes == nil,
		c.Judge == nil, c.Sign == nil, c.Now == nil:
		return errors.New("delivery engine: a demanded part is missing from its configuration")
	}
	return nil
}

func dial(ctx context.Context, o smtp.Options) (Session, error) {
	c, err := smtp.Dial(ctx, o)
	if err != nil {
		return nil, err // a typed nil in the interface would look like a session
	}
	return c, nil
}

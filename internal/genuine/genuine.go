// Package genuine answers strangers who ask whether an e-mail is really from an account
// ("Ist diese E-Mail echt?"): by the code that is printed in it, by date and subject, by
// its header or by the whole of it.
//
// It stands behind the journey (floor 3): it verifies DKIM signatures, looks into the
// record and the archive, and changes nothing. Whoever asks may be anybody, so an answer
// holds no recipient, no subject and no content, only yes, no or unknown, with the reason
// and what the asker must already know; and nothing can be found out about one recipient
// by guessing (see BySubject). What is handed in is not kept. Limits by network are the
// door's.
package genuine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Verdict is an answer in one word.
type Verdict string

// The verdicts. No is said only where there is evidence: a signature that does not fit, a
// content that is not what was sent under this name.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Unknown Verdict = "unknown"
)

// Reason says what a verdict rests on; it is the end of a catalogue key.
type Reason string

// The reasons.
const (
	ByCode      Reason = "code"      // yes: such a code is only in one of our mails
	BySubject   Reason = "subject"   // yes: many were sent with this subject that day
	Signed      Reason = "signed"    // yes: a signature of the account's domain holds, over the whole mail
	Archived    Reason = "archived"  // yes: the content is what the archive has
	Recorded    Reason = "recorded"  // yes: header and attachments are as on record; the text is no longer kept
	HeaderFits  Reason = "header"    // yes: a mail with this header was sent; the content was not seen
	Altered     Reason = "altered"   // no: sent under this Message-ID was something else
	Forged      Reason = "forged"    // no: a signature in the account's name does not fit
	NotFound    Reason = "none"      // unknown: nothing is found
	Foreign     Reason = "foreign"   // unknown: the sender's domain is none of the account's here
	Unsigned    Reason = "unsigned"  // unknown: the sender's domain, but nothing that proves it
	Unreadable  Reason = "malformed" // unknown: what was handed in is no mail
	NameServers Reason = "dns"       // unknown: the keys cannot be asked for now
)

// Answer is what an asker is told.
type Answer struct {
	Verdict Verdict
	Reason  Reason
	// At is when the mail was accepted, of a yes that found one; else zero. It stands in the
	// mail itself, and in its code.
	At time.Time
	// Domain is the sender's domain of that mail; of Signed the one that signed.
	Domain string
}

// Store finds mail by what a stranger has of it. Each method is one transaction and bounds
// its own work.
type Store interface {
	// AcceptedAt returns up to limit messages of a tenant accepted in [from, to), by the
	// time in their identifiers.
	AcceptedAt(ctx context.Context, t tenant.ID, from, to time.Time, limit int) ([]message.ID, error)
	// SentAs counts recipients of messages accepted in [from, to) with exactly this subject,
	// among the first scan messages of that time.
	SentAs(ctx context.Context, t tenant.ID, from, to time.Time, subject string, scan int) (int64, error)
	// NamedBySender returns the newest message of a tenant that came with a Message-ID of
	// its sender's; NotFound "message_not_found".
	NamedBySender(ctx context.Context, t tenant.ID, messageID string) (message.ID, error)
}

// Mail reads the record; insight.Store does.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
}

// Bodies reads the archive; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Tenants tells of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
}

// Config is what a Service stands on. Fields without a stated default are needed.
type Config struct {
	Store    Store
	Mail     Mail
	Bodies   Bodies
	Tenants  Tenants
	Resolver dns.Resolver
	Keeper   *seal.Keeper
	// Pace is how long each answer takes at least, so that time does not tell what was
	// found; 0: 400 ms.
	Pace time.Duration
	// Slots bounds how many questions are looked into at one time; 0: 4.
	Slots int
	Zone  *time.Location // of days; nil: UTC
}

// Service answers. It is safe for concurrent use.
type Service struct {
	c     Config
	codes coder
	slots chan struct{}
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Mail == nil || c.Bodies == nil || c.Tenants == nil || c.Resolver == nil || c.Keeper == nil {
		return nil, errors.New("genuine: a demanded part is missing from the configuration")
	}
	if c.Pace == 0 {
		c.Pace = 400 * time.Millisecond
	}
	if c.Slots <= 0 {
		c.Slots = 4
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Service{c: c, codes: newCoder(c.Keeper), slots: make(chan struct{}, c.Slots)}, nil
}

// Name is how the account is called. Errors: NotFound "tenant_not_found".
func (s *Service) Name(ctx context.Context, t tenant.ID) (string, error) {
	v, err := s.c.Tenants.Tenant(ctx, t)
	if err != nil {
		return "", fmt.Errorf("name of account: %w", err)
	}
	return v.Name, nil
}

// answer looks into a question when there is room, and waits until an answer may be given.
// Too many at once are Unavailable "busy".
func (s *Service) answer(ctx context.Context, look func(context.Context) (Answer, error)) (Answer, error) {
	select {
	case s.slots <- struct{}{}:
	default:
		return Answer{}, &fault.Error{Kind: fault.Unavailable, Code: "busy", Detail: "Too many questions at once.", RetryAfter: time.Second}
	}
	pace := time.NewTimer(s.c.Pace)
	defer pace.Stop()
	a, err := look(ctx)
	<-s.slots
	select {
	case <-pace.C:
		return a, err
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
}

const (
	// maxInstant bounds the messages of one millisecond that a code is compared with.
	maxInstant = 5_000
	// maxScan bounds the messages of one day that a subject is looked for in.
	maxScan = 50_000
	// manyRecipients is from how many on a subject is confirmed: what few people got is
	// theirs, and a guess at it is not answered.
	manyRecipients = 5
	maxSubject     = 1_000 // bytes
)

// AskCode answers by the code in a mail.
func (s *Service) AskCode(ctx context.Context, t tenant.ID, code string) (Answer, error) {
	return s.answer(ctx, func(ctx context.Context) (Answer, error) {
		c, ok := parseCode(code)
		if !ok {
			return Answer{Verdict: Unknown, Reason: NotFound}, nil
		}
		at := c.time()
		list, err := s.c.Store.AcceptedAt(ctx, t, at, at.Add(time.Millisecond), maxInstant)
		if err != nil {
			return Answer{}, fmt.Errorf("look for code: %w", err)
		}
		for _, m := range list {
			if s.codes.fits(c, t, m) {
				return s.known(ctx, t, m, ByCode)
			}
		}
		return Answer{Verdict: Unknown, Reason: NotFound}, nil
	})
}

// known is a yes about a mail on record.
func (s *Service) known(ctx context.Context, t tenant.ID, m message.ID, why Reason) (Answer, error) {
	v, err := s.c.Mail.Message(ctx, t, m)
	if err != nil {
		return Answer{}, fmt.Errorf("read message: %w", err)
	}
	return Answer{Verdict: Yes, Reason: why, At: v.AcceptedAt, Domain: v.From.Domain}, nil
}

// AskSubject answers by day and subject, for what went to many: announcements. What went to
// fewer than five recipients that day is unknown like what never was, so that nobody can
// guess whether some person was sent some letter. On days with more than 50,000 messages
// only the first of them are looked into.
func (s *Service) AskSubject(ctx context.Context, t tenant.ID, day time.Time, subject string) (Answer, error) {
	return s.answer(ctx, func(ctx context.Context) (Answer, error) {
		if subject == "" || len(subject) > maxSubject {
			return Answer{Verdict: Unknown, Reason: NotFound}, nil
		}
		y, m, d := day.Date()
		from := time.Date(y, m, d, 0, 0, 0, 0, s.c.Zone)
		n, err := s.c.Store.SentAs(ctx, t, from, time.Date(y, m, d+1, 0, 0, 0, 0, s.c.Zone), subject, maxScan)
		if err != nil {
			return Answer{}, fmt.Errorf("look for subject: %w", err)
		}
		if n < manyRecipients {
			return Answer{Verdict: Unknown, Reason: NotFound}, nil
		}
		return Answer{Verdict: Yes, Reason: BySubject}, nil
	})
}

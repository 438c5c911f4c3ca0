package genuine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

const (
	// MaxMail bounds an e-mail that is handed in, in bytes.
	MaxMail = 10 << 20
	// maxSignatures bounds the signatures that are verified of one mail.
	maxSignatures = 5
)

// letter is a mail that was handed in, or the header of one.
type letter struct {
	raw    []byte // with CRLF line ends
	in     message.Inspection
	header bool // nothing follows the header
}

// read takes apart what somebody pasted or uploaded. What mail programs do to a copy is
// undone: other line ends, blank lines before it, the first line of an mbox file.
func read(raw []byte) (letter, error) {
	if len(raw) > MaxMail {
		return letter{}, fault.New(fault.TooLarge, "genuine_too_large", "The e-mail is larger than can be checked here.")
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	raw = bytes.TrimLeft(raw, "\n")
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	if !bytes.Contains(raw, []byte("\n\n")) {
		raw = append(bytes.TrimRight(raw, "\n"), "\n\n"...)
	}
	raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	// A body may have longer lines than SMTP carries once a program has saved it.
	in, err := message.Inspect(raw, message.Limits{LineBytes: -1})
	if err != nil {
		return letter{}, err
	}
	return letter{raw, in, len(bytes.TrimSpace(raw[in.Body:])) == 0}, nil
}

// AskMail answers by a whole e-mail as it was received, or by its header. Errors: TooLarge
// "genuine_too_large".
func (s *Service) AskMail(ctx context.Context, t tenant.ID, raw []byte) (Answer, error) {
	return s.answer(ctx, func(ctx context.Context) (Answer, error) {
		l, err := read(raw)
		if fault.IsKind(err, fault.TooLarge) {
			return Answer{}, err
		}
		if err != nil {
			return Answer{Verdict: Unknown, Reason: Unreadable}, nil //nolint:nilerr // what is no mail is an answer
		}
		return s.judge(ctx, t, l)
	})
}

// judge asks the signature first, which proves the copy at hand whatever was kept, then
// the record.
func (s *Service) judge(ctx context.Context, t tenant.ID, l letter) (Answer, error) {
	domains, err := s.domains(ctx, t)
	if err != nil {
		return Answer{}, err
	}
	seal := sealNone
	if !l.header {
		if seal = s.seal(ctx, l, domains); seal == sealHolds {
			return Answer{Verdict: Yes, Reason: Signed, Domain: l.in.From.Domain}, nil
		}
	}
	m, found, err := s.find(ctx, t, l.in.MessageID)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case found:
		return s.compare(ctx, m, l)
	case seal == sealBroken:
		return Answer{Verdict: No, Reason: Forged}, nil
	case seal == sealLater:
		return Answer{Verdict: Unknown, Reason: NameServers}, nil
	case domains.has(l.in.From.Domain):
		return Answer{Verdict: Unknown, Reason: Unsigned}, nil
	}
	return Answer{Verdict: Unknown, Reason: Foreign}, nil
}

// names are an account's sending domains.
type names []string

// has reports whether a name is one of the domains or lies below one.
func (n names) has(name string) bool {
	for _, d := range n {
		if name == d || strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return false
}

func (s *Service) domains(ctx context.Context, t tenant.ID) (names, error) {
	list, err := s.c.Tenants.Domains(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("domains of account: %w", err)
	}
	var n names
	for _, d := range list {
		if d.Usable() {
			n = append(n, d.Name)
		}
	}
	return n, nil
}

// sealState is what the signatures in the account's name come to.
type sealState int

const (
	sealNone   sealState = iota // there are none, or they have run out
	sealLater                   // their keys cannot be asked for now
	sealBroken                  // none fits
	sealHolds                   // one holds and is aligned with From
)

// errForeign keeps strangers from having us ask any name server they like.
var errForeign = errors.New("not a key of this account")

// seal verifies DKIM (RFC 6376). Only keys of the account's domains are asked for.
func (s *Service) seal(ctx context.Context, l letter, domains names) sealState {
	asked := dns.Standard{Resolver: s.c.Resolver}
	list, err := dkim.VerifyWithOptions(bytes.NewReader(l.raw), &dkim.VerifyOptions{
		MaxVerifications: maxSignatures,
		LookupTXT: func(name string) ([]string, error) {
			if _, of, ok := strings.Cut(strings.ToLower(name), "._domainkey."); !ok || !domains.has(of) {
				return nil, errForeign
			}
			return asked.LookupTXT(ctx, name)
		},
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return sealNone
	}
	best := sealNone
	for _, v := range list {
		d := strings.ToLower(v.Domain)
		from := l.in.From.Domain
		switch {
		case !domains.has(d) || !domains.has(from) || !aligned(d, from):
		case v.Err == nil:
			return sealHolds
		case dkim.IsTempFail(v.Err):
			best = max(best, sealLater)
		case !expired(v.Err):
			best = max(best, sealBroken)
		}
	}
	return best
}

// aligned reports whether one of the two is the other or lies below it (RFC 7489, 3.1.1,
// among domains that are known to be the account's).
func aligned(a, b string) bool {
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}

// expired reports whether a signature has merely run out: ours do after a week, so that
// nobody can send an old mail again. The library says so in its text alone.
func expired(err error) bool { return strings.Contains(err.Error(), "expired") }

// find looks a Message-ID up: our own, which tells the message, or its sender's.
func (s *Service) find(ctx context.Context, t tenant.ID, messageID string) (insight.Message, bool, error) {
	if messageID == "" {
		return insight.Message{}, false, nil
	}
	local, _, _ := strings.Cut(messageID, "@")
	m, err := id.Parse[message.Kind](local)
	if err != nil {
		if m, err = s.c.Store.NamedBySender(ctx, t, messageID); fault.IsKind(err, fault.NotFound) {
			return insight.Message{}, false, nil
		}
		if err != nil {
			return insight.Message{}, false, fmt.Errorf("look for Message-ID: %w", err)
		}
	}
	v, err := s.c.Mail.Message(ctx, t, m)
	switch {
	case fault.IsKind(err, fault.NotFound):
		return insight.Message{}, false, nil
	case err != nil:
		return insight.Message{}, false, fmt.Errorf("read message: %w", err)
	}
	return v, v.MessageID == messageID, nil
}

// compare holds a copy against what was sent under its name. Fields that are added on the
// way (Received, signatures) do not matter.
func (s *Service) compare(ctx context.Context, m insight.Message, l letter) (Answer, error) {
	yes := func(why Reason) Answer {
		return Answer{Verdict: Yes, Reason: why, At: m.AcceptedAt, Domain: m.From.Domain}
	}
	no := Answer{Verdict: No, Reason: Altered}
	if m.From.Address != l.in.From.Address || m.From.Name != l.in.From.Name || m.Subject != l.in.Subject {
		return no, nil
	}
	if l.header {
		return yes(HeaderFits), nil
	}
	sent, err := s.c.Bodies.Body(ctx, m.Body)
	if errors.Is(err, spool.ErrGone) {
		if sameDigests(m.Digests, l.in.Digests) {
			return yes(Recorded), nil
		}
		return no, nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("read archive: %w", err)
	}
	archived, err := read(sent)
	if err != nil {
		return Answer{}, fmt.Errorf("read archive: %w", err)
	}
	if hashOf(archived) != hashOf(l) {
		return no, nil
	}
	return yes(Archived), nil
}

func sameDigests(a, b []message.Digest) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].SHA256 != b[i].SHA256 {
			return false
		}
	}
	return true
}

// hashOf is over the body and what says how to read it. Servers and programs may change
// blanks at the ends of lines and empty lines at the end, as relaxed canonicalisation
// allows (RFC 6376, 3.4.4).
func hashOf(l letter) [32]byte {
	h := sha256.New()
	for _, f := range l.in.Fields {
		switch strings.ToLower(f.Name) {
		case "content-type", "content-transfer-encoding", "reply-to":
			fmt.Fprintf(h, "%s:%s\n", strings.ToLower(f.Name), strings.Join(strings.Fields(f.Value), " "))
		}
	}
	body := bytes.TrimRight(l.raw[l.in.Body:], "\r\n\t ")
	for line := range bytes.Lines(body) {
		for i, word := range bytes.Fields(line) {
			if i > 0 {
				h.Write([]byte{' '})
			}
			h.Write(word)
		}
		h.Write([]byte{'\n'})
	}
	return [32]byte(h.Sum(nil))
}

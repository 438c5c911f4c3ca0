package returns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/returns"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

func dsn(action, status, reply string) string {
	return `
From: Mail Delivery System <MAILER-DAEMON@mx.gmx.example>
To: {verp}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

This is the mail system at host mx.gmx.example.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.gmx.example

Final-Recipient: rfc822; {rcpt}
Action: ` + action + `
Status: ` + status + `
Remote-MTA: dns; inner.gmx.example
Diagnostic-Code: smtp; ` + reply + `

--b
Content-Type: message/rfc822

Message-ID: <{msgid}>
Subject: Ihr Termin

Guten Tag
--b--
`
}

func complaint(kind, header string) string {
	return `
From: fbl@provider.example
To: fbl@bounces.mail.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

A person complained.
--b
Content-Type: message/feedback-report

Feedback-Type: ` + kind + `
User-Agent: Provider/1.0
Version: 1

--b
Content-Type: message/rfc822

` + header + `Message-ID: <{msgid}>
Subject: Ihr Termin

Guten Tag
--b--
`
}

const reply = `
From: Kundin <kundin@gmx.example>
To: {verp}
Subject: Re: Ihr Termin
Message-ID: <answer@gmx.example>
Date: Sat, 28 Mar 2026 11:00:00 +0100

Passt mir gut.
`

func nested() string {
	text := "From: a@b.example\nSubject: x\nMIME-Version: 1.0\n"
	for range 40 {
		text += "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\n"
	}
	return "\n" + text + "Content-Type: text/plain\n\nx\n"
}

// TestWhatComesBack: what each kind of mail changes, and what it does not.
func TestWhatComesBack(t *testing.T) {
	const gone = "550 5.1.1 <{rcpt}>: Recipient address rejected: User unknown"
	for name, c := range map[string]struct {
		sender, to, raw string
		fact            event.Type // the one fact on the delivery; "" for none
		reason          string
		why             string
		suppressed      string
	}{
		"a mailbox that never was":    {to: "{verp}", raw: dsn("failed", "5.1.1", gone), fact: event.LateBounced, reason: "user_unknown", suppressed: "hard_bounce"},
		"upper case on the way":       {to: "{VERP}", raw: dsn("failed", "5.1.1", gone), fact: event.LateBounced, reason: "user_unknown", suppressed: "hard_bounce"},
		"a full mailbox":              {to: "{verp}", raw: dsn("failed", "5.2.2", "552 5.2.2 mailbox full"), fact: event.LateBounced, reason: "mailbox_full"},
		"delayed":                     {to: "{verp}", raw: dsn("delayed", "4.4.1", "connection timed out"), fact: event.ReportedDelayed},
		"relayed":                     {to: "{verp}", raw: dsn("relayed", "2.0.0", "250 ok"), fact: event.ReportedRelayed, reason: "delivered"},
		"delivered":                   {to: "{verp}", raw: dsn("delivered", "2.0.0", "250 ok"), fact: event.ReportedDelivered, reason: "delivered"},
		"another's message":           {to: "{verp}", raw: strings.Replace(dsn("failed", "5.1.1", gone), "{msgid}", "x@elsewhere.example", 1), why: returns.WhyOtherMessage},
		"a complaint":                 {to: "{verp}", raw: complaint("abuse", ""), fact: event.Complained, reason: "complaint", suppressed: "complaint"},
		"a complaint at the fbl":      {to: "fbl@bounces.mail.example", raw: complaint("abuse", "Return-Path: <{verp}>\n"), fact: event.Complained, reason: "complaint", suppressed: "complaint"},
		"by the unsubscribe address":  {to: "abuse@post.mail.example", raw: complaint("abuse", "List-Unsubscribe: <https://x.example/>, <mailto:{unsub}?subject=x>\n"), fact: event.Complained, reason: "complaint", suppressed: "complaint"},
		"by the complaint address":    {to: "abuse@post.mail.example", raw: complaint("abuse", "CFBL-Address: {verp}; report=arf\n"), fact: event.Complained, reason: "complaint", suppressed: "complaint"},
		"a complaint without proof":   {to: "fbl@bounces.mail.example", raw: complaint("abuse", ""), why: returns.WhyNoProof},
		"a complaint with forged MAC": {to: "fbl@bounces.mail.example", raw: complaint("abuse", "Return-Path: <{forged}>\n"), why: returns.WhyNoProof},
		"a bounce to postmaster":      {to: "postmaster@post.mail.example", raw: strings.ReplaceAll(dsn("failed", "5.1.1", gone), "{verp}", "postmaster@post.mail.example"), why: returns.WhyNoProof},
		"not spam":                    {to: "{verp}", raw: complaint("not-spam", ""), why: returns.WhyNoComplaint},
		"opt-out":                     {to: "{verp}", raw: complaint("opt-out", ""), fact: event.Unsubscribed, suppressed: "unsubscribed"},
		"unsubscribe":                 {sender: recipient, to: "{unsub}", raw: "\nFrom: {rcpt}\nSubject: unsubscribe\n\n\n", fact: event.Unsubscribed, suppressed: "unsubscribed"},
		"unsubscribe in own words":    {sender: recipient, to: "{unsub}", raw: "\nFrom: {rcpt}\nSubject: Bitte nicht mehr\n\nDanke\n", fact: event.Unsubscribed, suppressed: "unsubscribed"},
		"a bounce of an unsubscribe":  {to: "{unsub}", raw: dsn("failed", "5.1.1", gone), why: returns.WhyUnexpected},
		"an absence":                  {sender: recipient, to: "{verp}", raw: "\nFrom: {rcpt}\nSubject: Abwesend\nAuto-Submitted: auto-replied\n\nIch bin weg.\n", fact: event.AutoReplied},
		"a list":                      {sender: "list@l.example", to: "{verp}", raw: "\nFrom: list@l.example\nSubject: x\nList-Id: <l.example>\n\nx\n", fact: event.AutoReplied},
		"a reply":                     {sender: recipient, to: "{verp}", raw: reply, fact: event.Replied},
		"to the postmaster":           {sender: recipient, to: "postmaster@bounces.mail.example", raw: reply, why: returns.WhyForPeople},
		"too deep":                    {to: "{verp}", raw: nested(), why: "report_too_complex"},
		"no header":                   {to: "{verp}", raw: "\njust words\n", why: "report_malformed"},
		"empty":                       {to: "{verp}", raw: "", why: "report_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.receive(c.sender, strings.Replace(c.to, "{VERP}", strings.ToUpper(w.verp()), 1), c.raw)
			w.sort()
			m, facts := w.last(), w.facts()
			if m.Why != c.why || (m.State == returns.Matched) != (c.why == "") {
				t.Errorf("%s, why %q, kind %s; want why %q", m.State, m.Why, m.Kind, c.why)
			}
			if c.fact == "" && len(facts) > 0 || c.fact != "" && (len(facts) != 1 || facts[0].Type != c.fact) {
				t.Fatalf("facts %+v, want %q", facts, c.fact)
			}
			if c.fact != "" && c.reason != "" && facts[0].Reason != c.reason {
				t.Errorf("reason %q, want %q", facts[0].Reason, c.reason)
			}
			if s := w.suppressed(); s != c.suppressed {
				t.Errorf("suppressed as %q, want %q", s, c.suppressed)
			}
		})
	}
}

// TestReplyIsPassedOn: the tenant gets the bytes the person wrote, from nobody, and
// what would command the entrance is not in them.
func TestReplyIsPassedOn(t *testing.T) {
	w := newWorld(t)
	w.receive(recipient, "{verp}", strings.Replace(reply, "\n\nPasst", "\nX-Stafette-Stream: newsletter\nX-Stafette-Nonsense: 1\n\nPasst", 1))
	w.sort()
	w.sort()
	list := w.passedOn()
	if len(list) != 1 {
		t.Fatalf("%d messages were made of it; %+v", len(list), w.last())
	}
	m := list[0]
	if m.Deliveries[0].Recipient.String() != "info@muster.example" || m.From.String() != "Kundin <kundin@gmx.example>" || m.Door != "returns" {
		t.Errorf("passed on as %+v", m)
	}
	body, err := spool.New(w.store.Archive(), w.keeper).Body(t.Context(), m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != w.fill(reply) {
		t.Errorf("bytes were changed:\n%s", body)
	}
	o, _, err := w.store.OriginOf(t.Context(), w.tenant, m.Deliveries[0].ID)
	if err != nil || o.Sender != "" {
		t.Errorf("it leaves from %q, %v", o.Sender, err)
	}
}

// TestReplyThatMakesALoop: what the tenant itself sent is not sent to it.
func TestReplyThatMakesALoop(t *testing.T) {
	for name, raw := range map[string]string{
		"from where it would go": strings.Replace(reply, "Kundin <kundin@gmx.example>", "info@muster.example", 1),
		"long on its way":        "\n" + strings.Repeat("Received: by a.example; Sat, 28 Mar 2026 11:00:00 +0100\n", 30) + strings.TrimLeft(reply, "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.receive(recipient, "{verp}", raw)
			w.sort()
			if m := w.last(); m.Why != returns.WhyLoop || len(w.passedOn()) != 0 {
				t.Errorf("why %q, %d passed on", m.Why, len(w.passedOn()))
			}
		})
	}
}

// TestReportsAreBounded: who has a return path cannot fill the record (T41).
func TestReportsAreBounded(t *testing.T) {
	w := newWorld(t)
	for range 60 {
		w.receive("", "{verp}", dsn("delayed", "4.4.1", "timed out"))
	}
	for range 3 {
		w.sort()
	}
	// The readers work side by side: a few more than the bound may pass.
	if n := len(w.facts()); n < 50 || n > 53 {
		t.Errorf("%d facts", n)
	}
	if m := w.last(); m.State == returns.Pending {
		t.Errorf("a mail was not read: %+v", m)
	}
}

// TestReaderThatFailed: a mail whose reading ended in trouble is read again later, and
// told once.
func TestReaderThatFailed(t *testing.T) {
	w := newWorld(t)
	trouble := errors.New("the database is away")
	w.receive("", "{verp}", dsn("failed", "5.1.1", "550 5.1.1 user unknown"))
	failing := &failingStore{Store: w.store, err: trouble}
	s := w.sorterOver(failing)
	if _, err := s.Sort(t.Context()); !errors.Is(err, trouble) {
		t.Fatalf("error is %v", err)
	}
	if n := len(w.facts()); n != 0 {
		t.Errorf("%d facts before it was concluded", n)
	}
	failing.err = nil
	w.pass(time.Minute)
	if n, _ := s.Sort(t.Context()); n != 0 {
		t.Error("taken again at once")
	}
	w.pass(10 * time.Minute)
	for range 2 {
		if _, err := s.Sort(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.facts()); n != 1 {
		t.Errorf("%d facts", n)
	}
}

func TestAddresses(t *testing.T) {
	w := newWorld(t)
	verp := w.paths.Make(returns.PathOf(w.tenant, w.delivery()), ourDomain)
	for text, want := range map[string]returns.Purpose{
		verp.String(): returns.ForDelivery,
		w.unsub.Make(returns.PathOf(w.tenant, w.delivery()), ourDomain).String(): returns.ForUnsubscribe,
		"Postmaster@Bounces.Mail.Example":                                        returns.ForPostmaster,
		"abuse@post.mail.example":                                                returns.ForReports,
		verp.Local + "@other.example":                                            "", // the MAC is for the domain
		"u" + verp.Local[1:] + "@" + ourDomain:                                   "", // and for the purpose
		"info@" + ourDomain:                                                      "",
		"postmaster@elsewhere.example":                                           "",
		"victim%elsewhere.example@" + ourDomain:                                  "",
		"elsewhere.example!victim@" + ourDomain:                                  "",
		"postmaster":                                                             "",
	} {
		local, domain, _ := strings.Cut(text, "@")
		p, _, ok := w.addresses.Purpose(message.Address{Local: local, Domain: domain})
		if p != want || ok != (want != "") {
			t.Errorf("%s is for %q, %v; want %q", text, p, ok, want)
		}
	}
}

// shelf takes aggregate reports as a test says.
type shelf struct {
	err   error
	taken []string // domain and whether a signature holds
}

// Take implements returns.Aggregates.
func (s *shelf) Take(_ context.Context, d tenant.DomainID, raw []byte, signed bool) error {
	if !strings.Contains(string(raw), "aggregate") {
		return errors.New("not the mail that was sent")
	}
	s.taken = append(s.taken, fmt.Sprint(d, " ", signed))
	return s.err
}

// TestAggregateReports: mail to a domain's own address goes to those who read reports,
// however little a bounce it is, and touches no delivery.
func TestAggregateReports(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		state returns.State
		why   string
	}{
		"read":           {nil, returns.Matched, ""},
		"no report":      {fault.New(fault.Invalid, "report_malformed", "x"), returns.Unmatched, returns.WhyNoAggregate},
		"not now":        {errors.New("database is away"), returns.Pending, ""},
		"not a tenant's": {fault.New(fault.NotFound, "domain_not_found", "x"), returns.Unmatched, returns.WhyNoAggregate},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := &shelf{err: c.err}
			w.config.Aggregates = s
			w.sorter = returns.NewSorter(w.config)
			domain := id.New[tenant.DomainKind](w.Now())
			to := "reports+" + domain.String() + "@" + ourDomain
			if p, _, ok := w.addresses.Purpose(message.Address{Local: "reports+" + domain.String(), Domain: ourDomain}); !ok || p != returns.ForDomain {
				t.Fatalf("%s is for %q %t", to, p, ok)
			}
			w.receive("noreply@provider.example", to, "From: noreply@provider.example\nSubject: Report\n\naggregate\n")
			if _, err := w.sorter.Sort(t.Context()); (err != nil) != (c.state == returns.Pending) {
				t.Fatal(err)
			}
			if m := w.last(); m.State != c.state || m.Why != c.why {
				t.Errorf("state %q, why %q", m.State, m.Why)
			}
			if want := []string{domain.String() + " false"}; !slices.Equal(s.taken, want) {
				t.Errorf("taken %q, want %q", s.taken, want)
			}
		})
	}
}

package genuine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/dkim"
	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/genuine"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

const domain = "muster.example"

// keys makes one DKIM key for all tests.
var keys = sync.OnceValue(func() (k struct {
	key    dkim.Key
	record string
},
) {
	der, record, err := dkim.GenerateKey(dkim.Ed25519)
	if err != nil {
		panic(err)
	}
	s, err := dkim.ParseSigner(der)
	if err != nil {
		panic(err)
	}
	k.key, k.record = dkim.Key{Selector: "s1", Signer: s}, record
	return k
})

// world is the record, the archive and the name system around the service, in memory.
type world struct {
	testing.TB
	*genuine.Service
	coder    genuine.Coder
	account  tenant.ID
	messages []insight.Message
	bodies   map[message.ID][]byte
	asked    []string // names of keys
	dnsErr   error
}

func newWorld(t testing.TB, change ...func(*genuine.Config)) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, coder: genuine.NewCoder(keeper), account: tenant.ID{15: 7}, bodies: map[message.ID][]byte{}}
	c := genuine.Config{Store: w, Mail: w, Bodies: w, Tenants: w, Resolver: w, Keeper: keeper, Pace: time.Nanosecond}
	for _, f := range change {
		f(&c)
	}
	if w.Service, err = genuine.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) AcceptedAt(_ context.Context, t tenant.ID, from, to time.Time, _ int) (list []message.ID, _ error) {
	for _, m := range w.messages {
		if m.Tenant == t && !m.ID.Time().Before(from) && m.ID.Time().Before(to) {
			list = append(list, m.ID)
		}
	}
	return list, nil
}

func (w *world) SentAs(_ context.Context, t tenant.ID, from, to time.Time, subject string, _ int) (n int64, _ error) {
	for _, m := range w.messages {
		if m.Tenant == t && m.Subject == subject && !m.ID.Time().Before(from) && m.ID.Time().Before(to) {
			n += int64(m.DeliveryCount)
		}
	}
	return n, nil
}

func (w *world) one(t tenant.ID, is func(insight.Message) bool) (insight.Message, error) {
	for _, m := range w.messages {
		if m.Tenant == t && is(m) {
			return m, nil
		}
	}
	return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "")
}

func (w *world) NamedBySender(_ context.Context, t tenant.ID, name string) (message.ID, error) {
	m, err := w.one(t, func(m insight.Message) bool { return m.MessageID == name })
	return m.ID, err
}

func (w *world) Message(_ context.Context, t tenant.ID, id message.ID) (insight.Message, error) {
	return w.one(t, func(m insight.Message) bool { return m.ID == id })
}

func (w *world) Body(_ context.Context, h spool.Handle) ([]byte, error) {
	if b := w.bodies[h.Message]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("body: %w", spool.ErrGone)
}

func (w *world) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, Name: "Muster"}, nil
}

func (w *world) Domains(_ context.Context, t tenant.ID) ([]tenant.Domain, error) {
	if t != w.account {
		return nil, nil
	}
	return []tenant.Domain{{Name: domain, State: tenant.Verified}, {Name: "wartet.example", State: tenant.Pending}}, nil
}

func (w *world) Addrs(context.Context, string) ([]netip.Addr, error) { return nil, dns.ErrNoDomain }
func (w *world) MX(context.Context, string) ([]dns.MX, error)        { return nil, dns.ErrNoDomain }
func (w *world) TXT(_ context.Context, name string) ([]string, error) {
	w.asked = append(w.asked, name)
	if w.dnsErr != nil {
		return nil, w.dnsErr
	}
	if name == "s1._domainkey."+domain {
		return []string{keys().record}, nil
	}
	return nil, dns.ErrNoDomain
}

// sent puts a mail on record, in the archive and, signed at that time, into a mailbox.
func (w *world) sent(at time.Time, subject string, recipients int) (insight.Message, []byte) {
	w.Helper()
	id := message.NewID(at)
	from := message.Mailbox{Name: "Büro", Address: message.Address{Local: "info", Domain: domain}}
	c, err := message.Compose(message.Draft{
		From: from, To: []message.Mailbox{{Address: message.Address{Local: "eva.geheim", Domain: "kunde.example"}}}, Subject: subject,
		Text: "Die neuen Adressen stehen anbei.\n\nGrüße", Attachments: []message.Attachment{{Filename: "liste.txt", ContentType: "text/plain", Content: []byte("192.0.2.17\n")}},
		Date: at, MessageID: id.String() + "@" + domain,
	})
	if err != nil {
		w.Fatal(err)
	}
	c.Bytes = append([]byte(genuine.Header+": "+w.coder.Code(w.account, id)+"\r\n"), c.Bytes...)
	m := insight.Message{ID: id, Tenant: w.account, From: from, Subject: subject, MessageID: id.String() + "@" + domain, Digests: c.Digests, AcceptedAt: at, DeliveryCount: recipients}
	m.Body.Message = id
	w.messages = append(w.messages, m)
	w.bodies[id] = c.Bytes
	signature, err := dkim.Sign(at, c.Bytes, dkim.Options{Domain: domain, Keys: []dkim.Key{keys().key}})
	if err != nil {
		w.Fatal(err)
	}
	return m, append(append([]byte("Received: from mail.stafette.example by mx.kunde.example; today\r\n"), signature...), c.Bytes...)
}

func (w *world) want(what string, a genuine.Answer, err error, v genuine.Verdict, why genuine.Reason) {
	w.Helper()
	if err != nil || a.Verdict != v || a.Reason != why {
		w.Errorf("%s: %+v, %v, want %s %s", what, a, err, v, why)
	}
	for _, secret := range []string{"geheim", "kunde.example", "Neue Adressen"} {
		if strings.Contains(fmt.Sprintf("%+v", a), secret) {
			w.Errorf("%s: the answer tells %q: %+v", what, secret, a)
		}
	}
}

// now is the time of the test's signatures: the verifier looks at the real clock.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// A real mail of ours is genuine by its signature; with anything changed it is not.
func TestWholeMail(t *testing.T) {
	w := newWorld(t)
	ask := func(raw []byte) (genuine.Answer, error) { return w.AskMail(t.Context(), w.account, raw) }
	_, mail := w.sent(now(), "Neue Adressen", 100)
	for what, raw := range map[string][]byte{
		"as received": mail, "saved with other line ends": bytes.ReplaceAll(mail, []byte("\r\n"), []byte("\n")),
		"from an mbox": append([]byte("From info@muster.example Thu Nov 19\n"), mail...), "behind blank lines": append([]byte("\xef\xbb\xbf\r\n\r\n"), mail...),
	} {
		a, err := ask(raw)
		w.want(what, a, err, genuine.Yes, genuine.Signed)
	}
	for what, change := range map[string][2]string{
		"subject": {"Subject: Neue Adressen", "Subject: Neue Kontonummer"}, "body": {"Die neuen", "Die alten"}, "attachment": {"MTkyLjAuMi4xNwo", "MTkyLjAuMi4xOAo"},
		"sender": {"<info@muster.example>", "<chefin@muster.example>"},
	} {
		raw := bytes.Replace(mail, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(raw, mail) {
			t.Fatalf("%s: nothing to change in %s", what, mail)
		}
		a, err := ask(raw)
		w.want(what, a, err, genuine.No, genuine.Altered)
	}
	stolen := bytes.Replace(bytes.Replace(mail, []byte("Message-ID: <msg_"), []byte("Message-ID: <other_"), 1), []byte("Die neuen"), []byte("Die alten"), 1)
	a, err := ask(stolen)
	w.want("our signature on another mail", a, err, genuine.No, genuine.Forged)
	if _, err := ask(make([]byte, genuine.MaxMail+1)); !fault.IsKind(err, fault.TooLarge) {
		t.Errorf("too large: %v", err)
	}
	for _, bad := range []string{"", "Hallo, ist das echt?", "From: a@b.example\r\nFrom: c@d.example\r\n\r\nx", "From: a@b.example\x00\r\n\r\nx"} {
		a, err := ask([]byte(bad))
		w.want(bad, a, err, genuine.Unknown, genuine.Unreadable)
	}
}

// After a week a signature has run out: the archive answers, and when that is empty the
// record.
func TestOldMail(t *testing.T) {
	w := newWorld(t)
	ask := func(raw []byte) (genuine.Answer, error) { return w.AskMail(t.Context(), w.account, raw) }
	m, mail := w.sent(now().AddDate(0, 0, -20), "Neue Adressen", 1)
	a, err := ask(mail)
	w.want("from the archive", a, err, genuine.Yes, genuine.Archived)
	if !a.At.Equal(m.AcceptedAt) || a.Domain != domain {
		t.Errorf("%+v", a)
	}
	a, err = ask(bytes.Replace(mail, []byte("Die neuen"), []byte("Die alten"), 1))
	w.want("changed", a, err, genuine.No, genuine.Altered)
	delete(w.bodies, m.ID)
	a, err = ask(mail)
	w.want("from the record", a, err, genuine.Yes, genuine.Recorded)
	a, err = ask(bytes.Replace(mail, []byte("MTkyLjAuMi4xNwo"), []byte("MTkyLjAuMi4xOAo"), 1))
	w.want("another attachment", a, err, genuine.No, genuine.Altered)
	w.messages = nil
	a, err = ask(mail)
	w.want("long gone", a, err, genuine.Unknown, genuine.Unsigned)
}

func TestHeaderAlone(t *testing.T) {
	w := newWorld(t)
	m, mail := w.sent(now(), "Neue Adressen", 1)
	header, _, _ := strings.Cut(string(mail), "\r\n\r\n")
	a, err := w.AskMail(t.Context(), w.account, []byte(header))
	w.want("header", a, err, genuine.Yes, genuine.HeaderFits)
	a, err = w.AskMail(t.Context(), w.account, []byte(strings.Replace(header, "Subject: Neue", "Subject: Alte", 1)))
	w.want("another subject", a, err, genuine.No, genuine.Altered)
	a, err = w.AskMail(t.Context(), tenant.ID{1}, []byte(header))
	w.want("of another account", a, err, genuine.Unknown, genuine.Foreign)
	w.messages[0].MessageID = "eigene@programm.example"
	a, err = w.AskMail(t.Context(), w.account, []byte(strings.Replace(header, m.ID.String()+"@"+domain, "eigene@programm.example", 1)))
	w.want("named by its sender", a, err, genuine.Yes, genuine.HeaderFits)
}

// Whoever writes mail in foreign names learns nothing, and has us ask no foreign server.
func TestForeignMail(t *testing.T) {
	w := newWorld(t)
	forged := "DKIM-Signature: v=1; a=ed25519-sha256; d=böse.example; s=x; h=from; bh=AAAA; b=AAAA\r\n"
	other := "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=evil.example; s=x; h=from; bh=AAAA; b=AAAA\r\n"
	pending := strings.ReplaceAll(other, "evil.example", "wartet.example")
	mail := func(from string) []byte {
		return []byte(forged + other + pending + "From: Muster <" + from + ">\r\nTo: eva@kunde.example\r\nSubject: x\r\nMessage-ID: <1@x.example>\r\n\r\nx\r\n")
	}
	a, err := w.AskMail(t.Context(), w.account, mail("info@muster-example.test"))
	w.want("a domain like ours", a, err, genuine.Unknown, genuine.Foreign)
	a, err = w.AskMail(t.Context(), w.account, mail("info@muster.example"))
	w.want("our domain", a, err, genuine.Unknown, genuine.Unsigned)
	if len(w.asked) > 0 {
		t.Errorf("asked for %v", w.asked)
	}
	_, signed := w.sent(now(), "x", 1)
	w.messages, w.dnsErr = nil, dns.ErrTemporary
	a, err = w.AskMail(t.Context(), w.account, signed)
	w.want("name servers are silent", a, err, genuine.Unknown, genuine.NameServers)
}

func TestCode(t *testing.T) {
	w := newWorld(t)
	at := now()
	m, _ := w.sent(at, "Neue Adressen", 1)
	_, _ = w.sent(at, "Zur selben Zeit", 1)
	code := w.coder.Code(w.account, m.ID)
	for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", " "), strings.NewReplacer("0", "O", "1", "l", "-", "").Replace(code)} {
		a, err := w.AskCode(t.Context(), w.account, typed)
		w.want(typed, a, err, genuine.Yes, genuine.ByCode)
		if !a.At.Equal(at) || a.Domain != domain {
			t.Errorf("%+v", a)
		}
	}
	wrong := []byte(code)
	if wrong[len(wrong)-1]++; wrong[len(wrong)-1] > '8' {
		wrong[len(wrong)-1] = '2'
	}
	for _, typed := range []string{"", "ABCD", string(wrong), code + "A", strings.Repeat("0", 1000), "UUUU-UUUU-UUUU-UUUU", "\x00"} {
		a, err := w.AskCode(t.Context(), w.account, typed)
		w.want(typed, a, err, genuine.Unknown, genuine.NotFound)
	}
	a, err := w.AskCode(t.Context(), tenant.ID{1}, code)
	w.want("at another account", a, err, genuine.Unknown, genuine.NotFound)
}

// What few people got is not confirmed: else anybody could find out who got what.
func TestSubject(t *testing.T) {
	w := newWorld(t, func(c *genuine.Config) {
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		c.Zone = zone
	})
	at := time.Date(2026, 11, 18, 23, 30, 0, 0, time.UTC) // half past midnight in Berlin
	w.sent(at, "Neue Adressen", 3)
	w.sent(at.Add(time.Hour), "Neue Adressen", 2)
	w.sent(at, "Ihre Mahnung", 4)
	day := time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		day     time.Time
		subject string
		verdict genuine.Verdict
		reason  genuine.Reason
	}{
		{day, "Neue Adressen", genuine.Yes, genuine.BySubject}, {day, "Ihre Mahnung", genuine.Unknown, genuine.NotFound},
		{day.AddDate(0, 0, -1), "Neue Adressen", genuine.Unknown, genuine.NotFound}, {day, "", genuine.Unknown, genuine.NotFound},
		{day, strings.Repeat("x", 2000), genuine.Unknown, genuine.NotFound},
	} {
		a, err := w.AskSubject(t.Context(), w.account, c.day, c.subject)
		w.want(c.subject, a, err, c.verdict, c.reason)
	}
}

// Every answer takes the same time, whatever it is, and too many at once are refused.
func TestAnswersTakeTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *genuine.Config) { c.Pace, c.Slots = 300*time.Millisecond, 1 })
		m, _ := w.sent(now(), "x", 1)
		for _, code := range []string{w.coder.Code(w.account, m.ID), "nothing", "0000-0000-0000-0000"} {
			begin := time.Now()
			if _, err := w.AskCode(t.Context(), w.account, code); err != nil || time.Since(begin) != 300*time.Millisecond {
				t.Errorf("%q took %s, %v", code, time.Since(begin), err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.AskCode(ctx, w.account, "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever left gets %v", err)
		}
	})
}

// FuzzMail: whatever is handed in, there is an answer within bounds, and never a yes about
// something that was not sent.
// T7: names of header fields that are words of some language break nothing, and the mail is
// found all the same.
func TestOddHeaderNames(t *testing.T) {
	w := newWorld(t)
	_, mail := w.sent(now().AddDate(0, 0, -1), "Neue Adressen", 1)
	for _, name := range []string{"__proto__", "constructor", "toString", "hasOwnProperty", "null", "NaN", "${jndi:ldap}", "' OR 1=1--", "-", strings.Repeat("X", 900)} {
		if a, err := w.AskMail(t.Context(), w.account, append([]byte(name+": "+name+"\r\n"), mail...)); err != nil || a.Verdict == "" {
			t.Errorf("%.40q: %+v, %v", name, a, err)
		}
		if a, err := w.AskMail(t.Context(), w.account, []byte(name+": x\r\n\r\n")); err != nil || a.Verdict != genuine.Unknown {
			t.Errorf("%.40q alone: %+v, %v", name, a, err)
		}
	}
}

func FuzzMail(f *testing.F) {
	w := newWorld(f)
	_, mail := w.sent(now().AddDate(0, 0, -20), "Neue Adressen", 1)
	f.Add(mail)
	f.Add(bytes.ReplaceAll(mail, []byte("\r\n"), []byte("\n")))
	f.Add([]byte("From \nFrom: a@muster.example\n\n"))
	f.Add([]byte("DKIM-Signature: v=1; d=muster.example; s=s1; h=from:from; bh=; b=\r\nFrom: a@muster.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := w.AskMail(t.Context(), w.account, raw)
		if err != nil && !fault.IsKind(err, fault.TooLarge) {
			t.Fatal(err)
		}
		if a.Verdict == genuine.Yes && !bytes.Contains(raw, []byte("@"+domain)) {
			t.Errorf("a yes about %q", raw)
		}
	})
}

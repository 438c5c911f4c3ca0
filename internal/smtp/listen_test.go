package smtp_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"

	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
)

// ear keeps what it hears; it is deaf while closed.
type ear struct {
	closed bool
	lines  []string
}

func (e *ear) Listens() bool { return !e.closed }

func (e *ear) Hear(l smtp.Line) {
	text := string(l.From) + " " + string(l.Stage) + " " + string(l.Text)
	if l.Next {
		text = "next " + text
	}
	e.lines = append(e.lines, text)
}

func (e *ear) String() string { return strings.Join(e.lines, "\n") }

// heard plays a script to a client with an ear and checks what it heard, without the
// lines about the connection, whose ports vary.
func heard(t *testing.T, script, want string, change func(*smtp.Options, *smtptest.MX), mails ...smtp.Mail) {
	t.Helper()
	e := &ear{}
	converse(t, script, func(o *smtp.Options, mx *smtptest.MX) {
		o.Listener = e
		if change != nil {
			change(o, mx)
		}
	}, mails...)
	var got []string
	for _, l := range e.lines {
		if !strings.HasPrefix(l, "* connect") {
			got = append(got, l)
		}
	}
	if have := strings.Join(got, "\n"); have != strings.TrimSpace(want) {
		t.Errorf("heard\n%s\nwant\n%s", have, want)
	}
}

// TestListenersHearBothSides: every command and reply with its stage, what was announced
// as the next mail's, and of the content nothing but its size.
func TestListenersHearBothSides(t *testing.T) {
	x, y := mail("x@mx.test", "Subject: geheim\r\n\r\n.\r\n"), mail("y@mx.test", "geheim\r\n")
	t.Run("pipelined", func(t *testing.T) {
		heard(t, pipe+envelope+yes+"B: \"Subject: geheim\\r\\n\\r\\n..\\r\\n.\\r\\n\"\n"+other+"S: 250 2.0.0 taken\n"+
			"S: 250 ok\nS: 550-5.1.1 no\\tsuch\nS: 550 5.1.1 user\nS: 503 what\n!end\n", `
S greeting 220 mx.test ESMTP
C ehlo EHLO me.test
S ehlo 250-mx.test
S ehlo 250 PIPELINING
C mail MAIL FROM:<a@me.test>
C rcpt RCPT TO:<x@mx.test>
C data DATA
S mail 250 ok
S rcpt 250 ok
S data 354 go
C dot … 22 bytes
next C mail MAIL FROM:<a@me.test>
next C rcpt RCPT TO:<y@mx.test>
next C data DATA
S dot 250 2.0.0 taken
S mail 250 ok
S rcpt 550-5.1.1 no\tsuch
S rcpt 550 5.1.1 user
S data 503 what
C quit QUIT`, nil, x, y)
	})
	t.Run("bdat", func(t *testing.T) {
		heard(t, bdat+"C: MAIL FROM:<a@me.test>\nC: RCPT TO:<y@mx.test>\nC: BDAT 8 LAST\nB: \"geheim\\r\\n\"\nS: 250 ok\nS: 250 ok\nS: 250 taken\n!end\n", `
S greeting 220 mx.test ESMTP
C ehlo EHLO me.test
S ehlo 250-mx.test
S ehlo 250-PIPELINING
S ehlo 250 CHUNKING
C mail MAIL FROM:<a@me.test>
C rcpt RCPT TO:<y@mx.test>
C dot BDAT 8 LAST
S mail 250 ok
S rcpt 250 ok
S dot 250 taken
C quit QUIT`, nil, y)
	})
	t.Run("no SMTP", func(t *testing.T) {
		heard(t, "S: 220-mx.test\nS~ \"\\x1b[2Jhallo \\xff\\r\\n\"\n!end\n", `
S greeting 220-mx.test
S greeting  [2Jhallo `+"\uFFFD"+`
* greeting server does not keep to the protocol: line without a reply code`, nil, x)
	})
}

// TestListenersHearOfTLS: version, cipher, certificate, and how it was verified.
func TestListenersHearOfTLS(t *testing.T) {
	const script = "S: 220 mx.test\nC: EHLO me.test\nS: 250-mx.test\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n!starttls\nC: EHLO me.test\nS: 250 mx.test\n!end\n"
	for name, tt := range map[string]struct {
		mode smtp.TLSMode
		want string
	}{
		"opportunistic": {smtp.TLSOpportunistic, "not verified: encryption is opportunistic"},
		"required":      {smtp.TLSRequired, "verified for mx.test, up to "},
	} {
		t.Run(name, func(t *testing.T) {
			e := &ear{}
			converse(t, script, func(o *smtp.Options, mx *smtptest.MX) {
				o.Listener, o.TLS = e, tt.mode
				o.TLSConfig = &tls.Config{RootCAs: mx.Pool()}
			})
			for _, want := range []string{"* starttls TLS 1.3, TLS_", "certificate 1: ", "; for mx.test; by ", "; until ", tt.want} {
				if !strings.Contains(e.String(), want) {
					t.Errorf("no %q in\n%s", want, e)
				}
			}
		})
	}
}

// TestNobodyListeningCostsNothing: neither a missing nor a deaf listener costs an
// allocation, and one that listens costs none for what the session says.
func TestNobodyListeningCostsNothing(t *testing.T) {
	s := sink(t, smtptest.SinkConfig{Extensions: []string{"PIPELINING"}})
	cost := func(l smtp.Listener) float64 {
		c := dial(t, smtp.Options{Address: s.Addr(), EHLO: "me.test", TLS: smtp.TLSNone, Listener: l})
		m := mail("x@mx.test", strings.Repeat("Zeile\r\n", 100))
		return testing.AllocsPerRun(200, func() {
			if _, err := c.Deliver(context.Background(), m, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	without := cost(nil)
	if deaf := cost(&ear{closed: true}); deaf > without {
		t.Errorf("%v allocations with a deaf listener, %v without", deaf, without)
	}
}

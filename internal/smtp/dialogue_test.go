package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
)

// patient deadlines end what a failing test lets hang; none passes because of them.
func patient() smtp.Deadlines {
	const d = 20 * time.Second
	return smtp.Deadlines{Connect: d, Greeting: d, EHLO: d, TLS: d, Mail: d, Rcpt: d, Data: d, Block: d, Dot: d}
}

// hurry makes one stage impatient.
func hurry(d *smtp.Deadlines, stage string) {
	const soon = 10 * time.Millisecond
	switch stage {
	case "greeting":
		d.Greeting = soon
	case "ehlo":
		d.EHLO = soon
	case "mail":
		d.Mail = soon
	case "rcpt":
		d.Rcpt = soon
	case "data":
		d.Data = soon
	case "dot":
		d.Dot = soon
	}
}

func options(address string) smtp.Options {
	return smtp.Options{Address: address, Host: "mx.test", EHLO: "me.test", Deadlines: patient()}
}

func mail(to, body string) smtp.Mail {
	return smtp.Mail{From: "a@me.test", To: to, Parts: [][]byte{[]byte(body)}}
}

// outcome tells the result of one call in a word or two, for tables.
func outcome(r smtp.Reply, err error) string {
	var e *smtp.Error
	switch {
	case err == nil:
		return fmt.Sprintf("ok %d", r.Code)
	case !errors.As(err, &e):
		return "not an *Error: " + err.Error()
	}
	s := string(e.Stage)
	if e.Reply != nil {
		s += fmt.Sprintf(" %d", e.Reply.Code)
	}
	if e.Local {
		s += " local"
	}
	if e.Uncertain {
		s += " uncertain"
	}
	return s
}

// converse dials the script and delivers the mails, each announced to the one
// before, until the session is not usable.
func converse(t *testing.T, script string, change func(*smtp.Options, *smtptest.MX), mails ...smtp.Mail) []string {
	t.Helper()
	mx, err := smtptest.Play(script)
	if err != nil {
		t.Fatal(err)
	}
	o := options(mx.Addr())
	if change != nil {
		change(&o, mx)
	}
	got := deliverAll(o, mails)
	if err := mx.Wait(); err != nil {
		t.Errorf("script: %v", err)
	}
	return got
}

func deliverAll(o smtp.Options, mails []smtp.Mail) []string {
	ctx := context.Background()
	c, err := smtp.Dial(ctx, o)
	if err != nil {
		return []string{outcome(smtp.Reply{}, err)}
	}
	var got []string
	for i, m := range mails {
		var next *smtp.Mail
		if i+1 < len(mails) {
			next = &mails[i+1]
		}
		got = append(got, outcome(c.Deliver(ctx, m, next)))
		if !c.Usable() {
			got = append(got, "unusable")
			break
		}
	}
	if err := c.Close(); err != nil {
		got = append(got, err.Error())
	}
	return got
}

const (
	hello = "S: 220 mx.test ESMTP\nC: EHLO me.test\nS: 250 mx.test\n"
	pipe  = "S: 220 mx.test ESMTP\nC: EHLO me.test\nS: 250-mx.test\nS: 250 PIPELINING\n"
	bdat  = "S: 220 mx.test ESMTP\nC: EHLO me.test\nS: 250-mx.test\nS: 250-PIPELINING\nS: 250 CHUNKING\n"

	envelope = "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test>\nC: DATA\n"
	other    = "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<y@mx.test>\nC: DATA\n"
	yes      = "S: 250 ok\nS: 250 ok\nS: 354 go\n"
)

func TestDialogues(t *testing.T) {
	x, y := mail("x@mx.test", "hi\r\n"), mail("y@mx.test", "yo\r\n")
	tests := []struct {
		name   string
		script string
		mails  []smtp.Mail
		want   string
	}{
		{
			"every command waits without PIPELINING",
			hello + "C: MAIL FROM:<a@me.test>\nS: 250 ok\nC: RCPT TO:<x@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nB: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x}, "ok 250",
		},
		{"HELO where EHLO is unknown", "S: 220 old\nC: EHLO me.test\nS: 502 what\nC: HELO me.test\nS: 250 old\nC: MAIL FROM:<a@me.test>\nS: 250 ok\n" +
			"C: RCPT TO:<x@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nB: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end", []smtp.Mail{x}, "ok 250"},
		{"envelope in one write", pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end", []smtp.Mail{x}, "ok 250"},
		{
			"the next envelope rides with the dot",
			pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n" + other + "S: 250 ok\n" + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "ok 250, ok 250",
		},
		{
			"a refused dot leaves the next envelope valid",
			pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n" + other + "S: 554 5.7.1 spam\n" + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "dot 554, ok 250",
		},
		{
			"a refused recipient needs RSET, which rides with the next envelope",
			pipe + envelope + "S: 250 ok\nS: 550 no\nS: 503 none\nC: RSET\n" + other + "S: 250 reset\n" + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "rcpt 550, ok 250",
		},
		{
			"354 behind a refused recipient gets a lone dot",
			pipe + envelope + "S: 250 ok\nS: 550 no\nS: 354 go\nB: \".\\r\\n\"\nS: 554 none\nC: RSET\n" + other + "S: 250 ok\n" + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "rcpt 550, ok 250",
		},
		{
			"a refused sender",
			pipe + envelope + "S: 451 later\nS: 503 no\nS: 503 no\n" + other + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "mail 451, ok 250",
		},
		{"354 behind a refused sender is not answered", pipe + envelope + "S: 550 no\nS: 503 no\nS: 354 go\n!end", []smtp.Mail{x}, "mail 550, unusable"},
		{"BDAT in one go", bdat + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test>\nC: BDAT 4 LAST\nB: \"hi\\r\\n\"\nS: 250 ok\nS: 250 ok\nS: 250 ok\n!end", []smtp.Mail{x}, "ok 250"},
		{
			"BDAT behind a refused recipient is read",
			bdat + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test>\nC: BDAT 4 LAST\nB: \"hi\\r\\n\"\nS: 250 ok\nS: 550 no\nS: 554 none\n" +
				"C: RSET\nC: MAIL FROM:<a@me.test>\nC: RCPT TO:<y@mx.test>\nC: BDAT 4 LAST\nB: \"yo\\r\\n\"\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n!end",
			[]smtp.Mail{x, y}, "rcpt 550, ok 250",
		},
		{"BDAT taken without recipient", bdat + "C: *\nC: *\nC: *\nB: \"hi\\r\\n\"\nS: 250 ok\nS: 550 no\nS: 250 taken\n!end", []smtp.Mail{x}, "rcpt 550, unusable"},
		{"421 behind acceptance", pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\nS~ \"250 ok\\r\\n421 tired\\r\\n\"\n!end", []smtp.Mail{x}, "ok 250, unusable"},
		{"421 waiting in an idle session", pipe + "S: 421 tired\n!fin", []smtp.Mail{x}, "mail 421, unusable"},
		{"421 waiting in an idle session, with BDAT", bdat + "S: 421 tired\nC: *\n!fin", []smtp.Mail{x}, "mail 421, unusable"},
		{"EHLO answered twice, with BDAT", strings.TrimSuffix(bdat, "\n") + "\nS~ \"250 again\\r\\n\"\n!end", []smtp.Mail{x}, "ehlo"},
		{"a reply in small pieces without CR", pipe + envelope + "!slow 250-one\nS~ \"250 two\\n250 ok\\n354\\n\"\nB: \"hi\\r\\n.\\r\\n\"\nS~ \"250\\n\"\n!end", []smtp.Mail{x}, "ok 250"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(converse(t, tt.script, nil, tt.mails...), ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFaults crosses the states of a session with what may go wrong in each.
func TestFaults(t *testing.T) {
	states := []struct {
		stage  string
		script string // up to where the answer is due
	}{
		{"greeting", ""},
		{"ehlo", "S: 220 mx.test\nC: EHLO me.test\n"},
		{"mail", pipe + envelope},
		{"rcpt", pipe + envelope + "S: 250 ok\n"},
		{"data", pipe + envelope + "S: 250 ok\nS: 250 ok\n"},
		{"dot", pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n"},
	}
	faults := []struct {
		name, step string
		reply      string // the code the error must carry, "" if none
	}{
		{"refusal with 421", "S: 421 4.3.2 closing\n!end", " 421"},
		{"FIN", "!fin", ""},
		{"reset", "!reset", ""},
		{"silence", "!silence", ""},
		{"no SMTP", "S: HTTP/1.1 400 Bad Request\n!end", ""},
		{"half a line", "S~ \"250 o\"\n!fin", ""},
		{"NUL", "S~ \"\\x00\\x00\\x00\\x00\\r\\n\"\n!end", ""},
		{"code out of range", "S: 650 what\n!end", ""},
		{"endless line", "S* 100000 \"2\"\n!end", ""},
		{"endless reply", "S* 100000 \"250-and\\r\\n\"\n!end", ""},
		{"a code that does not fit", "S: 333 what\n!end", ""},
	}
	for _, s := range states {
		for _, f := range faults {
			t.Run(s.stage+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				if s.stage == "data" && f.step == "S: 333 what\n!end" {
					t.Skip("any 3xx asks for the body")
				}
				want := s.stage + f.reply
				if s.stage == "dot" && f.reply == "" {
					want += " uncertain"
				}
				if s.stage != "greeting" && s.stage != "ehlo" {
					want += ", unusable"
				}
				set := func(o *smtp.Options, _ *smtptest.MX) {
					if f.name == "silence" {
						hurry(&o.Deadlines, s.stage)
					}
				}
				got := strings.Join(converse(t, s.script+f.step, set, mail("x@mx.test", "hi\r\n")), ", ")
				if s.stage == "greeting" && f.name == "reset" && got == "connect" {
					return // the reset was faster than the connection's first use
				}
				if got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// TestFaultsBDAT holds that a session lost at any point behind BDAT LAST is
// uncertain, since envelope and mail left in one write.
func TestFaultsBDAT(t *testing.T) {
	const sent = bdat + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test>\nC: BDAT 4 LAST\nB: \"hi\\r\\n\"\n"
	for stage, script := range map[string]string{
		"mail": sent,
		"rcpt": sent + "S: 250 ok\n",
		"dot":  sent + "S: 250 ok\nS: 250 ok\n",
	} {
		for fault, want := range map[string]string{
			"!fin":                      stage + " uncertain, unusable",
			"!reset":                    stage + " uncertain, unusable",
			"S: what\n!end":             stage + " uncertain, unusable",
			"S: 421 4.3.2 bye\n!end":    stage + " 421, unusable",
			"!slow 421 4.3.2 bye\n!end": stage + " 421, unusable",
		} {
			if got := strings.Join(converse(t, script+fault, nil, mail("x@mx.test", "hi\r\n")), ", "); got != want {
				t.Errorf("%s, %s: got %q, want %q", stage, fault, got, want)
			}
		}
	}
}

// TestChunks holds the dialogue of a mail of several chunks, and that a refused
// one ends the mail.
func TestChunks(t *testing.T) {
	const first = bdat + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test>\nC: BDAT 1048576\nB* 1048576 \"x\"\nS: 250 ok\nS: 250 ok\n"
	big, small := mail("x@mx.test", strings.Repeat("x", 1<<20+10)), mail("y@mx.test", "yo\r\n")
	for name, tt := range map[string]struct{ rest, want string }{
		"taken":   {"S: 250 ok\nC: BDAT 12 LAST\nB: \"xxxxxxxxxx\\r\\n\"\nS: 250 ok\n" + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<y@mx.test>\nC: BDAT 4 LAST\nB: \"yo\\r\\n\"\nS: 250 ok\nS: 250 ok\nS: 250 ok\n!end", "ok 250, ok 250"},
		"refused": {"S: 552 too large\nC: RSET\nC: MAIL FROM:<a@me.test>\nC: RCPT TO:<y@mx.test>\nC: BDAT 4 LAST\nB: \"yo\\r\\n\"\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n!end", "data 552, ok 250"},
		"lost":    {"!fin", "data, unusable"},
	} {
		if got := strings.Join(converse(t, first+tt.rest, nil, big, small), ", "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestRefusals holds that 4xx and 5xx name their stage and leave the session as
// usable as the protocol allows.
func TestRefusals(t *testing.T) {
	x := mail("x@mx.test", "hi\r\n")
	for _, code := range []string{"450", "550"} {
		for name, tt := range map[string]struct{ script, want string }{
			"greeting": {"S: %s no\n!end", "greeting %s"},
			"mail":     {pipe + envelope + "S: %s no\nS: 503 no\nS: 503 no\n!end", "mail %s"},
			"rcpt":     {pipe + envelope + "S: 250 ok\nS: %s no\nS: 503 no\n!end", "rcpt %s"},
			"data":     {pipe + envelope + "S: 250 ok\nS: 250 ok\nS: %s no\n!end", "data %s"},
			"dot":      {pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\nS: %s no\n!end", "dot %s"},
		} {
			got := strings.Join(converse(t, fmt.Sprintf(tt.script, code), nil, x), ", ")
			if want := fmt.Sprintf(tt.want, code); got != want {
				t.Errorf("%s at %s: got %q, want %q", code, name, got, want)
			}
		}
	}
}

func TestStartTLS(t *testing.T) {
	const offer = "S: 220 mx.test\nC: EHLO me.test\nS: 250-mx.test\nS: 250 STARTTLS\nC: STARTTLS\n"
	const inside = "!starttls\nC: EHLO me.test\nS: 250-mx.test\nS: 250 PIPELINING\n" + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end"
	const plain = "C: MAIL FROM:<a@me.test>\nS: 250 ok\nC: RCPT TO:<x@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nB: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end"
	tests := []struct {
		name   string
		mode   smtp.TLSMode
		host   string
		trust  bool
		script string
		want   string
	}{
		{"opportunistic takes any certificate", smtp.TLSOpportunistic, "other.test", false, offer + "S: 220 go\n" + inside, "ok 250"},
		{"required and proven", smtp.TLSRequired, "mx.test", true, offer + "S: 220 go\n" + inside, "ok 250"},
		{"required, not offered", smtp.TLSRequired, "mx.test", true, hello + "!end", "starttls"},
		{"required, refused", smtp.TLSRequired, "mx.test", true, offer + "S: 454 no\n!end", "starttls 454"},
		{"opportunistic, refused in words", smtp.TLSOpportunistic, "mx.test", false, offer + "S: 454 no\n" + plain, "ok 250"},
		{"opportunistic, handshake fails", smtp.TLSOpportunistic, "mx.test", false, offer + "S: 220 go\nS~ \"this is no TLS at all\"\n!fin", "starttls"},
		{"plaintext behind the answer", smtp.TLSOpportunistic, "mx.test", false, offer + "S~ \"220 go\\r\\n250 injected\\r\\n\"\n!fin", "starttls"},
		{"none", smtp.TLSNone, "mx.test", false, "S: 220 mx.test\nC: EHLO me.test\nS: 250-mx.test\nS: 250 STARTTLS\n" + plain, "ok 250"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := func(o *smtp.Options, mx *smtptest.MX) {
				o.TLS, o.Host = tt.mode, tt.host
				if tt.trust {
					o.TLSConfig = &tls.Config{RootCAs: mx.Pool()}
				}
			}
			if got := strings.Join(converse(t, tt.script, set, mail("x@mx.test", "hi\r\n")), ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUnprovenCertificate holds that a required handshake fails for the wrong name
// and for an unknown issuer.
func TestUnprovenCertificate(t *testing.T) {
	cert, pool, err := smtptest.Certificate("mx.test")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := smtptest.NewSink(smtptest.SinkConfig{
		Extensions: []string{"STARTTLS"}, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	for name, set := range map[string]func(*smtp.Options){
		"wrong name":     func(o *smtp.Options) { o.Host, o.TLSConfig = "other.test", &tls.Config{RootCAs: pool} },
		"unknown issuer": func(*smtp.Options) {},
	} {
		o := options(sink.Addr())
		o.TLS = smtp.TLSRequired
		set(&o)
		_, err := smtp.Dial(context.Background(), o)
		var unproven *tls.CertificateVerificationError
		if got := outcome(smtp.Reply{}, err); got != "starttls" || !errors.As(err, &unproven) {
			t.Errorf("%s: got %q (%v)", name, got, err)
		}
	}
}

package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
)

func sink(t testing.TB, cfg smtptest.SinkConfig) *smtptest.Sink {
	t.Helper()
	s, err := smtptest.NewSink(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func dial(t testing.TB, o smtp.Options) *smtp.Conn {
	t.Helper()
	c, err := smtp.Dial(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestBodies holds that what arrives is what was given, by DATA and by BDAT, for
// every way to cut it into parts.
func TestBodies(t *testing.T) {
	bodies := map[string]string{
		"empty":              "",
		"one line":           "hi\r\n",
		"dots":               ".\r\n..\r\n.a\r\n\r\n.\r\n",
		"dot at the end":     "a\r\n.",
		"no last CRLF":       "a\r\nb",
		"long line":          strings.Repeat("x", 40_000) + "\r\n." + strings.Repeat("y", 40_000),
		"just over a chunk":  strings.Repeat("x", 1<<20-2) + "\r\n.\r\n",
		"CRLF across chunks": strings.Repeat("x", 1<<20-1),
	}
	for name, body := range bodies {
		want := body
		if body != "" && !strings.HasSuffix(body, "\r\n") {
			want += "\r\n"
		}
		cuts := []int{0, 1, 2, 3, 4, 5, len(body) / 2, len(body) - 1, len(body)}
		for _, extensions := range [][]string{{}, {"PIPELINING"}, {"CHUNKING"}, {"PIPELINING", "CHUNKING"}} {
			s := sink(t, smtptest.SinkConfig{Extensions: extensions, Record: true})
			c := dial(t, options(s.Addr()))
			sent := 0
			for _, cut := range cuts {
				if cut < 0 || cut > len(body) {
					continue
				}
				m := smtp.Mail{From: "", To: "x@mx.test", Parts: [][]byte{[]byte(body[:cut]), nil, []byte(body[cut:])}}
				if _, err := c.Deliver(context.Background(), m, nil); err != nil {
					t.Fatalf("%s, cut at %d, %v: %v", name, cut, extensions, err)
				}
				sent++
			}
			got := s.Mails()
			if len(got) != sent {
				t.Fatalf("%s: %d of %d mails arrived", name, len(got), sent)
			}
			for i, m := range got {
				if string(m.Body) != want {
					t.Errorf("%s, mail %d, %v: %d bytes arrived, want %d", name, i, extensions, len(m.Body), len(want))
				}
			}
		}
	}
}

func TestPartsAreOnlyRead(t *testing.T) {
	s := sink(t, smtptest.SinkConfig{Extensions: []string{"CHUNKING", "PIPELINING"}, Record: true})
	c := dial(t, options(s.Addr()))
	big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<17)
	big = bytes.ReplaceAll(big, []byte("e\n"), []byte("\r\n"))
	m := smtp.Mail{To: "x@mx.test", Parts: [][]byte{[]byte("A: b\r\n\r\n"), big}}
	for range 2 {
		if _, err := c.Deliver(context.Background(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	mails := s.Mails()
	if !bytes.Equal(mails[0].Body, mails[1].Body) || len(mails[0].Body) != 8+len(big) {
		t.Errorf("bodies of %d and %d bytes, want %d", len(mails[0].Body), len(mails[1].Body), 8+len(big))
	}
}

// TestLocalRefusals holds that nothing dangerous or hopeless leaves us, and that
// the session goes on.
func TestLocalRefusals(t *testing.T) {
	x := "x@mx.test"
	tests := []struct {
		name string
		mail smtp.Mail
		want error
	}{
		{"bare LF", mail(x, "a\nb\r\n"), smtp.ErrBareNewline},
		{"bare CR", mail(x, "a\rb\r\n"), smtp.ErrBareNewline},
		{"CR at the end", mail(x, "a\r\nb\r"), smtp.ErrBareNewline},
		{"LF first", mail(x, "\na\r\n"), smtp.ErrBareNewline},
		{"smuggled end", mail(x, "a\n.\r\nMAIL FROM:<b@me.test>\r\n"), smtp.ErrBareNewline},
		{"NUL", mail(x, "a\x00\r\n"), smtp.ErrBareNewline},
		{"CR and LF parted by NUL", smtp.Mail{To: x, Parts: [][]byte{[]byte("a\r"), []byte("\x00\n")}}, smtp.ErrBareNewline},
		{"LF of a part without its CR", smtp.Mail{To: x, Parts: [][]byte{[]byte("a"), []byte("\nb\r\n")}}, smtp.ErrBareNewline},
		{"command in the recipient", mail("x@mx.test>\r\nRCPT TO:<y@mx.test", "hi\r\n"), smtp.ErrAddress},
		{"bracket in the recipient", mail("x@mx.test> ORCPT=a", "hi\r\n"), smtp.ErrAddress},
		{"blank in the recipient", mail("x y@mx.test", "hi\r\n"), smtp.ErrAddress},
		{"open quote", mail(`"x @mx.test`, "hi\r\n"), smtp.ErrAddress},
		{"no recipient", mail("", "hi\r\n"), smtp.ErrAddress},
		{"umlaut without SMTPUTF8", mail("jürgen@mx.test", "hi\r\n"), smtp.ErrAddress},
		{"SMTPUTF8 not offered", smtp.Mail{To: x, UTF8: true}, smtp.ErrNoUTF8},
		{"REQUIRETLS in clear", smtp.Mail{To: x, RequireTLS: true}, smtp.ErrNoRequireTLS},
		{"endless address", mail(strings.Repeat("x", 1000)+"@mx.test", "hi\r\n"), smtp.ErrAddress},
		{"over SIZE", mail(x, strings.Repeat("x", 200)), smtp.ErrTooLarge},
	}
	s := sink(t, smtptest.SinkConfig{Extensions: []string{"PIPELINING", "SIZE 100", "REQUIRETLS"}, Record: true})
	c := dial(t, options(s.Addr()))
	for _, tt := range tests {
		_, err := c.Deliver(context.Background(), tt.mail, nil)
		if got := outcome(smtp.Reply{}, err); got != "mail local" || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q (%v)", tt.name, got, err)
		}
	}
	if _, err := c.Deliver(context.Background(), mail(`"x \" y"@mx.test`, "hi\r\n"), nil); err != nil {
		t.Errorf("a good mail afterwards: %v", err)
	}
	if n, _ := s.Count(); n != 1 {
		t.Errorf("%d mails arrived, want 1", n)
	}
}

// TestAnnounced holds what becomes of a mail that was announced and then does not
// come, or not as announced.
func TestAnnounced(t *testing.T) {
	const script = pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n" + other + "S: 250 ok\n!end"
	x := mail("x@mx.test", "hi\r\n")
	for name, second := range map[string]smtp.Mail{
		"another recipient": mail("z@mx.test", "yo\r\n"),
		"another size":      mail("y@mx.test", "yoo\r\n"),
		"a bad body":        mail("y@mx.test", "\nyoo"[:4]),
	} {
		mx, err := smtptest.Play(script)
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, options(mx.Addr()))
		announced := mail("y@mx.test", "yo\r\n")
		if _, err := c.Deliver(context.Background(), x, &announced); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Deliver(context.Background(), second, nil); err == nil || c.Usable() {
			t.Errorf("%s: got %v, usable %v", name, err, c.Usable())
		}
		if err := mx.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCloseAnnounced holds that QUIT is not said where it would become a body.
func TestCloseAnnounced(t *testing.T) {
	mx, err := smtptest.Play(pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n" + other + "S: 250 ok\nB: \"\"\n!end")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, options(mx.Addr()))
	next := mail("y@mx.test", "yo\r\n")
	if _, err := c.Deliver(context.Background(), mail("x@mx.test", "hi\r\n"), &next); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := mx.Wait(); err != nil {
		t.Error(err)
	}
}

func TestParameters(t *testing.T) {
	script := "S: 220 mx.test\nC: EHLO me.test\nS: 250-mx.test\nS: 250-SIZE 1000\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250 PIPELINING\n" +
		"C: MAIL FROM:<jürgen@me.test> SIZE=4 BODY=8BITMIME SMTPUTF8\nC: RCPT TO:<ö@mx.test>\nC: DATA\n" + yes + "B: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end"
	m := smtp.Mail{From: "jürgen@me.test", To: "ö@mx.test", Parts: [][]byte{[]byte("hi\r\n")}, EightBit: true, UTF8: true}
	if got := converse(t, script, nil, m); got[0] != "ok 250" {
		t.Error(got)
	}
}

// TestRequireTLSTravels under TLS, to a server that offers it there (RFC 8689, 2).
func TestRequireTLSTravels(t *testing.T) {
	const start = "S: 220 mx.test\nC: EHLO me.test\nS: 250-REQUIRETLS\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n!starttls\nC: EHLO me.test\nS: 250-mx.test\n"
	m := smtp.Mail{From: "a@me.test", To: "x@mx.test", Parts: [][]byte{[]byte("hi\r\n")}, RequireTLS: true}
	for script, want := range map[string]string{
		start + "S: 250 REQUIRETLS\nC: MAIL FROM:<a@me.test> REQUIRETLS\nS: 250 ok\nC: RCPT TO:<x@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nB: \"hi\\r\\n.\\r\\n\"\nS: 250 ok\n!end": "ok 250",
		start + "S: 250 HELP\n!end": "mail local",
	} {
		if got := converse(t, script, nil, m); got[0] != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

func TestEHLONameIsChecked(t *testing.T) {
	for _, name := range []string{"", "a\r\nMAIL", "a b", "ä.test"} {
		o := options("127.0.0.1:1")
		o.EHLO = name
		_, err := smtp.Dial(context.Background(), o)
		if got := outcome(smtp.Reply{}, err); got != "ehlo local" {
			t.Errorf("%q: %s", name, got)
		}
	}
}

// TestLastWords holds that a server that refuses a body half way and hangs up is
// quoted, not called lost.
func TestLastWords(t *testing.T) {
	mx, err := smtptest.Play(pipe + envelope + yes + "B: \"xxxx\"\nS: 552 5.3.4 too large\n!reset")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, options(mx.Addr()))
	_, derr := c.Deliver(context.Background(), mail("x@mx.test", strings.Repeat("x", 16<<20)), nil)
	var e *smtp.Error
	if !errors.As(derr, &e) || e.Stage != smtp.StageDot || e.Reply == nil || e.Reply.Code != 552 || e.Uncertain || c.Usable() {
		t.Errorf("got %v", derr)
	}
	if err := mx.Wait(); err != nil {
		t.Error(err)
	}
}

// TestCancel holds that the caller's context ends every wait, with its cause.
func TestCancel(t *testing.T) {
	why := errors.New("shutting down")
	for stage, script := range map[string]string{
		"ehlo": "S: 220 mx.test\nC: EHLO me.test\n!silence",
		"mail": pipe + envelope + "!silence",
		"dot":  pipe + envelope + yes + "B: \"hi\\r\\n.\\r\\n\"\n!silence",
	} {
		mx, err := smtptest.Play(script)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		go func() {
			<-mx.Silent()
			cancel(why)
		}()
		got := func() error {
			c, err := smtp.Dial(ctx, options(mx.Addr()))
			if err != nil {
				return err
			}
			_, err = c.Deliver(ctx, mail("x@mx.test", "hi\r\n"), nil)
			if c.Usable() {
				t.Error("usable after the end")
			}
			return err
		}()
		var e *smtp.Error
		if !errors.As(got, &e) || !errors.Is(got, why) || e.Uncertain != (stage == "dot") {
			t.Errorf("%s: %v", stage, got)
		}
		_ = mx.Wait()
		cancel(nil)
	}
}

// TestHungUp holds that a session the server closed while it was idle is not
// mistaken for one lost behind BDAT: nothing can have been accepted.
func TestHungUp(t *testing.T) {
	cert, pool, err := smtptest.Certificate("mx.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []smtp.TLSMode{smtp.TLSNone, smtp.TLSRequired} {
		s, err := smtptest.NewSink(smtptest.SinkConfig{
			Extensions: []string{"PIPELINING", "CHUNKING", "STARTTLS"},
			TLS:        &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		})
		if err != nil {
			t.Fatal(err)
		}
		o := options(s.Addr())
		o.TLS, o.TLSConfig = mode, &tls.Config{RootCAs: pool}
		c := dial(t, o)
		if _, err := c.Deliver(context.Background(), mail("x@mx.test", "hi\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = c.Deliver(context.Background(), mail("x@mx.test", "hi\r\n"), nil)
		if got := outcome(smtp.Reply{}, err); got != "mail" || c.Usable() {
			t.Errorf("TLS mode %d: got %q, usable %v", mode, got, c.Usable())
		}
	}
}

func TestTimeoutIsTold(t *testing.T) {
	mx, err := smtptest.Play("!silence")
	if err != nil {
		t.Fatal(err)
	}
	o := options(mx.Addr())
	o.Deadlines.Greeting = 10 * time.Millisecond
	if _, err := smtp.Dial(context.Background(), o); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_ = mx.Wait()
}

// foreign is a go-smtp backend that keeps what it gets.
type foreign struct {
	mu     sync.Mutex
	bodies []string
}

func (f *foreign) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return f, nil }
func (f *foreign) Mail(string, *gosmtp.MailOptions) error          { return nil }
func (f *foreign) Reset()                                          {}
func (f *foreign) Logout() error                                   { return nil }

func (f *foreign) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "no") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (f *foreign) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bodies = append(f.bodies, string(b))
	return err
}

// TestForeignServer sends to emersion/go-smtp, which was written by others, by
// BDAT and by DATA, with refused recipients in between.
func TestForeignServer(t *testing.T) {
	for _, noChunking := range []bool{false, true} {
		backend := &foreign{}
		server := gosmtp.NewServer(backend)
		server.Domain = "foreign.test"
		ln := listen(t)
		go func() { _ = server.Serve(ln) }()
		t.Cleanup(func() { _ = server.Close() })
		o := options(ln.Addr().String())
		o.NoChunking = noChunking
		got := deliverAll(o, []smtp.Mail{
			mail("a@foreign.test", "one\r\n.\r\n"), mail("no@foreign.test", "never\r\n"), mail("b@foreign.test", "two\r\n"),
			mail("c@foreign.test", strings.Repeat("three\r\n", 300_000)),
		})
		if s := strings.Join(got, ", "); s != "ok 250, rcpt 550, ok 250, ok 250" {
			t.Errorf("noChunking %v: %s", noChunking, s)
		}
		backend.mu.Lock()
		if len(backend.bodies) != 3 || backend.bodies[0] != "one\r\n.\r\n" || len(backend.bodies[2]) != 7*300_000 {
			t.Errorf("noChunking %v: %d bodies arrived", noChunking, len(backend.bodies))
		}
		backend.mu.Unlock()
	}
}

// overdue is a context that is over without having told anybody, as one is after
// its process was paused.
type overdue struct{ context.Context } //nolint:containedctx // it is a context, over another one

func (overdue) Err() error { return context.DeadlineExceeded }

// TestOverdue holds that no body goes out once the context is over, told or not.
func TestOverdue(t *testing.T) {
	for _, extensions := range [][]string{{}, {"PIPELINING"}, {"CHUNKING"}, {"PIPELINING", "CHUNKING"}} {
		s := sink(t, smtptest.SinkConfig{Extensions: extensions})
		c := dial(t, smtp.Options{Address: s.Addr(), Host: "mx.test", EHLO: "a.test"})
		_, err := c.Deliver(overdue{t.Context()}, smtp.Mail{From: "a@a.test", To: "b@b.test", Parts: [][]byte{[]byte("x\r\n")}}, nil)
		var refused *smtp.Error
		if !errors.As(err, &refused) || refused.Uncertain || c.Usable() {
			t.Errorf("%v: %v, usable %v", extensions, err, c.Usable())
		}
		if n, _ := s.Count(); n != 0 {
			t.Errorf("%v: the mail went out", extensions)
		}
	}
}

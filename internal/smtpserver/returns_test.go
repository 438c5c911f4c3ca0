package smtpserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/returns"
	"stafette/internal/smtpserver"
)

const ours = "b+right@bounces.mail.example"

// postbox takes mail for one return path and the postmaster.
type postbox struct {
	mu    sync.Mutex
	err   error
	block chan struct{} // if set, Keep waits for it to be closed
	mails []string
	last  returns.Envelope
}

// Takes implements smtpserver.ReturnMail.
func (p *postbox) Takes(to message.Address) bool {
	return to.String() == ours || to.String() == "postmaster@bounces.mail.example" || to.String() == "postmaster@post.mail.example"
}

// Keep implements smtpserver.ReturnMail.
func (p *postbox) Keep(ctx context.Context, e returns.Envelope, raw []byte) error {
	if p.block != nil {
		select {
		case <-p.block:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.mails, p.last = append(p.mails, string(raw)), e
	}
	return p.err
}

func (p *postbox) kept() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.mails...)
}

type returnWorld struct {
	box  *postbox
	door *smtpserver.Returns
	addr string
}

func startReturns(t *testing.T, change func(*smtpserver.ReturnsConfig)) *returnWorld {
	t.Helper()
	certificate, _ := newCertificate(t)
	w := &returnWorld{box: &postbox{}}
	config := smtpserver.ReturnsConfig{Mail: w.box, Hostname: "post.mail.example", MaxSize: 100_000,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Now: func() time.Time { return now }}
	if change != nil {
		change(&config)
	}
	w.door = smtpserver.NewReturns(config)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- w.door.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.door.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

func (w *returnWorld) dial(t *testing.T) *dialog {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &dialog{t: t, conn: c, r: bufio.NewReader(c)}
}

func (w *returnWorld) greet(t *testing.T) *dialog {
	t.Helper()
	d := w.dial(t)
	d.want("220 ")
	d.say("EHLO mx.gmx.example", "250 ")
	return d
}

// begin goes as far as the data.
func (d *dialog) begin() {
	d.t.Helper()
	d.say("MAIL FROM:<>", "250 ")
	d.say("RCPT TO:<"+ours+">", "250 ")
	d.say("DATA", "354 ")
}

const returned = "From: MAILER-DAEMON@gmx.example\r\nTo: " + ours + "\r\nSubject: Undelivered\r\n\r\nNo such user.\r\n"

func TestReturnMailIsTaken(t *testing.T) {
	w := startReturns(t, nil)
	d := w.dial(t)
	d.want("220 ")
	hello := d.say("EHLO mx.gmx.example", "250 ")
	for _, extension := range []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "STARTTLS", "SMTPUTF8", "SIZE 100000\r"} {
		if !strings.Contains(hello, extension) {
			t.Errorf("%s is not offered in %q", extension, hello)
		}
	}
	if strings.Contains(hello, "AUTH") {
		t.Errorf("AUTH is offered in %q", hello)
	}
	d.say("STARTTLS", "220 ")
	encrypted := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true}) // as most that send to port 25
	d.conn, d.r = encrypted, bufio.NewReader(encrypted)
	d.say("EHLO mx.gmx.example", "250 ")
	d.begin()
	d.say(returned+".", "250 2.0.0")
	mails := w.box.kept()
	if len(mails) != 1 || !strings.HasSuffix(mails[0], "\r\n"+returned) ||
		!strings.HasPrefix(mails[0], "Received: from mx.gmx.example ([127.0.0.1])") || !strings.Contains(mails[0], "ESMTPS") {
		t.Errorf("kept %q", mails)
	}
	if e := w.box.last; e.Sender != "" || e.HELO != "mx.gmx.example" || e.Peer.String() != "127.0.0.1" || len(e.Recipients) != 1 {
		t.Errorf("envelope %+v", e)
	}
	d.say("MAIL FROM:<kundin@gmx.example> BODY=8BITMIME SMTPUTF8", "250 ")
	d.say("RCPT TO:<"+ours+"> NOTIFY=NEVER", "250 ")
	d.say("RCPT TO:<"+ours+">", "250 ")
	d.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(returned), returned))
	d.want("250 2.0.0")
	if n := len(w.box.last.Recipients); n != 1 {
		t.Errorf("one address named twice is %d recipients", n)
	}
}

// TestNoRelay: whatever an address pretends to be, nothing goes anywhere (T33). The
// forms are those of nmap's smtp-open-relay.
func TestNoRelay(t *testing.T) {
	w := startReturns(t, nil)
	for _, to := range []string{
		"relay@nmap.example", "relay%nmap.example@bounces.mail.example", "nmap.example!relay@bounces.mail.example", "nmap.example!relay",
		`"relay@nmap.example"@bounces.mail.example`, `"relay%nmap.example"@bounces.mail.example`, "relay@nmap.example@bounces.mail.example",
		"@bounces.mail.example:relay@nmap.example", "@a.example,@bounces.mail.example:relay@nmap.example", "relay@[127.0.0.1]",
		"relay", `"relay@nmap.example"`, "relay@nmap.example@[127.0.0.1]", "b+wrong@bounces.mail.example", "info@bounces.mail.example",
		"right@bounces.mail.example", "relay@nmap.example%bounces.mail.example",
	} {
		d := w.greet(t)
		d.say("MAIL FROM:<antispam@nmap.example>", "250 ")
		d.write("RCPT TO:<" + to + ">\r\n")
		if got := d.read(); !strings.HasPrefix(got, "5") {
			t.Errorf("%s: %q", to, got)
		}
		d.say("DATA", "503 ")
	}
	if n := len(w.box.kept()); n != 0 {
		t.Errorf("%d mails were kept", n)
	}
}

// TestSourceRouteToUs: a route that ends here is no relaying; its hosts are ignored
// (RFC 5321, 4.1.1.3).
func TestSourceRouteToUs(t *testing.T) {
	d := startReturns(t, nil).greet(t)
	d.say("MAIL FROM:<>", "250 ")
	d.say("RCPT TO:<@elsewhere.example:"+ours+">", "250 ")
}

// TestPostmaster: the one address that needs no domain, in any case of its letters
// (RFC 5321, 4.5.1), is that of the server itself.
func TestPostmaster(t *testing.T) {
	w := startReturns(t, nil)
	d := w.greet(t)
	for to, want := range map[string]string{
		"<postmaster>": "250 ", "<PostMaster>": "250 ", "<Postmaster> NOTIFY=NEVER": "250 ",
		"<postmaster": "501 ", "postmaster": "501 ", "<postmaster>x": "555 ", "<abuse>": "501 ", `<"postmaster">`: "501 ", "": "501 ",
	} {
		d.say("MAIL FROM:<>", "250 ")
		d.say("RCPT TO:"+to, want)
		d.say("RSET", "250 ")
	}
	d.say("MAIL FROM:<>", "250 ")
	d.say("RCPT TO:<Postmaster>", "250 ")
	d.say("RCPT TO:<postmaster@Post.Mail.Example>", "250 ")
	d.say("DATA", "354 ")
	d.say(returned+".", "250 ")
	if to := w.box.last.Recipients; len(to) != 1 || to[0].String() != "postmaster@post.mail.example" {
		t.Errorf("it went to %v", to)
	}
}

// TestReturnMistakes holds what is answered to clients that do not keep to the protocol.
func TestReturnMistakes(t *testing.T) {
	w := startReturns(t, nil)
	d := w.dial(t)
	d.want("220 ")
	for _, c := range []struct{ line, want string }{
		{"MAIL FROM:<>", "503 "}, {"EHLO a\rb", "500 5.5.2"}, {"EHLO mx.gmx.example", "250 "}, {"AUTH PLAIN x", "502 "},
		{"MAIL FROM:<> REQUIRETLS", "555 "}, {"MAIL FROM:<a\x00b@gmx.example>", "500 "}, {"MAIL FROM:<daemon>", "501 "},
		{"RCPT TO:<" + ours + ">", "503 "}, {"MAIL FROM:<>", "250 "}, {"MAIL FROM:<>", "503 "}, {"DATA", "503 "}, {"RCPT FROM:<postmaster>", "501 "},
		{"RCPT TO:<" + ours + "> NOTIFY=SOMETIMES", "501 "}, {"RCPT TO:<" + ours + ">", "250 "}, {"VRFY " + ours, "252 "}, {"HELP", "214 "},
		// A line too long is a bounce of a careless server, not an attack: it may go on.
		{"DATA", "354 "}, {strings.Repeat("x", 65<<10) + "\r\n.", "550 5.6.0"}, {"NOOP", "250 "},
	} {
		d.say(c.line, c.want)
	}
	if n := len(w.box.kept()); n != 0 {
		t.Errorf("%d mails were kept", n)
	}
}

// TestReturnSTARTTLSDropsWhatCameBefore: nothing said in clear is obeyed under TLS.
func TestReturnSTARTTLSDropsWhatCameBefore(t *testing.T) {
	d := startReturns(t, nil).greet(t)
	d.write("STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<>\r\n")
	d.want("220 ")
	encrypted := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true})
	d.conn, d.r = encrypted, bufio.NewReader(encrypted)
	d.say("MAIL FROM:<>", "503 ")
}

// TestGuessing: who tries addresses is shown out.
func TestGuessing(t *testing.T) {
	d := startReturns(t, nil).greet(t)
	d.say("MAIL FROM:<>", "250 ")
	for range 20 {
		d.say("RCPT TO:<b+guess@bounces.mail.example>", "550 5.7.1")
	}
	d.closed()
}

// TestReturnSmuggling sends what other servers take for the end of a message (T1). It
// must not end the message nor be accepted in one, and the client is not heard again.
func TestReturnSmuggling(t *testing.T) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r.\r\n", "\n\r.\r\n", "\r\n.\x00\r\n", "\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\n.\r",
	} {
		w := startReturns(t, nil)
		d := w.greet(t)
		d.begin()
		d.write(returned + "x" + end + "MAIL FROM:<>\r\nRCPT TO:<" + ours + ">\r\nDATA\r\nFrom: evil@a.example\r\n\r\nevil\r\n.\r\n")
		if got := d.read(); !strings.HasPrefix(got, "550 5.6.0 ") {
			t.Errorf("end %q: reply %q", end, got)
		}
		d.closed()
		if n := len(w.box.kept()); n != 0 {
			t.Errorf("end %q: %d mails kept", end, n)
		}
	}
}

// TestReturnSize: a mail of exactly the size is taken, by DATA and by BDAT, one byte
// more is not (T8).
func TestReturnSize(t *testing.T) {
	w := startReturns(t, nil)
	d := w.greet(t)
	exact := returned + strings.Repeat(strings.Repeat("a", 98)+"\r\n", 998)
	exact += strings.Repeat("b", 100_000-len(exact)-2) + "\r\n"
	for _, c := range []struct{ raw, want string }{{exact, "250 2.0.0"}, {"X: y\r\n" + exact, "552 5.3.4"}} {
		d.begin()
		d.say(c.raw+".", c.want)
		d.say("MAIL FROM:<>", "250 ")
		d.say("RCPT TO:<"+ours+">", "250 ")
		d.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(c.raw), c.raw))
		d.want(c.want)
	}
	d.say("MAIL FROM:<> SIZE=100001", "552 5.3.4")
	if n := len(w.box.kept()); n != 2 {
		t.Errorf("%d mails were kept", n)
	}
}

func TestReturnLoop(t *testing.T) {
	d := startReturns(t, nil).greet(t)
	for n, want := range map[int]string{100: "250 ", 101: "554 5.4.6"} {
		d.begin()
		d.say(strings.Repeat("Received: by x; y\r\n", n)+returned+".", want)
	}
}

// TestNothingIsKept: no 250 without storage, and the client keeps its mail.
func TestNothingIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"full":    {&fault.Error{Kind: fault.Unavailable, Code: "storage_full"}, "452 4.3.1"},
		"unknown": {errors.New("secret detail"), "451 4.3.0"},
	} {
		w := startReturns(t, nil)
		w.box.err = c.err
		d := w.greet(t)
		d.begin()
		if got := d.say(returned+".", c.want); strings.Contains(got, "secret") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestReturnCaps: connections per address, and memory over all of them (T41).
func TestReturnCaps(t *testing.T) {
	w := startReturns(t, func(c *smtpserver.ReturnsConfig) { c.MaxConnsPerIP, c.Memory = 2, 150_000 })
	w.box.block = make(chan struct{})
	first, second := w.greet(t), w.greet(t)
	third := w.dial(t)
	third.want("421 4.7.0")
	third.closed()
	big := returned + strings.Repeat(strings.Repeat("a", 98)+"\r\n", 900)
	first.begin()
	first.write(big + ".\r\n")
	w.door.Waits(t, 90_000)
	second.begin()
	second.say(big+".", "452 4.3.1")
	close(w.box.block)
	first.want("250 ")
	second.begin()
	second.say(big+".", "250 ")
}

// TestSlowClientIsEnded: one that says a byte a second, or a chunk a minute, has its time
// and no more (T41).
func TestSlowClientIsEnded(t *testing.T) {
	for name, c := range map[string]struct {
		first, again string
		pause        time.Duration
	}{
		"data":   {"DATA\r\n", "a", time.Second},
		"chunks": {"", "BDAT 1\r\na", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				l := &oneConn{conn: server, closed: make(chan struct{})}
				door := smtpserver.NewReturns(smtpserver.ReturnsConfig{Mail: &postbox{}, Now: time.Now})
				done := make(chan error, 1)
				go func() { done <- door.Serve(l) }()
				go func() { _, _ = io.Copy(io.Discard, client) }()
				began := time.Now()
				_, err := io.WriteString(client, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<"+ours+">\r\n"+c.first)
				for err == nil && time.Since(began) < time.Hour {
					time.Sleep(c.pause)
					_, err = io.WriteString(client, c.again)
				}
				if took := time.Since(began); took > 7*time.Minute {
					t.Errorf("it could go on for %s", took)
				}
				if err := door.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// oneConn is a listener to whom one client comes.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

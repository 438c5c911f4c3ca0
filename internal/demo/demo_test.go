package demo

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"
	"github.com/miekg/dns"
)

// clock is a hand that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(c.at.Load(), 0).UTC() }
func (c *clock) add(by time.Duration) { c.at.Add(int64(by / time.Second)) }

func start(t *testing.T, o Options) (*World, *clock) {
	t.Helper()
	c := &clock{}
	c.at.Store(1_795_300_000)
	o.Now = c.now
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	w, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, c
}

// connect opens a session with the mail server of a provider from a source address.
func connect(t *testing.T, w *World, mx, from string) *smtp.Client {
	t.Helper()
	c, err := dial(w, mx, from)
	if err != nil {
		t.Fatal(err)
	}
	client, err := smtp.NewClientStartTLS(c, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func dial(w *World, mx, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	return d.Dial("tcp", net.JoinHostPort(mx, strconv.Itoa(w.MXPort())))
}

func TestRecipientsMeetTheirFate(t *testing.T) {
	w, clock := start(t, Options{PerMinute: 2})
	for _, c := range []struct {
		name, mx, to string
		advance      time.Duration
		code         int
		text         string
	}{
		{"anybody at GMX", "127.0.10.1", "eva@gmx.example", 0, 250, ""},
		{"nobody at GMX, in several lines", "127.0.10.1", "unbekannt@gmx.example", 0, 550, "invalid mailbox\nFor explanation visit https://postmaster.gmx.example/case?c=r0501&i=ip&v=127.0.0.1"},
		{"the last of this minute at GMX", "127.0.10.1", "jonas@gmx.example", 0, 250, ""},
		{"one too many at GMX", "127.0.10.1", "eva@gmx.example", 0, 450, "Rate limit reached. Please try again later\nFor explanation visit"},
		{"a minute later at GMX", "127.0.10.1", "eva@gmx.example", time.Minute, 250, ""},
		{"nobody at T-Online", "127.0.10.2", "unbekannt@t-online.example", 0, 550, "user unknown"},
		{"somebody else's domain", "127.0.10.2", "eva@gmx.example", 0, 550, "Relay access denied"},
		{"a full mailbox", "127.0.10.3", "voll@posteo.example", 0, 452, "Mailbox full"},
		{"a stranger to the greylister", "127.0.10.3", "spaeter@posteo.example", 0, 451, "Greylisted"},
		{"back too early", "127.0.10.3", "spaeter@posteo.example", 2 * time.Second, 451, "Greylisted"},
		{"back in time, written differently", "127.0.10.3", "Spaeter@posteo.example", 5 * time.Second, 250, ""},
	} {
		clock.add(c.advance)
		client := connect(t, w, c.mx, "127.0.0.1")
		if err := client.Mail("post@hafenkontor.example", nil); err != nil {
			t.Fatal(err)
		}
		code, text := 250, ""
		if err := client.Rcpt(c.to, nil); err != nil {
			var refusal *smtp.SMTPError
			if !errors.As(err, &refusal) {
				t.Fatalf("%s: %v", c.name, err)
			}
			code, text = refusal.Code, refusal.Message
		}
		if code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, text, c.code, c.text)
		}
	}
}

func TestStrangersAreRefusedAtTheGreeting(t *testing.T) {
	w, _ := start(t, Options{Strangers: []netip.Addr{netip.MustParseAddr("127.0.0.66")}})
	for source, want := range map[string]string{
		"127.0.0.66": "554 IP=127.0.0.66 - None/bad reputation.",
		"127.0.0.17": "220 mx01.t-online.example",
	} {
		c, err := dial(w, "127.0.10.2", source)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		_ = c.Close()
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("from %s: %q, %v", source, line, err)
		}
	}
}

func TestNamesLeadToTheProviders(t *testing.T) {
	w, _ := start(t, Options{})
	ask := func(name string, kind uint16) *dns.Msg {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, kind), w.Resolver())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := ask("GMX.example.", dns.TypeMX); len(m.Answer) != 1 || m.Answer[0].(*dns.MX).Mx != "mx00.gmx.example." {
		t.Errorf("MX of gmx.example: %v", m.Answer)
	}
	if m := ask("mx00.gmx.example.", dns.TypeA); len(m.Answer) != 1 || !m.Answer[0].(*dns.A).A.IsLoopback() {
		t.Errorf("A of mx00.gmx.example: %v", m.Answer)
	}
	if m := ask(typoDomain+".", dns.TypeMX); len(m.Answer) != 1 || m.Answer[0].(*dns.MX).Mx != "." {
		t.Errorf("MX of %s: %v", typoDomain, m.Answer)
	}
	if m := ask("gmx.example.", dns.TypeAAAA); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 0 {
		t.Errorf("AAAA of gmx.example: %v", m)
	}
	if m := ask("nowhere.example.", dns.TypeMX); m.Rcode != dns.RcodeNameError {
		t.Errorf("MX of nowhere.example: %v", m)
	}
}

// signed is a mail with umlauts, HTML and an attachment under an Ed25519 signature.
func signed(t *testing.T, w *World) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.Publish("s1._domainkey.hafenkontor.example", "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(public))
	plain := strings.ReplaceAll(`From: =?utf-8?q?J=C3=B6rg?= <post@hafenkontor.example>
To: eva@gmx.example
Subject: =?utf-8?q?Ihr_Expos=C3=A9?=
Date: Sun, 22 Nov 2026 10:00:00 +0100
Message-ID: <1@hafenkontor.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>Grüße</p><script>alert(1)</script>
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''Expos%C3%A9.pdf

%PDF-1.4
--b--
`, "\n", "\r\n")
	var out strings.Builder
	if err := dkim.Sign(&out, strings.NewReader(plain), &dkim.SignOptions{Domain: "hafenkontor.example", Selector: "s1", Signer: private}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestMailCanBeRead(t *testing.T) {
	w, _ := start(t, Options{})
	raw := signed(t, w)
	client := connect(t, w, "127.0.10.1", "127.0.0.1")
	if err := client.SendMail("post@hafenkontor.example", []string{"Eva@gmx.example"}, strings.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(raw, "Gr", "gr", 1)
	if err := client.SendMail("post@hafenkontor.example", []string{"eva@gmx.example"}, strings.NewReader(broken)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		header []string
		status int
		wants  []string
	}{
		{"/", nil, 200, []string{"Alle Postfächer", "Ihr Exposé", "Jörg", "eva@gmx.example"}},
		{"/box/eva@gmx.example?lang=en", nil, 200, []string{"Mailboxes", `lang="en"`}},
		{"/box/nobody@gmx.example", []string{"Accept-Language", "en-GB"}, 200, []string{"No mail yet"}},
		{"/mail/1", nil, 200, []string{"hafenkontor.example: gültig", "TLS 1.3", "Exposé.pdf", "sandbox"}},
		{"/mail/2", nil, 200, []string{"hafenkontor.example: ungültig"}},
		{"/mail/1/html", nil, 200, []string{"<p>Grüße</p>"}},
		{"/mail/1/file/0", nil, 200, []string{"%PDF-1.4"}},
		{"/mail/1/file/7", nil, 404, nil},
		{"/mail/1/source", nil, 200, []string{"DKIM-Signature:"}},
		{"/mail/99", nil, 404, []string{"gibt es nicht mehr"}},
		{"/", []string{"Host", "evil.example"}, 421, nil},
		{"/assets/tokens.css", nil, 200, []string{"--canvas"}},
	} {
		answer, body := get(t, w.MailboxURL()+c.path, c.header...)
		if answer.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", c.path, answer.StatusCode, c.status)
		}
		for _, want := range c.wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", c.path, want, body)
			}
		}
		if csp := answer.Header.Get("Content-Security-Policy"); c.path == "/mail/1/html" && (!strings.Contains(csp, "; default-src 'none'; ") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") || strings.Contains(csp, "allow-forms")) {
			t.Errorf("HTML of a mail is shown under the policy %q", csp)
		}
	}
}

// Addresses of this machine in a mail's text become links, whatever stands around them.
func TestTextLeadsOn(t *testing.T) {
	for text, want := range map[string]string{
		"a <b> http://127.0.0.1:8080/f/x?a=1&b=2. Ende": `a &lt;b&gt; <a href="http://127.0.0.1:8080/f/x?a=1&amp;b=2" target="_blank" rel="noopener">http://127.0.0.1:8080/f/x?a=1&amp;b=2</a>. Ende`,
		`http://127.0.0.1:1/"><script>`:                 `<a href="http://127.0.0.1:1/" target="_blank" rel="noopener">http://127.0.0.1:1/</a>&#34;&gt;&lt;script&gt;`,
		"http://elsewhere.example/ <i>":                 "http://elsewhere.example/ &lt;i&gt;",
		"http://127.0.0.1:":                             `<a href="http://127.0.0.1" target="_blank" rel="noopener">http://127.0.0.1</a>:`,
	} {
		if got := string(linked(text)); got != want {
			t.Errorf("%q becomes\n%s, want\n%s", text, got, want)
		}
	}
	if page := leadingOn("<!doctype html><head><title>x</title>"); !strings.HasPrefix(page, `<!doctype html><head><base target="_blank">`) {
		t.Errorf("page %s", page)
	}
}

func TestNewMailIsAnnounced(t *testing.T) {
	w, _ := start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.MailboxURL()+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	client := connect(t, w, "127.0.10.3", "127.0.0.1")
	if err := client.SendMail("a@hafenkontor.example", []string{"mira@posteo.example"}, strings.NewReader("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if lines.Text() == "event: mail" {
			return
		}
	}
	t.Error("the stream ended without news")
}

func TestPageKeepsToThisMachine(t *testing.T) {
	for _, at := range []string{"0.0.0.0:0", "192.0.2.1:80", "example.com:80", ":8080"} {
		if w, err := Start(t.Context(), Options{Mailbox: at}); err == nil {
			t.Errorf("world listens on %s", at)
			_ = w.Close()
		}
	}
}

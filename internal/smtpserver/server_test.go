package smtpserver_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"stafette/internal/fault"
	"stafette/internal/smtpserver"
	"stafette/internal/tenant"
)

const mail = "From: a@muster.example\r\nSubject: x\r\n\r\nHallo\r\n"

func TestSubmission(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<info@muster.example> BODY=8BITMIME SIZE=100 RET=HDRS ENVID=x", "250 2.1.0")
	d.say("RCPT TO:<eva@KUNDE.example> NOTIFY=FAILURE ORCPT=rfc822;eva@kunde.example", "250 2.1.5")
	d.say(`RCPT TO:<"a b"@kunde.example>`, "250 2.1.5")
	d.say("DATA", "354 ")
	got := d.say(mail+"..dot\r\n.", "250 2.0.0")
	if !strings.Contains(got, "msg_") {
		t.Errorf("the reply %q names no message", got)
	}
	d.say("QUIT", "221 ")
	s := w.acceptor.only(t)
	want := "Received: by mail.muster.example with ESMTPA id "
	raw := string(s.Raw)
	if !strings.HasPrefix(raw, want) || !strings.HasSuffix(raw, "\r\n"+mail+".dot\r\n") || strings.Contains(raw, "127.0.0.1") {
		t.Errorf("bytes %q", raw)
	}
	if s.Sender == nil || s.Sender.String() != "info@muster.example" {
		t.Errorf("sender %v", s.Sender)
	}
	if fmt.Sprint(s.Recipients) != `[eva@kunde.example "a b"@kunde.example]` {
		t.Errorf("recipients %v", s.Recipients)
	}
	if p := w.acceptor.who; p.Tenant != w.key.Tenant || p.Actor != w.key.ID.String() || p.Door != "smtp" {
		t.Errorf("principal %+v", p)
	}
}

func TestExtensions(t *testing.T) {
	w := start(t, nil)
	d := w.dial(t)
	d.want("220 mail.muster.example ")
	got := d.say("EHLO client.example", "250 ")
	for _, want := range []string{"STARTTLS", "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "SIZE 100000"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
	if strings.Contains(got, "AUTH") {
		t.Errorf("AUTH is offered in clear: %q", got)
	}
	d.say("AUTH PLAIN "+plain("apikey", keyText), "523 5.7.10")
	d.say("MAIL FROM:<a@muster.example>", "530 5.7.0")
}

func TestAuthentication(t *testing.T) {
	w := start(t, clear)
	platform := newKey(tenant.ScopeSend)
	platform.Tenant = tenant.ID{}
	revoked := newKey(tenant.ScopeSend)
	revoked.RevokedAt = now
	w.accounts.keys["platform"] = platform
	w.accounts.keys["reader"] = newKey(tenant.ScopeRead)
	w.accounts.keys["revoked"] = revoked
	cases := []struct{ user, password, want string }{
		{"apikey", keyText, "235"},
		{w.key.ID.String(), keyText, "235"},
		{newKey().ID.String(), keyText, "535 5.7.8"},
		{"", keyText, "535 5.7.8"},
		{"apikey", "wrong", "535 5.7.8"},
		{"apikey", "", "535 5.7.8"},
		{"apikey", "platform", "535 5.7.8"},
		{"apikey", "reader", "535 5.7.8"},
		{"apikey", "revoked", "535 5.7.8"},
	}
	for _, c := range cases {
		d := w.dial(t)
		d.want("220 ")
		d.say("EHLO x", "250 ")
		if got := d.say("AUTH PLAIN "+plain(c.user, c.password), c.want); strings.Contains(got, "secret") {
			t.Errorf("the reply %q tells too much", got)
		}
		d = w.dial(t)
		d.want("220 ")
		d.say("EHLO x", "250 ")
		d.say("AUTH LOGIN", "334 VXNlcm5hbWU6")
		d.say(b64(c.user), "334 UGFzc3dvcmQ6")
		d.say(b64(c.password), c.want)
	}
}

func b64(s string) string {
	if s == "" {
		return "="
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

func TestAuthenticationExchange(t *testing.T) {
	w := start(t, clear)
	d := w.dial(t)
	d.want("220 ")
	d.say("AUTH PLAIN "+plain("apikey", keyText), "503 ")
	d.say("EHLO x", "250 ")
	d.say("AUTH CRAM-MD5", "504 5.7.4")
	d.say("AUTH PLAIN "+b64("no zero bytes"), "501 5.5.2")
	d.say("AUTH PLAIN "+b64("other\x00apikey\x00"+keyText), "535 5.7.8")
	d.say("AUTH LOGIN "+b64("apikey"), "334 UGFzc3dvcmQ6")
	d.say("*", "501 ")
	d.say("AUTH PLAIN", "334 ")
	d.say(plain("apikey", keyText), "235 ")
	d.say("AUTH PLAIN "+plain("apikey", keyText), "503 ")
}

func TestAuthenticationIsThrottled(t *testing.T) {
	w := start(t, clear)
	d := w.dial(t)
	d.want("220 ")
	d.say("EHLO x", "250 ")
	for range 3 {
		d.say("AUTH PLAIN "+plain("apikey", "wrong"), "535 5.7.8")
	}
	d.say("AUTH PLAIN "+plain("apikey", keyText), "421 4.7.0")
	d.closed()
	for err, want := range map[error]string{
		fault.New(fault.Limited, "too_many_tries", "x"):        "454 4.7.0",
		errors.New("database password is hunter2"):             "454 4.7.0",
		fault.New(fault.Forbidden, "tenant_locked", "hunter2"): "535 5.7.8",
	} {
		w.accounts.err = err
		d := w.dial(t)
		d.want("220 ")
		d.say("EHLO x", "250 ")
		if got := d.say("AUTH PLAIN "+plain("apikey", keyText), want); strings.Contains(got, "hunter2") {
			t.Errorf("the reply %q leaks", got)
		}
	}
}

// TestReplies holds the table from refusals to replies, and that no text of an ordinary
// error gets out.
func TestReplies(t *testing.T) {
	cases := []struct {
		err  error
		want string
	}{
		{fault.New(fault.Forbidden, "from_domain_not_yours", "x"), "550 5.7.1 from_domain_not_yours: x\r\n"},
		{fault.Field("from", "from_domain_unknown", "x"), "550 5.7.1 from_domain_unknown (from): x\r\n"},
		{fault.Field("headers/Subject", "header_duplicate", "x"), "550 5.6.0 header_duplicate (headers/Subject): x\r\n"},
		{fault.Field("to", "all_recipients_suppressed", "x"), "550 5.1.0 "},
		{fault.New(fault.Invalid, "line_end_bare", "x"), "550 5.6.0 "},
		{fault.New(fault.TooLarge, "message_too_large", "x"), "552 5.3.4 "},
		{fault.New(fault.TooLarge, "recipients_too_many", "x"), "550 5.5.3 "},
		{fault.New(fault.Limited, "quota_spent", "x"), "450 4.7.1 quota_spent: x\r\n"},
		{fault.New(fault.Unavailable, "storage_full", "x"), "452 4.3.1 "},
		{fault.New(fault.Unavailable, "database_down", "x"), "451 4.3.0 "},
		{fault.New(fault.Unauthenticated, "key_revoked", "x"), "535 5.7.8 "},
		{fault.New(fault.Conflict, "idempotency_conflict", "x"), "550 5.5.0 "},
		{fmt.Errorf("accept: %w", fault.New(fault.Forbidden, "tenant_locked", "x")), "550 5.7.1 "},
		{&fault.Error{Kind: fault.Invalid, Code: "c", Detail: "a\r\n250 Müller", Err: errors.New("hunter2")}, "550 5.6.0 c: a  250 M?ller\r\n"},
		{errors.New("hunter2"), "451 4.3.0 The message cannot be taken at the moment, try again later\r\n"},
		{fmt.Errorf("hunter2: %w", io.EOF), "451 4.3.0 "},
	}
	w := start(t, clear)
	d := w.login(t)
	for _, c := range cases {
		w.acceptor.mu.Lock()
		w.acceptor.err = c.err
		w.acceptor.mu.Unlock()
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.say("DATA", "354 ")
		if got := d.say(mail+".", c.want); strings.Contains(got, "hunter2") || len(got) > 512 {
			t.Errorf("the reply %q leaks or is too long", got)
		}
	}
}

func TestAddresses(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("RCPT TO:<eva@kunde.example>", "503 ")
	d.say("MAIL FROM:<müller@muster.example>", "553 5.6.7")
	d.say("MAIL FROM:<a@localhost>", "553 5.1.3")
	d.say("MAIL FROM:<a@muster.example> SIZE=100001", "552 5.3.4")
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	for path, want := range map[string]string{
		`<"a@evil.example x"@internal.example>`:                 "553 5.1.3",
		"<a@evil.example@internal.example>":                     "553 5.1.3",
		"<eva>":                                                 "501 5.5.2",
		"<eva@[127.0.0.1]>":                                     "553 5.1.3",
		"<e..va@kunde.example>":                                 "250 ", // quoted, as it may be
		"<" + strings.Repeat("a", 65) + "@kunde.example>":       "553 5.1.3",
		"<eva@" + strings.Repeat("abcdefghi.", 26) + "example>": "553 5.1.3",
		"<eva%other.example@kunde.example>":                     "250 ",
	} {
		d.say("RCPT TO:"+path, want)
	}
	d.say("RSET", "250 ")
	d.say("MAIL FROM:<müller@müller.example> SMTPUTF8", "250 ")
	d.say("RCPT TO:<jürgen@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.say(mail+".", "250 ")
	s := w.acceptor.only(t)
	if s.Sender.String() != "müller@xn--mller-kva.example" || s.Recipients[0].Local != "jürgen" || !strings.Contains(string(s.Raw), "with UTF8SMTPA id") {
		t.Errorf("sender %v, recipients %v, bytes %q", s.Sender, s.Recipients, s.Raw)
	}
}

// TestRequireTLS travels with the message, and needs TLS here already (RFC 8689, 4.1).
func TestRequireTLS(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<a@muster.example> REQUIRETLS", "530 5.7.10")

	w = start(t, nil)
	d = w.dial(t)
	d.want("220 ")
	d.say("EHLO x", "250 ")
	d.say("STARTTLS", "220 ")
	c := tls.Client(d.conn, &tls.Config{RootCAs: w.pool, ServerName: "127.0.0.1"})
	d.conn = c
	d.r.Reset(c)
	if offers := d.say("EHLO x", "250 "); !strings.Contains(offers, "REQUIRETLS") {
		t.Errorf("extensions %q", offers)
	}
	d.say("AUTH PLAIN "+plain("apikey", keyText), "235 ")
	d.say("MAIL FROM:<a@muster.example> REQUIRETLS", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.say(mail+".", "250 ")
	if s := w.acceptor.only(t); !s.RequireTLS {
		t.Error("REQUIRETLS got lost")
	}
}

func TestNullSender(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.say(mail+".", "250 ")
	if s := w.acceptor.only(t); s.Sender == nil || !s.Sender.IsZero() {
		t.Errorf("sender %v", s.Sender)
	}
}

func TestPipelining(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.write("MAIL FROM:<a@muster.example>\r\nRCPT TO:<eva@kunde.example>\r\nRCPT TO:<bad>\r\nDATA\r\n")
	d.want("250 ")
	d.want("250 ")
	d.want("501 ")
	d.want("354 ")
	d.write(mail + ".\r\nMAIL FROM:<a@muster.example>\r\nRCPT TO:<max@kunde.example>\r\nDATA\r\n")
	d.want("250 ")
	d.want("250 ")
	d.want("250 ")
	d.want("354 ")
	d.say(mail+".", "250 ")
	if n := len(w.acceptor.submissions()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

// TestSTARTTLSDropsWhatCameBefore holds that commands sent in clear along with STARTTLS
// are not obeyed under TLS (T34).
func TestSTARTTLSDropsWhatCameBefore(t *testing.T) {
	w := start(t, nil)
	d := w.dial(t)
	d.want("220 ")
	d.say("EHLO x", "250 ")
	d.write("STARTTLS\r\nEHLO injected.example\r\nNOOP\r\n")
	d.want("220 ")
	c := tls.Client(d.conn, &tls.Config{RootCAs: w.pool, ServerName: "127.0.0.1"})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.conn = c
	d.r.Reset(c)
	d.say("MAIL FROM:<a@muster.example>", "503 ")
	if got := d.say("EHLO x", "250 "); strings.Contains(got, "STARTTLS") || !strings.Contains(got, "AUTH PLAIN LOGIN") {
		t.Errorf("extensions under TLS: %q", got)
	}
}

func TestConnectionLimits(t *testing.T) {
	w := start(t, func(c *smtpserver.Config) { c.MaxConnsPerIP = 2 })
	first, second := w.dial(t), w.dial(t)
	first.want("220 ")
	second.want("220 ")
	third := w.dial(t)
	third.want("421 4.7.0")
	third.closed()
	first.say("QUIT", "221 ")
	first.closed()
	w.dial(t).want("220 ")

	w = start(t, func(c *smtpserver.Config) { c.MaxConns = 1 })
	w.dial(t).want("220 ")
	w.dial(t).want("421 4.7.0")
}

func TestTraceClient(t *testing.T) {
	for helo, want := range map[string]string{"pc7.office.example": "pc7.office.example", "[192.168.1.7]": "[192.168.1.7]", "a;b(c": "unknown"} {
		w := start(t, func(c *smtpserver.Config) { c.AllowPlainAuth, c.TraceClient = true, true })
		d := w.dial(t)
		d.want("220 ")
		d.say("EHLO "+helo, "250 ")
		d.say("AUTH PLAIN "+plain("apikey", keyText), "235 ")
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.say("DATA", "354 ")
		d.say(mail+".", "250 ")
		raw := strings.ReplaceAll(string(w.acceptor.only(t).Raw), "\r\n ", " ")
		if !strings.HasPrefix(raw, "Received: from "+want+" ([127.0.0.1]) by mail.muster.example with ESMTPA id ") {
			t.Errorf("bytes %q", raw)
		}
	}
}

func TestShutdownEndsIdleSessionsAndWaitsForBusyOnes(t *testing.T) {
	w := start(t, clear)
	w.acceptor.block, w.acceptor.began = make(chan struct{}), make(chan struct{})
	idle, busy := w.login(t), w.login(t)
	busy.say("MAIL FROM:<a@muster.example>", "250 ")
	busy.say("RCPT TO:<eva@kunde.example>", "250 ")
	busy.say("DATA", "354 ")
	busy.write(mail + ".\r\n")
	<-w.acceptor.began
	done := make(chan error)
	go func() { done <- w.server.Shutdown(context.Background()) }()
	// It hears 421 if it was waiting, and nothing if the server was about to wait.
	if rest, err := io.ReadAll(idle.r); err != nil || len(rest) > 0 && !strings.HasPrefix(string(rest), "421 ") {
		t.Errorf("the idle session ends with %q (%v)", rest, err)
	}
	close(w.acceptor.block)
	busy.want("250 2.0.0")
	busy.closed()
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if c, err := net.Dial("tcp", w.starttls); err == nil {
		_ = c.Close()
		t.Error("the listener is open")
	}
	w.acceptor.only(t)
}

func TestServeAfterShutdown(t *testing.T) {
	w := start(t, nil)
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.server.ServeTLS(l); err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestShutdownCutsOffAtTheEndOfItsContext(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	d.closed()
}

// TestGoClients sends by two foreign clients: net/smtp over STARTTLS, and go-smtp over TLS
// with LOGIN.
func TestGoClients(t *testing.T) {
	w := start(t, nil)
	config := &tls.Config{RootCAs: w.pool, ServerName: "127.0.0.1"}
	c, err := smtp.Dial(w.starttls)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return c.StartTLS(config) },
		func() error { return c.Auth(smtp.PlainAuth("", "apikey", keyText, "127.0.0.1")) },
		func() error { return c.Mail("info@muster.example") },
		func() error { return c.Rcpt("eva@kunde.example") },
		func() error {
			body, err := c.Data()
			if err != nil {
				return err
			}
			_, _ = io.WriteString(body, mail)
			return body.Close()
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if raw := string(w.acceptor.only(t).Raw); !strings.Contains(raw, "SMTPSA id ") || !strings.HasSuffix(raw, mail) {
		t.Errorf("bytes %q", raw)
	}

	g, err := gosmtp.DialTLS(w.tls, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Auth(sasl.NewLoginClient("apikey", keyText)); err != nil {
		t.Fatal(err)
	}
	if err := g.SendMail("info@muster.example", []string{"eva@kunde.example"}, strings.NewReader(mail)); err != nil {
		t.Fatal(err)
	}
	if err := g.Quit(); err != nil {
		t.Fatal(err)
	}
	if n := len(w.acceptor.submissions()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestSlowSessions (T41): a client that holds as many sessions open as it may, at every
// door, and says hardly anything, is turned away beyond that; others are served.
func TestSlowSessions(t *testing.T) {
	t.Parallel()
	peer, door := ownAddress(t), ownAddress(t)
	taken := openSink(t, peer)
	s := install(t, withReturns(t, door)+towards(peer))
	var other setupOutput
	out := s.command(t, "setup", "--config", s.config, "--tenant", "Klein & Fein", "--domain", "klein.example", "--trust-domain", "--output", "json")
	if err := json.Unmarshal(out, &other); err != nil {
		t.Fatal(err)
	}
	hog := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 66, 6, 6)}}
	for _, d := range []struct {
		name, address, begin string
		count                int
		speaksFirst          bool // tells whom it turns away
	}{
		{"return mail", door, "EHLO hog.exam", 30, true},
		{"submission", s.smtpAddr, "EHLO hog.exam", 120, true},
		{"submission with TLS", s.tls, "\x16\x03\x01", 20, false}, // shares its bound with the one before
		{"HTTP", s.httpAddr, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Le", 200, false},
	} {
		refused := 0
		for range d.count {
			c, err := hog.DialContext(t.Context(), "tcp", d.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if d.speaksFirst {
				line, err := bufio.NewReader(c).ReadString('\n')
				if err != nil || strings.HasPrefix(line, "421 ") {
					refused++
					continue
				}
			}
			_, _ = io.WriteString(c, d.begin)
		}
		if d.speaksFirst && (refused == 0 || refused == d.count) {
			t.Errorf("%s: %d of %d sessions were turned away", d.name, refused, d.count)
		}
	}
	s.setup = other
	const mail = "From: info@klein.example\r\nTo: eva@kunde.example\r\nSubject: x\r\n\r\nx\r\n"
	if err := s.signIn(t).SendMail("info@klein.example", []string{"eva@" + recipientDomain}, strings.NewReader(mail)); err != nil {
		t.Errorf("submission: %v", err)
	}
	s.send(t, map[string]any{"from": "info@klein.example", "to": []string{"eva@" + recipientDomain}, "subject": "x", "text": "x"})
	c, err := net.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	greeted(t, in)
	ask(t, c, in, "EHLO mx.kunde.example", "250")
	for _, m := range s.list(t, "") {
		s.settled(t, m.ID)
	}
	if n := len(taken.copies()); n != 2 {
		t.Errorf("%d mails left", n)
	}
	if a := s.request(t, http.MethodGet, "/v1/me", nil); a.status != http.StatusOK {
		t.Errorf("me: %s", a)
	}
}

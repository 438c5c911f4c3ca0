package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// letter is the mail every client sends, with umlauts wherever they can stand.
type letter struct {
	Host      string `json:"host"`
	Port      int    `json:"port"`
	Secure    bool   `json:"secure"`
	Mechanism string `json:"mechanism"`
	User      string `json:"user"`
	Password  string `json:"password"`
	From      string `json:"from"`
	To        string `json:"to"`
	Subject   string `json:"subject"`
	Text      string `json:"text"`
	HTML      string `json:"html"`
	Filename  string `json:"filename"`
	Content   string `json:"content"` // base64
	DSN       any    `json:"dsn,omitempty"`
}

func umlauts() letter {
	// Every byte value, several times: transport must not touch any of them.
	content := make([]byte, 10_000)
	for i := range content {
		content[i] = byte(i * 7)
	}
	return letter{
		From: "Jörg Müller <info@" + senderDomain + ">", To: "eva@" + recipientDomain,
		Subject:  "Ihr Exposé: Größe, Höhe und Übergabe – mit einem so langen Betreff, dass er gefaltet werden muss",
		Text:     "Grüße aus Köln.\n.Ein Punkt am Anfang\nEnde\n",
		HTML:     "<p>Grüße aus <b>Köln</b>. " + strings.Repeat("Eine sehr lange Zeile ohne Umbruch. ", 60) + "</p>",
		Filename: "Exposé Müller.pdf", Content: base64.StdEncoding.EncodeToString(content),
	}
}

// received is what read.py prints.
type received struct {
	Copies      int    `json:"copies"`
	From        string `json:"from"`
	To          string `json:"to"`
	Subject     string `json:"subject"`
	Text        string `json:"text"`
	HTML        string `json:"html"`
	Attachments []struct {
		Filename string `json:"filename"`
		SHA256   string `json:"sha256"`
	} `json:"attachments"`
	Raw string `json:"raw"`
}

// TestMailArrives sends the same mail with every client a tenant may have, and
// looks at it where the recipient would.
func TestMailArrives(t *testing.T) {
	recipient(t)
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n[egress]\nallow_private = true\n", names(t)))
	for _, c := range []struct {
		name string
		send func(*testing.T, *stafette, letter) string // returns the message's identifier
	}{
		{"HTTP API", byAPI},
		{"nodemailer, STARTTLS", func(t *testing.T, s *stafette, l letter) string { return byNode(t, s, l, s.smtpAddr, false) }},
		{"nodemailer, TLS", func(t *testing.T, s *stafette, l letter) string { return byNode(t, s, l, s.tls, true) }},
		{"smtplib, PLAIN", func(t *testing.T, s *stafette, l letter) string { return byPython(t, s, l, "PLAIN") }},
		{"urllib", byUrllib},
		{"swaks, STARTTLS", bySwaks},
		{"smtplib, LOGIN", func(t *testing.T, s *stafette, l letter) string { return byPython(t, s, l, "LOGIN") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := umlauts()
			m := s.settled(t, c.send(t, s, l))
			d := m.Deliveries[0]
			if d.State != "delivered" || d.StateText == "" || len(d.Attempts) == 0 {
				t.Fatalf("delivery %+v", d)
			}
			last := d.Attempts[len(d.Attempts)-1]
			if last.Code != 250 || !strings.HasPrefix(last.TLS, "TLS") || last.MX != "mx."+recipientDomain || !strings.Contains(last.Reply, "queued") {
				t.Errorf("attempt %+v", last)
			}
			got := readBox(t, "eva", m.MessageID)
			compare(t, l, got)
			verify(t, s, got)
		})
	}
}

func byAPI(t *testing.T, s *stafette, l letter) string {
	return s.send(t, map[string]any{
		"from": l.From, "to": []string{l.To}, "subject": l.Subject, "text": l.Text, "html": l.HTML,
		"attachments": []map[string]any{{"filename": l.Filename, "content_type": "application/pdf", "content": l.Content}},
	}).ID
}

func byNode(t *testing.T, s *stafette, l letter, address string, secure bool) string {
	needProgram(t, "node")
	if _, err := os.Stat("node/node_modules/nodemailer"); err != nil {
		t.Skip("needs nodemailer: npm ci in test/e2e/node, as ./run test does")
	}
	l.Secure = secure
	return s.submit(t, l, address, "node", "node/send.mjs")
}

func byPython(t *testing.T, s *stafette, l letter, mechanism string) string {
	needProgram(t, "python3")
	l.Mechanism = mechanism
	return s.submit(t, l, s.smtpAddr, "python3", "python/send.py")
}

// submit lets a foreign client send a letter and finds the message it became.
func (s *stafette) submit(t *testing.T, l letter, address, program, script string) string {
	t.Helper()
	host, port, _ := strings.Cut(address, ":")
	l.Host = host
	l.Port, _ = strconv.Atoi(port)
	l.User, l.Password = s.setup.SMTP.Username, s.setup.SMTP.Password
	job, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	sent := decode[struct {
		MessageID string `json:"messageId"`
	}](t, foreign(t, job, program, script))
	want := strings.Trim(sent.MessageID, "<>")
	for _, m := range s.list(t, "") {
		if s.settled(t, m.ID).MessageID == want {
			return m.ID
		}
	}
	t.Fatalf("message %q was accepted but is not in the list", want)
	return ""
}

// foreign runs a script of another language and returns what it prints.
func foreign(t *testing.T, input []byte, program string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args[0], err, complaints.String())
	}
	return out
}

// readBox reads a mail over IMAP, which Postfix may still be carrying into the box.
func readBox(t *testing.T, user, messageID string) received {
	t.Helper()
	var got *received
	eventually(t, "mail "+messageID+" is in the mailbox", func() error {
		out := foreign(t, nil, "python3", "python/read.py", mxAddress, "143", user, imapPassword, messageID)
		if got = decode[*received](t, out); got == nil {
			return fmt.Errorf("not there")
		}
		return nil
	})
	return *got
}

func compare(t *testing.T, want letter, got received) {
	t.Helper()
	if got.Copies != 1 {
		t.Errorf("%d copies", got.Copies)
	}
	if got.From != want.From || got.To != want.To || got.Subject != want.Subject {
		t.Errorf("from %q, to %q, subject %q", got.From, got.To, got.Subject)
	}
	if text := strings.ReplaceAll(got.Text, "\r\n", "\n"); strings.TrimSpace(text) != strings.TrimSpace(want.Text) {
		t.Errorf("text %q", text)
	}
	if html := strings.ReplaceAll(got.HTML, "\r\n", "\n"); strings.TrimSpace(html) != strings.TrimSpace(want.HTML) {
		t.Errorf("HTML %q", html)
	}
	content, err := base64.StdEncoding.DecodeString(want.Content)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if len(got.Attachments) != 1 || got.Attachments[0].Filename != want.Filename || got.Attachments[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("attachments %+v", got.Attachments)
	}
}

// verify lets a foreign verifier judge the signatures with the records setup printed.
func verify(t *testing.T, s *stafette, got received) {
	t.Helper()
	if _, err := os.Stat("node/node_modules/mailauth"); err != nil {
		t.Skip("needs mailauth: npm ci in test/e2e/node, as ./run test does")
	}
	records := map[string]string{}
	for _, k := range s.setup.DKIM {
		records[strings.ToLower(strings.TrimSuffix(k.RecordName, "."))] = k.RecordValue
	}
	keys, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(got.Raw)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := decode[[]struct{ Domain, Algorithm, Result, Why string }](t, foreign(t, raw, "node", "node/verify.mjs", string(keys)))
	passed := map[string]bool{}
	for _, v := range verdicts {
		if v.Result != "pass" || v.Domain != senderDomain {
			t.Errorf("signature %+v", v)
		}
		passed[v.Algorithm] = true
	}
	if !passed["rsa-sha256"] || !passed["ed25519-sha256"] {
		t.Errorf("signatures %+v, want one of each algorithm", verdicts)
	}
}

// TestRefusalsAreTold: what the recipient's server and the DNS say for good ends
// each delivery on its own.
func TestRefusalsAreTold(t *testing.T) {
	recipient(t)
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n[egress]\nallow_private = true\n", names(t)))
	m := s.settled(t, s.send(t, map[string]any{
		"from": "info@" + senderDomain, "subject": "Rundschreiben", "text": "Guten Tag",
		"to": []string{"jonas@" + recipientDomain, "niemand@" + recipientDomain, "post@keine-post.example", "post@gibt-es-nicht.example"},
	}).ID)
	for _, d := range m.Deliveries {
		want, reply := "bounced", ""
		switch d.Recipient {
		case "jonas@" + recipientDomain:
			want = "delivered"
		case "niemand@" + recipientDomain:
			reply = "User unknown in virtual mailbox table"
		}
		if d.State != want {
			t.Errorf("%s is %s, want %s: %+v", d.Recipient, d.State, want, d.Attempts)
		}
		if last := d.Attempts[len(d.Attempts)-1]; !strings.Contains(last.Reply, reply) || reply != "" && (last.Code != 550 || last.EnhancedCode != "5.1.1") {
			t.Errorf("%s: attempt %+v", d.Recipient, last)
		}
	}
	if a := s.request(t, http.MethodGet, "/v1/messages/"+m.ID+"/mime", nil); a.status != http.StatusOK || !bytes.Contains(a.body, []byte("Rundschreiben")) {
		t.Errorf("source of the message: %s", a)
	}
}

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"testing"
)

// byUrllib sends over the HTTP API with Python's own library: no SDK, no package.
func byUrllib(t *testing.T, s *stafette, l letter) string {
	needProgram(t, "python3")
	job, err := json.Marshal(struct {
		letter
		URL string `json:"url"`
		Key string `json:"key"`
	}{l, "http://" + s.httpAddr, s.setup.APIKey})
	if err != nil {
		t.Fatal(err)
	}
	return decode[struct {
		ID string `json:"id"`
	}](t, foreign(t, job, "python3", "python/api.py")).ID
}

// bySwaks submits with the tool that operators try mail servers with.
func bySwaks(t *testing.T, s *stafette, l letter) string {
	needProgram(t, "swaks")
	host, port, _ := strings.Cut(s.smtpAddr, ":")
	id := "<swaks." + port + "@" + senderDomain + ">"
	_, sender, _ := strings.Cut(strings.TrimSuffix(l.From, ">"), "<")
	out := foreign(t, rfc5322(t, l, id), "swaks", "--server", host, "--port", port, "--tls", "--auth", "PLAIN",
		"--auth-user", s.setup.SMTP.Username, "--auth-password", s.setup.SMTP.Password,
		"--from", sender, "--to", l.To, "--data", "-", "--hide-all", "--show-time-lapse", "i")
	want := strings.Trim(id, "<>")
	for _, m := range s.list(t, "") {
		if s.settled(t, m.ID).MessageID == want {
			return m.ID
		}
	}
	t.Fatalf("swaks sent %s, but it is not in the list: %s", id, out)
	return ""
}

// rfc5322 writes a letter as a program without a library would.
func rfc5322(t *testing.T, l letter, id string) []byte {
	t.Helper()
	var body bytes.Buffer
	mixed := multipart.NewWriter(&body)
	part := func(w *multipart.Writer, kind, encoding, extra string) *quotedprintable.Writer {
		h := textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {encoding}}
		if extra != "" {
			h.Set("Content-Disposition", extra)
		}
		p, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if encoding == "base64" {
			for content := l.Content; content != ""; {
				n := min(76, len(content))
				fmt.Fprintf(p, "%s\r\n", content[:n])
				content = content[n:]
			}
			return nil
		}
		return quotedprintable.NewWriter(p)
	}
	var both bytes.Buffer
	alternative := multipart.NewWriter(&both)
	for _, text := range [][2]string{{"text/plain; charset=utf-8", l.Text}, {"text/html; charset=utf-8", l.HTML}} {
		w := part(alternative, text[0], "quoted-printable", "")
		if _, err := w.Write([]byte(text[1])); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := alternative.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := mixed.CreatePart(textproto.MIMEHeader{"Content-Type": {"multipart/alternative; boundary=" + alternative.Boundary()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(both.Bytes()); err != nil {
		t.Fatal(err)
	}
	part(mixed, "application/pdf", "base64", mime.FormatMediaType("attachment", map[string]string{"filename": l.Filename}))
	if err := mixed.Close(); err != nil {
		t.Fatal(err)
	}
	name, address, _ := strings.Cut(l.From, " <")
	var mail bytes.Buffer
	fmt.Fprintf(&mail, "From: %s <%s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: Mon, 02 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n",
		mime.QEncoding.Encode("utf-8", name), address, l.To, mime.BEncoding.Encode("utf-8", l.Subject), id)
	fmt.Fprintf(&mail, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n%s", mixed.Boundary(), body.Bytes())
	return mail.Bytes()
}

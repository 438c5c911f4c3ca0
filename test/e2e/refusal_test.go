package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// problem is a refusal as the API words it (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Errors []struct {
		Pointer string `json:"pointer"`
	} `json:"errors"`
}

// TestBadInputOverHTTP: every refusal names the field at fault, and nothing is queued.
func TestBadInputOverHTTP(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	recipients := make([]string, 1001)
	for i := range recipients {
		recipients[i] = fmt.Sprintf("k%d@%s", i, recipientDomain)
	}
	for _, c := range []struct {
		name    string
		change  map[string]any // over a message that would be accepted
		status  int
		pointer string // prefix of what one of the errors names; "" demands none
	}{
		{"line break in the subject", map[string]any{"subject": "Hallo\r\nBcc: x@evil.example"}, 422, "/subject"},
		{"line break in a header", map[string]any{"headers": map[string]string{"X-Ref": "1\r\nBcc: x@evil.example"}}, 422, "/headers"},
		{"line break in a display name", map[string]any{"from": "Muster\r\nX: y <info@" + senderDomain + ">"}, 422, "/from"},
		{"somebody else's From", map[string]any{"from": "info@anders.example"}, 403, "/from"},
		{"no From", map[string]any{"from": ""}, 422, "/from"},
		{"a malformed recipient", map[string]any{"to": []string{"eva@" + recipientDomain, "eva@@kunde"}}, 422, "/to/1"},
		{"an overlong recipient", map[string]any{"to": []string{strings.Repeat("a", 65) + "@" + strings.Repeat("b.", 120) + "example"}}, 422, "/to/0"},
		{"nobody to send to", map[string]any{"to": []string{}}, 422, "/to"},
		{"an unknown field", map[string]any{"subjct": "x"}, 422, "/subjct"},
		{"bad base64", map[string]any{"attachments": []map[string]any{{"filename": "a.pdf", "content": "***"}}}, 422, "/attachments/0/content"},
		{"a path as file name", map[string]any{"attachments": []map[string]any{{"filename": "a\r\nb.pdf", "content": "YQ=="}}}, 422, "/attachments/0/filename"},
		{"an unknown stream", map[string]any{"stream": "bulk"}, 422, "/stream"},
		{"too many recipients", map[string]any{"to": recipients}, 0, "/to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := map[string]any{"from": "info@" + senderDomain, "to": []string{"eva@" + recipientDomain}, "subject": "Hallo", "text": "Hallo"}
			maps.Copy(fields, c.change)
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			expectProblem(t, s.request(t, http.MethodPost, "/v1/messages", body), c.status, c.pointer)
		})
	}
	for _, c := range []struct {
		name   string
		body   string
		header []string
		status int
	}{
		{"no JSON", "{", nil, 400},
		{"not UTF-8", "{\"from\":\"info@muster.example\",\"to\":[\"eva@kunde.example\"],\"subject\":\"\xff\",\"text\":\"x\"}", nil, 0},
		{"an unknown key", "{}", []string{"Authorization", "Bearer stf_" + strings.Repeat("A", 43)}, 401},
		{"no key", "{}", []string{"Authorization", ""}, 401},
		{"a message over the limit", `{"text":"` + strings.Repeat("x", 46<<20) + `"}`, nil, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectProblem(t, s.request(t, http.MethodPost, "/v1/messages", []byte(c.body), c.header...), c.status, "")
		})
	}
	if list := s.list(t, ""); len(list) != 0 {
		t.Errorf("something was accepted: %+v", list)
	}
}

// expectProblem checks a refusal; status 0 allows any of 4xx.
func expectProblem(t *testing.T, a answer, status int, pointer string) {
	t.Helper()
	p := decode[problem](t, a.body)
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("content type %q", kind)
	}
	if status == 0 && a.status/100 != 4 || status != 0 && a.status != status || p.Status != a.status || p.Code == "" || p.Type == "" {
		t.Errorf("want status %d, have %.500s", status, a)
	}
	named := func(e struct {
		Pointer string `json:"pointer"`
	}) bool {
		return strings.HasPrefix(e.Pointer, pointer)
	}
	if pointer != "" && !slices.ContainsFunc(p.Errors, named) {
		t.Errorf("no error names %s: %.500s", pointer, a)
	}
}

// TestIdempotencyOverHTTP: the same key and body is one message, another body a conflict.
func TestIdempotencyOverHTTP(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	body := `{"from":"info@muster.example","to":["eva@kunde.example"],"subject":"Hallo","text":"Hallo"}`
	post := func(body string) answer {
		return s.request(t, http.MethodPost, "/v1/messages", []byte(body), "Idempotency-Key", "auftrag-4711")
	}
	first, again := post(body), post(body)
	if first.status != 202 || again.status != 202 || decode[message](t, first.body).ID != decode[message](t, again.body).ID {
		t.Errorf("first %s, again %s", first, again)
	}
	expectProblem(t, post(strings.Replace(body, "Hallo", "Servus", 1)), 409, "")
	if list := s.list(t, ""); len(list) != 1 {
		t.Errorf("%d messages", len(list))
	}
}

// TestBadInputOverSMTP: the same rules hold at the other door.
func TestBadInputOverSMTP(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	good := "From: info@" + senderDomain + "\r\nTo: eva@" + recipientDomain + "\r\nSubject: x\r\n\r\nx\r\n"
	for _, c := range []struct {
		name, from, to, mail string
		code                 int
		enhanced             smtp.EnhancedCode
	}{
		{"somebody else's From", "info@" + senderDomain, "eva@" + recipientDomain, strings.Replace(good, senderDomain, "anders.example", 1), 550, smtp.EnhancedCode{5, 7, 1}},
		{"somebody else's envelope", "info@anders.example", "eva@" + recipientDomain, good, 550, smtp.EnhancedCode{5, 7, 1}},
		{"a malformed recipient", "info@" + senderDomain, "eva@kunde..example", good, 0, smtp.EnhancedCode{}},
		{"too large", "info@" + senderDomain, "eva@" + recipientDomain, good + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 32<<20/72), 552, smtp.EnhancedCode{5, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := s.signIn(t)
			err := client.SendMail(c.from, []string{c.to}, strings.NewReader(c.mail))
			var refusal *smtp.SMTPError
			if !errors.As(err, &refusal) {
				t.Fatalf("answer %v", err)
			}
			if c.code != 0 && (refusal.Code != c.code || refusal.EnhancedCode != c.enhanced) || refusal.Code/100 != 5 {
				t.Errorf("%d %v %s, want %d %v", refusal.Code, refusal.EnhancedCode, refusal.Message, c.code, c.enhanced)
			}
		})
	}
	if list := s.list(t, ""); len(list) != 0 {
		t.Errorf("something was accepted: %+v", list)
	}
}

// insecure takes any certificate: those of the scenarios are self-signed.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// signIn opens an SMTP session with STARTTLS as the tenant.
func (s *stafette) signIn(t *testing.T) *smtp.Client {
	t.Helper()
	client, err := smtp.DialStartTLS(s.smtpAddr, insecure())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Auth(sasl.NewPlainClient("", s.setup.SMTP.Username, s.setup.SMTP.Password)); err != nil {
		t.Fatal(err)
	}
	return client
}

// TestSubmissionDemandsTLSAndASignIn: no password in clear, no mail without one.
func TestSubmissionDemandsTLSAndASignIn(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	plain, err := smtp.Dial(s.smtpAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if ok, _ := plain.Extension("AUTH"); ok {
		t.Error("AUTH is offered without TLS")
	}
	if err := plain.Mail("info@"+senderDomain, nil); err == nil {
		t.Error("mail is taken from anybody")
	}
	encrypted, err := smtp.DialStartTLS(s.smtpAddr, insecure())
	if err != nil {
		t.Fatal(err)
	}
	defer encrypted.Close()
	err = encrypted.Auth(sasl.NewPlainClient("", s.setup.SMTP.Username, "falsch"))
	var refusal *smtp.SMTPError
	if !errors.As(err, &refusal) || refusal.Code != 535 {
		t.Errorf("a wrong password is answered with %v", err)
	}
	if bytes.Contains([]byte(s.log.String()), []byte("falsch")) {
		t.Error("the password stands in the log")
	}
}

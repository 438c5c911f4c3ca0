package dkim_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	own "stafette/internal/dkim"
)

const domain = "muster.example"

// keys makes one pair of keys for all tests and answers for DNS.
var keys = sync.OnceValues(func() ([]own.Key, map[string]string) {
	records := make(map[string]string)
	var list []own.Key
	for _, a := range []own.Algorithm{own.RSA, own.Ed25519} {
		der, record, err := own.GenerateKey(a)
		if err != nil {
			panic(err)
		}
		s, err := own.ParseSigner(der)
		if err != nil {
			panic(err)
		}
		list = append(list, own.Key{Selector: "s-" + string(a), Signer: s})
		records["s-"+string(a)+"._domainkey."+domain] = record
	}
	return list, records
})

// verify asks go-msgauth, which shares no code with us, about every signature.
func verify(t testing.TB, signed []byte) []*dkim.Verification {
	t.Helper()
	_, records := keys()
	list, err := dkim.VerifyWithOptions(bytes.NewReader(signed), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			if r, ok := records[name]; ok {
				return []string{r}, nil
			}
			return nil, errors.New("no such record")
		},
	})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return list
}

// Signatures are made at the time of the test, because the verifier's clock is fixed
// to the real one and refuses what has expired.
func sign(t testing.TB, message []byte) []byte {
	t.Helper()
	list, _ := keys()
	header, err := own.Sign(time.Now(), message, own.Options{Domain: domain, Keys: list})
	if err != nil {
		t.Fatal(err)
	}
	return append(header, message...)
}

func TestSignaturesVerify(t *testing.T) {
	cases := map[string]string{
		"plain":            "From: a@muster.example\r\nSubject: x\r\n\r\nHallo\r\n",
		"folded":           "From: =?utf-8?q?a?=\r\n\t<a@muster.example>\r\nSubject:  a \t b\r\n  c \r\nTo: x@y.example\r\n\r\n a  b\t \r\n\r\n\r\n",
		"empty body":       "From: a@muster.example\r\n\r\n",
		"only empty lines": "From: a@muster.example\r\n\r\n\r\n \r\n\t\r\n",
		"no last CRLF":     "From: a@muster.example\r\n\r\nHallo",
		"repeated fields":  "Received: a\r\nList-Id: 1\r\nFrom: a@muster.example\r\nList-Id: 2\r\n\r\nx\r\n",
		"utf-8":            "FROM: Müller <a@muster.example>\r\nSubject: Grüße\r\n\r\nschöne\u00a0 Grüße\r\n",
		"long":             "From: a@muster.example\r\n\r\n" + strings.Repeat("abc  def\t\r\n\r\n", 5000),
	}
	for name, message := range cases {
		t.Run(name, func(t *testing.T) {
			list := verify(t, sign(t, []byte(message)))
			if len(list) != 2 {
				t.Fatalf("%d signatures, want 2", len(list))
			}
			for _, v := range list {
				if v.Err != nil || v.Domain != domain {
					t.Errorf("%s: %v", v.Domain, v.Err)
				}
			}
		})
	}
}

// TestSignaturesBreak changes signed mail as a replayer would (T35).
func TestSignaturesBreak(t *testing.T) {
	signed := sign(t, []byte("From: a@muster.example\r\nTo: eva@kunde.example\r\nSubject: x\r\n\r\nHallo\r\n"))
	changes := map[string]string{
		"second From":           "From: evil@muster.example\r\n",
		"second Subject":        "Subject: evil\r\n",
		"Cc where none was":     "Cc: x@y.example\r\n",
		"Reply-To":              "Reply-To: evil@y.example\r\n",
		"Content-Type":          "Content-Type: text/html\r\n",
		"List-Unsubscribe":      "List-Unsubscribe: <https://evil.example>\r\n",
		"List-Unsubscribe-Post": "List-Unsubscribe-Post: x\r\n",
		"CFBL-Address":          "CFBL-Address: fbl@evil.example\r\n",
	}
	for name, field := range changes {
		for _, v := range verify(t, append([]byte(field), signed...)) {
			if v.Err == nil {
				t.Errorf("%s: the signature still verifies", name)
			}
		}
	}
	for _, v := range verify(t, append(bytes.Clone(signed), "more\r\n"...)) {
		if v.Err == nil {
			t.Error("longer body: the signature still verifies")
		}
	}
	for _, v := range verify(t, append([]byte("Received: by the next server\r\n"), signed...)) {
		if v.Err != nil {
			t.Errorf("trace field: %v", v.Err)
		}
	}
}

func TestSignatureField(t *testing.T) {
	list, _ := keys()
	now := time.Date(2026, 11, 21, 14, 5, 0, 999, time.UTC)
	header, err := own.Sign(now, []byte("From: a@muster.example\r\n\r\nx\r\n"), own.Options{Domain: domain, Keys: list})
	if err != nil {
		t.Fatal(err)
	}
	text := string(header)
	for _, want := range []string{"a=rsa-sha256;", "a=ed25519-sha256;", "t=1795269900; x=1795874700;", "From:From:Sender:", "s=s-rsa;", "s=s-ed25519;"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, " l=") || strings.Contains(text, ";l=") {
		t.Errorf("a length tag in\n%s", text)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 78 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("line %q", line)
		}
	}
	if strings.Count(text, "DKIM-Signature:") != 2 || !strings.HasSuffix(text, "\r\n") {
		t.Errorf("fields %q", text)
	}
}

func TestSignRefuses(t *testing.T) {
	list, _ := keys()
	cases := map[string]own.Options{
		"domain with break":   {Domain: "a\r\nb", Keys: list},
		"no domain":           {Keys: list},
		"selector with break": {Domain: domain, Keys: []own.Key{{Selector: "a;\r\nb", Signer: list[0].Signer}}},
		"without From":        {Domain: domain, Keys: list, Fields: []string{"To"}},
		"field with colon":    {Domain: domain, Keys: list, Fields: []string{"From", "a:b"}},
		"zero signer":         {Domain: domain, Keys: []own.Key{{Selector: "a"}}},
	}
	for name, o := range cases {
		if got, err := own.Sign(time.Now(), []byte("From: a\r\n\r\n"), o); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, err := own.Sign(time.Now(), []byte("From: a\r\n\r\n"), own.Options{Domain: domain}); err != nil || len(got) != 0 {
		t.Errorf("without keys: %q (%v)", got, err)
	}
}

func TestParseSigner(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(weak)
	for name, der := range map[string][]byte{"empty": nil, "noise": []byte("x"), "PKCS #1": pkcs1} {
		if _, err := own.ParseSigner(der); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, _, err := own.GenerateKey("dsa"); err == nil {
		t.Error("algorithm dsa is accepted")
	}
}

// FuzzSign holds byte-equality with go-msgauth's canonicalisation: its verifier must
// agree with every signature we make.
func FuzzSign(f *testing.F) {
	f.Add([]byte(" a  b\t\r\n\r\n x\r\n"), " x\t y\r\n\tz ")
	f.Add([]byte("\r\n \r\n"), "")
	f.Add([]byte("a"), "=?utf-8?q?=C3=BC?=")
	f.Fuzz(func(t *testing.T, body []byte, subject string) {
		// Mail with bare CR or LF never gets as far as a signature.
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r"), nil), []byte("\n"), []byte("\r\n"))
		subject = strings.ReplaceAll(strings.ReplaceAll(subject, "\r", ""), "\n", "\r\n ")
		message := append([]byte("From: a@muster.example\r\nSubject:"+subject+"\r\n\r\n"), body...)
		list, _ := keys()
		header, err := own.Sign(time.Now(), message, own.Options{Domain: domain, Keys: list[1:]})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range verify(t, append(header, message...)) {
			if v.Err != nil {
				t.Errorf("%v in %q", v.Err, message)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	list, _ := keys()
	message := []byte("From: a@muster.example\r\n\r\n" + strings.Repeat(strings.Repeat("a", 76)+"\r\n", 130))
	for name, k := range map[string][]own.Key{"rsa+ed25519": list, "ed25519": list[1:]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := own.Sign(time.Now(), message, own.Options{Domain: domain, Keys: k}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

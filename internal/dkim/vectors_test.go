package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// TestRelaxedExamples holds the examples of RFC 6376, 3.4.5 and the known hashes of
// empty bodies (3.4.4).
func TestRelaxedExamples(t *testing.T) {
	var got []byte
	fields, body := splitHeader([]byte("A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"))
	for _, f := range fields {
		got = appendRelaxedField(got, f)
	}
	if string(got) != "a:X\r\nb:Y Z\r\n" {
		t.Errorf("header %q", got)
	}
	if hashBody(body) != sha256.Sum256([]byte(" C\r\nD E\r\n")) {
		t.Errorf("body %q is hashed otherwise", body)
	}
	for _, empty := range []string{"", "\r\n", " \t\r\n\r\n", " "} {
		if hashBody([]byte(empty)) != sha256.Sum256(nil) {
			t.Errorf("%q is not an empty body", empty)
		}
	}
	if hashBody([]byte("a")) != sha256.Sum256([]byte("a\r\n")) {
		t.Error("a last line without end lacks its CRLF")
	}
}

// TestBodyAcrossFlushes makes lines and runs of empty lines cross the buffer's end.
func TestBodyAcrossFlushes(t *testing.T) {
	line := strings.Repeat("a", 900)
	body := strings.Repeat(line+"\t b \r\n\r\n", 100) + strings.Repeat("\r\n", flushAt) + "x" + strings.Repeat("\r\n", 99)
	want := strings.Repeat(line+" b\r\n\r\n", 100) + strings.Repeat("\r\n", flushAt) + "x\r\n"
	if hashBody([]byte(body)) != sha256.Sum256([]byte(want)) {
		t.Error("hash differs")
	}
}

// TestRFC8463Vector makes the Ed25519 signature of RFC 8463, A.3 from our own pieces;
// the algorithm has no randomness, so it must come out the same.
func TestRFC8463Vector(t *testing.T) {
	message := []byte(strings.ReplaceAll(`From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`, "\n", "\r\n"))
	field := []byte(strings.ReplaceAll(`DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=`, "\n", "\r\n"))
	fields, body := splitHeader(message)
	bodyHash := hashBody(body)
	if got := base64.StdEncoding.EncodeToString(bodyHash[:]); !bytes.Contains(field, []byte("bh="+got+";")) {
		t.Errorf("body hash %s", got)
	}
	var input []byte
	for _, f := range fields {
		input = appendRelaxedField(input, f)
	}
	input = appendRelaxedField(input, field)
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	signer := Signer{Ed25519, ed25519.NewKeyFromSeed(seed)}
	signature, err := signer.sign(sha256.Sum256(bytes.TrimSuffix(input, []byte(crlf))))
	if err != nil {
		t.Fatal(err)
	}
	const want = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
	if got := base64.StdEncoding.EncodeToString(signature); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	if record, err := signer.Record(); err != nil || record != "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" {
		t.Errorf("record %q (%v)", record, err)
	}
}

// FuzzHashBody holds the short way of canonical bodies against the long one.
func FuzzHashBody(f *testing.F) {
	for _, body := range []string{"", "\r\n", "a", "a\r\n", "a\r\n\r\n", "a \r\n", "a  b\r\n", "a\r\r\n", "a\r\n\n\r\n", " \r\n", " a\r\n \r\n", "a\tb\r\n", "a\r\nb "} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if hashBody(body) != hashLines(body) {
			t.Errorf("%q is hashed otherwise", body)
		}
	})
}

func BenchmarkHash10KB(b *testing.B) {
	header := "From: Müller <a@b.example>\r\nTo: c@d.example\r\nSubject: x\r\n\r\n"
	names := DefaultFields()
	for name, line := range map[string]string{
		"canonical": strings.Repeat("abcd ", 15) + "a\r\n",
		"indented":  "  " + strings.Repeat("abcd ", 14) + "abc\r\n",
		"blank end": strings.Repeat("abcd ", 15) + " \r\n",
	} {
		message := []byte(header + strings.Repeat(line, 130))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				fields, body := splitHeader(message)
				collect(fields, names)
				hashBody(body)
			}
		})
	}
}

func BenchmarkSHA256Only(b *testing.B) {
	body := make([]byte, 10<<10)
	for b.Loop() {
		sha256.Sum256(body)
	}
}

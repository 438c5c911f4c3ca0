package letter

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"
)

func TestLetterIsAMessageOfTheWantedSize(t *testing.T) {
	s := NewSource(Config{Run: "r1", From: "info@muster.example", Size: 10 << 10})
	l := s.At(51)
	raw := l.Append(nil)
	if len(raw) < 9<<10 || len(raw) > 11<<10 {
		t.Errorf("%d bytes, want about 10 KB", len(raw))
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Subject"); got != l.Subject() || !strings.HasSuffix(got, l.Token) {
		t.Errorf("subject %q", got)
	}
	if l.To != "r1.0000051@d01.example" || TokenOf(l.To) != l.Token {
		t.Errorf("recipient %q, token %q", l.To, TokenOf(l.To))
	}
	if !bytes.HasSuffix(raw, []byte("\r\n"+EndMark(l.Token)+"\r\n")) {
		t.Errorf("ends with %q", raw[len(raw)-40:])
	}
	if bytes.Contains(raw, []byte("\n.")) || bytes.Count(raw, []byte("\n")) != bytes.Count(raw, []byte("\r\n")) {
		t.Error("needs dot-stuffing or has bare LF")
	}
}

func TestTokenOfForeignAddress(t *testing.T) {
	for _, a := range []string{"", "postmaster@x.example", "no-at"} {
		if got := TokenOf(a); got != "" {
			t.Errorf("TokenOf(%q) = %q", a, got)
		}
	}
}

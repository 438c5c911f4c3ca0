package message_test

import (
	"testing"
	"unicode/utf8"

	"stafette/internal/message"
)

func TestParseXText(t *testing.T) {
	for in, want := range map[string]string{"": "", "QQ+2B3+20x": "QQ+3 x", "abc": "abc", "+41": "A"} {
		if have, ok := message.ParseXText(in); !ok || have != want {
			t.Errorf("%q: %q %t, want %q", in, have, ok, want)
		}
	}
	for _, in := range []string{"+", "+4", "+4g", "+2b", "a=b", "a b", "ü", "a\r\nb"} {
		if have, ok := message.ParseXText(in); ok {
			t.Errorf("%q was taken as %q", in, have)
		}
	}
}

func TestParseUTF8Address(t *testing.T) {
	for in, want := range map[string]string{`j\x{F6}rg@kunde.example`: "jörg@kunde.example", "jürgen": "jürgen", `a\x{2B}b`: "a+b", `\x{1F600}`: "😀"} {
		if have, ok := message.ParseUTF8Address(in); !ok || have != want {
			t.Errorf("%q: %q %t, want %q", in, have, ok, want)
		}
	}
	for _, in := range []string{`\`, `\x`, `\x{}`, `\x{F6`, `\x{110000}`, `\x{D800}`, `\x{-1}`, "a b", "a+b", "a=b", "\xff", "a\nb"} {
		if have, ok := message.ParseUTF8Address(in); ok {
			t.Errorf("%q was taken as %q", in, have)
		}
	}
}

func FuzzXText(f *testing.F) {
	f.Add("QQ+2B3+20x")
	f.Add(`j\x{F6}rg`)
	f.Fuzz(func(t *testing.T, s string) {
		if text, ok := message.ParseXText(s); ok {
			if again, ok := message.ParseXText(message.XText(text)); !ok || again != text {
				t.Errorf("%q became %q", text, again)
			}
		}
		if address, ok := message.ParseUTF8Address(s); ok && utf8.ValidString(address) {
			if again, ok := message.ParseUTF8Address(message.EscapeUTF8Address(address)); !ok || again != address {
				t.Errorf("%q became %q", address, again)
			}
		}
	})
}

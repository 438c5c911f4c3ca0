package message

import (
	"bytes"
	"mime/quotedprintable"
	"strings"
	"testing"
)

// FuzzQuoted holds our quoted-printable to that of the standard library.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "a", " ", "\t\r\n", "Grüße = \n", "a\rb\r\nc\n\rd\r=\ne", "\r=\n", strings.Repeat("x", 75), strings.Repeat("x", 76), strings.Repeat("x", 74) + " \r\n",
		strings.Repeat("x", 74) + " y", strings.Repeat("ü", 99), strings.Repeat("x", 73) + "ü" + strings.Repeat("x", 77), strings.Repeat(" ", 200), "\x00\x7f\xff.\n..", strings.Repeat("ab ü=", 60) + "\n"} {
		f.Add(s)
		f.Add(strings.Repeat("x", 72) + s + strings.Repeat("\t", 3))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		qp := quotedprintable.NewWriter(&want)
		_, _ = qp.Write([]byte(s))
		_ = qp.Close()
		got := &headerWriter{}
		got.WriteString("A: b\r\n")
		got.quoted(s)
		if got.String() != "A: b\r\n"+want.String() {
			t.Errorf("%q: %q, want %q", s, got.String(), want.String())
		}
	})
}

func BenchmarkQuoted(b *testing.B) {
	s := strings.Repeat("Guten Tag, schöne Grüße aus Hamburg an alle, die dies lesen.\n", 60)
	for b.Loop() {
		w := &headerWriter{}
		w.Grow(2 * len(s))
		w.quoted(s)
	}
}

func BenchmarkQuotedStandard(b *testing.B) {
	s := strings.Repeat("Guten Tag, schöne Grüße aus Hamburg an alle, die dies lesen.\n", 60)
	for b.Loop() {
		w := &headerWriter{}
		w.Grow(2 * len(s))
		qp := quotedprintable.NewWriter(w)
		_, _ = qp.Write([]byte(s))
		_ = qp.Close()
	}
}

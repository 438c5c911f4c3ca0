package smtp_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// BenchmarkDeliver sends 10 KB mails over one session to the sink of smtptest.
func BenchmarkDeliver(b *testing.B) {
	body := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 131))
	for name, extensions := range map[string][]string{
		"waiting":   {"8BITMIME"},
		"pipelined": {"PIPELINING", "8BITMIME"},
		"bdat":      {"PIPELINING", "CHUNKING"},
	} {
		b.Run(name, func(b *testing.B) {
			s := sink(b, smtptest.SinkConfig{Extensions: extensions})
			c := dial(b, smtp.Options{Address: s.Addr(), EHLO: "me.test", TLS: smtp.TLSNone})
			m := smtp.Mail{From: "a@me.test", To: "x@mx.test", Parts: [][]byte{[]byte("DKIM-Signature: x\r\n"), body}}
			ctx := context.Background()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Deliver(ctx, m, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

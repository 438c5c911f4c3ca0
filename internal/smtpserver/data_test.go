package smtpserver

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"
)

// reading is a dialogue that reads from r and answers nobody.
func reading(r io.Reader) *dialogue {
	client, _ := net.Pipe()
	s := &dialogue{terms: &terms{patience: time.Hour}, conn: &conn{Conn: client}, alarm: time.AfterFunc(time.Hour, func() {})}
	s.use(client)
	s.in.Reset(r)
	return s
}

// undotted is what readDotted must come to, said differently: the data ends at the first
// CRLF.CRLF, and each line after a CRLF loses a first dot.
func undotted(wire []byte) (data, rest []byte, whole bool) {
	if rest, ok := bytes.CutPrefix(wire, []byte(".\r\n")); ok {
		return nil, rest, true
	}
	end := bytes.Index(wire, []byte("\r\n.\r\n"))
	if end < 0 {
		return nil, nil, false
	}
	data, rest = wire[:end+2], wire[end+5:]
	data = bytes.ReplaceAll(append([]byte("\r\n"), data...), []byte("\r\n."), []byte("\r\n"))
	return data[2:], rest, true
}

func FuzzReadDotted(f *testing.F) {
	for _, seed := range []string{"a\r\n..b\r\n.\r\nQUIT", ".\r\n", "..\r\n.\r\n", "\r\n.\r\r\n.\r\n", "\r\r\n.\r\n.\r\n", "x\n.\r\n.\n\r\n.\r\n", ".x\r\n.\r\n"} {
		f.Add([]byte(seed), int64(5))
	}
	f.Fuzz(func(t *testing.T, wire []byte, limit int64) {
		want, rest, whole := undotted(wire)
		for name, r := range map[string]io.Reader{"at once": bytes.NewReader(wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire))} {
			s := reading(r)
			b := &body{room: limit}
			err := s.readDotted(b)
			if whole != (err == nil) {
				t.Fatalf("%s: error %v, want the end: %t", name, err, whole)
			}
			if !whole {
				continue
			}
			if b.tooLarge() != (int64(len(want)) > limit) {
				t.Fatalf("%s: %d bytes are too large for %d: %t", name, len(want), limit, b.tooLarge())
			}
			if !b.tooLarge() && !bytes.Equal(b.message(), want) {
				t.Fatalf("%s: %q, want %q", name, b.message(), want)
			}
			left, err := io.ReadAll(s.in)
			if err != nil || !bytes.Equal(left, rest) {
				t.Fatalf("%s: %q is left (%v), want %q", name, left, err, rest)
			}
		}
	})
}

func FuzzCutPath(f *testing.F) {
	for _, seed := range []string{"TO:<a@b> SIZE=1", `to: <"a\" b"@c>`, "TO:<@x,@y:a@b>", "TO:<>", "TO:a@b x=y", `TO:<"\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		local, domain, rest, ok := cutPath(arg, "TO:")
		if ok && len(local)+len(domain)+len(rest) > len(arg) {
			t.Errorf("%q grew to %q, %q and %q", arg, local, domain, rest)
		}
		if ok && (domain == "") != (local == "") {
			t.Errorf("%q is half a path: %q, %q", arg, local, domain)
		}
	})
}

func BenchmarkReadDotted(b *testing.B) {
	wire := append(bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890123456789\r\n"), 142), ".\r\n"...)
	r := bytes.NewReader(wire)
	s := reading(r)
	b.SetBytes(int64(len(wire)))
	room := make([]byte, 0, len(wire))
	for b.Loop() {
		r.Reset(wire)
		s.in.Reset(r)
		if err := s.readDotted(&body{bytes: room, room: 1 << 20}); err != nil {
			b.Fatal(err)
		}
	}
}

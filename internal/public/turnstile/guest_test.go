package turnstile

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// FuzzRead holds what is served here against the reading of net/http: the same request,
// all of what came, and no body.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"GET /i/a HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /l/a_-9 HTTP/1.1\r\nhost: [::1]:80\r\nuser-agent:\tb \r\nX-A: 1\r\nx-a: 2\r\nConnection: Keep-alive\r\n\r\n",
		"GET /i/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb",
		"GET /i/a HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
		"GET /i/a HTTP/1.1\r\nHost: a\r\n\r\nGET /i/b HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //a HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	} {
		f.Add(s)
	}
	conn, other := net.Pipe()
	f.Cleanup(func() { _, _ = conn.Close(), other.Close() })
	g := newGuest(f.Context(), conn)
	f.Fuzz(func(t *testing.T, head string) {
		if len(head) > maxHead || !g.read(head) {
			return
		}
		rest := bufio.NewReader(strings.NewReader(head))
		want, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		body, err := io.ReadAll(io.MultiReader(want.Body, rest))
		if err != nil || len(body) > 0 || want.ContentLength != 0 || want.TransferEncoding != nil || want.Close {
			t.Fatalf("%q: %q, %v, %+v", head, body, err, want)
		}
		r := &g.request
		// net/http adds this to what HTTP/1.0 may have meant by Pragma.
		if want.Header.Get("Pragma") == "no-cache" && r.Header["Cache-Control"] == nil {
			want.Header.Del("Cache-Control")
		}
		if r.Method != want.Method || r.URL.Path != want.URL.Path || r.URL.RawQuery != want.URL.RawQuery || r.Host != want.Host ||
			r.RequestURI != want.RequestURI || r.Proto != want.Proto || !reflect.DeepEqual(r.Header, want.Header) {
			t.Fatalf("%q:\n%+v, want\n%+v", head, r, want)
		}
	})
}

// Nothing that an answer holds becomes a field, or an end, of its own.
func TestNothingIsSplit(t *testing.T) {
	g := &guest{header: http.Header{"Location": {"https://a.example/\r\nX: y\x00\x7fü\t"}, "Content-Length": {"99"}, "Connection": {"upgrade"}}}
	g.WriteHeader(http.StatusFound)
	g.WriteHeader(http.StatusOK) // too late
	got := string(g.append(nil, "now", true))
	const want = "HTTP/1.1 302 Found\r\nLocation: https://a.example/  X: y  ü\t\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	if got != want {
		t.Errorf("%q, want\n%q", got, want)
	}
}

// BenchmarkHit is what the turnstile itself needs for a request and its answer.
func BenchmarkHit(b *testing.B) {
	conn, other := net.Pipe()
	defer func() { _, _ = conn.Close(), other.Close() }()
	g := newGuest(b.Context(), conn)
	raw := []byte("GET /i/" + strings.Repeat("a", 70) + " HTTP/1.1\r\nHost: link.a.example\r\nAccept-Language: de\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n")
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		if !g.read(string(raw)) {
			b.Fatal("not read")
		}
		g.header["Cache-Control"] = []string{"no-store"}
		g.WriteHeader(http.StatusOK)
		out = g.append(out[:0], "Mon, 23 Nov 2026 22:00:00 GMT", false)
	}
	if !bytes.HasPrefix(out, []byte("HTTP/1.1 200 OK\r\n")) {
		b.Errorf("%q", out)
	}
}

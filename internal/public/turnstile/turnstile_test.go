package turnstile_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/public/turnstile"
)

// handler tells how it was asked, and what it was told.
func handler(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch {
	case strings.HasSuffix(r.URL.Path, "/link"):
		h["Location"] = []string{"https://a.example/?a=1\r\nSet-Cookie: evil=1"}
		w.WriteHeader(http.StatusFound)
		return
	case strings.HasSuffix(r.URL.Path, "/none"):
		http.NotFound(w, r)
		return
	case strings.HasSuffix(r.URL.Path, "/empty"):
		w.WriteHeader(http.StatusNoContent)
		return
	case strings.HasSuffix(r.URL.Path, "/panic"):
		panic("here")
	}
	if r.Form != nil {
		http.Error(w, "what another request left", http.StatusTeapot)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	asked, err := httputil.DumpRequest(r, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(asked) // the test sees what comes
}

func serves(host, path string) bool { return strings.HasPrefix(path, "/i/") && host != "other.example" }

// house is a server behind a turnstile, and the requests that came to each.
type house struct {
	mu      sync.Mutex
	behind  int // requests that net/http took
	all     int
	turn    *turnstile.Turnstile
	server  *http.Server
	waiting chan struct{} // nil: answers at once
	came    chan struct{}
	log     bytes.Buffer
}

func (s *house) count(behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all++; behind {
		s.behind++
	}
}

func open(t *testing.T, inner net.Listener, set func(*turnstile.Config)) *house {
	t.Helper()
	s := &house{came: make(chan struct{}, 1)}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, here := w.(http.Flusher)
		s.count(here)
		if s.waiting != nil {
			s.came <- struct{}{}
			<-s.waiting
		}
		handler(w, r)
	})
	c := turnstile.Config{Serves: serves, Handler: server, First: 10 * time.Second, Idle: time.Minute, Now: time.Now, Log: log}
	if set != nil {
		set(&c)
	}
	s.turn = turnstile.New(t.Context(), inner, c)
	s.server = &http.Server{Handler: server, ReadHeaderTimeout: c.First, IdleTimeout: c.Idle, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(s.turn) }()
	t.Cleanup(func() {
		if err := errors.Join(s.server.Close(), s.turn.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// told is what is sent back until the connection ends, in a form that can be compared.
func told(t *testing.T, addr net.Addr, raw string) (list []string) {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := c.(*net.TCPConn); !ok || tcp.CloseWrite() != nil {
		t.Fatal("the connection has gone")
	}
	method, _, _ := strings.Cut(raw, " ")
	r := bufio.NewReader(c)
	for {
		a, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return list
		}
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		date := a.Header.Get("Date")
		if when, err := http.ParseTime(date); a.StatusCode != http.StatusBadRequest && (err != nil || time.Since(when).Abs() > time.Minute) {
			t.Errorf("date %q", date)
		}
		a.Header.Del("Date")
		list = append(list, fmt.Sprint(a.Status, a.ContentLength, a.Close, a.Proto, a.Header, string(body)))
	}
}

const host = "Host: link.a.example:8080\r\n"

// Whatever comes is answered as net/http alone answers it, here or there; and only what
// cannot be read in two ways is answered here.
func TestAnswersAreThoseOfTheServer(t *testing.T) {
	plain := listen(t)
	alone := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go func() { _ = alone.Serve(plain) }() // ends with the test
	t.Cleanup(func() { _ = alone.Close() })
	s := open(t, listen(t), nil)
	for name, c := range map[string]struct {
		raw  string
		here int // answered at the turnstile
	}{
		"plain":         {raw: "GET /i/a_B-9 HTTP/1.1\r\n" + host + "User-Agent: Firefox/140\r\naccept-language:  de \r\nConnection: Keep-Alive\r\n\r\n", here: 1},
		"field twice":   {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nX-A:\r\n\r\n", here: 1},
		"redirect":      {raw: "GET /i/link HTTP/1.1\r\n" + host + "\r\n", here: 1},
		"not found":     {raw: "GET /i/none HTTP/1.1\r\n" + host + "\r\n", here: 1},
		"no content":    {raw: "GET /i/empty HTTP/1.1\r\n" + host + "\r\n", here: 1},
		"HEAD":          {raw: "HEAD /i/none HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"},
		"POST":          {raw: "POST /i/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc"},
		"other path":    {raw: "GET /a HTTP/1.1\r\n" + host + "\r\n"},
		"other host":    {raw: "GET /i/a HTTP/1.1\r\nHost: other.example\r\n\r\n"},
		"query":         {raw: "GET /i/a?b=c HTTP/1.1\r\n" + host + "\r\n"},
		"escaped":       {raw: "GET /i/%61 HTTP/1.1\r\n" + host + "\r\n"},
		"dots":          {raw: "GET /i/../a HTTP/1.1\r\n" + host + "\r\n"},
		"absolute":      {raw: "GET http://link.a.example/i/a HTTP/1.1\r\n" + host + "\r\n"},
		"1.0":           {raw: "GET /i/a HTTP/1.0\r\n" + host + "\r\n"},
		"2.0":           {raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		"no version":    {raw: "GET /i/a\r\n" + host + "\r\n"},
		"close":         {raw: "GET /i/a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"},
		"no host":       {raw: "GET /i/a HTTP/1.1\r\nUser-Agent: a\r\n\r\n"},
		"empty host":    {raw: "GET /i/a HTTP/1.1\r\nHost:\r\n\r\n"},
		"two hosts":     {raw: "GET /i/a HTTP/1.1\r\n" + host + host + "\r\n"},
		"bad host":      {raw: "GET /i/a HTTP/1.1\r\nHost: a b\r\n\r\n"},
		"body":          {raw: "GET /i/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc"},
		"length, twice": {raw: "GET /i/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"},
		"length 0":      {raw: "GET /i/a HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n"},
		"chunked":       {raw: "GET /i/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		"chunked, odd":  {raw: "GET /i/a HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		"length, lower": {raw: "GET /i/a HTTP/1.1\r\n" + host + "content-length: 3\r\n\r\nabc"},
		"upgrade":       {raw: "GET /i/a HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"},
		"expect":        {raw: "GET /i/a HTTP/1.1\r\n" + host + "Expect: other\r\n\r\n"},
		"folded":        {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: b\r\n c\r\n\r\n"},
		"bare LF":       {raw: "GET /i/a HTTP/1.1\n" + "Host: a\n\n"},
		"bare LF later": {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: b\nX-B: c\r\n\r\n"},
		"bare CR":       {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: b\rX-B: c\r\n\r\n"},
		"NUL":           {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: b\x00\r\n\r\n"},
		"no name":       {raw: "GET /i/a HTTP/1.1\r\n" + host + ": b\r\n\r\n"},
		"no colon":      {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A\r\n\r\n"},
		"odd name":      {raw: "GET /i/a HTTP/1.1\r\n" + host + "X A: b\r\n\r\n"},
		"cut off":       {raw: "GET /i/a HTTP/1.1\r\n" + host},
		"many fields":   {raw: "GET /i/a HTTP/1.1\r\n" + host + strings.Repeat("X-A: b\r\n", 40) + "\r\n"},
		"long":          {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("b", 5000) + "\r\n\r\n"},
		"rather long":   {raw: "GET /i/a HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("b", 1800) + "\r\n\r\n", here: 1},
		"garbage":       {raw: "\x16\x03\x01\x02\x00\r\n\r\n"},
		"pipelined":     {raw: strings.Repeat("GET /i/a HTTP/1.1\r\n"+host+"\r\n", 3)},
		"smuggled":      {raw: "GET /i/a HTTP/1.1\r\n" + host + "Content-Length: 40\r\n\r\nGET /i/b HTTP/1.1\r\nHost: link.a.example\r\n\r\n"},
	} {
		want := told(t, plain.Addr(), c.raw)
		s.behind, s.all = 0, 0
		got := told(t, s.turn.Addr(), c.raw)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%q, want\n%q", name, got, want)
		}
		s.mu.Lock()
		if s.all-s.behind != c.here {
			t.Errorf("%s: %d answered here, want %d", name, s.all-s.behind, c.here)
		}
		s.mu.Unlock()
	}
}

// ask sends a request and returns the status of its answer.
func ask(t *testing.T, c net.Conn, r *bufio.Reader, path string) (status int, last bool) {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\n"+host+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return answerOf(t, r)
}

func answerOf(t *testing.T, r *bufio.Reader) (status int, last bool) {
	t.Helper()
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, a.Close
}

// One connection is served on and on, nothing of a request is seen by the next, and the
// first request that is another server's takes the connection there.
func TestConnectionsStay(t *testing.T) {
	s := open(t, listen(t), nil)
	c := dial(t, s.turn.Addr())
	r := bufio.NewReader(c)
	for i, want := range []struct{ path, status, behind int }{{0, 200, 0}, {1, 302, 0}, {0, 200, 0}, {2, 404, 0}, {3, 200, 1}, {0, 200, 2}, {1, 302, 3}} {
		path := []string{"/i/a", "/i/link", "/i/none", "/a"}[want.path]
		if got, last := ask(t, c, r, path); got != want.status || last {
			t.Errorf("%d: %s: %d, last %v", i, path, got, last)
		}
		s.mu.Lock()
		if s.behind != want.behind {
			t.Errorf("%d: %d requests behind, want %d", i, s.behind, want.behind)
		}
		s.mu.Unlock()
	}
}

// A request whose handler panics ends its connection and nothing else.
func TestPanics(t *testing.T) {
	s := open(t, listen(t), nil)
	c := dial(t, s.turn.Addr())
	if _, err := io.WriteString(c, "GET /i/panic HTTP/1.1\r\n"+host+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	again := dial(t, s.turn.Addr())
	if got, _ := ask(t, again, bufio.NewReader(again), "/i/a"); got != 200 {
		t.Error(got)
	}
	if err := s.turn.Shutdown(t.Context()); err != nil || !strings.Contains(s.log.String(), "panic at the turnstile") {
		t.Errorf("%v: %s", err, s.log.String())
	}
}

// Who is being answered when the door closes gets the answer; who waits is let go.
func TestShutdown(t *testing.T) {
	s := open(t, listen(t), nil)
	idle := dial(t, s.turn.Addr())
	if got, last := ask(t, idle, bufio.NewReader(idle), "/i/a"); got != 200 || last {
		t.Fatal(got, last)
	}
	fresh := dial(t, s.turn.Addr())
	s.waiting = make(chan struct{})
	busy := dial(t, s.turn.Addr())
	if _, err := io.WriteString(busy, "GET /i/a HTTP/1.1\r\n"+host+"\r\n"); err != nil {
		t.Fatal(err)
	}
	<-s.came
	if err := s.turn.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{idle, fresh} {
		if b, err := io.ReadAll(c); len(b) > 0 {
			t.Errorf("%q, %v", b, err)
		}
	}
	close(s.waiting)
	if got, last := answerOf(t, bufio.NewReader(busy)); got != 200 || !last {
		t.Errorf("%d, last %v", got, last)
	}
	if err := s.turn.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.turn.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// A handler that does not end is not waited for longer than is asked.
func TestShutdownByForce(t *testing.T) {
	s := open(t, listen(t), nil)
	s.waiting = make(chan struct{})
	busy := dial(t, s.turn.Addr())
	if _, err := io.WriteString(busy, "GET /i/a HTTP/1.1\r\n"+host+"\r\n"); err != nil {
		t.Fatal(err)
	}
	<-s.came
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.turn.Shutdown(over); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(busy); len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	close(s.waiting)
}

// troubled fails once before it accepts.
type troubled struct {
	net.Listener
	once sync.Once
}

func (l *troubled) Accept() (c net.Conn, err error) {
	if l.once.Do(func() { err = &net.DNSError{Err: "too many files", IsTemporary: true} }); err != nil {
		return nil, err
	}
	return l.Listener.Accept()
}

// What a listener cannot do for the moment ends nothing.
func TestTroubleOfTheListener(t *testing.T) {
	s := open(t, &troubled{Listener: listen(t)}, nil)
	for _, path := range []string{"/i/a", "/a"} {
		c := dial(t, s.turn.Addr())
		if got, _ := ask(t, c, bufio.NewReader(c), path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// What a handler answers always may lie in fields that all answers share.
func TestHandlersMayShareFields(t *testing.T) {
	shared := http.Header{"Cache-Control": {"no-store"}}
	s := open(t, listen(t), func(c *turnstile.Config) {
		c.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), shared)
			_, _ = io.WriteString(w, "GIF89a") // the test sees what comes
		})
	})
	for range 2 {
		got := told(t, s.turn.Addr(), "GET /i/a HTTP/1.1\r\n"+host+"\r\n")
		if len(got) != 1 || !strings.Contains(got[0], "Cache-Control:[no-store]") || !strings.Contains(got[0], "Content-Type:[image/gif]") || len(shared) != 1 {
			t.Errorf("%q, %v", got, shared)
		}
	}
}

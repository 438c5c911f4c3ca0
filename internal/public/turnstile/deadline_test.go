package turnstile_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/public/turnstile"
)

// pipes is a listener in memory, whose connections know the time of a bubble.
type pipes struct {
	come chan net.Conn
	gone chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.gone)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// T41: nobody holds a connection by saying nothing, by saying it slowly, or by not
// reading what was asked for; who goes on asking stays.
func TestNobodyHoldsAConnection(t *testing.T) {
	const first, idle = 10 * time.Second, 2 * time.Minute
	for name, c := range map[string]struct {
		do   func(t *testing.T, c net.Conn)
		want time.Duration // from then on
	}{
		"nothing": {func(*testing.T, net.Conn) {}, first},
		"a piece": {func(t *testing.T, c net.Conn) {
			time.Sleep(9 * time.Second)
			write(t, c, "GET /i/")
		}, first}, // of the server behind
		"no next": {func(t *testing.T, c net.Conn) {
			fetch(t, c)
		}, idle},
		"a piece later": {func(t *testing.T, c net.Conn) {
			fetch(t, c)
			time.Sleep(time.Minute)
			write(t, c, "GET /i/a HTTP/1.1\r\n")
		}, first},
		"for an hour": {func(t *testing.T, c net.Conn) {
			for range 60 {
				fetch(t, c)
				time.Sleep(time.Minute)
			}
			fetch(t, c)
		}, idle},
		"unread": {func(t *testing.T, c net.Conn) {
			write(t, c, "GET /i/a HTTP/1.1\r\n"+host+"\r\n")
		}, idle},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				h := http.HandlerFunc(handler)
				turn := turnstile.New(t.Context(), l, turnstile.Config{Serves: serves, Handler: h, First: first, Idle: idle, Now: time.Now})
				server := &http.Server{Handler: h, ReadHeaderTimeout: first, IdleTimeout: idle}
				go func() { _ = server.Serve(turn) }() // ends with the test
				client, here := net.Pipe()
				over := make(chan struct{})
				l.come <- &noticed{Conn: here, over: over}
				c.do(t, client)
				if name != "unread" {
					go func() { _, _ = io.Copy(io.Discard, client) }() // until it ends
				}
				began := time.Now()
				<-over
				if took := time.Since(began); took > c.want || took < c.want-c.want/10 {
					t.Errorf("ended after %v, want %v", took, c.want)
				}
				if err := errors.Join(server.Close(), turn.Shutdown(t.Context()), client.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// noticed tells when it is closed.
type noticed struct {
	net.Conn
	over chan struct{}
}

func (n *noticed) Close() error {
	select {
	case <-n.over:
	default:
		close(n.over)
	}
	return n.Conn.Close()
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
}

func fetch(t *testing.T, c net.Conn) {
	t.Helper()
	if got, last := ask(t, c, bufio.NewReader(c), "/i/a"); got != 200 || last {
		t.Error(got, last)
	}
}

// Package turnstile stands before the HTTP door and serves the plainest of requests, of
// which there are very many after a mailing, without what a server for everything needs
// for each: pictures and links of tracked mail.
//
// It is part of a door (floor 4) and knows nothing of mail. It takes a request only if all
// of it is there at once and it is of a form that cannot be read in two ways: GET, HTTP/1.1,
// a path of letters, digits and few signs, no body, nothing said of the connection but that
// it stays (RFC 9112). The first request of a connection that is anything else takes the
// connection to the server of net/http, with all that was read of it, for good: errors,
// other methods, other versions, pipelined requests and slow ones are that server's. What
// answers is the handler that would answer there.
package turnstile

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Turnstile needs.
type Config struct {
	// Serves says which requests are for Handler here; it must be quick.
	Serves func(host, path string) bool
	// Handler answers. It must not keep the request, nor the writer, when it returns, and
	// gets neither a Flusher nor a Hijacker.
	Handler http.Handler
	// First is how long a connection may take until its first request is there.
	First time.Duration
	// Idle is how long a connection may wait for the next request, and how long a client
	// may take to read its answer. Up to a tenth may be missing.
	Idle time.Duration
	Now  func() time.Time
	Log  *slog.Logger // nil: discard
}

// Turnstile is a net.Listener of those connections that it does not serve itself. It is
// safe for concurrent use.
type Turnstile struct {
	Config
	ctx   context.Context //nolint:containedctx // that of requests, as http.Server.BaseContext
	inner net.Listener
	out   chan arrival
	quit  chan struct{}
	all   sync.WaitGroup
	date  atomic.Pointer[date]

	mu     sync.Mutex
	here   map[net.Conn]struct{}
	closed bool
}

// arrival is what Accept returns.
type arrival struct {
	conn net.Conn
	err  error
}

// New takes connections of inner until it is closed. ctx is that of the requests; that it
// ends does not end their connections.
func New(ctx context.Context, inner net.Listener, c Config) *Turnstile {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Turnstile{Config: c, ctx: ctx, inner: inner, out: make(chan arrival), quit: make(chan struct{}), here: map[net.Conn]struct{}{}}
	t.all.Go(t.receive)
	return t
}

// Accept implements net.Listener.
func (t *Turnstile) Accept() (net.Conn, error) {
	select {
	case a := <-t.out:
		return a.conn, a.err
	case <-t.quit:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (t *Turnstile) Addr() net.Addr { return t.inner.Addr() }

// Close lets nobody in any more, ends connections that wait for a request, and all others
// once they have their answer; see Shutdown.
func (t *Turnstile) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	close(t.quit)
	for c := range t.here {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // who is gone waits no more either
	}
	return t.inner.Close()
}

// Shutdown closes the Turnstile and waits until all are answered; when ctx ends it closes
// their connections.
func (t *Turnstile) Shutdown(ctx context.Context) error {
	err := t.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		t.all.Wait()
	}()
	select {
	case <-over:
		return err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.here {
		_ = c.Close() // the other end, or its own goroutine, was first
	}
	return err
}

// receive takes connections. An error is handed to who accepts: a server waits then before
// it accepts again, and so does this.
func (t *Turnstile) receive() {
	for {
		conn, err := t.inner.Accept()
		if err != nil {
			if !t.pass(arrival{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		t.all.Go(func() { t.serve(conn) })
	}
}

// pass hands on what Accept returns; false: nobody accepts any more.
func (t *Turnstile) pass(a arrival) bool {
	select {
	case t.out <- a:
		return true
	case <-t.quit:
		return false
	}
}

// enter notes a connection; false: the house is closed.
func (t *Turnstile) enter(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.here[c] = struct{}{}
	}
	return !t.closed
}

func (t *Turnstile) leave(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.here, c)
}

func (t *Turnstile) closing() bool {
	select {
	case <-t.quit:
		return true
	default:
		return false
	}
}

// maxHead bounds a request that is served here, in bytes.
const maxHead = 4 << 10

// serve serves a connection until it ends or is the other server's.
func (t *Turnstile) serve(conn net.Conn) {
	mine := true
	defer func() {
		if t.leave(conn); mine {
			_ = conn.Close() // there is nothing left to be written
		}
	}()
	until := t.Now().Add(t.First)
	// Whoever cannot set a deadline has an end that the next read tells of.
	_ = conn.SetDeadline(until)
	if !t.enter(conn) {
		return
	}
	g := newGuest(t.ctx, conn)
	buf := make([]byte, maxHead)
	for !t.closing() {
		n, err := conn.Read(buf)
		if n == 0 && err != nil {
			return
		}
		if err != nil || n == len(buf) || !g.read(string(buf[:n])) || !t.Serves(g.request.Host, g.request.URL.Path) {
			// The other server has deadlines of its own.
			_ = conn.SetDeadline(time.Time{})
			t.leave(conn)
			mine = !t.pass(arrival{conn: &resumed{Conn: conn, head: append([]byte(nil), buf[:n]...)}})
			return
		}
		now := t.Now()
		// A deadline costs more than a look at the clock.
		if until.Sub(now) < t.Idle-t.Idle/10 {
			until = now.Add(t.Idle)
			_ = conn.SetDeadline(until)
		}
		if !t.answer(g) {
			return
		}
		answer := g.append(buf[:0], t.dateOf(now), t.closing())
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// answer lets the handler answer; false: it could not.
func (t *Turnstile) answer(g *guest) (ok bool) {
	defer func() {
		// One request must not end the process, as in net/http.
		p := recover()
		if err, is := p.(error); p != nil && (!is || !errors.Is(err, http.ErrAbortHandler)) {
			t.Log.ErrorContext(t.ctx, "panic at the turnstile", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	t.Handler.ServeHTTP(g, &g.request)
	return true
}

// date is the text of a second.
type date struct {
	second int64
	text   string
}

func (t *Turnstile) dateOf(now time.Time) string {
	d := t.date.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, now.UTC().Format(http.TimeFormat)}
		t.date.Store(d)
	}
	return d.text
}

// resumed is a connection of which something was read already.
type resumed struct {
	net.Conn
	head []byte // of one reader: net/http has one at a time
}

// Read implements net.Conn.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.head)
	if r.head = r.head[n:]; len(r.head) == 0 {
		r.head = nil
	}
	return n, nil
}

// CloseWrite lets net/http end its side first, so that a client gets the answer to a
// request that was not read to its end.
func (r *resumed) CloseWrite() error {
	if c, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

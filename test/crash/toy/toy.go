// Package toy is the smallest mail relay that keeps its word, and several that do
// not: a journal, a queue in memory, SMTP in and out, states over HTTP.
//
// It exists to prove the crash harness: a trial must acquit the honest toy and
// convict every vice. It shares no code with the product.
package toy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"sync"
	"time"

	"stafette/test/load/letter"
	"stafette/test/load/sink"
)

// Vice is what a toy does wrong.
type Vice string

// The vices. A harness that acquits one of them is worthless.
const (
	Honest      Vice = "honest"
	EarlyAck    Vice = "early-ack"    // acknowledges before it writes
	NoFlush     Vice = "no-flush"     // writes but never flushes: survives a kill, not a power cut
	NoDirectory Vice = "no-directory" // never flushes the directory of its journal
	FlushAgain  Vice = "flush-again"  // believes the second flush after the first failed
	Amnesic     Vice = "amnesic"      // does not read its journal at start
	Repeating   Vice = "repeating"    // never writes down what was delivered
	Liar        Vice = "liar"         // says delivered without having sent
)

// Config describes a toy.
type Config struct {
	Dir  string // exists
	SMTP string // host:port to listen on
	HTTP string // host:port for GET /state?token=
	Sink string // host:port of the next hop
	Vice Vice
	// Workers deliver side by side.
	Workers int
}

type relay struct {
	config  Config
	journal *journal
	queue   chan record
	fatal   context.CancelCauseFunc

	mu     sync.Mutex
	states map[string]string
}

// Run serves until ctx ends or the disk cannot be trusted any more.
func Run(ctx context.Context, c Config) error {
	j, old, err := openJournal(c.Dir, c.Vice)
	if err != nil {
		return err
	}
	ctx, fatal := context.WithCancelCause(ctx)
	defer fatal(nil)
	r := &relay{config: c, journal: j, queue: make(chan record, 1<<20), fatal: fatal, states: map[string]string{}}
	r.recover(old)
	in, err := net.Listen("tcp", c.SMTP)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	web := &http.Server{Addr: c.HTTP, Handler: http.HandlerFunc(r.tell)}
	defer web.Close()
	go func() { fatal(web.ListenAndServe()) }()
	var group sync.WaitGroup
	for range c.Workers {
		group.Go(func() { r.deliver(ctx) })
	}
	door := &sink.Server{Message: r.take}
	if err := door.Serve(ctx, in); err != nil {
		fatal(err)
	}
	group.Wait()
	return context.Cause(ctx)
}

// recover queues what the journal has not seen the end of.
func (r *relay) recover(old []record) {
	open := map[string]record{}
	for _, x := range old {
		if x.To != "" {
			open[x.ID] = x
			r.states[letter.TokenOf(x.To)] = "queued"
			continue
		}
		r.states[letter.TokenOf(open[x.ID].To)] = x.State
		delete(open, x.ID)
	}
	for _, x := range open {
		r.queue <- x
	}
}

func (r *relay) tell(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprint(w, r.states[req.URL.Query().Get("token")])
}

func (r *relay) set(token, state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[token] = state
}

// take answers the final dot.
func (r *relay) take(m *sink.Mail) string {
	x := record{ID: rand.Text(), From: m.From, To: m.To[0], Body: append([]byte(nil), m.Body...), State: "queued"}
	if r.config.Vice == EarlyAck {
		go func() {
			timer := time.NewTimer(30 * time.Millisecond)
			defer timer.Stop()
			<-timer.C
			r.store(x)
		}()
		return "250 2.0.0 queued as " + x.ID
	}
	if err := r.store(x); err != nil {
		return "452 4.3.1 cannot store"
	}
	return "250 2.0.0 queued as " + x.ID
}

func (r *relay) store(x record) error {
	err := r.journal.append(x)
	if errors.Is(err, errFlush) {
		r.fatal(err)
	}
	if err == nil {
		r.set(letter.TokenOf(x.To), "queued")
		r.queue <- x
	}
	return err
}

// deliver hands mail on until ctx ends, one session after the other.
func (r *relay) deliver(ctx context.Context) {
	var session *smtp.Client
	defer func() {
		if session != nil {
			session.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-r.queue:
			if session == nil {
				session, _ = smtp.Dial(r.config.Sink) // nil is tried again
			}
			state, broken := r.attempt(session, x)
			if broken && session != nil {
				session.Close()
				session = nil
			}
			r.settle(ctx, x, state)
		}
	}
}

// attempt returns the delivery's new state and whether the session is spoilt.
func (r *relay) attempt(session *smtp.Client, x record) (state string, broken bool) {
	if r.config.Vice == Liar {
		return "delivered", false
	}
	if session == nil {
		return "deferred", true
	}
	err := send(session, x)
	var reply *textproto.Error
	switch {
	case err == nil:
		return "delivered", false
	case errors.As(err, &reply) && reply.Code/100 == 5:
		return "bounced", session.Reset() != nil
	case errors.As(err, &reply):
		return "deferred", session.Reset() != nil
	}
	return "deferred", true
}

func send(session *smtp.Client, x record) error {
	if err := session.Mail(x.From); err != nil {
		return err
	}
	if err := session.Rcpt(x.To); err != nil {
		return err
	}
	w, err := session.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(x.Body); err != nil {
		return err
	}
	return w.Close()
}

// settle writes the end down, or puts the mail back for a while.
func (r *relay) settle(ctx context.Context, x record, state string) {
	token := letter.TokenOf(x.To)
	if state == "deferred" {
		r.set(token, state)
		context.AfterFunc(pause(ctx, 100*time.Millisecond), func() { r.queue <- x })
		return
	}
	if r.config.Vice != Repeating {
		if err := r.journal.append(record{ID: x.ID, State: state}); err != nil {
			if errors.Is(err, errFlush) {
				r.fatal(err)
				return
			}
			// The disk is full: the end cannot be written down, but it is known.
			context.AfterFunc(pause(ctx, 100*time.Millisecond), func() { r.settle(ctx, x, state) })
			return
		}
	}
	r.set(token, state)
}

// pause returns a context that ends after d or with ctx.
func pause(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

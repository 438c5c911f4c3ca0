// Package sink is the far end of every load and crash test: an SMTP server that
// takes mail as fast as loopback allows and remembers what it took.
//
// It stands where the recipients' servers stand. A share of the recipients can be
// refused, always the same ones, so that a run can be repeated. It does not judge
// whether what came is complete as a whole; package crash does.
package sink

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"sync"
	"time"

	"stafette/test/load/letter"
)

// Config shapes a sink. The zero value accepts everything and keeps no file.
type Config struct {
	// Temporary and Permanent are the shares of recipients, in percent, that get
	// 451 at their first attempt and 550 at every attempt. Which ones depends on
	// the token alone.
	Temporary, Permanent int
	// Verify checks that each body is the letter of its recipient, whole.
	Verify bool
	// Chunking offers BDAT.
	Chunking bool
	// Received, if set, is told of each accepted delivery; it must not block.
	Received func(token string, at time.Time)
}

// Sink counts by token. Its methods may be called concurrently.
type Sink struct {
	config Config
	server *Server
	addr   string
	cancel context.CancelFunc
	done   chan error

	mu       sync.Mutex
	accepted map[string]int
	refused  map[string]int
	damaged  []string
	others   int
	total    int
	last     time.Time
}

// Start listens on a free loopback port.
func Start(c Config) (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start sink: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sink{config: c, addr: l.Addr().String(), cancel: cancel, done: make(chan error, 1),
		accepted: map[string]int{}, refused: map[string]int{}}
	s.server = &Server{Recipient: s.recipient, Message: s.message, Chunking: c.Chunking}
	go func() { s.done <- s.server.Serve(ctx, l) }()
	return s, nil
}

// Addr is the host:port to deliver to.
func (s *Sink) Addr() string { return s.addr }

// Close ends all sessions.
func (s *Sink) Close() error {
	s.cancel()
	return <-s.done
}

// Fate is what the sink does with a recipient.
type Fate int

// The fates of a recipient.
const (
	Accepted Fate = iota
	DeferredOnce
	Refused
)

// FateOf tells what will become of the token's recipient.
func (c Config) FateOf(token string) Fate {
	h := fnv.New32a()
	h.Write([]byte(token))
	switch share := int(h.Sum32() % 100); {
	case share < c.Permanent:
		return Refused
	case share < c.Permanent+c.Temporary:
		return DeferredOnce
	}
	return Accepted
}

func (s *Sink) recipient(address string) string {
	token := letter.TokenOf(address)
	fate := s.config.FateOf(token)
	if token == "" || fate == Accepted {
		return "250 2.1.5 recipient ok"
	}
	s.mu.Lock()
	before := s.refused[token]
	if fate == Refused || before == 0 {
		s.refused[token] = before + 1
	}
	s.mu.Unlock()
	switch {
	case fate == Refused:
		return "550 5.1.1 no such mailbox"
	case before == 0:
		return "451 4.7.1 greylisted, come again"
	}
	return "250 2.1.5 recipient ok"
}

func (s *Sink) message(m *Mail) string {
	now := time.Now()
	if len(m.To) == 1 && letter.TokenOf(m.To[0]) == "" {
		s.mu.Lock()
		s.others++
		s.mu.Unlock()
		return "250 2.0.0 taken"
	}
	whole := true
	if s.config.Verify {
		whole = len(m.To) == 1 && intact(m.Body, letter.TokenOf(m.To[0]))
	}
	s.mu.Lock()
	s.last = now
	for _, to := range m.To {
		token := letter.TokenOf(to)
		s.accepted[token]++
		s.total++
		if !whole {
			s.damaged = append(s.damaged, token)
		}
	}
	s.mu.Unlock()
	if s.config.Received != nil {
		for _, to := range m.To {
			s.config.Received(letter.TokenOf(to), now)
		}
	}
	return "250 2.0.0 taken"
}

// intact reports whether the body is the token's letter from subject to end mark.
func intact(body []byte, token string) bool {
	head, text, found := bytes.Cut(body, []byte("\r\n\r\n"))
	return found && bytes.Contains(head, []byte(token)) &&
		bytes.HasSuffix(bytes.TrimRight(text, "\r\n"), []byte("\n"+letter.EndMark(token)))
}

// Total counts accepted deliveries, repeats included, and says when the last came.
func (s *Sink) Total() (n int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.last
}

// Receipts copies how often each token was accepted.
func (s *Sink) Receipts() map[string]int { return s.copyOf(s.accepted) }

// Refusals copies how often each token was refused.
func (s *Sink) Refusals() map[string]int { return s.copyOf(s.refused) }

func (s *Sink) copyOf(m map[string]int) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(map[string]int, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// Others counts mail to addresses that no letter was written to: the reports that a
// sender gets about letters which failed. They count nowhere else.
func (s *Sink) Others() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.others
}

// Damaged lists the tokens whose bodies were torn or mixed up.
func (s *Sink) Damaged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.damaged...)
}

// Sessions counts open connections.
func (s *Sink) Sessions() int { return s.server.Sessions() }

// Await returns when n deliveries were accepted, or with ctx's error.
func (s *Sink) Await(ctx context.Context, n int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if have, _ := s.Total(); have >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			have, _ := s.Total()
			return fmt.Errorf("await %d deliveries, have %d: %w", n, have, ctx.Err())
		case <-tick.C:
		}
	}
}

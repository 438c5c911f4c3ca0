package cluster

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"testing"

	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/sink"
)

// bay is a sink with two gates: recipients can be made to wait before RCPT is
// answered, and mails before their final dot is. What waits at the gates is what
// the nodes have in flight.
type bay struct {
	address string
	server  sink.Server

	mu        sync.Mutex
	changed   sync.Cond
	rcpt, dot gate
	closed    bool
	taken     map[string]int // by token
	total     int
}

// gate is shut or open, and somebody may stand before it.
type gate struct {
	shut    bool
	waiting int
}

func openBay(t testing.TB) *bay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bay{address: l.Addr().String(), taken: map[string]int{}}
	b.changed.L = &b.mu
	b.server = sink.Server{Recipient: b.recipient, Message: b.message}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		b.mu.Lock()
		b.closed = true
		b.changed.Broadcast()
		b.mu.Unlock()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return b
}

// pass waits for the gate; mu is held.
func (b *bay) pass(g *gate) {
	g.waiting++
	for g.shut && !b.closed {
		b.changed.Wait()
	}
	g.waiting--
}

func (b *bay) recipient(string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pass(&b.rcpt)
	return "250 2.1.5 recipient ok"
}

// message counts a mail when it has come whole, before the answer can wait.
func (b *bay) message(m *sink.Mail) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, to := range m.To {
		b.taken[letter.TokenOf(to)]++
		b.total++
	}
	b.pass(&b.dot)
	return "250 2.0.0 taken"
}

// set shuts or opens a gate.
func (b *bay) set(g *gate, shut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g.shut = shut
	b.changed.Broadcast()
}

// receipts copies how often each token came.
func (b *bay) receipts() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.taken)
}

// count returns how many mails came, copies included, and how many different ones.
func (b *bay) count() (total, distinct int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total, len(b.taken)
}

// awaitWaiting returns when n stand before the gate.
func (b *bay) awaitWaiting(t testing.TB, g *gate, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d wait at the sink", n), func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if g.waiting < n {
			return fmt.Errorf("%d do", g.waiting)
		}
		return nil
	})
}

// awaitDistinct returns when n different mails have come.
func (b *bay) awaitDistinct(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d mails came", n), func(context.Context) error {
		if _, have := b.count(); have < n {
			return fmt.Errorf("%d did", have)
		}
		return nil
	})
}

// settled waits until everything acknowledged has arrived and checks that nothing
// came more often than the mails that faults caught in flight excuse. It returns
// how many came twice.
func (c *cluster) settled(excused int) (duplicates int) {
	c.t.Helper()
	entries, err := ledger.Read(c.bookPath)
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, "all that was acknowledged arrived", func(context.Context) error {
		have := c.sink.receipts()
		for _, e := range entries {
			if have[e.Token] == 0 {
				return fmt.Errorf("%s of %d did not", e.Token, len(entries))
			}
		}
		return nil
	})
	total, distinct := c.sink.count()
	duplicates = total - distinct
	if duplicates > excused {
		c.t.Errorf("%d mails came again, %d were in flight", duplicates, excused)
	}
	c.t.Logf("%d acknowledged, 0 lost, %d sent twice", len(entries), duplicates)
	return duplicates
}

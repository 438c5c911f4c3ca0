package cluster

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// TestKilledNodeIsTakenOver: three nodes hold mail; one is killed while others send
// and take more. What it held is sent by the others, once, but for what was on the
// wire.
func TestKilledNodeIsTakenOver(t *testing.T) {
	t.Parallel()
	db := startPostgres(t)
	c := found(t, url(db.address()), url(db.address()), url(db.address()))
	size := scaled(150)
	c.sink.set(&c.sink.dot, true)
	for _, n := range c.nodes {
		n.submit(t.Context(), size)
	}
	c.sink.awaitWaiting(t, &c.sink.dot, 3*sessions)
	c.nodes[1].kill()
	began := time.Now()
	c.sink.set(&c.sink.dot, false)
	c.nodes[0].submit(t.Context(), size)
	c.sink.awaitDistinct(t, 4*size)
	t.Logf("lease %v: everything of the dead node was sent %v after its death", lease, time.Since(began).Round(10*time.Millisecond))
	c.settled(sessions)
}

// TestWokenNodeSendsNothing: a node is paused for three leases with mail on the
// wire, at either end of a transaction. Another sends what it held. When it wakes,
// it finds answers waiting for it, and must not go on.
func TestWokenNodeSendsNothing(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct {
		gate    func(*bay) *gate
		excused int
	}{
		"before the body":     {func(b *bay) *gate { return &b.rcpt }, 0},
		"after the final dot": {func(b *bay) *gate { return &b.dot }, sessions},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := startPostgres(t)
			c := found(t, url(db.address()), url(db.address()))
			sleeper, other := c.nodes[0], c.nodes[1]
			size := scaled(60)
			g := at.gate(c.sink)
			c.sink.set(g, true)
			sleeper.submit(t.Context(), size)
			c.sink.awaitWaiting(t, g, sessions)
			fenced, started := sleeper.log.count("queue epoch fenced"), sleeper.log.count("queue epoch started")

			sleeper.pause()
			slept := time.NewTimer(3 * lease)
			c.sink.set(g, false) // the answers lie in wait for the sleeper
			c.sink.awaitDistinct(t, size)
			other.said("epoch declared dead", 0)
			<-slept.C
			before, _ := c.sink.count()
			sleeper.signal(syscall.SIGCONT)
			sleeper.said("queue epoch fenced", fenced)
			sleeper.said("queue epoch started", started)
			if after, _ := c.sink.count(); after != before {
				t.Errorf("the woken node sent %d mails that were not its own any more", after-before)
			}
			sleeper.submit(t.Context(), 5) // it is a node again
			c.settled(at.excused)
		})
	}
}

// TestNodeCutOffFromTheDatabase: a node that cannot reach the database stops within
// its lease, whether its connections break or fall silent, and comes back by itself.
func TestNodeCutOffFromTheDatabase(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*line){"broken": (*line).cut, "silent": (*line).hush} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := startPostgres(t)
			l := openLine(t, db.address())
			c := found(t, url(l.address()), url(db.address()))
			lonely := c.nodes[0]
			size := scaled(60)
			c.sink.set(&c.sink.dot, true)
			lonely.submit(t.Context(), size)
			c.sink.awaitWaiting(t, &c.sink.dot, sessions)
			missed, started := lonely.log.count("queue heartbeat missed"), lonely.log.count("queue epoch started")
			cut(l)
			lonely.said("queue heartbeat missed", missed)
			c.nodes[1].said("epoch declared dead", 0)
			// The lonely node's lease is over by now. Its mails get their answers.
			c.sink.set(&c.sink.dot, false)
			c.sink.awaitDistinct(t, size)
			l.mend()
			lonely.said("queue epoch started", started)
			lonely.submit(t.Context(), 5)
			c.settled(sessions)
		})
	}
}

// TestRollingRestart: every node is restarted in turn while clients submit to all.
// A client that comes again when nobody listens is never refused, nothing is lost
// and nothing comes twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	db := startPostgres(t)
	c := found(t, url(db.address()), url(db.address()), url(db.address()))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	type outcome struct {
		acknowledged, refused int
		last                  string
	}
	results := make(chan outcome, len(c.nodes))
	for _, n := range c.nodes {
		first := c.take(50_000)
		go func() {
			var o outcome
			r, err := n.load(ctx, first, 50_000)
			if o.acknowledged, o.refused, o.last = r.Acknowledged, r.Refused, r.LastRefusal; err != nil && ctx.Err() == nil {
				o.refused, o.last = o.refused+1, err.Error()
			}
			results <- o
		}()
	}
	for _, n := range c.nodes {
		_, before := c.sink.count()
		n.stop()
		c.sink.awaitDistinct(t, before+scaled(60)) // the others go on
		n.start()
		_, before = c.sink.count()
		c.sink.awaitDistinct(t, before+scaled(60))
	}
	stop()
	sum := 0
	for range c.nodes {
		o := <-results
		sum += o.acknowledged
		if o.refused > 0 {
			t.Errorf("%d refused, the last with %s", o.refused, o.last)
		}
	}
	t.Logf("%d acknowledged across three restarts, none refused", sum)
	c.settled(0)
}

// TestPrimaryIsLost: the primary is killed under load and its synchronous standby
// promoted. Nothing acknowledged is lost, and the nodes find the standby themselves.
func TestPrimaryIsLost(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t, "wal_level=replica", "max_wal_senders=4")
	second := primary.standby(t)
	u := "postgres://stafette@" + primary.address() + "," + second.address() + "/" + database + "?target_session_attrs=read-write&connect_timeout=2"
	c := found(t, u, u)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, len(c.nodes))
	for _, n := range c.nodes {
		first := c.take(50_000)
		go func() {
			_, err := n.load(ctx, first, 50_000)
			done <- err
		}()
	}
	c.sink.awaitDistinct(t, scaled(100))
	primary.kill()
	killed := time.Now()
	second.promote(t)
	promoted := time.Now()
	_, before := c.sink.count()
	booked := c.book.Len()
	eventually(t, "the nodes take mail again", func(context.Context) error {
		if c.book.Len() == booked {
			return context.DeadlineExceeded
		}
		return nil
	})
	taking := time.Now()
	c.sink.awaitDistinct(t, before+2*len(c.nodes)*sessions) // more than was on the wire
	t.Logf("standby promoted after %v; taking mail %v and sending %v after the death of the primary",
		promoted.Sub(killed).Round(time.Millisecond), taking.Sub(killed).Round(time.Millisecond), time.Since(killed).Round(time.Millisecond))
	c.sink.awaitDistinct(t, before+scaled(100))
	stop()
	for range c.nodes {
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	// What was on the wire when the primary died, and what was settled in the moment
	// of its death, may come again.
	c.settled(len(c.nodes) * 2 * sessions)
}

// scaled is a number of letters, three times as many in the full form.
func scaled(n int) int {
	if *full {
		return 3 * n
	}
	return n
}

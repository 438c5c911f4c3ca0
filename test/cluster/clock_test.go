package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// wrongNode is the queue of a node whose clock is wrong, without the rest of it.
type wrongNode struct {
	name   string
	store  *store.Store
	runner *queue.Runner
	log    *journal
	end    func()
}

// attempts counts how often each delivery was given out to be sent.
type attempts struct {
	mu sync.Mutex
	by map[message.DeliveryID]int
}

// openWrongNode starts a queue on the database. What it takes it delivers at once
// unless it hoards.
func openWrongNode(t *testing.T, databaseURL, name string, wrong time.Duration, hoards bool, made *attempts) *wrongNode {
	t.Helper()
	n := &wrongNode{name: name, log: &journal{}}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	var err error
	n.store, err = store.Open(t.Context(), store.Config{URL: databaseURL, Now: func() time.Time { return time.Now().Add(wrong) }, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	n.runner = queue.NewRunner(queue.Config{Store: n.store, Node: name, Now: n.store.Now, Lease: lease, Poll: 100 * time.Millisecond, Log: log})
	if err := n.runner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = n.runner.Run(ctx) }) // a node that has lost its database cannot end its epoch
	if !hoards {
		work.Go(func() { n.deliver(ctx, t, made) })
	}
	n.end = sync.OnceFunc(func() {
		cancel()
		work.Wait()
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		n.end()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, n.log)
		}
	})
	return n
}

// die ends the node without a word: its database is gone before it can say one.
func (n *wrongNode) die() {
	if err := n.store.Close(); err != nil {
		n.log.Write([]byte(err.Error()))
	}
}

func (n *wrongNode) deliver(ctx context.Context, t *testing.T, made *attempts) {
	for {
		held, err := n.runner.Take(ctx, 10)
		if err != nil {
			return
		}
		var verdicts []queue.Settlement
		made.mu.Lock()
		for _, h := range held {
			made.by[h.Delivery]++
			verdicts = append(verdicts, storetest.Verdict(n.store.Now(), h.Epoch, h.Tenant, h.Delivery, event.Delivered))
		}
		made.mu.Unlock()
		if fenced, err := n.runner.Settle(ctx, verdicts); ctx.Err() == nil && (err != nil || len(fenced) > 0) {
			t.Errorf("%s: %d fenced, %v", n.name, len(fenced), err)
		}
	}
}

// TestClocksApart: three nodes whose clocks are ten minutes apart share a queue for
// several leases. Nobody is declared dead who is alive; who dies is taken over; and
// what one accepted is due for the others at once.
func TestClocksApart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL")
	}
	t.Parallel()
	db := startPostgres(t)
	u := url(db.address())
	made := &attempts{by: map[message.DeliveryID]int{}}
	exact := openWrongNode(t, u, "exact", 0, false, made)
	ahead := openWrongNode(t, u, "ahead", 10*time.Minute, true, made)
	behind := openWrongNode(t, u, "behind", -10*time.Minute, false, made)
	who := foundTenant(t, exact.store)

	accept := func(n *wrongNode, held bool) {
		t.Helper()
		a := storetest.Draft(n.store.Now(), who, "r@example.net")
		if held {
			a.Epoch = n.runner.Reserve(who, a.Message.Stream.Urgency(), 1)
		}
		if err := n.store.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	const count = 20
	for range count {
		accept(ahead, true) // it hoards them until it dies, and what it claims besides
		accept(behind, false)
	}
	// All live on for some leases, and what the living hold stays with them.
	living := time.NewTimer(3 * lease)
	<-living.C
	made.mu.Lock()
	if n := len(made.by); n > count {
		t.Errorf("%d were sent, %d were free: the living were robbed", n, count)
	}
	made.mu.Unlock()
	for _, n := range []*wrongNode{exact, ahead, behind} {
		if s := n.log.count("fenced") + n.log.count("declared dead"); s > 0 {
			t.Errorf("%s: %s", n.name, n.log)
		}
	}
	ahead.die()
	awaitDelivered(t, db, 2*count)
	made.mu.Lock()
	defer made.mu.Unlock()
	for d, n := range made.by {
		if n != 1 {
			t.Errorf("%s was sent %d times", d, n)
		}
	}
}

func foundTenant(t *testing.T, s *store.Store) tenant.ID {
	t.Helper()
	who := tenant.Tenant{ID: id.New[tenant.Kind](s.Now()), Name: "Muster", State: tenant.Active, Locale: "de",
		OfficeTone: tenant.Sie, CustomerTone: tenant.Sie, CreatedAt: s.Now()}
	if err := s.Found(t.Context(), tenant.Founding{Tenant: who}); err != nil {
		t.Fatal(err)
	}
	return who.ID
}

func awaitDelivered(t *testing.T, p *postgres, want int) {
	t.Helper()
	db := p.open(t, database)
	defer db.Close()
	eventually(t, fmt.Sprintf("%d delivered", want), func(ctx context.Context) error {
		have, err := delivered(ctx, db)
		if err == nil && have < want {
			err = fmt.Errorf("%d are", have)
		}
		return err
	})
}

func delivered(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE state = 'delivered'").Scan(&n)
	return n, err
}

package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
)

func TestOneSessionCarriesManyMails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: time.Second})
		w.limits.Connections, w.limits.Messages = 1, 10
		w.start()
		var all []queue.Entry
		for i := range 25 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		perConn := map[int]int{}
		for i, got := range w.net.received() {
			perConn[got.conn]++
			if want := fmt.Sprintf("r%d@kunde.example", i); got.to != want {
				t.Errorf("mail %d went to %s, want %s", i, got.to, want)
			}
		}
		if len(perConn) != 3 || perConn[1] != 10 || perConn[2] != 10 || perConn[3] != 5 {
			t.Errorf("mails per session %v, want 10, 10, 5", perConn)
		}
		if w.net.wasted != 0 {
			t.Errorf("%d mails announced in vain", w.net.wasted)
		}
		w.end()
	})
}

func TestIdleSessionIsClosedAndReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.start()
		for i, pause := range []time.Duration{0, 9 * time.Second, 11 * time.Second} {
			time.Sleep(pause)
			w.submit(w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		got := w.net.received()
		if len(got) != 3 || got[0].conn != got[1].conn || got[1].conn == got[2].conn {
			t.Errorf("sessions used: %+v", got)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := len(w.engine.Lanes()); n != 0 {
			t.Errorf("%d lanes without work", n)
		}
		w.end()
	})
}

func TestClosedSessionIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{perConn: 3, takes: time.Second})
		w.limits.Connections = 1
		w.start()
		var all []queue.Entry
		for i := range 10 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, e := range all {
			w.wantState(e, event.Delivered)
			if n := len(w.store.Row(e.Delivery).Events); n != 1 {
				t.Errorf("%s took %d attempts", e.Recipient.Local, n)
			}
		}
		w.end()
	})
}

func TestUnreachableSiteRestsAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var up atomic.Bool
		w.net.site("kunde.example", &server{slow: time.Second, dial: func(smtp.Options) error {
			if up.Load() {
				return nil
			}
			return &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("no route")}
		}})
		w.start()
		var all []queue.Entry
		for i := range 100 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := w.net.dialled(); n > 5 {
			t.Errorf("%d connections tried for one site", n)
		}
		lanes := w.engine.Lanes()
		if len(lanes) != 1 || lanes[0].RestsUntil.IsZero() || lanes[0].Failures != 1 || lanes[0].Depth != 0 {
			t.Errorf("lanes %+v", lanes)
		}
		due := map[time.Time]bool{}
		for _, e := range all {
			w.wantState(e, event.Deferred)
			_, a := w.attempt(e, 1)
			if a.NextAt.Before(lanes[0].RestsUntil) || a.Scope != "site" || a.MX == "" {
				t.Fatalf("attempt %+v, lane rests until %s", a, lanes[0].RestsUntil)
			}
			due[a.NextAt] = true
		}
		if len(due) < 10 {
			t.Errorf("the retries fall due at %d instants, want them spread", len(due))
		}
		// New mail does not even try.
		before := w.net.dialled()
		late := w.mail("late@kunde.example")
		w.submit(late)
		w.wantState(late, event.Deferred)
		if w.net.dialled() != before {
			t.Error("a resting lane was tried")
		}
		up.Store(true)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, e := range append(all, late) {
			w.wantState(e, event.Delivered)
		}
		w.end()
	})
}

func TestOneConnectionProbesARestedSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{slow: 5 * time.Second, dial: func(smtp.Options) error {
			return &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("no route")}
		}})
		w.start()
		for i := range 50 {
			w.submit(w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		time.Sleep(6 * time.Second)
		before := w.net.dialled()
		time.Sleep(84 * time.Second) // the rest of a minute is over, the next one has begun
		synctest.Wait()
		if n := w.net.dialled() - before; n != 1 {
			t.Errorf("%d connections tried after the rest", n)
		}
		w.end()
	})
}

func TestSilentAddressIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{dial: func(smtp.Options) error {
			return &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("no answer")}
		}}, &server{takes: time.Second})
		w.limits.Connections, w.limits.Messages = 1, 1
		w.start()
		for i := range 20 {
			w.submit(w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 20 {
			t.Errorf("states %v", got)
		}
		if n := w.net.dialled(); n != 21 {
			t.Errorf("%d connections for 20 sessions, want the silent address tried once", n)
		}
		w.end()
	})
}

func TestBackoffGrowsWhileTheSiteStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var tries []time.Time
		w.net.site("kunde.example", &server{dial: func(smtp.Options) error {
			tries = append(tries, time.Now())
			return &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("no route")}
		}})
		w.start()
		for range 60 { // a new mail every minute
			w.submit(w.mail("eva@kunde.example"))
			time.Sleep(time.Minute)
		}
		// 1 + 2 + 4 + 8 + 16 + 30 minutes of rest fill the hour.
		if len(tries) < 5 || len(tries) > 7 {
			t.Errorf("%d tries in an hour: %v", len(tries), tries)
		}
		w.end()
	})
}

func TestRetriesUntilExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			return smtp.Reply{}, refuse(smtp.StageRcpt, 452, "4.2.2", "mailbox full")
		}})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		w.wantState(e, event.Expired)
		row := w.store.Row(e.Delivery)
		// 8 steps take 4 h 18 min, then one every 4 h for the rest of 120 h.
		if n := len(row.Events); n < 34 || n > 40 {
			t.Errorf("%d attempts in five days", n)
		}
		for i, ev := range row.Events {
			last := i == len(row.Events)-1
			if ev.Attempt.Number != i+1 || (ev.Type == event.GaveUp) != last || ev.Attempt.NextAt.IsZero() != last {
				t.Fatalf("event %d: %+v %+v", i, ev, ev.Attempt)
			}
			if ev.At.After(e.ExpiresAt) {
				t.Errorf("attempt %d after expiry", i+1)
			}
		}
		if w.store.Row(e.Delivery).Entry.Attempts != len(row.Events) {
			t.Errorf("%d attempts counted of %d", row.Entry.Attempts, len(row.Events))
		}
		w.end()
	})
}

func TestExpiredBeforeItsAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		e := w.mail("eva@kunde.example")
		e.ExpiresAt = time.Now().Add(-time.Second)
		w.store.Add(0, e)
		w.start()
		synctest.Wait()
		w.wantState(e, event.Expired)
		if ev, a := w.attempt(e, 1); ev.Type != event.GaveUp || ev.Reason != "expired" || a.Number != 0 {
			t.Errorf("event %+v", ev)
		}
		w.end()
	})
}

func TestRetryKeepsTheSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		signed, calls := 0, 0
		sign := w.cfg.Sign
		w.cfg.Sign = func(ctx context.Context, e queue.Entry, body []byte) ([]byte, error) {
			signed++
			return sign(ctx, e, body)
		}
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			if calls++; calls < 4 {
				return smtp.Reply{}, refuse(smtp.StageRcpt, 450, "4.2.0", "greylisted")
			}
			return smtp.Reply{Code: 250}, nil
		}})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantState(e, event.Delivered)
		if signed != 1 || !strings.HasPrefix(w.net.received()[0].data, "DKIM-Signature: ") {
			t.Errorf("signed %d times for 4 attempts", signed)
		}
		w.end()
	})
}

func TestSiteThatLimitsConnectionsIsServedWithFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const allowed = 2
		w.net.site("kunde.example", &server{takes: time.Second, dial: func(o smtp.Options) error {
			if w.net.open[o.Address] >= allowed { // the caller holds the network's lock
				return refuse(smtp.StageGreeting, 421, "4.7.0", "too many connections")
			}
			return nil
		}})
		w.start()
		var all []queue.Entry
		for i := range 40 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		for _, e := range all {
			w.wantState(e, event.Delivered)
			if n := len(w.store.Row(e.Delivery).Events); n != 1 {
				t.Errorf("%s took %d attempts", e.Recipient.Local, n)
			}
		}
		w.end()
	})
}

func TestRateLimitRestsTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := 0
		w.net.site("kunde.example", &server{takes: time.Millisecond, answer: func(smtp.Mail) (smtp.Reply, error) {
			if n++; n > 10 && n < 20 {
				return smtp.Reply{}, refuse(smtp.StageMail, 450, "4.7.28", "too many messages")
			}
			return smtp.Reply{Code: 250}, nil
		}})
		w.limits.Connections = 1
		w.start()
		var all []queue.Entry
		for i := range 50 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(time.Second)
		synctest.Wait()
		if n != 11 {
			t.Errorf("%d transactions, want none after the one that was limited", n)
		}
		if got := w.store.Count(); got[event.Delivered] != 10 || got[event.Deferred] != 40 {
			t.Errorf("states %v", got)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 50 {
			t.Errorf("states after a day %v", got)
		}
		w.end()
	})
}

func TestConnectionsInAllAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.Connections = 3
		w.start()
		var all []queue.Entry
		most := 0
		for i := range 10 {
			domain := fmt.Sprintf("k%d.example", i)
			w.net.site(domain, &server{takes: time.Second, answer: func(smtp.Mail) (smtp.Reply, error) {
				w.net.mu.Lock()
				defer w.net.mu.Unlock()
				sum := 0
				for _, n := range w.net.open {
					sum += n
				}
				most = max(most, sum)
				return smtp.Reply{Code: 250}, nil
			}})
			for range 3 {
				all = append(all, w.mail("eva@"+domain))
			}
		}
		w.submit(all...)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, e := range all {
			w.wantState(e, event.Delivered)
		}
		if most != 3 {
			t.Errorf("%d sessions at the same time, want 3", most)
		}
		w.end()
	})
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.Memory = 20 << 10
		var sending, most atomic.Int64
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			most.Store(max(most.Load(), sending.Add(1)))
			time.Sleep(time.Second)
			sending.Add(-1)
			return smtp.Reply{Code: 250}, nil
		}})
		w.start()
		var all []queue.Entry
		for i := range 20 {
			e := w.mail(fmt.Sprintf("r%d@kunde.example", i))
			if e.Size = 5 << 10; i == 7 {
				e.Size = 1 << 30 // more than the budget: alone
			}
			all = append(all, e)
		}
		w.submit(all...)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, e := range all {
			w.wantState(e, event.Delivered)
		}
		if n := most.Load(); n > 2 {
			t.Errorf("%d mails of 9 KB in hand, the budget is 20 KB", n)
		}
		w.end()
	})
}

func TestTenantsTakeTurnsAndUrgentGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: time.Second})
		w.limits.Connections = 1
		w.start()
		var all []queue.Entry
		for i := range 500 {
			e := w.mail(fmt.Sprintf("a%d@kunde.example", i))
			e.Stream = tenant.Newsletter
			all = append(all, e)
		}
		w.submit(all...)
		b := w.mail("b@kunde.example")
		b.Tenant, b.Stream = tenantB, tenant.Newsletter
		urgent := w.mail("urgent@kunde.example")
		w.submit(b, urgent)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		place := map[string]int{}
		for i, got := range w.net.received() {
			place[got.to] = i
		}
		// One is in hand and at most one announced when they come.
		if p := place["urgent@kunde.example"]; p < 1 || p > 2 {
			t.Errorf("urgent mail was number %d", p)
		}
		if p := place["b@kunde.example"]; p < 1 || p > 4 {
			t.Errorf("the other tenant's mail was number %d", p)
		}
		time.Sleep(10 * time.Minute)
		w.end()
	})
}

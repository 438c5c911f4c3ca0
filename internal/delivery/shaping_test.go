package delivery_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
)

// many makes n mails of a tenant's stream to a domain.
func (w *world) many(n int, who tenant.ID, s tenant.Stream, domain string) []queue.Entry {
	list := make([]queue.Entry, n)
	for i := range list {
		list[i] = w.mail(fmt.Sprintf("%s%d-%d@%s", s, who[15], i, domain))
		list[i].Tenant, list[i].Stream = who, s
		list[i].Body.Tenant = who
	}
	return list
}

// wantOneEach checks that every mail was delivered by its first attempt.
func (w *world) wantOneEach(list []queue.Entry) {
	w.t.Helper()
	for _, e := range list {
		if row := w.store.Row(e.Delivery); row.State != event.Delivered || len(row.Events) != 1 {
			w.t.Fatalf("%s is %s after %d events", e.Recipient.Local, row.State, len(row.Events))
		}
	}
}

func TestCeilingIsKeptAndTheRestWaitsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[site.\"mx1.kunde.example\"]\nper_minute = 10\nper_hour = 100"
		w.net.site("kunde.example", &server{takes: time.Millisecond})
		w.start()
		all := w.many(150, tenantA, tenant.Newsletter, "kunde.example")
		w.submit(all...)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.runner.InMemory(); n > 20 {
			t.Errorf("%d mails in memory that cannot go for minutes", n)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		w.wantOneEach(all)
		got := w.net.received()
		for i := range got {
			for span, ceiling := range map[time.Duration]int{time.Minute: 10, time.Hour: 100} {
				if j := i + ceiling; j < len(got) && got[j].at.Sub(got[i].at) < span-time.Millisecond {
					t.Fatalf("mails %d and %d are %s apart, more than %d in %s", i, j, got[j].at.Sub(got[i].at), ceiling, span)
				}
			}
		}
		w.end()
	})
}

// TestPasswordMailPassesAMillion is about order, not time: what one tenant has
// queued does not stand before another's mail, urgent or not (P8).
func TestPasswordMailPassesAMillion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[default]\nper_minute = 60"
		w.net.site("kunde.example", &server{takes: time.Second})
		w.start()
		flood := w.many(3000, tenantA, tenant.Newsletter, "kunde.example")
		w.submit(flood...)
		time.Sleep(90 * time.Second)
		before := len(w.net.received())
		urgent, quiet := w.many(1, tenantB, tenant.Transactional, "kunde.example"), w.many(1, tenantB, tenant.Newsletter, "kunde.example")
		w.submit(append(urgent, quiet...)...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		order := map[string]int{}
		for i, got := range w.net.received()[before:] {
			order[got.to] = i
		}
		// Those in hand and announced on up to five connections are before it.
		if n, ok := order[urgent[0].Recipient.String()]; !ok || n > 10 {
			t.Errorf("the password mail was number %d (sent: %t)", n, ok)
		}
		if n, ok := order[quiet[0].Recipient.String()]; !ok || n > 15 {
			t.Errorf("the small tenant's newsletter was number %d (sent: %t)", n, ok)
		}
		w.wantOneEach(append(urgent, quiet...))
		w.end()
	})
}

func TestUrgentMailFindsAPlaceBesideSlowBulkMail(t *testing.T) {
	for name, domains := range map[string]int{"on its lane": 1, "on other lanes of the provider": 4, "in the engine": 12} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cfg.Connections = 20
				w.shaping = "[default]\nslow_start = 5\n"
				if domains == 4 {
					w.shaping += "[provider.haus]\nmx = [\"example\"]\nprovider_connections = 10"
				}
				slow := &server{takes: time.Hour}
				for i := range domains {
					w.net.site(fmt.Sprintf("k%d.example", i), slow)
				}
				w.start()
				for i := range domains {
					w.submit(w.many(20, tenantA, tenant.Newsletter, fmt.Sprintf("k%d.example", i))...)
				}
				busy := w.net.dialled()
				w.submit(w.many(1, tenantB, tenant.Transactional, "k0.example")...)
				if n := w.net.dialled(); n != busy+1 {
					t.Errorf("%d connections before the urgent mail, %d after", busy, n)
				}
				time.Sleep(30 * time.Minute)
				w.end()
			})
		})
	}
}

func TestSourceAlarmMovesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.plan = egress.EqualPlan(
			egress.Source{IP: netip.MustParseAddr("10.9.9.1"), EHLO: "a.stafette.example"},
			egress.Source{IP: netip.MustParseAddr("10.9.9.2"), EHLO: "b.stafette.example"})
		blocked, _ := newFleet(t, w.plan, w.limits, "").Choose(egress.Wish{Tenant: tenantA})
		var healed atomic.Bool
		var refusals atomic.Int64
		w.net.site("kunde.example", &server{takes: time.Second, dial: func(o smtp.Options) error {
			if o.EHLO == blocked.EHLO && !healed.Load() {
				refusals.Add(1)
				return refuse(smtp.StageGreeting, 554, "5.7.1", "IP is block listed")
			}
			return nil
		}})
		w.start()
		all := w.many(50, tenantA, tenant.Transactional, "kunde.example")
		w.submit(all...)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantOneEach(all)
		if n := refusals.Load(); n < 3 || n > 8 {
			t.Errorf("the blocked source was tried %d times", n)
		}
		alarms := w.fleet.Alarms()
		if len(alarms) != 1 || alarms[0].Source != blocked.Name || alarms[0].Provider != "mx1.kunde.example" || alarms[0].Text != "IP is block listed" {
			t.Fatalf("alarms %+v", alarms)
		}
		// After the pause one mail finds out, and is delivered all the same.
		time.Sleep(time.Hour)
		before := refusals.Load()
		probe := w.many(5, tenantA, tenant.Transactional, "kunde.example")
		w.submit(probe...)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantOneEach(probe)
		if refusals.Load() != before+1 || w.fleet.Alarms()[0].Pauses != 2 {
			t.Errorf("%d probes, alarms %+v", refusals.Load()-before, w.fleet.Alarms())
		}
		healed.Store(true)
		time.Sleep(2 * time.Hour)
		w.submit(w.many(1, tenantA, tenant.Transactional, "kunde.example")...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.fleet.Alarms()) != 0 {
			t.Errorf("alarms after the probe was taken: %+v", w.fleet.Alarms())
		}
		w.end()
	})
}

// TestMailBehindAProbeFollowsSoon: three mails, as of a redelivery, come to a server that
// refused our only address until a while ago. One finds out; the others do not wait for
// as long as a probe may take, but for about a minute.
func TestMailBehindAProbeFollowsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var healed atomic.Bool
		w.net.site("kunde.example", &server{takes: time.Second, dial: func(smtp.Options) error {
			if !healed.Load() {
				return refuse(smtp.StageGreeting, 554, "5.7.1", "blocked")
			}
			return nil
		}})
		w.start()
		w.submit(w.many(5, tenantA, tenant.Transactional, "kunde.example")...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.fleet.Alarms()) != 1 {
			t.Fatalf("alarms %+v", w.fleet.Alarms())
		}
		healed.Store(true)
		time.Sleep(time.Until(w.fleet.Alarms()[0].PausedUntil.Add(time.Second)))
		again := w.many(3, tenantB, tenant.Lead, "kunde.example")
		w.submit(again...)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		for _, m := range again {
			w.wantState(m, event.Delivered)
		}
		w.end()
	})
}

// TestOnlySourcePaused: the first mails learn it the hard way, the rest waits.
func TestOnlySourcePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{dial: func(smtp.Options) error { return refuse(smtp.StageGreeting, 554, "5.7.1", "blocked") }})
		w.limits.Connections = 1
		w.start()
		all := w.many(20, tenantA, tenant.Transactional, "kunde.example")
		w.submit(all...)
		got := w.store.Count()
		if got[event.Bounced] != 3 || got[event.Deferred] != 17 {
			t.Fatalf("states %v, want the threshold refused and the rest waiting", got)
		}
		i := slices.IndexFunc(all, func(e queue.Entry) bool { return w.store.Row(e.Delivery).State == event.Deferred })
		if _, a := w.attempt(all[i], 1); a.Scope != "source" || a.Reply != "blocked" || !strings.Contains(a.Local, "another mail") {
			t.Errorf("a mail that waits says %+v", a)
		}
		if x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example"}); len(x.Waiting) != 1 || x.Waiting[0].Why != egress.HinderedAlarm || x.Waiting[0].Reply != "blocked" {
			t.Errorf("explained by %+v", x.Waiting)
		}
		w.end()
	})
}

func TestWarmUpSpreadsOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.plan = egress.EqualPlan(egress.Source{EHLO: "out.stafette.example", State: egress.StateNew, WarmUpFrom: time.Now()})
		w.shaping = "[default]\nwarm_up = [10, 20]"
		w.net.site("kunde.example", &server{})
		w.start()
		all := w.many(60, tenantA, tenant.Newsletter, "kunde.example")
		w.submit(all...)
		for day, want := range []int{9, 27} { // nine tenths of 10, then of 20 more
			time.Sleep(time.Hour)
			if day == 1 {
				time.Sleep(22 * time.Hour)
			}
			synctest.Wait()
			if n := len(w.net.received()); n > want {
				t.Errorf("%d mails sent by day %d, want at most %d", n, day+1, want)
			}
			time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)))
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		w.wantOneEach(all)
		w.end()
	})
}

func TestRulesSeeOnlyWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[[rule]]\nname = \"zu-viel\"\ncodes = [\"421\"]\nthreshold = \"3/1h\"\naction = \"suspend\"\nfor = \"6h\""
		var n atomic.Int64
		w.net.site("kunde.example", &server{dial: func(smtp.Options) error {
			n.Add(1)
			return refuse(smtp.StageGreeting, 421, "4.7.0", "too many connections")
		}})
		w.limits.Connections = 1
		w.start()
		w.submit(w.many(100, tenantA, tenant.Transactional, "kunde.example")...)
		if x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example"}); n.Load() != 1 || len(x.Waiting) != 1 || x.Waiting[0].Why != egress.HinderedRest {
			t.Errorf("after %d replies: %+v", n.Load(), x.Waiting)
		}
		time.Sleep(10 * time.Minute) // the third reply comes after 1 + 2 minutes
		synctest.Wait()
		x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example"})
		if n.Load() != 3 || !slices.ContainsFunc(x.Waiting, func(v egress.Waiting) bool { return v.Rule == "zu-viel" && v.Reply == "too many connections" }) {
			t.Errorf("after %d replies: %+v", n.Load(), x.Waiting)
		}
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if n.Load() != 3 {
			t.Errorf("%d connections while suspended", n.Load()-3)
		}
		w.end()
	})
}

func TestRuleSuspendsOneTenantsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[[rule]]\nname = \"spam\"\ncodes = [\"550\"]\npattern = \"spam\"\nthreshold = \"2/1h\"\naction = \"suspend_stream\"\nfor = \"1h\""
		w.net.site("kunde.example", &server{takes: time.Second, answer: func(m smtp.Mail) (smtp.Reply, error) {
			if strings.HasPrefix(m.To, "newsletter1") {
				return smtp.Reply{}, refuse(smtp.StageDot, 550, "5.7.0", "Looks like SPAM")
			}
			return smtp.Reply{Code: 250}, nil
		}})
		w.limits.Connections = 1
		w.start()
		bad := w.many(20, tenantA, tenant.Newsletter, "kunde.example")
		good := append(w.many(5, tenantB, tenant.Newsletter, "kunde.example"), w.many(5, tenantA, tenant.Transactional, "kunde.example")...)
		w.submit(append(bad, good...)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantOneEach(good)
		got := map[event.State]int{}
		for _, e := range bad {
			got[w.store.Row(e.Delivery).State]++
		}
		if got[event.Bounced] < 2 || got[event.Bounced] > 3 || got[event.Deferred] < 17 { // one was announced
			t.Errorf("the suspended stream's mails: %v", got)
		}
		x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example", Tenant: tenantA, Stream: tenant.Newsletter})
		if len(x.Waiting) != 1 || x.Waiting[0].Rule != "spam" {
			t.Errorf("explained by %+v", x.Waiting)
		}
		w.end()
	})
}

func TestRuleSlowsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[[rule]]\nname = \"langsam\"\ncodes = [\"452\"]\naction = \"slow\"\nfactor = 0.5\nfor = \"10m\""
		var n atomic.Int64
		w.net.site("kunde.example", &server{takes: time.Second, answer: func(smtp.Mail) (smtp.Reply, error) {
			if n.Add(1) == 20 {
				return smtp.Reply{}, refuse(smtp.StageRcpt, 452, "4.2.0", "slower")
			}
			return smtp.Reply{Code: 250}, nil
		}})
		w.limits.Connections = 1
		w.start()
		w.submit(w.many(200, tenantA, tenant.Transactional, "kunde.example")...)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example"})
		i := slices.IndexFunc(x.Lanes[0].Limits, func(l egress.Effective) bool { return l.Limit == "per_minute" })
		if l := x.Lanes[0].Limits[i]; l.Layer != egress.LayerLearnt || l.Value != "10" || l.From != "rule langsam" {
			t.Errorf("limit %+v", l)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n.Load() > 20+6*11 {
			t.Errorf("%d mails in five minutes at ten a minute", n.Load())
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 200 {
			t.Errorf("states %v", got)
		}
		w.end()
	})
}

func TestLaneStartsSlowlyAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.limits.Connections = 6
		w.net.site("kunde.example", &server{takes: 10 * time.Second})
		w.start()
		w.submit(w.many(100, tenantA, tenant.Transactional, "kunde.example")...)
		for i, want := range []int{2, 4, 6} {
			if n := w.net.dialled(); n != want {
				t.Errorf("%d connections in round %d, want %d", n, i, want)
			}
			time.Sleep(10*time.Second + time.Millisecond)
			synctest.Wait()
		}
		w.end()
	})
}

func TestRefusedConnectionComesBackStepwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.limits.Connections, w.limits.SlowStart, w.limits.Messages = 5, 5, 1000000
		var allowed atomic.Int64
		allowed.Store(2)
		w.net.site("kunde.example", &server{takes: time.Second, dial: func(o smtp.Options) error {
			if int64(w.net.open[o.Address]) >= allowed.Load() {
				return refuse(smtp.StageGreeting, 421, "4.7.0", "too many connections")
			}
			return nil
		}})
		w.start()
		w.submit(w.many(10000, tenantA, tenant.Transactional, "kunde.example")...)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		allowed.Store(100)
		limits := []int{w.engine.Lanes()[0].Limit}
		for range 4 {
			time.Sleep(5*time.Minute + time.Second)
			synctest.Wait()
			limits = append(limits, w.engine.Lanes()[0].Limit)
		}
		if want := []int{2, 3, 4, 5, 5}; !slices.Equal(limits, want) {
			t.Errorf("connections allowed every five minutes: %v, want %v", limits, want)
		}
		w.end()
	})
}

func TestDomainWithLimitsHasALaneOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[domain.\"eigen.example\"]\nconnections = 1\nper_minute = 2\nretry = [\"3h\"]"
		w.net.site("kunde.example", &server{})
		w.net.mx["eigen.example"] = []dns.MX{{Host: "mx1.kunde.example", Preference: 10}}
		w.start()
		w.submit(append(w.many(20, tenantA, tenant.Transactional, "eigen.example"), w.many(20, tenantA, tenant.Transactional, "kunde.example")...)...)
		to := map[bool]int{}
		for _, got := range w.net.received() {
			to[strings.HasSuffix(got.to, "eigen.example")]++
		}
		if to[true] != 2 || to[false] != 20 {
			t.Errorf("of the slow domain %d, of the other %d mails were sent", to[true], to[false])
		}
		if x := w.engine.Explain(t.Context(), delivery.Question{Domain: "eigen.example"}); len(x.Lanes) != 1 || x.Lanes[0].Site != "domain:eigen.example" || x.Lanes[0].NextAt.IsZero() {
			t.Errorf("lanes %+v", x.Lanes)
		}
		w.end()
	})
}

func TestProvidersRetrySpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[provider.haus]\nmx = [\"kunde.example\"]\nretry = [\"1h\"]"
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			return smtp.Reply{}, refuse(smtp.StageRcpt, 452, "4.2.2", "mailbox full")
		}})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		if _, a := w.attempt(e, 1); a.NextAt.Before(time.Now().Add(50*time.Minute)) || a.NextAt.After(time.Now().Add(70*time.Minute)) {
			t.Errorf("next attempt at %s, now is %s", a.NextAt, time.Now())
		}
		w.end()
	})
}

func TestExplainFindsADeliverysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.limits.Connections = 1
		w.net.site("kunde.example", &server{takes: time.Hour})
		w.start()
		all := w.many(5, tenantA, tenant.Newsletter, "kunde.example")
		w.submit(all[0]) // it is in hand before the next one comes
		w.submit(all[1:]...)
		x := w.engine.Explain(t.Context(), delivery.Question{Domain: "kunde.example", Tenant: tenantA, Stream: tenant.Newsletter, Delivery: all[4].Delivery})
		if x.Position != 4 || len(x.Waiting) != 1 || x.Waiting[0].Why != egress.HinderedBusy {
			t.Errorf("position %d, waiting %+v", x.Position, x.Waiting)
		}
		time.Sleep(time.Minute)
		w.end()
	})
}

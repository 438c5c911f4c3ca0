package clock

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/spool"
)

// resolver knows one server for every domain.
type resolver struct{}

func (resolver) MX(context.Context, string) ([]dns.MX, error) {
	return []dns.MX{{Host: "mx.kunde.example", Preference: 10}}, nil
}

func (resolver) Addrs(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
}

func (resolver) TXT(context.Context, string) ([]string, error) { return nil, dns.ErrNoHost }

// paper is a spool in which every body is the same.
type paper struct{}

func (paper) Body(context.Context, spool.Handle) ([]byte, error) {
	return []byte("From: info@a.example\r\nSubject: Ihre Anfrage\r\n\r\nGuten Tag\r\n"), nil
}

// engineOf makes an engine that meets a server which is never ready, and notes when.
func engineOf(t *testing.T, r *queue.Runner, tries *[]time.Time) *delivery.Engine {
	t.Helper()
	shaping, err := egress.NewShaping(egress.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := egress.NewFleet(egress.FleetConfig{Plan: egress.EqualPlan(egress.Source{EHLO: "out.stafette.example"}), Shaping: shaping, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := egress.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	table, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	e, err := delivery.New(delivery.Config{
		Queue: r, Bodies: paper{}, Resolver: resolver{}, Judge: table, Fleet: fleet, Routes: routes, Now: time.Now,
		Guard: egress.NewGuard(egress.Rules{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}),
		Sign: func(context.Context, queue.Entry, []byte) ([]byte, error) {
			return []byte("DKIM-Signature: x\r\n"), nil
		},
		Dial: func(context.Context, smtp.Options) (delivery.Session, error) {
			*tries = append(*tries, time.Now())
			return nil, &smtp.Error{Stage: smtp.StageGreeting, Reply: &smtp.Reply{Code: 450, Enhanced: "4.3.2", Lines: []string{"come later"}}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestFiveDaysOfRetries: a server that is never ready is asked at the real pauses for
// five days, over the change to summer time and the restart of the node in the middle,
// and then the mail is given up, with all that was tried on record.
func TestFiveDaysOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2000, 3, 24, 17, 0, 0, 0, time.UTC)))
		w := openWorld(t, time.Now)
		a := w.draft()
		if err := w.store.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		var tries []time.Time
		for _, days := range []time.Duration{2, 4} {
			r := queue.NewRunner(queue.Config{Store: w.store, Node: "n", Now: time.Now, Poll: 10 * time.Minute, Lease: 6 * time.Hour})
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			over := make(chan error, 1)
			go func() { over <- engineOf(t, r, &tries).Run(ctx) }()
			time.Sleep(days * 24 * time.Hour)
			stop()
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
		checkRetries(t, w, a.Message.ExpiresAt, tries)
		m, err := w.store.Message(t.Context(), w.tenant, a.Message.ID)
		if err != nil || m.Deliveries[0].State != event.Expired || m.Deliveries[0].Attempts != len(tries) {
			t.Errorf("%+v, %v; want expired after %d attempts", m.Deliveries, err, len(tries))
		}
		facts, err := w.store.Events(t.Context(), w.tenant, a.Message.ID)
		if err != nil || len(facts) != 1+len(tries) || facts[len(tries)].Type != event.GaveUp {
			t.Errorf("%d facts for %d attempts, %v", len(facts), len(tries), err)
		}
	})
}

// checkRetries holds the attempts to the schedule, ± its tenth, and to the end.
func checkRetries(t *testing.T, w *world, end time.Time, tries []time.Time) {
	t.Helper()
	steps := queue.DefaultSteps()
	for i := 1; i < len(tries); i++ {
		pause, want := tries[i].Sub(tries[i-1]), steps[min(i, len(steps))-1]
		if pause < want*9/10 || pause > want*11/10+time.Minute {
			t.Errorf("pause %d is %v, want %v", i, pause, want)
		}
	}
	if n := len(tries); n < 34 || n > 40 {
		t.Fatalf("%d attempts in five days", n)
	}
	if last := tries[len(tries)-1]; last.After(end) || end.Sub(last) > 5*time.Hour {
		t.Errorf("the last attempt was at %v, the end at %v", last, end)
	}
}

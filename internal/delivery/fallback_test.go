package delivery_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
)

const shiftName = "chg_0000000000000000000000000a"

// changing makes a world under way from one old source to new ones.
func changing(t *testing.T, share int, fallback bool) *world {
	w := newWorld(t)
	w.plan = egress.EqualPlan(egress.Source{Name: "old", EHLO: "old.stafette.example"})
	for _, name := range []string{"new1", "new2"} {
		w.plan.Sources = append(w.plan.Sources, egress.Source{Name: name, EHLO: name + ".stafette.example", Weight: 100})
	}
	w.plan.Shifts = []egress.Shift{{Name: shiftName, Old: []string{"old"}, New: []string{"new1", "new2"}, Share: share, Fallback: fallback}}
	return w
}

// wary is a server that takes mail from known names only and says so at a stage.
func wary(known string, stage smtp.Stage, code int, enhanced, text string) *server {
	s := &server{}
	if stage == smtp.StageGreeting {
		s.dial = func(o smtp.Options) error {
			if strings.HasPrefix(o.EHLO, known) {
				return nil
			}
			return refuse(stage, code, enhanced, text)
		}
		return s
	}
	return s
}

// TestRefusedOverNewDeliveredOverOld is the story of a customer who allow-lists addresses
// (A8): one attempt more, both on record, the customer marked.
func TestRefusedOverNewDeliveredOverOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := changing(t, 100, true)
		w.net.site("makler.example", wary("old.", smtp.StageGreeting, 554, "5.7.1", "unknown address, mail for r@makler.example refused"))
		w.start()
		e := w.mail("r@makler.example")
		began := time.Now()
		w.submit(e)
		w.wantState(e, event.Delivered)
		row := w.store.Row(e.Delivery)
		if len(row.Events) != 2 || row.Entry.Attempts != 2 || w.net.dialled() != 2 {
			t.Fatalf("%d events, %d attempts, %d connections, want 2 of each", len(row.Events), row.Entry.Attempts, w.net.dialled())
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it took %s", waited)
		}
		first, a := w.attempt(e, 1)
		second, b := w.attempt(e, 2)
		if a.Number != 1 || a.Code != 554 || a.Outcome != event.OutcomeDeferred || !strings.HasPrefix(a.EHLO, "new") || first.Type != event.AttemptFailed {
			t.Errorf("first attempt %+v", a)
		}
		if b.Number != 2 || b.EHLO != "old.stafette.example" || second.Type != event.Completed || !first.At.Before(second.At) || first.ID.String() >= second.ID.String() {
			t.Errorf("second attempt %+v at %s after %s", b, second.At, first.At)
		}
		if len(row.Fallbacks) != 1 {
			t.Fatalf("marks %+v", row.Fallbacks)
		}
		m := row.Fallbacks[0]
		if m.Shift != shiftName || m.Domain != "makler.example" || m.Site == "" || !strings.HasPrefix(m.Source, "new") || strings.Contains(m.Reply, "r@makler") || !strings.HasPrefix(m.Reply, "554 5.7.1 unknown address") {
			t.Errorf("mark %+v", m)
		}
		w.end()
	})
}

// TestFallbackIsOneAttempt: both refuse, and the old source's refusal is judged as any.
func TestFallbackIsOneAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		share    int
		fallback bool
		answer   error
		dials    int
		state    event.State
	}{
		"both refuse for good":     {100, true, refuse(smtp.StageRcpt, 550, "5.7.1", "no"), 2, event.Bounced},
		"both refuse for now":      {100, true, refuse(smtp.StageRcpt, 450, "4.7.1", "not now"), 2, event.Deferred},
		"no such recipient":        {100, true, refuse(smtp.StageRcpt, 550, "5.1.1", "nobody"), 1, event.Bounced},
		"refused over the old one": {0, true, refuse(smtp.StageRcpt, 550, "5.7.1", "no"), 1, event.Bounced},
		"a rule nobody names":      {100, true, refuse(smtp.StageDot, 554, "5.7.9", "policy"), 2, event.Bounced},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := changing(t, tt.share, tt.fallback)
				w.net.site("makler.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) { return smtp.Reply{}, tt.answer }})
				w.start()
				e := w.mail("r@makler.example")
				w.submit(e)
				w.wantState(e, tt.state)
				row := w.store.Row(e.Delivery)
				if w.net.dialled() != tt.dials || len(row.Events) != tt.dials || len(row.Fallbacks) != 0 {
					t.Errorf("%d connections, %d facts, marks %v; want %d attempts", w.net.dialled(), len(row.Events), row.Fallbacks, tt.dials)
				}
				w.end()
			})
		})
	}
}

// TestNoFallbackOutsideTheOverlap: sources are tried as ever.
func TestNoFallbackOutsideTheOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := changing(t, 100, false)
		w.net.site("makler.example", wary("old.", smtp.StageGreeting, 554, "5.7.1", "no"))
		w.start()
		e := w.mail("r@makler.example")
		w.submit(e)
		if row := w.store.Row(e.Delivery); len(row.Events) != 1 || len(row.Fallbacks) != 0 {
			t.Errorf("%d facts, marks %v", len(row.Events), row.Fallbacks)
		}
		w.end()
	})
}

// TestRollBackTakesWhatWaits: mail on the lanes of new sources leaves over the old one.
func TestRollBackTakesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := changing(t, 100, true)
		w.limits.Connections = 1
		w.net.site("kunde.example", &server{takes: time.Second})
		w.start()
		all := w.many(20, tenantA, tenant.Newsletter, "kunde.example")
		w.submit(all...)
		time.Sleep(1500 * time.Millisecond)
		back := w.plan
		back.Shifts = []egress.Shift{{Name: shiftName, Old: []string{"old"}, New: []string{"new1", "new2"}}}
		if err := w.fleet.Follow(back); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		fresh := 0
		for _, got := range w.net.received() {
			if !strings.HasPrefix(got.source, "old.") {
				fresh++
			}
		}
		// Those in hand, and the one announced after each on its session.
		if n := len(w.net.received()); n != 20 || fresh > 6 {
			t.Errorf("%d mails, %d of them over new sources", n, fresh)
		}
		w.end()
	})
}

// TestParkedFallbackIsRecorded: a mail whose old lane is full is put off as deferred,
// with its one attempt.
func TestParkedFallbackIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := changing(t, 100, true)
		w.shaping = "[source.old]\nper_minute = 1\nper_hour = 1"
		w.net.site("makler.example", wary("old.", smtp.StageGreeting, 554, "5.7.1", "no"))
		w.start()
		var all []queue.Entry
		for _, to := range []string{"a@makler.example", "b@makler.example", "c@makler.example", "d@makler.example"} {
			e := w.mail(to)
			e.Stream = tenant.Newsletter
			all = append(all, e)
		}
		w.submit(all...)
		deferred := 0
		for _, e := range all {
			row := w.store.Row(e.Delivery)
			if row.State == event.Deferred {
				deferred++
				if row.Entry.Attempts != 1 || len(row.Events) != 1 {
					t.Errorf("%d attempts, %d facts", row.Entry.Attempts, len(row.Events))
				}
			}
		}
		if deferred == 0 {
			t.Error("nothing was put off")
		}
		w.end()
	})
}

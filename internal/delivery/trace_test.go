package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/seal"
	"stafette/internal/smtp"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// said reads dialogues where queuetest keeps them.
type said struct{ *queuetest.Store }

// Dialogues implements trace.Store, for the first delivery of a message.
func (s said) Dialogues(_ context.Context, _ tenant.ID, m message.ID, _ []spool.Day) ([]trace.Kept, error) {
	var list []trace.Kept
	d := message.Delivery(m, 1)
	for n := 1; n < 10; n++ {
		if sealed := s.Row(d).Dialogues[n]; sealed != nil {
			list = append(list, trace.Kept{Delivery: d, Number: n, Sealed: sealed})
		}
	}
	return list, nil
}

// trace lets the engine record.
func (w *world) trace(mode trace.Mode) {
	w.t.Helper()
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Trace = trace.New(trace.Config{Mode: mode, Now: time.Now, Sealer: keeper, Store: said{w.store}})
}

// dialogues are what is kept of a mail, in words.
func (w *world) dialogues(e queue.Entry) []string {
	w.t.Helper()
	list, err := w.cfg.Trace.Dialogues(w.t.Context(), e.Tenant, message.Of(e.Delivery), []spool.Day{1})
	if err != nil {
		w.t.Fatal(err)
	}
	var texts []string
	for _, d := range list {
		text := fmt.Sprintf("%d %s %s:", d.Number, d.Outcome, d.Host)
		for _, l := range d.Lines {
			text += " " + string(l.From) + " " + l.Text
		}
		texts = append(texts, text)
	}
	return texts
}

// TestDialoguesOfFailuresAreKept: by attempt, with what was announced of it before, and
// with what was said over a source that was refused; what went straight leaves nothing.
func TestDialoguesOfFailuresAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.trace(trace.Failures)
		w.plan = egress.EqualPlan(egress.Source{EHLO: "eins.stafette.example", Name: "eins"}, egress.Source{EHLO: "zwei.stafette.example", Name: "zwei"})
		w.limits.Connections = 1
		tries := map[string]int{}
		w.net.site("kunde.example", &server{takes: time.Second, answer: func(m smtp.Mail) (smtp.Reply, error) {
			tries[m.To]++
			switch {
			case strings.HasPrefix(m.To, "voll") && tries[m.To] == 1:
				return smtp.Reply{}, refuse(smtp.StageRcpt, 452, "4.2.2", "full")
			case strings.HasPrefix(m.To, "quelle") && tries[m.To] == 1:
				return smtp.Reply{}, refuse(smtp.StageRcpt, 550, "5.7.1", "blocked")
			}
			return smtp.Reply{Code: 250, Lines: []string{"taken"}}, nil
		}})
		w.start()
		straight, full, source := w.mail("gut@kunde.example"), w.mail("voll@kunde.example"), w.mail("quelle@kunde.example")
		w.submit(straight, full, source)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.dialogues(straight); got != nil {
			t.Errorf("kept of one that went straight: %v", got)
		}
		want := "1 deferred mx1.kunde.example: C voll@kunde.example S [] rcpt: 452 4.2.2 full"
		if got := w.dialogues(full); len(got) != 1 || got[0] != want {
			t.Errorf("kept %q, want %q", got, want)
		}
		want = "1 delivered mx1.kunde.example: C quelle@kunde.example S [] rcpt: 550 5.7.1 blocked C quelle@kunde.example S [taken] <nil>"
		if got := w.dialogues(source); len(got) != 1 || got[0] != want {
			t.Errorf("kept %q, want %q", got, want)
		}
		w.end()
	})
}

// TestRuleSuspendsOneCampaign: mail with the same first tag waits, other mail of the
// tenant goes; and when the time is over the campaign comes back step by step.
func TestRuleSuspendsOneCampaign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shaping = "[[rule]]\nname = \"spam\"\ncodes = [\"550\"]\nthreshold = \"2/1h\"\naction = \"suspend_campaign\"\nfor = \"1h\""
		var angry atomic.Bool
		angry.Store(true)
		w.net.site("kunde.example", &server{takes: time.Millisecond, answer: func(m smtp.Mail) (smtp.Reply, error) {
			if strings.HasPrefix(m.To, "newsletter1") && angry.Load() {
				return smtp.Reply{}, refuse(smtp.StageDot, 550, "5.7.0", "spam")
			}
			return smtp.Reply{Code: 250}, nil
		}})
		w.limits.Connections = 1
		w.start()
		bad := w.many(300, tenantA, tenant.Newsletter, "kunde.example")
		for i := range bad {
			bad[i].Tags = []string{"mai", "kunden"}
		}
		w.submit(bad...)
		time.Sleep(time.Second)
		synctest.Wait()
		angry.Store(false)
		other, plain := w.many(20, tenantA, tenant.Reminder, "kunde.example"), w.many(20, tenantB, tenant.Newsletter, "kunde.example")
		for i := range other {
			other[i].Tags = []string{"juni", "mai"}
		}
		w.submit(append(other, plain...)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantOneEach(append(other, plain...))
		if n := w.store.Count(); n[event.Bounced] > 3 || n[event.Delivered] != 40 {
			t.Fatalf("while suspended: %v", n)
		}
		// Its hour began with the second refusal, about a minute ago.
		time.Sleep(59*time.Minute + 30*time.Second)
		for step, most := range []int{10, 30, 70, 150} {
			synctest.Wait()
			if n := w.store.Count()[event.Delivered] - 40; n > most || n < most/2 {
				t.Errorf("step %d: %d are delivered, want at most %d", step, n, most)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.store.Count(); n[event.Delivered] < 337 {
			t.Errorf("in the end: %v", n)
		}
		w.end()
	})
}

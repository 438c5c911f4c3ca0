package delivery_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

// T43: mail that is to wait is held before a server hears of it; other mail goes out.
func TestHaltedIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.cfg.Halted = func(e queue.Entry) string {
			if e.Recipient.Local == "eva" {
				return audience.ReasonHalted
			}
			return ""
		}
		w.start()
		eva, max := w.mail("eva@kunde.example"), w.mail("max@kunde.example")
		w.submit(eva)
		w.submit(max)
		w.wantState(eva, event.Held)
		w.wantState(max, event.Delivered)
		if ev, _ := w.attempt(eva, 1); ev.Type != event.Paused || ev.Reason != audience.ReasonHalted || ev.Attempt != nil {
			t.Errorf("event %+v", ev)
		}
		w.end()
	})
}

// A suppression that comes while mail waits holds for it: no server hears of it.
func TestSuppressedWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := true
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			if first {
				first = false
				return smtp.Reply{}, refuse(smtp.StageRcpt, 450, "4.2.0", "later")
			}
			return smtp.Reply{Code: 250, Lines: []string{"taken"}}, nil
		}})
		suppressed := map[string]bool{}
		w.cfg.Withheld = func(_ context.Context, e queue.Entry) (string, error) {
			switch {
			case e.Recipient.Local == "broken":
				return "", errors.New("down")
			case suppressed[e.Recipient.Local]:
				return "complaint", nil
			}
			return "", nil
		}
		w.start()
		eva := w.mail("eva@kunde.example")
		w.submit(eva)
		w.wantState(eva, event.Deferred)
		suppressed["eva"] = true
		broken := w.mail("broken@kunde.example")
		w.submit(broken)
		w.wantState(broken, event.Deferred)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantState(eva, event.Suppressed)
		if ev, _ := w.attempt(eva, 2); ev.Type != event.Withheld || ev.Reason != "complaint" {
			t.Errorf("event %+v", ev)
		}
		w.wantState(broken, event.Deferred)
		if got := w.net.received(); len(got) != 0 {
			t.Errorf("mails left: %+v", got)
		}
		w.end()
	})
}

// Mail that must wait is held with its reason, and goes once it need not; where that cannot be
// found out it is tried again, and nothing leaves.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		var down atomic.Bool
		down.Store(true)
		w.cfg.Waits = func(_ context.Context, e queue.Entry) (string, error) {
			switch {
			case e.Recipient.Local == "broken" && down.Load():
				return "", errors.New("down")
			case e.Recipient.Local == "eva":
				return "group_not_approved", nil
			}
			return "", nil
		}
		w.start()
		eva, max, broken := w.mail("eva@kunde.example"), w.mail("max@kunde.example"), w.mail("broken@kunde.example")
		w.submit(eva, max, broken)
		w.wantState(eva, event.Held)
		if ev, _ := w.attempt(eva, 1); ev.Type != event.Paused || ev.Reason != "group_not_approved" {
			t.Errorf("event %+v", ev)
		}
		w.wantState(max, event.Delivered)
		w.wantState(broken, event.Deferred)
		if got := w.net.received(); len(got) != 1 {
			t.Errorf("mails left: %+v", got)
		}
		down.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantState(broken, event.Delivered)
		w.end()
	})
}

// Only what ends a delivery counts against its recipient.
func TestOutcomesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{answer: func(m smtp.Mail) (smtp.Reply, error) {
			if m.To == "gone@kunde.example" {
				return smtp.Reply{}, refuse(smtp.StageRcpt, 550, "5.1.1", "no such user")
			}
			return smtp.Reply{}, refuse(smtp.StageRcpt, 452, "4.5.2", "not now")
		}})
		var mu sync.Mutex // sessions of two lanes count at the same time
		var told []string
		w.cfg.Strike = func(e queue.Entry, j bounce.Judgement, _ time.Time) *audience.Strike {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Recipient.Local+" "+string(j.Class))
			return nil
		}
		w.start()
		full := w.mail("full@kunde.example")
		full.ExpiresAt = time.Now().Add(time.Minute)
		w.submit(w.mail("gone@kunde.example"), full)
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		slices.Sort(told) // both end at their first attempt, in either order
		if len(told) != 2 || told[0] != "full policy" || told[1] != "gone user_unknown" {
			t.Errorf("counted %q", told)
		}
		w.end()
	})
}

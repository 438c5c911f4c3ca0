package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

func TestStopLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: 3 * time.Second})
		w.net.site("slow.example", &server{takes: time.Hour})
		w.limits.SlowStart = 5
		w.start()
		var all []queue.Entry
		for i := range 50 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)), w.mail(fmt.Sprintf("r%d@slow.example", i)))
		}
		w.submit(all...)
		time.Sleep(7 * time.Second) // two rounds of five done, the third in flight
		begun := time.Now()
		w.end()
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("stopped after %s, want the grace time", took)
		}
		got := w.store.Count()
		if got[event.Delivered] != 15 || got[event.Queued] != 85 {
			t.Errorf("states %v, want 15 delivered and the rest queued", got)
		}
		if n := len(w.net.received()); n != 15 {
			t.Errorf("%d mails arrived, 15 were recorded", n)
		}
		for _, e := range all {
			if row := w.store.Row(e.Delivery); row.Owner != 0 || row.State == event.Queued && len(row.Events) != 0 {
				t.Errorf("%s: %+v", e.Recipient.Local, row)
			}
		}
	})
}

func TestStopWithoutWorkIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.start()
		w.submit(w.mail("eva@kunde.example"))
		begun := time.Now()
		w.end() // with an idle session open
		if took := time.Since(begun); took != 0 {
			t.Errorf("stopped after %s", took)
		}
	})
}

func TestRestartDeliversWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: time.Second})
		w.start()
		var all []queue.Entry
		for i := range 100 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(3500 * time.Millisecond)
		w.end()
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 100 || len(w.net.received()) != 100 {
			t.Errorf("states %v, %d mails arrived", got, len(w.net.received()))
		}
		w.end()
	})
}

func TestDatabaseDownForAWhileSendsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: time.Second})
		w.start()
		var all []queue.Entry
		for i := range 20 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(1500 * time.Millisecond)
		w.store.Fail(errors.New("database is down"))
		time.Sleep(8 * time.Second)
		w.store.Fail(nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 20 || len(w.net.received()) != 20 {
			t.Errorf("states %v, %d mails arrived", got, len(w.net.received()))
		}
		w.end()
	})
}

func TestStopDoesNotWaitForeverForTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: time.Millisecond})
		w.start()
		var all []queue.Entry
		for i := range 4000 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.store.Fail(errors.New("database is down"))
		w.submit(all...)
		time.Sleep(10 * time.Second)
		// Each of five connections has one verdict on its way and one mail in hand.
		if n := len(w.net.received()); n != 2*5 {
			t.Errorf("%d mails sent without a durable verdict", n)
		}
		begun := time.Now()
		w.stop()
		if err := <-w.stopped; err == nil {
			t.Error("Run returned no error")
		}
		if took := time.Since(begun); took > 80*time.Second {
			t.Errorf("stopped after %s", took)
		}
	})
}

// Where what was taken can be noted, sessions go on while rows wait, up to the backlog; what
// is noted is neither lost nor sent anew, and no note outlives its row.
func TestNotesLetSessionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.TakeNotes()
		w.net.site("kunde.example", &server{takes: time.Millisecond})
		w.start()
		var all []queue.Entry
		for i := range 400 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.store.Fail(errors.New("database is down"))
		w.submit(all...)
		time.Sleep(10 * time.Second)
		if n := len(w.net.received()); n != 400 {
			t.Errorf("%d of 400 mails sent while verdicts were noted", n)
		}
		if noted, left := w.store.Notes(); noted < 400-5 || left != noted {
			t.Errorf("%d notes, %d left: five sessions may have one verdict each that is not noted", noted, left)
		}
		w.store.Fail(nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 400 || len(w.net.received()) != 400 {
			t.Errorf("states %v, %d mails arrived", got, len(w.net.received()))
		}
		if noted, left := w.store.Notes(); left != 0 {
			t.Errorf("%d of %d notes left behind their rows", left, noted)
		}
		w.end()
	})
}

// Where rows are as quick as the mail, nothing is noted.
func TestNothingIsNotedWithoutNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.TakeNotes()
		w.net.site("kunde.example", &server{takes: time.Second})
		w.start()
		var all []queue.Entry
		for i := range 20 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		for _, e := range all {
			w.submit(e)
			time.Sleep(2 * time.Second)
		}
		if got := w.store.Count(); got[event.Delivered] != 20 {
			t.Errorf("states %v", got)
		}
		if noted, _ := w.store.Notes(); noted != 0 {
			t.Errorf("%d notes", noted)
		}
		w.end()
	})
}

func TestLapsedLeaseStopsSendingUntilItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: 4 * time.Second})
		w.limits.Connections = 1
		w.start()
		var all []queue.Entry
		for i := range 40 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		start := time.Now()
		w.submit(all...)
		time.Sleep(5 * time.Second)
		w.store.FailBeats(errors.New("database is slow")) // the beats at 10, 20, 30 s fail
		time.Sleep(95 * time.Second)
		synctest.Wait()
		for _, got := range w.net.received() {
			if got.at.Sub(start) > 30*time.Second {
				t.Errorf("%s was sent %s after the last beat", got.to, got.at.Sub(start))
			}
		}
		if len(w.net.received()) != 7 { // every 4 s until 28 s; the one in flight at 30 s is broken off
			t.Errorf("%d mails sent", len(w.net.received()))
		}
		w.store.FailBeats(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := w.store.Count(); got[event.Delivered] != 40 || len(w.net.received()) != 40 {
			t.Errorf("states %v, %d mails arrived", got, len(w.net.received()))
		}
		w.end()
	})
}

func TestFencedEpochSendsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: 4 * time.Second})
		w.limits.Connections = 1
		w.start()
		var all []queue.Entry
		for i := range 40 {
			all = append(all, w.mail(fmt.Sprintf("r%d@kunde.example", i)))
		}
		w.submit(all...)
		time.Sleep(9 * time.Second)
		w.store.Kill(1) // noticed at the beat of 10 s
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		// The third mail was broken off before its dot and sent again by the new epoch.
		if got := w.store.Count(); got[event.Delivered] != 40 || len(w.net.received()) != 40 {
			t.Errorf("states %v, %d mails arrived", got, len(w.net.received()))
		}
		for _, e := range all[5:] {
			if row := w.store.Row(e.Delivery); row.Claims != 1 {
				t.Errorf("%s was claimed %d times by the new epoch", e.Recipient.Local, row.Claims)
			}
		}
		w.end()
	})
}

func TestDeliveredWinsOverACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		answer := smtp.Reply{Code: 250}
		var err error
		w.net.site("kunde.example", &server{takes: 5 * time.Second, answer: func(smtp.Mail) (smtp.Reply, error) { return answer, err }})
		w.start()
		taken, refused := w.mail("taken@kunde.example"), w.mail("refused@kunde.example")
		for _, e := range []queue.Entry{taken, refused} {
			w.submit(e)
			if _, err := w.store.Apply(t.Context(), queue.Cancel, queue.Selection{Tenant: e.Tenant, Delivery: e.Delivery}, "usr", time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Second)
			synctest.Wait()
			err = refuse(smtp.StageRcpt, 450, "4.2.2", "full")
		}
		w.wantState(taken, event.Delivered)
		w.wantState(refused, event.Cancelled)
		w.end()
	})
}

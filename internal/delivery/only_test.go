package delivery_test

import (
	"testing"
	"testing/synctest"

	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

// A test is to find out how one source is treated: it leaves from it whatever the shares
// say, and what refuses it is not saved by another.
func TestMailThatNamesItsSourceLeavesFromNoOther(t *testing.T) {
	for known, want := range map[string]event.State{"new2.": event.Delivered, "old.": event.Bounced} {
		synctest.Test(t, func(t *testing.T) {
			w := changing(t, 0, true)
			w.net.site("makler.example", wary(known, smtp.StageGreeting, 554, "5.7.1", "unknown address"))
			w.start()
			e := w.mail("r@makler.example")
			e.Tags = []string{"test-lead", queue.SourceTag + "new2"}
			w.submit(e)
			w.wantState(e, want)
			if _, a := w.attempt(e, 1); a.EHLO != "new2.stafette.example" || w.net.dialled() != 1 {
				t.Errorf("%s: %+v, %d connections", known, a, w.net.dialled())
			}
			w.end()
		})
	}
}

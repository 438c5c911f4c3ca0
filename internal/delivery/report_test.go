package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

// TestReportsDue holds which verdict owes the sender which report.
func TestReportsDue(t *testing.T) {
	no := func(smtp.Mail) (smtp.Reply, error) {
		return smtp.Reply{}, refuse(smtp.StageRcpt, 550, "5.1.1", "unknown")
	}
	later := func(smtp.Mail) (smtp.Reply, error) {
		return smtp.Reply{}, refuse(smtp.StageRcpt, 450, "4.2.1", "later")
	}
	const all = message.NotifySuccess | message.NotifyFailure | message.NotifyDelay
	for _, c := range []struct {
		name   string
		server server
		notify message.Notify
		change func(*queue.Entry)
		state  event.State
		want   bounce.Action
		after  time.Duration
	}{
		{name: "refused, nothing said", server: server{answer: no}, notify: message.NotifyUnsaid, state: event.Bounced, want: bounce.ActionFailed},
		{name: "refused, asked", server: server{answer: no, dsn: true}, notify: message.NotifyFailure, state: event.Bounced, want: bounce.ActionFailed},
		{name: "refused, never", server: server{answer: no}, notify: message.NotifyNever, state: event.Bounced},
		{name: "refused, only success asked", server: server{answer: no}, notify: message.NotifySuccess, state: event.Bounced},
		{name: "refused, not by SMTP", server: server{answer: no}, state: event.Bounced},
		{name: "refused, null reverse path", server: server{answer: no}, notify: all, state: event.Bounced, change: func(e *queue.Entry) { e.Sender = "" }},
		{name: "out of time", notify: message.NotifyUnsaid, state: event.Expired, want: bounce.ActionFailed,
			change: func(e *queue.Entry) { e.ExpiresAt = e.AcceptedAt.Add(-time.Hour) }},
		{name: "no time for a retry", server: server{answer: later}, notify: all, state: event.Expired, want: bounce.ActionFailed,
			change: func(e *queue.Entry) { e.ExpiresAt = e.AcceptedAt.Add(time.Second) }},
		{name: "taken, the server knows no DSN", notify: all, state: event.Delivered, want: bounce.ActionRelayed},
		{name: "taken, the server reports itself", server: server{dsn: true}, notify: all, state: event.Delivered},
		{name: "taken, nothing said", notify: message.NotifyUnsaid, state: event.Delivered},
		{name: "delayed", server: server{answer: later}, notify: all, state: event.Deferred, want: bounce.ActionDelayed, after: 4 * time.Hour},
		{name: "delayed again", server: server{answer: later}, notify: all, state: event.Deferred, change: func(e *queue.Entry) { e.Attempts = 1 }},
		{name: "delayed, nothing said", server: server{answer: later}, notify: message.NotifyUnsaid, state: event.Deferred},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.net.site("kunde.example", &c.server)
				w.start()
				e := w.mail("eva@kunde.example")
				e.Notify = c.notify
				if c.change != nil {
					c.change(&e)
				}
				at := time.Now().UTC().Truncate(time.Millisecond)
				w.submit(e)
				w.wantState(e, c.state)
				var want []queue.Report
				if c.want != "" {
					want = []queue.Report{{Action: c.want, DueAt: at.Add(c.after)}}
				}
				if have := w.store.Row(e.Delivery).Reports; len(have) != len(want) || len(want) == 1 && (have[0].Action != want[0].Action || !have[0].DueAt.Equal(want[0].DueAt)) {
					t.Errorf("reports due %+v, want %+v", have, want)
				}
				w.end()
			})
		})
	}
}

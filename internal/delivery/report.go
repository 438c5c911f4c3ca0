package delivery

import (
	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/queue"
)

// reportDue says which report to the sender a verdict makes due (RFC 3461, 5 and 6).
// Only the fact is written down, with the verdict; composing is package dsn's.
//
//   - A failure, for good or because time was up, is told unless nobody wants to know.
//   - A delivery is told only by who answers for it: the server that took the mail
//     over. Where it knows no DSN, the sender hears that the mail was relayed.
//   - A delay is looked at again some hours after the first attempt, once.
//
// What a person cancelled or holds is that person's doing and is told nobody.
func (e *Engine) reportDue(p *parcel, s queue.Settlement) queue.Report {
	if p.Sender == "" || p.Notify == 0 {
		return queue.Report{} // never answer the null reverse path (RFC 5321, 6.1)
	}
	now := s.Event.At
	switch {
	case (s.State == event.Bounced || s.State == event.Expired) && p.Notify.OfFailure():
		return queue.Report{Action: bounce.ActionFailed, DueAt: now}
	case s.State == event.Delivered && p.Notify.OfSuccess() && !p.handed:
		return queue.Report{Action: bounce.ActionRelayed, DueAt: now}
	case s.State == event.Deferred && p.Notify.OfDelay() && p.Attempts == 0:
		due := p.DueAt.Add(e.cfg.DelayReport)
		if due.Before(now) {
			due = now
		}
		return queue.Report{Action: bounce.ActionDelayed, DueAt: due}
	}
	return queue.Report{}
}

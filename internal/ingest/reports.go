package ingest

import (
	"context"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
)

// noteReports writes down which reports the sender gets of each recipient. A message
// with the null reverse path has nobody to report to (RFC 5321, 4.5.5); what its
// client asked for still goes on to the next hop.
func (s *Service) noteReports(_ context.Context, w *parcel) error {
	if w.Reports == nil {
		return nil
	}
	if err := message.CheckEnvelopeID(w.Reports.EnvelopeID); err != nil {
		return err
	}
	if !w.Reports.Return.Valid() {
		return fault.New(fault.Invalid, CodeReturnMalformed, "RET is FULL or HDRS.")
	}
	w.m.Return, w.m.EnvelopeID = w.Reports.Return, w.Reports.EnvelopeID
	var unsaid message.Notify
	if w.m.Sender != "" && !w.tenant.NoFailureReports {
		unsaid = message.NotifyUnsaid
	}
	for i := range w.lines {
		d := &w.lines[i]
		wish := w.Reports.Recipients[d.Recipient]
		if !wish.Notify.Valid() {
			return fault.New(fault.Invalid, "notify_malformed", "NEVER stands alone.")
		}
		if _, err := message.ParseOriginalRecipient(wish.Original.String()); err != nil {
			return err
		}
		d.Notify, d.Original = wish.Notify, wish.Original
		if !wish.Notify.Asked() {
			d.Notify = unsaid
		}
	}
	return nil
}

// oweReports makes a report due for each suppressed recipient whose sender wants to
// hear of failures: an answer of 250 that leaves somebody out must not be the last word
// (RFC 5321, 6.1).
func (w *parcel) oweReports() {
	for i := range w.lines {
		d := &w.lines[i]
		if d.State == event.Suppressed && d.Notify.OfFailure() && w.m.Sender != "" {
			d.Report = queue.Report{Action: bounce.ActionFailed, DueAt: w.now}
		}
	}
}

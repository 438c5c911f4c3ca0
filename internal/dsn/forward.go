package dsn

import (
	"context"
	"fmt"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Returned is what another server reported of a delivery it had taken from us. Whoever
// gives it to Forward has made sure that the report came by the delivery's return path.
type Returned struct {
	Tenant       tenant.ID
	Delivery     message.DeliveryID
	ReportingMTA string // the server that wrote it; "" if it did not say
	Recipient    bounce.Recipient
}

// Forward tells the sender of a delivery what another server has reported of it, if the
// sender wants to know: as a report of its own, in which that server speaks and the
// sender's own envelope identifier and recipient stand.
//
// It returns nil when the report is safe or nobody wants one. After an error that is
// not lasting (see fault.Kind) the caller may come again: each action of a delivery is
// forwarded once within a day.
func (r *Reporter) Forward(ctx context.Context, back Returned) error {
	l, err := r.c.Store.Letter(ctx, back.Tenant, []message.DeliveryID{back.Delivery})
	if err != nil {
		return fmt.Errorf("forward report: %w", err)
	}
	action := back.Recipient.Action
	if len(l.Fates) == 0 || l.Sender == "" || !wanted(action, l.Fates[0].Notify) {
		return nil
	}
	f := l.Fates[0]
	report := Report{ReportingMTA: back.ReportingMTA, Recipients: []Recipient{returnedRecipient(back.Recipient, f)}}
	if report.ReportingMTA == "" {
		report.ReportingMTA = r.c.Hostname
	}
	// The sentence is about the server's words, not about our own attempts.
	judged := r.c.Reasons.JudgeRecipient(bounce.KindDSN, back.Recipient)
	l.Fates[0].Reason, l.Fates[0].State = string(judged.Class), event.Bounced
	receipt, err := r.submit(ctx, back.Tenant, l, report, fmt.Sprintf("report/%s/%s/returned", back.Delivery, action))
	if err != nil {
		return fmt.Errorf("forward report: %w", err)
	}
	return r.c.Store.NoteReports(ctx, back.Tenant, []event.Event{r.fact(back.Delivery, action, receipt)})
}

// wanted reports whether the sender asked for reports of the action.
func wanted(a bounce.Action, n message.Notify) bool {
	switch a {
	case bounce.ActionFailed:
		return n.OfFailure()
	case bounce.ActionDelayed:
		return n.OfDelay()
	case bounce.ActionDelivered, bounce.ActionRelayed, bounce.ActionExpanded:
		return n.OfSuccess()
	}
	return false
}

// returnedRecipient keeps what the other server found, and names the recipient as the
// sender knows it.
func returnedRecipient(back bounce.Recipient, f Fate) Recipient {
	r := Recipient{
		Original: f.Original, Final: f.Recipient, Action: back.Action, Status: back.Status,
		RemoteMTA: back.RemoteMTA, Diagnostic: back.Reply, LogID: f.Delivery.String(),
	}
	if final, err := message.ParseAddress(back.Final); err == nil {
		r.Final = final
	}
	if r.Original.IsZero() {
		kind := "rfc822"
		if !f.Recipient.IsASCII() {
			kind = "utf-8"
		}
		// One that does not fit is left out; the final recipient stands there anyway.
		r.Original, _ = message.NewOriginalRecipient(kind, f.Recipient.String())
	}
	if r.Status == "" {
		r.Status = map[bounce.Action]string{bounce.ActionFailed: statusFailed, bounce.ActionDelayed: statusDelayed}[back.Action]
	}
	if r.Status == "" {
		r.Status = statusDone
	}
	return r
}

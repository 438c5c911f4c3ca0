package returns

import (
	"strings"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
)

// reported reads a delivery status notification: one fact for each thing that became of
// the delivery. Where an address was expanded to several, one may have failed while
// another was reached; then nothing says that the address itself never works.
func (s *Sorter) reported(r *reading) []event.Event {
	list := concerning(r.report.Recipients, r.origin.Recipient)
	if len(list) == 0 {
		// The MAC tells which delivery, the mail that it came back: no more is known.
		list = []bounce.Recipient{{Action: bounce.ActionFailed}}
	}
	var facts []event.Event
	at := map[event.Type]int{}
	reached := false
	for _, rcpt := range list {
		kind := typeOf(rcpt.Action)
		reached = reached || kind == event.ReportedDelivered || kind == event.ReportedRelayed
		judgement := s.c.Judge.JudgeRecipient(r.Kind, rcpt)
		rep := event.Report{From: r.report.ReportingMTA, Recipient: other(rcpt, r.origin.Recipient), Host: rcpt.RemoteMTA,
			Status: rcpt.Status, Code: rcpt.Code, Reply: rcpt.Reply, Hard: judgement.Hard}
		if n, seen := at[kind]; seen {
			// Of several failures the one that is for good is told.
			if judgement.Hard && !facts[n].Report.Hard {
				facts[n] = r.fact(kind, string(judgement.Class), rep)
			}
			continue
		}
		at[kind] = len(facts)
		facts = append(facts, r.fact(kind, string(judgement.Class), rep))
	}
	if n, failed := at[event.LateBounced]; failed && reached {
		facts[n].Report.Hard = false
	}
	return facts
}

func typeOf(a bounce.Action) event.Type {
	switch a {
	case bounce.ActionDelayed:
		return event.ReportedDelayed
	case bounce.ActionRelayed, bounce.ActionExpanded:
		return event.ReportedRelayed
	case bounce.ActionDelivered:
		return event.ReportedDelivered
	}
	return event.LateBounced
}

// concerning returns those recipients of a report that are the delivery's own, or all
// where none is: the address was forwarded then.
func concerning(list []bounce.Recipient, to message.Address) []bounce.Recipient {
	var own []bounce.Recipient
	for _, rcpt := range list {
		if strings.EqualFold(rcpt.Final, to.String()) || strings.EqualFold(rcpt.Original, to.String()) {
			own = append(own, rcpt)
		}
	}
	if len(own) > 0 {
		return own
	}
	return list
}

// other is the address that failed, if it is not the one that was written to.
func other(rcpt bounce.Recipient, to message.Address) string {
	if rcpt.Final == "" || strings.EqualFold(rcpt.Final, to.String()) {
		return ""
	}
	return rcpt.Final
}

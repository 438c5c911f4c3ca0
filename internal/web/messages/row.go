package messages

import (
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Reasons explains bounce classes; *bounce.Table does. An unknown class is "".
type Reasons interface {
	Sentence(class bounce.Class, lang string) string
}

// Teller tells in a line what became of a message, for every page that lists some.
type Teller struct{ Reasons Reasons }

// Row is one message in a list.
type Row struct {
	ID         message.ID
	At         time.Time
	Subject    string
	State      event.State
	Mark       event.Mark // what became known after the state, "" for nothing
	Reason     string     // why it is in this state, or what comes next
	Recipients string
	Detail     string // address of one recipient, or how many are in which state
	Stream     tenant.Stream
	Took       string // from acceptance to the recipient's server
	From       string
	Tags       string
	Attempts   int    // of the delivery that leads
	Host       string // that spoke last about it
	Size       int64  // bytes
	Opened     string // whether and when, in words; "" where nothing may be said
}

// Row tells a message in one line. Where its deliveries differ, the state that
// was asked for leads, otherwise the one that most needs a look.
func (t Teller) Row(p frame.Page, m insight.Message, asked event.State) Row {
	lead := leading(m.Deliveries, asked)
	v := Row{
		ID: m.ID, At: m.AcceptedAt, Subject: m.Subject, Stream: m.Stream, From: addressText(m.From.Address), Size: m.Size,
		Tags: strings.Join(ingest.OwnTags(m.Tags), ", "), Attempts: lead.Attempts, Host: lead.Host,
	}
	v.State, v.Mark = lead.State, afterwards(lead)
	v.Reason = t.reasonLine(p, lead)
	if m.DeliveryCount == 1 {
		v.Recipients, v.Detail = nameOf(m, lead.Recipient), addressText(lead.Recipient)
		if v.Recipients == "" {
			v.Recipients, v.Detail = v.Detail, ""
		}
		if lead.State == event.Delivered && v.Mark != event.MarkLateBounce {
			v.Took = i18n.Span(p.Lang, lead.UpdatedAt.Sub(m.AcceptedAt))
		}
		return v
	}
	v.Recipients = p.T("list.recipients", "n", m.DeliveryCount)
	if m.DeliveryCount == len(m.Deliveries) {
		v.Detail = tally(p, m.Deliveries)
	}
	return v
}

// urgency orders states by how much they need a look, first first.
func urgency(s event.State) int {
	order := [...]event.State{
		event.Held, event.Bounced, event.Expired, event.Deferred, event.Sending,
		event.Queued, event.Suppressed, event.Cancelled, event.Delivered,
	}
	for i, one := range order {
		if one == s {
			return i
		}
	}
	return len(order)
}

// afterwards is what counts of a delivery's marks: that it came back before that it
// was not wanted. Marks speak of mail that a server took.
func afterwards(d insight.Delivery) event.Mark {
	if d.State != event.Delivered {
		return ""
	}
	for _, m := range event.Marks() {
		if d.Marked(m) {
			return m
		}
	}
	return ""
}

// face is the icon and the key of the word under which a delivery stands on pages:
// those of its state, unless it came back after all.
func face(s event.State, m event.Mark) (icon, word string) {
	switch m {
	case event.MarkLateBounce:
		return "late", "mark.late_bounce.label"
	case event.MarkComplained:
		return "complained", "mark.complained.label"
	}
	return string(s), "state." + string(s) + ".label"
}

// need is how much a delivery needs a look, least first.
func need(d insight.Delivery) int {
	if afterwards(d) != "" {
		return urgency(event.Bounced)
	}
	return urgency(d.State)
}

func leading(list []insight.Delivery, asked event.State) insight.Delivery {
	var lead insight.Delivery
	for i, d := range list {
		if d.State == asked && afterwards(d) == "" {
			return d
		}
		if i == 0 || need(d) < need(lead) {
			lead = d
		}
	}
	return lead
}

// tally counts deliveries by state in words: "1 zugestellt, 1 verzögert".
func tally(p frame.Page, list []insight.Delivery) string {
	counts := map[event.State]int{}
	for _, d := range list {
		s := d.State
		if m := afterwards(d); m != "" {
			s = event.State(m)
		}
		counts[s]++
	}
	var parts []string
	order := append([]event.State{event.Delivered}, event.States()...)
	for _, m := range event.Marks() {
		order = append(order, event.State(m))
	}
	for _, s := range order {
		if n := counts[s]; n > 0 {
			parts = append(parts, p.T("tally."+string(s), "n", n))
			delete(counts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// reasonLine is the small text under a state.
func (t Teller) reasonLine(p frame.Page, d insight.Delivery) string {
	reason := t.reasonText(p, d.Reason)
	switch {
	case afterwards(d) == event.MarkLateBounce:
		return t.reasonText(p, d.LateReason)
	case d.State == event.Delivered:
		return ""
	case d.State == event.Deferred && !d.DueAt.IsZero():
		return strings.TrimSpace(reason + " " + p.T("list.next", "time", p.Row(d.DueAt)))
	case d.State == event.Queued && d.DueAt.After(p.Now.Add(time.Minute)):
		return p.T("list.start", "time", p.Row(d.DueAt))
	}
	return reason
}

// reasonText explains a reason code: our own ones from the catalogue, bounce
// classes in the words of package bounce.
func (t Teller) reasonText(p frame.Page, code string) string {
	switch {
	case code == "":
		return ""
	case p.Has("reason." + code):
		return p.T("reason." + code)
	}
	if s := t.Reasons.Sentence(bounce.Class(code), p.Voice()); s != "" {
		return s
	}
	return p.T("reason.other", "code", frame.Shorten(code, 60))
}

func addressText(a message.Address) string {
	if a.Local == "" && a.Domain == "" {
		return ""
	}
	return a.Local + "@" + a.Domain
}

// nameOf finds the display name a recipient has in the header, "" if none.
func nameOf(m insight.Message, a message.Address) string {
	for _, box := range m.To {
		if strings.EqualFold(box.Local, a.Local) && strings.EqualFold(box.Domain, a.Domain) {
			return box.Name
		}
	}
	return ""
}

func streamName(p frame.Page, s tenant.Stream) string { return p.T("stream." + string(s)) }

package messages

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// slip tells the way of one delivery in order: what concerns the whole message and
// what concerns it alone, and at the end what comes next.
func (o *office) slip(p frame.Page, m insight.Message, d insight.Delivery, facts []event.Event, names map[string]string) []frame.Station {
	var list []frame.Station
	for _, e := range facts {
		if !e.Delivery.IsZero() && e.Delivery != d.ID {
			continue
		}
		list = append(list, o.newStation(p, m, e, names))
	}
	if len(list) == 0 || facts[0].Type != event.Accepted {
		first := event.Event{Type: event.Accepted, At: m.AcceptedAt}
		list = append([]frame.Station{o.newStation(p, m, first, names)}, list...)
	}
	if !d.State.Final() && d.State != event.Held {
		list = append(list, nextStation(p, m, d))
	}
	return list
}

func nextStation(p frame.Page, m insight.Message, d insight.Delivery) frame.Station {
	s := frame.Station{Mark: "queued", Next: true, Small: p.T("slip.planned")}
	s.Clock = p.Time(d.DueAt)
	if p.Day(d.DueAt) != p.Day(m.AcceptedAt) {
		s.Small = p.Short(d.DueAt)
	}
	if !d.DueAt.After(p.Now) {
		s.Clock, s.Small = p.T("slip.now"), ""
	}
	s.Title = p.T("slip.next", "n", d.Attempts+1)
	if !d.ExpiresAt.IsZero() {
		s.Text = p.T("slip.until", "time", p.Near(d.ExpiresAt))
	}
	return s
}

func (o *office) newStation(p frame.Page, m insight.Message, e event.Event, names map[string]string) frame.Station {
	s := frame.Station{Clock: p.Exact(e.At), Mark: markOf(e.Type)}
	if p.Day(e.At) != p.Day(m.AcceptedAt) {
		s.Small = p.Short(e.At)
	} else if gone := e.At.Sub(m.AcceptedAt); gone >= time.Minute {
		s.Small = p.T("slip.after", "span", i18n.Span(p.Lang, gone))
	}
	if e.Attempt != nil {
		o.tellAttempt(p, &s, e)
		return s
	}
	if e.Report != nil {
		o.tellReport(p, &s, e)
		return s
	}
	who := cmp.Or(names[e.Actor], p.T("slip.who.system"))
	s.Title = p.Either("slip."+string(e.Type)+".title", "slip.other.title",
		"type", string(e.Type), "who", who, "door", p.Either("door."+m.Door, "door.other", "door", m.Door))
	if key := "slip." + string(e.Type) + ".text"; p.Has(key) {
		s.Text = p.T(key)
	}
	if e.Reason != "" {
		s.Text = strings.TrimSpace(o.reasonText(p, e.Reason))
	}
	if e.Note != "" {
		s.Text = strings.TrimSpace(s.Text + " " + p.T("slip.note", "note", e.Note))
	}
	return s
}

// tellAttempt describes what one try at a server found out.
func (o *office) tellAttempt(p frame.Page, s *frame.Station, e event.Event) {
	a := e.Attempt
	outcome := a.Outcome
	s.Title = p.T("slip.attempt."+string(outcome), "n", a.Number, "host", cmp.Or(a.MX, p.T("message.host.unknown")))
	switch outcome {
	case event.OutcomeDelivered:
		s.Mark = string(event.Delivered)
		s.Text = p.T("slip.responsible", "host", cmp.Or(a.MX, p.T("message.host.unknown")))
	case event.OutcomeUncertain:
		s.Mark = string(event.Deferred)
		s.Text = p.T("mark.uncertain.means")
	default:
		s.Text = o.reasonText(p, cmp.Or(a.Class, e.Reason))
	}
	s.Route = routeOf(p, a)
	s.Reply = replyOf(a)
}

// tellReport describes what a return mail told.
func (o *office) tellReport(p frame.Page, s *frame.Station, e event.Event) {
	r := e.Report
	s.Title = p.Either("slip."+string(e.Type)+".title", "slip.other.title", "type", string(e.Type))
	if e.Type == event.LateBounced || e.Type == event.ReportedDelayed {
		s.Text = o.reasonText(p, e.Reason)
	} else if key := "slip." + string(e.Type) + ".text"; p.Has(key) {
		s.Text = p.T(key)
	}
	var parts []string
	if r.From != "" {
		parts = append(parts, p.T("slip.told", "host", r.From))
	}
	if r.Recipient != "" {
		parts = append(parts, p.T("slip.forwarded", "recipient", r.Recipient))
	}
	if r.Unproven {
		parts = append(parts, p.T("slip.unproven"))
	}
	s.Route = strings.Join(parts, ", ")
	s.Reply = r.Reply
}

// routeOf is the way an attempt took: "von 192.0.2.17 (mail.stafette.example) an
// mx00.gmx.example [198.51.100.7:25], TLS 1.3".
func routeOf(p frame.Page, a *event.Attempt) string {
	var parts []string
	if a.Source != "" {
		from := a.Source
		if a.EHLO != "" {
			from += " (" + a.EHLO + ")"
		}
		parts = append(parts, p.T("slip.from", "source", from))
	}
	if a.MX != "" {
		to := a.MX
		if a.Address != "" && a.Address != a.MX {
			to += " [" + a.Address + "]"
		}
		parts = append(parts, p.T("slip.to", "host", to))
	}
	if a.TLS != "" {
		parts = append(parts, p.T("slip.tls", "tls", a.TLS))
	} else if a.Code != 0 && a.MX != "" {
		parts = append(parts, p.T("slip.plain"))
	}
	if a.TLSPolicy != "" {
		parts = append(parts, protectionOf(p, a))
	}
	return strings.Join(parts, ", ")
}

// protectionOf is which policy decided how the session had to be protected, and what
// came of it.
func protectionOf(p frame.Page, a *event.Attempt) string {
	return p.T("tlspolicy.line",
		"policy", p.Either("tlspolicy.policy."+a.TLSPolicy, "tlspolicy.policy.other"),
		"result", p.Either("tlspolicy.result."+cmp.Or(a.TLSResult, "none"), "tlspolicy.result.other", "result", a.TLSResult))
}

// replyOf is the server's reply as it was sent, or our own finding.
func replyOf(a *event.Attempt) string {
	if a.Code == 0 {
		return a.Local
	}
	words := []string{strconv.Itoa(a.Code)}
	if a.Enhanced != "" {
		words = append(words, a.Enhanced)
	}
	return strings.Join(append(words, a.Reply), " ")
}

// actorNames finds the names of the people behind facts, each once.
func (o *office) actorNames(r *http.Request, p frame.Page, facts []event.Event) map[string]string {
	names := map[string]string{}
	for _, e := range facts {
		if _, known := names[e.Actor]; known {
			continue
		}
		u, err := id.Parse[tenant.UserKind](e.Actor)
		if err != nil {
			continue // the platform or a key
		}
		names[e.Actor] = p.T("slip.who.someone")
		if user, err := o.Tenants.User(r.Context(), p.Tenant(), u); err == nil {
			names[e.Actor] = cmp.Or(user.Name, user.Email)
		}
	}
	return names
}

// markOf is the state whose mark a fact bears, or "signal".
func markOf(t event.Type) string {
	switch t {
	case event.AttemptFailed, event.ReportedDelayed:
		return string(event.Deferred)
	case event.Completed, event.ReportedDelivered, event.ReportedRelayed:
		return string(event.Delivered)
	case event.Refused:
		return string(event.Bounced)
	case event.LateBounced:
		return "late"
	case event.GaveUp:
		return string(event.Expired)
	case event.Withheld, event.Unsubscribed:
		return string(event.Suppressed)
	case event.Complained:
		return "complained"
	case event.AutoReplied, event.Replied:
		return "mail"
	case event.Stopped:
		return string(event.Cancelled)
	case event.Paused:
		return string(event.Held)
	}
	return string(event.Queued)
}

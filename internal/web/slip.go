package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// station is one line of the slip: what happened when, and the server's own words.
type station struct {
	at    time.Time
	clock string // time of day with seconds; without for what is planned
	small string // under the time: the day where it is another one, or "planned"
	mark  string // state whose mark and colour it bears
	title string
	text  string
	route string // which way the attempt took: source, server, encryption
	reply string
	next  bool // not yet happened
}

// slip tells the way of one delivery in order: what concerns the whole message and
// what concerns it alone, and at the end what comes next.
func (o *office) slip(p page, m insight.Message, d insight.Delivery, facts []event.Event, names map[string]string) []station {
	var list []station
	for _, e := range facts {
		if !e.Delivery.IsZero() && e.Delivery != d.ID {
			continue
		}
		list = append(list, o.newStation(p, m, e, names))
	}
	if len(list) == 0 || facts[0].Type != event.Accepted {
		first := event.Event{Type: event.Accepted, At: m.AcceptedAt}
		list = append([]station{o.newStation(p, m, first, names)}, list...)
	}
	if !d.State.Final() && d.State != event.Held {
		list = append(list, p.nextStation(m, d))
	}
	return list
}

func (p page) nextStation(m insight.Message, d insight.Delivery) station {
	s := station{at: d.DueAt, mark: "queued", next: true, small: p.T("slip.planned")}
	s.clock = p.Time(d.DueAt)
	if p.Day(d.DueAt) != p.Day(m.AcceptedAt) {
		s.small = p.Short(d.DueAt)
	}
	if !d.DueAt.After(p.Now) {
		s.clock, s.small = p.T("slip.now"), ""
	}
	s.title = p.T("slip.next", "n", d.Attempts+1)
	if !d.ExpiresAt.IsZero() {
		s.text = p.T("slip.until", "time", p.Near(d.ExpiresAt))
	}
	return s
}

func (o *office) newStation(p page, m insight.Message, e event.Event, names map[string]string) station {
	s := station{at: e.At, clock: p.Exact(e.At), mark: string(markOf(e.Type))}
	if p.Day(e.At) != p.Day(m.AcceptedAt) {
		s.small = p.Short(e.At)
	} else if gone := e.At.Sub(m.AcceptedAt); gone >= time.Minute {
		s.small = p.T("slip.after", "span", i18n.Span(p.Lang, gone))
	}
	if e.Attempt != nil {
		o.tellAttempt(p, &s, e)
		return s
	}
	who := orElse(names[e.Actor], p.T("slip.who.system"))
	s.title = p.Either("slip."+string(e.Type)+".title", "slip.other.title",
		"type", string(e.Type), "who", who, "door", p.Either("door."+m.Door, "door.other", "door", m.Door))
	if key := "slip." + string(e.Type) + ".text"; p.catalog.Has(key) {
		s.text = p.T(key)
	}
	if e.Reason != "" {
		s.text = strings.TrimSpace(o.reasonText(p, e.Reason))
	}
	return s
}

// tellAttempt describes what one try at a server found out.
func (o *office) tellAttempt(p page, s *station, e event.Event) {
	a := e.Attempt
	outcome := a.Outcome
	s.title = p.T("slip.attempt."+string(outcome), "n", a.Number, "host", orElse(a.MX, p.T("message.host.unknown")))
	switch outcome {
	case event.OutcomeDelivered:
		s.mark = string(event.Delivered)
		s.text = p.T("slip.responsible", "host", orElse(a.MX, p.T("message.host.unknown")))
	case event.OutcomeUncertain:
		s.mark = string(event.Deferred)
		s.text = p.T("mark.uncertain.means")
	default:
		s.text = o.reasonText(p, orElse(a.Class, e.Reason))
	}
	s.route = p.routeOf(a)
	s.reply = replyOf(a)
}

// routeOf is the way an attempt took: "von 192.0.2.17 (mail.stafette.example) an
// mx00.gmx.example [198.51.100.7:25], TLS 1.3".
func (p page) routeOf(a *event.Attempt) string {
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
	return strings.Join(parts, ", ")
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
func (o *office) actorNames(r *http.Request, p page, facts []event.Event) map[string]string {
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
		if user, err := o.Tenants.User(r.Context(), p.who.Tenant.ID, u); err == nil {
			names[e.Actor] = orElse(user.Name, user.Email)
		}
	}
	return names
}

// markOf is the state whose mark a fact bears.
func markOf(t event.Type) event.State {
	switch t {
	case event.AttemptFailed:
		return event.Deferred
	case event.Completed:
		return event.Delivered
	case event.Refused:
		return event.Bounced
	case event.GaveUp:
		return event.Expired
	case event.Withheld:
		return event.Suppressed
	case event.Stopped:
		return event.Cancelled
	case event.Paused:
		return event.Held
	}
	return event.Queued
}

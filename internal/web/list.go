package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	pageSize = 50
	// maxQuery bounds what is taken from each field of the address.
	maxQuery = 200
)

// filter is the list's question as it stands in the address. Values nobody could
// have chosen are dropped, so that an old bookmark still opens a list.
type filter struct {
	text, tag, from, to, after string
	state                      event.State
	stream                     tenant.Stream
}

func readFilter(q url.Values) filter {
	field := func(name string) string {
		s := strings.TrimSpace(strings.ToValidUTF8(q.Get(name), ""))
		return shorten(s, maxQuery)
	}
	f := filter{text: field("q"), tag: field("tag"), from: field("from"), to: field("to"), after: field("after")}
	for _, s := range event.States() {
		if s == event.State(q.Get("state")) {
			f.state = s
		}
	}
	if s := tenant.Stream(q.Get("stream")); s.Valid() {
		f.stream = s
	}
	if _, err := id.Parse[message.Kind](f.after); err != nil {
		f.after = ""
	}
	return f
}

// narrowed reports whether the list shows less than everything.
func (f filter) narrowed() bool {
	f.after = ""
	return f != filter{}
}

// refined reports whether anything but the state's tab narrows the list.
func (f filter) refined() bool {
	f.state = ""
	return f.narrowed()
}

// address is the link to the list under base with one field changed; every change
// but of "after" goes back to the newest.
func (f filter) address(base, field, value string) string {
	q := url.Values{}
	for name, v := range map[string]string{
		"q": f.text, "tag": f.tag, "from": f.from, "to": f.to,
		"state": string(f.state), "stream": string(f.stream),
	} {
		if name == field {
			v = value
		}
		if v != "" {
			q.Set(name, v)
		}
	}
	if field == "after" && value != "" {
		q.Set("after", value)
	}
	if len(q) == 0 {
		return base
	}
	return base + "?" + q.Encode()
}

// question is the filter for the store. Days are days of the reader's zone; the
// last day is part of the span.
func (f filter) question(c i18n.Clock) insight.Filter {
	after, _ := id.Parse[message.Kind](f.after) // readFilter has checked it
	ask := insight.Filter{State: f.state, Stream: f.stream, Tag: f.tag, Text: f.text, After: after, Limit: pageSize}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	if t, err := time.ParseInLocation(time.DateOnly, f.from, zone); err == nil {
		ask.From = t
	}
	if t, err := time.ParseInLocation(time.DateOnly, f.to, zone); err == nil {
		ask.To = t.AddDate(0, 0, 1)
	}
	return ask
}

// list is one page of messages.
type list struct {
	filter
	rows   []row
	older  string // address of the next page, "" on the last
	broken bool   // the store did not answer
}

// row is one message in a list.
type row struct {
	id         message.ID
	at         time.Time
	subject    string
	state      event.State
	reason     string // why it is in this state, or what comes next
	recipients string
	detail     string // address of one recipient, or how many are in which state
	stream     tenant.Stream
	took       string // from acceptance to the recipient's server
}

func (o *office) showMessages(w http.ResponseWriter, r *http.Request, p page) error {
	l := list{filter: readFilter(r.URL.Query())}
	p.room, p.title, p.query, p.live = "messages", p.T("nav.messages"), l.text, l.after == ""
	found, err := o.Insight.Messages(r.Context(), p.who.Tenant.ID, l.question(p.Clock))
	if err != nil {
		o.Log.ErrorContext(r.Context(), "list failed", "tenant", p.who.Tenant.ID.String(), "err", err)
		l.broken = true
		return o.render(w, r, http.StatusInternalServerError, listPage(p, l))
	}
	for _, m := range found.Messages {
		l.rows = append(l.rows, o.newRow(p, m, l.state))
	}
	if n := len(found.Messages); found.More && n > 0 {
		l.older = l.address("/messages", "after", found.Messages[n-1].ID.String())
	}
	return o.render(w, r, http.StatusOK, listPage(p, l))
}

// newRow tells a message in one line. Where its deliveries differ, the state that
// was asked for leads, otherwise the one that most needs a look.
func (o *office) newRow(p page, m insight.Message, asked event.State) row {
	v := row{id: m.ID, at: m.AcceptedAt, subject: m.Subject, stream: m.Stream}
	lead := leading(m.Deliveries, asked)
	v.state = lead.State
	v.reason = o.reasonLine(p, lead)
	if m.DeliveryCount == 1 {
		v.recipients, v.detail = nameOf(m, lead.Recipient), addressText(lead.Recipient)
		if v.recipients == "" {
			v.recipients, v.detail = v.detail, ""
		}
		if lead.State == event.Delivered {
			v.took = i18n.Span(p.Lang, lead.UpdatedAt.Sub(m.AcceptedAt))
		}
		return v
	}
	v.recipients = p.T("list.recipients", "n", m.DeliveryCount)
	if m.DeliveryCount == len(m.Deliveries) {
		v.detail = p.tally(m.Deliveries)
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

func leading(list []insight.Delivery, asked event.State) insight.Delivery {
	var lead insight.Delivery
	for i, d := range list {
		if d.State == asked {
			return d
		}
		if i == 0 || urgency(d.State) < urgency(lead.State) {
			lead = d
		}
	}
	return lead
}

// tally counts deliveries by state in words: "1 zugestellt, 1 verzögert".
func (p page) tally(list []insight.Delivery) string {
	counts := map[event.State]int{}
	for _, d := range list {
		counts[d.State]++
	}
	var parts []string
	for _, s := range append([]event.State{event.Delivered}, event.States()...) {
		if n := counts[s]; n > 0 {
			parts = append(parts, p.T("tally."+string(s), "n", n))
			delete(counts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// reasonLine is the small text under a state.
func (o *office) reasonLine(p page, d insight.Delivery) string {
	reason := o.reasonText(p, d.Reason)
	switch {
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
func (o *office) reasonText(p page, code string) string {
	switch {
	case code == "":
		return ""
	case p.catalog.Has("reason." + code):
		return p.T("reason." + code)
	}
	if s := o.Reasons.Sentence(bounce.Class(code), string(p.Lang)); s != "" {
		return s
	}
	return p.T("reason.other", "code", shorten(code, 60))
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

func (p page) streamName(s tenant.Stream) string { return p.T("stream." + string(s)) }

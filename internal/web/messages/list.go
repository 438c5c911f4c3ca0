package messages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
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
	provider                   string // as dns.Provider names it
	state                      event.State
	mark                       event.Mark
	stream                     tenant.Stream
}

func readFilter(q url.Values) filter {
	field := func(name string) string {
		s := strings.TrimSpace(strings.ToValidUTF8(q.Get(name), ""))
		return frame.Shorten(s, maxQuery)
	}
	f := filter{text: field("q"), tag: field("tag"), from: field("from"), to: field("to"), after: field("after"), provider: field("provider")}
	for _, s := range event.States() {
		if s == event.State(q.Get("state")) {
			f.state = s
		}
	}
	for _, m := range event.Marks() {
		if m == event.Mark(q.Get("mark")) {
			f.mark = m
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
	f.state, f.mark = "", ""
	return f.narrowed()
}

// address is the link to the list under base with one field changed; every change
// but of "after" goes back to the newest.
func (f filter) address(base, field, value string) string {
	q := url.Values{}
	for name, v := range map[string]string{
		"q": f.text, "tag": f.tag, "from": f.from, "to": f.to, "provider": f.provider,
		"state": string(f.state), "mark": string(f.mark), "stream": string(f.stream),
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
	ask := insight.Filter{State: f.state, Mark: f.mark, Stream: f.stream, Tag: f.tag, Text: f.text, After: after, Limit: pageSize}
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
	rows   []Row
	older  string // address of the next page, "" on the last
	broken bool   // the store did not answer
}

// newest is the address of the first page, "" on it.
func (l list) newest() string {
	if l.after == "" {
		return ""
	}
	return l.address("/messages", "after", "")
}

// question is that of the filter, with the provider's servers.
func (o *office) question(f filter, c i18n.Clock) insight.Filter {
	ask := f.question(c)
	if f.provider != "" {
		if ask.Hosts = o.ProviderHosts(f.provider); len(ask.Hosts) == 0 {
			ask.Hosts = []string{f.provider} // a host name, or nothing there is
		}
	}
	return ask
}

func (o *office) showMessages(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{filter: readFilter(r.URL.Query())}
	p.Room, p.Title, p.Query, p.Live = "messages", p.T("nav.messages"), l.text, l.after == ""
	found, err := o.Insight.Messages(r.Context(), p.Tenant(), o.question(l.filter, p.Clock))
	if err != nil {
		o.Log.ErrorContext(r.Context(), "list failed", "tenant", p.Tenant().String(), "err", err)
		l.broken = true
		return p.Render(w, r, http.StatusInternalServerError, listPage(p, l))
	}
	for _, m := range found.Messages {
		l.rows = append(l.rows, o.Row(p, m, l.state))
	}
	if n := len(found.Messages); found.More && n > 0 {
		l.older = l.address("/messages", "after", found.Messages[n-1].ID.String())
	}
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// commands is where the deliveries of the list can be acted on.
func (l list) commands() string {
	q := url.Values{}
	for name, value := range map[string]string{"stream": string(l.stream), "tag": l.tag} {
		if value != "" {
			q.Set(name, value)
		}
	}
	switch l.state {
	case event.Queued, event.Deferred, event.Held:
		q.Set("state", string(l.state))
	}
	if len(q) == 0 {
		return "/queue"
	}
	return "/queue?" + q.Encode()
}

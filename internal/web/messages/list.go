package messages

import (
	"net/http"
	"net/url"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

const (
	pageSize = 50
	listPath = "/messages"
)

// listing is the table of messages as frame reads it from an address.
func listing(p frame.Page) frame.Listing {
	l := frame.Listing{
		Name: "messages", Path: listPath, Sort: "time", Descending: true,
		Filters: []string{"q", "state", "mark", "stream", "tag", "provider", "from", "to", "opened"},
		Choices: map[string][]string{"state": words(event.States()), "mark": words(event.Marks()), "stream": words(tenant.Streams()), "opened": words(tracking.Openers())},
	}
	for _, key := range []string{"time", "state", "subject", "recipient", "stream", "took", "from", "tags", "attempts", "host", "size", "opened"} {
		l.Columns = append(l.Columns, frame.Column{Key: key, Title: p.T("list.col." + key)})
	}
	l.Columns[0].Sortable = true
	for i := range l.Columns {
		switch c := &l.Columns[i]; c.Key {
		case "took":
			c.Number = true
		case "attempts", "size":
			c.Number, c.Extra = true, true
		case "from", "tags", "host", "opened":
			c.Extra = true
		}
	}
	if p.Can(tenant.MessagesCommand) {
		l.Picks = p.T("list.pick.head")
	}
	return l
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = string(one)
	}
	return out
}

// question is the view for the store. Days are days of the reader's zone; the last day
// is part of the span. What makes no sense is as if it were not there, so that an old
// bookmark still opens a list.
func question(v frame.View, c i18n.Clock) insight.Filter {
	after, err := id.Parse[message.Kind](v.After)
	if err != nil {
		after = message.ID{}
	}
	ask := insight.Filter{
		State: event.State(v.Filter("state")), Mark: event.Mark(v.Filter("mark")), Stream: tenant.Stream(v.Filter("stream")),
		Tag: v.Filter("tag"), Text: v.Filter("q"), After: after, Opened: tracking.OpenedBy(v.Filter("opened")), OldestFirst: !v.Descending, Limit: pageSize,
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	if t, err := time.ParseInLocation(time.DateOnly, v.Filter("from"), zone); err == nil {
		ask.From = t
	}
	if t, err := time.ParseInLocation(time.DateOnly, v.Filter("to"), zone); err == nil {
		ask.To = t.AddDate(0, 0, 1)
	}
	return ask
}

// list is one page of messages.
type list struct {
	frame.View
	rows   []Row
	older  string // address of the next page, "" on the last
	broken bool   // the store did not answer
}

// newest is the address of the first page, "" on it.
func (l list) newest() string {
	if l.After == "" {
		return ""
	}
	return l.First()
}

// question is that of the view, with the provider's servers.
func (o *office) question(v frame.View, c i18n.Clock) insight.Filter {
	ask := question(v, c)
	if provider := v.Filter("provider"); provider != "" {
		if ask.Hosts = o.ProviderHosts(provider); len(ask.Hosts) == 0 {
			ask.Hosts = []string{provider} // a host name, or nothing there is
		}
	}
	return ask
}

func (o *office) showMessages(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{View: frame.ReadView(r, listing(p))}
	p.Room, p.Title, p.Query, p.Live = "messages", p.T("nav.messages"), l.Filter("q"), l.After == "" && l.Descending
	found, err := o.Insight.Messages(r.Context(), p.Tenant(), o.question(l.View, p.Clock))
	if err != nil {
		p.Failed(r, "list", err)
		l.broken = true
		return p.Render(w, r, http.StatusInternalServerError, listPage(p, l))
	}
	opened, err := o.openings(r.Context(), p.Tenant(), found.Messages)
	if err != nil {
		return err
	}
	for _, m := range found.Messages {
		row := o.Row(p, m, event.State(l.Filter("state")))
		row.Opened = openedText(p, opened[m.ID])
		l.rows = append(l.rows, row)
	}
	if n := len(found.Messages); found.More && n > 0 {
		l.older = l.With("after", found.Messages[n-1].ID.String())
	}
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// queueAddress is where the deliveries of a view can be acted on however many they are.
func queueAddress(v frame.View) string {
	pairs := []string{"stream", v.Filter("stream"), "tag", v.Filter("tag")}
	switch state := event.State(v.Filter("state")); state {
	case event.Queued, event.Deferred, event.Held:
		pairs = append(pairs, "state", string(state))
	}
	return address("/queue", pairs...)
}

// address is a path with those of the pairs of name and value that have one.
func address(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// count is n as a figure of a column, "" for none.
func count(p frame.Page, n int) string {
	if n == 0 {
		return ""
	}
	return p.Number(int64(n))
}

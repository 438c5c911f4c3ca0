package redeliveries

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// sheet is the page of one job.
type sheet struct {
	redelivery.Job
	frame.View
	names map[string]string
	items []redelivery.Item
	older string
	// mine: the reader started it, and cannot be the second person.
	mine bool
}

// find reads the number that the path names. What is no identifier is answered like what
// does not exist.
func find(r *http.Request) (redelivery.ID, error) {
	number, err := id.Parse[redelivery.Kind](r.PathValue("id"))
	if err != nil {
		return number, fault.New(fault.NotFound, redelivery.CodeNotFound, "There is no such redelivery.")
	}
	return number, nil
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	number, err := find(r)
	if err != nil {
		return err
	}
	j, err := c.Redelivery.Job(r.Context(), p.Tenant(), number)
	if err != nil {
		return err
	}
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("redeliveries.item." + key)} }
	path := home + "/" + j.ID.String()
	s := sheet{Job: j, mine: j.Actor == p.Who.User.ID.String(),
		View: frame.ReadView(r, frame.Listing{Path: path, Filters: []string{"state"}, Columns: []frame.Column{column("delivery"), column("state"), column("message"), column("at")}})}
	after, _ := strconv.Atoi(s.After)
	f := redelivery.ItemFilter{State: itemState(s.View.Filter("state")), After: max(after, 0), Limit: pageSize}
	items, more, err := c.Redelivery.Items(r.Context(), p.Tenant(), number, f)
	if err != nil {
		return fmt.Errorf("list items: %w", err)
	}
	if s.items = items; more {
		s.older = s.With("after", strconv.Itoa(items[len(items)-1].Number))
	}
	s.names = c.names(r.Context(), p, []redelivery.Job{j})
	p.Room, p.Title, p.Live = room, p.T("redeliveries.one", "time", p.Full(j.CreatedAt)), true
	return p.Render(w, r, http.StatusOK, jobPage(p, s))
}

func itemStates() []redelivery.ItemState {
	return []redelivery.ItemState{redelivery.Waiting, redelivery.Sending, redelivery.Sent, redelivery.Skipped, redelivery.Failed}
}

// itemState drops a state there is not, so that an old bookmark still opens a list.
func itemState(text string) redelivery.ItemState {
	if s := redelivery.ItemState(text); slices.Contains(itemStates(), s) {
		return s
	}
	return ""
}

func (c Config) exportItems(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	number, err := find(r)
	if err != nil {
		return err
	}
	rows := [][]string{{p.T("redeliveries.item.delivery"), p.T("redeliveries.item.state"), p.T("redeliveries.item.reason"), p.T("redeliveries.item.message"), p.T("redeliveries.item.at")}}
	f := redelivery.ItemFilter{State: itemState(r.URL.Query().Get("state")), Limit: 500}
	for len(rows) <= maxExport {
		items, more, err := c.Redelivery.Items(r.Context(), p.Tenant(), number, f)
		if err != nil {
			return fmt.Errorf("list items: %w", err)
		}
		for _, i := range items {
			f.After = i.Number
			mail := ""
			if !i.Message.IsZero() {
				mail = i.Message.String()
			}
			rows = append(rows, []string{i.Delivery.String(), p.T("redeliveries.item.state." + string(i.State)), reasonText(p, i.Reason), mail, i.At.UTC().Format(time.RFC3339)})
		}
		if !more {
			break
		}
	}
	return p.CSV(w, p.T("redeliveries.filename"), rows)
}

// act does something with the job of the path.
func (c Config) act(name string, do func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		if err := frame.ParseForm(w, r); err != nil {
			return err
		}
		number, err := find(r)
		if err != nil {
			return err
		}
		_, err = do(r.Context(), principal(p), number)
		// Somebody was faster: the page shows how it stands.
		if f := fault.As(err); f != nil && f.Code == redelivery.CodeState {
			err, name = nil, "state"
		}
		if err != nil {
			return err
		}
		frame.Redirect(w, r, home+"/"+number.String(), name)
		return nil
	}
}

// markOf is the mark of a job's state, in the colours of deliveries.
func markOf(s redelivery.State) string {
	switch s {
	case redelivery.Awaiting, redelivery.Paused:
		return "held"
	case redelivery.Running:
		return "sending"
	case redelivery.Done:
		return "delivered"
	case redelivery.Cancelled:
		return "cancelled"
	}
	return "queued"
}

func itemMark(s redelivery.ItemState) string {
	switch s {
	case redelivery.Sent:
		return "delivered"
	case redelivery.Skipped:
		return "cancelled"
	case redelivery.Failed:
		return "bounced"
	case redelivery.Sending:
		return "sending"
	}
	return "queued"
}

// reasonText says in words why something was skipped, failed or rests.
func reasonText(p frame.Page, code string) string {
	for _, prefix := range []string{"redeliveries.skip.", "fault.", "reason."} {
		if code != "" && p.Has(prefix+code) {
			return p.T(prefix+code, "value", "…")
		}
	}
	return code
}

// about says what a filter picks, in one line.
func about(p frame.Page, f redelivery.Filter) string {
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if f.Stream != "" {
		add(p.Either("stream."+string(f.Stream), "redeliveries.other", "word", string(f.Stream)))
	}
	for _, text := range []string{f.Recipient, f.Advertiser, f.Object, f.Reply, f.Class, f.Source} {
		add(text)
	}
	if !f.Message.IsZero() {
		add(f.Message.String())
	}
	if !f.Delivery.IsZero() {
		add(f.Delivery.String())
	}
	if !f.From.IsZero() && f.Message.IsZero() && f.Delivery.IsZero() {
		add(p.T("redeliveries.since", "date", p.Date(f.From)))
	}
	text := ""
	for i, part := range parts {
		if i > 0 {
			text += " · "
		}
		text += part
	}
	if text == "" {
		return p.T("redeliveries.everything")
	}
	return text
}

// reasons are the skips of a dry run in a fixed order.
func reasons(skips map[string]int) []string { return slices.Sorted(maps.Keys(skips)) }

func streamOptions(p frame.Page) []frame.Option {
	list := []frame.Option{{Text: p.T("redeliveries.any")}}
	for _, s := range tenant.Streams() {
		list = append(list, frame.Option{Value: string(s), Text: p.T("stream." + string(s))})
	}
	return list
}

func stateOptions(p frame.Page) []frame.Option {
	list := []frame.Option{{Value: undelivered, Text: p.T("redeliveries.undelivered")}, {Text: p.T("redeliveries.any")}}
	for _, s := range redelivery.States() {
		list = append(list, frame.Option{Value: string(s), Text: p.T("state." + string(s) + ".label")})
	}
	return list
}

func query(path string, values map[string]string) string {
	q := url.Values{}
	for name, value := range values {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func takes(p frame.Page, d time.Duration) string { return i18n.Span(p.Lang, d) }

// original is the address of the delivery that an item repeats.
func original(i redelivery.Item) string {
	return "/messages/" + message.Of(i.Delivery).String() + "#" + i.Delivery.String()
}

func facts(p frame.Page, s sheet) []frame.Fact {
	list := []frame.Fact{
		{Name: p.T("redeliveries.number"), Value: s.ID.String(), Mono: true},
		{Name: p.T("redeliveries.col.who"), Value: s.names[s.Actor]},
		{Name: p.T("redeliveries.rate"), Value: p.T("redeliveries.rate.short", "n", s.Options.PerMinute, "ceiling", s.Options.Ceiling)},
	}
	add := func(key, value string) {
		if value != "" {
			list = append(list, frame.Fact{Name: p.T(key), Value: value})
		}
	}
	if s.ConfirmedBy != "" {
		add("redeliveries.confirmed", s.names[s.ConfirmedBy]+", "+p.Full(s.ConfirmedAt))
	}
	add("redeliveries.reason", s.Options.Reason)
	add("redeliveries.to", s.Options.To)
	if s.Options.Delivered {
		add("redeliveries.delivered", p.T("redeliveries.yes"))
	}
	if !s.FinishedAt.IsZero() {
		add("redeliveries.finished", p.Full(s.FinishedAt))
	}
	return list
}

func termFacts(p frame.Page, s shelf) (list []frame.Fact) {
	for _, t := range s.terms {
		days := int64(t.Days)
		if days == 0 {
			days = s.days
		}
		list = append(list, frame.Fact{Name: p.T("archive.days", "stream", p.T("stream."+string(t.Stream))), Value: p.Number(days)})
	}
	return list
}

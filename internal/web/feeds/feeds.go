// Package feeds is the office's room „Feeds“: which feeds become mailings, when they are looked
// at, what a look now would send, and what became of the looks so far.
//
// It is a subject of the door web (floor 4). Package feed keeps feeds, reads them and makes the
// mailings; this package only asks and tells.
package feeds

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/stationery"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Groups lists those of a tenant; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Templates are those a mailing can be made of; *stationery.Service has them.
type Templates interface {
	Templates(ctx context.Context, t tenant.ID) ([]stationery.Template, error)
}

// Mailings fills a letter with a contact, or with the names of its variables; *campaign.Service
// does.
type Mailings interface {
	Show(c campaign.Campaign, person *audience.Contact) (stationery.Rendered, error)
}

// Config is what the pages stand on; all of it is needed but Reason and Approvals.
type Config struct {
	Feeds     *feed.Service
	Groups    Groups
	Templates Templates
	Mailings  Mailings
	// Approvals says which groups are approved; nil: nobody does.
	Approvals audience.Approvals
	// Reason says in a language why a mailing was refused, "" for what it does not know.
	Reason func(lang, code string) string
}

const (
	home = "/feeds"
	room = "feeds"
	// maxForm bounds the form: HTML as large as mailings may have, three times as long as it is.
	maxForm = 4 << 20
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	return []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "feed", Group: frame.GroupCampaigns}},
		{Pattern: "GET /feeds.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: send, Do: c.showNew},
		{Pattern: "POST " + home, Permission: send, Act: "feed.create", Do: c.create},
		{Pattern: "POST " + home + "/preview", Permission: send, Act: frame.Unrecorded, Do: c.preview},
		{Pattern: "POST " + home + "/draw", Permission: send, Act: frame.Unrecorded, Do: c.draw, Apart: true},
		{Pattern: "GET " + one, Permission: read, Do: c.showOne},
		{Pattern: "GET " + one + "/looks.csv", Permission: read, Do: c.exportLooks},
		{Pattern: "GET " + one + "/edit", Permission: send, Do: c.showEdit},
		{Pattern: "POST " + one, Permission: send, Act: "feed.change", Do: c.change},
		{Pattern: "POST " + one + "/preview", Permission: send, Act: frame.Unrecorded, Do: c.preview},
		{Pattern: "POST " + one + "/draw", Permission: send, Act: frame.Unrecorded, Do: c.draw, Apart: true},
		{Pattern: "POST " + one + "/pause", Permission: send, Act: "feed.pause", Do: c.setPaused(true)},
		{Pattern: "POST " + one + "/resume", Permission: send, Act: "feed.resume", Do: c.setPaused(false)},
		{Pattern: "POST " + one + "/delete", Permission: send, Act: "feed.delete", Do: c.remove},
	}
}

func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

// find reads the feed that the path names. What is no identifier is answered like what does not
// exist.
func (c Config) find(r *http.Request, p frame.Page) (feed.Feed, error) {
	number, err := id.Parse[feed.Kind](r.PathValue("id"))
	if err != nil {
		return feed.Feed{}, fault.New(fault.NotFound, feed.CodeNotFound, "There is no such feed.")
	}
	return c.Feeds.Feed(r.Context(), p.Tenant(), number)
}

// line is a feed with its newest look.
type line struct {
	feed.Feed
	last feed.Look
}

func (c Config) roll(p frame.Page) frame.Roll[line] {
	cell := func(key string, text func(line) string) frame.Cell[line] {
		return frame.Cell[line]{Column: frame.Column{Key: key, Title: p.T("feeds.col." + key)}, Text: text}
	}
	next := cell("next", func(l line) string { return when(p, l.next()) })
	next.Order = func(a, b line) int { return a.next().Compare(b.next()) }
	return frame.Roll[line]{Listing: frame.Listing{Path: home, Sort: "name"}, Cells: []frame.Cell[line]{
		cell("name", func(l line) string { return l.Name }), cell("url", func(l line) string { return l.URL }),
		cell("rhythm", func(l line) string { return rhythm(p, l.Schedule) }), cell("state", func(l line) string { return p.T("feeds.state." + stateOf(l.Feed)) }), next,
		cell("last", func(l line) string { return c.outcome(p, l.last) }),
	}}
}

// next is when a feed is looked at; zero: not at all.
func (l line) next() time.Time {
	if l.Paused {
		return time.Time{}
	}
	return l.NextAt
}

func when(p frame.Page, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return p.Full(at)
}

type listView struct {
	frame.View
	config Config
	rows   []line
	any    bool
}

func (c Config) rows(r *http.Request, p frame.Page) (listView, frame.Roll[line], error) {
	l := c.roll(p)
	list, err := c.Feeds.List(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, fmt.Errorf("list feeds: %w", err)
	}
	last, err := c.Feeds.LastLooks(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, err
	}
	all := make([]line, len(list))
	for i, f := range list {
		all[i] = line{f, last[f.ID]}
	}
	v := listView{config: c, any: len(all) > 0}
	v.View, v.rows = l.Read(r, all)
	return v, l, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, _, err := c.rows(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav."+room)
	return p.Render(w, r, http.StatusOK, listPage(p, v))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, l, err := c.rows(r, p)
	if err != nil {
		return err
	}
	return l.CSV(w, p, p.T("feeds.filename"), v.rows)
}

func stateOf(f feed.Feed) string {
	switch {
	case f.Paused:
		return "paused"
	case f.Failing():
		return "failing"
	case f.Send:
		return "send"
	}
	return "draft"
}

// markOf is the mark of a feed's state, in the colours of deliveries.
func markOf(f feed.Feed) string {
	return map[string]string{"paused": "held", "failing": "bounced"}[stateOf(f)]
}

// rhythm says how often and when a feed is looked at.
func rhythm(p frame.Page, s feed.Schedule) string {
	return p.T("feeds.rhythm."+string(s.Every), "hour", s.Hour, "day", max(s.Day, 1), "weekday", p.T("feeds.weekday."+strconv.Itoa(int(s.Weekday))))
}

// outcome says what came of a look; "" for none.
func (c Config) outcome(p frame.Page, l feed.Look) string {
	if l.ID.IsZero() {
		return p.T("feeds.outcome.none")
	}
	text := p.Either("feeds.outcome."+l.Outcome, "feeds.outcome.other", "n", l.New)
	if why := c.reason(p, l.Why); why != "" {
		text += " " + why
	}
	return text
}

// shortOf is what came of a look in a word; all that could not be read is one.
func shortOf(l feed.Look) string {
	switch l.Outcome {
	case feed.Begun, feed.Nothing, feed.Drafted, feed.Sent, feed.Held:
		return l.Outcome
	}
	return "unread"
}

// detail says more of a look than shortOf, where there is more to say.
func (c Config) detail(p frame.Page, l feed.Look) string {
	switch shortOf(l) {
	case feed.Held:
		return c.reason(p, l.Why)
	case feed.Begun:
		return p.T("feeds.begun")
	case "unread":
		return p.Either("fault."+l.Outcome, "feeds.outcome.other")
	}
	return ""
}

// outcomeMark is the mark of what came of a look.
func outcomeMark(l feed.Look) string {
	switch l.Outcome {
	case feed.Sent:
		return "delivered"
	case feed.Drafted:
		return "sending"
	case feed.Held:
		return "held"
	case feed.Begun, feed.Nothing, "":
		return "queued"
	}
	return "bounced"
}

// reason says in words why a mailing was held.
func (c Config) reason(p frame.Page, code string) string {
	for _, prefix := range []string{"campaigns.reason.", "reason.", "fault."} {
		if code != "" && p.Has(prefix+code) {
			return p.T(prefix+code, "value", "…")
		}
	}
	if code != "" && c.Reason != nil {
		if known := c.Reason(string(p.Lang), code); known != "" {
			return known
		}
	}
	return code
}

// setPaused lets the feed of the path rest, or go on. Whoever sees an old page does no harm.
func (c Config) setPaused(paused bool) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		if err := frame.ParseForm(w, r); err != nil {
			return err
		}
		f, err := c.find(r, p)
		if err != nil {
			return err
		}
		word := "resumed"
		if paused {
			word = "paused"
		}
		_, err = c.Feeds.Change(r.Context(), principal(p), f.ID, f.Revision, func(f *feed.Feed) error { f.Paused = paused; return nil })
		switch e := fault.As(err); {
		case e != nil && e.Code == feed.CodeState: // somebody was faster: the page shows how it stands
			err, word = nil, "state"
		case e != nil && e.Kind == fault.Invalid: // a group or template is gone: the form says which
			frame.Redirect(w, r, feed.Path(f.ID)+"/edit", "wrong")
			return nil
		}
		if err != nil {
			return err
		}
		frame.Redirect(w, r, feed.Path(f.ID), word)
		return nil
	}
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f, err := c.find(r, p)
	if err != nil {
		return err
	}
	if err := c.Feeds.Delete(r.Context(), p.Tenant(), f.ID); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "deleted")
	return nil
}

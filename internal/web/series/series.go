// Package series is the office's room „Serien“: what begins a series, its steps as a list from
// top to bottom, who stands where, and what became of the others.
//
// It is a subject of the door web (floor 4). Package series keeps them and moves contacts
// through them; this package only asks and tells.
package series

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// Groups lists those of a tenant; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Fields are those a tenant declared; *audience.Contacts has them.
type Fields interface {
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
}

// Templates are those a letter can be made of; *stationery.Service has them.
type Templates interface {
	Templates(ctx context.Context, t tenant.ID) ([]stationery.Template, error)
	Brand(ctx context.Context, t tenant.ID) (blocks.Brand, error)
}

// Mailings are those whose letter can be taken over, and what draws letters as theirs;
// *campaign.Service has them.
type Mailings interface {
	Campaigns(ctx context.Context, t tenant.ID, after campaign.ID, limit int) ([]campaign.Campaign, bool, error)
	Campaign(ctx context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error)
	Draw(ctx context.Context, c campaign.Campaign, person *audience.Contact) (stationery.Rendered, error)
	Variables(ctx context.Context, t tenant.ID) ([]string, error)
	Settings(ctx context.Context, t tenant.ID) (campaign.Settings, error)
}

// Book finds contacts; *audience.Contacts does.
type Book interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
}

// Config is what the pages stand on; all of it is needed but Pictures, Reason
// and Tracking.
type Config struct {
	Series    *series.Service
	Groups    Groups
	Fields    Fields
	Templates Templates
	Mailings  Mailings
	Book      Book
	// Pictures are offered in the editor; nil: none.
	Pictures blockform.Library
	// Checks look letters over.
	Checks *preflight.Service
	// Tracking says how much the account allows to be told; nil: nobody is asked.
	Tracking letterform.Decider
	// Reason says in a language why a mail was refused, "" for what it does not know.
	Reason func(lang, code string) string
}

const (
	home     = "/series"
	room     = "series"
	pageSize = 50
	// maxForm bounds the form of a step: HTML and text, three times as much as they are.
	maxForm   = 4 << 20
	maxExport = 1_000_000
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	list := []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "route", Group: frame.GroupCampaigns}},
		{Pattern: "GET /series.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: send, Do: c.showNew},
		{Pattern: "POST " + home, Permission: send, Act: "series.create", Do: c.create},
		{Pattern: "GET " + one, Permission: read, Do: c.showOne},
		{Pattern: "GET " + one + "/edit", Permission: send, Do: c.showEdit},
		{Pattern: "POST " + one, Permission: send, Act: "series.change", Do: c.change},
		{Pattern: "GET " + one + "/step", Permission: send, Do: c.showStep},
		{Pattern: "POST " + one + "/step", Permission: send, Act: "series.step", Do: c.saveStep},
		{Pattern: "POST " + one + "/step/preview", Permission: send, Act: frame.Unrecorded, Do: c.previewStep, Apart: true},
		{Pattern: "POST " + one + "/step/autosave", Permission: send, Act: frame.Unrecorded, Do: c.autosave},
		{Pattern: "POST " + one + "/step/check", Permission: send, Act: "series.check", Do: c.beginCheck},
		{Pattern: "POST " + one + "/step/test", Permission: send, Act: "series.test", Do: c.try},
		{Pattern: "POST " + one + "/activate", Permission: send, Act: "series.activate", Do: c.activate},
		{Pattern: "POST " + one + "/rehearse", Permission: send, Act: "series.rehearse", Do: c.rehearse},
		{Pattern: "GET " + one + "/runs", Permission: read, Do: c.showRuns},
		{Pattern: "GET " + one + "/runs.csv", Permission: read, Do: c.exportRuns},
		{Pattern: "GET " + one + "/journey", Permission: read, Do: c.showJourney},
		{Pattern: "POST " + one + "/out", Permission: send, Act: "series.out", Do: c.takeOut},
		{Pattern: "POST " + one + "/delete", Permission: send, Act: "series.delete", Do: c.remove},
	}
	for name, do := range map[string]func(context.Context, ingest.Principal, series.ID) (series.Series, error){
		"pause": c.Series.Pause, "resume": c.Series.Resume, "end": c.Series.End,
	} {
		list = append(list, frame.Route{Pattern: "POST " + one + "/" + name, Permission: send, Act: "series." + name, Do: c.act(name, do)})
	}
	return list
}

func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

func pathOf(v series.Series) string { return home + "/" + v.ID.String() }

// find reads the series that the path names. What is no identifier is answered like what does
// not exist.
func (c Config) find(r *http.Request, p frame.Page) (series.Series, error) {
	number, err := id.Parse[series.Kind](r.PathValue("id"))
	if err != nil {
		return series.Series{}, fault.New(fault.NotFound, series.CodeNotFound, "There is no such series.")
	}
	return c.Series.Series(r.Context(), p.Tenant(), number)
}

// roll is the table of all series.
func roll(p frame.Page) frame.Roll[series.Series] {
	cell := func(key string, text func(series.Series) string) frame.Cell[series.Series] {
		return frame.Cell[series.Series]{Column: frame.Column{Key: key, Title: p.T("series.col." + key)}, Text: text}
	}
	entered := cell("entered", func(v series.Series) string { return strconv.FormatInt(v.Entered, 10) })
	entered.Number, entered.Order = true, func(a, b series.Series) int { return int(a.Entered - b.Entered) }
	changed := cell("changed", func(v series.Series) string { return p.Full(v.UpdatedAt) })
	changed.Order = func(a, b series.Series) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	return frame.Roll[series.Series]{Listing: frame.Listing{Path: home, Sort: "name"}, Cells: []frame.Cell[series.Series]{
		cell("name", func(v series.Series) string { return v.Name }), cell("trigger", func(v series.Series) string { return triggerText(p, v.Definition.Trigger) }),
		cell("state", func(v series.Series) string { return p.T("series.state." + string(v.State)) }), entered, changed,
	}}
}

type listView struct {
	frame.View
	rows []series.Series
	any  bool
}

func (c Config) rows(r *http.Request, p frame.Page) (listView, frame.Roll[series.Series], error) {
	l := roll(p)
	all, err := c.Series.List(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, fmt.Errorf("list series: %w", err)
	}
	v := listView{any: len(all) > 0}
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
	return l.CSV(w, p, p.T("series.filename"), v.rows)
}

// act does something with the series of the path.
func (c Config) act(name string, do func(context.Context, ingest.Principal, series.ID) (series.Series, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		if err := frame.ParseForm(w, r); err != nil {
			return err
		}
		v, err := c.find(r, p)
		if err != nil {
			return err
		}
		word := name
		_, err = do(r.Context(), principal(p), v.ID)
		// Somebody was faster, or something is missing: the page shows how it stands.
		if f := fault.As(err); f != nil && f.Code == series.CodeState {
			err, word = nil, "state"
		} else if f != nil && (f.Kind == fault.Invalid || f.Code == campaign.CodeNotApproved) {
			err, word = nil, "unready"
		}
		if err != nil {
			return err
		}
		frame.Redirect(w, r, pathOf(v), word)
		return nil
	}
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if err := c.Series.Delete(r.Context(), p.Tenant(), v.ID); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "deleted")
	return nil
}

// markOf is the mark of a state, in the colours of deliveries.
func markOf(s series.State) string {
	switch s {
	case series.Active:
		return "sending"
	case series.Paused:
		return "held"
	case series.Ended:
		return "cancelled"
	case series.Draft:
	}
	return "queued"
}

// triggerText says what begins a series.
func triggerText(p frame.Page, t series.Trigger) string {
	return p.T("series.trigger."+string(t.On)+".text", "tag", t.Tag, "event", t.Event, "field", t.Field, "hour", t.Hour)
}

// reasonOf says in words why somebody got nothing, or why it is over or rests.
func (c Config) reasonOf(p frame.Page, code string) string {
	for _, prefix := range []string{"series.reason.", "campaigns.reason.", "suppressions.reason.", "reason.", "fault."} {
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

// waitText says how long a step waits.
func waitText(p frame.Page, s series.Step) string {
	if s.Weekday != "" {
		if s.Local {
			return p.T("series.wait.until.local", "day", p.T("series.day."+s.Weekday), "hour", s.Hour)
		}
		return p.T("series.wait.until", "day", p.T("series.day."+s.Weekday), "hour", s.Hour)
	}
	for _, unit := range units() {
		if s.Minutes%unit.minutes == 0 {
			return p.T("series.wait."+unit.name, "n", s.Minutes/unit.minutes)
		}
	}
	return ""
}

type unit struct {
	name    string
	minutes int64
}

// units are those a wait is written in, large ones first.
func units() []unit { return []unit{{"days", 24 * 60}, {"hours", 60}, {"minutes", 1}} }

// stepText says what a step does.
func stepText(p frame.Page, d series.Definition, s series.Step) string {
	switch s.Do {
	case series.Send:
		subject := ""
		if s.Letter != nil {
			subject = s.Letter.Subject
		}
		if subject == "" {
			return p.T("series.step.send.empty")
		}
		return p.T("series.step.send", "subject", subject)
	case series.Wait:
		return waitText(p, s)
	case series.Check:
		return checkText(p, d, s)
	case series.Tag, series.Untag:
		return p.T("series.step."+string(s.Do), "tag", s.Tag)
	case series.End:
	}
	return p.T("series.step.end")
}

func checkText(p frame.Page, d series.Definition, s series.Step) string {
	what := p.T("series.check.filter")
	switch {
	case s.Did != "":
		of, i := d.Step(s.Of)
		name := s.Of
		if i >= 0 && of.Letter != nil {
			name = of.Letter.Subject
		}
		what = p.T("series.check."+s.Did, "subject", name)
	case s.Filter != nil && s.Filter.Of == "tag":
		what = p.T("series.check.tag."+string(s.Filter.Is), "tag", s.Filter.Value)
	}
	if s.Else == "" {
		return p.T("series.check.end", "what", what)
	}
	_, i := d.Step(s.Else)
	return p.T("series.check.else", "what", what, "n", i+1)
}

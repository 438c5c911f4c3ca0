// Package redeliveries is where people send kept mail once more (Nachlieferung): they
// pick it, see in a dry run what would leave and what would not and why, start it, watch
// it, and confirm what somebody else started. It also shows how long content is kept and
// what was dropped.
//
// It is a subject of the door web (floor 4). Package redelivery decides and sends; this
// package only asks and tells.
package redeliveries

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Redelivery plans and runs jobs; *redelivery.Service does.
type Redelivery interface {
	Preview(ctx context.Context, t tenant.ID, f redelivery.Filter, o redelivery.Options) (redelivery.Plan, error)
	Start(ctx context.Context, who ingest.Principal, f redelivery.Filter, o redelivery.Options, key string) (redelivery.Job, bool, error)
	Job(ctx context.Context, t tenant.ID, j redelivery.ID) (redelivery.Job, error)
	Jobs(ctx context.Context, t tenant.ID, after redelivery.ID, limit int) ([]redelivery.Job, bool, error)
	Items(ctx context.Context, t tenant.ID, j redelivery.ID, f redelivery.ItemFilter) ([]redelivery.Item, bool, error)
	Confirm(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error)
	Pause(ctx context.Context, t tenant.ID, j redelivery.ID) (redelivery.Job, error)
	Resume(ctx context.Context, t tenant.ID, j redelivery.ID) (redelivery.Job, error)
	Cancel(ctx context.Context, t tenant.ID, j redelivery.ID) (redelivery.Job, error)
	ConfirmAbove() int
}

// Archive keeps content for its time; *redelivery.Archive does.
type Archive interface {
	Kept() time.Duration
	Terms(ctx context.Context, t tenant.ID) ([]redelivery.Term, error)
	SaveTerms(ctx context.Context, t tenant.ID, list []redelivery.Term) error
	Runs(ctx context.Context, t tenant.ID, after redelivery.RunID, limit int) ([]redelivery.Run, bool, error)
}

// People names who started and confirmed; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Redelivery Redelivery
	Archive    Archive
	People     People
}

const (
	home     = "/redeliveries"
	room     = "redeliveries"
	archive  = "/archive"
	pageSize = 50
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	list := []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "sending", Group: frame.GroupMail}},
		{Pattern: "GET /redeliveries.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: send, Do: c.showForm},
		{Pattern: "GET " + home + "/preview", Permission: send, Do: c.preview},
		{Pattern: "POST " + home, Permission: send, Act: "redeliveries.start", Do: c.start},
		{Pattern: "GET " + home + "/{id}", Permission: read, Do: c.showOne},
		{Pattern: "GET " + home + "/{id}/items.csv", Permission: read, Do: c.exportItems},
		{Pattern: "GET " + archive, Permission: tenant.SettingsRead, Do: c.showArchive},
		{Pattern: "GET /archive.csv", Permission: tenant.SettingsRead, Do: c.exportRuns},
		{Pattern: "POST " + archive, Permission: tenant.SettingsWrite, Act: "archive.terms", Do: c.saveTerms},
	}
	for _, act := range []struct {
		name string
		do   func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error)
	}{
		{"pause", func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error) {
			return c.Redelivery.Pause(ctx, who.Tenant, j)
		}},
		{"resume", func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error) {
			return c.Redelivery.Resume(ctx, who.Tenant, j)
		}},
		{"cancel", func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error) {
			return c.Redelivery.Cancel(ctx, who.Tenant, j)
		}},
		{"confirm", func(ctx context.Context, who ingest.Principal, j redelivery.ID) (redelivery.Job, error) {
			return c.Redelivery.Confirm(ctx, who, j)
		}},
	} {
		list = append(list, frame.Route{Pattern: "POST " + home + "/{id}/" + act.name, Permission: send, Act: "redeliveries." + act.name, Do: c.act(act.name, act.do)})
	}
	return list
}

func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

// list is what the page of all jobs shows.
type list struct {
	frame.View
	jobs  []redelivery.Job
	names map[string]string
	older string
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("redeliveries.col." + key), Number: number}
	}
	l := list{View: frame.ReadView(r, frame.Listing{Path: home, Columns: []frame.Column{column("at", false), column("what", false), column("state", false), column("sent", true), column("who", false)}})}
	after, _ := id.Parse[redelivery.Kind](l.After)
	jobs, more, err := c.Redelivery.Jobs(r.Context(), p.Tenant(), after, pageSize)
	if err != nil {
		return fmt.Errorf("list redeliveries: %w", err)
	}
	if l.jobs = jobs; more {
		l.older = l.With("after", jobs[len(jobs)-1].ID.String())
	}
	l.names = c.names(r.Context(), p, jobs)
	p.Room, p.Title, p.Live = room, p.T("nav."+room), true
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// maxExport bounds a file.
const maxExport = 20_000

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	rows := [][]string{{p.T("redeliveries.col.at"), p.T("redeliveries.number"), p.T("redeliveries.col.what"), p.T("redeliveries.col.state"), p.T("redeliveries.total"),
		p.T("redeliveries.sent"), p.T("redeliveries.skipped"), p.T("redeliveries.failed"), p.T("redeliveries.col.who")}}
	var after redelivery.ID
	for len(rows) <= maxExport {
		jobs, more, err := c.Redelivery.Jobs(r.Context(), p.Tenant(), after, 200)
		if err != nil {
			return fmt.Errorf("list redeliveries: %w", err)
		}
		names := c.names(r.Context(), p, jobs)
		for _, j := range jobs {
			after = j.ID
			rows = append(rows, []string{j.CreatedAt.UTC().Format(time.RFC3339), j.ID.String(), about(p, j.Filter), p.T("redeliveries.state." + string(j.State)),
				strconv.Itoa(j.Total), strconv.Itoa(j.Sent), strconv.Itoa(j.Skipped), strconv.Itoa(j.Failed), names[j.Actor]})
		}
		if !more {
			break
		}
	}
	return p.CSV(w, p.T("redeliveries.filename"), rows)
}

// names are those of the actors of jobs, as far as they are known.
func (c Config) names(ctx context.Context, p frame.Page, jobs []redelivery.Job) map[string]string {
	found := map[string]string{"operator": p.T("redeliveries.console"), "": ""}
	keys := map[string]string{}
	if list, err := c.People.Keys(ctx, p.Tenant()); err == nil { // without names the page still tells
		for _, k := range list {
			keys[k.ID.String()] = k.Name
		}
	}
	for _, j := range jobs {
		for _, actor := range []string{j.Actor, j.ConfirmedBy} {
			if _, known := found[actor]; known {
				continue
			}
			found[actor] = actor
			if name := keys[actor]; name != "" {
				found[actor] = p.T("redeliveries.key", "name", name)
			} else if u, err := id.Parse[tenant.UserKind](actor); err == nil {
				if user, err := c.People.User(ctx, p.Tenant(), u); err == nil {
					found[actor] = user.Name
				}
			}
		}
	}
	return found
}

// fields are the names of the form.
func fields() []string {
	return []string{"stream", "recipient", "customer", "object", "from", "until", "state", "reply", "class", "source", "message", "delivery",
		"to_address", "delivered", "mark", "old_sources", "per_minute", "ceiling", "reason"}
}

// formOf reads the form from what get gives, so that other pages can fill it in.
func formOf(get func(string) string) frame.Form {
	f := frame.Form{Values: map[string]string{}}
	for _, name := range fields() {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(get(name), "")), 500)
	}
	return f
}

// undelivered is the choice of all states but one, which stands first.
const undelivered = "undelivered"

// wish reads filter and options; what cannot be read is noted at its field.
func wish(p frame.Page, f *frame.Form) (redelivery.Filter, redelivery.Options) {
	v := redelivery.Filter{Stream: tenant.Stream(f.Value("stream")), Recipient: f.Value("recipient"), Advertiser: f.Value("customer"), Object: f.Value("object"),
		Reply: f.Value("reply"), Class: f.Value("class"), Source: f.Value("source"), From: day(p, f, "from", 0), To: day(p, f, "until", 1)}
	switch s := f.Value("state"); s {
	case undelivered:
		v.States = slices.DeleteFunc(redelivery.States(), func(s event.State) bool { return s == event.Delivered })
	case "":
	default:
		v.States = []event.State{event.State(s)}
	}
	var err error
	if text := f.Value("message"); text != "" {
		if v.Message, err = id.Parse[message.Kind](text); err != nil {
			f.Add("", p.FaultText(fault.Field("message", "id_malformed", ""), text))
		}
	}
	if text := f.Value("delivery"); text != "" {
		if v.Delivery, err = id.Parse[message.DeliveryKind](text); err != nil {
			f.Add("", p.FaultText(fault.Field("delivery", "id_malformed", ""), text))
		}
	}
	return v, redelivery.Options{To: f.Value("to_address"), Delivered: f.Value("delivered") == "on", Mark: f.Value("mark") == "on", Old: f.Value("old_sources") == "on",
		PerMinute: number(p, f, "per_minute"), Ceiling: number(p, f, "ceiling"), Reason: f.Value("reason")}
}

func number(p frame.Page, f *frame.Form, name string) int {
	text := f.Value(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		f.Add(name, p.T("redeliveries.wrong."+name))
		return 0
	}
	return n
}

func day(p frame.Page, f *frame.Form, name string, later int) time.Time {
	text := f.Value(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.ParseInLocation(time.DateOnly, text, p.Zone)
	if err != nil {
		f.Add(name, p.T("redeliveries.wrong.day"))
		return time.Time{}
	}
	return at.AddDate(0, 0, later)
}

func (c Config) showForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := formOf(r.URL.Query().Get)
	if r.URL.RawQuery == "" {
		f.Values["state"] = undelivered
	}
	return c.render(w, r, p, http.StatusOK, f)
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("redeliveries.new")
	return p.Render(w, r, status, formPage(p, f))
}

// refuse shows the form again with what is wrong; other errors pass.
func (c Config) refuse(w http.ResponseWriter, r *http.Request, p frame.Page, f frame.Form, err error) error {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict && e.Kind != fault.TooLarge {
		return err
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field := map[string]string{"advertiser": "customer", "states": "state", "to": "until"}[one.Field]
		if field == "" {
			field = one.Field
		}
		text := p.FaultText(one, f.Value(field))
		if p.Has("redeliveries.wrong." + field) {
			text = p.T("redeliveries.wrong." + field)
		}
		if !slices.Contains(fields(), field) {
			field = ""
		}
		f.Add(field, text)
	}
	return c.render(w, r, p, frame.StatusOf(e.Kind), f)
}

// preview is the dry run of what the address says.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := formOf(r.URL.Query().Get)
	filter, options := wish(p, &f)
	if !f.Valid() {
		return c.render(w, r, p, http.StatusUnprocessableEntity, f)
	}
	plan, err := c.Redelivery.Preview(r.Context(), p.Tenant(), filter, options)
	if err != nil {
		return c.refuse(w, r, p, f, err)
	}
	hidden := map[string]string{"key": rand.Text()}
	for name, value := range f.Values {
		if value != "" {
			hidden[name] = value
		}
	}
	p.Room, p.Title = room, p.T("redeliveries.preview")
	return p.Render(w, r, http.StatusOK, previewPage(p, trial{plan, f, hidden, c.Redelivery.ConfirmAbove()}))
}

// trial is what the page of a dry run shows.
type trial struct {
	redelivery.Plan
	form   frame.Form
	hidden map[string]string
	limit  int
}

// back is the address of the form, filled in.
func (t trial) back() string { return query(home+"/new", t.form.Values) }

// overOld is the address of the same dry run over the old sources of a changeover.
func (t trial) overOld() string {
	values := maps.Clone(t.form.Values)
	values["old_sources"] = "on"
	return query(home+"/preview", values)
}

func (c Config) start(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := formOf(r.PostForm.Get)
	filter, options := wish(p, &f)
	if !f.Valid() {
		return c.render(w, r, p, http.StatusUnprocessableEntity, f)
	}
	j, replayed, err := c.Redelivery.Start(r.Context(), principal(p), filter, options, frame.Shorten(r.PostForm.Get("key"), 100))
	if err != nil {
		return c.refuse(w, r, p, f, err)
	}
	done := "started"
	switch {
	case replayed:
		done = "again"
	case j.State == redelivery.Awaiting:
		done = "awaiting"
	}
	frame.Redirect(w, r, home+"/"+j.ID.String(), done)
	return nil
}

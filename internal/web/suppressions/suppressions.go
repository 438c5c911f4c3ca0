// Package suppressions is the office's list of addresses that must not be written to:
// why each stands on it and since when, the way to the message that led to it, and
// adding, importing, exporting and lifting with a reason.
//
// It is a subject of the door web (floor 4). Package audience decides what a suppression
// is and keeps its history.
package suppressions

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// List is the suppression list; *audience.Service is one.
type List interface {
	Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error)
	Suppression(ctx context.Context, t tenant.ID, e audience.ID) (audience.Entry, error)
	History(ctx context.Context, t tenant.ID, h audience.Hash) ([]audience.Act, error)
	Suppress(ctx context.Context, t tenant.ID, w audience.Wish, actor string) (audience.Entry, error)
	Lift(ctx context.Context, t tenant.ID, e audience.ID, actor, why string) (audience.Entry, error)
	Import(ctx context.Context, t tenant.ID, lines []audience.Line, actor string, dry bool) ([]audience.Outcome, error)
	Export(ctx context.Context, t tenant.ID, f audience.Filter, w io.Writer, comma rune) error
}

// People names who did something; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Reasons explains bounce classes; *bounce.Table does. An unknown class is "".
type Reasons interface {
	Sentence(class bounce.Class, lang string) string
}

// Messages tells whether a message is still on record; insight.Store does.
type Messages interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	List     List
	People   People
	Messages Messages
	Reasons  Reasons
}

// Routes are the pages of the suppression list.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.SuppressionsWrite
	return []frame.Route{
		{Pattern: "GET /suppressions", Permission: read, Do: c.show,
			Entry: frame.Entry{Room: "suppressions", Icon: "suppressed", Key: "s", Group: frame.GroupDeliverability}},
		{Pattern: "GET /suppressions.csv", Permission: read, WhenLocked: true, Do: c.export},
		{Pattern: "GET /suppressions/new", Permission: write, Do: c.showNew},
		{Pattern: "POST /suppressions", Permission: write, Do: c.add},
		{Pattern: "GET /suppressions/import", Permission: write, Do: c.showImport},
		{Pattern: "POST /suppressions/import", Permission: write, Do: c.take},
		{Pattern: "GET /suppressions/{id}", Permission: read, Do: c.showOne},
		{Pattern: "POST /suppressions/{id}/lift", Permission: write, Do: c.lift},
	}
}

const (
	room     = "suppressions"
	pageSize = 50
)

func listing(p frame.Page) frame.Listing {
	column := func(key string, sortable bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("sup.col." + key), Sortable: sortable}
	}
	return frame.Listing{
		Path: "/suppressions", Filters: []string{"q", "reason", "stream"}, Sort: "since", Descending: true,
		Columns: []frame.Column{column("address", true), column("reason", false), column("stream", false), column("since", true), column("ends", false)},
	}
}

// question is the view as the list is asked for it. What names no reason or stream is
// dropped, so that an old bookmark still opens a list.
func question(v frame.View) audience.Filter {
	f := audience.Filter{Text: v.Filter("q"), ByAddress: v.Sort == "address", Ascending: !v.Descending, Limit: pageSize}
	if r := audience.Reason(v.Filter("reason")); r.Valid() {
		f.Reason = r
	}
	if s := tenant.Stream(v.Filter("stream")); s.Valid() {
		f.Stream = s
	}
	if after, err := id.Parse[audience.Kind](v.After); err == nil {
		f.After = after
	}
	return f
}

// list is what the page of all suppressions shows.
type list struct {
	frame.View
	entries []audience.Entry
	older   string
	done    string
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{View: frame.ReadView(r, listing(p)), done: p.Done("lifted", "added", "imported")}
	page, err := c.List.Suppressions(r.Context(), p.Tenant(), question(l.View))
	if err != nil {
		return fmt.Errorf("list suppressions: %w", err)
	}
	if l.entries = page.Entries; page.More {
		l.older = l.With("after", page.Entries[len(page.Entries)-1].ID.String())
	}
	p.Room, p.Title = room, p.T("nav.suppressions")
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// export writes the filtered list as spreadsheets in German open it by double click.
func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := question(frame.ReadView(r, listing(p)))
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+p.T("sup.filename")+"-"+p.Now.UTC().Format(time.DateOnly)+`.csv"`)
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "\ufeff")
	if err := c.List.Export(r.Context(), p.Tenant(), f, w, ';'); err != nil {
		// The header is out; a line that says so is better than a file that looks whole.
		_, _ = io.WriteString(w, "\n"+p.T("export.broken")+"\n")
	}
	return nil
}

// className is what an outcome is called: the sentence of a bounce, or a word of ours.
func (c Config) className(p frame.Page, class string) string {
	if p.Has("sup.class." + class) {
		return p.T("sup.class." + class)
	}
	if s := c.Reasons.Sentence(bounce.Class(class), p.Voice()); s != "" {
		return s
	}
	return class
}

// sheet is the page of one suppression.
type sheet struct {
	audience.Entry
	origin  string
	mail    string // address of the message that led to it, "" if none
	history []frame.Station
	form    frame.Form
	ended   bool
}

// entryOf reads the suppression that the path names. What is no identifier is answered
// like what does not exist.
func (c Config) entryOf(r *http.Request, p frame.Page) (audience.Entry, error) {
	e, err := id.Parse[audience.Kind](r.PathValue("id"))
	if err != nil {
		return audience.Entry{}, fault.New(fault.NotFound, "suppression_not_found", "no such suppression")
	}
	return c.List.Suppression(r.Context(), p.Tenant(), e)
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := c.entryOf(r, p)
	if err != nil {
		return err
	}
	return c.one(w, r, p, http.StatusOK, e, frame.Form{})
}

func (c Config) one(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e audience.Entry, f frame.Form) error {
	acts, err := c.List.History(r.Context(), p.Tenant(), e.Hash)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	names := c.names(r.Context(), p)
	s := sheet{Entry: e, form: f, origin: names.of(e.Actor), ended: !e.Active(p.Now)}
	if !e.Source.IsZero() {
		switch _, err := c.Messages.Message(r.Context(), p.Tenant(), message.Of(e.Source)); {
		case err == nil:
			s.mail = "/messages/" + message.Of(e.Source).String()
		case !fault.IsKind(err, fault.NotFound): // its rows are counted and gone after their time
			return fmt.Errorf("find message of suppression: %w", err)
		}
	}
	for _, a := range acts {
		s.history = append(s.history, c.station(p, names, a))
	}
	p.Room, p.Title = room, p.T("sup.one.title")
	return p.Render(w, r, status, onePage(p, s))
}

func (c Config) station(p frame.Page, names names, a audience.Act) frame.Station {
	mark := map[audience.ActType]string{audience.ActSuppressed: "suppressed", audience.ActLifted: "delivered", audience.ActErased: "cancelled"}[a.Type]
	s := frame.Station{Clock: p.Time(a.At), Small: p.Date(a.At), Mark: mark, Title: p.T("sup.act." + string(a.Type)), Route: names.of(a.Actor), Reply: a.Note}
	if a.Reason != "" {
		s.Text = p.T("reason." + string(a.Reason))
	}
	if a.Class != "" && a.Type == audience.ActSuppressed {
		s.Text = c.className(p, a.Class)
	}
	return s
}

func (c Config) lift(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	e, err := c.entryOf(r, p)
	if err != nil {
		return err
	}
	why := r.PostForm.Get("reason")
	_, err = c.List.Lift(r.Context(), p.Tenant(), e.ID, p.Who.User.ID.String(), why)
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
		form := frame.Form{Values: map[string]string{"reason": why}}
		form.Add("reason", p.FaultText(f, why))
		return c.one(w, r, p, http.StatusUnprocessableEntity, e, form)
	}
	if err != nil {
		return fmt.Errorf("lift suppression: %w", err)
	}
	frame.Redirect(w, r, "/suppressions", "lifted")
	return nil
}

// names say who people and keys are.
type names struct {
	p    frame.Page
	user func(tenant.UserID) string
	keys map[string]string
}

func (c Config) names(ctx context.Context, p frame.Page) names {
	n := names{p: p, keys: map[string]string{}}
	if keys, err := c.People.Keys(ctx, p.Tenant()); err == nil { // without names the page still tells
		for _, k := range keys {
			n.keys[k.ID.String()] = k.Name
		}
	}
	n.user = func(u tenant.UserID) string {
		user, err := c.People.User(ctx, p.Tenant(), u)
		if err != nil {
			return ""
		}
		return user.Name
	}
	return n
}

func (n names) of(actor string) string {
	name := n.keys[actor]
	if u, err := id.Parse[tenant.UserKind](actor); err == nil {
		name = n.user(u)
	}
	switch {
	case actor == "system":
		return n.p.T("sup.by.system")
	case strings.HasPrefix(actor, "sgn_"):
		return n.p.T("sup.by.form")
	case name == "":
		return n.p.T("sup.by.unknown")
	}
	return n.p.T("sup.by", "name", name)
}

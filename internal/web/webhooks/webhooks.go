// Package webhooks is the page of the addresses at which a tenant's programs are told
// what became of its mail: adding one, whose secret is shown once, trying it, looking at
// what it answered, and making calls again.
//
// It is a subject of the door web (floor 4); package webhook keeps and calls them.
package webhooks

import (
	"context"
	"net/http"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/webhook"
)

// Hooks keeps endpoints and calls them; *webhook.Service does.
type Hooks interface {
	Types() []webhook.Type
	Target(e webhook.Endpoint) (webhook.Target, error)
	Endpoints(ctx context.Context, t tenant.ID) ([]webhook.Endpoint, error)
	Endpoint(ctx context.Context, t tenant.ID, w webhook.ID) (webhook.Endpoint, error)
	Add(ctx context.Context, t tenant.ID, w webhook.Wish, by string) (webhook.Endpoint, string, error)
	Change(ctx context.Context, t tenant.ID, w webhook.ID, wish webhook.Wish) (webhook.Endpoint, error)
	Rotate(ctx context.Context, t tenant.ID, w webhook.ID) (webhook.Endpoint, string, error)
	Remove(ctx context.Context, t tenant.ID, w webhook.ID) error
	Try(ctx context.Context, t tenant.ID, w webhook.ID) (webhook.Call, error)
	Calls(ctx context.Context, t tenant.ID, w webhook.ID, f webhook.CallFilter) ([]webhook.Call, error)
	Repeat(ctx context.Context, t tenant.ID, w webhook.ID, c webhook.CallID) error
	RepeatSince(ctx context.Context, t tenant.ID, w webhook.ID, since time.Time) (int, error)
}

// Config is what the pages stand on; it is needed.
type Config struct{ Hooks Hooks }

const (
	room = "webhooks"
	path = "/webhooks"
	one  = path + "/{webhook}"
)

// Routes are the pages and their forms.
func Routes(c Config) []frame.Route {
	may := tenant.KeysManage
	return []frame.Route{
		{Pattern: "GET " + path, Permission: may, Do: c.list, Entry: frame.Entry{Room: room, Icon: "link", Group: frame.GroupAdministration}},
		{Pattern: "GET " + path + ".csv", Permission: may, Do: c.export},
		{Pattern: "GET " + path + "/new", Permission: may, Do: c.showNew},
		{Pattern: "POST " + path, Permission: may, Act: "webhooks.create", Do: c.create},
		{Pattern: "GET " + one, Permission: may, Do: c.show},
		{Pattern: "GET " + one + "/calls.csv", Permission: may, Do: c.exportCalls},
		{Pattern: "POST " + one, Permission: may, Act: "webhooks.change", Do: c.change},
		{Pattern: "POST " + one + "/rotate", Permission: may, Act: "webhooks.rotate", Do: c.rotate},
		{Pattern: "POST " + one + "/test", Permission: may, Act: frame.Unrecorded, Do: c.try},
		{Pattern: "POST " + one + "/repeat", Permission: may, Act: "webhooks.repeat", Do: c.repeat},
		{Pattern: "POST " + one + "/remove", Permission: may, Act: "webhooks.remove", Do: c.remove},
	}
}

// line is an endpoint with where it is.
type line struct {
	webhook.Endpoint
	url string
}

func (c Config) roll(p frame.Page) frame.Roll[line] {
	cell := func(key string, text func(line) string) frame.Cell[line] {
		return frame.Cell[line]{Column: frame.Column{Key: key, Title: p.T("webhooks.col." + key)}, Text: text}
	}
	return frame.Roll[line]{
		Listing: frame.Listing{Name: "webhooks", Path: path, Sort: "name"},
		Cells: []frame.Cell[line]{
			cell("name", func(l line) string { return nameOf(l) }),
			cell("url", func(l line) string { return l.url }),
			cell("types", func(l line) string { return typesText(p, l.Types) }),
			cell("state", func(l line) string { _, word := stateOf(p, l.Endpoint); return word }),
		},
	}
}

func nameOf(l line) string {
	if l.Name != "" {
		return l.Name
	}
	_, rest, _ := strings.Cut(l.url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func typesText(p frame.Page, types []webhook.Type) string {
	if len(types) == 0 {
		return p.T("webhooks.types.all")
	}
	return p.T("webhooks.types.n", "n", len(types))
}

// stateOf is the mark and the word of an endpoint.
func stateOf(p frame.Page, e webhook.Endpoint) (mark, word string) {
	switch {
	case e.State == webhook.Failing:
		return "bounced", p.T("webhooks.state.failing")
	case e.State == webhook.Off:
		return "cancelled", p.T("webhooks.state.off")
	case !e.FailingSince.IsZero():
		return "deferred", p.T("webhooks.state.trouble", "time", p.Full(e.FailingSince))
	}
	return "delivered", p.T("webhooks.state.active")
}

func (c Config) lines(ctx context.Context, t tenant.ID) ([]line, error) {
	list, err := c.Hooks.Endpoints(ctx, t)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, e := range list {
		target, err := c.Hooks.Target(e)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line{e, target.URL})
	}
	return lines, nil
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	all, err := c.lines(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav.webhooks")
	v, found := c.roll(p).Read(r, all)
	return p.Render(w, r, http.StatusOK, listPage(p, v, found, len(all), p.Done("removed")))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	all, err := c.lines(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	roll := c.roll(p)
	_, found := roll.Read(r, all)
	return roll.CSV(w, p, p.T("webhooks.filename"), found)
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.form(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"all": "on"}})
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("webhooks.new")
	return p.Render(w, r, status, newPage(p, f, c.Hooks.Types()))
}

// read takes the form of an endpoint apart.
func read(w http.ResponseWriter, r *http.Request) (frame.Form, webhook.Wish, error) {
	if err := frame.ParseForm(w, r); err != nil {
		return frame.Form{}, webhook.Wish{}, err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"name", "url", "all", "active"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	wish := webhook.Wish{Name: form.Value("name"), URL: form.Value("url"), Active: form.Value("active") == "on"}
	for _, t := range r.PostForm["types"] {
		form.Values["type."+t] = "on"
		if form.Value("all") != "on" {
			wish.Types = append(wish.Types, t)
		}
	}
	return form, wish, nil
}

// none is a refusal of a form that chooses neither everything nor anything.
func none(form *frame.Form, p frame.Page, wish webhook.Wish) bool {
	if form.Value("all") == "on" || len(wish.Types) > 0 {
		return false
	}
	form.Add("types", p.T("webhooks.types.none"))
	return true
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	form, wish, err := read(w, r)
	if err != nil {
		return err
	}
	if none(&form, p, wish) {
		return c.form(w, r, p, http.StatusUnprocessableEntity, form)
	}
	e, secret, err := c.Hooks.Add(r.Context(), p.Tenant(), wish, p.Who.User.ID.String())
	if frame.Refused(p, &form, err, "url") {
		return c.form(w, r, p, frame.StatusOf(fault.As(err).Kind), form)
	}
	if err != nil {
		return err
	}
	return secretPage(w, r, p, e, secret)
}

func secretPage(w http.ResponseWriter, r *http.Request, p frame.Page, e webhook.Endpoint, secret string) error {
	p.Room, p.Title = room, p.T("webhooks.made.title")
	return p.Render(w, r, http.StatusOK, madePage(p, e, secret))
}

func named(r *http.Request) (webhook.ID, error) {
	w, err := id.Parse[webhook.Kind](r.PathValue("webhook"))
	if err != nil {
		return w, fault.New(fault.NotFound, "webhook_not_found", "There is no such webhook.")
	}
	return w, nil
}

// sheet is what the page of an endpoint shows.
type sheet struct {
	line
	form  frame.Form
	types []webhook.Type
	calls []webhook.Call
	older string // address of the next calls, "" at the end
	state webhook.CallState
	done  string
}

const callsShown = 50

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.sheet(w, r, p, http.StatusOK, nil)
}

// sheet shows an endpoint; form is one that was refused.
func (c Config) sheet(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form *frame.Form) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	e, err := c.Hooks.Endpoint(r.Context(), p.Tenant(), which)
	if err != nil {
		return err
	}
	target, err := c.Hooks.Target(e)
	if err != nil {
		return err
	}
	v := sheet{line: line{e, target.URL}, types: c.Hooks.Types(), done: p.Done("changed", "tried", "repeated"), state: stateAsked(r)}
	f := webhook.CallFilter{State: v.state, Limit: callsShown + 1}
	if text := r.URL.Query().Get("before"); text != "" {
		if f.Before, err = id.Parse[webhook.CallKind](text); err != nil {
			return fault.New(fault.NotFound, "page_not_found", "no such page")
		}
	}
	if v.calls, err = c.Hooks.Calls(r.Context(), p.Tenant(), which, f); err != nil {
		return err
	}
	if len(v.calls) > callsShown {
		v.calls = v.calls[:callsShown]
		v.older = path + "/" + e.ID.String() + "?state=" + string(v.state) + "&before=" + v.calls[callsShown-1].ID.String() + "#calls"
	}
	v.form = formOf(e, target.URL)
	if form != nil {
		v.form = *form
	}
	p.Room, p.Title = room, nameOf(v.line)
	return p.Render(w, r, status, sheetPage(p, v))
}

func callStates() []webhook.CallState {
	return []webhook.CallState{webhook.Due, webhook.Told, webhook.GivenUp, webhook.Void}
}

func stateAsked(r *http.Request) webhook.CallState {
	for _, s := range callStates() {
		if r.URL.Query().Get("state") == string(s) {
			return s
		}
	}
	return ""
}

func formOf(e webhook.Endpoint, url string) frame.Form {
	form := frame.Form{Values: map[string]string{"name": e.Name, "url": url}}
	if len(e.Types) == 0 {
		form.Values["all"] = "on"
	}
	if e.State == webhook.Active {
		form.Values["active"] = "on"
	}
	for _, t := range e.Types {
		form.Values["type."+string(t)] = "on"
	}
	return form
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	form, wish, err := read(w, r)
	if err != nil {
		return err
	}
	if none(&form, p, wish) {
		return c.sheet(w, r, p, http.StatusUnprocessableEntity, &form)
	}
	_, err = c.Hooks.Change(r.Context(), p.Tenant(), which, wish)
	if frame.Refused(p, &form, err, "url") {
		return c.sheet(w, r, p, frame.StatusOf(fault.As(err).Kind), &form)
	}
	return c.back(w, r, err, "changed")
}

// back leads to the page of the endpoint.
func (c Config) back(w http.ResponseWriter, r *http.Request, err error, done string) error {
	if err != nil {
		return err
	}
	frame.Redirect(w, r, path+"/"+r.PathValue("webhook"), done)
	return nil
}

func (c Config) rotate(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	e, secret, err := c.Hooks.Rotate(r.Context(), p.Tenant(), which)
	if err != nil {
		return err
	}
	return secretPage(w, r, p, e, secret)
}

func (c Config) try(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err == nil {
		_, err = c.Hooks.Try(r.Context(), p.Tenant(), which)
	}
	return c.back(w, r, err, "tried")
}

// repeat makes one call again, or all since a day of the reader's time.
func (c Config) repeat(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	if _, err := c.Hooks.Endpoint(r.Context(), p.Tenant(), which); err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if text := r.PostForm.Get("call"); text != "" {
		call, err := id.Parse[webhook.CallKind](text)
		if err != nil {
			return fault.New(fault.NotFound, "call_not_found", "There is no such call.")
		}
		return c.back(w, r, c.Hooks.Repeat(r.Context(), p.Tenant(), which, call), "repeated")
	}
	since, err := time.ParseInLocation(time.DateOnly, r.PostForm.Get("since"), p.Zone)
	if err != nil {
		return fault.Field("since", "time_malformed", "The day is not of the form 2026-11-22.")
	}
	_, err = c.Hooks.RepeatSince(r.Context(), p.Tenant(), which, since)
	return c.back(w, r, err, "repeated")
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	if err := c.Hooks.Remove(r.Context(), p.Tenant(), which); err != nil {
		return err
	}
	frame.Redirect(w, r, path, "removed")
	return nil
}

// callMark is the mark and the word of a call.
func callMark(p frame.Page, c webhook.Call) (mark, word string) {
	word = p.T("webhooks.call." + string(c.State))
	switch {
	case c.State == webhook.Told:
		return "delivered", word
	case c.State == webhook.GivenUp:
		return "bounced", word
	case c.State == webhook.Void:
		return "cancelled", word
	case c.Attempts > 0:
		return "deferred", p.T("webhooks.call.again", "time", p.Full(c.DueAt))
	}
	return "queued", word
}

// answer is what the server said, in words.
func answer(p frame.Page, c webhook.Call) string {
	switch {
	case c.TriedAt.IsZero():
		return ""
	case c.Code != 0:
		return p.T("webhooks.answer", "code", c.Code, "ms", c.Took.Milliseconds())
	}
	return p.T("webhooks.failure." + string(c.Failure))
}

func (c Config) exportCalls(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := named(r)
	if err != nil {
		return err
	}
	list, err := c.Hooks.Calls(r.Context(), p.Tenant(), which, webhook.CallFilter{State: stateAsked(r)})
	if err != nil {
		return err
	}
	rows := [][]string{{p.T("webhooks.calls.at"), p.T("webhooks.calls.type"), "webhook-id", p.T("webhooks.col.state"), p.T("webhooks.calls.answer"), p.T("webhooks.calls.attempts")}}
	for _, one := range list {
		_, word := callMark(p, one)
		rows = append(rows, []string{frame.Stamp(one.At), string(one.Type), one.ID.String(), word, answer(p, one), p.Number(int64(one.Attempts))})
	}
	return p.CSV(w, p.T("webhooks.calls.filename"), rows)
}

// Package campaigns is the office's room „Mailings“: people write a form letter, choose the
// groups it goes to, see who would get it and who not and why, look at it with a real
// contact's data, send it at once or later, watch it, stop it, and read what became of it.
//
// It is a subject of the door web (floor 4). Package campaign keeps and sends; this package
// only asks and tells.
package campaigns

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Groups lists those of a tenant; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Config is what the pages stand on.
type Config struct {
	Campaigns *campaign.Service
	Groups    Groups
	Approvals audience.Approvals // nil: every group needs one
	// Reason says in a language why a mail was refused or waits, "" for what it does not
	// know; nil: knows nothing.
	Reason func(lang, code string) string
}

const (
	home     = "/campaigns"
	room     = "campaigns"
	pageSize = 50
	// maxForm bounds the form: its two templates may have half a megabyte each, three times
	// as much as the browser writes them.
	maxForm = 4 << 20
	// maxExport bounds a file.
	maxExport = 1_000_000
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	list := []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "pen", Group: frame.GroupCampaigns}},
		{Pattern: "GET /campaigns.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: send, Do: c.showNew},
		{Pattern: "POST " + home, Permission: send, Act: "campaigns.create", Do: c.create},
		{Pattern: "POST " + home + "/cap", Permission: tenant.SettingsWrite, Act: "campaigns.cap", Do: c.saveCap},
		{Pattern: "GET " + one, Permission: read, Do: c.showOne},
		{Pattern: "GET " + one + "/recipients.csv", Permission: read, Do: c.exportLines},
		{Pattern: "GET " + one + "/sample.html", Permission: read, Do: c.sample},
		{Pattern: "GET " + one + "/edit", Permission: send, Do: c.showEdit},
		{Pattern: "POST " + one, Permission: send, Act: "campaigns.change", Do: c.change},
		{Pattern: "POST " + one + "/send", Permission: send, Act: "campaigns.send", Do: c.send},
		{Pattern: "POST " + one + "/delete", Permission: send, Act: "campaigns.delete", Do: c.remove},
	}
	for name, do := range map[string]func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error){
		"pause": c.Campaigns.Pause, "resume": c.Campaigns.Resume, "cancel": c.Campaigns.Cancel, "unschedule": c.Campaigns.Unschedule,
	} {
		list = append(list, frame.Route{Pattern: "POST " + one + "/" + name, Permission: send, Act: "campaigns." + name, Do: c.act(name, do)})
	}
	return list
}

func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

func pathOf(c campaign.Campaign) string { return home + "/" + c.ID.String() }

// find reads the campaign that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) find(r *http.Request, p frame.Page) (campaign.Campaign, error) {
	number, err := id.Parse[campaign.Kind](r.PathValue("id"))
	if err != nil {
		return campaign.Campaign{}, fault.New(fault.NotFound, campaign.CodeNotFound, "There is no such campaign.")
	}
	return c.Campaigns.Campaign(r.Context(), p.Tenant(), number)
}

// list is what the page of all campaigns shows.
type list struct {
	frame.View
	campaigns []campaign.Campaign
	older     string
	most      campaign.Cap
	form      frame.Form
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	most, err := c.Campaigns.Cap(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read frequency cap: %w", err)
	}
	form := frame.Form{Values: map[string]string{}}
	if most.Count > 0 {
		form.Values["count"], form.Values["days"] = strconv.Itoa(most.Count), strconv.Itoa(most.Days)
	}
	return c.renderList(w, r, p, http.StatusOK, list{most: most, form: form})
}

func (c Config) renderList(w http.ResponseWriter, r *http.Request, p frame.Page, status int, l list) error {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("campaigns.col." + key), Number: number}
	}
	l.View = frame.ReadView(r, frame.Listing{Path: home, Columns: []frame.Column{column("name", false), column("state", false), column("accepted", true), column("excluded", true), column("at", false)}})
	after, _ := id.Parse[campaign.Kind](l.After)
	found, more, err := c.Campaigns.Campaigns(r.Context(), p.Tenant(), after, pageSize)
	if err != nil {
		return fmt.Errorf("list campaigns: %w", err)
	}
	if l.campaigns = found; more {
		l.older = l.With("after", found[len(found)-1].ID.String())
	}
	p.Room, p.Title, p.Live = room, p.T("nav."+room), true
	return p.Render(w, r, status, listPage(p, l))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	rows := [][]string{{p.T("campaigns.col.name"), p.T("campaigns.number"), p.T("campaigns.col.state"), p.T("campaigns.col.accepted"), p.T("campaigns.col.excluded"), p.T("campaigns.col.at")}}
	var after campaign.ID
	for more := true; more && len(rows) <= 20_000; {
		var found []campaign.Campaign
		var err error
		if found, more, err = c.Campaigns.Campaigns(r.Context(), p.Tenant(), after, 200); err != nil {
			return fmt.Errorf("list campaigns: %w", err)
		}
		for _, v := range found {
			after = v.ID
			rows = append(rows, []string{v.Name, v.ID.String(), p.T("campaigns.state." + string(v.State)), strconv.FormatInt(v.Accepted, 10), strconv.FormatInt(v.Excluded, 10),
				when(v).UTC().Format(time.RFC3339)})
		}
	}
	return p.CSV(w, p.T("campaigns.filename"), rows)
}

// when is the time that a list shows of a campaign.
func when(c campaign.Campaign) time.Time {
	if !c.StartAt.IsZero() {
		return c.StartAt
	}
	return c.UpdatedAt
}

func (c Config) saveCap(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l := list{form: frame.Form{Values: map[string]string{}}}
	var v campaign.Cap
	for name, to := range map[string]*int{"count": &v.Count, "days": &v.Days} {
		text := strings.TrimSpace(r.PostForm.Get(name))
		l.form.Values[name] = frame.Shorten(text, 20)
		n, err := strconv.Atoi(text)
		if *to = n; text != "" && (err != nil || n < 1) {
			l.form.Add(name, p.T("campaigns.cap.wrong"))
		}
	}
	if l.form.Valid() {
		err := c.Campaigns.SetCap(r.Context(), p.Tenant(), v)
		if err == nil {
			frame.Redirect(w, r, home, "cap")
			return nil
		}
		if !fault.IsKind(err, fault.Invalid) {
			return fmt.Errorf("save frequency cap: %w", err)
		}
		l.form.Add("count", p.T("campaigns.cap.wrong"))
	}
	return c.renderList(w, r, p, http.StatusUnprocessableEntity, l)
}

// act does something with the campaign of the path.
func (c Config) act(name string, do func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
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
		// Somebody was faster, or the group is not approved any more: the page shows how it stands.
		if f := fault.As(err); f != nil && f.Code == campaign.CodeState {
			err, word = nil, "state"
		} else if f != nil && f.Code == campaign.CodeNotApproved {
			err, word = nil, "unapproved"
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
	if err := c.Campaigns.Delete(r.Context(), p.Tenant(), v.ID); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "deleted")
	return nil
}

// markOf is the mark of a campaign's state, in the colours of deliveries.
func markOf(s campaign.State) string {
	switch s {
	case campaign.Scheduled:
		return "queued"
	case campaign.Sending:
		return "sending"
	case campaign.Paused:
		return "held"
	case campaign.Sent:
		return "delivered"
	case campaign.Cancelled:
		return "cancelled"
	case campaign.Draft:
	}
	return "queued"
}

// reasonText says in words why something is excluded, failed or rests.
func reasonText(p frame.Page, code string) string {
	for _, prefix := range []string{"campaigns.reason.", "reason.", "suppressions.reason.", "fault."} {
		if code != "" && p.Has(prefix+code) {
			return p.T(prefix+code, "value", "…")
		}
	}
	return code
}

// reasonOf is reasonText, for reasons of deliveries too.
func (c Config) reasonOf(p frame.Page) func(code string) string {
	return func(code string) string {
		text := reasonText(p, code)
		if text == code && code != "" && c.Reason != nil {
			if known := c.Reason(string(p.Lang), code); known != "" {
				return known
			}
		}
		return text
	}
}

// option is a group to choose.
type option struct {
	audience.Group
	approval audience.ApprovalState
	chosen   bool
}

// editor is the form of a campaign.
type editor struct {
	frame.Form
	campaign.Campaign
	groups    []option
	variables []string
}

func fields() []string {
	return append([]string{"name", "from", "reply_to", "subject", "html", "text", "tracking", "per_hour"}, trialFields()...)
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e := editor{Form: frame.Form{Values: map[string]string{"html": p.T("campaigns.start.html", "name", "{{name}}", "unsubscribe", "{{unsubscribe_url}}"), "text": p.T("campaigns.start.text", "name", "{{name}}", "unsubscribe", "{{unsubscribe_url}}")}}}
	if g, err := id.Parse[audience.GroupKind](r.URL.Query().Get("group")); err == nil {
		e.Groups = []audience.GroupID{g}
	}
	return c.form(w, r, p, http.StatusOK, e)
}

func (c Config) showEdit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if v.State != campaign.Draft {
		frame.Redirect(w, r, pathOf(v), "state")
		return nil
	}
	e := editor{Campaign: v, Form: frame.Form{Values: map[string]string{"name": v.Name, "from": v.Letter.From, "reply_to": v.Letter.ReplyTo, "subject": v.Letter.Subject,
		"html": v.Letter.HTML, "text": v.Letter.Text, "tracking": v.Letter.Tracking.String(), "revision": strconv.FormatInt(v.Revision, 10)}}}
	if v.PerHour > 0 {
		e.Values["per_hour"] = strconv.Itoa(v.PerHour)
	}
	e.showTrial()
	return c.form(w, r, p, http.StatusOK, e)
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e editor) error {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	ids := make([]audience.GroupID, len(found))
	for i, g := range found {
		ids[i] = g.ID
	}
	states, err := audience.ApprovalsOf(r.Context(), c.Approvals, p.Tenant(), ids)
	if err != nil {
		return fmt.Errorf("read approvals: %w", err)
	}
	for _, g := range found {
		e.groups = append(e.groups, option{g, states[g.ID].State, slices.Contains(e.Groups, g.ID)})
	}
	if e.variables, err = c.Campaigns.Variables(r.Context(), p.Tenant()); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("campaigns.new")
	if !e.ID.IsZero() {
		p.Title = p.T("campaigns.edit.title", "name", e.Campaign.Name)
	}
	return p.Render(w, r, status, formPage(p, e))
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.save(w, r, p, campaign.Campaign{})
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	return c.save(w, r, p, v)
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page, v campaign.Campaign) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	e := editor{Campaign: v, Form: frame.Form{Values: map[string]string{}}}
	for _, name := range fields() {
		e.Values[name] = strings.ReplaceAll(strings.ToValidUTF8(r.PostForm.Get(name), ""), "\r\n", "\n")
	}
	e.Values["revision"] = frame.Shorten(r.PostForm.Get("revision"), 20)
	e.read(p, r.PostForm["groups"])
	if e.Valid() {
		made, err := c.put(r, p, e.Campaign)
		if err == nil {
			frame.Redirect(w, r, pathOf(made), "saved")
			return nil
		}
		if !e.refused(p, err) {
			return err
		}
		// Whoever saves again has seen that somebody else did.
		e.Values["revision"] = strconv.FormatInt(v.Revision, 10)
	}
	return c.form(w, r, p, http.StatusUnprocessableEntity, e)
}

func (c Config) put(r *http.Request, p frame.Page, v campaign.Campaign) (campaign.Campaign, error) {
	if v.ID.IsZero() {
		return c.Campaigns.Create(r.Context(), principal(p), v)
	}
	return c.Campaigns.Change(r.Context(), principal(p), v)
}

// read fills the campaign from the form.
func (e *editor) read(p frame.Page, groups []string) {
	v := &e.Campaign
	v.Name = strings.TrimSpace(e.Value("name"))
	v.Letter = campaign.Letter{From: strings.TrimSpace(e.Value("from")), ReplyTo: strings.TrimSpace(e.Value("reply_to")), Subject: strings.TrimSpace(e.Value("subject")),
		HTML: e.Value("html"), Text: e.Value("text")}
	v.Revision, _ = strconv.ParseInt(e.Value("revision"), 10, 64) // what is none is no revision
	var err error
	if v.Letter.Tracking, err = tracking.ParseLevel(e.Value("tracking")); err != nil {
		e.Add("tracking", p.FaultText(fault.As(err), e.Value("tracking")))
	}
	e.readTrial(p)
	v.PerHour = 0
	if text := strings.TrimSpace(e.Value("per_hour")); text != "" {
		if v.PerHour, err = strconv.Atoi(text); err != nil || v.PerHour < 1 {
			e.Add("per_hour", p.T("campaigns.wrong.per_hour"))
		}
	}
	v.Groups = nil
	for _, text := range groups {
		if g, err := id.Parse[audience.GroupKind](text); err == nil && len(v.Groups) < campaign.MaxGroups {
			v.Groups = append(v.Groups, g)
		}
	}
}

// refused notes what is wrong at its field; false for what is no refusal.
func (e *editor) refused(p frame.Page, err error) bool {
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid && f.Kind != fault.Conflict && f.Kind != fault.TooLarge {
		return false
	}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		field, _, _ := strings.Cut(trialField(one.Field), "/")
		text := problemText(p, one, e.Value(field))
		switch {
		case field == "group_ids":
			field = "groups"
		case !slices.Contains(fields(), field):
			field = "" // of the whole form
		}
		e.Add(field, text)
	}
	return true
}

// problemText says what is wrong in the reader's language, with what the field asks for.
func problemText(p frame.Page, f *fault.Error, value string) string {
	field, _, _ := strings.Cut(trialField(f.Field), "/")
	if key := "campaigns.wrong." + field; f.Code == campaign.CodeValue && p.Has(key) {
		return p.T(key)
	}
	if key := "campaigns.problem." + f.Code; p.Has(key) {
		return p.T(key, "detail", f.Detail)
	}
	return p.FaultText(f, frame.Shorten(value, 80))
}

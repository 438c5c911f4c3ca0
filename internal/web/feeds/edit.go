package feeds

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/tracking"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
)

// groupBox is a group that can be chosen.
type groupBox struct {
	audience.Group
	approval audience.ApprovalState
	chosen   bool
}

// editor is the form of a feed.
type editor struct {
	frame.Form
	feed.Feed
	groups    []groupBox
	templates []frame.Option
	shown     *feed.Shown // what a look now would send; nil: nobody asked
}

func fields() []string {
	return []string{"name", "url", "from", "reply_to", "subject", "source", "template", "html", "most", "every", "hour", "weekday", "day", "send", "tracking", "revision"}
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e := editor{Form: frame.Form{Values: map[string]string{"subject": "{{feed_title}}", "source": "brand", "most": "10", "every": string(feed.Weekly), "hour": "9", "weekday": "1", "day": "1", "send": "draft"}}}
	return c.form(w, r, p, http.StatusOK, e)
}

func (c Config) showEdit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.find(r, p)
	if err != nil {
		return err
	}
	e := editor{Feed: f, Form: frame.Form{Values: map[string]string{"name": f.Name, "url": f.URL, "from": f.From, "reply_to": f.ReplyTo, "subject": f.Subject, "source": "brand", "template": f.Template, "html": f.HTML,
		"most": strconv.Itoa(f.Most), "every": string(f.Schedule.Every), "hour": strconv.Itoa(f.Schedule.Hour), "weekday": strconv.Itoa(int(f.Schedule.Weekday)), "day": strconv.Itoa(max(f.Schedule.Day, 1)), "send": "draft",
		"tracking": f.Tracking.String(), "revision": strconv.FormatInt(f.Revision, 10)}}}
	switch {
	case f.Template != "":
		e.Values["source"] = "template"
	case f.HTML != "":
		e.Values["source"] = "html"
	}
	if f.Send {
		e.Values["send"] = "send"
	}
	if p.Done("wrong") != "" {
		if err := c.Feeds.Check(r.Context(), f); err != nil && !e.refused(p, err) {
			return err
		}
	}
	return c.form(w, r, p, http.StatusOK, e)
}

// groupBoxes are all groups of the account, those of the list chosen.
func (c Config) groupBoxes(r *http.Request, p frame.Page, chosen []audience.GroupID) ([]groupBox, error) {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	ids := make([]audience.GroupID, len(found))
	for i, g := range found {
		ids[i] = g.ID
	}
	states, err := audience.ApprovalsOf(r.Context(), c.Approvals, p.Tenant(), ids)
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	list := make([]groupBox, len(found))
	for i, g := range found {
		list[i] = groupBox{g, states[g.ID].State, slices.Contains(chosen, g.ID)}
	}
	return list, nil
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e editor) (err error) {
	if e.groups, err = c.groupBoxes(r, p, e.Groups); err != nil {
		return err
	}
	list, err := c.Templates.Templates(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list templates: %w", err)
	}
	e.templates = options(list, e.Value("template"))
	p.Room, p.Title = room, p.T("feeds.new")
	if !e.ID.IsZero() {
		p.Title = p.T("feeds.edit.title", "name", e.Feed.Name)
	}
	blockform.Framing(w)
	return p.Render(w, r, status, formPage(p, e))
}

// options are templates to choose from. One that is named in another way, or gone, stays.
func options(list []stationery.Template, chosen string) (o []frame.Option) {
	known := chosen == ""
	for _, t := range list {
		if !t.Part {
			o = append(o, frame.Option{Value: t.ID.String(), Text: t.Name})
			known = known || chosen == t.ID.String()
		}
	}
	if !known {
		o = append(o, frame.Option{Value: chosen, Text: chosen})
	}
	return o
}

// written reads the form over the feed of the path, if there is one.
func (c Config) written(w http.ResponseWriter, r *http.Request, p frame.Page) (editor, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return editor{}, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	e := editor{Form: frame.Form{Values: map[string]string{}}}
	if r.PathValue("id") != "" {
		var err error
		if e.Feed, err = c.find(r, p); err != nil {
			return e, err
		}
	}
	for _, name := range fields() {
		e.Values[name] = strings.ReplaceAll(strings.ToValidUTF8(r.PostForm.Get(name), ""), "\r\n", "\n")
	}
	old := e.URL
	e.read(p, r.PostForm["groups"])
	e.Primed = e.Primed && strings.TrimSpace(e.URL) == old // at another address it begins anew
	return e, nil
}

// read fills the feed from the form.
func (e *editor) read(p frame.Page, groups []string) {
	f, v := &e.Feed, e.Form
	f.Name, f.URL, f.From, f.ReplyTo, f.Subject = v.Value("name"), v.Value("url"), strings.TrimSpace(v.Value("from")), strings.TrimSpace(v.Value("reply_to")), v.Value("subject")
	f.Template, f.HTML = "", ""
	switch v.Value("source") {
	case "template":
		if f.Template = v.Value("template"); f.Template == "" {
			e.Add("template", p.T("feeds.wrong.template"))
		}
	case "html":
		if f.HTML = v.Value("html"); strings.TrimSpace(f.HTML) == "" {
			e.Add("html", p.T("feeds.wrong.html"))
		}
	}
	f.Most = whole(v.Value("most"))
	f.Schedule = feed.Schedule{Every: feed.Every(v.Value("every")), Hour: whole(v.Value("hour")), Weekday: time.Weekday(whole(v.Value("weekday"))), Day: whole(v.Value("day"))}
	f.Send = v.Value("send") == "send"
	var err error
	if f.Tracking, err = tracking.ParseLevel(v.Value("tracking")); err != nil {
		e.Add("tracking", p.FaultText(fault.As(err), v.Value("tracking")))
	}
	f.Groups = nil
	for _, text := range groups {
		if g, err := id.Parse[audience.GroupKind](text); err == nil && len(f.Groups) < campaign.MaxGroups {
			f.Groups = append(f.Groups, g)
		}
	}
}

// whole is a number as it was written; -1 for what is none.
func whole(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return -1
	}
	return n
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := c.written(w, r, p)
	if err != nil {
		return err
	}
	if e.Valid() {
		made, err := c.Feeds.Create(r.Context(), principal(p), e.Feed)
		if err == nil {
			frame.Redirect(w, r, feed.Path(made.ID), "created")
			return nil
		}
		if !e.refused(p, err) {
			return err
		}
	}
	return c.form(w, r, p, http.StatusUnprocessableEntity, e)
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := c.written(w, r, p)
	if err != nil {
		return err
	}
	if e.Valid() {
		written := e.Feed
		_, err := c.Feeds.Change(r.Context(), principal(p), e.ID, int64(whole(e.Value("revision"))), func(f *feed.Feed) error {
			written.Paused = f.Paused
			f.Name, f.URL, f.Groups, f.From, f.ReplyTo, f.Subject = written.Name, written.URL, written.Groups, written.From, written.ReplyTo, written.Subject
			f.Template, f.HTML, f.Most, f.Schedule, f.Send, f.Tracking = written.Template, written.HTML, written.Most, written.Schedule, written.Send, written.Tracking
			return nil
		})
		if err == nil {
			frame.Redirect(w, r, feed.Path(e.ID), "saved")
			return nil
		}
		if !e.refused(p, err) {
			return err
		}
		// Whoever saves again has seen that somebody else did.
		e.Values["revision"] = strconv.FormatInt(e.Revision, 10)
	}
	return c.form(w, r, p, http.StatusUnprocessableEntity, e)
}

// preview shows with the form what a look now would send. Nothing is kept.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := c.written(w, r, p)
	if err != nil {
		return err
	}
	status := http.StatusUnprocessableEntity
	if e.Valid() {
		shown, err := c.Feeds.PreviewDraft(r.Context(), principal(p), e.Feed)
		if err == nil {
			e.shown, status = &shown, http.StatusOK
		} else if !e.refused(p, err) {
			return err
		}
	}
	return c.form(w, r, p, status, e)
}

// draw is the mail of a preview as a page, for a frame of its own.
func (c Config) draw(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := c.written(w, r, p)
	if err != nil {
		return err
	}
	if !e.Valid() {
		return blockform.Write(w, blockform.NotYet(p, fault.New(fault.Invalid, feed.CodeValue, "The form is not complete.")))
	}
	shown, err := c.Feeds.PreviewDraft(r.Context(), principal(p), e.Feed)
	if f := fault.As(err); f != nil {
		return blockform.Write(w, blockform.NotYet(p, f))
	}
	if err != nil {
		return fmt.Errorf("preview feed: %w", err)
	}
	mail, err := c.Mailings.Show(shown.Mailing, nil)
	if f := fault.As(err); f != nil {
		return blockform.Write(w, blockform.NotYet(p, f))
	}
	if err != nil {
		return fmt.Errorf("preview feed: %w", err)
	}
	return blockform.Write(w, blockform.Seen("desktop", mail))
}

// refused notes what is wrong at its field; false for what is no refusal.
func (e *editor) refused(p frame.Page, err error) bool {
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid && f.Kind != fault.Conflict && f.Kind != fault.TooLarge && f.Kind != fault.Limited {
		return false
	}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		field, _, _ := strings.Cut(one.Field, "/")
		if rest, ok := strings.CutPrefix(one.Field, "schedule/"); ok {
			field = rest
		}
		text := p.FaultText(one, e.Value(field))
		if key := "feeds.wrong." + field; one.Code == feed.CodeValue && p.Has(key) {
			text = p.T(key)
		}
		switch {
		case field == "group_ids":
			field = "groups"
		case field == "html" && e.Value("source") != "html":
			field = "source"
		case !slices.Contains(fields(), field):
			field = "" // of the whole form
		}
		e.Add(field, text)
	}
	return true
}

package campaigns

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// Templates are those that a mailing can be made of; *stationery.Service has them.
type Templates interface {
	Templates(ctx context.Context, t tenant.ID) ([]stationery.Template, error)
	Template(ctx context.Context, t tenant.ID, which stationery.ID) (stationery.Template, error)
	Latest(ctx context.Context, t stationery.Template, lang string) (stationery.Version, error)
	Brand(ctx context.Context, t tenant.ID) (blocks.Brand, error)
	Logo(ctx context.Context, t tenant.ID) (stationery.Logo, error)
}

// modeTemplate is the way of writing that takes a template as it is; the others are those of
// package stationery.
const modeTemplate = "template"

// modes are the ways to write a mailing, in the order of the form.
func modes() []string {
	return []string{string(stationery.Blocks), modeTemplate, string(stationery.MJML), string(stationery.HTML)}
}

// editor is the form of a campaign.
type editor struct {
	frame.Form
	campaign.Campaign
	groups    []option
	variables []string
	templates []frame.Option
	mode      string
	document  blocks.Document // of mode blocks
	chosen    int             // see blockform.Editor
	undo      string          // see blockform.Editor
	pictures  []blockform.Picture
	brand     blocks.Brand // of mode blocks
	unsaved   bool
	providers []frame.Option // that can be bounded
	levels    letterform.Levels
}

func fields() []string {
	return append([]string{"name", "from", "reply_to", "subject", "preview", "html", "text", "template", "tracking", "per_hour"}, trialFields()...)
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e := editor{Form: frame.Form{Values: map[string]string{}}, mode: string(stationery.Blocks), chosen: -1, providers: c.providers()}
	if g, err := id.Parse[audience.GroupKind](r.URL.Query().Get("group")); err == nil {
		e.Groups = []audience.GroupID{g}
	}
	e.start(p)
	return c.form(w, r, p, http.StatusOK, e)
}

// start puts in what a mailing of the mode begins with.
func (e *editor) start(p frame.Page) {
	e.document = blockform.Begin(p, e.mode, e.Values)
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
	e := editor{Campaign: v, mode: string(stationery.HTML), chosen: -1, providers: c.providersOf(p, v), Form: frame.Form{Values: map[string]string{"name": v.Name, "from": v.Letter.From, "reply_to": v.Letter.ReplyTo, "subject": v.Letter.Subject,
		"html": v.Letter.HTML, "text": v.Letter.Written(), "tracking": v.Letter.Tracking.String(), "revision": strconv.FormatInt(v.Revision, 10)}}}
	if m := v.Letter.Made; m != nil && m.Source != nil {
		e.mode = string(m.Source.Mode)
		e.Values["html"], e.Values["preview"] = m.Source.Markup, m.Source.Preview
		if m.Source.Blocks != nil {
			e.document = *m.Source.Blocks
			blockform.Fill(e.Values, &e.document)
		}
	} else if m != nil {
		e.mode, e.Values["template"] = modeTemplate, m.Template+"/"+m.Lang
	}
	if v.PerHour > 0 {
		e.Values["per_hour"] = strconv.Itoa(v.PerHour)
	}
	e.showRates()
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
	if !e.levels.Known {
		if e.levels, err = letterform.LevelsOf(r.Context(), c.Tracking, p.Tenant(), e.Letter.Tracking); err != nil {
			return err
		}
	}
	if e.mode == string(stationery.Blocks) && e.pictures == nil {
		if e.pictures, err = blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant()); err != nil {
			return err
		}
	}
	if e.brand, err = c.Templates.Brand(r.Context(), p.Tenant()); err != nil {
		return err
	}
	list, err := c.Templates.Templates(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	for _, t := range list {
		for _, lang := range t.Langs {
			if !t.Part {
				e.templates = append(e.templates, frame.Option{Value: t.ID.String() + "/" + lang, Text: t.Name + " (" + lang + ")"})
			}
		}
	}
	p.Room, p.Title = room, p.T("campaigns.new")
	if !e.ID.IsZero() {
		p.Title = p.T("campaigns.edit.title", "name", e.Campaign.Name)
	}
	blockform.Framing(w)
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

// written reads the form of the editor.
func (c Config) written(w http.ResponseWriter, r *http.Request, p frame.Page, v campaign.Campaign) (editor, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return editor{}, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	e := editor{Campaign: v, mode: r.PostForm.Get("mode"), chosen: -1, unsaved: true, providers: c.providersOf(p, v), Form: frame.Form{Values: map[string]string{}}}
	if !slices.Contains(modes(), e.mode) {
		e.mode = string(stationery.HTML)
	}
	var err error
	if e.levels, err = letterform.LevelsOf(r.Context(), c.Tracking, p.Tenant(), v.Letter.Tracking); err != nil {
		return e, err
	}
	for _, name := range fields() {
		e.Values[name] = strings.ReplaceAll(strings.ToValidUTF8(r.PostForm.Get(name), ""), "\r\n", "\n")
	}
	for _, one := range e.providers {
		e.Values[rateField(one.Value)] = frame.Shorten(r.PostForm.Get(rateField(one.Value)), 20)
	}
	e.Values["revision"] = frame.Shorten(r.PostForm.Get("revision"), 20)
	e.Values["view"] = frame.Shorten(r.PostForm.Get("view"), 20)
	if e.mode == string(stationery.Blocks) {
		e.document = blockform.Read(r.PostForm)
		if e.pictures, err = blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant()); err != nil {
			return e, err
		}
		blockform.Pick(r.PostForm, &e.document, e.pictures)
	}
	e.read(p, r.PostForm["groups"])
	blockform.Fill(e.Values, &e.document)
	return e, nil
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page, v campaign.Campaign) error {
	e, err := c.written(w, r, p, v)
	if err != nil {
		return err
	}
	if do := r.PostForm.Get("do"); do != "" && do != "save" {
		if err := c.rearrange(r, p, &e, do); err != nil {
			return err
		}
		return c.form(w, r, p, http.StatusOK, e)
	}
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

// rearrange does what a button of the form says that does not save.
func (c Config) rearrange(r *http.Request, p frame.Page, e *editor, do string) error {
	mode, switched := strings.CutPrefix(do, "mode/")
	switch {
	case switched && slices.Contains(modes(), mode) && mode != e.mode:
		return c.switchTo(r, p, e, mode)
	case e.mode == string(stationery.Blocks):
		e.chosen, e.undo = blockform.Do(r.PostForm, &e.document)
		blockform.Fill(e.Values, &e.document)
	}
	return nil
}

// switchTo changes the way of writing. Blocks and MJML of a template are what one's own begin
// with.
func (c Config) switchTo(r *http.Request, p frame.Page, e *editor, mode string) error {
	was := e.Letter.Made
	e.mode = mode
	e.Values["html"], e.Values["text"] = "", ""
	e.start(p)
	if was == nil || was.Template == "" {
		return nil
	}
	number, err := id.Parse[stationery.Kind](was.Template)
	if err != nil {
		return nil //nolint:nilerr // nothing was chosen
	}
	t, err := c.Templates.Template(r.Context(), p.Tenant(), number)
	if fault.IsKind(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := c.Templates.Latest(r.Context(), t, was.Lang)
	if err != nil {
		return err
	}
	if e.Values["subject"] == "" {
		e.Values["subject"] = v.Source.Subject
	}
	switch {
	case mode == string(stationery.HTML):
		e.Values["html"], e.Values["text"] = v.HTML, v.Text
	case string(v.Source.Mode) != mode:
	case v.Source.Blocks != nil:
		e.document, e.Values["preview"] = *v.Source.Blocks, v.Source.Preview
		blockform.Fill(e.Values, &e.document)
	default:
		e.Values["html"] = v.Source.Markup
	}
	return nil
}

func (c Config) put(r *http.Request, p frame.Page, v campaign.Campaign) (campaign.Campaign, error) {
	if v.ID.IsZero() {
		return c.Campaigns.Create(r.Context(), principal(p), v)
	}
	return c.Campaigns.Change(r.Context(), principal(p), v)
}

// autosaved is the answer to a script that saves while somebody writes.
type autosaved struct {
	Revision int64  `json:"revision,omitempty"`
	Clash    bool   `json:"clash,omitempty"` // another window or person saved meanwhile
	Wrong    string `json:"wrong,omitempty"` // what keeps it from being saved as it stands
}

// autosave keeps the form as it stands, unless somebody else saved since it was opened.
func (c Config) autosave(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	e, err := c.written(w, r, p, v)
	if err != nil {
		return err
	}
	var said autosaved
	if e.Valid() {
		changed, err := c.put(r, p, e.Campaign)
		f := fault.As(err)
		switch {
		case err == nil:
			said.Revision = changed.Revision
		case f != nil && f.Code == campaign.CodeState:
			said.Clash = true
		case !e.refused(p, err):
			return err
		}
	}
	if !e.Valid() {
		said.Wrong = p.T("campaigns.autosave.wrong", "n", e.Count())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(said)
}

// read fills the campaign from the form.
func (e *editor) read(p frame.Page, groups []string) {
	v := &e.Campaign
	v.Name = strings.TrimSpace(e.Value("name"))
	v.Letter = campaign.Letter{From: strings.TrimSpace(e.Value("from")), ReplyTo: strings.TrimSpace(e.Value("reply_to")), Subject: strings.TrimSpace(e.Value("subject")), Text: e.Value("text")}
	e.readContent(&v.Letter)
	v.Revision, _ = strconv.ParseInt(e.Value("revision"), 10, 64) // what is none is no revision
	v.Letter.Tracking = e.levels.Read(p, &e.Form)
	e.readTrial(p)
	e.readRates(p)
	v.PerHour = 0
	if text := strings.TrimSpace(e.Value("per_hour")); text != "" {
		var err error
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

func (e *editor) readContent(l *campaign.Letter) {
	switch stationery.Mode(e.mode) {
	case stationery.Blocks:
		d := e.document
		l.Made = &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Preview: strings.TrimSpace(e.Value("preview")), Blocks: &d}}
	case stationery.MJML:
		l.Made = &campaign.Made{Source: &stationery.Source{Mode: stationery.MJML, Markup: e.Value("html")}}
	case stationery.HTML:
		l.HTML = e.Value("html")
	default:
		l.Text = ""
		if which, lang, _ := strings.Cut(e.Value("template"), "/"); which != "" {
			l.Made = &campaign.Made{Template: which, Lang: lang}
		}
	}
}

// preview draws the form as it stands, without keeping it.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := campaign.Campaign{}
	if r.PathValue("id") != "" {
		var err error
		if v, err = c.find(r, p); err != nil {
			return err
		}
	}
	e, err := c.written(w, r, p, v)
	if err != nil {
		return err
	}
	e.Tenant = p.Tenant()
	return blockform.Draw(w, r, p, c.Book, func(person *audience.Contact) (stationery.Rendered, error) {
		return c.Campaigns.Draw(r.Context(), e.Campaign, person)
	})
}

func (c Config) savedPreview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	return blockform.Draw(w, r, p, c.Book, func(person *audience.Contact) (stationery.Rendered, error) { return c.Campaigns.Show(v, person) })
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
		case strings.HasPrefix(one.Field, "blocks/"):
			field = one.Field
		case field == "mjml":
			field = "html"
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
	if field == "mjml" || field == "blocks" {
		return blockform.Sentence(p, f)
	}
	return p.FaultText(f, frame.Shorten(value, 80))
}

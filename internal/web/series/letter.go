package series

import (
	"net/http"
	"slices"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/series"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tracking"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// The ways to come to a letter beside those of package stationery: a template as it is, the
// letter of a mailing, and a letter of a template that stays in its version.
const (
	ofTemplate = "template"
	ofMailing  = "mailing"
	keep       = "keep"
)

// letterForm is what the form of a step that sends has besides.
type letterForm struct {
	source    string          // the way of writing
	document  blocks.Document // of source blocks
	chosen    int             // see blockform.Editor
	undo      string          // see blockform.Editor
	pictures  []blockform.Picture
	brand     blocks.Brand
	unsaved   bool
	levels    letterform.Levels
	variables []string
}

// sources are the ways to come to the letter, in the order of the form.
func (f stepForm) sources() []string {
	list := []string{string(stationery.Blocks), ofTemplate, ofMailing, string(stationery.MJML), string(stationery.HTML)}
	if l := f.step.Letter; l != nil && l.Made != nil && l.Made.Template != "" {
		list = append([]string{keep}, list...)
	}
	return list
}

// fillLetter puts the letter of the step into the form; a new one begins with blocks.
func (f *stepForm) fillLetter(p frame.Page) {
	f.source, f.chosen = string(stationery.Blocks), -1
	l := f.step.Letter
	if l == nil {
		f.begin(p)
		return
	}
	v := f.Values
	v["from"], v["reply_to"], v["subject"], v["tracking"] = l.From, l.ReplyTo, l.Subject, l.Tracking.String()
	switch m := l.Made; {
	case m != nil && m.Template != "":
		f.source = keep
	case m != nil && m.Source != nil:
		f.source = string(m.Source.Mode)
		v["html"], v["text"], v["preview"] = m.Source.Markup, l.Written(), m.Source.Preview
		if m.Source.Blocks != nil {
			f.document = *m.Source.Blocks
			blockform.Fill(v, &f.document)
		}
	case l.HTML+l.Text != "":
		f.source, v["html"], v["text"] = string(stationery.HTML), l.HTML, l.Text
	default:
		f.begin(p)
	}
}

// begin puts in what a letter of the source begins with.
func (f *stepForm) begin(p frame.Page) { f.document = blockform.Begin(p, f.source, f.Values) }

// written reads the form of a letter; what is no form of one is left alone.
func (c Config) written(r *http.Request, p frame.Page, f *stepForm) error {
	post := r.PostForm
	if f.source = post.Get("source"); !slices.Contains(f.sources(), f.source) {
		f.source = ofTemplate
	}
	f.chosen, f.unsaved = -1, true
	for _, name := range []string{"html", "text", "preview", "subject"} {
		f.Values[name] = strings.ReplaceAll(strings.ToValidUTF8(f.Values[name], ""), "\r\n", "\n")
	}
	if f.source != string(stationery.Blocks) {
		return nil
	}
	f.document = blockform.Read(post)
	var err error
	if f.pictures, err = blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant()); err != nil {
		return err
	}
	blockform.Pick(post, &f.document, f.pictures)
	blockform.Fill(f.Values, &f.document)
	return nil
}

// rearrange does what a button of the letter says that does not save; false for one that does.
func (f *stepForm) rearrange(r *http.Request, p frame.Page) bool {
	do := r.PostForm.Get("do")
	source, switched := strings.CutPrefix(do, "source/")
	switch {
	case do == "" || do == "save" || slices.Contains(series.Does(), series.Do(do)):
		return false
	case switched && slices.Contains(f.sources(), source) && source != f.source:
		f.source = source
		f.Values["html"], f.Values["text"] = "", ""
		f.begin(p)
	case f.source == string(stationery.Blocks):
		f.chosen, f.undo = blockform.Do(r.PostForm, &f.document)
		blockform.Fill(f.Values, &f.document)
	}
	return true
}

// readLetter takes the form over the letter of the step.
func (c Config) readLetter(r *http.Request, p frame.Page, f *stepForm) error {
	old := f.step.Letter
	l := campaign.Letter{From: strings.TrimSpace(f.Value("from")), ReplyTo: strings.TrimSpace(f.Value("reply_to")), Subject: strings.TrimSpace(f.Value("subject"))}
	l.Tracking = f.levels.Read(p, &f.Form)
	switch f.source {
	case keep:
		l.HTML, l.Text, l.Made = old.HTML, old.Written(), old.Made
	case ofMailing:
		ok, err := c.take(r, p, f, &l)
		if !ok || err != nil {
			return err
		}
	case string(stationery.Blocks):
		d := f.document
		l.Text, l.Made = f.Value("text"), &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Preview: strings.TrimSpace(f.Value("preview")), Blocks: &d}}
	case string(stationery.MJML):
		l.Text, l.Made = f.Value("text"), &campaign.Made{Source: &stationery.Source{Mode: stationery.MJML, Markup: f.Value("html")}}
	case string(stationery.HTML):
		l.HTML, l.Text = f.Value("html"), f.Value("text")
	default:
		if f.Value("template") == "" {
			f.Add("template", p.T("series.wrong.template"))
			return nil
		}
		l.Made = &campaign.Made{Template: f.Value("template")}
	}
	f.step.Letter, f.step.Form = &l, campaign.ID{}
	return nil
}

// take makes l the letter of a mailing, under its own sender and subject where it has them;
// false if the form names no mailing.
func (c Config) take(r *http.Request, p frame.Page, f *stepForm, l *campaign.Letter) (bool, error) {
	number, err := id.Parse[campaign.Kind](f.Value("mailing"))
	if err != nil {
		f.Add("mailing", p.T("series.wrong.mailing"))
		return false, nil //nolint:nilerr // the form says so
	}
	m, err := c.Mailings.Campaign(r.Context(), p.Tenant(), number)
	if fault.IsKind(err, fault.NotFound) {
		f.Add("mailing", p.T("series.wrong.mailing"))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l.HTML, l.Text, l.Made = m.Letter.HTML, m.Letter.Written(), m.Letter.Made
	if l.Tracking == tracking.Unset && f.levels.Offers(m.Letter.Tracking) {
		l.Tracking = m.Letter.Tracking
	}
	if l.From == "" {
		l.From, l.ReplyTo = m.Letter.From, m.Letter.ReplyTo
	}
	if l.Subject == "" {
		l.Subject = m.Letter.Subject
	}
	return true, nil
}

// limits reads how much the form may ask to be told.
func (c Config) limits(r *http.Request, p frame.Page, f *stepForm) (err error) {
	kept := tracking.Unset
	if f.step.Letter != nil {
		kept = f.step.Letter.Tracking
	}
	f.levels, err = letterform.LevelsOf(r.Context(), c.Tracking, p.Tenant(), kept)
	return err
}

// choices are what the form of a letter offers.
func (c Config) choices(r *http.Request, p frame.Page, f *stepForm) error {
	list, err := c.Templates.Templates(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	for _, t := range list {
		if !t.Part {
			f.templates = append(f.templates, frame.Option{Value: t.ID.String(), Text: t.Name})
		}
	}
	mailings, _, err := c.Mailings.Campaigns(r.Context(), p.Tenant(), campaign.ID{}, 50)
	if err != nil {
		return err
	}
	for _, m := range mailings {
		f.mailings = append(f.mailings, frame.Option{Value: m.ID.String(), Text: m.Name})
	}
	if !f.levels.Known {
		if err := c.limits(r, p, f); err != nil {
			return err
		}
	}
	if f.variables, err = c.Mailings.Variables(r.Context(), p.Tenant()); err != nil {
		return err
	}
	if f.brand, err = c.Templates.Brand(r.Context(), p.Tenant()); err != nil {
		return err
	}
	if f.source == string(stationery.Blocks) && f.pictures == nil {
		f.pictures, err = blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant())
	}
	return err
}

// previewStep draws the letter as it stands in the form, without keeping it.
func (c Config) previewStep(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.posted(w, r, p)
	if err != nil {
		return err
	}
	if f.step.Do != series.Send {
		return fault.New(fault.NotFound, series.CodeNotFound, "This step sends nothing.")
	}
	if err := c.readLetter(r, p, &f); err != nil {
		return err
	}
	if !f.Valid() || f.step.Letter == nil { // nothing is chosen yet
		return blockform.Write(w, blockform.Nothing(p))
	}
	of := campaign.Campaign{Tenant: p.Tenant(), Groups: []audience.GroupID{f.Group}, Letter: *f.step.Letter, Events: f.Definition.Trigger.On == series.Event}
	return blockform.Draw(w, r, p, c.Book, func(person *audience.Contact) (stationery.Rendered, error) {
		return c.Mailings.Draw(r.Context(), of, person)
	})
}

package templates

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
)

// maxForm bounds the form of the editor.
const maxForm = 2 << 20

// editor is the page of one template in one language. What is on it may not be saved
// yet: it lives in the form.
type editor struct {
	stationery.Template
	lang     string
	source   stationery.Source
	form     frame.Form
	unsaved  bool
	chosen   int    // see blockform.Editor
	undo     string // see blockform.Editor
	findings []stationery.Finding
	vars     []string
	pictures []blockform.Picture
	brand    blocks.Brand // of mode blocks
}

// filled are the values of a form that shows a source.
func filled(t stationery.Template, src stationery.Source) map[string]string {
	v := map[string]string{"name": t.Name, "subject": src.Subject, "preview": src.Preview, "text": src.Text, "markup": src.Markup}
	blockform.Fill(v, src.Blocks)
	return v
}

// draft reads the form of the editor, with what was chosen from the library.
func (c Config) draft(r *http.Request, p frame.Page, t stationery.Template) (stationery.Draft, error) {
	d := written(t, r.PostForm)
	if d.Source.Blocks == nil {
		return d, nil
	}
	library, err := blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant())
	if err != nil {
		return d, err
	}
	blockform.Pick(r.PostForm, d.Source.Blocks, library)
	return d, nil
}

// written is the form of the editor. Mode and language are those it was opened with.
func written(t stationery.Template, form url.Values) stationery.Draft {
	src := stationery.Source{Mode: stationery.Mode(form.Get("mode")), Subject: strings.TrimSpace(form.Get("subject")), Preview: strings.TrimSpace(form.Get("preview")),
		Text: strings.ReplaceAll(form.Get("text"), "\r\n", "\n")}
	if !slices.Contains(stationery.Modes(), src.Mode) {
		src.Mode = stationery.HTML
	}
	if src.Mode == stationery.Blocks {
		d := blockform.Read(form)
		src.Blocks = &d
	} else {
		src.Markup = strings.ReplaceAll(form.Get("markup"), "\r\n", "\n")
	}
	return stationery.Draft{Name: strings.TrimSpace(form.Get("name")), Part: t.Part, Lang: form.Get("lang"), Source: src}
}

func (c Config) edit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	lang := r.URL.Query().Get("lang")
	v, err := c.Templates.Latest(r.Context(), t, lang)
	if err != nil {
		return err
	}
	e := editor{Template: t, lang: v.Lang, source: v.Source, chosen: -1, vars: v.Variables}
	// Another language begins with what the first one says.
	if wanted := strings.TrimSpace(lang); wanted != "" && len(wanted) <= 8 {
		e.lang, e.unsaved = wanted, wanted != v.Lang
	}
	mail, err := c.Templates.Fill(r.Context(), p.Tenant(), v, stationery.Sample(v.Variables), false)
	if err != nil {
		return fmt.Errorf("check template: %w", err)
	}
	brand, err := c.Templates.Brand(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	if !t.Part {
		e.findings = stationery.Check(v, mail, brand)
	}
	e.form.Values = filled(t, v.Source)
	return c.editPage(w, r, p, http.StatusOK, e)
}

func (c Config) editPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e editor) error {
	if e.source.Blocks != nil {
		var err error
		if e.pictures, err = blockform.PicturesOf(r.Context(), c.Pictures, p.Tenant()); err != nil {
			return err
		}
		if e.brand, err = c.Templates.Brand(r.Context(), p.Tenant()); err != nil {
			return err
		}
	}
	p.Room, p.Title = room, p.T("templates.edit.title", "name", e.Name)
	blockform.Framing(w)
	return p.Render(w, r, status, editPage(p, e))
}

func parse(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	return nil
}

// change saves the form, or does to its blocks what the button says and shows it again:
// until it is saved, what is written lives in the form alone.
func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := parse(w, r); err != nil {
		return err
	}
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	d, err := c.draft(r, p, t)
	if err != nil {
		return err
	}
	e := editor{Template: t, lang: cmp.Or(d.Lang, t.Langs[0]), source: d.Source, chosen: -1, unsaved: true}
	if do := r.PostForm.Get("do"); do != "save" && d.Source.Blocks != nil {
		e.chosen, e.undo = blockform.Do(r.PostForm, d.Source.Blocks)
		e.form.Values = filled(t, d.Source)
		e.form.Values["name"] = d.Name
		return c.editPage(w, r, p, http.StatusOK, e)
	}
	from, err := strconv.ParseInt(r.PostForm.Get("version"), 10, 64)
	if err != nil {
		from = 0
	}
	_, v, err := c.Templates.Save(r.Context(), p.Tenant(), t.ID, from, actor(p), d)
	if err == nil {
		http.Redirect(w, r, path(t.ID)+"?lang="+url.QueryEscape(v.Lang)+"&done=saved", http.StatusSeeOther)
		return nil
	}
	e.form.Values = filled(t, d.Source)
	e.form.Values["name"] = d.Name
	if !refused(p, &e.form, err) {
		return fmt.Errorf("save template: %w", err)
	}
	return c.editPage(w, r, p, http.StatusUnprocessableEntity, e)
}

// refused puts a refusal at the fields of the form, with the line where it has one.
func refused(p frame.Page, f *frame.Form, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind == fault.NotFound || e.Kind == fault.Unavailable {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field := one.Field
		switch field {
		case "html", "mjml", "mode":
			field = "markup"
		case "blocks", "language":
			field = ""
		}
		f.Add(field, blockform.Sentence(p, one))
	}
	return true
}

// contactOf is the data of a contact, as mailings fill them in; nil for none.
func (c Config) contactOf(r *http.Request, p frame.Page, address string) (map[string]any, error) {
	a, err := message.ParseAddress(strings.TrimSpace(address))
	if err != nil {
		return nil, nil //nolint:nilerr // who is no address has no data
	}
	found, ok, err := c.Book.Of(r.Context(), p.Tenant(), a)
	if err != nil || !ok {
		return nil, err
	}
	fields := map[string]any{}
	for k, v := range found.Fields {
		fields[k] = v
	}
	return map[string]any{"salutation": found.Salutation, "given_name": found.GivenName, "family_name": found.FamilyName, "company": found.Company, "phone": found.Phone,
		"locale": found.Locale, "reference": found.Reference, "email": found.Main().String(), "name": found.Name(), "fields": fields}, nil
}

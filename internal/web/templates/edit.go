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
	chosen   int // block that was just added or moved, to be found again; -1: none
	findings []stationery.Finding
	vars     []string
}

// at is the name of a field of a block, as refusals have it.
func at(block int, field string) string { return "blocks/" + strconv.Itoa(block) + "/" + field }

// cellAt is the name of a field of a cell.
func cellAt(block, cell int, field string) string {
	return at(block, "cells/"+strconv.Itoa(cell)+"/"+field)
}

// cellsShown is how many cells the form has for a block: those that are filled and one
// more, as far as there may be.
func cellsShown(b blocks.Block) int {
	switch b.Kind {
	case blocks.Columns:
		return min(max(len(b.Cells)+1, 2), 3)
	case blocks.Social:
		return min(len(b.Cells)+1, blocks.MaxCells)
	}
	return 0
}

// taken reads the document of a form.
func taken(form url.Values) blocks.Document {
	d := blocks.Document{Version: blocks.Current}
	get := func(name string) string { return strings.TrimSpace(strings.ReplaceAll(form.Get(name), "\r\n", "\n")) }
	for i := range blocks.MaxBlocks {
		kind := form.Get(at(i, "kind"))
		if kind == "" {
			break
		}
		cell := func(name func(field string) string) blocks.Cell {
			return blocks.Cell{Title: get(name("title")), Text: get(name("text")), Picture: get(name("picture")), Alt: get(name("alt")), Label: get(name("label")), URL: get(name("url"))}
		}
		b := blocks.Block{Kind: blocks.Kind(kind), Cell: cell(func(f string) string { return at(i, f) }), Price: get(at(i, "price"))}
		for j := range blocks.MaxCells {
			if c := cell(func(f string) string { return cellAt(i, j, f) }); c != (blocks.Cell{}) {
				b.Cells = append(b.Cells, c)
			}
		}
		d.Blocks = append(d.Blocks, b)
	}
	return d
}

// filled are the values of a form that shows a source.
func filled(t stationery.Template, src stationery.Source) map[string]string {
	v := map[string]string{"name": t.Name, "subject": src.Subject, "preview": src.Preview, "text": src.Text, "markup": src.Markup}
	if src.Blocks == nil {
		return v
	}
	put := func(c blocks.Cell, name func(string) string) {
		for field, s := range map[string]string{"title": c.Title, "text": c.Text, "picture": c.Picture, "alt": c.Alt, "label": c.Label, "url": c.URL} {
			v[name(field)] = s
		}
	}
	for i, b := range src.Blocks.Blocks {
		put(b.Cell, func(f string) string { return at(i, f) })
		v[at(i, "price")] = b.Price
		for j, c := range b.Cells {
			put(c, func(f string) string { return cellAt(i, j, f) })
		}
	}
	return v
}

// draft reads the form of the editor. Mode and language are those it was opened with.
func draft(t stationery.Template, form url.Values) stationery.Draft {
	src := stationery.Source{Mode: stationery.Mode(form.Get("mode")), Subject: strings.TrimSpace(form.Get("subject")), Preview: strings.TrimSpace(form.Get("preview")),
		Text: strings.ReplaceAll(form.Get("text"), "\r\n", "\n")}
	if !slices.Contains(stationery.Modes(), src.Mode) {
		src.Mode = stationery.HTML
	}
	if src.Mode == stationery.Blocks {
		d := taken(form)
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
	p.Room, p.Title = room, p.T("templates.edit.title", "name", e.Name)
	// The preview is a page of this origin, whatever host shows the content of mails.
	h := w.Header()
	if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src 'self'") {
		h.Set("Content-Security-Policy", strings.Replace(policy, "frame-src ", "frame-src 'self' ", 1))
	}
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
	d := draft(t, r.PostForm)
	e := editor{Template: t, lang: cmp.Or(d.Lang, t.Langs[0]), source: d.Source, chosen: -1, unsaved: true}
	if do := r.PostForm.Get("do"); do != "save" && d.Source.Blocks != nil {
		e.chosen = arrange(d.Source.Blocks, do, r.PostForm.Get("add"))
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

// arrange does what a button says to a list of blocks, and returns where the block is
// that it was about.
func arrange(d *blocks.Document, do, add string) int {
	verb, number, _ := strings.Cut(do, "/")
	i, err := strconv.Atoi(number)
	last := len(d.Blocks) - 1
	if verb == "add" && slices.Contains(blocks.Kinds(), blocks.Kind(add)) && len(d.Blocks) < blocks.MaxBlocks {
		at := len(d.Blocks)
		// The footer stays the last.
		if last >= 0 && d.Blocks[last].Kind == blocks.Footer && blocks.Kind(add) != blocks.Footer {
			at = last
		}
		d.Blocks = slices.Insert(d.Blocks, at, blocks.Block{Kind: blocks.Kind(add)})
		return at
	}
	if err != nil || i < 0 || i > last {
		return -1
	}
	switch {
	case verb == "up" && i > 0:
		d.Blocks[i-1], d.Blocks[i] = d.Blocks[i], d.Blocks[i-1]
		return i - 1
	case verb == "down" && i < last:
		d.Blocks[i+1], d.Blocks[i] = d.Blocks[i], d.Blocks[i+1]
		return i + 1
	case verb == "copy" && len(d.Blocks) < blocks.MaxBlocks:
		d.Blocks = slices.Insert(d.Blocks, i+1, d.Blocks[i])
		return i + 1
	case verb == "drop":
		d.Blocks = slices.Delete(d.Blocks, i, i+1)
		return min(i, len(d.Blocks)-1)
	}
	return -1
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
		f.Add(field, sentence(p, one))
	}
	return true
}

// sentence is a refusal with the line and the words it is about.
func sentence(p frame.Page, one *fault.Error) string {
	text := p.FaultText(one, "")
	if line := lineOf(one); line > 0 {
		text = p.T("templates.line", "line", line, "text", text)
	}
	if what := detailOf(one); what != "" {
		text += " " + what
	}
	return text
}

// contactOf is the data of a contact, as mailings fill them in; nil for none.
func (c Config) contactOf(r *http.Request, p frame.Page, address string) (map[string]any, error) {
	a, err := message.ParseAddress(strings.TrimSpace(address))
	if err != nil {
		return nil, nil
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

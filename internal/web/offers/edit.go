package offers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/offer"
	"stafette/internal/web/frame"
)

// editor is the page on which an offer is written.
type editor struct {
	offer.Offer
	form    frame.Form
	upload  frame.Form
	preview string
	// rows are how many lines of figures, units and links are drawn.
	figures, units, links int
}

func boxName(k offer.BoxKind, what string) string { return "box_" + string(k) + "_" + what }

func at(list string, i int, name string) string { return list + "/" + strconv.Itoa(i) + "/" + name }

// formOf is a content as its form shows it. Inputs have the names by which refusals call
// their fields.
func formOf(p frame.Page, c offer.Content) frame.Form {
	v := map[string]string{
		"title": c.Title, "lead": c.Lead, "text": c.Text, "from": c.From, "contact/name": c.Contact.Name, "contact/phone": c.Contact.Phone, "contact/email": c.Contact.Email,
		"legal/notice": c.Legal.Notice, "legal/terms": c.Legal.Terms, "legal/privacy": c.Legal.Privacy,
	}
	on := func(name string, is bool) {
		if is {
			v[name] = "on"
		}
	}
	on("legal/gate", c.Legal.Gate)
	for i, f := range c.Figures {
		v[at("figures", i, "label")], v[at("figures", i, "value")] = f.Label, f.Value
	}
	for i, u := range c.Units {
		v[at("units", i, "id")], v[at("units", i, "name")], v[at("units", i, "price")] = u.ID, u.Name, u.Price
		v[at("units", i, "area")], v[at("units", i, "state")] = u.Area, string(u.State)
	}
	for i, l := range c.Links {
		v[at("links", i, "id")], v[at("links", i, "label")], v[at("links", i, "url")] = l.ID, l.Label, l.URL
	}
	for _, k := range offer.BoxKinds() {
		v[boxName(k, "text")] = p.T("offers.box." + string(k) + ".sample")
	}
	for _, b := range c.Legal.Boxes {
		on(boxName(b.Kind, "on"), true)
		on(boxName(b.Kind, "needed"), b.Needed)
		v[boxName(b.Kind, "text")] = b.Text
	}
	if len(c.Legal.Boxes) == 0 {
		for _, k := range offer.BoxKinds()[:3] {
			on(boxName(k, "needed"), true)
		}
	}
	return frame.Form{Values: v}
}

// taken is the content that was written into the form. Lines without a name are left out.
func taken(form url.Values) offer.Content {
	get := func(name string) string { return strings.TrimSpace(strings.ReplaceAll(form.Get(name), "\r\n", "\n")) }
	c := offer.Content{
		Title: get("title"), Lead: get("lead"), Text: get("text"), From: get("from"),
		Contact: offer.Contact{Name: get("contact/name"), Phone: get("contact/phone"), Email: get("contact/email")},
		Legal:   offer.Legal{Gate: form.Has("legal/gate"), Notice: get("legal/notice"), Terms: get("legal/terms"), Privacy: get("legal/privacy")},
	}
	for i := range offer.MaxFigures + 1 {
		if f := (offer.Figure{Label: get(at("figures", i, "label")), Value: get(at("figures", i, "value"))}); f.Label+f.Value != "" {
			c.Figures = append(c.Figures, f)
		}
	}
	for i := range offer.MaxUnits + blanks {
		u := offer.Unit{ID: get(at("units", i, "id")), Name: get(at("units", i, "name")), Price: get(at("units", i, "price")), Area: get(at("units", i, "area")), State: offer.UnitState(get(at("units", i, "state")))}
		if u.Name+u.Price+u.Area != "" {
			c.Units = append(c.Units, u)
		}
	}
	for i := range offer.MaxLinks + blanks {
		if l := (offer.Link{ID: get(at("links", i, "id")), Label: get(at("links", i, "label")), URL: get(at("links", i, "url"))}); l.Label+l.URL != "" {
			c.Links = append(c.Links, l)
		}
	}
	for _, k := range offer.BoxKinds() {
		if form.Has(boxName(k, "on")) {
			c.Legal.Boxes = append(c.Legal.Boxes, offer.Box{Kind: k, Text: get(boxName(k, "text")), Needed: form.Has(boxName(k, "needed"))})
		}
	}
	return c
}

// blanks is how many empty lines stand behind those that are filled.
const blanks = 3

func (c Config) editPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, o offer.Offer, form, upload frame.Form) error {
	v := editor{Offer: o, form: form, upload: upload, preview: c.Offers.PreviewOf(o),
		figures: min(len(o.Content.Figures)+blanks, offer.MaxFigures), units: len(o.Content.Units) + blanks, links: len(o.Content.Links) + blanks}
	p.Room, p.Title = room, p.T("offers.edit.title", "title", o.Content.Title)
	// The preview is a page of this origin, whatever host shows the content of mails.
	frame.Framing(w)
	return p.Render(w, r, status, editPage(p, v))
}

func (c Config) edit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	return c.editPage(w, r, p, http.StatusOK, o, formOf(p, o.Content), frame.Form{})
}

// maxForm bounds the form: its legal texts alone may have 90,000 characters.
const maxForm = 1 << 20

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	content := taken(r.PostForm)
	_, err = c.Offers.Save(r.Context(), p.Tenant(), o.ID, content)
	if err == nil {
		frame.Redirect(w, r, path(o.ID)+"/edit", "saved")
		return nil
	}
	form := formOf(p, content)
	if e := fault.As(err); e != nil {
		err = fault.Join(inForm(e))
	}
	if !frame.Refused(p, &form, err, "") {
		return fmt.Errorf("save offer: %w", err)
	}
	content.Files = o.Content.Files
	o.Content = content
	return c.editPage(w, r, p, http.StatusUnprocessableEntity, o, form, frame.Form{})
}

// inForm are refusals with the names that the form has for their fields: boxes stand
// together.
func inForm(e *fault.Error) (list []*fault.Error) {
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		v := *one
		v.Also = nil
		if strings.HasPrefix(v.Field, "legal/boxes") {
			v.Field = "legal/boxes"
		}
		list = append(list, &v)
	}
	return list
}

// upload takes a file into the draft.
func (c Config) upload(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	const most = offer.MaxPaper + 1<<20
	r.Body = http.MaxBytesReader(w, r.Body, most)
	// All of it in memory: what spills into a temporary file lies there unsealed.
	err = r.ParseMultipartForm(most) //nolint:gosec // G120: the body is bounded above
	form := frame.Form{Values: map[string]string{}}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		form.Add("file", p.T("fault."+offer.CodeFileLarge))
		return c.editPage(w, r, p, http.StatusRequestEntityTooLarge, o, formOf(p, o.Content), form)
	case err != nil:
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	u := offer.Upload{Kind: offer.FileKind(r.PostForm.Get("kind")), Title: r.PostForm.Get("title"), Replaces: r.PostForm.Get("replaces")}
	form.Values["kind"], form.Values["title"], form.Values["replaces"] = string(u.Kind), u.Title, u.Replaces
	file, head, err := r.FormFile("file")
	if err == nil {
		u.Name = head.Filename
		u.Data, err = io.ReadAll(file)
	}
	if err != nil || len(u.Data) == 0 {
		form.Add("file", p.T("offers.file.missing"))
		return c.editPage(w, r, p, http.StatusUnprocessableEntity, o, formOf(p, o.Content), form)
	}
	_, err = c.Offers.AddFile(r.Context(), p.Tenant(), o.ID, u)
	if err == nil {
		frame.Redirect(w, r, path(o.ID)+"/edit", "uploaded")
		return nil
	}
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.TooLarge {
		return fmt.Errorf("take file: %w", err)
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		form.Add(one.Field, p.FaultText(one, ""))
	}
	return c.editPage(w, r, p, frame.StatusOf(e.Kind), o, formOf(p, o.Content), form)
}

// changeFile renames, moves up or removes a file of the draft.
func (c Config) changeFile(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	file, done := r.PathValue("file"), "saved"
	switch r.PostForm.Get("do") {
	case "drop":
		done = "dropped"
		err = c.Offers.DropFile(r.Context(), p.Tenant(), o.ID, file)
	case "up":
		err = c.Offers.Retitle(r.Context(), p.Tenant(), o.ID, file, r.PostForm.Get("title"), true)
	default:
		err = c.Offers.Retitle(r.Context(), p.Tenant(), o.ID, file, r.PostForm.Get("title"), false)
	}
	if err != nil {
		return fmt.Errorf("change file of offer: %w", err)
	}
	frame.Redirect(w, r, path(o.ID)+"/edit", done)
	return nil
}

// Package templates is where the office writes templates („Vorlagen“): a list of blocks
// that works without a script and by keyboard alone, or MJML and HTML by hand, with a
// preview that the server draws; versions to go back to, and the brand.
//
// It is a subject of the door web (floor 4). Templates are kept, compiled and filled by
// package stationery, which the programming interface uses too.
package templates

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
)

// Templates is the room behind the pages; *stationery.Service is it.
type Templates interface {
	Templates(ctx context.Context, t tenant.ID) ([]stationery.Template, error)
	Template(ctx context.Context, t tenant.ID, which stationery.ID) (stationery.Template, error)
	Latest(ctx context.Context, t stationery.Template, lang string) (stationery.Version, error)
	Versions(ctx context.Context, t tenant.ID, which stationery.ID) ([]stationery.Version, error)
	Create(ctx context.Context, t tenant.ID, actor string, d stationery.Draft) (stationery.Template, stationery.Version, error)
	Save(ctx context.Context, t tenant.ID, which stationery.ID, from int64, actor string, d stationery.Draft) (stationery.Template, stationery.Version, error)
	Restore(ctx context.Context, t tenant.ID, which stationery.ID, number int64, actor string) (stationery.Template, stationery.Version, error)
	Drop(ctx context.Context, t tenant.ID, which stationery.ID) error
	Compile(ctx context.Context, t tenant.ID, d stationery.Draft) (stationery.Version, error)
	Fill(ctx context.Context, t tenant.ID, v stationery.Version, data map[string]any, strict bool) (stationery.Rendered, error)
	Brand(ctx context.Context, t tenant.ID) (blocks.Brand, error)
	SaveBrand(ctx context.Context, t tenant.ID, b blocks.Brand) error
	Logos(ctx context.Context, t tenant.ID) (shown, former stationery.Logo, err error)
	SetLogo(ctx context.Context, t tenant.ID, data []byte) (stationery.Logo, error)
	DropLogo(ctx context.Context, t tenant.ID) error
	RestoreLogo(ctx context.Context, t tenant.ID) error
}

// Book finds contacts; *audience.Contacts does.
type Book interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
}

// Config is what the pages stand on. Templates and Book are needed.
type Config struct {
	Templates Templates
	Book      Book
	// Pictures are offered in the editor; nil: none.
	Pictures blockform.Library
}

const (
	home      = "/templates"
	brandPath = home + "/brand"
	room      = "templates"
)

// Routes are the pages of templates.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	return []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.list, Entry: frame.Entry{Room: room, Icon: "layout", Group: frame.GroupCampaigns}},
		{Pattern: "GET /templates.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: write, Do: c.begin},
		{Pattern: "POST " + home, Permission: write, Do: c.create},
		{Pattern: "GET " + brandPath, Permission: write, Do: c.brand},
		{Pattern: "POST " + brandPath, Permission: write, Do: c.saveBrand},
		{Pattern: "GET " + logoPath, Permission: write, Do: c.logo},
		{Pattern: "POST " + logoPath, Permission: write, Do: c.changeLogo},
		{Pattern: "GET " + one, Permission: write, Do: c.edit},
		{Pattern: "POST " + one, Permission: write, Do: c.change},
		{Pattern: "GET " + one + "/preview", Permission: write, Do: c.savedPreview, Apart: true},
		{Pattern: "POST " + one + "/preview", Permission: write, Do: c.preview, Act: frame.Unrecorded, Apart: true},
		{Pattern: "GET " + one + "/versions", Permission: write, Do: c.versions},
		{Pattern: "POST " + one + "/restore", Permission: write, Do: c.restore},
		{Pattern: "POST " + one + "/delete", Permission: write, Do: c.drop},
	}
}

func path(t stationery.ID) string { return home + "/" + t.String() }

func actor(p frame.Page) string { return p.Who.User.ID.String() }

// ofPath reads the template that the path names. What is no identifier is answered like
// what does not exist.
func (c Config) ofPath(r *http.Request, p frame.Page) (stationery.Template, error) {
	which, err := id.Parse[stationery.Kind](r.PathValue("id"))
	if err != nil {
		return stationery.Template{}, fault.New(fault.NotFound, stationery.CodeUnknown, "There is no such template.")
	}
	return c.Templates.Template(r.Context(), p.Tenant(), which)
}

func kindText(p frame.Page, t stationery.Template) string {
	if t.Part {
		return p.T("templates.kind.part")
	}
	return p.T("templates.kind.mail")
}

// roll is the table of all templates.
func roll(p frame.Page) frame.Roll[stationery.Template] {
	cell := func(key string, text func(stationery.Template) string) frame.Cell[stationery.Template] {
		return frame.Cell[stationery.Template]{Column: frame.Column{Key: key, Title: p.T("templates.col." + key)}, Text: text}
	}
	version := cell("version", func(t stationery.Template) string { return strconv.FormatInt(t.Version, 10) })
	version.Number, version.Order = true, func(a, b stationery.Template) int { return int(a.Version - b.Version) }
	changed := cell("changed", func(t stationery.Template) string { return p.Full(t.UpdatedAt) })
	changed.Order = func(a, b stationery.Template) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	return frame.Roll[stationery.Template]{
		Listing: frame.Listing{Path: home, Sort: "name"},
		Cells: []frame.Cell[stationery.Template]{
			cell("name", func(t stationery.Template) string { return t.Name }), cell("kind", func(t stationery.Template) string { return kindText(p, t) }),
			cell("langs", func(t stationery.Template) string { return strings.Join(t.Langs, ", ") }), version, changed,
		},
	}
}

type listView struct {
	frame.View
	rows []stationery.Template
	any  bool
}

func (c Config) rows(r *http.Request, p frame.Page) (listView, frame.Roll[stationery.Template], error) {
	l := roll(p)
	all, err := c.Templates.Templates(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, fmt.Errorf("list templates: %w", err)
	}
	v := listView{any: len(all) > 0}
	v.View, v.rows = l.Read(r, all)
	return v, l, nil
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, _, err := c.rows(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav.templates")
	return p.Render(w, r, http.StatusOK, listPage(p, v))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, l, err := c.rows(r, p)
	if err != nil {
		return err
	}
	return l.CSV(w, p, p.T("templates.filename"), v.rows)
}

func (c Config) begin(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.newPage(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"mode": string(stationery.Blocks)}})
}

func (c Config) newPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("templates.new")
	return p.Render(w, r, status, newPage(p, f))
}

// start is the source that a new template of a mode begins with.
func start(p frame.Page, mode, subject string) (src stationery.Source, part bool) {
	src = stationery.Source{Mode: stationery.Mode(mode), Subject: subject}
	switch mode {
	case string(stationery.Blocks):
		d := blocks.New()
		d.Blocks[1].Text = p.T("templates.start.text")
		src.Blocks = &d
	case string(stationery.MJML):
		src.Markup = "<mjml>\n  <mj-body>\n    <mj-section>\n      <mj-column>\n        <mj-text>" + p.T("templates.start.text") + "</mj-text>\n      </mj-column>\n    </mj-section>\n  </mj-body>\n</mjml>\n"
	case "part":
		src.Mode, part = stationery.HTML, true
		src.Markup = "<p></p>\n"
	default:
		src.Markup = "<p>" + p.T("templates.start.text") + "</p>\n"
	}
	return src, part
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"name", "subject", "mode"} {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	src, part := start(p, f.Values["mode"], f.Values["subject"])
	made, _, err := c.Templates.Create(r.Context(), p.Tenant(), actor(p), stationery.Draft{Name: f.Values["name"], Part: part, Source: src})
	if err == nil {
		frame.Redirect(w, r, path(made.ID), "created")
		return nil
	}
	if !frame.Refused(p, &f, err, "name") {
		return fmt.Errorf("create template: %w", err)
	}
	return c.newPage(w, r, p, http.StatusUnprocessableEntity, f)
}

func (c Config) versions(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	list, err := c.Templates.Versions(r.Context(), p.Tenant(), t.ID)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("templates.versions.title", "name", t.Name)
	return p.Render(w, r, http.StatusOK, versionsPage(p, t, list))
}

func (c Config) restore(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(r.PostForm.Get("version"), 10, 64)
	if err != nil {
		return fault.Field("version", "form_malformed", "A version is a number.")
	}
	_, v, err := c.Templates.Restore(r.Context(), p.Tenant(), t.ID, number, actor(p))
	if err != nil {
		return fmt.Errorf("restore template: %w", err)
	}
	http.Redirect(w, r, path(t.ID)+"?lang="+v.Lang+"&done=restored", http.StatusSeeOther)
	return nil
}

func (c Config) drop(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	if err := c.Templates.Drop(r.Context(), p.Tenant(), t.ID); err != nil {
		return fmt.Errorf("drop template: %w", err)
	}
	frame.Redirect(w, r, home, "dropped")
	return nil
}

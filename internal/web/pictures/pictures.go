// Package pictures is the office's room „Bilder“: the library of pictures for mail, where they
// are uploaded and described, where each is used, and from which the editors take them.
//
// It is a subject of the door web (floor 4). Package stationery/pictures keeps them; mail
// programs fetch them from public/pictures, this room shows them to who is signed in.
package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Library is the room behind the pages; *pictures.Service is it.
type Library interface {
	Add(ctx context.Context, t tenant.ID, actor string, u pictures.Upload) (pictures.Picture, error)
	Change(ctx context.Context, t tenant.ID, which pictures.ID, name, alt string) (pictures.Picture, error)
	Picture(ctx context.Context, t tenant.ID, which pictures.ID) (pictures.Picture, error)
	Pictures(ctx context.Context, t tenant.ID) ([]pictures.Picture, error)
	Uses(ctx context.Context, p pictures.Picture) ([]pictures.Use, error)
	Drop(ctx context.Context, t tenant.ID, which pictures.ID) error
	Bytes(ctx context.Context, p pictures.Picture, small bool) ([]byte, error)
	Address(p pictures.Picture) string
}

// Config is what the pages stand on; all of it is needed.
type Config struct{ Library Library }

const (
	home = "/pictures"
	room = "pictures"
)

// Routes are the pages of the library.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	return []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.list, Entry: frame.Entry{Room: room, Icon: "picture", Group: frame.GroupCampaigns}},
		{Pattern: "GET /pictures.csv", Permission: read, Do: c.export},
		{Pattern: "POST " + home, Permission: write, Act: "pictures.add", Do: c.add},
		{Pattern: "GET " + one, Permission: read, Do: c.show},
		{Pattern: "GET " + one + "/full.img", Permission: read, Do: c.file},
		{Pattern: "GET " + one + "/small.img", Permission: read, Do: c.small},
		{Pattern: "POST " + one, Permission: write, Act: "pictures.change", Do: c.change},
		{Pattern: "POST " + one + "/delete", Permission: write, Act: "pictures.delete", Do: c.drop},
	}
}

func path(p pictures.Picture) string { return home + "/" + p.ID.String() }

// ofPath reads the picture that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) ofPath(r *http.Request, p frame.Page) (pictures.Picture, error) {
	which, err := id.Parse[pictures.Kind](r.PathValue("id"))
	if err != nil {
		return pictures.Picture{}, fault.New(fault.NotFound, pictures.CodeUnknown, "There is no such picture.")
	}
	return c.Library.Picture(r.Context(), p.Tenant(), which)
}

func measures(v pictures.Picture) string {
	return strconv.Itoa(v.Width) + " × " + strconv.Itoa(v.Height)
}

// roll is the table of all pictures.
func (c Config) roll(p frame.Page) frame.Roll[pictures.Picture] {
	cell := func(key string, text func(pictures.Picture) string) frame.Cell[pictures.Picture] {
		return frame.Cell[pictures.Picture]{Column: frame.Column{Key: key, Title: p.T("pictures.col." + key)}, Text: text}
	}
	shown := cell("shown", nil)
	measured, size := cell("measures", measures), cell("size", func(v pictures.Picture) string { return p.Bytes(v.Size) })
	measured.Order = func(a, b pictures.Picture) int { return a.Width*a.Height - b.Width*b.Height }
	size.Number, size.Order = true, func(a, b pictures.Picture) int { return int(a.Size - b.Size) }
	added := cell("added", func(v pictures.Picture) string { return p.Full(v.CreatedAt) })
	added.Order = func(a, b pictures.Picture) int { return a.CreatedAt.Compare(b.CreatedAt) }
	address := cell("address", c.Library.Address)
	address.File = true
	return frame.Roll[pictures.Picture]{
		Listing: frame.Listing{Path: home, Sort: "added", Descending: true},
		Cells: []frame.Cell[pictures.Picture]{shown, cell("name", func(v pictures.Picture) string { return v.Name }), cell("alt", func(v pictures.Picture) string { return v.Alt }),
			measured, size, added, address},
	}
}

type listView struct {
	frame.View
	rows []pictures.Picture
	any  bool
	form frame.Form
	// twice is the picture that was uploaded again.
	twice pictures.Picture
}

func (c Config) rows(r *http.Request, p frame.Page) (listView, frame.Roll[pictures.Picture], error) {
	l := c.roll(p)
	all, err := c.Library.Pictures(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, err
	}
	v := listView{any: len(all) > 0}
	v.View, v.rows = l.Read(r, all)
	return v, l, nil
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.listPage(w, r, p, http.StatusOK, frame.Form{}, pictures.Picture{})
}

func (c Config) listPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form, twice pictures.Picture) error {
	v, _, err := c.rows(r, p)
	if err != nil {
		return err
	}
	v.form, v.twice = form, twice
	p.Room, p.Title = room, p.T("nav.pictures")
	return p.Render(w, r, status, listPage(p, v))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, l, err := c.rows(r, p)
	if err != nil {
		return err
	}
	return l.CSV(w, p, p.T("pictures.filename"), v.rows)
}

// add takes an upload.
func (c Config) add(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	const most = pictures.MaxUpload + 1<<20
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseMultipartForm(most) //nolint:gosec // G120: the body is bounded above
	form := frame.Form{Values: map[string]string{}}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		form.Add("file", p.T("fault."+pictures.CodeHeavy))
		return c.listPage(w, r, p, http.StatusRequestEntityTooLarge, form, pictures.Picture{})
	case err != nil:
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	u := pictures.Upload{Name: r.PostForm.Get("name"), Alt: r.PostForm.Get("alt")}
	form.Values["name"], form.Values["alt"] = u.Name, u.Alt
	file, head, err := r.FormFile("file")
	if err == nil {
		if u.Name == "" {
			u.Name = head.Filename
		}
		u.Data, err = io.ReadAll(file)
	}
	if err != nil || len(u.Data) == 0 {
		form.Add("file", p.T("pictures.file.missing"))
		return c.listPage(w, r, p, http.StatusUnprocessableEntity, form, pictures.Picture{})
	}
	made, err := c.Library.Add(r.Context(), p.Tenant(), p.Who.User.ID.String(), u)
	if err == nil {
		frame.Redirect(w, r, path(made), "added")
		return nil
	}
	f := fault.As(err)
	if f == nil || f.Kind == fault.Unavailable {
		return fmt.Errorf("take picture: %w", err)
	}
	twice := pictures.Picture{}
	if f.Code == pictures.CodeTwice {
		twice = made
	}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		field := one.Field
		if field == "" {
			field = "file"
		}
		form.Add(field, p.FaultText(one, ""))
	}
	return c.listPage(w, r, p, frame.StatusOf(f.Kind), form, twice)
}

type sheet struct {
	pictures.Picture
	address string
	uses    []pictures.Use
	form    frame.Form
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	return c.onePage(w, r, p, http.StatusOK, v, frame.Form{Values: map[string]string{"name": v.Name, "alt": v.Alt}})
}

func (c Config) onePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, v pictures.Picture, form frame.Form) error {
	uses, err := c.Library.Uses(r.Context(), v)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, v.Name
	return p.Render(w, r, status, onePage(p, sheet{Picture: v, address: c.Library.Address(v), uses: uses, form: form}))
}

func (c Config) file(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.send(w, r, p, false)
}

func (c Config) small(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.send(w, r, p, true)
}

// send answers with the bytes of a picture, for the pages of the office alone.
func (c Config) send(w http.ResponseWriter, r *http.Request, p frame.Page, small bool) error {
	v, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	data, err := c.Library.Bytes(r.Context(), v, small)
	if err != nil {
		return err
	}
	media := v.Media
	if small {
		media = http.DetectContentType(data)
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "private, max-age=86400")
	_, _ = w.Write(data) //nolint:gosec // G705: a picture drawn anew, with nosniff and in a sandbox; a reader who left is no error
	return nil
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"name": r.PostForm.Get("name"), "alt": r.PostForm.Get("alt")}}
	_, err = c.Library.Change(r.Context(), p.Tenant(), v.ID, form.Values["name"], form.Values["alt"])
	if err == nil {
		frame.Redirect(w, r, path(v), "saved")
		return nil
	}
	if !frame.Refused(p, &form, err, "name") {
		return err
	}
	return c.onePage(w, r, p, http.StatusUnprocessableEntity, v, form)
}

func (c Config) drop(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	err = c.Library.Drop(r.Context(), p.Tenant(), v.ID)
	if f := fault.As(err); f != nil && f.Code == pictures.CodeUsed {
		form := frame.Form{Values: map[string]string{"name": v.Name, "alt": v.Alt}}
		form.Add("", p.FaultText(f, v.Name))
		return c.onePage(w, r, p, http.StatusConflict, v, form)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, home, "dropped")
	return nil
}

func hrefOf(u pictures.Use) string {
	switch u.Kind {
	case "campaign":
		return "/campaigns/" + u.ID
	case "template":
		return "/templates/" + u.ID
	}
	return "/templates/brand"
}

func useText(p frame.Page, u pictures.Use) string { return p.T("pictures.use."+u.Kind, "name", u.Name) }

func facts(p frame.Page, v sheet) []frame.Fact {
	return []frame.Fact{{Name: p.T("pictures.col.measures"), Value: measures(v.Picture)}, {Name: p.T("pictures.col.size"), Value: p.Bytes(v.Size)}, {Name: p.T("pictures.media"), Value: v.Media},
		{Name: p.T("pictures.col.added"), Value: p.Full(v.CreatedAt)}}
}

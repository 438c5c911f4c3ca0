package templates

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/web/frame"
)

// logoPath is where the logo is seen, sent to and taken away.
const logoPath = brandPath + "/logo"

// branding is what the page of the brand shows: the form of the brand, and the logo with what
// was wrong with a new one.
type branding struct {
	form, upload  frame.Form
	shown, former stationery.Logo
}

func (c Config) brand(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	b, err := c.Templates.Brand(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	return c.brandPage(w, r, p, http.StatusOK, branding{form: brandValues(b)})
}

func brandValues(b blocks.Brand) frame.Form {
	return frame.Form{Values: map[string]string{"name": b.Name, "logo": b.Logo, "logo_alt": b.LogoAlt, "colour": b.Colour, "ground": b.Ground, "font": b.Font}}
}

func (c Config) brandPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, b branding) (err error) {
	if b.shown, b.former, err = c.Templates.Logos(r.Context(), p.Tenant()); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("templates.brand")
	return p.Render(w, r, status, brandForm(p, b))
}

func (c Config) saveBrand(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"name", "logo", "logo_alt", "colour", "ground", "font"} {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	v := f.Values
	err := c.Templates.SaveBrand(r.Context(), p.Tenant(), blocks.Brand{Name: v["name"], Logo: v["logo"], LogoAlt: v["logo_alt"], Colour: v["colour"], Ground: v["ground"], Font: v["font"]})
	if err == nil {
		frame.Redirect(w, r, brandPath, "saved")
		return nil
	}
	if !frame.Refused(p, &f, err, "name") {
		return fmt.Errorf("save brand: %w", err)
	}
	return c.brandPage(w, r, p, http.StatusUnprocessableEntity, branding{form: f})
}

// logo shows the logo itself, which this program drew.
func (c Config) logo(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	shown, _, err := c.Templates.Logos(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	if shown.None() {
		return fault.New(fault.NotFound, stationery.CodeUnknown, "There is no logo.")
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", shown.Media)
	h.Set("Content-Length", strconv.Itoa(len(shown.Data)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, max-age=300") // the address names the bytes
	_, err = w.Write(shown.Data)
	return err
}

// changeLogo takes a logo, takes it away, or brings the one before it back.
func (c Config) changeLogo(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	const most = stationery.MaxLogo + 64<<10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseMultipartForm(most) //nolint:gosec // G120: the body is bounded above
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return c.logoRefused(w, r, p, &fault.Error{Kind: fault.TooLarge, Code: stationery.CodeLogoLarge, Field: "file"})
	case err != nil && !errors.Is(err, http.ErrNotMultipart):
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	if r.MultipartForm != nil {
		defer func() { _ = r.MultipartForm.RemoveAll() }()
	}
	switch r.PostForm.Get("do") {
	case "drop":
		if err := c.Templates.DropLogo(r.Context(), p.Tenant()); err != nil {
			return err
		}
		frame.Redirect(w, r, brandPath, "logo-dropped")
		return nil
	case "restore":
		if err := c.Templates.RestoreLogo(r.Context(), p.Tenant()); err != nil {
			return err
		}
		frame.Redirect(w, r, brandPath, "logo-restored")
		return nil
	}
	data, name := logoOf(r)
	if len(data) == 0 {
		return c.logoRefused(w, r, p, fault.Field("file", "logo_missing", "There is no file."))
	}
	if _, err := c.Templates.SetLogo(r.Context(), p.Tenant(), data); err != nil {
		e := fault.As(err)
		if e == nil || e.Kind != fault.Invalid && e.Kind != fault.TooLarge {
			return fmt.Errorf("take logo %q: %w", name, err)
		}
		return c.logoRefused(w, r, p, e)
	}
	frame.Redirect(w, r, brandPath, "logo")
	return nil
}

// logoOf is the file of a form; none if there is none.
func logoOf(r *http.Request) (data []byte, name string) {
	file, head, err := r.FormFile("file")
	if err != nil {
		return nil, ""
	}
	defer func() { _ = file.Close() }()
	if data, err = io.ReadAll(file); err != nil {
		return nil, head.Filename
	}
	return data, head.Filename
}

// logoRefused shows the page again; the brand is the saved one, as the logo has a form of its
// own.
func (c Config) logoRefused(w http.ResponseWriter, r *http.Request, p frame.Page, e *fault.Error) error {
	b, err := c.Templates.Brand(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	var f frame.Form
	f.Add("file", p.FaultText(e, ""))
	return c.brandPage(w, r, p, frame.StatusOf(e.Kind), branding{form: brandValues(b), upload: f})
}

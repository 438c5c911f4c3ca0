package templates

import (
	"fmt"
	"net/http"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
)

func (c Config) savedPreview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	t, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	v, err := c.Templates.Latest(r.Context(), t, r.URL.Query().Get("lang"))
	if err != nil {
		return err
	}
	return c.draw(w, r, p, v, r.URL.Query().Get("view"), r.URL.Query().Get("contact"))
}

// preview draws the form as it stands, without keeping it.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
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
	v, err := c.Templates.Compile(r.Context(), p.Tenant(), d)
	if e := fault.As(err); e != nil {
		return blockform.Write(w, blockform.NotYet(p, e))
	}
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	return c.draw(w, r, p, v, r.PostForm.Get("view"), r.PostForm.Get("contact"))
}

// draw fills a version with a contact, or with the names of its variables.
func (c Config) draw(w http.ResponseWriter, r *http.Request, p frame.Page, v stationery.Version, view, contact string) error {
	data := stationery.Sample(v.Variables)
	person, err := c.contactOf(r, p, contact)
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	for name, value := range person {
		data[name] = value
	}
	delete(data, "imprint") // the tenant's own
	data["unsubscribe_url"] = "https://" + p.Host() + "/"
	mail, err := c.Templates.Fill(r.Context(), p.Tenant(), v, data, false)
	if e := fault.As(err); e != nil {
		return blockform.Write(w, blockform.NotYet(p, e))
	}
	if err != nil {
		return fmt.Errorf("preview template: %w", err)
	}
	return blockform.Write(w, blockform.Seen(view, mail))
}

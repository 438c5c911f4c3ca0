package leads

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/openimmo"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Forms keeps the forms of leads; *leadform.Service does.
type Forms interface {
	Forms(ctx context.Context, t tenant.ID) ([]leadform.Form, error)
	Form(ctx context.Context, t tenant.ID, f leadform.ID) (leadform.Form, error)
	Save(ctx context.Context, f leadform.Form) (leadform.Form, error)
	Drop(ctx context.Context, t tenant.ID, f leadform.ID) error
	Secret(f leadform.Form) string
	Preview(f leadform.Form) string
}

const (
	forms = "/lead-forms"
	// formPage is where forms are shown to prospects; the door public serves it.
	formBase = "/f/"
)

func formRoutes(c Config) []frame.Route {
	read, write := tenant.SettingsRead, tenant.SettingsWrite
	return []frame.Route{
		{Pattern: "GET " + forms, Permission: read, Do: c.showForms},
		{Pattern: "GET " + forms + "/new", Permission: write, Do: c.newForm},
		{Pattern: "POST " + forms, Permission: write, Do: c.saveForm},
		{Pattern: "GET " + forms + "/{id}", Permission: read, Do: c.showForm},
		{Pattern: "POST " + forms + "/{id}", Permission: write, Do: c.saveForm},
		{Pattern: "POST " + forms + "/{id}/delete", Permission: write, Do: c.dropForm},
	}
}

// formList is the page of all forms.
type formList struct {
	frame.View
	list []leadform.Form
}

func (c Config) showForms(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("leadform.col." + key)} }
	v := formList{View: frame.ReadView(r, frame.Listing{Path: forms, Columns: []frame.Column{column("name"), column("receiver"), column("state"), column("changed")}})}
	var err error
	if v.list, err = c.Forms.Forms(r.Context(), p.Tenant()); err != nil {
		return fmt.Errorf("list forms of leads: %w", err)
	}
	p.Room, p.Title = room, p.T("leadform.list.title")
	return p.Render(w, r, http.StatusOK, formsPage(p, v))
}

// blank is what a new form begins with: what most contact forms ask.
func blank() leadform.Form {
	return leadform.Form{Fields: map[leadform.Field]leadform.Need{
		"salutation": leadform.Optional, "first_name": leadform.Mandatory, "last_name": leadform.Mandatory, leadform.Email: leadform.Mandatory,
		leadform.Phone: leadform.Optional, leadform.Message: leadform.Optional,
	}}
}

func (c Config) newForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	kept, err := c.Leads.KeptFor(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("new form of leads: %w", err)
	}
	f := blank()
	f.Notice = p.T("leadform.notice.sample", "name", p.Who.Tenant.Name, "days", max(int(kept/(24*time.Hour)), 1))
	return c.editPage(w, r, p, http.StatusOK, f, formOf(f))
}

// ofPath reads the form that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) ofPath(r *http.Request, p frame.Page) (leadform.Form, error) {
	number, err := id.Parse[leadform.Kind](r.PathValue("id"))
	if err != nil {
		return leadform.Form{}, fault.New(fault.NotFound, leadform.CodeUnknown, "There is no such form.")
	}
	return c.Forms.Form(r.Context(), p.Tenant(), number)
}

func (c Config) showForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	return c.editPage(w, r, p, http.StatusOK, f, formOf(f))
}

// needName is the input that says whether a field is asked.
func needName(f leadform.Field) string { return "need_" + string(f) }

// formOf is a form of leads as the office's form shows it.
func formOf(f leadform.Form) frame.Form {
	form := frame.Form{Values: map[string]string{
		"name": f.Name, "language": string(f.Lang), "advertiser": f.Advertiser, "source": "fixed", "object": f.Object.AdvertiserRef, "title": f.Object.Title,
		"city": f.Object.City, "url": f.Object.URL, "origins": strings.Join(f.Origins, "\n"), "notice": f.Notice, "privacy_url": f.PrivacyURL,
		"thanks": f.Thanks, "redirect": f.Redirect,
	}}
	if f.Active {
		form.Values["active"] = "on"
	}
	if f.Signed {
		form.Values["source"] = "signed"
	}
	for _, name := range leadform.Fields() {
		form.Values[needName(name)] = string(f.Need(name))
	}
	return form
}

// taken takes what was written into the office's form over into the form of leads.
func taken(r *http.Request, f *leadform.Form) {
	v := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n"))
	}
	f.Name, f.Active, f.Lang, f.Signed = v("name"), v("active") != "", i18n.Lang(v("language")), v("source") == "signed"
	if was := f.Object; f.Signed {
		f.Advertiser, f.Object = "", openimmo.Object{}
	} else {
		// The portal's number and the kind of marketing have no input here: they stay as they are.
		f.Advertiser = v("advertiser")
		f.Object = openimmo.Object{PortalID: was.PortalID, Marketing: was.Marketing, AdvertiserRef: v("object"), Title: v("title"), City: v("city"), URL: v("url")}
	}
	f.Fields = map[leadform.Field]leadform.Need{}
	for _, name := range leadform.Fields() {
		f.Fields[name] = cmp.Or(leadform.Need(v(needName(name))), leadform.Hidden)
	}
	f.Origins = strings.FieldsFunc(v("origins"), func(r rune) bool { return r == '\n' || r == ' ' || r == ',' })
	for i, o := range f.Origins {
		f.Origins[i] = strings.TrimSuffix(o, "/")
	}
	f.Notice, f.PrivacyURL, f.Thanks, f.Redirect = v("notice"), v("privacy_url"), v("thanks"), v("redirect")
}

func (c Config) saveForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := leadform.Form{Tenant: p.Tenant()}
	if r.PathValue("id") != "" {
		var err error
		if f, err = c.ofPath(r, p); err != nil {
			return err
		}
	}
	taken(r, &f)
	saved, err := c.Forms.Save(r.Context(), f)
	if err == nil {
		frame.Redirect(w, r, forms+"/"+saved.ID.String(), "saved")
		return nil
	}
	form := formOf(f)
	if !frame.Refused(p, &form, err, "") {
		return fmt.Errorf("save form of leads: %w", err)
	}
	return c.editPage(w, r, p, http.StatusUnprocessableEntity, f, form)
}

func (c Config) dropForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	if err := c.Forms.Drop(r.Context(), p.Tenant(), f.ID); err != nil {
		return fmt.Errorf("remove form of leads: %w", err)
	}
	frame.Redirect(w, r, forms, "dropped")
	return nil
}

// embedding is how a kept form comes to people; the zero value is that of a new one.
type embedding struct {
	page, preview, frame, plain, secret string
}

func (c Config) embedding(p frame.Page, f leadform.Form) (e embedding) {
	if f.ID.IsZero() {
		return e
	}
	at := c.PublicURL + formBase + f.Key()
	e.page = at
	e.preview = formBase + f.Key() + "/embed?preview=" + c.Forms.Preview(f) + "&lang=" + url.QueryEscape(string(p.Lang))
	query := ""
	if f.Signed {
		query = "?advertiser=…&advertiser_ref=…&sig=…"
		e.secret = c.Forms.Secret(f)
	}
	e.frame = `<iframe src="` + at + "/embed" + query + `" title="` + p.T("leadform.title") + `" width="100%" height="720" loading="lazy"></iframe><script src="` +
		c.PublicURL + formBase + `embed.js" async></script>`
	var b strings.Builder
	b.WriteString(`<form method="post" action="` + at + `">` + "\n")
	if f.Signed {
		b.WriteString("  <input type=\"hidden\" name=\"advertiser\" value=\"…\">\n  <input type=\"hidden\" name=\"advertiser_ref\" value=\"…\">\n  <input type=\"hidden\" name=\"sig\" value=\"…\">\n")
	}
	for _, name := range leadform.Fields() {
		if f.Need(name) == leadform.Hidden {
			continue
		}
		fmt.Fprintf(&b, "  <label>%s <input name=%q></label>\n", p.T("leadform.field."+string(name)), name)
	}
	b.WriteString("  <button>" + p.T("leadform.send") + "</button>\n</form>")
	e.plain = b.String()
	return e
}

func (c Config) editPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f leadform.Form, form frame.Form) error {
	p.Room, p.Title = room, p.T("leadform.new")
	if !f.ID.IsZero() {
		p.Title = f.Name
	}
	// The preview is a page of this origin, whatever host shows the content of mails.
	frame.Framing(w)
	return p.Render(w, r, status, formEditPage(p, f, form, c.embedding(p, f)))
}

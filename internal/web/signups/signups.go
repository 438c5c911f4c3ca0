// Package signups is the office's part of signing up: the forms through which people ask
// for mail, what came through them, and the consents of people with all that proves them.
//
// It is a subject of the door web (floor 4). Package signup keeps forms and confirms,
// package consent keeps the evidence.
package signups

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/signup"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Forms keeps forms and what came through them; *signup.Service does.
type Forms interface {
	Forms(ctx context.Context, t tenant.ID) ([]signup.Form, error)
	Form(ctx context.Context, t tenant.ID, f signup.ID) (signup.Form, error)
	Save(ctx context.Context, f signup.Form) (signup.Form, error)
	Drop(ctx context.Context, t tenant.ID, f signup.ID) error
	Release(ctx context.Context, t tenant.ID, c consent.ID) error
	Preview(f signup.Form) string
	PageOf(f signup.Form) string
}

// Book keeps consents; *consent.Book does.
type Book interface {
	Record(ctx context.Context, c consent.Consent, actor string) (consent.Consent, error)
	Withdraw(ctx context.Context, t tenant.ID, c consent.ID, way, actor string) (consent.Consent, error)
}

// Consents reads them; consent.Store does.
type Consents interface {
	Consent(ctx context.Context, t tenant.ID, c consent.ID) (consent.Consent, error)
	Consents(ctx context.Context, t tenant.ID, f consent.Filter) ([]consent.Consent, bool, error)
}

// List is the suppression list; *audience.Service is one.
type List interface {
	Hash(t tenant.ID, a message.Address) audience.Hash
	Suppress(ctx context.Context, t tenant.ID, w audience.Wish, actor string) (audience.Entry, error)
}

// Groups lists a tenant's groups; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Evidence makes the file that proves a consent; signup.Evidence does.
type Evidence interface {
	Pack(ctx context.Context, t tenant.ID, c consent.ID, lang i18n.Lang) ([]byte, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Forms    Forms
	Book     Book
	Consents Consents
	List     List
	Groups   Groups
	Evidence Evidence
}

const (
	room     = "signups"
	formsAt  = "/signup-forms"
	consents = "/consents"
	pageSize = 50
)

// Routes are the pages of forms and consents.
func Routes(c Config) []frame.Route {
	read, write, people := tenant.SettingsRead, tenant.SettingsWrite, tenant.ContactsWrite
	return []frame.Route{
		{Pattern: "GET " + formsAt, Permission: read, Do: c.showForms, Entry: frame.Entry{Room: room, Icon: "form", Group: frame.GroupContacts}},
		{Pattern: "GET " + formsAt + ".csv", Permission: read, Do: c.exportForms},
		{Pattern: "GET " + formsAt + "/new", Permission: write, Do: c.newForm},
		{Pattern: "POST " + formsAt, Permission: write, Do: c.saveForm},
		{Pattern: "GET " + formsAt + "/{id}", Permission: read, Do: c.showForm},
		{Pattern: "POST " + formsAt + "/{id}", Permission: write, Do: c.saveForm},
		{Pattern: "POST " + formsAt + "/{id}/delete", Permission: write, Do: c.dropForm},
		{Pattern: "GET " + consents, Permission: tenant.MessagesRead, Do: c.showConsents, Entry: frame.Entry{Room: "consents", Icon: "stamp", Group: frame.GroupContacts}},
		{Pattern: "GET " + consents + ".csv", Permission: tenant.MessagesRead, Do: c.exportConsents},
		{Pattern: "GET " + consents + "/new", Permission: people, Do: c.newConsent},
		{Pattern: "POST " + consents, Permission: people, Do: c.record},
		{Pattern: "GET " + consents + "/{id}", Permission: tenant.MessagesRead, Do: c.showConsent},
		{Pattern: "GET " + consents + "/{id}/evidence.zip", Permission: tenant.PrivacyManage, Do: c.evidence},
		{Pattern: "POST " + consents + "/{id}/withdraw", Permission: people, Do: c.withdraw},
		{Pattern: "POST " + consents + "/{id}/release", Permission: people, Do: c.release},
	}
}

// formList is the page of all forms.
type formList struct {
	frame.View
	list []signup.Form
}

func (c Config) roll(p frame.Page) frame.Roll[signup.Form] {
	cell := func(key string, text func(signup.Form) string) frame.Cell[signup.Form] {
		return frame.Cell[signup.Form]{Column: frame.Column{Key: key, Title: p.T("signups.col." + key)}, Text: text}
	}
	changed := cell("changed", func(f signup.Form) string { return p.Row(f.UpdatedAt) })
	changed.Order = func(a, b signup.Form) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	return frame.Roll[signup.Form]{Listing: frame.Listing{Path: formsAt}, Cells: []frame.Cell[signup.Form]{
		cell("name", func(f signup.Form) string { return f.Name }), cell("title", func(f signup.Form) string { return f.Title }),
		cell("state", func(f signup.Form) string { return formState(p, f) }), changed,
	}}
}

func formState(p frame.Page, f signup.Form) string {
	if f.Active {
		return p.T("signups.active")
	}
	return p.T("signups.paused")
}

func (c Config) showForms(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Forms.Forms(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list sign-up forms: %w", err)
	}
	var v formList
	v.View, v.list = c.roll(p).Read(r, list)
	p.Room, p.Title = room, p.T("nav.signups")
	return p.Render(w, r, http.StatusOK, formsPage(p, v))
}

func (c Config) exportForms(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Forms.Forms(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list sign-up forms: %w", err)
	}
	roll := c.roll(p)
	_, list = roll.Read(r, list)
	return roll.CSV(w, p, p.T("signups.filename"), list)
}

// edit is the page of one form.
type edit struct {
	signup.Form
	form    frame.Form
	groups  []audience.Group
	page    string
	preview string
	frame   string
}

func (c Config) newForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := signup.Form{Purpose: tenant.Newsletter, Network: signup.Whole, Days: 7, Title: p.T("signups.sample.title"),
		Wording: p.T("signups.sample.wording", "name", p.Who.Tenant.Name), Notice: p.T("signups.sample.notice", "name", p.Who.Tenant.Name)}
	return c.editPage(w, r, p, http.StatusOK, f, formOf(f))
}

// ofPath reads the form that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) ofPath(r *http.Request, p frame.Page) (signup.Form, error) {
	number, err := id.Parse[signup.Kind](r.PathValue("id"))
	if err != nil {
		return signup.Form{}, fault.New(fault.NotFound, signup.CodeUnknown, "There is no such form.")
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

func (c Config) editPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f signup.Form, form frame.Form) error {
	v := edit{Form: f, form: form}
	all, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("groups of a form: %w", err)
	}
	for _, g := range all {
		if g.Kind == audience.Static {
			v.groups = append(v.groups, g)
		}
	}
	p.Room, p.Title = room, p.T("signups.new")
	if !f.ID.IsZero() {
		p.Title, v.page = f.Name, c.Forms.PageOf(f)
		v.preview = signup.FormPath + f.Key() + "/embed?preview=" + c.Forms.Preview(f) + "&lang=" + string(p.Lang)
		v.frame = `<iframe src="` + v.page + `/embed" title="` + p.T("signups.embed.title") + `" width="100%" height="760" loading="lazy"></iframe>`
	}
	// The preview is a page of this origin, whatever host shows the content of mails.
	frame.Framing(w)
	return p.Render(w, r, status, editPage(p, v))
}

func needName(f signup.Field) string { return "need_" + string(f) }

// formOf is a form as the office's form shows it.
func formOf(f signup.Form) frame.Form {
	form := frame.Form{Values: map[string]string{
		"name": f.Name, "title": f.Title, "lead": f.Lead, "language": string(f.Lang), "purpose": string(f.Purpose), "from": f.From, "wording": f.Wording, "notice": f.Notice,
		"privacy_url": f.PrivacyURL, "origins": strings.Join(f.Origins, "\n"), "thanks": f.Thanks, "days": strconv.Itoa(f.Days), "network": string(f.Network),
	}}
	if !f.Group.IsZero() {
		form.Values["group"] = f.Group.String()
	}
	if f.Active {
		form.Values["active"] = "on"
	}
	for _, name := range signup.Fields() {
		form.Values[needName(name)] = string(f.Need(name))
	}
	return form
}

// taken takes over what was written.
func taken(r *http.Request, f *signup.Form) {
	v := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n"))
	}
	f.Name, f.Active, f.Title, f.Lead, f.Lang = v("name"), v("active") != "", v("title"), v("lead"), i18n.Lang(v("language"))
	f.Purpose, f.From, f.Wording, f.Notice, f.PrivacyURL, f.Thanks = tenant.Stream(v("purpose")), v("from"), v("wording"), v("notice"), v("privacy_url"), v("thanks")
	f.Network = signup.Network(v("network"))
	f.Days, _ = strconv.Atoi(v("days"))
	if f.Days == 0 {
		f.Days = -1 // what is no number is refused like one that is out of bounds
	}
	f.Group = audience.GroupID{}
	if g, err := id.Parse[audience.GroupKind](v("group")); err == nil {
		f.Group = g
	}
	f.Fields = map[signup.Field]signup.Need{}
	for _, name := range signup.Fields() {
		f.Fields[name] = cmp.Or(signup.Need(v(needName(name))), signup.Hidden)
	}
	f.Origins = strings.FieldsFunc(v("origins"), func(r rune) bool { return r == '\n' || r == ' ' || r == ',' })
	for i, o := range f.Origins {
		f.Origins[i] = strings.TrimSuffix(o, "/")
	}
}

func (c Config) saveForm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := signup.Form{Tenant: p.Tenant()}
	if r.PathValue("id") != "" {
		var err error
		if f, err = c.ofPath(r, p); err != nil {
			return err
		}
	}
	taken(r, &f)
	saved, err := c.Forms.Save(r.Context(), f)
	if err == nil {
		frame.Redirect(w, r, formsAt+"/"+saved.ID.String(), "saved")
		return nil
	}
	form := formOf(f)
	form.Values["days"] = r.PostForm.Get("days")
	if f := fault.As(err); f != nil {
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			if field, ok := strings.CutPrefix(one.Field, "fields/"); ok {
				one.Field = needName(signup.Field(field))
			}
		}
	}
	if !frame.Refused(p, &form, err, "") {
		return fmt.Errorf("save sign-up form: %w", err)
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
		return fmt.Errorf("remove sign-up form: %w", err)
	}
	frame.Redirect(w, r, formsAt, "dropped")
	return nil
}

// when is an instant for a file.
func when(p frame.Page, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return p.Full(t)
}

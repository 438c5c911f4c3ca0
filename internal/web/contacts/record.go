package contacts

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// record fills in the contact's own fields.
func (c Config) record(r *http.Request, p frame.Page, d *dossier) error {
	declared, err := c.Book.Fields(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	add := func(name, value string) {
		if value != "" {
			d.fields = append(d.fields, frame.Fact{Name: name, Value: value})
		}
	}
	add(p.T("contacts.field.salutation"), d.Salutation)
	add(p.T("contacts.field.given_name"), d.GivenName)
	add(p.T("contacts.field.family_name"), d.FamilyName)
	add(p.T("contacts.field.company"), d.Company)
	add(p.T("contacts.field.phone"), d.Phone)
	if d.Locale != "" {
		add(p.T("contacts.field.locale"), p.T("contacts.locale."+d.Locale))
	}
	add(p.T("contacts.field.reference"), d.Reference)
	for _, f := range declared {
		add(f.Title(), fieldText(p, f, d.Contact.Fields[f.Key]))
	}
	add(p.T("contacts.field.tags"), strings.Join(d.Tags, ", "))
	add(p.T("contacts.origin"), p.T("contacts.origin."+string(d.Origin))+", "+p.Date(d.CreatedAt)+", "+c.names(r.Context(), p).of(d.Actor))
	add(p.T("contacts.updated"), p.Full(d.UpdatedAt))
	return nil
}

// fieldText writes a value as the reader's language does.
func fieldText(p frame.Page, f audience.Field, value string) string {
	switch {
	case f.Type == audience.NumberField && p.Lang != "en":
		return strings.Replace(value, ".", ",", 1)
	case f.Type == audience.DateField && p.Lang != "en" && len(value) == 10:
		return value[8:] + "." + value[5:7] + "." + value[:4]
	}
	return value
}

// fieldNames says which fields an act changed.
func fieldNames(p frame.Page, fields []string) string {
	var list []string
	for _, f := range fields {
		if strings.HasPrefix(f, "grp_") {
			continue // the act says that it is about a group, whose page may be gone
		}
		if key, own := strings.CutPrefix(f, "fields/"); own {
			list = append(list, key)
		} else {
			list = append(list, p.T("contacts.field."+f))
		}
	}
	return strings.Join(list, ", ")
}

// note is a note with its author's name.
type note struct {
	audience.Note
	author string
	mine   bool
}

func (c Config) readNotes(r *http.Request, p frame.Page, d *dossier) error {
	found, err := c.Book.Notes(r.Context(), p.Tenant(), d.ID)
	if err != nil {
		return fmt.Errorf("read notes: %w", err)
	}
	names := c.names(r.Context(), p)
	me := p.Who.User.ID.String()
	for _, n := range found {
		d.notes = append(d.notes, note{n, names.of(n.Author), n.Author == me})
	}
	if d.editing.IsZero() {
		d.editing, _ = id.Parse[audience.NoteKind](r.URL.Query().Get("edit")) // what is no note edits none
	}
	return nil
}

// note adds, changes or deletes a note.
func (c Config) note(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	me, text := p.Who.User.ID.String(), r.PostForm.Get("text")
	one, _ := id.Parse[audience.NoteKind](r.PostForm.Get("note")) // none: a new one
	switch do := r.PostForm.Get("do"); {
	case do == "delete":
		ctx := audit.Note(r.Context(), func(a *audit.Act) { a.Action += ".delete" })
		err = c.Book.DeleteNote(ctx, p.Tenant(), found.ID, one, me)
	case one.IsZero():
		_, err = c.Book.AddNote(r.Context(), p.Tenant(), found.ID, me, text)
	default:
		err = c.Book.EditNote(r.Context(), p.Tenant(), found.ID, one, me, text)
	}
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
		form := frame.Form{Values: map[string]string{"text": text}}
		form.Add("text", p.FaultText(f, ""))
		return c.dossier(w, r, p, http.StatusUnprocessableEntity, dossier{Contact: found, stored: true, tab: tabNotes, form: form, editing: one})
	}
	if err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	http.Redirect(w, r, "/contacts/"+found.ID.String()+"?done=noted&tab="+tabNotes, http.StatusSeeOther)
	return nil
}

// names say who people and keys are.
type names struct {
	p    frame.Page
	user func(tenant.UserID) string
	keys map[string]string
}

func (c Config) names(ctx context.Context, p frame.Page) names {
	n := names{p: p, keys: map[string]string{}}
	if keys, err := c.People.Keys(ctx, p.Tenant()); err == nil { // without names the page still tells
		for _, k := range keys {
			n.keys[k.ID.String()] = k.Name
		}
	}
	n.user = func(u tenant.UserID) string {
		user, err := c.People.User(ctx, p.Tenant(), u)
		if err != nil {
			return ""
		}
		return user.Name
	}
	return n
}

func (n names) of(actor string) string {
	name := n.keys[actor]
	if u, err := id.Parse[tenant.UserKind](actor); err == nil {
		name = n.user(u)
	}
	switch {
	case actor == "system":
		return n.p.T("sup.by.system")
	case strings.HasPrefix(actor, "sgn_"):
		return n.p.T("sup.by.form")
	case name == "":
		return n.p.T("sup.by.unknown")
	}
	return name
}

// fieldsPage is the page of a tenant's own fields.
type fieldsForm struct {
	frame.Form
	fields []audience.Field
	done   string
}

func (c Config) showFields(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.fieldsPage(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"type": string(audience.TextField)}})
}

func (c Config) fieldsPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	fields, err := c.Book.Fields(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	p.Room, p.Title = room, p.T("contacts.fields.title")
	return p.Render(w, r, status, ownFieldsPage(p, fieldsForm{form, fields, p.Done("field", "removed")}))
}

// changeFields declares a field or takes one away.
func (c Config) changeFields(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if key := r.PostForm.Get("remove"); key != "" {
		if err := c.Book.RemoveField(r.Context(), p.Tenant(), key); err != nil {
			return fmt.Errorf("remove field: %w", err)
		}
		frame.Redirect(w, r, "/contacts/fields", "removed")
		return nil
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"key", "label", "type", "choices"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	f := audience.Field{Key: form.Value("key"), Label: form.Value("label"), Type: audience.FieldType(form.Value("type")), Choices: lines(form.Value("choices"))}
	err := c.Book.SetField(r.Context(), p.Tenant(), f)
	if refused(p, &form, err) {
		return c.fieldsPage(w, r, p, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return fmt.Errorf("declare field: %w", err)
	}
	frame.Redirect(w, r, "/contacts/fields", "field")
	return nil
}

// lines are the lines of a text that are not empty.
func lines(text string) []string {
	list := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

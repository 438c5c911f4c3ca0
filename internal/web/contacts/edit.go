package contacts

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// card is the form of a contact.
type card struct {
	frame.Form
	audience.Contact
	fields []audience.Field
	other  string // address of the contact that has an address or number already
}

// texts are the simple fields of a contact by their names in the form.
func texts(c *audience.Contact) map[string]*string {
	return map[string]*string{
		"salutation": &c.Salutation, "given_name": &c.GivenName, "family_name": &c.FamilyName, "company": &c.Company,
		"phone": &c.Phone, "locale": &c.Locale, "reference": &c.Reference,
	}
}

func ownField(key string) string { return "field-" + key }

// values writes a contact into a form.
func values(p frame.Page, c audience.Contact, declared []audience.Field) frame.Form {
	f := frame.Form{Values: map[string]string{"tags": strings.Join(c.Tags, ", "), "version": strconv.FormatInt(c.Version, 10)}}
	for name, text := range texts(&c) {
		f.Values[name] = *text
	}
	var addresses []string
	for _, a := range c.Addresses {
		addresses = append(addresses, a.String())
	}
	f.Values["addresses"] = strings.Join(addresses, "\n")
	for _, d := range declared {
		f.Values[ownField(d.Key)] = fieldText(p, d, c.Fields[d.Key])
	}
	return f
}

// read takes a contact from a posted form, which is kept with its problems.
func (c *card) read(p frame.Page, r *http.Request) {
	for name, text := range texts(&c.Contact) {
		*text = strings.TrimSpace(r.PostForm.Get(name))
		c.Values[name] = *text
	}
	c.Values["tags"], c.Values["addresses"], c.Values["version"] = r.PostForm.Get("tags"), r.PostForm.Get("addresses"), r.PostForm.Get("version")
	c.Tags = nil
	for tag := range strings.SplitSeq(c.Values["tags"], ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			c.Tags = append(c.Tags, tag)
		}
	}
	c.Addresses = nil
	for _, line := range lines(c.Values["addresses"]) {
		a, err := message.ParseAddress(line)
		if f := fault.As(err); f != nil {
			c.Add("addresses", p.FaultText(f, line))
		}
		c.Addresses = append(c.Addresses, a)
	}
	c.Contact.Fields = map[string]string{}
	for _, d := range c.fields {
		c.Values[ownField(d.Key)] = strings.TrimSpace(r.PostForm.Get(ownField(d.Key)))
		c.Contact.Fields[d.Key] = c.Values[ownField(d.Key)]
	}
	c.Version, _ = strconv.ParseInt(c.Values["version"], 10, 64) // what is none is no version
}

// refused puts a refusal into a form and reports whether it was one that the form can
// show.
func refused(p frame.Page, f *frame.Form, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field, rest, _ := strings.Cut(one.Field, "/")
		value := f.Value(field)
		switch {
		case field == "fields":
			field, value = ownField(rest), f.Value(ownField(rest))
		case one.Code == "contact_reference_taken":
			field, value = "reference", f.Value("reference")
		case field == "addresses" || field == "tags":
			split := lines(f.Value("addresses"))
			if n, err := strconv.Atoi(rest); err == nil && field == "addresses" && n < len(split) {
				value = split[n]
			}
		}
		f.Add(field, p.FaultText(one, value))
	}
	return true
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	form := frame.Form{Values: map[string]string{"addresses": frame.Shorten(r.URL.Query().Get("address"), 320)}}
	return c.card(w, r, p, http.StatusOK, card{Form: form})
}

func (c Config) card(w http.ResponseWriter, r *http.Request, p frame.Page, status int, v card) error {
	if v.fields == nil {
		var err error
		if v.fields, err = c.Book.Fields(r.Context(), p.Tenant()); err != nil {
			return fmt.Errorf("read fields: %w", err)
		}
	}
	p.Room, p.Title = room, p.T("contacts.new.title")
	if !v.ID.IsZero() {
		p.Title = p.T("contacts.edit.title")
	}
	return p.Render(w, r, status, cardPage(p, v))
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.posted(w, r, p, audience.Contact{})
	if err != nil {
		return err
	}
	if !v.Valid() {
		return c.card(w, r, p, http.StatusUnprocessableEntity, v)
	}
	made, err := c.Book.Create(r.Context(), p.Tenant(), v.Contact, audience.OriginOffice, p.Who.User.ID.String())
	if refused(p, &v.Form, err) {
		v.other = c.takenBy(r, p, v.Contact)
		return c.card(w, r, p, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return fmt.Errorf("create contact: %w", err)
	}
	frame.Redirect(w, r, "/contacts/"+made.ID.String(), "created")
	return nil
}

// posted reads the form of a contact.
func (c Config) posted(w http.ResponseWriter, r *http.Request, p frame.Page, of audience.Contact) (card, error) {
	v := card{Contact: of, Form: frame.Form{Values: map[string]string{}}}
	if err := frame.ParseForm(w, r); err != nil {
		return v, err
	}
	var err error
	if v.fields, err = c.Book.Fields(r.Context(), p.Tenant()); err != nil {
		return v, fmt.Errorf("read fields: %w", err)
	}
	v.read(p, r)
	return v, nil
}

// takenBy leads to the contact that has one of the addresses, "" if none has.
func (c Config) takenBy(r *http.Request, p frame.Page, of audience.Contact) string {
	for _, a := range of.Addresses {
		if other, ok, err := c.Book.Of(r.Context(), p.Tenant(), a); err == nil && ok && other.ID != of.ID {
			return "/contacts/" + other.ID.String()
		}
	}
	return ""
}

func (c Config) showEdit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	declared, err := c.Book.Fields(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	return c.card(w, r, p, http.StatusOK, card{Form: values(p, found, declared), Contact: found, fields: declared})
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	v, err := c.posted(w, r, p, found)
	if err != nil {
		return err
	}
	if !v.Valid() {
		return c.card(w, r, p, http.StatusUnprocessableEntity, v)
	}
	_, err = c.Book.Change(r.Context(), p.Tenant(), v.Contact, p.Who.User.ID.String())
	if refused(p, &v.Form, err) {
		v.other = c.takenBy(r, p, v.Contact)
		// Whoever saves again has seen that somebody else did.
		v.Values["version"] = strconv.FormatInt(found.Version, 10)
		return c.card(w, r, p, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return fmt.Errorf("change contact: %w", err)
	}
	frame.Redirect(w, r, "/contacts/"+found.ID.String(), "changed")
	return nil
}

// merging is the page on which two contacts become one.
type merging struct {
	kept, other audience.Contact
	result      audience.Contact
	chosen      bool
	frame.Form
	found []audience.Contact // candidates
}

func (c Config) showMerge(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.mergePage(w, r, p, http.StatusOK, r.URL.Query().Get("with"), merging{})
}

func (c Config) mergePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, with string, m merging) error {
	var err error
	if m.kept, err = c.contactOf(r, p); err != nil {
		return err
	}
	if other, malformed := id.Parse[audience.ContactKind](with); malformed == nil && other != m.kept.ID {
		if m.other, err = c.Book.Contact(r.Context(), p.Tenant(), other); err != nil {
			return err
		}
		m.chosen, m.result = true, audience.Merged(m.kept, m.other)
	} else if err := c.candidates(r, p, &m); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("contacts.merge.title")
	return p.Render(w, r, status, mergePage(p, m))
}

// candidates finds contacts to merge with: what the reader looks for, at first those of
// the same family name.
func (c Config) candidates(r *http.Request, p frame.Page, m *merging) error {
	text := frame.Shorten(strings.TrimSpace(r.URL.Query().Get("q")), 200)
	m.Values = map[string]string{"q": text}
	if text == "" {
		text = m.kept.FamilyName
	}
	page, err := c.Book.List(r.Context(), p.Tenant(), audience.ContactFilter{Text: text, ByName: true, Ascending: true, Limit: 20})
	if err != nil {
		return fmt.Errorf("find contacts: %w", err)
	}
	m.found = slices.DeleteFunc(page.Contacts, func(one audience.Contact) bool { return one.ID == m.kept.ID })
	return nil
}

func (c Config) merge(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	kept, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	other, err := id.Parse[audience.ContactKind](r.PostForm.Get("with"))
	if err != nil {
		return errNoContact()
	}
	version, _ := strconv.ParseInt(r.PostForm.Get("version"), 10, 64)            // what is none is no version
	otherVersion, _ := strconv.ParseInt(r.PostForm.Get("other_version"), 10, 64) // likewise
	_, err = c.Book.Merge(r.Context(), p.Tenant(), kept.ID, other, version, otherVersion, p.Who.User.ID.String())
	var m merging
	if refused(p, &m.Form, err) {
		// Whatever field it is about, this form has only the whole.
		m.Form = frame.Form{}
		m.Add("", p.FaultText(fault.As(err), ""))
		return c.mergePage(w, r, p, http.StatusUnprocessableEntity, other.String(), m)
	}
	if err != nil {
		return fmt.Errorf("merge contacts: %w", err)
	}
	frame.Redirect(w, r, "/contacts/"+kept.ID.String(), "merged")
	return nil
}

func (c Config) delete(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	if err := c.Book.Delete(r.Context(), p.Tenant(), found.ID); err != nil {
		return fmt.Errorf("delete contact: %w", err)
	}
	frame.Redirect(w, r, "/contacts", "deleted")
	return nil
}

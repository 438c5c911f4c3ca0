package contacts

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/web/frame"
)

// personOf is whom a form or address names: a contact by its identifier, anybody else by
// an address.
func (c Config) personOf(r *http.Request, p frame.Page, key string) (privacy.Person, error) {
	if contact, err := id.Parse[audience.ContactKind](key); err == nil {
		return c.Rights.Person(r.Context(), p.Tenant(), contact)
	}
	a, err := message.ParseAddress(strings.TrimSpace(key))
	if err != nil {
		return privacy.Person{}, errNoContact()
	}
	return c.Rights.PersonAt(r.Context(), p.Tenant(), a)
}

// way is the address of a person's Kundenakte.
func way(person privacy.Person) string {
	return dossier{Contact: audience.Contact{ID: person.Contact, Addresses: person.Addresses}, stored: !person.Contact.IsZero()}.base()
}

// access takes a request to be told everything.
func (c Config) access(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	person, err := c.personOf(r, p, r.PostForm.Get("person"))
	if err != nil {
		return err
	}
	made, err := c.Rights.Ask(r.Context(), privacy.Wish{Kind: privacy.Access, Person: person, Locale: string(p.Lang), Actor: p.Who.User.ID.String()})
	if err != nil {
		return fmt.Errorf("take access request: %w", err)
	}
	frame.Redirect(w, r, "/privacy/requests/"+made.ID.String(), "")
	return nil
}

// erasing is the page that asks before a person is erased.
type erasing struct {
	frame.Form
	privacy.Preview
	person privacy.Person
}

func (e erasing) key() string {
	if e.person.Contact.IsZero() {
		return e.person.Addresses[0].String()
	}
	return e.person.Contact.String()
}

// name is what the person is called.
func (e erasing) name() string {
	if e.person.Name != "" {
		return e.person.Name
	}
	return e.person.Addresses[0].String()
}

func (c Config) showErase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	person, err := c.personOf(r, p, r.URL.Query().Get("person"))
	if err != nil {
		return err
	}
	return c.erasePage(w, r, p, http.StatusOK, erasing{person: person, Form: frame.Form{Values: map[string]string{"block": "on"}}})
}

func (c Config) erasePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e erasing) error {
	var err error
	if e.Preview, err = c.Rights.Preview(r.Context(), e.person); err != nil {
		return fmt.Errorf("preview erasure: %w", err)
	}
	p.Room, p.Title = room, p.T("privacy.erase.title")
	return p.Render(w, r, status, erasePage(p, e))
}

func (c Config) erase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	person, err := c.personOf(r, p, r.PostForm.Get("person"))
	if err != nil {
		return err
	}
	e := erasing{person: person, Form: frame.Form{Values: map[string]string{"address": strings.TrimSpace(r.PostForm.Get("address")), "block": r.PostForm.Get("block")}}}
	made, err := c.Rights.ConfirmErasure(r.Context(), privacy.Wish{Person: person, Block: e.Value("block") == "on", Locale: string(p.Lang), Actor: p.Who.User.ID.String()}, e.Value("address"))
	if refused(p, &e.Form, err) {
		return c.erasePage(w, r, p, http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return fmt.Errorf("take erasure request: %w", err)
	}
	frame.Redirect(w, r, "/privacy/requests/"+made.ID.String(), "")
	return nil
}

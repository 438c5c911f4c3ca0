package contacts

import (
	"fmt"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

const duplicatesAt = "/contacts/duplicates"

// twinList is the page of contacts that may be one person.
type twinList struct {
	frame.View
	list []audience.Twins
	full bool // there may be more
	// apart are the last pairs that somebody called two people.
	apart []audience.Twins
	done  string
}

func twinRoll(p frame.Page) frame.Roll[audience.Twins] {
	cell := func(key string, text func(audience.Twins) string) frame.Cell[audience.Twins] {
		return frame.Cell[audience.Twins]{Column: frame.Column{Key: key, Title: p.T("contacts.twins.col." + key)}, Text: text}
	}
	return frame.Roll[audience.Twins]{Listing: frame.Listing{Path: duplicatesAt, Picks: p.T("list.pick.head")}, Cells: []frame.Cell[audience.Twins]{
		cell("kept", func(t audience.Twins) string { return called(t.Kept) }), cell("other", func(t audience.Twins) string { return called(t.Other) }),
		cell("like", func(t audience.Twins) string { return p.T("contacts.twins." + string(t.Like)) }),
	}}
}

// called is a contact's name with its main address.
func called(c audience.Contact) string {
	if name := c.Name(); name != c.Main().String() {
		return name + ", " + c.Main().String()
	}
	return c.Main().String()
}

func (c Config) showDuplicates(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Book.Duplicates(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	v := twinList{full: len(list) == audience.MaxTwins}
	v.View, v.list = twinRoll(p).Read(r, list)
	v.done = p.Done("apart", "together", "several")
	if v.apart, err = c.toldApart(r, p); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("contacts.twins.title")
	return p.Render(w, r, http.StatusOK, twinsPage(p, v))
}

func (c Config) exportDuplicates(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Book.Duplicates(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	roll := twinRoll(p)
	_, list = roll.Read(r, list)
	return roll.CSV(w, p, p.T("contacts.twins.filename"), list)
}

// mergeAt is where two contacts are compared and made one.
func mergeAt(t audience.Twins) string {
	return "/contacts/" + t.Kept.ID.String() + "/merge?with=" + t.Other.ID.String()
}

// unmerge takes the last merge into a contact back.
func (c Config) unmerge(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	_, err = c.Book.Unmerge(r.Context(), p.Tenant(), found.ID, p.Who.User.ID.String())
	if fault.IsKind(err, fault.Conflict) {
		// Whoever pressed twice, or too late, sees the contact as it is.
		frame.Redirect(w, r, "/contacts/"+found.ID.String(), "merge-stays")
		return nil
	}
	if err != nil {
		return fmt.Errorf("take merge back: %w", err)
	}
	frame.Redirect(w, r, "/contacts/"+found.ID.String(), "unmerged")
	return nil
}

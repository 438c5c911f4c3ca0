// Package contacts is the office's book of people: whom a tenant writes to, found by
// name, address or number; and of each the Kundenakte, which tells in one place what was
// written to them, how it fared, whether they may be written to, what was noted, and what
// they can ask for (to be told everything, to be forgotten).
//
// It is a subject of the door web (floor 4). Package audience keeps contacts, insight
// tells of mail, privacy serves the person's rights. The Kundenakte opens for any address
// that was ever written to, whether or not a contact is stored.
package contacts

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
	"stafette/internal/web/messages"
)

// Book keeps contacts; *audience.Contacts does.
type Book interface {
	List(ctx context.Context, t tenant.ID, f audience.ContactFilter) (audience.ContactPage, error)
	Tags(ctx context.Context, t tenant.ID) ([]string, error)
	Contact(ctx context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error)
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
	Create(ctx context.Context, t tenant.ID, c audience.Contact, o audience.Origin, actor string) (audience.Contact, error)
	Change(ctx context.Context, t tenant.ID, c audience.Contact, actor string) (audience.Contact, error)
	Merge(ctx context.Context, t tenant.ID, kept, other audience.ContactID, version, otherVersion int64, actor string) (audience.Contact, error)
	Duplicates(ctx context.Context, t tenant.ID) ([]audience.Twins, error)
	Distinguish(ctx context.Context, t tenant.ID, pairs []audience.Pair, actor string) error
	Resemble(ctx context.Context, t tenant.ID, p audience.Pair) error
	Distinct(ctx context.Context, t tenant.ID, limit int) ([]audience.Distinct, error)
	MergeSeveral(ctx context.Context, t tenant.ID, list []audience.Joining, actor string) (int, error)
	Undoable(ctx context.Context, t tenant.ID, kept audience.ContactID) (time.Time, bool, error)
	Unmerge(ctx context.Context, t tenant.ID, kept audience.ContactID, actor string) (audience.ContactID, error)
	Delete(ctx context.Context, t tenant.ID, c audience.ContactID) error
	Acts(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.ContactAct, error)
	Notes(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.Note, error)
	AddNote(ctx context.Context, t tenant.ID, c audience.ContactID, author, text string) (audience.Note, error)
	EditNote(ctx context.Context, t tenant.ID, c audience.ContactID, n audience.NoteID, author, text string) error
	DeleteNote(ctx context.Context, t tenant.ID, c audience.ContactID, n audience.NoteID, author string) error
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
	SetField(ctx context.Context, t tenant.ID, f audience.Field) error
	RemoveField(ctx context.Context, t tenant.ID, key string) error
	ExportCSV(ctx context.Context, t tenant.ID, f audience.ContactFilter, w io.Writer, comma rune) error
	ExportJSON(ctx context.Context, t tenant.ID, f audience.ContactFilter, w io.Writer) error
}

// List is the suppression list; *audience.Service is one.
type List interface {
	Hash(t tenant.ID, a message.Address) audience.Hash
	Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error)
	History(ctx context.Context, t tenant.ID, h audience.Hash) ([]audience.Act, error)
}

// Rights serves what people may ask for; *privacy.Service does.
type Rights interface {
	Person(ctx context.Context, t tenant.ID, c audience.ContactID) (privacy.Person, error)
	PersonAt(ctx context.Context, t tenant.ID, a message.Address) (privacy.Person, error)
	Preview(ctx context.Context, p privacy.Person) (privacy.Preview, error)
	Ask(ctx context.Context, w privacy.Wish) (privacy.Request, error)
	ConfirmErasure(ctx context.Context, w privacy.Wish, typed string) (privacy.Request, error)
}

// People names who did something; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Consents tells what people said about being tracked; *tracking.Consents does.
type Consents interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (tracking.Consent, error)
}

// Circles tells which groups contacts are in; *audience.Groups does.
type Circles interface {
	Of(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.Membership, error)
	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Facts(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (audience.GroupFacts, error)
}

// Config is what the pages stand on; all of it is needed but Groups, without which the
// history does not tell of them, Consents, Optins and Evidence.
type Config struct {
	Consents Consents // nil: the Kundenakte says nothing of tracking
	Optins   Optins   // nil: nor of why people may be written to
	Evidence Evidence // nil: there is none
	Book     Book
	Groups   Circles
	List     List
	Mail     insight.PersonStore
	Rights   Rights
	People   People
	Teller   messages.Teller
}

// Routes are the pages of contacts.
func Routes(c Config) []frame.Route {
	read, write, manage := tenant.MessagesRead, tenant.ContactsWrite, tenant.PrivacyManage
	return []frame.Route{
		{Pattern: "GET /contacts", Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "person", Group: frame.GroupContacts}},
		{Pattern: "GET /contacts.csv", Permission: read, Do: c.exportCSV},
		{Pattern: "GET /contacts.json", Permission: read, Do: c.exportJSON},
		{Pattern: "GET /contacts/new", Permission: write, Do: c.showNew},
		{Pattern: "POST /contacts", Permission: write, Do: c.create},
		{Pattern: "GET " + duplicatesAt, Permission: write, Do: c.showDuplicates},
		{Pattern: "GET " + duplicatesAt + ".csv", Permission: write, Do: c.exportDuplicates},
		{Pattern: "GET " + severalAt, Permission: write, Do: c.showSeveral},
		{Pattern: "POST " + severalAt, Permission: write, Act: "contacts.merge", Do: c.mergeSeveral},
		{Pattern: "POST " + duplicatesAt + "/apart", Permission: write, Act: "contacts.apart", Do: c.tellApart},
		{Pattern: "POST " + duplicatesAt + "/together", Permission: write, Act: "contacts.together", Do: c.tellTogether},
		{Pattern: "GET " + evidenceAt, Permission: manage, Do: c.evidence},
		{Pattern: "GET /contacts/fields", Permission: write, Do: c.showFields},
		{Pattern: "POST /contacts/fields", Permission: write, Do: c.changeFields},
		{Pattern: "GET /contacts/address", Permission: read, Do: c.showAddress},
		{Pattern: "GET /contacts/erase", Permission: manage, Do: c.showErase},
		{Pattern: "POST /contacts/erase", Permission: manage, Do: c.erase},
		{Pattern: "POST /contacts/access", Permission: manage, Do: c.access},
		{Pattern: "GET /contacts/{id}", Permission: read, Do: c.showContact},
		{Pattern: "GET /contacts/{id}/edit", Permission: write, Do: c.showEdit},
		{Pattern: "POST /contacts/{id}", Permission: write, Do: c.change},
		{Pattern: "POST /contacts/{id}/notes", Permission: write, Do: c.note},
		{Pattern: "GET /contacts/{id}/merge", Permission: write, Do: c.showMerge},
		{Pattern: "POST /contacts/{id}/merge", Permission: write, Do: c.merge},
		{Pattern: "POST /contacts/{id}/unmerge", Permission: write, Do: c.unmerge},
		{Pattern: "POST /contacts/{id}/delete", Permission: write, Do: c.delete},
	}
}

const (
	room     = "contacts"
	pageSize = 50
)

func listing(p frame.Page) frame.Listing {
	column := func(key string, sortable, extra bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("contacts.col." + key), Sortable: sortable, Extra: extra}
	}
	return frame.Listing{
		Path: "/contacts", Filters: []string{"q", "tag"}, Sort: "name",
		Columns: []frame.Column{column("name", true, false), column("address", false, false), column("company", false, false),
			column("reference", false, false), column("tags", false, false), column("phone", false, true), column("since", true, false)},
	}
}

// question is the view as the book is asked for it.
func question(v frame.View) audience.ContactFilter {
	f := audience.ContactFilter{Text: v.Filter("q"), Tag: v.Filter("tag"), ByName: v.Sort == "name", Ascending: !v.Descending, Limit: pageSize}
	if after, err := id.Parse[audience.ContactKind](v.After); err == nil {
		f.After = after
	}
	return f
}

// list is what the page of all contacts shows.
type list struct {
	frame.View
	contacts []audience.Contact
	tags     []string
	older    string
	done     string
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{View: frame.ReadView(r, listing(p)), done: p.Done("deleted", "erasure")}
	page, err := c.Book.List(r.Context(), p.Tenant(), question(l.View))
	if err != nil {
		return fmt.Errorf("list contacts: %w", err)
	}
	if l.tags, err = c.Book.Tags(r.Context(), p.Tenant()); err != nil {
		return fmt.Errorf("list tags: %w", err)
	}
	if l.contacts = page.Contacts; page.More {
		l.older = l.With("after", page.Contacts[len(page.Contacts)-1].ID.String())
	}
	p.Room, p.Title = room, p.T("nav.contacts")
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

func attach(w http.ResponseWriter, p frame.Page, media, ending string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+p.T("contacts.filename")+"-"+p.Now.UTC().Format(time.DateOnly)+ending+`"`)
	h.Set("Cache-Control", "no-store")
}

// exportCSV writes the filtered list as spreadsheets in German open it by double click.
func (c Config) exportCSV(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := question(frame.ReadView(r, listing(p)))
	attach(w, p, "text/csv; charset=utf-8", ".csv")
	_, _ = io.WriteString(w, "\ufeff")
	if err := c.Book.ExportCSV(r.Context(), p.Tenant(), f, w, ';'); err != nil {
		// The header is out; a line that says so is better than a file that looks whole.
		_, _ = io.WriteString(w, "\n"+p.T("export.broken")+"\n")
	}
	return nil
}

func (c Config) exportJSON(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := question(frame.ReadView(r, listing(p)))
	attach(w, p, "application/json", ".json")
	if err := c.Book.ExportJSON(r.Context(), p.Tenant(), f, w); err != nil {
		// What is no JSON any more cannot be taken for a whole list.
		_, _ = io.WriteString(w, "\n"+p.T("export.broken")+"\n")
	}
	return nil
}

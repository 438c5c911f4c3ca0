package audience

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Contacts keeps the people a tenant writes to. It is safe for concurrent use.
type Contacts struct {
	store ContactStore
	now   func() time.Time
}

// NewContacts makes Contacts on a store and a clock.
func NewContacts(s ContactStore, now func() time.Time) *Contacts {
	return &Contacts{store: s, now: now}
}

// Create stores a contact. Identifier, version, origin, actor and times are set here.
// Errors: those of Contact (see Contact's fields), "contact_address_taken" at the
// address and "contact_reference_taken".
func (s *Contacts) Create(ctx context.Context, t tenant.ID, c Contact, o Origin, actor string) (Contact, error) {
	now := s.now().UTC().Truncate(time.Millisecond)
	c.ID, c.Tenant, c.Version, c.Origin, c.Actor, c.CreatedAt, c.UpdatedAt = id.New[ContactKind](now), t, 1, o, actor, now, now
	if err := s.admit(ctx, &c); err != nil {
		return Contact{}, err
	}
	err := s.store.CreateContact(ctx, c, ContactAct{ID: id.New[NoteKind](now), At: now, Type: ContactCreated, Actor: actor})
	return c, err
}

// Change replaces what a contact says by c, which names the version the caller saw.
// Errors: those of Create, "contact_not_found", "contact_changed".
func (s *Contacts) Change(ctx context.Context, t tenant.ID, c Contact, actor string) (Contact, error) {
	old, err := s.store.Contact(ctx, t, c.ID)
	if err != nil {
		return Contact{}, err
	}
	if old.Version != c.Version {
		return Contact{}, errContactChanged()
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	c.Tenant, c.Origin, c.Actor, c.CreatedAt = t, old.Origin, old.Actor, old.CreatedAt
	if err := s.admit(ctx, &c); err != nil {
		return Contact{}, err
	}
	names := changed(old, c)
	if len(names) == 0 {
		return old, nil
	}
	c.Version, c.UpdatedAt = old.Version+1, now
	return c, s.store.ChangeContact(ctx, c, ContactAct{ID: id.New[NoteKind](now), At: now, Type: ContactChanged, Actor: actor, Fields: names})
}

func errContactChanged() error {
	return fault.New(fault.Conflict, "contact_changed", "Somebody else has changed the contact meanwhile.")
}

// admit holds a contact to the rules and to the other contacts.
func (s *Contacts) admit(ctx context.Context, c *Contact) error {
	declared, err := s.store.Fields(ctx, c.Tenant)
	if err != nil {
		return err
	}
	if err := c.check(declared); err != nil {
		return err
	}
	for i, a := range c.Addresses {
		other, taken, err := s.store.ContactOf(ctx, c.Tenant, a)
		if err != nil {
			return err
		}
		if taken && other.ID != c.ID {
			return &fault.Error{Kind: fault.Conflict, Code: "contact_address_taken", Field: fmt.Sprintf("addresses/%d", i),
				Detail: "Another contact has this address."}
		}
	}
	return nil
}

// Merged is what becomes of two contacts when they are made one: kept wins, and what it
// does not say comes from the other. Addresses and tags are put together, as far as
// there is room.
func Merged(kept, other Contact) Contact {
	c := kept
	for _, v := range []struct{ to, from *string }{
		{&c.Salutation, &other.Salutation}, {&c.GivenName, &other.GivenName}, {&c.FamilyName, &other.FamilyName},
		{&c.Company, &other.Company}, {&c.Phone, &other.Phone}, {&c.Locale, &other.Locale}, {&c.Reference, &other.Reference},
	} {
		if *v.to == "" {
			*v.to = *v.from
		}
	}
	c.Addresses = slices.Clone(kept.Addresses)
	for _, a := range other.Addresses {
		if !c.Has(a) {
			c.Addresses = append(c.Addresses, a)
		}
	}
	c.Tags = slices.Concat(kept.Tags, other.Tags)
	slices.Sort(c.Tags)
	c.Tags = slices.Compact(c.Tags)
	c.Fields = maps.Clone(other.Fields)
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	maps.Copy(c.Fields, kept.Fields)
	if other.CreatedAt.Before(c.CreatedAt) {
		c.CreatedAt = other.CreatedAt
	}
	return c
}

// Merge makes one contact of two: kept stays and the other is gone; see Unmerge. The
// versions are those the caller saw. Errors: "contact_not_found", "contact_changed",
// "contact_merge_self", "contact_too_many_addresses", "tag_malformed".
func (s *Contacts) Merge(ctx context.Context, t tenant.ID, kept, other ContactID, version, otherVersion int64, actor string) (Contact, error) {
	if kept == other {
		return Contact{}, fault.Field("with", "contact_merge_self", "A contact cannot be merged with itself.")
	}
	a, err := s.store.Contact(ctx, t, kept)
	if err != nil {
		return Contact{}, err
	}
	b, err := s.store.Contact(ctx, t, other)
	if err != nil {
		return Contact{}, err
	}
	if a.Version != version || b.Version != otherVersion {
		return Contact{}, errContactChanged()
	}
	c := Merged(a, b)
	declared, err := s.store.Fields(ctx, t)
	if err != nil {
		return Contact{}, err
	}
	maps.DeleteFunc(c.Fields, func(key, _ string) bool {
		return !slices.ContainsFunc(declared, func(f Field) bool { return f.Key == key })
	})
	if err := c.check(declared); err != nil {
		return Contact{}, err
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	c.Version, c.UpdatedAt = a.Version+1, now
	return c, s.store.MergeContacts(ctx, c, other, otherVersion,
		ContactAct{ID: id.New[NoteKind](now), At: now, Type: ContactMerged, Actor: actor, Fields: changed(a, c)})
}

// Delete takes a contact away with its notes. Mail that was sent stays, see package
// privacy for erasing it.
func (s *Contacts) Delete(ctx context.Context, t tenant.ID, c ContactID) error {
	return s.store.DeleteContact(ctx, t, c)
}

// Contact returns one. The error is NotFound "contact_not_found".
func (s *Contacts) Contact(ctx context.Context, t tenant.ID, c ContactID) (Contact, error) {
	return s.store.Contact(ctx, t, c)
}

// Of returns the contact that has an address; false if none has.
func (s *Contacts) Of(ctx context.Context, t tenant.ID, a message.Address) (Contact, bool, error) {
	return s.store.ContactOf(ctx, t, a)
}

// List returns a page of contacts.
func (s *Contacts) List(ctx context.Context, t tenant.ID, f ContactFilter) (ContactPage, error) {
	return s.store.Contacts(ctx, t, f)
}

// Tags returns tags in use, sorted, at most 200.
func (s *Contacts) Tags(ctx context.Context, t tenant.ID) ([]string, error) {
	return s.store.ContactTags(ctx, t, 200)
}

// Acts returns what was done to a contact, new ones first.
func (s *Contacts) Acts(ctx context.Context, t tenant.ID, c ContactID) ([]ContactAct, error) {
	return s.store.ContactActs(ctx, t, c)
}

// Notes returns the notes about a contact, new ones first.
func (s *Contacts) Notes(ctx context.Context, t tenant.ID, c ContactID) ([]Note, error) {
	return s.store.Notes(ctx, t, c)
}

const maxNoteText = 5000

// AddNote writes a note about a contact. The error of its text is "note_text" (field
// "text"): 1 to 5,000 characters.
func (s *Contacts) AddNote(ctx context.Context, t tenant.ID, c ContactID, author, text string) (Note, error) {
	now := s.now().UTC().Truncate(time.Millisecond)
	text, err := noteText(text)
	if err != nil {
		return Note{}, err
	}
	n := Note{ID: id.New[NoteKind](now), Contact: c, Author: author, Text: text, CreatedAt: now}
	return n, s.store.PutNote(ctx, t, n)
}

// EditNote replaces the text of one's own note.
func (s *Contacts) EditNote(ctx context.Context, t tenant.ID, c ContactID, n NoteID, author, text string) error {
	text, err := noteText(text)
	if err != nil {
		return err
	}
	return s.store.PutNote(ctx, t, Note{ID: n, Contact: c, Author: author, Text: text, EditedAt: s.now().UTC().Truncate(time.Millisecond)})
}

// DeleteNote takes one's own note away.
func (s *Contacts) DeleteNote(ctx context.Context, t tenant.ID, c ContactID, n NoteID, author string) error {
	return s.store.DeleteNote(ctx, t, c, n, author)
}

func noteText(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	bad := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if text == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxNoteText || strings.ContainsFunc(text, bad) {
		return "", fault.Field("text", "note_text", "A note has 1 to 5,000 characters.")
	}
	return text, nil
}

// Fields returns the tenant's own fields in their order.
func (s *Contacts) Fields(ctx context.Context, t tenant.ID) ([]Field, error) {
	return s.store.Fields(ctx, t)
}

// SetField declares a field, or changes the one with its key. Errors: those of Field,
// "contact_too_many_fields", and "contact_field_zone_twice" (type): another one has the time
// zone already.
func (s *Contacts) SetField(ctx context.Context, t tenant.ID, f Field) error {
	if err := f.check(); err != nil {
		return err
	}
	list, err := s.store.Fields(ctx, t)
	if err != nil {
		return err
	}
	if key := ZoneKey(list); f.Type == ZoneField && key != "" && key != f.Key {
		return fault.Field("type", "contact_field_zone_twice", "The field "+key+" has the time zone already.")
	}
	if i := slices.IndexFunc(list, func(one Field) bool { return one.Key == f.Key }); i >= 0 {
		list[i] = f
	} else if list = append(list, f); len(list) > MaxFields {
		return fault.Field("key", "contact_too_many_fields", "A tenant has at most 50 fields.")
	}
	return s.store.SetFields(ctx, t, list)
}

// RemoveField takes a field away; one that is not there is no error.
func (s *Contacts) RemoveField(ctx context.Context, t tenant.ID, key string) error {
	list, err := s.store.Fields(ctx, t)
	if err != nil {
		return err
	}
	return s.store.SetFields(ctx, t, slices.DeleteFunc(list, func(f Field) bool { return f.Key == key }))
}

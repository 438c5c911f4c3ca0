package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var _ audience.ContactStore = (*Store)(nil)

const contactColumns = `id, version, salutation, given_name, family_name, company, phone, locale, reference, fields, tags, addresses,
	origin, actor, created_at, updated_at`

func readContact(row scanner, t tenant.ID) (audience.Contact, error) {
	c := audience.Contact{Tenant: t}
	var addresses [][2]string
	err := row.Scan(&c.ID, &c.Version, &c.Salutation, &c.GivenName, &c.FamilyName, &c.Company, &c.Phone, &c.Locale,
		nullText[string]{&c.Reference}, document{&c.Fields}, document{&c.Tags}, document{&addresses},
		&c.Origin, &c.Actor, instant{&c.CreatedAt}, instant{&c.UpdatedAt})
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, message.Address{Local: a[0], Domain: a[1]})
	}
	return c, err
}

// contactValues are the columns that a change writes, in the order of contactSet.
func contactValues(c audience.Contact) []any { return namedValues(&c, c.SortName()) }

// namedValues is contactValues of a contact whose SortName is known.
func namedValues(c *audience.Contact, name string) []any {
	return []any{c.Tenant[:], c.ID[:], c.Version, plain(c.Salutation), plain(c.GivenName), plain(c.FamilyName), plain(c.Company), plain(c.Phone),
		c.Locale, textOrNull(plain(c.Reference)), orNull(len(c.Fields), c.Fields), orNull(len(c.Tags), c.Tags), addressesJSON(c.Addresses),
		plain(name), string(c.Origin), plain(c.Actor), millis(c.CreatedAt), millis(c.UpdatedAt)}
}

// What new contacts of one enlistment have in common, and what each has of its own.
const (
	freshCommon = "tenant, created_at, updated_at, origin, actor"
	freshOwn    = "id, version, salutation, given_name, family_name, company, phone, locale, reference, fields, tags, addresses, sort_name"
	freshWidth  = 13
)

// addressesJSON is the JSON of pairs of local part and domain. That of addresses in which
// nothing need be escaped is written without the general way, which an import of many feels.
func addressesJSON(list []message.Address) string {
	text := []byte("[")
	for i, a := range list {
		if !bare(a.Local) || !bare(a.Domain) {
			pairs := make([][2]string, len(list))
			for i, a := range list {
				pairs[i] = [2]string{plain(a.Local), plain(a.Domain)}
			}
			return asJSON(pairs)
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, `["`...), a.Local...), `","`...)
		text = append(append(text, a.Domain...), `"]`...)
	}
	return string(append(text, ']'))
}

// bare reports whether a text stands in JSON as it is.
func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// appendFresh appends the values of freshOwn; name is the contact's SortName.
func appendFresh(to []any, c *audience.Contact, name string) []any {
	values := namedValues(c, name)
	return append(to, values[1:freshWidth+1]...)
}

const contactInsertColumns = `tenant, id, version, salutation, given_name, family_name, company, phone, locale, reference, fields,
	tags, addresses, sort_name, origin, actor, created_at, updated_at`

const contactInsert = "INSERT INTO contacts (" + contactInsertColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`

// contactSet names every column of contactInsert, so that both take the same values.
const contactSet = `UPDATE contacts SET version = $3, salutation = $4, given_name = $5, family_name = $6, company = $7, phone = $8, locale = $9,
	reference = $10, fields = $11, tags = $12, addresses = $13, sort_name = $14, origin = $15, actor = $16, created_at = $17, updated_at = $18
	WHERE tenant = $1 AND id = $2 AND version = $3 - 1`

// CreateContact implements audience.ContactStore.
func (s *Store) CreateContact(ctx context.Context, c audience.Contact, act audience.ContactAct) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, contactInsert, contactValues(c)...); err != nil {
			return s.taken(err, "contact_reference_taken", "Another contact has this reference.")
		}
		if err := s.indexContact(ctx, tx, c); err != nil {
			return err
		}
		if err := tellTagged(ctx, tx, tagged{c, nil}); err != nil {
			return err
		}
		return recordAct(ctx, tx, c.Tenant, c.ID, act)
	})
	if err != nil {
		return fmt.Errorf("create contact: %w", err)
	}
	return nil
}

// ChangeContact implements audience.ContactStore.
func (s *Store) ChangeContact(ctx context.Context, c audience.Contact, act audience.ContactAct) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.replaceContact(ctx, tx, c); err != nil {
			return err
		}
		return recordAct(ctx, tx, c.Tenant, c.ID, act)
	})
	if err != nil {
		return fmt.Errorf("change contact: %w", err)
	}
	return nil
}

// replaceContact writes a contact over the version before it.
func (s *Store) replaceContact(ctx context.Context, tx *sql.Tx, c audience.Contact) error {
	old, err := s.heldContact(ctx, tx, c.Tenant, c.ID)
	if err != nil {
		return err
	}
	if old.Version != c.Version-1 {
		return errContactChanged()
	}
	if err := endMerge(ctx, tx, c.Tenant, c.ID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, contactSet, contactValues(c)...); err != nil {
		return s.taken(err, "contact_reference_taken", "Another contact has this reference.")
	}
	if err := s.unindexContact(ctx, tx, old); err != nil {
		return err
	}
	if err := s.indexContact(ctx, tx, c); err != nil {
		return err
	}
	return tellTagged(ctx, tx, tagged{c, old.Tags})
}

func errContactChanged() error {
	return fault.New(fault.Conflict, "contact_changed", "Somebody else has changed the contact meanwhile.")
}

// heldContact reads a contact that nobody else may change before the commit.
func (s *Store) heldContact(ctx context.Context, tx *sql.Tx, t tenant.ID, c audience.ContactID) (audience.Contact, error) {
	found, err := readContact(tx.QueryRowContext(ctx, "SELECT "+contactColumns+" FROM contacts WHERE tenant = $1 AND id = $2"+s.dialect.lockRow(), t[:], c[:]), t)
	return found, missing(err, "contact_not_found")
}

// indexContact writes what a contact is found by.
func (s *Store) indexContact(ctx context.Context, tx *sql.Tx, c audience.Contact) error {
	for _, a := range c.Addresses {
		_, err := tx.ExecContext(ctx, "INSERT INTO contact_addresses (tenant, address, contact) VALUES ($1, $2, $3)", c.Tenant[:], canonicalAddress(a), c.ID[:])
		if err != nil {
			return s.taken(err, "contact_address_taken", "Another contact has this address.")
		}
	}
	for _, word := range c.Words() {
		if _, err := tx.ExecContext(ctx, "INSERT INTO contact_words (tenant, word, contact) VALUES ($1, $2, $3)", c.Tenant[:], plain(word), c.ID[:]); err != nil {
			return err
		}
	}
	for _, tag := range c.Tags {
		if _, err := tx.ExecContext(ctx, "INSERT INTO contact_tags (tenant, tag, contact, sort_name) VALUES ($1, $2, $3, $4)",
			c.Tenant[:], plain(tag), c.ID[:], plain(c.SortName())); err != nil {
			return err
		}
	}
	return nil
}

// unindexContact takes away what indexContact and insertContacts wrote for a contact as it
// was stored: the tables are not ordered by contact.
func (s *Store) unindexContact(ctx context.Context, tx *sql.Tx, old audience.Contact) error {
	drop := func(text, value string) error {
		_, err := tx.ExecContext(ctx, text, old.Tenant[:], plain(value), old.ID[:])
		return err
	}
	for _, a := range old.Addresses {
		if err := drop("DELETE FROM contact_addresses WHERE tenant = $1 AND address = $2 AND contact = $3", canonicalAddress(a)); err != nil {
			return err
		}
	}
	for _, word := range old.Words() {
		if err := s.dropWord(ctx, tx, old.Tenant, plain(word), old.ID); err != nil {
			return err
		}
	}
	for _, tag := range old.Tags {
		if err := drop("DELETE FROM contact_tags WHERE tenant = $1 AND tag = $2 AND contact = $3", tag); err != nil {
			return err
		}
	}
	return nil
}

// MergeContacts implements audience.ContactStore.
func (s *Store) MergeContacts(ctx context.Context, c audience.Contact, other audience.ContactID, otherVersion int64, act audience.ContactAct) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		gone, err := s.heldContact(ctx, tx, c.Tenant, other)
		if err != nil {
			return err
		}
		if gone.Version != otherVersion {
			return errContactChanged()
		}
		was, err := s.heldContact(ctx, tx, c.Tenant, c.ID)
		if err != nil {
			return err
		}
		before, err := s.beforeMerge(ctx, tx, was, gone)
		if err != nil {
			return err
		}
		if err := endMerge(ctx, tx, c.Tenant, other); err != nil {
			return err
		}
		if err := endDistinct(ctx, tx, c.Tenant, other); err != nil {
			return err
		}
		if err := s.unindexContact(ctx, tx, gone); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM contacts WHERE tenant = $1 AND id = $2", c.Tenant[:], other[:]); err != nil {
			return err
		}
		if err := s.replaceContact(ctx, tx, c); err != nil {
			return err
		}
		if err := moveMemberships(ctx, tx, c.Tenant, other, c.ID); err != nil {
			return err
		}
		for _, text := range []string{
			// Whoever got a mailing as one of the two does not get it again as the other.
			"UPDATE campaign_recipients SET contact = $3" + whose("campaign_recipients", "campaign", "= $2", "= $2") + " AND campaign NOT IN (SELECT k.campaign FROM campaign_recipients k WHERE k.tenant = $1 AND k.contact = $3)",
			// Nor goes anybody through a series again.
			"UPDATE series_deeds SET contact = $3" + whose("series_deeds", "series", "= $2", "= $2") + " AND series NOT IN (SELECT k.series FROM series_runs k WHERE k.tenant = $1 AND k.contact = $3)",
			"UPDATE series_runs SET contact = $3" + whose("series_runs", "series", "= $2", "= $2") + " AND series NOT IN (SELECT k.series FROM series_runs k WHERE k.tenant = $1 AND k.contact = $3)",
			"UPDATE series_signals SET contact = $3" + whose("series_signals", "series", "= $2", "= $2"),
			"UPDATE contact_notes SET contact = $3 WHERE tenant = $1 AND contact = $2",
			"UPDATE contact_acts SET contact = $3 WHERE tenant = $1 AND contact = $2",
		} {
			if _, err := tx.ExecContext(ctx, text, c.Tenant[:], other[:], c.ID[:]); err != nil {
				return err
			}
		}
		if err := keepMerge(ctx, tx, before, c.Version, act.At); err != nil {
			return err
		}
		return recordAct(ctx, tx, c.Tenant, c.ID, act)
	})
	if err != nil {
		return fmt.Errorf("merge contacts: %w", err)
	}
	return nil
}

// DeleteContact implements audience.ContactStore.
func (s *Store) DeleteContact(ctx context.Context, t tenant.ID, c audience.ContactID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		gone, err := s.heldContact(ctx, tx, t, c)
		if err != nil {
			return err
		}
		return s.dropContact(ctx, tx, gone)
	})
	if err != nil {
		return fmt.Errorf("delete contact: %w", err)
	}
	return nil
}

// dropContact takes away a contact with everything kept of it.
func (s *Store) dropContact(ctx context.Context, tx *sql.Tx, c audience.Contact) error {
	if err := s.unindexContact(ctx, tx, c); err != nil {
		return err
	}
	if err := endMemberships(ctx, tx, c.Tenant, c.ID); err != nil {
		return err
	}
	if err := endDistinct(ctx, tx, c.Tenant, c.ID); err != nil {
		return err
	}
	for _, text := range append(rowsOfContacts("= $2", "= $2"),
		"DELETE FROM contact_merges WHERE tenant = $1 AND kept = $2",
		"DELETE FROM contact_notes WHERE tenant = $1 AND contact = $2",
		"DELETE FROM contact_acts WHERE tenant = $1 AND contact = $2",
		"DELETE FROM contacts WHERE tenant = $1 AND id = $2",
	) {
		if _, err := tx.ExecContext(ctx, text, c.Tenant[:], c.ID[:]); err != nil {
			return err
		}
	}
	return nil
}

// Contact implements audience.ContactStore.
func (s *Store) Contact(ctx context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error) {
	found, err := readContact(s.read.QueryRowContext(ctx, "SELECT "+contactColumns+" FROM contacts WHERE tenant = $1 AND id = $2", t[:], c[:]), t)
	if err != nil {
		return audience.Contact{}, fmt.Errorf("read contact: %w", s.refusal(missing(err, "contact_not_found")))
	}
	return found, nil
}

// ContactOf implements audience.ContactStore.
func (s *Store) ContactOf(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error) {
	c, err := readContact(s.read.QueryRowContext(ctx, "SELECT "+contactColumns+` FROM contacts WHERE tenant = $1
		AND id = (SELECT contact FROM contact_addresses WHERE tenant = $1 AND address = $2)`, t[:], canonicalAddress(a)), t)
	if errors.Is(err, sql.ErrNoRows) {
		return audience.Contact{}, false, nil
	}
	if err != nil {
		return audience.Contact{}, false, fmt.Errorf("find contact: %w", s.refusal(err))
	}
	return c, true, nil
}

func recordAct(ctx context.Context, tx *sql.Tx, t tenant.ID, c audience.ContactID, act audience.ContactAct) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO contact_acts (tenant, contact, id, at, act, actor, fields) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		t[:], c[:], act.ID[:], millis(act.At), string(act.Type), plain(act.Actor), orNull(len(act.Fields), act.Fields))
	return err
}

// actsShown bounds the acts shown of one contact.
const actsShown = 200

// ContactActs implements audience.ContactStore.
func (s *Store) ContactActs(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.ContactAct, error) {
	var list []audience.ContactAct
	rows, err := s.read.QueryContext(ctx, `SELECT id, at, act, actor, fields FROM contact_acts WHERE tenant = $1 AND contact = $2
		ORDER BY id DESC LIMIT $3`, t[:], c[:], actsShown)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a audience.ContactAct
		err := row.Scan(&a.ID, instant{&a.At}, &a.Type, &a.Actor, document{&a.Fields})
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read acts of contact: %w", s.refusal(err))
	}
	return list, nil
}

// notesShown bounds the notes of one contact.
const notesShown = 500

// Notes implements audience.ContactStore.
func (s *Store) Notes(ctx context.Context, t tenant.ID, c audience.ContactID) ([]audience.Note, error) {
	var list []audience.Note
	rows, err := s.read.QueryContext(ctx, `SELECT id, author, text, created_at, edited_at FROM contact_notes WHERE tenant = $1 AND contact = $2
		ORDER BY id DESC LIMIT $3`, t[:], c[:], notesShown)
	err = scan(rows, err, func(row *sql.Rows) error {
		n := audience.Note{Contact: c}
		err := row.Scan(&n.ID, &n.Author, &n.Text, instant{&n.CreatedAt}, instant{&n.EditedAt})
		list = append(list, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", s.refusal(err))
	}
	return list, nil
}

// PutNote implements audience.ContactStore. A note that was never edited is new.
func (s *Store) PutNote(ctx context.Context, t tenant.ID, n audience.Note) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if n.EditedAt.IsZero() {
			var one int
			// The row is held, so that the contact cannot go away meanwhile.
			err := tx.QueryRowContext(ctx, "SELECT 1 FROM contacts WHERE tenant = $1 AND id = $2"+s.dialect.shareRow(), t[:], n.Contact[:]).Scan(&one)
			if err != nil {
				return missing(err, "contact_not_found")
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO contact_notes (tenant, contact, id, author, text, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
				t[:], n.Contact[:], n.ID[:], plain(n.Author), plain(n.Text), millis(n.CreatedAt))
			return err
		}
		res, err := tx.ExecContext(ctx, "UPDATE contact_notes SET text = $5, edited_at = $6 WHERE tenant = $1 AND contact = $2 AND id = $3 AND author = $4",
			t[:], n.Contact[:], n.ID[:], plain(n.Author), plain(n.Text), millis(n.EditedAt))
		return touched(res, err, "note_not_found")
	})
	if err != nil {
		return fmt.Errorf("put note: %w", err)
	}
	return nil
}

// DeleteNote implements audience.ContactStore.
func (s *Store) DeleteNote(ctx context.Context, t tenant.ID, c audience.ContactID, n audience.NoteID, author string) error {
	err := s.change1(ctx, "note_not_found", "DELETE FROM contact_notes WHERE tenant = $1 AND contact = $2 AND id = $3 AND author = $4", t[:], c[:], n[:], author)
	if err != nil {
		return fmt.Errorf("delete note: %w", err)
	}
	return nil
}

// Fields implements audience.ContactStore.
func (s *Store) Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error) {
	var list []audience.Field
	err := s.read.QueryRowContext(ctx, "SELECT fields FROM contact_fields WHERE tenant = $1", t[:]).Scan(document{&list})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read contact fields: %w", s.refusal(err))
	}
	return list, nil
}

// SetFields implements audience.ContactStore.
func (s *Store) SetFields(ctx context.Context, t tenant.ID, list []audience.Field) error {
	err := s.change1(ctx, "", "INSERT INTO contact_fields (tenant, fields) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET fields = excluded.fields",
		t[:], plain(asJSON(list)))
	if err != nil {
		return fmt.Errorf("store contact fields: %w", err)
	}
	return nil
}

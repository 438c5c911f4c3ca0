package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// UndoSome implements intake.Store: first the members, then what was changed.
func (s *Store) UndoSome(ctx context.Context, i intake.Import, limit int, now time.Time) (more bool, err error) {
	// Who came with the import is looked for while others write: in a large group they may be
	// far apart.
	came, cursor, err := s.cameWith(ctx, i, limit)
	if err != nil {
		return false, fmt.Errorf("undo some of import: %w", s.refusal(err))
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		found, err := readImport(tx.QueryRowContext(ctx, "SELECT "+importColumns+` FROM contact_imports WHERE tenant = $1 AND id = $2
			AND state = 'undoing'`+s.dialect.lockRow(), i.Tenant[:], i.ID[:]))
		more = false
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		n := len(came)
		if n > 0 && found.Cursor == cursor {
			err = s.undoMembers(ctx, tx, &found, came)
		}
		if n == 0 {
			n, err = s.undoChanges(ctx, tx, &found, limit, now)
		}
		if err != nil {
			return err
		}
		more = n > 0
		state := intake.Undoing
		if !more {
			state = intake.Undone
			if _, err := tx.ExecContext(ctx, "UPDATE group_batches SET undone = 1 WHERE tenant = $1 AND grp = $2 AND id = $3", found.Tenant[:], found.Group[:], found.ID[:]); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE contact_imports SET state = $3, progress = $4 WHERE tenant = $1 AND id = $2", found.Tenant[:], found.ID[:], string(state), asJSON(found.Progress))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("undo some of import: %w", err)
	}
	return more, nil
}

// cameWith are the next members that an import brought, at most limit, and how far taking
// back was when they were read.
func (s *Store) cameWith(ctx context.Context, i intake.Import, limit int) (list []audience.ContactID, cursor audience.ContactID, err error) {
	found, err := readImport(s.read.QueryRowContext(ctx, "SELECT "+importColumns+" FROM contact_imports WHERE tenant = $1 AND id = $2", i.Tenant[:], i.ID[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, cursor, nil
	}
	if err != nil {
		return nil, cursor, err
	}
	rows, err := s.read.QueryContext(ctx, "SELECT contact FROM group_members WHERE tenant = $1 AND grp = $2 AND contact > $3 AND batch = $4 ORDER BY contact LIMIT $5",
		i.Tenant[:], i.Group[:], found.Cursor[:], i.ID[:], min(limit, inListMax))
	err = scan(rows, err, func(row *sql.Rows) error {
		var c audience.ContactID
		err := row.Scan(&c)
		list = append(list, c)
		return err
	})
	return list, found.Cursor, err
}

// undoMembers takes members out of the group, and contacts away that are still as the import
// made them.
func (s *Store) undoMembers(ctx context.Context, tx *sql.Tx, i *intake.Import, came []audience.ContactID) error {
	in, contacts := inList(s.dialect, 4, came)
	args := append([]any{i.Tenant[:], i.Group[:], i.ID[:]}, contacts...)
	at := map[audience.ContactID]time.Time{} // when each came, of those that are members still
	//nolint:gosec // G202: constants and placeholders only
	rows, err := tx.QueryContext(ctx, "SELECT contact, added_at FROM group_members WHERE tenant = $1 AND grp = $2 AND batch = $3 AND contact "+in, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var c audience.ContactID
		var added time.Time
		err := row.Scan(&c, instant{&added})
		at[c] = added
		return err
	})
	if err != nil {
		return err
	}
	used, err := s.usedBeside(ctx, tx, i.Tenant, i.Group, came)
	if err != nil {
		return err
	}
	made, kept, err := s.madeBy(ctx, tx, *i, came, at, used)
	if err != nil {
		return err
	}
	//nolint:gosec // G202: constants and placeholders only
	if _, err := tx.ExecContext(ctx, "DELETE FROM group_members WHERE tenant = $1 AND grp = $2 AND batch = $3 AND contact "+in, args...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE contact_groups SET members = members - $3 WHERE tenant = $1 AND id = $2", i.Tenant[:], i.Group[:], len(at)); err != nil {
		return err
	}
	if err := s.dropLoose(ctx, tx, i.Tenant, made); err != nil {
		return err
	}
	i.Removed += int64(len(at))
	i.Kept += kept
	i.Deleted += int64(len(made))
	i.Cursor = came[len(came)-1]
	return nil
}

// usedBeside are those of the contacts that are in another group too, or noted on.
func (s *Store) usedBeside(ctx context.Context, tx *sql.Tx, t tenant.ID, g audience.GroupID, list []audience.ContactID) (map[audience.ContactID]bool, error) {
	in, contacts := inList(s.dialect, 3, list)
	used := map[audience.ContactID]bool{}
	each := func(row *sql.Rows) error {
		var c audience.ContactID
		err := row.Scan(&c)
		used[c] = true
		return err
	}
	args := append([]any{t[:], g[:]}, contacts...)
	//nolint:gosec // G202: constants and placeholders only
	rows, err := tx.QueryContext(ctx, "SELECT contact FROM group_members"+s.dialect.through("group_members_contact")+" WHERE tenant = $1 AND grp <> $2 AND contact "+in, args...)
	if err := scan(rows, err, each); err != nil {
		return nil, err
	}
	in, contacts = inList(s.dialect, 2, list)
	//nolint:gosec // G202: constants and placeholders only
	rows, err = tx.QueryContext(ctx, "SELECT contact FROM contact_notes WHERE tenant = $1 AND contact "+in, append([]any{t[:]}, contacts...)...)
	return used, scan(rows, err, each)
}

// madeBy are those of the members that the import made and nobody used since; kept counts
// those it made that stay.
func (s *Store) madeBy(ctx context.Context, tx *sql.Tx, i intake.Import, list []audience.ContactID, at map[audience.ContactID]time.Time,
	used map[audience.ContactID]bool,
) (made []audience.Contact, kept int64, err error) {
	in, contacts := inList(s.dialect, 2, list)
	//nolint:gosec // G202: constants and placeholders only
	rows, err := tx.QueryContext(ctx, "SELECT "+contactColumns+" FROM contacts WHERE tenant = $1 AND id "+in, append([]any{i.Tenant[:]}, contacts...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readContact(row, i.Tenant)
		came, member := at[c.ID]
		switch {
		case err != nil || !member || c.Origin != audience.OriginImport || !c.CreatedAt.Equal(came):
		case used[c.ID] || c.Version > 1:
			kept++
		default:
			made = append(made, c)
		}
		return err
	})
	return made, kept, err
}

// dropLoose takes contacts away that are in no group and have no notes.
func (s *Store) dropLoose(ctx context.Context, tx *sql.Tx, t tenant.ID, list []audience.Contact) error {
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		for _, a := range list[i].Addresses {
			if _, err := s.texts.exec(ctx, tx, dropAddress, t[:], canonicalAddress(a), list[i].ID[:]); err != nil {
				return err
			}
		}
		for _, tag := range list[i].Tags {
			if _, err := tx.ExecContext(ctx, "DELETE FROM contact_tags WHERE tenant = $1 AND tag = $2 AND contact = $3", t[:], plain(tag), list[i].ID[:]); err != nil {
				return err
			}
		}
	}
	if err := s.dropWords(ctx, tx, t, wordsOf(list)); err != nil {
		return err
	}
	ids := make([]audience.ContactID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	in, contacts := inList(s.dialect, 2, ids)
	args := append([]any{t[:]}, contacts...)
	again, more := inList(s.dialect, 2+len(contacts), ids)
	for _, text := range rowsOfContacts(in, again) {
		if _, err := tx.ExecContext(ctx, text, append(slices.Clone(args), more...)...); err != nil {
			return err
		}
	}
	for _, text := range []string{
		"DELETE FROM contact_distinct WHERE tenant = $1 AND low " + in,
		"DELETE FROM contact_distinct WHERE tenant = $1 AND high " + in,
		"DELETE FROM contact_merges WHERE tenant = $1 AND kept " + in,
		"DELETE FROM contact_acts WHERE tenant = $1 AND contact " + in,
		"DELETE FROM contacts WHERE tenant = $1 AND id " + in,
	} {
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

// dropAddress takes away what leads from an address to a contact.
const dropAddress = "DELETE FROM contact_addresses WHERE tenant = $1 AND address = $2 AND contact = $3"

// undoChanges makes the next contacts what they were, unless somebody changed them since.
func (s *Store) undoChanges(ctx context.Context, tx *sql.Tx, i *intake.Import, limit int, now time.Time) (int, error) {
	type change struct {
		contact audience.ContactID
		version int64
		former  audience.Contact
	}
	var list []change
	rows, err := tx.QueryContext(ctx, "SELECT contact, version, former FROM import_changes WHERE tenant = $1 AND import = $2 ORDER BY contact LIMIT $3", i.Tenant[:], i.ID[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var c change
		err := row.Scan(&c.contact, &c.version, document{&c.former})
		list = append(list, c)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, c := range list {
		held, err := s.heldContact(ctx, tx, i.Tenant, c.contact)
		if err != nil {
			return 0, err
		}
		if held.Version == c.version {
			c.former.Version, c.former.UpdatedAt = held.Version+1, now
			if err := s.replaceContact(ctx, tx, c.former); err != nil {
				return 0, err
			}
			act := audience.ContactAct{ID: id.New[audience.NoteKind](now), At: now, Type: audience.ContactChanged, Actor: i.Actor}
			if err := recordAct(ctx, tx, i.Tenant, c.contact, act); err != nil {
				return 0, err
			}
			i.Restored++
		} else {
			i.Kept++
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM import_changes WHERE tenant = $1 AND import = $2 AND contact = $3", i.Tenant[:], i.ID[:], c.contact[:]); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

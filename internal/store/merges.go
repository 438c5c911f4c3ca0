package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// merged is what two contacts were before they became one. There is one such row for a
// contact, of its last merge, and none once the contact was changed: what cannot be taken
// back needs not be kept.
type merged struct {
	Kept   audience.Contact      `json:"kept"`
	Gone   audience.Contact      `json:"gone"`
	Notes  []audience.NoteID     `json:"notes,omitempty"` // of the one that went
	Acts   []audience.NoteID     `json:"acts,omitempty"`
	Groups []audience.Membership `json:"groups,omitempty"`
	Own    []audience.GroupID    `json:"own,omitempty"` // groups that the kept one was in itself
}

// beforeMerge reads what taking a merge back needs.
func (s *Store) beforeMerge(ctx context.Context, tx *sql.Tx, kept, gone audience.Contact) (m merged, err error) {
	m = merged{Kept: kept, Gone: gone}
	ids := func(text string) (list []audience.NoteID, err error) {
		rows, err := tx.QueryContext(ctx, text, gone.Tenant[:], gone.ID[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			var n audience.NoteID
			err := row.Scan(&n)
			list = append(list, n)
			return err
		})
		return list, err
	}
	if m.Notes, err = ids("SELECT id FROM contact_notes WHERE tenant = $1 AND contact = $2"); err != nil {
		return m, err
	}
	if m.Acts, err = ids("SELECT id FROM contact_acts WHERE tenant = $1 AND contact = $2"); err != nil {
		return m, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT grp, contact, batch, added_at FROM group_members WHERE tenant = $1 AND contact IN ($2, $3)", gone.Tenant[:], gone.ID[:], kept.ID[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var one audience.Membership
		err := row.Scan(&one.Group, &one.Contact, &one.Batch, instant{&one.AddedAt})
		if one.Contact == kept.ID {
			m.Own = append(m.Own, one.Group)
		} else {
			m.Groups = append(m.Groups, one)
		}
		return err
	})
	return m, err
}

// keepMerge stores a merge; version is that of the contact after it.
func keepMerge(ctx context.Context, tx *sql.Tx, m merged, version int64, now time.Time) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO contact_merges (tenant, kept, version, spec, expires_at) VALUES ($1, $2, $3, $4, $5)",
		m.Kept.Tenant[:], m.Kept.ID[:], version, plain(asJSON(m)), millis(now.Add(audience.MergeLasts)))
	return err
}

// endMerge makes the last merge into a contact one that cannot be taken back.
func endMerge(ctx context.Context, tx *sql.Tx, t tenant.ID, kept audience.ContactID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM contact_merges WHERE tenant = $1 AND kept = $2", t[:], kept[:])
	return err
}

// Merged implements audience.Mergers.
func (s *Store) Merged(ctx context.Context, t tenant.ID, kept audience.ContactID, now time.Time) (until time.Time, ok bool, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT m.expires_at FROM contact_merges m JOIN contacts c ON c.tenant = m.tenant AND c.id = m.kept
		WHERE m.tenant = $1 AND m.kept = $2 AND m.expires_at > $3 AND m.version = c.version`, t[:], kept[:], millis(now)).Scan(instant{&until})
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("read merge: %w", s.refusal(err))
	}
	return until, true, nil
}

func errMerge() error {
	return fault.New(fault.Conflict, "merge_not_revocable", "The contact was changed since, or too much time has passed.")
}

// Unmerge implements audience.Mergers.
func (s *Store) Unmerge(ctx context.Context, t tenant.ID, kept audience.ContactID, act audience.ContactAct) (gone audience.ContactID, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		now, err := s.heldContact(ctx, tx, t, kept)
		if err != nil {
			return err
		}
		var m merged
		var version int64
		err = tx.QueryRowContext(ctx, "SELECT version, spec FROM contact_merges WHERE tenant = $1 AND kept = $2 AND expires_at > $3", t[:], kept[:], millis(act.At)).Scan(&version, document{&m})
		if errors.Is(err, sql.ErrNoRows) || err == nil && version != now.Version {
			return errMerge()
		}
		if err != nil {
			return err
		}
		gone = m.Gone.ID
		m.Kept.Tenant, m.Kept.Version, m.Kept.UpdatedAt = t, version+1, act.At
		m.Gone.Tenant, m.Gone.Version, m.Gone.UpdatedAt = t, m.Gone.Version+1, act.At
		if err := s.replaceContact(ctx, tx, m.Kept); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, contactInsert, contactValues(m.Gone)...); err != nil {
			return s.taken(err, "contact_reference_taken", "Another contact has this reference.")
		}
		if err := s.indexContact(ctx, tx, m.Gone); err != nil {
			return err
		}
		if err := handBack(ctx, tx, m); err != nil {
			return err
		}
		if err := recordAct(ctx, tx, t, kept, act); err != nil {
			return err
		}
		act.ID = id.New[audience.NoteKind](act.At) // histories come together again if they are merged again
		return recordAct(ctx, tx, t, gone, act)
	})
	if err != nil {
		return gone, fmt.Errorf("take merge back: %w", err)
	}
	return gone, nil
}

// handBack gives the contact that is there again its notes, history and groups. Whoever
// left a group meanwhile, as the one contact, stays out of it.
func handBack(ctx context.Context, tx *sql.Tx, m merged) error {
	t, kept, gone := m.Kept.Tenant, m.Kept.ID, m.Gone.ID
	move := func(text string, list []audience.NoteID) error {
		for _, n := range list {
			if _, err := tx.ExecContext(ctx, text, t[:], kept[:], n[:], gone[:]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := move("UPDATE contact_notes SET contact = $4 WHERE tenant = $1 AND contact = $2 AND id = $3", m.Notes); err != nil {
		return err
	}
	if err := move("UPDATE contact_acts SET contact = $4 WHERE tenant = $1 AND contact = $2 AND id = $3", m.Acts); err != nil {
		return err
	}
	own := map[audience.GroupID]bool{}
	for _, g := range m.Own {
		own[g] = true
	}
	for _, one := range m.Groups {
		text, args := "UPDATE group_members SET contact = $4 WHERE tenant = $1 AND grp = $2 AND contact = $3", []any{t[:], one.Group[:], kept[:], gone[:]}
		if own[one.Group] {
			text = `INSERT INTO group_members (tenant, grp, batch, added_at, contact) SELECT $1, $2, $5, $6, $4 FROM group_members k
				WHERE k.tenant = $1 AND k.grp = $2 AND k.contact = $3`
			args = append(args, one.Batch[:], millis(one.AddedAt))
		}
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n > 0 && own[one.Group] {
			_, err = tx.ExecContext(ctx, "UPDATE contact_groups SET members = members + 1 WHERE tenant = $1 AND id = $2", t[:], one.Group[:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DropMerges forgets merges that cannot be taken back any more, of all tenants.
func (s *Store) DropMerges(ctx context.Context, now time.Time) error {
	err := s.transactSecurely(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM contact_merges WHERE expires_at <= $1", millis(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget merges: %w", err)
	}
	return nil
}

// namesakes bounds the contacts that Namesakes returns.
const namesakes = 1000

// Namesakes implements audience.Mergers.
func (s *Store) Namesakes(ctx context.Context, t tenant.ID, after string, names int) (list []audience.Contact, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+contactColumns+` FROM contacts WHERE tenant = $1 AND sort_name IN (SELECT sort_name FROM contacts
		WHERE tenant = $1 AND sort_name > $2 GROUP BY sort_name HAVING count(*) > 1 ORDER BY sort_name LIMIT $3) ORDER BY sort_name, id LIMIT $4`, t[:], after, names, namesakes)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readContact(row, t)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find namesakes: %w", s.refusal(err))
	}
	return list, nil
}

// TaggedAddresses implements audience.Mergers.
func (s *Store) TaggedAddresses(ctx context.Context, t tenant.ID, after string, limit int) (list []audience.OwnedAddress, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT address, contact FROM contact_addresses WHERE tenant = $1 AND address > $2
		AND (address LIKE '%+%@%' OR address LIKE '%@gmail.com' OR address LIKE '%@googlemail.com') ORDER BY address LIMIT $3`, t[:], after, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var one audience.OwnedAddress
		var text string
		err := row.Scan(&text, &one.Contact)
		one.Address = recipientOf(text, sql.NullString{})
		list = append(list, one)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tagged addresses: %w", s.refusal(err))
	}
	return list, nil
}

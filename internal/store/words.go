package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// runContacts is how many contacts one run holds at most: as many as SQLite keeps in a row
// of an index without another page.
const runContacts = 48

// contactWidth is the size of an identifier within a run.
const contactWidth = len(audience.ContactID{})

// words are contacts by what they are found by, each list ascending.
type words map[string][]audience.ContactID

func wordsOf(list []audience.Contact) words {
	w := make(words, 2*len(list))
	book := audience.Wordbook{}
	for i := range list {
		for _, word := range book.Words(list[i]) {
			word = plain(word)
			w[word] = append(w[word], list[i].ID)
		}
	}
	return w
}

// rows are what is inserted for words: those that one contact has for itself as rows of
// contact_words, and runs of the others, both in the order of their tables and without
// their tenant.
func (w words) rows() (single, runs []any) {
	for _, word := range slices.Sorted(maps.Keys(w)) {
		list := w[word]
		if len(list) == 1 {
			single = append(single, word, list[0][:])
			continue
		}
		slices.SortFunc(list, func(a, b audience.ContactID) int { return bytes.Compare(a[:], b[:]) })
		for part := range slices.Chunk(list, runContacts) {
			packed := make([]byte, 0, len(part)*contactWidth)
			for i := range part {
				packed = append(packed, part[i][:]...)
			}
			runs = append(runs, word, packed[:contactWidth:contactWidth], packed)
		}
	}
	return single, runs
}

// dropWord takes away what leads from a word to a contact.
func (s *Store) dropWord(ctx context.Context, tx *sql.Tx, t tenant.ID, word string, c audience.ContactID) error {
	res, err := tx.ExecContext(ctx, "DELETE FROM contact_words WHERE tenant = $1 AND word = $2 AND contact = $3", t[:], word, c[:])
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	for {
		first, err := runWith(ctx, tx, t, word, c)
		if err != nil || first == nil {
			return err
		}
		var contacts []byte
		err = tx.QueryRowContext(ctx, "SELECT contacts FROM contact_word_runs WHERE tenant = $1 AND word = $2 AND first = $3"+s.dialect.lockRow(), t[:], word, first).Scan(&contacts)
		switch at := placeIn(contacts, c); {
		case errors.Is(err, sql.ErrNoRows):
			continue // somebody else took its first contact out meanwhile
		case err != nil || at < 0:
			return err
		default:
			return leaveRun(ctx, tx, t, word, first, slices.Delete(contacts, at, at+contactWidth))
		}
	}
}

// dropWords takes away what leads from words to many contacts. Each run is written once,
// whatever is taken out of it.
func (s *Store) dropWords(ctx context.Context, tx *sql.Tx, t tenant.ID, gone words) error {
	for _, word := range slices.Sorted(maps.Keys(gone)) {
		left := map[audience.ContactID]bool{}
		first, last := gone[word][0], gone[word][0]
		for _, c := range gone[word] {
			left[c] = true
			if bytes.Compare(c[:], first[:]) < 0 {
				first = c
			}
			if bytes.Compare(c[:], last[:]) > 0 {
				last = c
			}
		}
		if err := s.dropSingles(ctx, tx, t, word, first, last, left); err != nil {
			return err
		}
		if err := s.dropFromRuns(ctx, tx, t, word, last, left); err != nil {
			return err
		}
	}
	return nil
}

// dropSingles takes contacts between first and last away that have a word for themselves, and
// out of left.
func (s *Store) dropSingles(ctx context.Context, tx *sql.Tx, t tenant.ID, word string, first, last audience.ContactID, left map[audience.ContactID]bool) error {
	var found []audience.ContactID
	rows, err := s.texts.query(ctx, tx, singlesBetween, t[:], word, first[:], last[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var c audience.ContactID
		err := row.Scan(&c)
		if left[c] {
			delete(left, c)
			found = append(found, c)
		}
		return err
	})
	for n := 0; n < len(found) && err == nil; n++ {
		_, err = s.texts.exec(ctx, tx, dropSingleWord, t[:], word, found[n][:])
	}
	return err
}

const (
	// dropSingleWord takes away a word that one contact has for itself.
	dropSingleWord = "DELETE FROM contact_words WHERE tenant = $1 AND word = $2 AND contact = $3"
	// singlesBetween are the contacts between two that have a word for themselves.
	singlesBetween = "SELECT contact FROM contact_words WHERE tenant = $1 AND word = $2 AND contact >= $3 AND contact <= $4"
	// runsBelow are the runs of a word that may hold a contact, the nearest first.
	runsBelow = "SELECT first, contacts FROM contact_word_runs WHERE tenant = $1 AND word = $2 AND first <= $3 ORDER BY first DESC"
)

// dropFromRuns takes contacts, of which last is the greatest, out of the runs of a word.
func (s *Store) dropFromRuns(ctx context.Context, tx *sql.Tx, t tenant.ID, word string, last audience.ContactID, left map[audience.ContactID]bool) error {
	rows, err := s.texts.query(ctx, tx, runsBelow+s.dialect.lockRow(), t[:], word, last[:])
	if err != nil {
		return err
	}
	changed, err := runsWithout(rows, left)
	if err != nil {
		return err
	}
	for _, r := range changed {
		if err := leaveRun(ctx, tx, t, word, r.first, r.kept); err != nil {
			return err
		}
	}
	return nil
}

// shorterRun is what is left of the run with a key.
type shorterRun struct{ first, kept []byte }

// runsWithout reads runs until all contacts in left were found, which it takes out of left,
// and closes them.
func runsWithout(rows *sql.Rows, left map[audience.ContactID]bool) (changed []shorterRun, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for len(left) > 0 && rows.Next() {
		var first, contacts []byte
		if err := rows.Scan(&first, &contacts); err != nil {
			return nil, err
		}
		kept := make([]byte, 0, len(contacts))
		for at := 0; at < len(contacts); at += contactWidth {
			c := audience.ContactID(contacts[at : at+contactWidth])
			if left[c] {
				delete(left, c)
			} else {
				kept = append(kept, c[:]...)
			}
		}
		if len(kept) < len(contacts) {
			changed = append(changed, shorterRun{first, kept})
		}
	}
	return changed, rows.Err()
}

// runWith is the key of the run that holds a contact, nil if none does. Runs that came at
// the same time may overlap.
func runWith(ctx context.Context, tx *sql.Tx, t tenant.ID, word string, c audience.ContactID) (first []byte, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT first, contacts FROM contact_word_runs WHERE tenant = $1 AND word = $2 AND first <= $3
		ORDER BY first DESC`, t[:], word, c[:])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for first == nil && rows.Next() {
		var key, contacts []byte
		if err := rows.Scan(&key, &contacts); err != nil {
			return nil, err
		}
		if placeIn(contacts, c) >= 0 {
			first = key
		}
	}
	return first, rows.Err()
}

// placeIn is where a contact stands in a run, -1 if it does not.
func placeIn(contacts []byte, c audience.ContactID) int {
	for at := 0; at < len(contacts); at += contactWidth {
		if bytes.HasPrefix(contacts[at:], c[:]) {
			return at
		}
	}
	return -1
}

// leaveRun stores what is left of a run.
func leaveRun(ctx context.Context, tx *sql.Tx, t tenant.ID, word string, first, contacts []byte) error {
	if len(contacts) == 0 {
		_, err := tx.ExecContext(ctx, "DELETE FROM contact_word_runs WHERE tenant = $1 AND word = $2 AND first = $3", t[:], word, first)
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE contact_word_runs SET first = $4, contacts = $5 WHERE tenant = $1 AND word = $2 AND first = $3",
		t[:], word, first, contacts[:contactWidth], contacts)
	return err
}

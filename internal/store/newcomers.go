package store

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
)

// newcomers are the rows that an enlistment comes to: of new contacts, of what they are found
// by, and of the group. Each kind is in the order of its table, so that each page of it is
// visited once.
type newcomers struct {
	batch                                             audience.Batch
	joined                                            int
	owner, made                                       []any // what all contacts have in common
	contacts, addresses, words, runs, tags, of, added []any
	tagged                                            []tagged // whom series may wait for
}

// ready is a step of an import worked out before it has the database: see PrepareStep.
type ready struct {
	newcomers
	results []audience.Enlisted
}

// PrepareStep implements intake.Store: while the step before is being stored, all rows are
// worked out as they are if nobody of it is known. Whether that is so the keys of contacts
// tell, at once: addresses come first.
func (s *Store) PrepareStep(step intake.Step, now time.Time) intake.Step {
	r := newRoll(step.Enlistment, now)
	done := &ready{results: make([]audience.Enlisted, len(r.People))}
	for i := range r.People {
		var err error
		// Nobody is known but who came in this step, and those are not changed: it asks nothing
		// of the database.
		if done.results[i], err = s.enlistOne(context.Background(), nil, r, r.People[i]); err != nil {
			return step
		}
	}
	r.arrange(done.results)
	done.newcomers = newcomersOf(r)
	step.Ready = done
	return step
}

// enlistStep takes in the people of a step: as they were made ready, if they are.
func (s *Store) enlistStep(ctx context.Context, tx *sql.Tx, step intake.Step, now time.Time) ([]audience.Enlisted, error) {
	made, ok := step.Ready.(*ready)
	if !ok {
		return s.enlist(ctx, tx, step.Enlistment, now)
	}
	if err := s.joinable(ctx, tx, made.batch); err != nil {
		return nil, err
	}
	return made.results, s.insertNewcomers(ctx, tx, made.newcomers)
}

// isKnown reports whether somebody who was taken for new is there already.
func isKnown(err error) bool {
	f := fault.As(err)
	return f != nil && (f.Code == "contact_address_taken" || f.Code == "contact_reference_taken")
}

// newcomersOf makes rows of those of an arranged roll who are new or join.
func newcomersOf(r *roll) newcomers {
	n := newcomers{batch: r.Batch, joined: len(r.joined)}
	t := r.Batch.Tenant
	n.owner = []any{t[:]}
	at := any(millis(r.now))
	n.made = []any{t[:], at, at, string(r.Batch.Origin), plain(r.Batch.Actor)}
	n.contacts = make([]any, 0, len(r.fresh)*freshWidth)
	for i := range r.fresh {
		n.contacts = appendFresh(n.contacts, &r.fresh[i], r.names[i])
		if c := r.fresh[i]; len(c.Tags) > 0 {
			c.Tenant, c.UpdatedAt = t, r.now
			n.tagged = append(n.tagged, tagged{Contact: c})
		}
	}
	n.index(r.fresh)
	n.words, n.runs = wordsOf(r.fresh).rows()
	n.of = []any{t[:], r.Batch.Group[:], r.Batch.ID[:], at}
	n.added = make([]any, 0, len(r.joined))
	for i := range r.joined {
		n.added = append(n.added, r.joined[i][:])
	}
	return n
}

// index works out addresses and tags.
func (n *newcomers) index(list []audience.Contact) {
	type entry struct {
		text string
		of   *audience.Contact
	}
	var addresses, tags []entry
	for i := range list {
		c := &list[i]
		for _, a := range c.Addresses {
			addresses = append(addresses, entry{canonicalAddress(a), c})
		}
		for _, tag := range c.Tags {
			tags = append(tags, entry{plain(tag), c})
		}
	}
	for _, kind := range [][]entry{addresses, tags} {
		slices.SortFunc(kind, func(a, b entry) int {
			if order := strings.Compare(a.text, b.text); order != 0 {
				return order
			}
			return bytes.Compare(a.of.ID[:], b.of.ID[:])
		})
	}
	n.addresses = make([]any, 0, 2*len(addresses))
	for _, e := range addresses {
		n.addresses = append(n.addresses, e.text, e.of.ID[:])
	}
	for _, e := range tags {
		n.tags = append(n.tags, e.text, e.of.ID[:], plain(e.of.SortName()))
	}
}

// insertNewcomers stores them in bulk. An address or a reference that is taken is Conflict
// "contact_address_taken" or "contact_reference_taken".
func (s *Store) insertNewcomers(ctx context.Context, tx *sql.Tx, n newcomers) error {
	if err := s.texts.contactAddresses.insert(ctx, s.texts, tx, n.addresses, n.owner...); err != nil {
		return s.taken(err, "contact_address_taken", "Another contact has this address.")
	}
	if err := s.texts.contacts.insert(ctx, s.texts, tx, n.contacts, n.made...); err != nil {
		return s.taken(err, "contact_reference_taken", "Another contact has this reference.")
	}
	for _, v := range []struct {
		to     bulkTexts
		values []any
		common []any
	}{{s.texts.contactWords, n.words, n.owner}, {s.texts.contactRuns, n.runs, n.owner}, {s.texts.contactTags, n.tags, n.owner}, {s.texts.members, n.added, n.of}} {
		if err := v.to.insert(ctx, s.texts, tx, v.values, v.common...); err != nil {
			return err
		}
	}
	if err := tellTagged(ctx, tx, n.tagged...); err != nil {
		return err
	}
	return countAdded(ctx, tx, n.batch, n.joined)
}

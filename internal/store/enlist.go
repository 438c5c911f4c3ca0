package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
)

// Enlist implements audience.EnlistStore.
func (s *Store) Enlist(ctx context.Context, e audience.Enlistment, now time.Time) (results []audience.Enlisted, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		results, err = s.enlist(ctx, tx, e, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enlist contacts: %w", err)
	}
	return results, nil
}

// roll is an enlistment at work.
type roll struct {
	audience.Enlistment
	now     time.Time
	known   map[string]audience.ContactID           // by address
	inside  map[audience.ContactID]audience.BatchID // members among them, by contact
	numbers map[string]bool                         // references that are taken
	fresh   []audience.Contact
	names   []string                    // of fresh by SortName, after arrange
	made    map[audience.ContactID]bool // the fresh ones
	joined  []audience.ContactID
}

func newRoll(e audience.Enlistment, now time.Time) *roll {
	return &roll{Enlistment: e, now: now, known: map[string]audience.ContactID{}, inside: map[audience.ContactID]audience.BatchID{},
		numbers: map[string]bool{}, made: map[audience.ContactID]bool{}}
}

// joinable is Conflict "group_dynamic" for a group that nobody can be put into.
func (s *Store) joinable(ctx context.Context, tx *sql.Tx, b audience.Batch) error {
	g, err := s.heldGroup(ctx, tx, b.Tenant, b.Group)
	if err == nil && g.Kind != audience.Static {
		err = fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
	}
	return err
}

func (s *Store) enlist(ctx context.Context, tx *sql.Tx, e audience.Enlistment, now time.Time) ([]audience.Enlisted, error) {
	if err := s.joinable(ctx, tx, e.Batch); err != nil {
		return nil, err
	}
	r := newRoll(e, now)
	if err := s.recognise(ctx, tx, r); err != nil {
		return nil, err
	}
	results := make([]audience.Enlisted, len(e.People))
	for i := range e.People {
		var err error
		if results[i], err = s.enlistOne(ctx, tx, r, e.People[i]); err != nil {
			return nil, err
		}
	}
	r.arrange(results)
	return results, s.insertNewcomers(ctx, tx, newcomersOf(r))
}

// recognise finds out who is there already, and in the group, and which references are taken.
func (s *Store) recognise(ctx context.Context, tx *sql.Tx, r *roll) error {
	var addresses, references []any
	for _, c := range r.People {
		addresses = append(addresses, canonicalAddress(c.Main()))
		if c.Reference != "" {
			references = append(references, plain(c.Reference))
		}
	}
	t := r.Batch.Tenant
	var contacts []any
	err := s.among(ctx, tx, lookAddress, []any{t[:]}, addresses, func(row *sql.Rows) error {
		var address string
		var c audience.ContactID
		err := row.Scan(&address, &c)
		r.known[address] = c
		contacts = append(contacts, c[:])
		return err
	})
	if err == nil {
		err = s.among(ctx, tx, lookMember, []any{t[:], r.Batch.Group[:]}, contacts, func(row *sql.Rows) error {
			var c audience.ContactID
			var b audience.BatchID
			err := row.Scan(&c, &b)
			r.inside[c] = b
			return err
		})
	}
	if err != nil {
		return err
	}
	return s.among(ctx, tx, lookReference, []any{t[:]}, references, func(row *sql.Rows) error {
		var reference string
		err := row.Scan(&reference)
		r.numbers[reference] = true
		return err
	})
}

// What an enlistment looks up by one of many values, after the arguments of the condition.
const (
	lookAddress   = "SELECT address, contact FROM contact_addresses WHERE tenant = $1 AND address "
	lookMember    = "SELECT contact, batch FROM group_members WHERE tenant = $1 AND grp = $2 AND contact "
	lookReference = "SELECT reference FROM contacts WHERE tenant = $1 AND reference "
)

// lookAtOnce is how many values one statement looks for.
const lookAtOnce = 256

// lookText is the whole statement of one of them with so many arguments.
func lookText(d dialect, text string, args int) string {
	var in strings.Builder
	in.WriteString(text + "IN (")
	writePlaceholders(d, &in, args+1, lookAtOnce)
	in.WriteByte(')')
	return in.String()
}

// among asks for the rows with one of many values. The last part is filled up, so that one
// text does.
func (s *Store) among(ctx context.Context, tx *sql.Tx, text string, args, values []any, each func(*sql.Rows) error) error {
	if len(values) == 0 {
		return nil
	}
	text = lookText(s.dialect, text, len(args))
	for len(values) > 0 {
		n := min(len(values), lookAtOnce)
		part := slices.Concat(args, values[:n])
		for len(part) < len(args)+lookAtOnce {
			part = append(part, values[n-1])
		}
		values = values[n:]
		rows, err := s.texts.query(ctx, tx, text, part...)
		if err := scan(rows, err, each); err != nil {
			return err
		}
	}
	return nil
}

// enlistOne decides about one of the people, and changes a contact that is there.
func (s *Store) enlistOne(ctx context.Context, tx *sql.Tx, r *roll, c audience.Contact) (audience.Enlisted, error) {
	address := canonicalAddress(c.Main())
	known, ok := r.known[address]
	if !ok {
		if c.Reference != "" && r.numbers[c.Reference] {
			return refusedOf(fault.Field("reference", "contact_reference_taken", "Another contact has this reference.")), nil
		}
		r.numbers[c.Reference] = true
		// When it came into the group is when it was made: taking an import back tells by
		// that which contacts are its own.
		c.CreatedAt, c.UpdatedAt = r.now, r.now
		r.known[address], r.inside[c.ID] = c.ID, r.Batch.ID
		r.fresh, r.joined, r.made[c.ID] = append(r.fresh, c), append(r.joined, c.ID), true
		return audience.Enlisted{Contact: c.ID, Result: audience.EnlistCreated}, nil
	}
	batch, member := r.inside[known]
	if member && batch == r.Batch.ID && r.Batch.Origin == audience.OriginImport {
		return audience.Enlisted{Contact: known, Result: audience.EnlistTwice}, nil
	}
	done := audience.Enlisted{Contact: known, Result: audience.EnlistKnown}
	if !member {
		done.Result = audience.EnlistJoined
	}
	if r.Existing != audience.KeepExisting && !r.made[known] {
		changed, refusal, err := s.amend(ctx, tx, r, known, c)
		if err != nil {
			return audience.Enlisted{}, err
		}
		if refusal != nil {
			return refusedOf(refusal), nil
		}
		if changed {
			done.Result = audience.EnlistChanged
		}
	}
	if !member {
		r.inside[known] = r.Batch.ID
		r.joined = append(r.joined, known)
	}
	return done, nil
}

func refusedOf(f *fault.Error) audience.Enlisted {
	return audience.Enlisted{Result: audience.EnlistRefused, Err: f}
}

// amend changes a contact that is there by what the list says of it.
func (s *Store) amend(ctx context.Context, tx *sql.Tx, r *roll, known audience.ContactID, listed audience.Contact) (bool, *fault.Error, error) {
	t := r.Batch.Tenant
	old, err := s.heldContact(ctx, tx, t, known)
	if err != nil {
		return false, nil, err
	}
	c, names, err := r.Existing.Amended(old, listed, r.now)
	if err != nil {
		return false, fault.As(err), nil
	}
	if len(names) == 0 {
		return false, nil, nil
	}
	if c.Reference != old.Reference && r.numbers[c.Reference] {
		return false, fault.Field("reference", "contact_reference_taken", "Another contact has this reference."), nil
	}
	r.numbers[c.Reference] = c.Reference != ""
	if err := s.replaceContact(ctx, tx, c); err != nil {
		return false, nil, err
	}
	if r.Revocable {
		_, err := tx.ExecContext(ctx, `INSERT INTO import_changes (tenant, import, contact, version, former) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, import, contact) DO UPDATE SET version = excluded.version`, t[:], r.Batch.ID[:], known[:], c.Version, plain(asJSON(old)))
		if err != nil {
			return false, nil, err
		}
	}
	act := audience.ContactAct{ID: id.New[audience.NoteKind](r.now), At: r.now, Type: audience.ContactChanged, Actor: r.Batch.Actor, Fields: names}
	return true, nil, recordAct(ctx, tx, t, known, act)
}

// arrange gives new contacts their identifiers in the order of their names. Rows are then
// appended in the order of the table, and near each other in that of its index.
func (r *roll) arrange(results []audience.Enlisted) {
	type place struct {
		name string
		at   int // in fresh
	}
	order := make([]place, len(r.fresh))
	ids := make([]audience.ContactID, len(r.fresh))
	byID := func(a, b audience.ContactID) int { return bytes.Compare(a[:], b[:]) }
	for i := range r.fresh {
		order[i], ids[i] = place{r.fresh[i].SortName(), i}, r.fresh[i].ID
	}
	slices.SortFunc(ids, byID)
	slices.SortFunc(order, func(a, b place) int { return cmp.Or(strings.Compare(a.name, b.name), a.at-b.at) })
	fresh, names := make([]audience.Contact, len(order)), make([]string, len(order))
	for i := range order {
		fresh[i], names[i] = r.fresh[order[i].at], order[i].name
	}
	r.fresh, r.names = fresh, names
	renamed := make(map[audience.ContactID]audience.ContactID, len(r.fresh))
	for i := range r.fresh {
		renamed[r.fresh[i].ID], r.fresh[i].ID = ids[i], ids[i]
	}
	for i := range results {
		if other, ok := renamed[results[i].Contact]; ok {
			results[i].Contact = other
		}
	}
	for i := range r.joined {
		if other, ok := renamed[r.joined[i]]; ok {
			r.joined[i] = other
		}
	}
	slices.SortFunc(r.joined, byID)
}

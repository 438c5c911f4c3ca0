package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// AddMembers implements audience.GroupStore.
func (s *Store) AddMembers(ctx context.Context, b audience.Batch, list []audience.ContactID, now time.Time) (added []audience.ContactID, err error) {
	if len(list) == 0 {
		_, err := s.Group(ctx, b.Tenant, b.Group)
		return nil, err
	}
	list = list[:min(len(list), inListMax)]
	err = s.transact(ctx, func(tx *sql.Tx) error {
		g, err := s.heldGroup(ctx, tx, b.Tenant, b.Group)
		if err != nil {
			return err
		}
		if g.Kind != audience.Static {
			return fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
		}
		in, args := inList(s.dialect, 5, list)
		//nolint:gosec // G202: constants and placeholders only
		rows, err := tx.QueryContext(ctx, `INSERT INTO group_members (tenant, grp, batch, added_at, contact)
			SELECT $1, $2, $3, $4, c.id FROM contacts c WHERE c.tenant = $1 AND c.id `+in+" ON CONFLICT DO NOTHING RETURNING contact",
			append([]any{b.Tenant[:], b.Group[:], b.ID[:], millis(now)}, args...)...)
		added = nil
		err = scan(rows, err, func(row *sql.Rows) error {
			var c audience.ContactID
			err := row.Scan(&c)
			added = append(added, c)
			return err
		})
		if err != nil {
			return err
		}
		if err := tellConfirmed(ctx, tx, b, added, now); err != nil {
			return err
		}
		return countAdded(ctx, tx, b, len(added))
	})
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	return added, nil
}

// countAdded notes with group and batch how many members came.
func countAdded(ctx context.Context, tx *sql.Tx, b audience.Batch, n int) error {
	if n == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "UPDATE contact_groups SET members = members + $3 WHERE tenant = $1 AND id = $2", b.Tenant[:], b.Group[:], n); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO group_batches (tenant, grp, id, origin, name, source, actor, at, added, undone)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT (tenant, grp, id) DO UPDATE SET added = group_batches.added + excluded.added`,
		b.Tenant[:], b.Group[:], b.ID[:], string(b.Origin), plain(b.Name), plain(b.Source), plain(b.Actor), millis(b.At), n)
	return err
}

// RemoveMembers implements audience.GroupStore.
func (s *Store) RemoveMembers(ctx context.Context, t tenant.ID, g audience.GroupID, list []audience.ContactID, actor string, now time.Time) (n int64, err error) {
	if len(list) == 0 {
		_, err := s.Group(ctx, t, g)
		return 0, err
	}
	list = list[:min(len(list), inListMax)]
	err = s.transact(ctx, func(tx *sql.Tx) error {
		found, err := s.heldGroup(ctx, tx, t, g)
		if err != nil {
			return err
		}
		if found.Kind != audience.Static {
			return fault.New(fault.Conflict, "group_dynamic", "A filter decides who is in this group.")
		}
		in, args := inList(s.dialect, 3, list)
		//nolint:gosec // G202: constants and placeholders only
		rows, err := tx.QueryContext(ctx, "DELETE FROM group_members WHERE tenant = $1 AND grp = $2 AND contact "+in+" RETURNING contact", append([]any{t[:], g[:]}, args...)...)
		var gone []audience.ContactID
		err = scan(rows, err, func(row *sql.Rows) error {
			var c audience.ContactID
			err := row.Scan(&c)
			gone = append(gone, c)
			return err
		})
		if err != nil {
			return err
		}
		n = int64(len(gone))
		for _, c := range gone {
			act := audience.ContactAct{ID: id.New[audience.NoteKind](now), At: now, Type: audience.ContactLeft, Actor: actor, Fields: []string{g.String()}}
			if err := recordAct(ctx, tx, t, c, act); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE contact_groups SET members = members - $3 WHERE tenant = $1 AND id = $2", t[:], g[:], n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove members: %w", err)
	}
	return n, nil
}

// whose chooses the rows of contacts in a table whose key goes on with key after the tenant.
// They are found by the index on tenant and contact and named by their whole key: left to
// itself, SQLite walks all rows of the tenant. match and again are "= $2", or a list and the
// same list once more, as each list has parameters of its own.
func whose(table, key, match, again string) string {
	return " WHERE tenant = $1 AND contact " + match + " AND " + key + " IN (SELECT x." + key + " FROM " + table + " x WHERE x.tenant = $1 AND x.contact " + again + ")"
}

// ofContact deletes these rows.
func ofContact(table, key, match, again string) string {
	return "DELETE FROM " + table + whose(table, key, match, again)
}

// rowsOfContacts delete what is kept of contacts by their identifiers in large tables.
func rowsOfContacts(match, again string) []string {
	return []string{
		ofContact("import_changes", "import", match, again), ofContact("campaign_recipients", "campaign", match, again),
		ofContact("series_signals", "series", match, again), ofContact("series_deeds", "series", match, again), ofContact("series_runs", "series", match, again),
		ofContact("webhook_deeds", "id", match, again),
	}
}

// endMemberships takes a contact out of all groups.
func endMemberships(ctx context.Context, tx *sql.Tx, t tenant.ID, c audience.ContactID) error {
	for _, text := range []string{
		"UPDATE contact_groups SET members = members - 1 WHERE tenant = $1 AND id IN (SELECT m.grp FROM group_members m WHERE m.tenant = $1 AND m.contact = $2)",
		ofContact("group_members", "grp", "= $2", "= $2"),
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], c[:]); err != nil {
			return err
		}
	}
	return nil
}

// moveMemberships puts a contact into the groups of another one, which goes.
func moveMemberships(ctx context.Context, tx *sql.Tx, t tenant.ID, gone, kept audience.ContactID) error {
	const both = "(SELECT k.grp FROM group_members k WHERE k.tenant = $1 AND k.contact = $3)"
	for _, text := range []string{
		"UPDATE contact_groups SET members = members - 1 WHERE tenant = $1 AND id IN (SELECT m.grp FROM group_members m WHERE m.tenant = $1 AND m.contact = $2 AND m.grp IN " + both + ")",
		"DELETE FROM group_members WHERE tenant = $1 AND contact = $2 AND grp IN " + both,
		"UPDATE group_members SET contact = $3" + whose("group_members", "grp", "= $2", "= $2"),
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], gone[:], kept[:]); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, ofContact("import_changes", "import", "= $2", "= $2"), t[:], gone[:])
	return err
}

// sortedGroup is the size up to which the members of a group are put in order by name. Those of
// a larger one are found by walking all contacts in that order, of which then many are members.
const sortedGroup = 10_000

// Members implements audience.GroupStore.
func (s *Store) Members(ctx context.Context, t tenant.ID, g audience.GroupID, f audience.MemberFilter) (audience.MemberPage, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return audience.MemberPage{}, err
	}
	if f.Limit <= 0 {
		f.Limit = defaultContacts
	}
	f.Limit = min(f.Limit, maxContacts)
	q := contactQuery{dialect: s.dialect, args: []any{t[:], f.Limit + 1}}
	text := q.members(found, f, s)
	var page audience.MemberPage
	rows, err := s.read.QueryContext(ctx, text, q.args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m audience.Member
		c, err := readContact(beside{row, []any{&m.Batch, instant{&m.AddedAt}}}, t)
		m.Contact = c
		page.Members = append(page.Members, m)
		return err
	})
	if err != nil {
		return audience.MemberPage{}, fmt.Errorf("list members: %w", s.refusal(err))
	}
	if page.More = len(page.Members) > f.Limit; page.More {
		page.Members = page.Members[:f.Limit]
	}
	return page, nil
}

// beside scans further columns after those of a row.
type beside struct {
	row  scanner
	more []any
}

// Scan implements scanner.
func (b beside) Scan(dest ...any) error { return b.row.Scan(append(dest, b.more...)...) }

// members is the text that asks for a page of a group.
func (q *contactQuery) members(g audience.Group, f audience.MemberFilter, s *Store) string {
	static := g.Kind == audience.Static
	q.build(audience.ContactFilter{ByName: f.ByName, Ascending: f.Ascending, After: f.After})
	columns, from, order := "NULL, NULL", "contacts c WHERE c.tenant = $1", q.order
	member := ""
	if static {
		columns = "m.batch, m.added_at"
		member = q.fill("m.tenant = $1 AND m.grp = ?", g.ID[:])
	}
	if tokens := strings.Fields(f.Text); len(tokens) > 0 {
		also := ""
		if static {
			also = " WHERE EXISTS (SELECT 1 FROM group_members m WHERE " + member + " AND m.contact = hits.contact)"
		}
		q.find(tokens[:min(len(tokens), 6)], also)
		from = "(" + q.hits + ") AS h CROSS JOIN contacts c WHERE c.tenant = $1 AND c.id = h.contact"
		if static {
			from = "(" + q.hits + ") AS h CROSS JOIN contacts c CROSS JOIN group_members m WHERE c.tenant = $1 AND c.id = h.contact AND " + member + " AND m.contact = c.id"
		}
	} else if static {
		// CROSS JOIN keeps SQLite to this order of tables.
		from = "group_members m CROSS JOIN contacts c WHERE " + member + " AND c.tenant = $1 AND c.id = m.contact"
		switch {
		case !f.ByName:
			order = strings.ReplaceAll(order, "c.id", "m.contact")
			q.where = strings.ReplaceAll(q.where, "c.id", "m.contact")
		case g.Members > sortedGroup:
			from = "contacts c CROSS JOIN group_members m WHERE c.tenant = $1 AND " + member + " AND m.contact = c.id"
		}
	}
	if !static {
		from += " AND " + s.picked(*g.Segment, &q.args)
	}
	return "SELECT " + prefixed("c.", contactColumns) + ", " + columns + " FROM " + from + q.where + " ORDER BY " + order + " LIMIT $2"
}

// MembershipsOf implements audience.GroupStore.
func (s *Store) MembershipsOf(ctx context.Context, t tenant.ID, c audience.ContactID) (list []audience.Membership, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT m.grp, m.batch, m.added_at FROM group_members m CROSS JOIN contact_groups g
		WHERE m.tenant = $1 AND m.contact = $2 AND g.tenant = $1 AND g.id = m.grp AND g.gone = 0 ORDER BY m.grp`, t[:], c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		m := audience.Membership{Contact: c}
		err := row.Scan(&m.Group, &m.Batch, instant{&m.AddedAt})
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list memberships: %w", s.refusal(err))
	}
	return list, nil
}

// memberOfText asks which groups of tenant $1 addresses are in, those that a filter makes
// left out; which ones follows.
const memberOfText = `SELECT a.address, m.grp FROM contact_addresses a CROSS JOIN group_members m CROSS JOIN contact_groups g
		WHERE a.tenant = $1 AND m.tenant = $1 AND m.contact = a.contact AND g.tenant = $1 AND g.id = m.grp AND g.gone = 0 AND a.address `

// MemberOf implements audience.GroupStore.
func (s *Store) MemberOf(ctx context.Context, t tenant.ID, list []message.Address) (map[message.Address][]audience.GroupID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	list = list[:min(len(list), inListMax)]
	written := map[string][]message.Address{}
	var addresses []any
	for _, a := range list {
		text := canonicalAddress(a)
		if written[text] == nil {
			addresses = append(addresses, text)
		}
		written[text] = append(written[text], a)
	}
	of := map[message.Address][]audience.GroupID{}
	note := func(rows *sql.Rows, err error) error {
		return scan(rows, err, func(row *sql.Rows) error {
			var address string
			var g audience.GroupID
			err := row.Scan(&address, &g)
			for _, a := range written[address] {
				of[a] = append(of[a], g)
			}
			return err
		})
	}
	var err error
	for part := range slices.Chunk(addresses, askedMax) {
		if err == nil {
			err = note(s.questions.members.ask(ctx, []any{t[:]}, part)) //nolint:rowserrcheck // note reads and closes them
		}
	}
	var dynamic []audience.Group
	if err == nil {
		dynamic, err = s.dynamicGroups(ctx, t)
	}
	for i := 0; err == nil && i < len(dynamic); i++ {
		args := []any{t[:], dynamic[i].ID[:]}
		picked := s.picked(*dynamic[i].Segment, &args)
		text := `SELECT a.address, g.id FROM contact_addresses a CROSS JOIN contacts c CROSS JOIN contact_groups g WHERE a.tenant = $1
			AND c.tenant = $1 AND c.id = a.contact AND g.tenant = $1 AND g.id = $2 AND ` + picked + " AND a.address "
		err = note(s.read.QueryContext(ctx, askedText(s.dialect, text, len(args)+1, len(addresses)), append(args, addresses...)...)) //nolint:rowserrcheck // note reads and closes them
	}
	if err != nil {
		return nil, fmt.Errorf("find groups of addresses: %w", s.refusal(err))
	}
	return of, nil
}

func (s *Store) dynamicGroups(ctx context.Context, t tenant.ID) (list []audience.Group, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+groupColumns+" FROM contact_groups WHERE tenant = $1 AND gone = 0 AND kind = 'dynamic' ORDER BY id", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		g, err := readGroup(row, t)
		list = append(list, g)
		return err
	})
	return list, err
}

// maxSample bounds a sample.
const maxSample = 100

// SampleMembers implements audience.GroupStore. It hops from one chosen place to the next
// along the members' order, so that all of them are passed once at most.
func (s *Store) SampleMembers(ctx context.Context, t tenant.ID, g audience.GroupID, n int, seed uint64) ([]audience.Contact, error) {
	found, err := s.Group(ctx, t, g)
	if err != nil {
		return nil, err
	}
	from, args := "SELECT m.contact FROM group_members m WHERE m.tenant = $1 AND m.grp = $2 AND m.contact > $3", []any{t[:], g[:], nil}
	order := " ORDER BY m.contact"
	if found.Kind == audience.Dynamic {
		from, order = "SELECT c.id FROM contacts c WHERE c.tenant = $1 AND CAST($2 AS BIGINT) = 1 AND c.id > $3", " ORDER BY c.id"
		if found.Members, err = s.CountSegment(ctx, t, *found.Segment); err != nil {
			return nil, err
		}
		args = []any{t[:], int64(1), nil}
		from += " AND " + s.picked(*found.Segment, &args)
	}
	var list []audience.Contact
	last, passed := audience.ContactID{}, 0
	for _, place := range places(int(found.Members), min(n, maxSample), seed) {
		args[2] = last[:]
		err := s.read.QueryRowContext(ctx, fmt.Sprintf("%s%s LIMIT 1 OFFSET %d", from, order, place-passed), args...).Scan(&last)
		if err != nil {
			return list, s.sampleCut(err)
		}
		passed = place + 1
		c, err := s.Contact(ctx, t, last)
		if err != nil {
			return list, s.sampleCut(err)
		}
		list = append(list, c)
	}
	return list, nil
}

// sampleCut is the error of a sample: that somebody left meanwhile is none.
func (s *Store) sampleCut(err error) error {
	if err = missing(err, "contact_not_found"); fault.IsKind(err, fault.NotFound) {
		return nil
	}
	return fmt.Errorf("sample members: %w", s.refusal(err))
}

// places are n different numbers below size, chosen by the seed, in order.
func places(size, n int, seed uint64) []int {
	if n >= size {
		n = size
	}
	chance := rand.New(rand.NewPCG(seed, uint64(n)))
	chosen := make(map[int]bool, n)
	list := make([]int, 0, n)
	for len(list) < n {
		if place := chance.IntN(size); !chosen[place] {
			chosen[place] = true
			list = append(list, place)
		}
	}
	slices.Sort(list)
	return list
}

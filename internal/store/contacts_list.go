package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

const (
	defaultContacts = 50
	maxContacts     = 500
	// contactHits bounds what a text finds: who types one letter is answered as soon as
	// who types a name.
	contactHits = 1000
	// contactWindow bounds what is looked at of each of several words: more than have any
	// one name among a million.
	contactWindow = 20_000
)

// Contacts implements audience.ContactStore. Without a text a page is one range of an
// index. A text is looked for by the beginnings of words, each a range of an index too.
func (s *Store) Contacts(ctx context.Context, t tenant.ID, f audience.ContactFilter) (audience.ContactPage, error) {
	if f.Limit <= 0 {
		f.Limit = defaultContacts
	}
	f.Limit = min(f.Limit, maxContacts)
	q := contactQuery{dialect: s.dialect, args: []any{t[:], f.Limit + 1}}
	q.build(f)
	from := "contacts c WHERE c.tenant = $1"
	switch {
	case q.tagged:
		from = "contact_tags g CROSS JOIN contacts c WHERE g.tenant = $1 AND c.tenant = $1 AND c.id = g.contact"
	case q.hits != "":
		// Joined, because a planner that is asked for them in order reads all contacts instead.
		from = "(" + q.hits + ") AS h CROSS JOIN contacts c WHERE c.tenant = $1 AND c.id = h.contact"
	}
	var page audience.ContactPage
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+prefixed("c.", contactColumns)+" FROM "+from+q.where+" ORDER BY "+q.order+" LIMIT $2", q.args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readContact(row, t)
		page.Contacts = append(page.Contacts, c)
		return err
	})
	if err != nil {
		return audience.ContactPage{}, fmt.Errorf("list contacts: %w", s.refusal(err))
	}
	if page.More = len(page.Contacts) > f.Limit; page.More {
		page.Contacts = page.Contacts[:f.Limit]
	}
	return page, nil
}

// contactQuery is the part of a query that differs from filter to filter.
type contactQuery struct {
	dialect      dialect
	where, order string
	args         []any
	tagged       bool   // read from contact_tags g in its order
	hits         string // asks for the contacts that a text finds; "" without one
}

func (q *contactQuery) and(condition string, values ...any) {
	q.where += " AND " + q.fill(condition, values...)
}

func (q *contactQuery) fill(text string, values ...any) string {
	for _, v := range values {
		q.args = append(q.args, v)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(q.args)), 1)
	}
	return text
}

func (q *contactQuery) build(f audience.ContactFilter) {
	tokens := strings.Fields(f.Text)
	q.tagged = f.Tag != "" && len(tokens) == 0
	id, name := "c.id", "c.sort_name"
	if q.tagged {
		id, name = "g.contact", "g.sort_name"
		q.and("g.tag = ?", plain(f.Tag))
	}
	if len(tokens) > 0 {
		also := ""
		if f.Tag != "" {
			also = q.fill(" WHERE EXISTS (SELECT 1 FROM contact_tags g WHERE g.tenant = $1 AND g.tag = ? AND g.contact = hits.contact)", plain(f.Tag))
		}
		q.find(tokens[:min(len(tokens), 6)], also)
	}
	sign, direction := "<", " DESC"
	if f.Ascending {
		sign, direction = ">", ""
	}
	q.order = id + direction
	if f.ByName {
		q.order = name + direction + ", " + id + direction
	}
	switch {
	case f.After.IsZero():
	case f.ByName:
		q.and("("+name+", "+id+") "+sign+" (SELECT a.sort_name, a.id FROM contacts a WHERE a.tenant = $1 AND a.id = ?)", f.After[:])
	default:
		q.and(id+" "+sign+" ?", f.After[:])
	}
}

// find demands that all beginnings of words fit, and also what its second says of hits.
func (q *contactQuery) find(tokens []string, also string) {
	limit := contactHits
	if len(tokens) > 1 {
		limit = contactWindow
	}
	var sets []string
	for _, token := range tokens {
		sets = append(sets, "SELECT contact FROM ("+q.beginning(plain(token), limit)+") AS one")
	}
	q.hits = fmt.Sprintf("SELECT DISTINCT contact FROM (%s) AS hits%s LIMIT %d", strings.Join(sets, " INTERSECT "), also, contactHits)
}

// beginning asks for the contacts with a word or an address that begins like the token,
// up to a limit of each.
func (q *contactQuery) beginning(token string, limit int) string {
	in := func(table, column, low string) string {
		return q.fill("SELECT contact FROM (SELECT contact FROM "+table+" WHERE tenant = $1 AND "+column+" >= ? AND "+column+" < ? LIMIT ?) AS "+column+"s",
			low, low+"\U0010FFFF", limit)
	}
	words := func(low string) string {
		return in("contact_words", "word", low) + " UNION " + q.fill("SELECT contact FROM (SELECT substr(r.contacts, p.value, 16) AS contact FROM contact_word_runs r CROSS JOIN "+
			q.dialect.offsets("r.contacts", contactWidth, runContacts)+" WHERE r.tenant = $1 AND r.word >= ? AND r.word < ? AND p.value <= length(r.contacts) LIMIT ?) AS runs",
			low, low+"\U0010FFFF", limit)
	}
	lower := strings.ToLower(token)
	switch strings.IndexByte(token, '@') {
	case -1:
		return words(audience.Fold(token)) + " UNION " + in("contact_addresses", "address", lower)
	case 0:
		return words(lower)
	}
	return in("contact_addresses", "address", lower)
}

// ContactTags implements audience.ContactStore. It hops from tag to tag, however many
// contacts each has.
func (s *Store) ContactTags(ctx context.Context, t tenant.ID, limit int) ([]string, error) {
	var list []string
	last := ""
	for len(list) < limit {
		var next sql.NullString
		err := s.read.QueryRowContext(ctx, "SELECT min(tag) FROM contact_tags WHERE tenant = $1 AND tag > $2", t[:], last).Scan(&next)
		if err != nil {
			return nil, fmt.Errorf("list tags of contacts: %w", s.refusal(err))
		}
		if !next.Valid {
			break
		}
		last = next.String
		list = append(list, last)
	}
	return list, nil
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

const (
	defaultPage = 50
	maxPage     = 200
	// searchWindow bounds how many of the newest messages a search looks through
	// for what no index finds: part of a subject, name, address, tag or value of the
	// metadata, a domain, and the states that most deliveries are in.
	searchWindow = 20_000
	// searchStep is how many candidates are examined at once.
	searchStep = 500
	// listedDeliveries is how many deliveries of each message a list shows.
	listedDeliveries = 20
)

// search is a Filter taken apart: where candidates come from, and what they must
// still match.
type search struct {
	s         *Store
	tenant    tenant.ID
	low, high message.ID // candidates are in [low, high)
	only      message.ID // a single candidate, if set
	stream    tenant.Stream
	tag       string
	recipient string // whole address in lower case
	domain    string // of a recipient, "@…"
	state     event.State
	mark      event.Mark
	openedBy  tracking.OpenedBy
	opened    string // condition of messages
	hosts     []string
	headerID  string // Message-ID as it came
	fragment  string // lower case, to be found in subject, From, To, tags or metadata
	oldest    bool   // candidates come from old to new
}

// Messages implements insight.Store. What has an index is found however old it
// is: a whole recipient address, a tag, an identifier, a Message-ID, a mark, who opened
// it and every state but queued and delivered. Everything else is looked for in the newest
// searchWindow messages that the indexed part of the filter leaves.
func (s *Store) Messages(ctx context.Context, t tenant.ID, f insight.Filter) (insight.Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	if f.Opened != "" {
		s.settle(ctx)
	}
	q := &search{s: s, tenant: t, stream: f.Stream, tag: plain(f.Tag), state: f.State, mark: f.Mark, oldest: f.OldestFirst, hosts: f.Hosts, openedBy: f.Opened, opened: openedIs(f.Opened)}
	q.bound(f)
	if err := q.understand(ctx, f); err != nil {
		return insight.Page{}, fmt.Errorf("search messages: %w", s.refusal(err))
	}
	found, err := q.run(ctx, limit+1)
	if err != nil {
		return insight.Page{}, fmt.Errorf("search messages: %w", s.refusal(err))
	}
	page := insight.Page{Messages: found, More: len(found) > limit}
	page.Messages = found[:min(len(found), limit)]
	if err := s.attachDeliveries(ctx, t, page.Messages); err != nil {
		return insight.Page{}, fmt.Errorf("list deliveries: %w", s.refusal(err))
	}
	return page, nil
}

// bound turns times and the place to continue into a range of ids.
func (q *search) bound(f insight.Filter) {
	for i := range q.high {
		q.high[i] = 0xff
	}
	if !f.From.IsZero() {
		q.low = id.Lowest[message.Kind](f.From)
	}
	if !f.To.IsZero() {
		q.high = id.Lowest[message.Kind](f.To)
	}
	if !f.After.IsZero() {
		q.goOn(f.After)
	}
}

// goOn leaves out what the list has shown up to message m.
func (q *search) goOn(m message.ID) {
	switch {
	case q.oldest && slices.Compare(m[:], q.low[:]) >= 0:
		q.low = message.After(m)
	case !q.oldest && slices.Compare(m[:], q.high[:]) < 0:
		q.high = m
	}
}

// understand finds out what a person meant by the text and by the recipient.
func (q *search) understand(ctx context.Context, f insight.Filter) error {
	recipient := strings.ToLower(strings.TrimSpace(plain(f.Recipient)))
	if strings.HasPrefix(recipient, "@") {
		q.domain = recipient
	} else {
		q.recipient = recipient
	}
	text := strings.Trim(strings.TrimSpace(plain(f.Text)), "<>")
	if text == "" {
		return nil
	}
	local, _, _ := strings.Cut(text, "@")
	if m, err := id.Parse[message.Kind](local); err == nil {
		q.only = m
		return nil
	}
	if d, err := id.Parse[message.DeliveryKind](text); err == nil {
		q.only = message.Of(d)
		return nil
	}
	if strings.Contains(text, "@") {
		known, err := q.known(ctx, "SELECT 1 FROM messages WHERE tenant = $1 AND message_id = $2 LIMIT 1", text)
		if known || err != nil {
			q.headerID = text
			return err
		}
		lower := strings.ToLower(text)
		known, err = q.known(ctx, "SELECT 1 FROM deliveries WHERE tenant = $1 AND recipient = $2 LIMIT 1", lower)
		if err != nil || known && q.recipient == "" {
			q.recipient = lower
			return err
		}
	}
	q.fragment = strings.ToLower(text)
	return nil
}

func (q *search) known(ctx context.Context, text, value string) (bool, error) {
	known := false
	rows, err := q.s.read.QueryContext(ctx, text, q.tenant[:], value)
	err = scan(rows, err, func(*sql.Rows) error {
		known = true
		return nil
	})
	return known, err
}

// run examines candidates in order until limit messages match.
func (q *search) run(ctx context.Context, limit int) ([]insight.Message, error) {
	var found []insight.Message
	step := limit
	for examined := 0; examined < searchWindow && len(found) < limit; step = searchStep {
		ids, last, err := q.candidates(ctx, step)
		if err != nil || len(ids) == 0 {
			return found, err
		}
		examined += len(ids)
		part, err := q.matching(ctx, ids)
		if err != nil {
			return nil, err
		}
		found = append(found, part[:min(len(part), limit-len(found))]...)
		if last {
			break
		}
		q.goOn(ids[len(ids)-1])
	}
	return found, nil
}

// candidates returns up to n messages of the range in order, from the most telling
// index there is. last reports that no more can follow.
func (q *search) candidates(ctx context.Context, n int) (ids []message.ID, last bool, err error) {
	if !q.only.IsZero() {
		inside := slices.Compare(q.only[:], q.low[:]) >= 0 && slices.Compare(q.only[:], q.high[:]) < 0
		if !inside {
			return nil, true, nil
		}
		return []message.ID{q.only}, true, nil
	}
	const span = " AND id >= $2 AND id < $3"
	args := []any{q.tenant[:], q.low[:], q.high[:], n}
	var text string
	switch {
	case q.headerID != "":
		text = "SELECT id FROM messages WHERE tenant = $1 AND message_id = $5" + span
		args = append(args, q.headerID)
	case q.recipient != "":
		text = "SELECT id FROM deliveries WHERE tenant = $1 AND recipient = $5" + span
		args = append(args, q.recipient)
	case q.mark != "":
		text = "SELECT id FROM deliveries WHERE tenant = $1 AND marks <> 0 AND (marks & $5) <> 0" + span
		args = append(args, bitOf(q.mark))
	case indexedState(q.state) != "":
		text = "SELECT id FROM deliveries WHERE tenant = $1 AND " + indexedState(q.state) + span
	case q.openedBy != "":
		text = openedFrom(q.openedBy, q.order())
	case q.tag != "":
		text = "SELECT message AS id FROM message_tags WHERE tenant = $1 AND tag = $5 AND message >= $2 AND message < $3"
		args = append(args, q.tag)
	default:
		text = "SELECT id FROM messages WHERE tenant = $1" + span
	}
	read := 0
	rows, err := q.s.read.QueryContext(ctx, text+" ORDER BY id "+q.order()+" LIMIT $4", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID // a message's id is that of its delivery number 0
		if err := row.Scan(&d); err != nil {
			return err
		}
		read++
		if m := message.Of(d); len(ids) == 0 || ids[len(ids)-1] != m {
			ids = append(ids, m)
		}
		return nil
	})
	return ids, read < n, err
}

func (q *search) order() string {
	if q.oldest {
		return "ASC"
	}
	return "DESC"
}

// endedStates is the condition of the partial index deliveries_ended, written as there: by pairs,
// which SQLite compares, where it makes a table of a longer list for each row that is written.
func endedStates(alias string) string {
	return "(" + alias + "state IN ('bounced', 'expired') OR " + alias + "state IN ('suppressed', 'cancelled'))"
}

// indexedState is the condition under which a partial index lists the state; ""
// if none does.
func indexedState(state event.State) string {
	switch state {
	case event.Deferred, event.Held:
		return "state = '" + string(state) + "' AND state IN ('deferred', 'held')"
	case event.Bounced, event.Expired, event.Suppressed, event.Cancelled:
		return "state = '" + string(state) + "' AND " + endedStates("")
	}
	return ""
}

// matching loads those candidates that match the whole filter, in order.
func (q *search) matching(ctx context.Context, ids []message.ID) ([]insight.Message, error) {
	list, args := inList(q.s.dialect, 2, ids)
	args = append([]any{q.tenant[:]}, args...)
	var where strings.Builder
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where.WriteString(" AND " + condition)
	}
	if q.stream != "" {
		and("stream = ?", plain(string(q.stream)))
	}
	if q.tag != "" {
		and("EXISTS (SELECT 1 FROM message_tags g WHERE g.tenant = messages.tenant AND g.tag = ? AND g.message = messages.id)", q.tag)
	}
	if q.state != "" || q.mark != "" || q.recipient != "" || q.domain != "" || len(q.hosts) > 0 {
		q.andDelivery(and)
	}
	if q.opened != "" {
		and(q.opened)
	}
	if q.fragment != "" {
		plainly, boxed, quoted := looseLike(q.fragment), looseLike(boxFragment(q.fragment)), looseLike(jsonFragment(q.fragment))
		and(`(lower(subject) LIKE ? ESCAPE '\' OR lower(from_box) LIKE ? ESCAPE '\' OR lower(to_boxes) LIKE ? ESCAPE '\'
			OR lower(tags) LIKE ? ESCAPE '\' OR lower(metadata) LIKE ? ESCAPE '\')`, plainly, boxed, boxed, quoted, quoted)
	}
	var found []insight.Message
	//nolint:gosec // G202: constants and placeholders only
	rows, err := q.s.read.QueryContext(ctx, "SELECT "+messageColumns+" FROM messages WHERE tenant = $1 AND id "+list+where.String()+
		" ORDER BY id "+q.order(), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		m, err := readMessage(row, q.tenant)
		if err == nil && (q.fragment == "" || q.contains(&m)) {
			found = append(found, m)
		}
		return err
	})
	return found, err
}

// andDelivery demands one delivery that matches all that is asked of deliveries.
func (q *search) andDelivery(and func(string, ...any)) {
	condition := "EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = messages.tenant AND d.id > messages.id AND d.id <= " +
		q.s.dialect.deliveryAt("messages.id", message.MaxRecipients)
	var values []any
	if q.state != "" {
		condition += " AND d.state = ?"
		values = append(values, string(q.state))
	}
	if q.mark != "" {
		condition += " AND (d.marks & ?) <> 0"
		values = append(values, bitOf(q.mark))
	}
	if q.recipient != "" {
		condition += " AND d.recipient = ?"
		values = append(values, q.recipient)
	}
	if q.domain != "" {
		condition += ` AND d.recipient LIKE ? ESCAPE '\'`
		values = append(values, "%"+likeLiteral(q.domain))
	}
	for i, host := range q.hosts {
		condition += []string{" AND (", " OR "}[min(i, 1)] + `d.host = ? OR d.host LIKE ? ESCAPE '\'`
		values = append(values, plain(host), "%."+likeLiteral(plain(host)))
	}
	if len(q.hosts) > 0 {
		condition += ")"
	}
	and(condition+")", values...)
}

// contains reports whether the fragment is really in the message: the database
// compares no case beyond ASCII.
func (q *search) contains(m *insight.Message) bool {
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), q.fragment) }
	return in(m.Subject) || slices.ContainsFunc(m.Tags, in) || slices.ContainsFunc(slices.Collect(maps.Values(m.Metadata)), in) || slices.ContainsFunc(append([]message.Mailbox{m.From}, m.To...), func(b message.Mailbox) bool {
		return in(b.Name) || in(b.Local+"@"+b.Domain)
	})
}

// looseLike is a pattern that lets through every text that contains the fragment
// in any case: letters beyond ASCII match anything.
func looseLike(fragment string) string {
	var b strings.Builder
	b.WriteByte('%')
	for _, r := range likeLiteral(fragment) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	b.WriteByte('%')
	return b.String()
}

// boxFragment is how a part of an address appears in the JSON of a box.
func boxFragment(fragment string) string {
	return strings.Replace(jsonFragment(fragment), "@", `","`, 1)
}

// jsonFragment is how a part of a text appears in JSON.
func jsonFragment(fragment string) string {
	text := asJSON(fragment)
	return text[1 : len(text)-1]
}

// attachDeliveries gives each message its first deliveries, with one query.
func (s *Store) attachDeliveries(ctx context.Context, t tenant.ID, list []insight.Message) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]message.ID, len(list))
	at := make(map[message.ID]*insight.Message, len(list))
	for i := range list {
		ids[i] = list[i].ID
		at[ids[i]] = &list[i]
	}
	in, args := inList(s.dialect, 2, ids)
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+deliveryColumns+` FROM messages m JOIN deliveries d
		ON d.tenant = $1 AND d.id > m.id AND d.id <= `+s.dialect.deliveryAt("m.id", listedDeliveries)+`
		WHERE m.tenant = $1 AND m.id `+in+" ORDER BY d.id", append([]any{t[:]}, args...)...)
	return scan(rows, err, func(row *sql.Rows) error {
		d, err := readDelivery(row)
		if m := at[message.Of(d.ID)]; m != nil {
			m.Deliveries = append(m.Deliveries, d)
		}
		return err
	})
}

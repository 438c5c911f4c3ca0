package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/pause"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// tallyNote is what a commit adds to one count. It names the host, not the provider: who
// stands behind a host may be looked up later, away from the way of the mail.
type tallyNote struct {
	Hour   int64         `json:"h"` // since 1970
	Host   string        `json:"m"`
	Stream tenant.Stream `json:"s"`
	Count  insight.Count `json:"c"`
	// Group is that of a note about a group, whose Count is one of package pause; zero else.
	Group audience.GroupID `json:"g,omitzero"`
	N     int64            `json:"n,omitempty"` // the value of the map, except in the table
}

// tallyNotes gathers the notes of one transaction, for each tenant.
type tallyNotes map[tenant.ID]*notesOf

type notesOf struct {
	id    event.ID // of the first fact, which no other note has
	count map[tallyNote]int64
}

// settled notes a settlement that took effect.
func (l tallyNotes) settled(v *queue.Settlement) {
	ready := v.ReadyAt
	if ready.IsZero() {
		ready = v.Event.Message.Time()
	}
	l.add(v.Tenant, &v.Event, ready, v.Host, v.Stream)
	l.addGroup(v.Tenant, &v.Event, v.Group)
}

// addGroup notes what a fact says of the group that was written to.
func (l tallyNotes) addGroup(t tenant.ID, e *event.Event, group string) {
	if group == "" {
		return
	}
	g, err := id.Parse[audience.GroupKind](group)
	if err != nil {
		return // a tag that looks like ours, and is not
	}
	for _, c := range pause.CountsOf(e) {
		l.of(t, e).count[tallyNote{Hour: millis(e.At) / millisPerHour, Group: g, Count: insight.Count(c)}]++
	}
}

// of are the notes of a tenant, which take their name from the first fact.
func (l tallyNotes) of(t tenant.ID, e *event.Event) *notesOf {
	of := l[t]
	if of == nil {
		of = &notesOf{id: e.ID, count: map[tallyNote]int64{}}
		l[t] = of
	}
	return of
}

func (l tallyNotes) add(t tenant.ID, e *event.Event, ready time.Time, host string, stream tenant.Stream) {
	for _, c := range insight.CountsOf(e, ready) {
		l.of(t, e).count[tallyNote{Hour: millis(e.At) / millisPerHour, Host: plain(host), Stream: stream, Count: c}]++
	}
}

// rows are the values to insert, one row for each tenant.
func (l tallyNotes) rows() []any {
	var args []any
	for t, of := range l {
		list := make([]tallyNote, 0, len(of.count))
		for note, n := range of.count {
			note.N = n
			list = append(list, note)
		}
		args = append(args, t[:], of.id[:], asJSON(list))
	}
	return args
}

// noteReturn notes what a return mail told of a delivery, the first time it is told.
func (s *Store) noteReturn(ctx context.Context, tx *sql.Tx, t tenant.ID, e *event.Event, mark event.Mark) error {
	var host string
	var marks int64
	err := tx.QueryRowContext(ctx, "SELECT d.host, d.marks FROM deliveries d WHERE d.tenant = $1 AND d.id = $2"+s.dialect.lockRows(false),
		t[:], e.Delivery[:]).Scan(&host, &marks)
	if errors.Is(err, sql.ErrNoRows) || err == nil && marks&bitOf(mark) != 0 {
		return nil
	}
	var stream tenant.Stream
	var tags []string
	if err == nil {
		m := message.Of(e.Delivery)
		err = tx.QueryRowContext(ctx, "SELECT stream, tags FROM messages WHERE tenant = $1 AND id = $2", t[:], m[:]).Scan(&stream, document{&tags})
	}
	if err != nil {
		return err
	}
	notes := tallyNotes{}
	notes.add(t, e, e.At, host, stream)
	notes.addGroup(t, e, (&queue.Entry{Tags: tags}).Group())
	return s.texts.notes.insert(ctx, s.texts, tx, notes.rows())
}

// spans of the tallies.
const (
	spanHour = "hour"
	spanDay  = "day"

	millisPerDay = 24 * millisPerHour

	// allStreams stands for the sum of all streams.
	allStreams tenant.Stream = "*"
)

// tally names one row of the tallies.
type tally struct {
	tenant   tenant.ID
	span     string
	count    insight.Count
	start    int64
	provider string
	stream   tenant.Stream
}

func compareTallies(a, b tally) int {
	return cmp.Or(bytes.Compare(a.tenant[:], b.tenant[:]), cmp.Compare(a.span, b.span), cmp.Compare(a.count, b.count),
		cmp.Compare(a.start, b.start), cmp.Compare(a.provider, b.provider), cmp.Compare(a.stream, b.stream))
}

// foldTenants is of how many tenants the notes are taken at once.
const foldTenants = 500

// FoldTallies implements insight.FoldStore, tenant by tenant, so that a distributed
// database finds the notes of one on one machine.
func (s *Store) FoldTallies(ctx context.Context, provider func(host string) string, limit int) (int, error) {
	tenants, err := tenantsOf(ctx, s.read, "SELECT d.tenant FROM tally_notes d GROUP BY d.tenant ORDER BY d.tenant LIMIT $1", foldTenants)
	sum := 0
	for i := 0; err == nil && i < len(tenants); i++ {
		var n int
		n, err = s.foldTenant(ctx, tenants[i], provider, limit)
		sum += n
	}
	if err != nil {
		return sum, fmt.Errorf("fold tallies: %w", s.refusal(err))
	}
	return sum, nil
}

// foldTenant takes notes of one tenant. Removing and adding them up is one transaction,
// and on PostgreSQL notes that another node is taking are left to it: each is counted
// once, whatever dies when.
func (s *Store) foldTenant(ctx context.Context, t tenant.ID, provider func(host string) string, limit int) (taken int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		sums, groups := map[tally]int64{}, map[groupTally]int64{}
		var ids []event.ID
		//nolint:gosec // G202: constants of the dialect and placeholders only
		rows, err := tx.QueryContext(ctx, "SELECT d.id, d.notes FROM tally_notes d WHERE d.tenant = $1 ORDER BY d.id LIMIT $2"+s.dialect.lockRows(true), t[:], limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			var id event.ID
			var notes []tallyNote
			err := row.Scan(&id, document{&notes})
			ids = append(ids, id)
			for _, n := range notes {
				if !n.Group.IsZero() {
					groups[groupTally{n.Group, n.Hour * millisPerHour, string(n.Count)}] += n.N
					continue
				}
				sumUp(sums, t, n, provider(n.Host))
			}
			return err
		})
		if taken = len(ids); err != nil || taken == 0 {
			return err
		}
		for part := range slices.Chunk(ids, inListMax) {
			in, args := inList(s.dialect, 2, part)
			//nolint:gosec // G202: placeholders only
			if _, err := tx.ExecContext(ctx, "DELETE FROM tally_notes WHERE tenant = $1 AND id "+in, append([]any{t[:]}, args...)...); err != nil {
				return err
			}
		}
		if err := addGroupTallies(ctx, tx, t, groups); err != nil {
			return err
		}
		return s.addTallies(ctx, tx, sums)
	})
	return taken, err
}

// sumUp adds a note to the hour and the day, of its tenant and of all, of its stream and
// of all.
func sumUp(sums map[tally]int64, t tenant.ID, n tallyNote, provider string) {
	hour := n.Hour * millisPerHour
	for _, of := range []tenant.ID{t, {}} {
		for _, stream := range []tenant.Stream{n.Stream, allStreams} {
			sums[tally{of, spanHour, n.Count, hour, provider, stream}] += n.N
			sums[tally{of, spanDay, n.Count, hour - hour%millisPerDay, provider, stream}] += n.N
		}
	}
}

// addTallies adds to the rows in the order of their keys, so that two nodes wait for each
// other in one direction only.
func (s *Store) addTallies(ctx context.Context, tx *sql.Tx, sums map[tally]int64) error {
	keys := make([]tally, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareTallies)
	args := make([]any, 0, 7*len(keys))
	for i := range keys {
		k := &keys[i]
		args = append(args, k.tenant[:], k.span, string(k.count), k.start, k.provider, string(k.stream), sums[*k])
	}
	return s.texts.tallies.insert(ctx, s.texts, tx, args)
}

// tallyPart is a run of rows that together with others makes up a query's time.
type tallyPart struct {
	span     string
	from, to int64
}

// tallyParts covers a query's time with whole days where it may, and hours at the ends.
func tallyParts(q insight.TallyQuery, now time.Time) []tallyPart {
	from, to := millis(q.From), millis(q.To)
	from, to = from-from%millisPerHour, to-to%millisPerHour
	if to < millis(q.To) {
		to += millisPerHour // the running hour is not left out
	}
	if q.Hours {
		return []tallyPart{{spanHour, from, to}}
	}
	kept := millis(now.Add(-insight.HoursKept))
	first := (from + millisPerDay - 1) / millisPerDay * millisPerDay
	last := to / millisPerDay * millisPerDay
	switch {
	case from < kept: // its hours are gone
		return []tallyPart{{spanDay, from / millisPerDay * millisPerDay, last}, {spanHour, last, to}}
	case first >= last:
		return []tallyPart{{spanHour, from, to}}
	}
	return []tallyPart{{spanHour, from, first}, {spanDay, first, last}, {spanHour, last, to}}
}

// Sums implements insight.TallyStore.
func (s *Store) Sums(ctx context.Context, t tenant.ID, q insight.TallyQuery) ([]insight.Cell, error) {
	type key struct {
		hour     int64
		provider string
		stream   tenant.Stream
		count    insight.Count
	}
	sums := map[key]int64{}
	text, args := s.tallyText(t, q)
	for _, part := range tallyParts(q, s.Now()) {
		if part.from >= part.to {
			continue
		}
		args[1], args[2], args[3] = part.span, part.from, part.to
		rows, err := s.read.QueryContext(ctx, text, args...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var k key
			var n int64
			err := row.Scan(&k.hour, &k.provider, &k.stream, &k.count, &n)
			sums[k] += n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read tallies: %w", s.refusal(err))
		}
	}
	cells := make([]insight.Cell, 0, len(sums))
	for k, n := range sums {
		c := insight.Cell{Provider: k.provider, Stream: k.stream, Count: k.count, N: n}
		if q.Hours {
			c.Hour = time.UnixMilli(k.hour).UTC()
		}
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b insight.Cell) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Count, b.Count))
	})
	return cells, nil
}

// tallyText is the question for one part of a query's time; the part's values are the
// second to fourth argument.
func (s *Store) tallyText(t tenant.ID, q insight.TallyQuery) (text string, args []any) {
	args = []any{t[:], "", 0, 0}
	column := func(name, otherwise string, wanted bool) string {
		if wanted {
			return name
		}
		return otherwise
	}
	hour, provider, stream := column("start", "0", q.Hours), column("provider", "''", q.Providers), column("stream", "''", q.Streams)
	group := "what"
	for _, name := range []string{hour, provider, stream} {
		if name != "0" && name != "''" {
			group += ", " + name
		}
	}
	streams := []tenant.Stream{allStreams}
	if q.Streams {
		streams = append(tenant.Streams(), "")
	}
	counts := q.Counts
	if len(counts) == 0 {
		counts = insight.Counts() // named one by one: each is a range of the key
	}
	var list, in strings.Builder
	for i, c := range counts {
		args = append(args, string(c))
		list.WriteString(column(", ", "", i > 0) + fmt.Sprintf("$%d", len(args)))
	}
	for i, s := range streams {
		args = append(args, string(s))
		in.WriteString(column(", ", "", i > 0) + fmt.Sprintf("$%d", len(args)))
	}
	return "SELECT " + hour + ", " + provider + ", " + stream + ", what, CAST(SUM(n) AS BIGINT) FROM tallies" +
		" WHERE tenant = $1 AND span = $2 AND start >= $3 AND start < $4 AND what IN (" + list.String() + ") AND stream IN (" + in.String() + ") GROUP BY " + group, args
}

// PruneTallies removes sums by the hour that began before the time, of all tenants.
func (s *Store) PruneTallies(ctx context.Context, before time.Time) error {
	prune := func(t tenant.ID) error {
		_, err := s.write.ExecContext(ctx, "DELETE FROM tallies WHERE tenant = $1 AND span = 'hour' AND start < $2", t[:], millis(before))
		return err
	}
	var after tenant.ID
	err := prune(after) // the sum of all
	for err == nil {
		var list []tenant.Tenant
		if list, err = s.Tenants(ctx, after, 500); err != nil || len(list) == 0 {
			break
		}
		for i := range list {
			if after = list[i].ID; err == nil {
				err = prune(after)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("prune tallies: %w", s.refusal(err))
	}
	return nil
}

var (
	_ insight.TallyStore = (*Store)(nil)
	_ insight.FoldStore  = (*Store)(nil)
)

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const messageColumns = `id, stream, actor, door, from_box, to_boxes, subject, message_id, sign_domain, size, salt,
	digests, tags, metadata, recipients, accepted_at, send_at, body_day, body_segment, body_offset, body_length`

func readMessage(row scanner, t tenant.ID) (insight.Message, error) {
	m := insight.Message{Tenant: t}
	var from box
	var to []box
	var foreign sql.NullString
	var domain string
	ref := &m.Body.Ref
	err := row.Scan(&m.ID, &m.Stream, &m.Actor, &m.Door, document{&from}, document{&to}, &m.Subject, &foreign, &domain, &m.Size,
		bytes32{(*[32]byte)(&m.Body.Salt)}, document{&m.Digests}, document{&m.Tags}, document{&m.Metadata}, &m.DeliveryCount,
		instant{&m.AcceptedAt}, instant{&m.SendAt}, &ref.Day, &ref.Segment, &ref.Offset, &ref.Length)
	m.From = from.mailbox()
	for _, b := range to {
		m.To = append(m.To, b.mailbox())
	}
	m.MessageID = foreign.String
	if !foreign.Valid {
		m.MessageID = ownMessageID(m.ID, domain)
	}
	m.Body.Tenant, m.Body.Message = t, m.ID
	return m, err
}

const deliveryColumns = `d.id, d.recipient, d.local, d.hidden, d.state, d.reason, d.host, d.attempts, d.due_at, d.expires_at, d.updated_at,
	d.marks, d.late_reason`

func readDelivery(row scanner) (insight.Delivery, error) {
	var d insight.Delivery
	var canonical string
	var local, late sql.NullString
	var marks int64
	err := row.Scan(&d.ID, &canonical, &local, truth{&d.Hidden}, &d.State, &d.Reason, &d.Host, &d.Attempts,
		instant{&d.DueAt}, instant{&d.ExpiresAt}, instant{&d.UpdatedAt}, &marks, &late)
	d.Recipient = recipientOf(canonical, local)
	d.Marks, d.LateReason = marksOf(marks), late.String
	if d.State != event.Queued && d.State != event.Deferred {
		d.DueAt = time.Time{}
	}
	return d, err
}

// Message implements insight.Store.
func (s *Store) Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error) {
	found, err := readMessage(s.read.QueryRowContext(ctx, "SELECT "+messageColumns+" FROM messages WHERE tenant = $1 AND id = $2", t[:], m[:]), t)
	if err != nil {
		return insight.Message{}, fmt.Errorf("read message: %w", s.refusal(missing(err, "message_not_found")))
	}
	top := message.Delivery(m, message.MaxRecipients)
	rows, err := s.read.QueryContext(ctx, "SELECT "+deliveryColumns+" FROM deliveries d WHERE d.tenant = $1 AND d.id > $2 AND d.id <= $3 ORDER BY d.id",
		t[:], m[:], top[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		d, err := readDelivery(row)
		found.Deliveries = append(found.Deliveries, d)
		return err
	})
	if err != nil {
		return insight.Message{}, fmt.Errorf("read deliveries: %w", s.refusal(err))
	}
	return found, nil
}

// Events implements insight.Store. Facts of one millisecond are ordered by what
// must come first: the acceptance, then attempts by number.
func (s *Store) Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error) {
	var one int
	err := s.read.QueryRowContext(ctx, "SELECT 1 FROM messages WHERE tenant = $1 AND id = $2", t[:], m[:]).Scan(&one)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", s.refusal(missing(err, "message_not_found")))
	}
	var list []event.Event
	rows, err := s.read.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND message = $2", t[:], m[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEvent(row)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", s.refusal(err))
	}
	slices.SortFunc(list, func(a, b event.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(rank(a), rank(b)), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list, nil
}

func rank(e event.Event) int {
	switch {
	case e.Type == event.Accepted:
		return -1
	case e.Attempt != nil:
		return e.Attempt.Number
	}
	return 0
}

// Counts implements insight.Store. It goes by the time in the ids. Whole hours
// are summed beforehand, and of the states all but delivered lie in indexes, so
// the many delivered are counted without being read.
func (s *Store) Counts(ctx context.Context, t tenant.ID, from, to time.Time) (map[event.State]int64, error) {
	counts := map[event.State]int64{}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", s.refusal(err))
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	total, err := countAccepted(ctx, tx, t, from, to)
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", s.refusal(err))
	}
	low, high := id.Lowest[message.DeliveryKind](from), id.Lowest[message.DeliveryKind](to)
	for _, text := range s.stateCounts() {
		rows, err := tx.QueryContext(ctx, text, t[:], low[:], high[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			var state event.State
			var n int64
			err := row.Scan(&state, &n)
			counts[state] = n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("count deliveries: %w", s.refusal(err))
		}
	}
	gone, err := folded(ctx, tx, t, from, to)
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", s.refusal(err))
	}
	for state, n := range gone {
		if state != event.Delivered {
			counts[state] += n
		}
	}
	for _, n := range counts {
		total -= n
	}
	if total > 0 {
		counts[event.Delivered] = total
	}
	return counts, nil
}

// stateCounts are queries for the states that indexes list; what two of them
// count is the same number.
func (s *Store) stateCounts() []string {
	count := func(index, states, listed string) string {
		return "SELECT state, count(*) FROM deliveries" + s.dialect.through(index) + " WHERE tenant = $1 AND state IN (" + states +
			")" + listed + " AND id >= $2 AND id < $3 GROUP BY state"
	}
	return []string{count("deliveries_due", "'queued', 'deferred'", ""), count("deliveries_waiting", "'deferred', 'held'", ""),
		count("deliveries_ended", "'bounced', 'expired', 'suppressed', 'cancelled'", " AND "+endedStates(""))}
}

// countAccepted counts the deliveries accepted in [from, to).
func countAccepted(ctx context.Context, q querier, t tenant.ID, from, to time.Time) (int64, error) {
	first, last := from.Add(time.Hour-1).Truncate(time.Hour), to.Truncate(time.Hour)
	if !first.Before(last) {
		return countRange(ctx, q, t, from, to)
	}
	total, err := hourSum(ctx, q, t, first, last)
	if err != nil {
		return 0, err
	}
	for _, edge := range [][2]time.Time{{from, first}, {last, to}} {
		n, err := countRange(ctx, q, t, edge[0], edge[1])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func countRange(ctx context.Context, q querier, t tenant.ID, from, to time.Time) (int64, error) {
	if !from.Before(to) {
		return 0, nil
	}
	low, high := id.Lowest[message.Kind](from), id.Lowest[message.Kind](to)
	var n int64
	err := q.QueryRowContext(ctx, "SELECT CAST(COALESCE(SUM(recipients), 0) AS BIGINT) FROM messages WHERE tenant = $1 AND id >= $2 AND id < $3",
		t[:], low[:], high[:]).Scan(&n)
	if err != nil {
		return 0, err
	}
	gone, err := folded(ctx, q, t, from, to)
	for _, more := range gone {
		n += more
	}
	return n, err
}

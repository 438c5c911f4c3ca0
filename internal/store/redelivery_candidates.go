package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// Candidates implements redelivery.Store. It goes through the deliveries by their ids,
// which begin with the time; a single ended state and a whole recipient have indexes.
func (s *Store) Candidates(ctx context.Context, t tenant.ID, f redelivery.Filter, after message.DeliveryID, limit int) ([]redelivery.Candidate, bool, error) {
	text, args := candidateQuery(t, f, after, limit+1)
	var list []redelivery.Candidate
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		d, err := readDelivery(row)
		list = append(list, redelivery.Candidate{Delivery: d})
		return err
	})
	more := len(list) > limit
	list = list[:min(len(list), limit)]
	// Lists of identifiers are bounded.
	for part := range slices.Chunk(list, inListMax) {
		if err == nil {
			err = s.completeCandidates(ctx, t, part)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("find candidates: %w", s.refusal(err))
	}
	return list, more, nil
}

func candidateQuery(t tenant.ID, f redelivery.Filter, after message.DeliveryID, limit int) (text string, args []any) {
	where, args := []string{"d.tenant = $1"}, []any{t[:], limit}
	add := func(clause string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf("%s$%d", clause, len(args)))
	}
	low, high := after, message.DeliveryID{}
	for i := range high {
		high[i] = 0xff
	}
	if !f.From.IsZero() {
		// Behind the last before it: numbers of deliveries begin at 1.
		if from := id.Lowest[message.DeliveryKind](f.From); slices.Compare(from[:], low[:]) > 0 {
			low = from
		}
	}
	if !f.To.IsZero() {
		high = id.Lowest[message.DeliveryKind](f.To)
	}
	add("d.id > ", low[:])
	add("d.id < ", high[:])
	if !f.Message.IsZero() {
		top := message.After(f.Message)
		add("d.id > ", f.Message[:])
		add("d.id < ", top[:])
	}
	if !f.Delivery.IsZero() {
		add("d.id = ", f.Delivery[:])
	}
	if f.Recipient != "" && !strings.HasPrefix(f.Recipient, "@") {
		add("d.recipient = ", strings.ToLower(plain(f.Recipient)))
	}
	if len(f.States) > 0 {
		where = append(where, "d.state IN ("+quoted(f.States)+")")
	}
	if len(f.States) == 1 && f.States[0] != event.Delivered {
		where = append(where, endedStates("d."))
	}
	return "SELECT " + deliveryColumns + " FROM deliveries d WHERE " + strings.Join(where, " AND ") + " ORDER BY d.id LIMIT $2", args
}

// completeCandidates adds the messages, the last attempts, and whether a job has sent them.
func (s *Store) completeCandidates(ctx context.Context, t tenant.ID, list []redelivery.Candidate) error {
	var ids []message.ID
	var deliveries []message.DeliveryID
	at := map[message.DeliveryID]*redelivery.Candidate{}
	for i := range list {
		d := list[i].Delivery.ID
		at[d] = &list[i]
		deliveries = append(deliveries, d)
		if m := message.Of(d); len(ids) == 0 || ids[len(ids)-1] != m {
			ids = append(ids, m)
		}
	}
	messages, err := s.messagesOf(ctx, t, ids)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Message = messages[message.Of(list[i].Delivery.ID)]
	}
	if err := s.attachAttempts(ctx, t, ids, at); err != nil {
		return err
	}
	in, args := inList(s.dialect, 2, deliveries)
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := s.read.QueryContext(ctx, `SELECT i.delivery FROM redelivery_items i JOIN redeliveries r ON r.tenant = i.tenant AND r.id = i.job
		WHERE i.tenant = $1 AND r.tenant = $1 AND (i.state IN ('sent', 'sending') OR i.state = 'waiting' AND r.state NOT IN ('done', 'cancelled')) AND i.delivery `+in,
		append([]any{t[:]}, args...)...)
	return scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID
		err := row.Scan(&d)
		if c := at[d]; c != nil {
			c.Redelivered = true
		}
		return err
	})
}

func (s *Store) messagesOf(ctx context.Context, t tenant.ID, ids []message.ID) (map[message.ID]insight.Message, error) {
	found := make(map[message.ID]insight.Message, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	in, args := inList(s.dialect, 2, ids)
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+messageColumns+" FROM messages WHERE tenant = $1 AND id "+in, append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		m, err := readMessage(row, t)
		found[m.ID] = m
		return err
	})
	return found, err
}

func (s *Store) attachAttempts(ctx context.Context, t tenant.ID, ids []message.ID, at map[message.DeliveryID]*redelivery.Candidate) error {
	if len(ids) == 0 {
		return nil
	}
	in, args := inList(s.dialect, 2, ids)
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND attempt IS NOT NULL AND message "+in, append([]any{t[:]}, args...)...)
	return scan(rows, err, func(row *sql.Rows) error {
		e, err := readEvent(row)
		if c := at[e.Delivery]; err == nil && c != nil && e.Attempt != nil && e.Attempt.Number >= c.Last.Number {
			c.Last = *e.Attempt
		}
		return err
	})
}

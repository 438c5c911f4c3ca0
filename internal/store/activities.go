package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// activityOwn are the columns of activities beside the tenant, in the order of
// appendActivity and readActivity.
const (
	activityOwn = `id, kind, message, delivery, recipient, identified, offer, offer_recipient, sender, title, target, label, version, link,
	level, rule, class, confidence, rules, reasons, agent, network, burst`
	activityWidth = 24
)

func appendActivity(args []any, a *tracking.Activity) []any {
	var m, recipient, reasons any
	if !a.Message.IsZero() {
		m = a.Message[:]
	}
	if a.Recipient != nil {
		recipient = canonicalAddress(*a.Recipient)
	}
	if len(a.Machine.Reasons) > 0 {
		reasons = strings.Join(a.Machine.Reasons, " ")
	}
	// The subject of a mail stays in its own row, where an erasure finds it.
	title := textOrNull(plain(a.Title))
	if a.Offer == "" {
		title = nil
	}
	var number int64
	if !a.Delivery.IsZero() {
		number = deliveryNumber(a.Delivery)
	}
	return append(args, a.Tenant[:], a.ID[:], string(a.Kind), m, number, recipient, flag(a.Identified), textOrNull(a.Offer),
		textOrNull(a.OfferRecipient), a.Sender, title, textOrNull(plain(a.Target)), textOrNull(plain(a.Label)), textOrNull(a.Version), int64(a.Link),
		int64(a.Decision.Level), string(a.Decision.Rule), string(a.Machine.Class), int64(a.Machine.Confidence), int64(a.Machine.Rules), reasons,
		plain(a.Agent), a.Network, a.Burst)
}

func readActivity(row scanner, t tenant.ID) (tracking.Activity, error) {
	a := tracking.Activity{Tenant: t}
	var m []byte
	var number uint16
	var recipient, reasons, subject sql.NullString
	err := row.Scan(&a.ID, &a.Kind, &m, &number, &recipient, truth{&a.Identified}, nullText[string]{&a.Offer}, nullText[string]{&a.OfferRecipient},
		&a.Sender, nullText[string]{&a.Title}, nullText[string]{&a.Target}, nullText[string]{&a.Label}, nullText[string]{&a.Version}, &a.Link,
		&a.Decision.Level, &a.Decision.Rule, &a.Machine.Class, &a.Machine.Confidence, &a.Machine.Rules, &reasons, &a.Agent, &a.Network, &a.Burst, &subject)
	if err != nil {
		return a, err
	}
	a.At = a.ID.Time()
	if len(m) == len(a.Message) {
		a.Message = message.ID(m)
	}
	if number > 0 {
		a.Delivery = message.Delivery(a.Message, int(number))
	}
	if recipient.Valid {
		address := recipientOf(recipient.String, sql.NullString{})
		a.Recipient = &address
	}
	if reasons.String != "" {
		a.Machine.Reasons = strings.Fields(reasons.String)
	}
	if a.Title == "" {
		a.Title = subject.String
	}
	return a, nil
}

// activitiesFrom selects activities a of tenant $1 with the subjects of their mail.
func activitiesFrom() string {
	return "SELECT a." + strings.Join(strings.Fields(activityOwn), " a.") + `, m.subject FROM activities a
	LEFT JOIN messages m ON m.tenant = a.tenant AND m.id = a.message WHERE a.tenant = $1`
}

func (s *Store) activities(ctx context.Context, t tenant.ID, rest string, args ...any) ([]tracking.Activity, error) {
	s.settle(ctx)
	var list []tracking.Activity
	rows, err := s.read.QueryContext(ctx, activitiesFrom()+rest, append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		a, err := readActivity(row, t)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list activities: %w", s.refusal(err))
	}
	return list, nil
}

// Activities implements tracking.ActivityStore.
func (s *Store) Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error) {
	var where strings.Builder
	var args []any
	and := func(text string, arg any) {
		args = append(args, arg)
		fmt.Fprintf(&where, " AND "+text, len(args)+1)
	}
	if !q.Message.IsZero() {
		and("a.message = $%d", q.Message[:])
	}
	if q.Offer != "" {
		and("a.offer = $%d", q.Offer)
	}
	if q.Recipient != (message.Address{}) {
		and("a.recipient = $%d", canonicalAddress(q.Recipient))
	}
	if q.Part != "" {
		and(`a.recipient LIKE $%d ESCAPE '\'`, "%"+likeLiteral(strings.ToLower(plain(q.Part)))+"%")
	}
	if q.Sender != "" {
		and("a.sender = $%d", q.Sender)
	}
	if !q.Since.IsZero() {
		low := id.Lowest[tracking.ActivityKind](q.Since)
		and("a.id >= $%d", low[:])
	}
	if !q.Until.IsZero() {
		top := id.Lowest[tracking.ActivityKind](q.Until)
		and("a.id < $%d", top[:])
	}
	oneOf(&where, &args, "a.kind", q.Kinds)
	oneOf(&where, &args, "a.class", q.Classes)
	order := " ORDER BY a.id DESC LIMIT $%d"
	if q.Forward {
		order = " ORDER BY a.id LIMIT $%d"
	}
	switch {
	case q.After.IsZero():
	case q.Forward:
		and("a.id > $%d", q.After[:])
	default:
		and("a.id < $%d", q.After[:])
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, tracking.MaxPage)
	args = append(args, limit+1)
	fmt.Fprintf(&where, order, len(args)+1)
	list, err := s.activities(ctx, t, where.String(), args...)
	return list[:min(len(list), limit)], len(list) > limit, err
}

// oneOf adds "column IN (…)" if there are values.
func oneOf[T ~string](where *strings.Builder, args *[]any, column string, values []T) {
	if len(values) == 0 {
		return
	}
	var list []string
	for _, v := range values {
		*args = append(*args, string(v))
		list = append(list, fmt.Sprintf("$%d", len(*args)+1))
	}
	where.WriteString(" AND " + column + " IN (" + strings.Join(list, ", ") + ")")
}

// Activity implements tracking.ActivityStore.
func (s *Store) Activity(ctx context.Context, t tenant.ID, v tracking.ActivityID) (tracking.Activity, error) {
	s.settle(ctx)
	a, err := readActivity(s.read.QueryRowContext(ctx, activitiesFrom()+" AND a.id = $2", t[:], v[:]), t)
	if err != nil {
		return tracking.Activity{}, fmt.Errorf("read activity: %w", s.refusal(missing(err, "activity_unknown")))
	}
	return a, nil
}

// ActivityCounts implements tracking.ActivityStore.
func (s *Store) ActivityCounts(ctx context.Context, t tenant.ID, m message.ID) (tracking.Counts, error) {
	v, err := s.Tracked(ctx, t, m)
	if err != nil {
		return tracking.Counts{}, err
	}
	c := tracking.Counts{Level: v.Decision.Level, Recipients: v.Recipients}
	if c.Hidden = c.Level == tracking.Aggregate && c.Recipients < tracking.MinForCounts; c.Hidden {
		return c, nil
	}
	s.settle(ctx)
	sums := map[int]tracking.Count{}
	add := func(row *sql.Rows) error {
		var link int
		var n tracking.Count
		err := row.Scan(&link, &n.Persons, &n.Machines)
		have := sums[link]
		sums[link] = tracking.Count{Persons: have.Persons + n.Persons, Machines: have.Machines + n.Machines}
		return err
	}
	for _, text := range []string{
		`SELECT link, CAST(sum(CASE WHEN class <> 'scanner' THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(CASE WHEN class = 'scanner' THEN 1 ELSE 0 END) AS BIGINT)
		FROM activities WHERE tenant = $1 AND message = $2 AND kind IN ('opened', 'clicked') GROUP BY link`,
		"SELECT link, persons, machines FROM activity_counts WHERE tenant = $1 AND message = $2",
	} {
		rows, err := s.read.QueryContext(ctx, text, t[:], m[:])
		if err := scan(rows, err, add); err != nil {
			return c, fmt.Errorf("count activities: %w", s.refusal(err))
		}
	}
	c.Opened = sums[0]
	for i, l := range v.Links {
		if !l.Trap {
			c.Links = append(c.Links, tracking.LinkCount{Link: l, Number: i + 1, Count: sums[i+1]})
		}
	}
	return c, nil
}

// ActivityBurst implements tracking.ActivityStore.
func (s *Store) ActivityBurst(ctx context.Context, t tenant.ID, m message.ID, offer string, burst int64, since time.Time) ([]tracking.Activity, error) {
	low := id.Lowest[tracking.ActivityKind](since)
	if offer != "" {
		return s.activities(ctx, t, " AND a.offer = $2 AND a.burst = $3 AND a.id >= $4 ORDER BY a.id LIMIT 500", offer, burst, low[:])
	}
	return s.activities(ctx, t, " AND a.message = $2 AND a.burst = $3 AND a.id >= $4 ORDER BY a.id LIMIT 500", m[:], burst, low[:])
}

// Rerate implements tracking.ActivityStore.
func (s *Store) Rerate(ctx context.Context, t tenant.ID, of map[tracking.ActivityID]tracking.Machine) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for a, v := range of {
			var reasons any
			if len(v.Reasons) > 0 {
				reasons = strings.Join(v.Reasons, " ")
			}
			_, err := tx.ExecContext(ctx, "UPDATE activities SET class = $3, confidence = $4, rules = $5, reasons = $6 WHERE tenant = $1 AND id = $2",
				t[:], a[:], string(v.Class), v.Confidence, v.Rules, reasons)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("judge activities again: %w", err)
	}
	return nil
}

// Outdated implements tracking.ActivityStore.
func (s *Store) Outdated(ctx context.Context, t tenant.ID, rules int, after tracking.ActivityID, limit int) ([]tracking.Activity, error) {
	return s.activities(ctx, t, " AND a.id > $2 AND a.rules < $3 AND a.rules > 0 ORDER BY a.id LIMIT $4", after[:], rules, limit)
}

// notDeclared leaves out what tracking.Kind.Declared says.
const notDeclared = "kind NOT IN ('withdrawal_notice_confirmed', 'terms_confirmed', 'contract_withdrawn')"

// FoldActivities implements tracking.ActivityStore. Declarations stay: they are proofs.
func (s *Store) FoldActivities(ctx context.Context, t tenant.ID, before time.Time, limit int) (int, error) {
	top := id.Lowest[tracking.ActivityKind](before)
	list, err := s.activities(ctx, t, " AND a.id < $2 AND "+notDeclared+" ORDER BY a.id LIMIT $3", top[:], limit)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		sums := map[countKey]tracking.Count{}
		for i := range list {
			a := &list[i]
			res, err := tx.ExecContext(ctx, "DELETE FROM activities WHERE tenant = $1 AND id = $2", t[:], a.ID[:])
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				count(sums, a)
			}
		}
		return s.addCounts(ctx, tx, sums)
	})
	if err != nil {
		return 0, fmt.Errorf("fold activities: %w", err)
	}
	return len(list), nil
}

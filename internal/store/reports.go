package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"stafette/internal/bounce"
	"stafette/internal/dsn"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ dsn.Store = (*Store)(nil)

// wishes reads what a client said about reports.
type wishes struct {
	ret      *message.Return
	envelope *string
	notify   *message.Notify
	original *message.OriginalRecipient
}

// columns are the targets of m.ret, m.envelope_id, d.notify, d.original.
func (w wishes) columns() []any {
	return []any{nullText[message.Return]{w.ret}, nullText[string]{w.envelope}, notifyColumn{w.notify}, originalColumn{w.original}}
}

type notifyColumn struct{ to *message.Notify }

// Scan implements sql.Scanner.
func (c notifyColumn) Scan(src any) error {
	var n sql.NullInt64
	err := n.Scan(src)
	*c.to = message.Notify(n.Int64)
	return err
}

type originalColumn struct{ to *message.OriginalRecipient }

// Scan implements sql.Scanner.
func (c originalColumn) Scan(src any) error {
	var s string
	if err := (nullText[string]{&s}).Scan(src); err != nil {
		return err
	}
	o, err := message.ParseOriginalRecipient(s)
	*c.to = o
	return err
}

// appendReportDue adds the row of a report, if there is one. Pointers, because copies
// would be allocated for every delivery that owes none.
func appendReportDue(args []any, t *tenant.ID, d *message.DeliveryID, r *queue.Report) []any {
	if r.Action == "" {
		return args
	}
	return append(args, t[:], d[:], string(r.Action), millis(r.DueAt))
}

// batchMax bounds the recipients of one report.
const batchMax = 100

// anyReportDue is asked before a claim, so that nothing is written while nothing is due.
const anyReportDue = "SELECT 1 FROM reports_due WHERE due_at <= $1 LIMIT 1"

const reportsDue = "SELECT d.tenant, d.delivery, d.action, d.batch FROM reports_due d WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2"

// ClaimReports implements dsn.Store. The lease of a claim is its new due time.
func (s *Store) ClaimReports(ctx context.Context, c dsn.Claim) ([]dsn.Due, error) {
	var one int
	err := s.read.QueryRowContext(ctx, anyReportDue, millis(c.Now.Add(-c.Gather))).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var list []dsn.Due
	if err == nil {
		err = s.transact(ctx, func(tx *sql.Tx) error {
			list = nil
			return s.claimReports(ctx, tx, c, &list)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("claim reports: %w", s.refusal(err))
	}
	return list, nil
}

// leader is the row that a claim begins with.
type leader struct {
	tenant   tenant.ID
	delivery message.DeliveryID
	action   string
	batch    message.DeliveryID // zero if it was never claimed
}

func (s *Store) claimReports(ctx context.Context, tx *sql.Tx, c dsn.Claim, list *[]dsn.Due) error {
	var leaders []leader
	rows, err := tx.QueryContext(ctx, reportsDue+s.dialect.lockRows(true), millis(c.Now.Add(-c.Gather)), c.Limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var l leader
		err := row.Scan(&l.tenant, &l.delivery, &l.action, &l.batch)
		leaders = append(leaders, l)
		return err
	})
	if err != nil {
		return err
	}
	taken := map[leader]bool{}
	for _, l := range leaders {
		if taken[leader{tenant: l.tenant, delivery: l.delivery, action: l.action}] {
			continue
		}
		d, err := s.claimBatch(ctx, tx, c, l)
		if err != nil {
			return err
		}
		for _, id := range d.Deliveries {
			taken[leader{tenant: l.tenant, delivery: id, action: l.action}] = true
		}
		if len(d.Deliveries) > 0 {
			*list = append(*list, d)
		}
	}
	return nil
}

// claimBatch takes the leader with what shares its report: its batch of an earlier
// claim, else a new one of what else of its message is due.
func (s *Store) claimBatch(ctx context.Context, tx *sql.Tx, c dsn.Claim, l leader) (dsn.Due, error) {
	d := dsn.Due{Tenant: l.tenant, Action: bounce.Action(l.action), Batch: l.batch}
	until := millis(c.Now.Add(c.Lease - c.Gather))
	low := message.Of(l.delivery)
	top := message.Delivery(low, message.MaxRecipients)
	if !l.batch.IsZero() {
		ids, err := readDeliveries(ctx, tx, `UPDATE reports_due SET due_at = $6 WHERE tenant = $1 AND delivery BETWEEN $2 AND $3 AND action = $4 AND batch = $5
			RETURNING delivery`, l.tenant[:], low[:], top[:], l.action, l.batch[:], until)
		d.Deliveries = ids
		return d, err
	}
	// The leader first, so that it is of its own batch, whose name it gives.
	d.Batch = l.delivery
	ids, err := readDeliveries(ctx, tx, `SELECT delivery FROM reports_due WHERE tenant = $1 AND delivery BETWEEN $2 AND $3 AND action = $4 AND batch IS NULL
		AND due_at <= $5 ORDER BY CASE WHEN delivery = $6 THEN 0 ELSE 1 END, delivery LIMIT $7`,
		l.tenant[:], low[:], top[:], l.action, millis(c.Now), l.delivery[:], batchMax)
	if err != nil || len(ids) == 0 {
		return d, err
	}
	in, args := inList(s.dialect, 5, ids)
	d.Deliveries, err = readDeliveries(ctx, tx, "UPDATE reports_due SET batch = $3, due_at = $4 WHERE tenant = $1 AND action = $2 AND batch IS NULL AND delivery "+in+
		" RETURNING delivery", append([]any{l.tenant[:], l.action, l.delivery[:], until}, args...)...)
	return d, err
}

// readDeliveries runs a statement that returns deliveries, and puts them in order.
func readDeliveries(ctx context.Context, tx *sql.Tx, text string, args ...any) ([]message.DeliveryID, error) {
	var ids []message.DeliveryID
	rows, err := tx.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var id message.DeliveryID
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	slices.SortFunc(ids, func(a, b message.DeliveryID) int { return slices.Compare(a[:], b[:]) })
	return ids, err
}

// EndReports implements dsn.Store.
func (s *Store) EndReports(ctx context.Context, d dsn.Due, facts []event.Event) error {
	if len(d.Deliveries) == 0 {
		return nil
	}
	var noted []event.Event
	err := s.transact(ctx, func(tx *sql.Tx) error {
		in, args := inList(s.dialect, 3, d.Deliveries)
		ids, err := readDeliveries(ctx, tx, "DELETE FROM reports_due WHERE tenant = $1 AND action = $2 AND delivery "+in+" RETURNING delivery",
			append([]any{d.Tenant[:], string(d.Action)}, args...)...)
		if err != nil {
			return err
		}
		noted = nil
		list := s.newEventRows()
		for _, e := range facts {
			if slices.Contains(ids, e.Delivery) {
				noted = append(noted, e)
				list.add(d.Tenant, &e)
			}
		}
		return list.insert(ctx, s.texts, tx)
	})
	if err != nil {
		return fmt.Errorf("end reports: %w", err)
	}
	s.announceFacts(d.Tenant, noted)
	return nil
}

func (s *Store) announceFacts(t tenant.ID, facts []event.Event) {
	if s.cfg.OnCommit == nil {
		return
	}
	for _, e := range facts {
		s.cfg.OnCommit(t, e)
	}
}

// NoteReports implements dsn.Store.
func (s *Store) NoteReports(ctx context.Context, t tenant.ID, facts []event.Event) error {
	var noted []event.Event
	err := s.transact(ctx, func(tx *sql.Tx) error {
		noted = nil
		for _, e := range facts {
			res, err := tx.ExecContext(ctx, `INSERT INTO events (tenant, message, id, number, type, at, actor, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
				ON CONFLICT DO NOTHING`, t[:], e.Message[:], e.ID[:], deliveryNumber(e.Delivery), string(e.Type), millis(e.At), e.Actor, e.Reason)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				noted = append(noted, e)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note reports: %w", err)
	}
	s.announceFacts(t, noted)
	return nil
}

// Letter implements dsn.Store.
func (s *Store) Letter(ctx context.Context, t tenant.ID, deliveries []message.DeliveryID) (dsn.Letter, error) {
	if len(deliveries) == 0 {
		return dsn.Letter{}, missing(sql.ErrNoRows, "message_not_found")
	}
	m := message.Of(deliveries[0])
	l, err := s.readLetter(ctx, t, m)
	if err != nil {
		return dsn.Letter{}, fmt.Errorf("read letter: %w", s.refusal(missing(err, "message_not_found")))
	}
	last, err := s.lastAttempts(ctx, t, m)
	if err == nil {
		err = s.readFates(ctx, t, deliveries, last, &l)
	}
	if err != nil {
		return dsn.Letter{}, fmt.Errorf("read letter: %w", s.refusal(err))
	}
	return l, nil
}

func (s *Store) readLetter(ctx context.Context, t tenant.ID, m message.ID) (dsn.Letter, error) {
	var l dsn.Letter
	var foreign sql.NullString
	ref := &l.Body.Ref
	err := s.read.QueryRowContext(ctx, `SELECT sender, sign_domain, message_id, subject, accepted_at, ret, envelope_id,
		salt, body_day, body_segment, body_offset, body_length FROM messages WHERE tenant = $1 AND id = $2`, t[:], m[:]).
		Scan(&l.Sender, &l.SignDomain, &foreign, &l.Subject, instant{&l.AcceptedAt}, nullText[message.Return]{&l.Return}, nullText[string]{&l.EnvelopeID},
			bytes32{(*[32]byte)(&l.Body.Salt)}, &ref.Day, &ref.Segment, &ref.Offset, &ref.Length)
	l.MessageID = foreign.String
	if !foreign.Valid {
		l.MessageID = ownMessageID(m, l.SignDomain)
	}
	l.Body.Tenant, l.Body.Message = t, m
	return l, err
}

// lastAttempts returns the facts of the last attempts by delivery.
func (s *Store) lastAttempts(ctx context.Context, t tenant.ID, m message.ID) (map[message.DeliveryID]event.Event, error) {
	last := map[message.DeliveryID]event.Event{}
	rows, err := s.read.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND message = $2 AND attempt IS NOT NULL", t[:], m[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEvent(row)
		if before, ok := last[e.Delivery]; err == nil && (!ok || before.Attempt.Number < e.Attempt.Number) {
			last[e.Delivery] = e
		}
		return err
	})
	return last, err
}

const fateColumns = "id, recipient, local, state, reason, updated_at, expires_at, notify, original"

func (s *Store) readFates(ctx context.Context, t tenant.ID, deliveries []message.DeliveryID, last map[message.DeliveryID]event.Event, l *dsn.Letter) error {
	in, args := inList(s.dialect, 2, deliveries[:min(len(deliveries), inListMax)])
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+fateColumns+" FROM deliveries WHERE tenant = $1 AND id "+
		in+" ORDER BY id", append([]any{t[:]}, args...)...)
	return scan(rows, err, func(row *sql.Rows) error {
		var f dsn.Fate
		var canonical string
		var local sql.NullString
		err := row.Scan(&f.Delivery, &canonical, &local, &f.State, &f.Reason, instant{&f.UpdatedAt}, instant{&f.ExpiresAt},
			notifyColumn{&f.Notify}, originalColumn{&f.Original})
		f.Recipient = recipientOf(canonical, local)
		if e, ok := last[f.Delivery]; ok {
			f.Attempt, f.At = e.Attempt, e.At
		}
		l.Fates = append(l.Fates, f)
		return err
	})
}

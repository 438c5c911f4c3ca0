package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// attemptsMost bounds the deliveries that one call of Attempts looks at.
const attemptsMost = 500

// Attempts implements affected.Store. Deliveries are named by time, so a span of them is
// a range of the primary key, or of the index by recipient.
func (s *Store) Attempts(ctx context.Context, t tenant.ID, q affected.Query) (affected.Steps, error) {
	low, high := id.Lowest[message.DeliveryKind](q.From), id.Lowest[message.DeliveryKind](q.To)
	if !q.Before.IsZero() {
		high = q.Before
	}
	where, args := "tenant = $1 AND id >= $2 AND id < $3", []any{t[:], low[:], high[:], max(1, min(q.Limit, attemptsMost))}
	if !q.Recipient.IsZero() {
		where, args = where+" AND recipient = $5", append(args, canonicalAddress(q.Recipient))
	}
	var steps affected.Steps
	to := map[message.DeliveryID]message.Address{}
	var order []message.DeliveryID
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT id, recipient, local FROM deliveries WHERE "+where+" ORDER BY id DESC LIMIT $4", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID
		var recipient string
		var local sql.NullString
		if err := row.Scan(&d, &recipient, &local); err != nil {
			return err
		}
		to[d] = recipientOf(recipient, local)
		order = append(order, d)
		return nil
	})
	if err == nil && len(order) > 0 {
		steps.Deliveries, steps.Last = len(order), order[len(order)-1]
		steps.List, err = s.attemptsAt(ctx, t, order, to)
	}
	if err != nil {
		return affected.Steps{}, fmt.Errorf("read attempts: %w", s.refusal(err))
	}
	return steps, nil
}

// attemptsAt reads the attempts at deliveries in their order.
func (s *Store) attemptsAt(ctx context.Context, t tenant.ID, order []message.DeliveryID, to map[message.DeliveryID]message.Address) ([]affected.Step, error) {
	var mails []message.ID
	for _, d := range order {
		if m := message.Of(d); len(mails) == 0 || mails[len(mails)-1] != m {
			mails = append(mails, m)
		}
	}
	in, args := inList(s.dialect, 2, mails)
	made := map[message.DeliveryID][]affected.Step{}
	//nolint:gosec // G202: placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND message "+in+" AND attempt IS NOT NULL ORDER BY message, id",
		append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEvent(row)
		if err != nil {
			return err
		}
		if recipient, asked := to[e.Delivery]; asked && e.Attempt != nil {
			made[e.Delivery] = append(made[e.Delivery], affected.Step{Delivery: e.Delivery, Recipient: recipient, At: e.At, Attempt: *e.Attempt})
		}
		return nil
	})
	var list []affected.Step
	for _, d := range order {
		list = append(list, made[d]...)
	}
	return list, err
}

// PutFound implements affected.Store.
func (s *Store) PutFound(ctx context.Context, t tenant.ID, c changeover.ID, list []affected.Found, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, f := range list {
			n := id.New[affected.CustomerKind](now)
			_, err := tx.ExecContext(ctx, `INSERT INTO changeover_customers (tenant, id, changeover, kind, number, name, software, emails, finding, found_at,
				lists, note, needs_old, answer, reminders) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', 0, '', 0)
				ON CONFLICT (tenant, changeover, kind, number) DO UPDATE SET name = excluded.name, software = excluded.software,
				emails = CASE WHEN changeover_customers.kind = 'advertiser' THEN excluded.emails ELSE changeover_customers.emails END,
				finding = excluded.finding, found_at = excluded.found_at`,
				t[:], n[:], c[:], string(f.Kind), plain(f.Key), plain(f.Name), plain(f.Software), emailsJSON(f.Emails), plain(asJSON(f.Finding)), millis(now))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put customers of changeover: %w", err)
	}
	return nil
}

// FadeFindings implements affected.Store.
func (s *Store) FadeFindings(ctx context.Context, t tenant.ID, c changeover.ID, before time.Time) error {
	if _, err := s.write.ExecContext(ctx, `UPDATE changeover_customers SET finding = '{}', found_at = $3
		WHERE tenant = $1 AND changeover = $2 AND found_at < $3`, t[:], c[:], millis(before)); err != nil {
		return fmt.Errorf("fade findings of changeover: %w", s.refusal(err))
	}
	return nil
}

func emailsJSON(list []message.Address) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return plain(asJSON(texts))
}

const customerColumns = `c.tenant, c.id, c.changeover, c.kind, c.number, c.name, c.software, c.emails, c.finding, c.lists, c.note, c.needs_old, c.settled_at,
	c.informed_at, c.informed, c.answer, c.answered_at, c.reminders, c.reminded_at`

func readCustomer(row scanner) (affected.Customer, error) {
	var c affected.Customer
	var emails []string
	var informed []byte
	err := row.Scan(&c.Tenant, &c.ID, &c.Changeover, &c.Kind, &c.Key, &c.Name, &c.Software, document{&emails}, document{&c.Finding}, truth{&c.Lists}, &c.Note,
		truth{&c.NeedsOld}, instant{&c.Settled}, instant{&c.InformedAt}, &informed, &c.Answer, instant{&c.AnsweredAt}, &c.Reminders, instant{&c.RemindedAt})
	copy(c.Informed[:], informed)
	for _, text := range emails {
		a, bad := message.ParseAddress(text)
		if bad != nil {
			return c, errors.Join(err, bad)
		}
		c.Emails = append(c.Emails, a)
	}
	return c, err
}

// customersMost bounds a list of customers.
const customersMost = 10_000

// Customers implements affected.Store.
func (s *Store) Customers(ctx context.Context, t tenant.ID, c changeover.ID) ([]affected.Customer, error) {
	return s.customers(ctx, "c.tenant = $1 AND c.changeover = $2", t[:], c[:])
}

// Customer implements affected.Store.
func (s *Store) Customer(ctx context.Context, t tenant.ID, n affected.ID) (affected.Customer, error) {
	return oneCustomer(s.customers(ctx, "c.tenant = $1 AND c.id = $2", t[:], n[:]))
}

// CustomerOf implements affected.Store.
func (s *Store) CustomerOf(ctx context.Context, t tenant.ID, c changeover.ID, k affected.Kind, key string) (affected.Customer, error) {
	return oneCustomer(s.customers(ctx, "c.tenant = $1 AND c.changeover = $2 AND c.kind = $3 AND c.number = $4", t[:], c[:], string(k), plain(key)))
}

func oneCustomer(list []affected.Customer, err error) (affected.Customer, error) {
	if err == nil && len(list) == 0 {
		err = fault.New(fault.NotFound, "customer_unknown", "There is no such customer.")
	}
	if err != nil {
		return affected.Customer{}, err
	}
	return list[0], nil
}

// customers reads customers with their tests.
func (s *Store) customers(ctx context.Context, where string, args ...any) ([]affected.Customer, error) {
	var list []affected.Customer
	at := map[affected.ID]int{}
	rows, err := s.read.QueryContext(ctx, fmt.Sprintf("SELECT "+customerColumns+" FROM changeover_customers c WHERE "+where+
		" ORDER BY c.name, c.number, c.id LIMIT %d", customersMost), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readCustomer(row)
		at[c.ID] = len(list)
		list = append(list, c)
		return err
	})
	if err == nil && len(list) > 0 {
		//nolint:gosec // G202: constants and placeholders only
		rows, err = s.read.QueryContext(ctx, `SELECT v.customer, v.source, v.lead, v.sent_at, v.body_at, v.xml_at FROM changeover_tests v
			JOIN changeover_customers c ON c.tenant = $1 AND c.id = v.customer WHERE v.tenant = $1 AND `+where+" ORDER BY v.source", args...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var n affected.ID
			var v affected.Test
			err := row.Scan(&n, &v.Source, &v.Lead, instant{&v.SentAt}, instant{&v.BodyAt}, instant{&v.XMLAt})
			if i, there := at[n]; there {
				list[i].Tests = append(list[i].Tests, v)
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read customers of changeover: %w", s.refusal(err))
	}
	return list, nil
}

// PutCustomer implements affected.Store.
func (s *Store) PutCustomer(ctx context.Context, c affected.Customer) error {
	var informed any
	if !c.Informed.IsZero() {
		informed = c.Informed[:]
	}
	err := s.change1(ctx, "customer_unknown", `UPDATE changeover_customers SET lists = $3, note = $4, needs_old = $5, settled_at = $6, informed_at = $7,
		informed = $8, answer = $9, answered_at = $10, reminders = $11, reminded_at = $12,
		emails = CASE WHEN kind = 'domain' THEN $13 ELSE emails END WHERE tenant = $1 AND id = $2`,
		c.Tenant[:], c.ID[:], flag(c.Lists), plain(c.Note), flag(c.NeedsOld), optional(c.Settled), optional(c.InformedAt), informed,
		string(c.Answer), optional(c.AnsweredAt), c.Reminders, optional(c.RemindedAt), emailsJSON(c.Emails))
	if err != nil {
		return fmt.Errorf("put customer of changeover: %w", err)
	}
	return nil
}

// SilentCustomers implements affected.Store.
func (s *Store) SilentCustomers(ctx context.Context, t tenant.ID, c changeover.ID) (n int, since time.Time, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*), min(informed_at) FROM changeover_customers WHERE tenant = $1 AND changeover = $2
		AND informed_at IS NOT NULL AND answer = '' AND settled_at IS NULL`, t[:], c[:]).Scan(&n, instant{&since})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count customers of changeover: %w", s.refusal(err))
	}
	return n, since, nil
}

// PutTest implements affected.Store.
func (s *Store) PutTest(ctx context.Context, t tenant.ID, n affected.ID, v affected.Test) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO changeover_tests (tenant, customer, source, lead, sent_at, body_at, xml_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant, customer, source) DO UPDATE SET lead = excluded.lead, sent_at = excluded.sent_at, body_at = excluded.body_at, xml_at = excluded.xml_at`,
		t[:], n[:], plain(v.Source), v.Lead[:], millis(v.SentAt), optional(v.BodyAt), optional(v.XMLAt))
	if err != nil {
		return fmt.Errorf("put test lead of changeover: %w", s.refusal(err))
	}
	return nil
}

// DropCustomers implements affected.Store.
func (s *Store) DropCustomers(ctx context.Context, t tenant.ID, c changeover.ID) (n int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM changeover_tests WHERE tenant = $1 AND customer IN
			(SELECT c.id FROM changeover_customers c WHERE c.tenant = $1 AND c.changeover = $2)`, t[:], c[:]); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM changeover_customers WHERE tenant = $1 AND changeover = $2", t[:], c[:])
		if err != nil {
			return err
		}
		many, err := res.RowsAffected()
		n = int(many)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop customers of changeover: %w", err)
	}
	return n, nil
}

var _ affected.Store = (*Store)(nil)

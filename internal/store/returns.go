package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// marksOf reads the bits of a delivery's marks; bit n is the n-th of event.Marks.
func marksOf(bits int64) (list []event.Mark) {
	if bits == 0 {
		return nil
	}
	for _, m := range event.Marks() {
		if bits&bitOf(m) != 0 {
			list = append(list, m)
		}
	}
	return list
}

// bitOf returns the bit of a mark, 0 for none.
func bitOf(m event.Mark) int64 {
	n := slices.Index(event.Marks(), m)
	if n < 0 {
		return 0
	}
	return 1 << n
}

// OwnerOf implements returns.Store. A return path with a tag leads to its tenant, and the
// key of deliveries begins with that. For one without, as they were made before, each
// tenant is asked, some microseconds each.
func (s *Store) OwnerOf(ctx context.Context, p bounce.Path) (t tenant.ID, ok bool, err error) {
	const every = "SELECT d.tenant FROM tenants t CROSS JOIN deliveries d WHERE d.tenant = t.id AND d.id = $1"
	if p.Tag == (bounce.Tag{}) {
		err = s.read.QueryRowContext(ctx, every, p.Delivery[:]).Scan(&t)
	} else {
		err = s.read.QueryRowContext(ctx, every+" AND substr(t.id, 13) = $2", p.Delivery[:], p.Tag[:]).Scan(&t)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("find owner of delivery: %w", s.refusal(err))
	}
	return t, true, nil
}

const returnInsert = `INSERT INTO returns (tenant, id, state, due_at, tries, purpose, recipient, sender, peer, helo, size, salt,
	account, delivery, kind, why, author, subject, auth, received_at)
	VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, $12, $13, '', '', '', '', '', $14)`

// KeepReturns implements returns.Store.
func (s *Store) KeepReturns(ctx context.Context, list []returns.Kept) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for i := range list {
			k := &list[i]
			peer := ""
			if k.Peer.IsValid() {
				peer = k.Peer.String()
			}
			_, err := tx.ExecContext(ctx, returnInsert, k.Tenant[:], k.ID[:], string(returns.Pending), millis(k.ReceivedAt), string(k.Purpose),
				plain(k.Recipient.String()), plain(k.Sender), peer, plain(k.HELO), k.Size, k.Salt[:],
				orNone(k.Account), orNone(k.Delivery), millis(k.ReceivedAt))
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO return_bodies (tenant, id, day, sealed) VALUES ($1, $2, $3, $4)",
				k.Tenant[:], k.ID[:], int64(spool.DayOf(k.ReceivedAt)), k.Sealed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep return mail: %w", err)
	}
	return nil
}

// orNone is an identifier with NULL for the zero one.
func orNone[K id.Kind](v id.Of[K]) any {
	if v.IsZero() {
		return nil
	}
	return v[:]
}

const returnColumns = `tenant, id, state, tries, purpose, recipient, sender, peer, helo, size, salt, account, delivery,
	kind, why, author, subject, auth, received_at`

func readReturn(row scanner) (returns.Mail, error) {
	var m returns.Mail
	var recipient, peer, auth string
	var account, delivery []byte
	err := row.Scan(&m.Tenant, &m.ID, &m.State, &m.Tries, &m.Purpose, &recipient, &m.Sender, &peer, &m.HELO, &m.Size,
		bytes32{(*[32]byte)(&m.Salt)}, &account, &delivery, &m.Kind, &m.Why, &m.Author, &m.Subject, &auth, instant{&m.ReceivedAt})
	if err != nil {
		return m, err
	}
	m.Recipient = recipientOf(recipient, sql.NullString{})
	m.Peer, _ = netip.ParseAddr(peer) // "" is none
	copy(m.Account[:], account)
	copy(m.Delivery[:], delivery)
	if auth != "" {
		err = document{&m.Auth}.Scan(auth)
	}
	return m, err
}

// takeText finds what is due, and what was taken by a process that is gone. Very few
// mails are pending at any time.
const takeText = "SELECT " + returnColumns + `, due_at, owner FROM returns WHERE state = 'pending'
	AND (due_at <= $1 OR owner <> 0 AND owner NOT IN (SELECT epoch FROM epochs WHERE alive = 1)) ORDER BY due_at LIMIT $2`

// TakeReturns implements returns.Store. Each further try makes it due later, so that
// trouble that lasts is not met again and again.
func (s *Store) TakeReturns(ctx context.Context, e queue.Epoch, now, until time.Time, limit int) ([]returns.Mail, error) {
	type candidate struct {
		returns.Mail
		due, owner int64
	}
	var list []returns.Mail
	err := s.transact(ctx, func(tx *sql.Tx) error {
		list = nil
		var found []candidate
		rows, err := tx.QueryContext(ctx, takeText, millis(now), limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			var c candidate
			var err error
			c.Mail, err = readReturn(withMore{row, []any{&c.due, &c.owner}})
			found = append(found, c)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range found {
			res, err := tx.ExecContext(ctx, `UPDATE returns SET tries = tries + 1, due_at = CAST($3 AS BIGINT) + tries * CAST($4 AS BIGINT), owner = $5
				WHERE tenant = $1 AND id = $2 AND state = 'pending' AND due_at = $6 AND owner = $7`,
				c.Tenant[:], c.ID[:], millis(until), until.Sub(now).Milliseconds(), int64(e), c.due, c.owner)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if n > 0 {
				c.Tries++
				list = append(list, c.Mail)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take return mail: %w", err)
	}
	return list, nil
}

// withMore is a row with further columns at its end.
type withMore struct {
	scanner
	more []any
}

// Scan implements scanner.
func (w withMore) Scan(to ...any) error { return w.scanner.Scan(append(to, w.more...)...) }

// ReturnBody implements returns.Store.
func (s *Store) ReturnBody(ctx context.Context, t tenant.ID, r returns.ID) ([]byte, error) {
	var sealed []byte
	err := s.read.QueryRowContext(ctx, "SELECT sealed FROM return_bodies WHERE tenant = $1 AND id = $2", t[:], r[:]).Scan(&sealed)
	if err != nil {
		return nil, fmt.Errorf("read return mail: %w", s.refusal(missing(err, "return_erased")))
	}
	return sealed, nil
}

// OriginOf implements returns.Store.
func (s *Store) OriginOf(ctx context.Context, t tenant.ID, d message.DeliveryID) (o returns.Origin, ok bool, err error) {
	m := message.Of(d)
	o = returns.Origin{Tenant: t, Delivery: d}
	var canonical, domain string
	var local, foreign sql.NullString
	err = s.read.QueryRowContext(ctx, `SELECT m.stream, m.sender, m.message_id, m.sign_domain, d.recipient, d.local
		FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = $3 WHERE d.tenant = $1 AND d.id = $2`, t[:], d[:], m[:]).
		Scan(&o.Stream, &o.Sender, &foreign, &domain, &canonical, &local)
	if errors.Is(err, sql.ErrNoRows) {
		return o, false, nil
	}
	if err == nil {
		err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE tenant = $1 AND message = $2 AND number = $3 AND report IS NOT NULL",
			t[:], m[:], deliveryNumber(d)).Scan(&o.Reports)
	}
	if err != nil {
		return o, false, fmt.Errorf("read origin of return mail: %w", s.refusal(err))
	}
	o.Recipient = recipientOf(canonical, local)
	o.MessageID = foreign.String
	if !foreign.Valid {
		o.MessageID = ownMessageID(m, domain)
	}
	return o, true, nil
}

// ConcludeReturn implements returns.Store. The facts are announced as those of a
// settlement are.
func (s *Store) ConcludeReturn(ctx context.Context, m returns.Mail, facts []event.Event) (bool, error) {
	var done bool
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE returns SET state = $3, account = $4, delivery = $5, kind = $6, why = $7, author = $8,
			subject = $9, auth = $10 WHERE tenant = $1 AND id = $2 AND state = 'pending'`, m.Tenant[:], m.ID[:], string(m.State),
			orNone(m.Account), orNone(m.Delivery), string(m.Kind), m.Why, plain(m.Author), plain(m.Subject), plain(asJSON(m.Auth)))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		done = n > 0
		if !done {
			return nil
		}
		if facts, err = forgetful(ctx, tx, m, facts); err != nil {
			return err
		}
		return s.recordReports(ctx, tx, m.Account, facts)
	})
	if err != nil {
		return false, fmt.Errorf("conclude return mail: %w", err)
	}
	if done && s.cfg.OnCommit != nil {
		for _, e := range facts {
			s.cfg.OnCommit(m.Account, e)
		}
	}
	return done, nil
}

// forgetful leaves out what return mail says about a recipient who was erased, and its
// content: it may come long after.
func forgetful(ctx context.Context, tx *sql.Tx, m returns.Mail, facts []event.Event) ([]event.Event, error) {
	if m.Delivery.IsZero() {
		return facts, nil
	}
	var recipient string
	err := tx.QueryRowContext(ctx, "SELECT recipient FROM deliveries WHERE tenant = $1 AND id = $2", m.Account[:], m.Delivery[:]).Scan(&recipient)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !strings.HasPrefix(recipient, "@") {
		return facts, nil
	}
	if err != nil {
		return nil, err
	}
	facts = slices.Clone(facts)
	for i, e := range facts {
		if e.Report != nil {
			r := *e.Report
			r.From, r.Recipient, r.Reply = "", "", ""
			facts[i].Report = &r
		}
	}
	return facts, clearReturn(ctx, tx, m.Tenant, m.ID)
}

// recordReports writes facts from return mail, and the marks that follow from them.
func (s *Store) recordReports(ctx context.Context, tx *sql.Tx, t tenant.ID, facts []event.Event) error {
	for i := range facts {
		e := &facts[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO events (tenant, message, id, number, type, at, actor, reason, report)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, t[:], e.Message[:], e.ID[:], deliveryNumber(e.Delivery), string(e.Type),
			millis(e.At), e.Actor, e.Reason, plain(asJSON(e.Report)))
		if err != nil {
			return err
		}
		mark := e.Type.Mark()
		if mark == "" {
			continue
		}
		var late any
		if mark == event.MarkLateBounce {
			late = e.Reason
		}
		if err := s.noteReturn(ctx, tx, t, e, mark); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET marks = marks | CAST($3 AS BIGINT), late_reason = COALESCE($4, late_reason)
			WHERE tenant = $1 AND id = $2`, t[:], e.Delivery[:], bitOf(mark), late); err != nil {
			return err
		}
	}
	return s.noteHooks(ctx, tx, t, facts)
}

// Return implements returns.Archive.
func (s *Store) Return(ctx context.Context, r returns.ID) (returns.Mail, error) {
	m, err := readReturn(s.read.QueryRowContext(ctx, "SELECT "+returnColumns+" FROM returns WHERE id = $1", r[:]))
	if err != nil {
		return returns.Mail{}, fmt.Errorf("read return mail: %w", s.refusal(missing(err, "return_not_found")))
	}
	return m, nil
}

const (
	defaultReturns = 50
	maxReturns     = 500
)

// Returns implements returns.Archive.
func (s *Store) Returns(ctx context.Context, l returns.Listing) (list []returns.Mail, more bool, err error) {
	if l.Limit <= 0 {
		l.Limit = defaultReturns
	}
	l.Limit = min(l.Limit, maxReturns)
	if l.After.IsZero() {
		for i := range l.After {
			l.After[i] = 0xff
		}
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+returnColumns+` FROM returns WHERE id < $1
		AND ($2 = '' OR state = $2) AND ($3 = '' OR kind = $3) ORDER BY id DESC LIMIT $4`,
		l.After[:], string(l.State), string(l.Kind), l.Limit+1)
	err = scan(rows, err, func(row *sql.Rows) error {
		m, err := readReturn(row)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list return mail: %w", s.refusal(err))
	}
	more = len(list) > l.Limit
	return list[:min(len(list), l.Limit)], more, nil
}

// dropStep is how many return mails lose their content in one transaction.
const dropStep = 500

// DropReturns drops the content of return mail that came before the day, and what is
// left of mail that belongs to no delivery: it names people that nobody here knows. It
// returns how many contents were dropped.
func (s *Store) DropReturns(ctx context.Context, before spool.Day) (int, error) {
	total := 0
	for {
		n := 0
		err := s.transact(ctx, func(tx *sql.Tx) error {
			n = 0
			type key struct {
				tenant tenant.ID
				id     returns.ID
			}
			var old []key
			rows, err := tx.QueryContext(ctx, "SELECT tenant, id FROM return_bodies WHERE day < $1 ORDER BY day LIMIT $2", int64(before), dropStep)
			err = scan(rows, err, func(row *sql.Rows) error {
				var k key
				err := row.Scan(&k.tenant, &k.id)
				old = append(old, k)
				return err
			})
			for _, k := range old {
				if err != nil {
					return err
				}
				err = dropReturn(ctx, tx, k.tenant, k.id)
				n++
			}
			return err
		})
		if err != nil {
			return total, fmt.Errorf("drop return mail: %w", err)
		}
		if total += n; n < dropStep {
			return total, nil
		}
	}
}

func dropReturn(ctx context.Context, tx *sql.Tx, t tenant.ID, r returns.ID) error {
	for _, text := range []string{
		"DELETE FROM return_bodies WHERE tenant = $1 AND id = $2",
		"DELETE FROM returns WHERE tenant = $1 AND id = $2 AND state <> 'matched'",
		"UPDATE returns SET salt = NULL, author = '', subject = '' WHERE tenant = $1 AND id = $2",
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], r[:]); err != nil {
			return err
		}
	}
	return nil
}

// UsableDomains lists the sending domains of all tenants that may be used, each once.
func (s *Store) UsableDomains(ctx context.Context) ([]string, error) {
	var list []string
	rows, err := s.read.QueryContext(ctx, "SELECT name FROM domains WHERE state IN ($1, $2) ORDER BY name", string(tenant.Verified), string(tenant.Trusted))
	err = scan(rows, err, func(row *sql.Rows) error {
		var name string
		err := row.Scan(&name)
		list = append(list, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list usable domains: %w", s.refusal(err))
	}
	return list, nil
}

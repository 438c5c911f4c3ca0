package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/tenant"
)

// Holders are the parts of the store that hold something about people, in the order in
// which they are erased: mail that waits is stopped before its rows are emptied, and what
// tells whom a request was about goes last.
//
// now is the clock that requests are made by.
func (s *Store) Holders(now func() time.Time) []privacy.Holder {
	return []privacy.Holder{waitingMail{s, now}, returnHolder{s}, mailHolder{s, now}, mentions{s}, contactHolder{s}, fileHolder{s}, checkHolder{s}, consentHolder{s}, trackingHolder{s}}
}

// erasedActor is who is noted for what an erasure does.
const erasedActor = "system"

// eraseStep is how many deliveries one transaction empties.
const eraseStep = 100

// waitingMail holds mail that has not left yet.
type waitingMail struct {
	s   *Store
	now func() time.Time
}

// Name implements privacy.Holder.
func (waitingMail) Name() string { return "waiting" }

const waitingTo = `SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.recipient = $2 AND d.state IN ('queued', 'deferred', 'held') ORDER BY d.id LIMIT $3`

// Count implements privacy.Holder.
func (h waitingMail) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	for _, address := range distinct(p.Addresses) {
		var one int64
		err := h.s.read.QueryRowContext(ctx, `SELECT count(*) FROM deliveries WHERE tenant = $1 AND recipient = $2
			AND state IN ('queued', 'deferred', 'held')`, p.Tenant[:], address).Scan(&one)
		if err != nil {
			return 0, h.s.refusal(err)
		}
		n += one
	}
	return n, nil
}

// Erase implements privacy.Holder: it cancels.
func (h waitingMail) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	cancel, err := actionOf(queue.Cancel)
	if err != nil {
		return err
	}
	for _, address := range distinct(p.Addresses) {
		for {
			changed, err := h.s.act(ctx, cancel, erasedActor, "", h.now(), func(tx *sql.Tx) ([]queue.Listed, error) {
				var list []queue.Listed
				rows, err := tx.QueryContext(ctx, waitingTo+h.s.dialect.lockRows(false), p.Tenant[:], address, eraseStep)
				err = scan(rows, err, func(row *sql.Rows) error {
					v := queue.Listed{Tenant: p.Tenant}
					err := row.Scan(&v.Delivery)
					list = append(list, v)
					return err
				})
				return list, err
			})
			if err != nil {
				return err
			}
			if len(changed) == 0 {
				break
			}
			if err := note(int64(len(changed))); err != nil {
				return err
			}
		}
	}
	return nil
}

// mailHolder holds deliveries to the person with their facts, and the messages.
type mailHolder struct {
	s   *Store
	now func() time.Time
}

// Name implements privacy.Holder.
func (mailHolder) Name() string { return "deliveries" }

// Count implements privacy.Holder.
func (h mailHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	count, err := h.s.CountTo(ctx, p.Tenant, p.Addresses, nil, 10_000_000)
	return int64(count), err
}

// Erase implements privacy.Holder. What was cancelled lately is left for the next time, see
// privacy.SettleAfter. A delivery that was emptied is not found by its address
// any more: a job that was cut short goes on where it was.
func (h mailHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	own := map[string]bool{}
	for _, address := range distinct(p.Addresses) {
		own[address] = true
	}
	for address := range own {
		for {
			n, err := h.step(ctx, p, address, own)
			if err != nil {
				return fmt.Errorf("erase deliveries: %w", err)
			}
			if n == 0 {
				break
			}
			if err := note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h mailHolder) step(ctx context.Context, p privacy.Person, address string, own map[string]bool) (n int64, err error) {
	err = h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
		var list []message.DeliveryID
		//nolint:gosec // G202: constants of the dialect only
		rows, err := tx.QueryContext(ctx, `SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.recipient = $2
			AND NOT (d.state = 'cancelled' AND d.updated_at > $4) ORDER BY d.id LIMIT $3`+h.s.dialect.lockRows(false),
			p.Tenant[:], address, eraseStep, millis(h.now().Add(-privacy.SettleAfter)))
		err = scan(rows, err, func(row *sql.Rows) error {
			var d message.DeliveryID
			err := row.Scan(&d)
			list = append(list, d)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := h.empty(ctx, tx, p.Tenant, d, address, own); err != nil {
				return err
			}
		}
		n = int64(len(list))
		return nil
	})
	return n, err
}

// empty takes the person out of one delivery and its message. What is left of the
// recipient is the domain, for figures: an address has a local part.
func (h mailHolder) empty(ctx context.Context, tx *sql.Tx, t tenant.ID, d message.DeliveryID, address string, own map[string]bool) error {
	m := message.Of(d)
	if err := h.emptyEvents(ctx, tx, t, d, address); err != nil {
		return err
	}
	alone := true
	top := message.Delivery(m, message.MaxRecipients)
	rows, err := tx.QueryContext(ctx, "SELECT recipient FROM deliveries WHERE tenant = $1 AND id > $2 AND id <= $3", t[:], m[:], top[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var recipient string
		err := row.Scan(&recipient)
		alone = alone && (own[recipient] || strings.HasPrefix(recipient, "@"))
		return err
	})
	if err != nil {
		return err
	}
	if err := dropBeside(ctx, tx, t, d, h.now()); err != nil {
		return err
	}
	if alone {
		// The addresses of links may name the person, and the tokens lead nowhere from now on.
		if err := h.s.dropTracking(ctx, tx, t, m); err != nil {
			return err
		}
	}
	// The values may name the person; others find the message by its other words.
	if err := h.s.dropReferences(ctx, tx, t, m); err != nil {
		return err
	}
	if alone {
		// Dropping the salt makes the content unreadable wherever it lies.
		_, err = tx.ExecContext(ctx, `UPDATE messages SET salt = NULL, subject = '', to_boxes = '[]', digests = NULL, metadata = NULL, envelope_id = NULL
			WHERE tenant = $1 AND id = $2`, t[:], m[:])
	} else {
		err = h.s.unname(ctx, tx, t, m, address)
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM reports_due WHERE tenant = $1 AND delivery = $2", t[:], d[:]); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE deliveries SET recipient = $3, local = NULL, original = NULL, signature = NULL WHERE tenant = $1 AND id = $2",
		t[:], d[:], address[strings.LastIndexByte(address, '@'):])
	return err
}

// emptyEvents takes foreign words out of the facts about a delivery, and the address out
// of those about others.
func (h mailHolder) emptyEvents(ctx context.Context, tx *sql.Tx, t tenant.ID, d message.DeliveryID, address string) error {
	m := message.Of(d)
	var list []event.Event
	rows, err := tx.QueryContext(ctx, "SELECT "+eventColumns+` FROM events WHERE tenant = $1 AND message = $2
		AND (attempt IS NOT NULL OR report IS NOT NULL) AND (number = $3 OR lower(attempt) LIKE $4 ESCAPE '\' OR lower(report) LIKE $4 ESCAPE '\')`,
		t[:], m[:], deliveryNumber(d), looseLike(address))
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEvent(row)
		list = append(list, e)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range list {
		own := e.Delivery == d
		var attempt, report any
		if a := e.Attempt; a != nil {
			a.Reply, a.Local = worded(a.Reply, address, own), worded(a.Local, address, own)
			attempt = plain(asJSON(a))
		}
		if r := e.Report; r != nil {
			r.Reply, r.From, r.Recipient = worded(r.Reply, address, own), worded(r.From, address, own), worded(r.Recipient, address, own)
			report = plain(asJSON(r))
		}
		_, err := tx.ExecContext(ctx, "UPDATE events SET attempt = $4, report = $5 WHERE tenant = $1 AND message = $2 AND id = $3",
			t[:], m[:], e.ID[:], attempt, report)
		if err != nil {
			return err
		}
	}
	return nil
}

// worded is text without the address; of a person's own, nothing of it stays.
func worded(text, address string, own bool) string {
	if own {
		return ""
	}
	return without(text, address)
}

// erasedText stands where an address stood in text of others.
const erasedText = "[…]"

// without takes every mention of an address out of text, whatever its case.
func without(text, address string) string {
	lower := strings.ToLower(text)
	if len(lower) != len(text) || !strings.Contains(lower, address) {
		// Letters whose lower case is longer would shift the places: take the text as it is.
		return strings.ReplaceAll(text, address, erasedText)
	}
	var b strings.Builder
	for {
		i := strings.Index(lower, address)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i] + erasedText)
		text, lower = text[i+len(address):], lower[i+len(address):]
	}
}

// unname takes a person out of what lists and searches show of a message that others
// got too.
func (s *Store) unname(ctx context.Context, tx *sql.Tx, t tenant.ID, m message.ID, address string) error {
	var subject string
	var boxes []box
	var metadata map[string]string
	var tags []string
	var envelope sql.NullString
	err := tx.QueryRowContext(ctx, "SELECT subject, to_boxes, metadata, tags, envelope_id FROM messages WHERE tenant = $1 AND id = $2"+s.dialect.lockRow(), t[:], m[:]).
		Scan(&subject, document{&boxes}, document{&metadata}, document{&tags}, &envelope)
	if err != nil {
		return err
	}
	boxes = slices.DeleteFunc(boxes, func(b box) bool { return canonicalAddress(b.mailbox().Address) == address })
	for key, value := range metadata {
		metadata[key] = without(value, address)
	}
	for i := range tags {
		tags[i] = without(tags[i], address)
	}
	_, err = tx.ExecContext(ctx, "UPDATE messages SET subject = $3, to_boxes = $4, metadata = $5, tags = $6, envelope_id = $7 WHERE tenant = $1 AND id = $2",
		t[:], m[:], without(subject, address), plain(asJSON(append([]box{}, boxes...))), orNull(len(metadata), metadata), orNull(len(tags), tags),
		textOrNull(without(envelope.String, address)))
	return err
}

// returnHolder holds mail that came back.
type returnHolder struct{ s *Store }

// Name implements privacy.Holder.
func (returnHolder) Name() string { return "returns" }

// returnsFrom asks for return mail that a person wrote, returnsAbout for that about
// deliveries to them. Both look through the tenant's return mail.
const (
	returnsFrom = `SELECT r.tenant, r.id FROM returns r WHERE (r.account = $1 OR r.tenant = $1)
		AND (lower(r.sender) LIKE $2 ESCAPE '\' OR lower(r.author) LIKE $2 ESCAPE '\' OR lower(r.subject) LIKE $2 ESCAPE '\')`
	returnsAbout = `SELECT r.tenant, r.id FROM returns r CROSS JOIN deliveries d
		WHERE r.account = $1 AND d.tenant = $1 AND d.id = r.delivery AND d.recipient = $2`
)

// Count implements privacy.Holder.
func (h returnHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	list, err := h.find(ctx, p)
	return int64(len(list)), err
}

type returnKey struct {
	tenant tenant.ID
	id     returns.ID
}

func (h returnHolder) find(ctx context.Context, p privacy.Person) (list []returnKey, err error) {
	seen := map[returnKey]bool{}
	for _, address := range distinct(p.Addresses) {
		for text, about := range map[string]string{returnsFrom: looseLike(address), returnsAbout: address} {
			rows, err := h.s.read.QueryContext(ctx, text, p.Tenant[:], about)
			err = scan(rows, err, func(row *sql.Rows) error {
				var k returnKey
				err := row.Scan(&k.tenant, &k.id)
				if !seen[k] {
					list = append(list, k)
				}
				seen[k] = true
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("find return mail: %w", h.s.refusal(err))
			}
		}
	}
	return list, nil
}

// Erase implements privacy.Holder.
func (h returnHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	list, err := h.find(ctx, p)
	if err != nil {
		return err
	}
	for _, k := range list {
		err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error { return clearReturn(ctx, tx, k.tenant, k.id) })
		if err != nil {
			return fmt.Errorf("erase return mail: %w", err)
		}
	}
	return note(int64(len(list)))
}

// clearReturn drops what a return mail said and who wrote it.
func clearReturn(ctx context.Context, tx *sql.Tx, t tenant.ID, r returns.ID) error {
	for _, text := range []string{
		"DELETE FROM return_bodies WHERE tenant = $1 AND id = $2",
		"DELETE FROM returns WHERE tenant = $1 AND id = $2 AND state <> 'matched'",
		"UPDATE returns SET salt = NULL, author = '', subject = '', sender = '', auth = '' WHERE tenant = $1 AND id = $2",
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], r[:]); err != nil {
			return err
		}
	}
	return nil
}

// contactHolder holds contacts with notes and history.
type contactHolder struct{ s *Store }

// Name implements privacy.Holder.
func (contactHolder) Name() string { return "contact" }

// Count implements privacy.Holder: contact and notes.
func (h contactHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	for _, a := range p.Addresses {
		c, ok, err := h.s.ContactOf(ctx, p.Tenant, a)
		if err != nil || !ok {
			if err != nil {
				return 0, err
			}
			continue
		}
		notes, err := h.s.Notes(ctx, p.Tenant, c.ID)
		return 1 + int64(len(notes)), err
	}
	return 0, nil
}

// Erase implements privacy.Holder. All contacts that have one of the addresses go.
func (h contactHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	for _, a := range p.Addresses {
		var n int64
		c, ok, err := h.s.ContactOf(ctx, p.Tenant, a)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		err = h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM contact_notes WHERE tenant = $1 AND contact = $2", p.Tenant[:], c.ID[:]).Scan(&n); err != nil {
				return err
			}
			held, err := h.s.heldContact(ctx, tx, p.Tenant, c.ID)
			if err != nil {
				return err
			}
			return h.s.dropContact(ctx, tx, held)
		})
		if err != nil {
			return fmt.Errorf("erase contact: %w", err)
		}
		if err := note(n + 1); err != nil {
			return err
		}
	}
	return nil
}

// fileHolder holds the files of access requests, and whom earlier requests were about.
type fileHolder struct{ s *Store }

// Name implements privacy.Holder.
func (fileHolder) Name() string { return "files" }

// find lists requests about one of the person's addresses that still name them. An
// erasure that runs is its own business.
func (h fileHolder) find(ctx context.Context, p privacy.Person) (list []privacy.RequestID, err error) {
	hashes := h.s.hashesOf(p)
	rows, err := h.s.read.QueryContext(ctx, `SELECT id, hashes FROM privacy_requests WHERE tenant = $1 AND addresses <> ''
		AND NOT (kind = 'erasure' AND state IN ('waiting', 'running', 'settling'))`, p.Tenant[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var r privacy.RequestID
		var text []byte
		if err := row.Scan(&r, (*textBytes)(&text)); err != nil {
			return err
		}
		var own []audience.Hash
		if err := json.Unmarshal(text, &own); err != nil {
			return err
		}
		if slices.ContainsFunc(own, func(one audience.Hash) bool { return hashes[one] }) {
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// Count implements privacy.Holder.
func (h fileHolder) Count(ctx context.Context, p privacy.Person) (int64, error) {
	list, err := h.find(ctx, p)
	return int64(len(list)), h.s.refusal(err)
}

// Erase implements privacy.Holder.
func (h fileHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	list, err := h.find(ctx, p)
	for _, r := range list {
		if err == nil {
			err = h.s.transactSecurely(ctx, func(tx *sql.Tx) error { return expireRequest(ctx, tx, p.Tenant, r) })
		}
	}
	if err != nil {
		return fmt.Errorf("erase files: %w", err)
	}
	return note(int64(len(list)))
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

// mentions are places where people may have written an address into free text, and mail
// to others that names it in a header.
type mentions struct{ s *Store }

// Name implements privacy.Holder.
func (mentions) Name() string { return "mentions" }

// freeTexts are columns that people or programs write into as they like, with what
// names a row beside the tenant. A note about another contact may name the person too.
var freeTexts = [...]struct{ table, column, tenant, key string }{
	{"queue_log", "act", "tenant", "id"},
	{"queue_log", "reason", "tenant", "id"},
	{"queue_orders", "reason", "giver", "id"},
	{"bulk_halts", "note", "tenant", "at"},
	{"contact_notes", "text", "tenant", "id"},
	{"contact_groups", "description", "tenant", "id"},
	{"contact_imports", "name", "tenant", "id"},
	{"contact_imports", "plan", "tenant", "id"},
	{"group_batches", "name", "tenant", "id"},
	{"group_batches", "source", "tenant", "id"},
	{"group_pauses", "note", "tenant", "at"},
	{"group_bounds", "reason", "tenant", "at"},
	{"ledger_entries", "note", "tenant", "id"},
	{"suppression_history", "note", "tenant", "id"},
	{"suppressions", "note", "tenant", "id"},
	{"redeliveries", "filter", "tenant", "id"},
	{"redeliveries", "options", "tenant", "id"},
	{"campaign_reviews", "name", "tenant", "id"},
	{"campaign_reviews", "answered_by", "tenant", "id"},
	{"campaign_reviews", "note", "tenant", "id"},
	{"campaign_comments", "author", "tenant", "id"},
	{"campaign_comments", "body", "tenant", "id"},
	{"pictures", "name", "tenant", "id"},
	{"pictures", "alt", "tenant", "id"},
}

// Count implements privacy.Holder. Mail to others is not counted: it is looked through
// when it is erased.
func (h mentions) Count(ctx context.Context, p privacy.Person) (sum int64, err error) {
	for _, address := range distinct(p.Addresses) {
		for _, c := range freeTexts {
			var n int64
			err := h.s.read.QueryRowContext(ctx, "SELECT count(*) FROM "+c.table+" WHERE "+c.tenant+" = $1 AND lower("+c.column+`) LIKE $2 ESCAPE '\'`,
				p.Tenant[:], looseLike(address)).Scan(&n)
			if err != nil {
				return 0, fmt.Errorf("count mentions: %w", h.s.refusal(err))
			}
			sum += n
		}
	}
	return sum, nil
}

// Erase implements privacy.Holder.
func (h mentions) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	for _, address := range distinct(p.Addresses) {
		for _, c := range freeTexts {
			n, err := h.column(ctx, p.Tenant, c.table, c.column, c.tenant, c.key, address)
			if err != nil {
				return fmt.Errorf("erase mentions in %s: %w", c.table, err)
			}
			if n > 0 {
				if err := note(n); err != nil {
					return err
				}
			}
		}
		for _, text := range []string{
			`DELETE FROM idempotency WHERE tenant = $1 AND lower(key) LIKE $2 ESCAPE '\'`,
			`DELETE FROM message_tags WHERE tenant = $1 AND lower(tag) LIKE $2 ESCAPE '\'`,
		} {
			if _, err := h.s.write.ExecContext(ctx, text, p.Tenant[:], looseLike(address)); err != nil {
				return fmt.Errorf("erase keys and tags: %w", h.s.refusal(err))
			}
		}
		if err := h.others(ctx, p.Tenant, address, note); err != nil {
			return fmt.Errorf("erase mentions in mail: %w", err)
		}
	}
	return nil
}

// column takes an address out of one column.
func (h mentions) column(ctx context.Context, t tenant.ID, table, column, of, key, address string) (n int64, err error) {
	err = h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
		n = 0
		type found struct {
			key  any
			text string
		}
		var list []found
		//nolint:gosec // G202: constants only
		rows, err := tx.QueryContext(ctx, "SELECT "+key+", "+column+" FROM "+table+" WHERE "+of+" = $1 AND lower("+column+`) LIKE $2 ESCAPE '\'`, t[:], looseLike(address))
		err = scan(rows, err, func(row *sql.Rows) error {
			var f found
			err := row.Scan(&f.key, &f.text)
			list = append(list, f)
			return err
		})
		if err != nil {
			return err
		}
		for _, f := range list {
			//nolint:gosec // G202: constants only
			res, err := tx.ExecContext(ctx, "UPDATE "+table+" SET "+column+" = $3 WHERE "+of+" = $1 AND "+key+" = $2 AND "+column+" = $4",
				t[:], f.key, without(f.text, address), f.text)
			if err != nil {
				return err
			}
			changed, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += changed
		}
		return nil
	})
	return n, err
}

// mentionWindow is how many messages are looked through at once.
const mentionWindow = 5000

// others takes an address out of what lists show of mail that went to other people: it
// may stand in a To field, a subject or in metadata. It reads all of the tenant's
// messages, window by window, beside everything else.
func (h mentions) others(ctx context.Context, t tenant.ID, address string, note func(int64) error) error {
	var after message.ID
	for {
		var last message.ID
		err := h.s.read.QueryRowContext(ctx, "SELECT id FROM messages WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT 1 OFFSET $3",
			t[:], after[:], mentionWindow-1).Scan(&last)
		end := errors.Is(err, sql.ErrNoRows)
		if err != nil && !end {
			return h.s.refusal(err)
		}
		if end {
			for i := range last {
				last[i] = 0xff
			}
		}
		list, err := h.window(ctx, t, after, last, address)
		if err != nil {
			return h.s.refusal(err)
		}
		for _, m := range list {
			err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error { return h.s.unname(ctx, tx, t, m, address) })
			if err != nil {
				return err
			}
		}
		if err := h.reports(ctx, t, after, last); err != nil {
			return err
		}
		if len(list) > 0 || !end {
			if err := note(int64(len(list))); err != nil {
				return err
			}
		}
		if after = last; end {
			return nil
		}
	}
}

func (h mentions) window(ctx context.Context, t tenant.ID, after, last message.ID, address string) ([]message.ID, error) {
	var list []message.ID
	rows, err := h.s.read.QueryContext(ctx, `SELECT id FROM messages WHERE tenant = $1 AND id > $2 AND id <= $3 AND (lower(to_boxes) LIKE $4 ESCAPE '\'
		OR lower(subject) LIKE $5 ESCAPE '\' OR lower(metadata) LIKE $5 ESCAPE '\' OR lower(envelope_id) LIKE $5 ESCAPE '\'
		OR lower(tags) LIKE $5 ESCAPE '\')`,
		t[:], after[:], last[:], looseLike(boxFragment(address)), looseLike(address))
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		err := row.Scan(&m)
		list = append(list, m)
		return err
	})
	return list, err
}

// reports drops the content of reports to senders about deliveries whose recipient was
// erased: they quote the address and the server's words about it.
func (h mentions) reports(ctx context.Context, t tenant.ID, after, last message.ID) error {
	about := map[message.ID]message.ID{}
	rows, err := h.s.read.QueryContext(ctx, `SELECT id, metadata FROM messages WHERE tenant = $1 AND id > $2 AND id <= $3 AND salt IS NOT NULL
		AND stream = 'system' AND metadata LIKE '%"report_on"%'`, t[:], after[:], last[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var report message.ID
		var metadata map[string]string
		if err := row.Scan(&report, document{&metadata}); err != nil {
			return err
		}
		if m, err := id.Parse[message.Kind](metadata["report_on"]); err == nil {
			about[report] = m
		}
		return nil
	})
	if err != nil {
		return h.s.refusal(err)
	}
	for report, m := range about {
		top := message.Delivery(m, message.MaxRecipients)
		var erased int
		if err := h.s.read.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE tenant = $1 AND id > $2 AND id <= $3 AND recipient LIKE '@%'",
			t[:], m[:], top[:]).Scan(&erased); err != nil {
			return h.s.refusal(err)
		}
		if erased == 0 {
			continue
		}
		err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE messages SET salt = NULL, subject = '' WHERE tenant = $1 AND id = $2", t[:], report[:])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// transactSecurely is transact for what must not be found in the files afterwards: SQLite
// overwrites what is deleted or replaced.
func (s *Store) transactSecurely(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		on, off := s.dialect.overwriting()
		if on == "" {
			return fn(tx)
		}
		if _, err := tx.ExecContext(ctx, on); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			_, _ = tx.ExecContext(ctx, off) // the transaction is undone; overwriting a little more harms nobody
			return err
		}
		_, err := tx.ExecContext(ctx, off)
		return err
	})
}

// Shed brings what was deleted to the files, as far as that is possible while others
// work: SQLite's log is written back and emptied. Copies that moving rows left behind
// in SQLite's free space go with Compact.
func (s *Store) Shed(ctx context.Context) error {
	text := s.dialect.checkpoint()
	if text == "" {
		return nil
	}
	if _, err := s.write.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("shed deletions: %w", s.refusal(err))
	}
	return nil
}

// Compact writes the database anew without what was deleted. On SQLite nothing else can
// be written meanwhile, and as much room again is needed; on PostgreSQL it makes the
// space of deleted rows free for others, who overwrite it.
func (s *Store) Compact(ctx context.Context) error {
	if _, err := s.write.ExecContext(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("compact database: %w", s.refusal(err))
	}
	return s.Shed(ctx)
}

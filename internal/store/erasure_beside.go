package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// dialogueDays is how far back dialogues of a delivery are looked for: mail can be put
// off for thirty days and is tried for five.
const dialogueDays = 40

// dropBeside drops what is kept beside one delivery: what was said with its server, and
// the links to its page of status.
func dropBeside(ctx context.Context, tx *sql.Tx, t tenant.ID, d message.DeliveryID, now time.Time) error {
	first, last := spool.DayOf(message.Of(d).Time()), spool.DayOf(now)
	first = max(first, last-dialogueDays)
	args := []any{t[:], d[:]}
	var in []string
	for day := first; day <= last; day++ {
		args = append(args, int64(day))
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	if len(in) > 0 {
		//nolint:gosec // G202: placeholders only
		if _, err := tx.ExecContext(ctx, "DELETE FROM dialogues WHERE tenant = $1 AND delivery = $2 AND day IN ("+strings.Join(in, ", ")+")", args...); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM status_links WHERE tenant = $1 AND delivery = $2", t[:], d[:])
	return err
}

// dropReferences drops the values by which a message can be looked for. It is called
// while its metadata is there still.
func (s *Store) dropReferences(ctx context.Context, tx *sql.Tx, t tenant.ID, m message.ID) error {
	var metadata map[string]string
	err := tx.QueryRowContext(ctx, "SELECT metadata FROM messages WHERE tenant = $1 AND id = $2"+s.dialect.lockRow(), t[:], m[:]).Scan(document{&metadata})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, value := range referencesOf(metadata) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM message_references WHERE tenant = $1 AND value = $2 AND message = $3", t[:], value, m[:]); err != nil {
			return err
		}
	}
	return nil
}

// checkHolder holds the lists of addresses that were checked, and what is kept of lists
// that are imported.
type checkHolder struct{ s *Store }

// Name implements privacy.Holder.
func (checkHolder) Name() string { return "lists" }

// checkedAs finds the rows with an address or with it as suggestion. Lists live for a week
// and there are few of a tenant: reading them through costs less than an index on each row.
const checkedAs = `FROM list_check_rows WHERE tenant = $1 AND (lower(address) = $2 OR lower(suggestion) = $2)`

// Count implements privacy.Holder.
func (h checkHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	for _, address := range distinct(p.Addresses) {
		var one int64
		if err := h.s.read.QueryRowContext(ctx, "SELECT count(*) "+checkedAs, p.Tenant[:], address).Scan(&one); err != nil {
			return 0, h.s.refusal(err)
		}
		imported, err := h.s.importedAs(ctx, p.Tenant, address)
		if err != nil {
			return 0, h.s.refusal(err)
		}
		n += one + imported
	}
	return n, nil
}

// Erase implements privacy.Holder. The rows stay as numbers of their lists, so that sums
// and pages still fit.
func (h checkHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	for _, address := range distinct(p.Addresses) {
		var n int64
		err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, `UPDATE list_check_rows SET address = '', suggestion = '', print = 0 WHERE tenant = $1
				AND (lower(address) = $2 OR lower(suggestion) = $2)`, p.Tenant[:], address)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("erase rows of checked lists: %w", err)
		}
		imported, err := h.s.eraseImported(ctx, p.Tenant, address)
		if err != nil {
			return fmt.Errorf("erase rows of imported lists: %w", err)
		}
		n += imported
		if n > 0 {
			if err := note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

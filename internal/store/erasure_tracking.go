package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// dropTracking drops what is kept beside a message for its tokens, and what was done
// with it.
func (s *Store) dropTracking(ctx context.Context, tx *sql.Tx, t tenant.ID, m message.ID) error {
	s.hits.known.forget()
	for _, text := range []string{
		"DELETE FROM tracked_messages WHERE tenant = $1 AND message = $2",
		"DELETE FROM activity_counts WHERE tenant = $1 AND message = $2",
		"DELETE FROM activities WHERE tenant = $1 AND message = $2",
	} {
		if _, err := tx.ExecContext(ctx, text, t[:], m[:]); err != nil {
			return err
		}
	}
	return nil
}

// trackingHolder holds what a person did with mail and offers, and what they said about
// being tracked.
type trackingHolder struct{ s *Store }

// Name implements privacy.Holder.
func (trackingHolder) Name() string { return "tracking" }

// of are the two ways to what recipient $2 of tenant $1 did: on pages of offers, and with
// mail, which is found by the deliveries to them.
func (h trackingHolder) of() []string {
	return []string{"offer IS NOT NULL",
		"offer IS NULL AND message IN (SELECT " + h.s.dialect.messageOf("d.id") + " FROM deliveries d WHERE d.tenant = $1 AND d.recipient = $2)"}
}

// Count implements privacy.Holder.
func (h trackingHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	h.s.settle(ctx)
	for _, address := range distinct(p.Addresses) {
		for _, which := range h.of() {
			var done int64
			err := h.s.read.QueryRowContext(ctx, "SELECT count(*) FROM activities WHERE tenant = $1 AND recipient = $2 AND "+which, p.Tenant[:], address).Scan(&done)
			if err != nil {
				return 0, h.s.refusal(err)
			}
			n += done
		}
	}
	for hash := range h.s.hashesOf(p) {
		var said int64
		err := h.s.read.QueryRowContext(ctx, "SELECT count(*) FROM tracking_consents WHERE tenant = $1 AND hash = $2 AND address <> ''", p.Tenant[:], hash[:]).Scan(&said)
		if err != nil {
			return 0, h.s.refusal(err)
		}
		n += said
	}
	return n, nil
}

// Erase implements privacy.Holder. That somebody has withdrawn stays, by the hash of the
// address: it must hold when they are written to again.
func (h trackingHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	if err := h.s.hits.settled(ctx); err != nil {
		return fmt.Errorf("erase activities: %w", h.s.refusal(err))
	}
	for _, a := range p.Addresses {
		var n int64
		err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
			for _, which := range h.of() {
				//nolint:gosec // G202: constants only
				res, err := tx.ExecContext(ctx, "DELETE FROM activities WHERE tenant = $1 AND recipient = $2 AND "+which, p.Tenant[:], canonicalAddress(a))
				if err != nil {
					return err
				}
				done, err := res.RowsAffected()
				if err != nil {
					return err
				}
				n += done
			}
			h.s.hits.known.forget()
			if _, err := tx.ExecContext(ctx, h.s.unopenedText(), p.Tenant[:], canonicalAddress(a)); err != nil {
				return err
			}
			said, err := h.forget(ctx, tx, p.Tenant, h.s.hashes.Of(p.Tenant, a))
			n += said
			return err
		})
		if err != nil {
			return fmt.Errorf("erase activities: %w", err)
		}
		if n > 0 {
			if err := note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops what an address said, but for a withdrawal that holds, and returns how
// much named the person.
func (h trackingHolder) forget(ctx context.Context, tx *sql.Tx, t tenant.ID, hash audience.Hash) (n int64, err error) {
	var last int64
	var state tracking.State
	rows, err := tx.QueryContext(ctx, "SELECT number, state, address FROM tracking_consents WHERE tenant = $1 AND hash = $2 ORDER BY number", t[:], hash[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var address string
		err := row.Scan(&last, &state, &address)
		if address != "" {
			n++
		}
		return err
	})
	if err != nil || n == 0 {
		return n, err
	}
	h.s.hits.known.forget()
	if state != tracking.StateWithdrawn {
		last = 0
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM tracking_consents WHERE tenant = $1 AND hash = $2 AND number <> $3", t[:], hash[:], last); err != nil {
		return n, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE tracking_consents SET address = '', actor = '', way = '', wording = '' WHERE tenant = $1 AND hash = $2", t[:], hash[:])
	return n, err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/account"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/queue"
	"stafette/internal/spool"
)

// strikesLast is how long counted outcomes are kept: the longest time a rule can look back.
const strikesLast = 3650 * 24 * time.Hour

// devicesLast is how long a kind of device is remembered after its last sign-in.
const devicesLast = 365 * 24 * time.Hour

// Sweep removes what has run out: sessions, idempotency keys and suppressions
// that expired before now, and outcomes that no rule counts any more. It is meant to
// run every few minutes.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for _, sweep := range []struct {
		text   string
		before time.Time
	}{
		{"DELETE FROM sessions WHERE expires_at < $1", now},
		{"DELETE FROM ceremonies WHERE expires_at < $1", now},
		{"DELETE FROM invitations WHERE expires_at < $1", now.Add(-account.InvitationLasts)},
		{"DELETE FROM tries WHERE clear_at < $1", now},
		{"DELETE FROM devices WHERE seen_at < $1", now.Add(-devicesLast)},
		{"DELETE FROM idempotency WHERE expires_at < $1", now},
		{"DELETE FROM suppressions WHERE expires_at < $1", now},
		{"DELETE FROM suppression_strikes WHERE at < $1", now.Add(-strikesLast)},
		{"DELETE FROM notices WHERE at < $1 AND due_at IS NULL", now.Add(-notice.KeysLast)},
	} {
		if _, err := s.write.ExecContext(ctx, sweep.text, sweep.before.UnixMilli()); err != nil {
			return fmt.Errorf("sweep: %w", s.refusal(err))
		}
	}
	return nil
}

// hastenBatch is how many deliveries one transaction of Hasten changes.
const hastenBatch = 500

// Hasten makes due now what was deferred until after latest and returns how many that
// were. If latest is further away than any pause between attempts, these were put off
// by a clock that has been set back since, and would otherwise wait for as long.
func (s *Store) Hasten(ctx context.Context, now, latest time.Time) (int, error) {
	sum := 0
	for {
		var list []queue.Listed
		err := s.transact(ctx, func(tx *sql.Tx) error {
			list = nil
			rows, err := tx.QueryContext(ctx, lateText, millis(latest), hastenBatch)
			err = scan(rows, err, func(row *sql.Rows) error {
				var v queue.Listed
				err := row.Scan(&v.Tenant, &v.Delivery)
				list = append(list, v)
				return err
			})
			if err != nil {
				return err
			}
			return s.change(ctx, tx, "due_at = $1", now, list)
		})
		if err != nil {
			return sum, fmt.Errorf("hasten deliveries: %w", err)
		}
		sum += len(list)
		if len(list) < hastenBatch {
			return sum, nil
		}
	}
}

// lateText asks for what nobody holds and waits for longer than it should. It takes no
// locks: what is claimed or settled meanwhile does not mind being due.
const lateText = `SELECT d.tenant, d.id FROM tenants t CROSS JOIN deliveries d WHERE d.tenant = t.id AND d.owner = 0
	AND d.urgency IN (0, 1, 2) AND d.due_at > $1 AND d.state IN ('queued', 'deferred') AND d.state = 'deferred'
	ORDER BY d.tenant LIMIT $2`

// OldestWaiting returns a day before which no body belongs to a delivery that is queued
// or deferred, and false if none is: whatever a clock says, these bodies are needed.
// Locked tenants' mail does not count, as it may lie for as long as it likes.
func (s *Store) OldestWaiting(ctx context.Context) (spool.Day, bool, error) {
	var first message.DeliveryID
	err := s.read.QueryRowContext(ctx, `SELECT d.id FROM tenants t CROSS JOIN deliveries d
		WHERE d.tenant = t.id AND t.state <> 'locked' AND d.state IN ('queued', 'deferred') ORDER BY d.id LIMIT 1`).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("find oldest waiting: %w", s.refusal(err))
	}
	// The body's day was told a moment after the message's id.
	return spool.DayOf(message.Of(first).Time()), true, nil
}

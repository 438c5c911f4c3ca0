package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/tenant"
)

// factAgain is how soon the same fact of a delivery is none.
const factAgain = time.Minute

// Addressee implements preference.Store.
func (s *Store) Addressee(ctx context.Context, t tenant.ID, d message.DeliveryID) (a preference.Addressee, ok bool, err error) {
	m := message.Of(d)
	var canonical string
	var local sql.NullString
	err = s.read.QueryRowContext(ctx, `SELECT m.stream, d.recipient, d.local FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = $3
		WHERE d.tenant = $1 AND d.id = $2`, t[:], d[:], m[:]).Scan(&a.Stream, &canonical, &local)
	if errors.Is(err, sql.ErrNoRows) || err == nil && strings.HasPrefix(canonical, "@") { // erased
		return preference.Addressee{}, false, nil
	}
	if err != nil {
		return preference.Addressee{}, false, fmt.Errorf("read addressee: %w", s.refusal(err))
	}
	a.Address = recipientOf(canonical, local)
	return a, true, nil
}

// AddFact implements preference.Store.
func (s *Store) AddFact(ctx context.Context, t tenant.ID, e event.Event) error {
	var added bool
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE tenant = $1 AND message = $2 AND number = $3 AND type = $4 AND at > $5",
			t[:], e.Message[:], deliveryNumber(e.Delivery), string(e.Type), millis(e.At.Add(-factAgain))).Scan(&n)
		if added = n == 0; err != nil || !added {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO events (tenant, message, id, number, type, at, actor, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			t[:], e.Message[:], e.ID[:], deliveryNumber(e.Delivery), string(e.Type), millis(e.At), e.Actor, e.Reason)
		if err != nil {
			return err
		}
		return s.noteWithdrawal(ctx, tx, t, &e)
	})
	if err != nil {
		return fmt.Errorf("add fact: %w", err)
	}
	if added && s.cfg.OnCommit != nil {
		s.cfg.OnCommit(t, e)
	}
	return nil
}

var _ preference.Store = (*Store)(nil)

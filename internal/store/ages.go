package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ queue.AgeStore = (*Store)(nil)

// Waiting implements queue.AgeStore: for each tenant and state one look at an index for
// the count and the oldest, and one at about sample rows.
func (s *Store) Waiting(ctx context.Context, sample int) ([]queue.Stratum, error) {
	tenants, err := tenantsOf(ctx, s.read, waitingText)
	if err != nil {
		return nil, fmt.Errorf("look at waiting mail: %w", s.refusal(err))
	}
	var list []queue.Stratum
	for _, t := range tenants {
		name, err := s.nameOf(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("look at waiting mail: %w", s.refusal(err))
		}
		for _, state := range []event.State{event.Queued, event.Deferred, event.Held} {
			one, err := s.stratum(ctx, t, state, sample)
			if err != nil {
				return nil, fmt.Errorf("look at waiting mail: %w", s.refusal(err))
			}
			if one.Name = name; one.Count > 0 {
				list = append(list, one)
			}
		}
	}
	return list, nil
}

func (s *Store) stratum(ctx context.Context, t tenant.ID, state event.State, sample int) (queue.Stratum, error) {
	v := queue.Stratum{Tenant: t, State: state}
	c := narrowed(t, queue.Selection{}, state, 0)
	var oldest []byte
	err := s.read.QueryRowContext(ctx, "SELECT count(*), "+s.dialect.lowest("d.id")+" FROM deliveries d WHERE d.tenant = $1 AND $2 = 0 AND "+c.where, c.args...).
		Scan(&v.Count, &oldest)
	if err != nil || v.Count == 0 {
		return v, err
	}
	var first message.DeliveryID
	copy(first[:], oldest)
	v.Oldest = first.Time()
	s.sampled(&c, shareOf(v.Count, int64(sample), int64(sample)))
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT d.id, d.recipient, m.stream FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = "+
		s.dialect.messageOf("d.id")+" WHERE d.tenant = $1 AND $2 = 0 AND "+c.where, c.args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID
		var one queue.Waiting
		var recipient string
		err := row.Scan(&d, &recipient, &one.Stream)
		one.Accepted, one.Domain = d.Time(), recipient[strings.LastIndexByte(recipient, '@')+1:]
		v.Sample = append(v.Sample, one)
		return err
	})
	return v, err
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Questions over all tenants begin at tenants and look into each one's range of an
// index: their cost grows with the tenants, not with the mail. Each compares rows of
// one tenant only, so that in a distributed database every shard answers for its own.
// IS TRUE keeps the planner from reading the whole index to save the looks.

// claimableOf is what may be claimed of tenant t and falls due in a span: what nobody
// or only a dead epoch holds. The owners stand in the text, as numbers.
func claimableOf(owners []queue.Epoch) string {
	list := make([]string, len(owners))
	for i, e := range owners {
		list[i] = strconv.FormatInt(int64(e), 10)
	}
	return " d.tenant = t.id AND d.owner IN (" + strings.Join(list, ", ") +
		") AND d.urgency IN (0, 1, 2) AND d.state IN ('queued', 'deferred') "
}

// idleOwners are nobody and the dead epochs.
func idleOwners(ctx context.Context, q querier) ([]queue.Epoch, error) {
	dead, err := deadEpochs(ctx, q)
	return append([]queue.Epoch{0}, dead...), err
}

func dueTenantsText(owners []queue.Epoch) string {
	return `SELECT t.id FROM tenants t WHERE t.id > $1 AND t.state <> 'locked'
		AND (EXISTS (SELECT 1 FROM deliveries d WHERE` + claimableOf(owners) + `AND d.due_at <= $2)) IS TRUE ORDER BY t.id LIMIT $3`
}

// DueTenants implements queue.Store. It also declares epochs dead that have fallen
// silent: those who ask for work are those who want to take it over.
func (s *Store) DueTenants(ctx context.Context, now time.Time, after tenant.ID, limit int) ([]tenant.ID, error) {
	if err := s.buryEpochs(ctx); err != nil {
		return nil, fmt.Errorf("find due tenants: %w", err)
	}
	owners, err := idleOwners(ctx, s.read)
	if err != nil {
		return nil, fmt.Errorf("find due tenants: %w", s.refusal(err))
	}
	list, err := tenantsOf(ctx, s.read, dueTenantsText(owners), after[:], millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find due tenants: %w", s.refusal(err))
	}
	return list, nil
}

// tenantsOf reads a list of tenants.
func tenantsOf(ctx context.Context, q querier, text string, args ...any) ([]tenant.ID, error) {
	var list []tenant.ID
	rows, err := q.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		err := row.Scan(&t)
		list = append(list, t)
		return err
	})
	return list, err
}

func nextDueText(owners []queue.Epoch) string {
	// CROSS keeps SQLite from beginning at the deliveries.
	return "SELECT min(d.due_at) FROM tenants t CROSS JOIN deliveries d WHERE" + claimableOf(owners) +
		"AND d.due_at > $1 AND d.due_at <= $2 AND t.state <> 'locked'"
}

// NextDue implements queue.Store.
func (s *Store) NextDue(ctx context.Context, after, until time.Time) (at time.Time, ok bool, err error) {
	owners, err := idleOwners(ctx, s.read)
	if err == nil {
		err = s.read.QueryRowContext(ctx, nextDueText(owners), millis(after), millis(until)).Scan(instant{&at})
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find next due: %w", s.refusal(err))
	}
	return at, !at.IsZero(), nil
}

// Claim implements queue.Store.
func (s *Store) Claim(ctx context.Context, c queue.Claim) ([]queue.Entry, error) {
	var entries []queue.Entry
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var locked int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM tenants WHERE id = $1 AND state = $2", c.Tenant[:], string(tenant.Locked)).Scan(&locked)
		if err != nil || locked > 0 {
			return err
		}
		dead, err := deadEpochs(ctx, tx)
		if err != nil {
			return err
		}
		if slices.Contains(dead, c.Epoch) {
			return queue.ErrFenced
		}
		entries, err = s.claimDue(ctx, tx, c, append([]queue.Epoch{0}, dead...))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	return entries, nil
}

// claimDue takes due deliveries, urgent ones first. Each urgency and owner is a
// range of the index of its own, so that what waits for later is never read.
func (s *Store) claimDue(ctx context.Context, tx *sql.Tx, c queue.Claim, owners []queue.Epoch) ([]queue.Entry, error) {
	var entries []queue.Entry
	for urgency := 0; urgency <= 2 && len(entries) < c.Limit; urgency++ {
		var lane []queue.Entry
		for _, owner := range owners {
			part, err := s.selectDue(ctx, tx, c, owner, urgency, c.Limit-len(entries))
			if err != nil {
				return nil, err
			}
			lane = append(lane, part...)
		}
		slices.SortStableFunc(lane, func(a, b queue.Entry) int { return a.DueAt.Compare(b.DueAt) })
		entries = append(entries, lane[:min(len(lane), c.Limit-len(entries))]...)
	}
	return entries, s.setOwner(ctx, tx, c.Tenant, c.Epoch, entries)
}

// entryColumns are those of a queue.Entry, from deliveries d and messages m.
const entryColumns = `d.id, d.recipient, d.local, d.attempts, d.due_at, d.expires_at, d.signature,
	m.stream, m.sender, m.sign_domain, m.size, m.eight_bit, m.utf8, m.digests, m.accepted_at, m.send_at,
	m.salt, m.body_day, m.body_segment, m.body_offset, m.body_length, m.tls, m.tags, m.ret, m.envelope_id, d.notify, d.original`

func (s *Store) selectDue(ctx context.Context, tx *sql.Tx, c queue.Claim, owner queue.Epoch, urgency, limit int) ([]queue.Entry, error) {
	var list []queue.Entry
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := tx.QueryContext(ctx, "SELECT "+entryColumns+` FROM deliveries d
		JOIN messages m ON m.tenant = d.tenant AND m.id = `+s.dialect.messageOf("d.id")+`
		WHERE d.tenant = $1 AND d.owner = $2 AND d.urgency = $3 AND d.due_at <= $4 AND d.state IN ('queued', 'deferred')
		ORDER BY d.due_at LIMIT $5`+s.dialect.lockRows(true), c.Tenant[:], int64(owner), urgency, millis(c.Now), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEntry(row)
		e.Tenant, e.Body.Tenant = c.Tenant, c.Tenant
		list = append(list, e)
		return err
	})
	return list, err
}

func readEntry(row *sql.Rows) (queue.Entry, error) {
	var e queue.Entry
	var canonical string
	var local sql.NullString
	w := wishes{&e.Return, &e.EnvelopeID, &e.Notify, &e.OriginalRecipient}
	err := row.Scan(append([]any{&e.Delivery, &canonical, &local, &e.Attempts, instant{&e.DueAt}, instant{&e.ExpiresAt}, &e.Signature,
		&e.Stream, &e.Sender, &e.SignDomain, &e.Size, truth{&e.EightBit}, truth{&e.UTF8}, document{&e.Digests}, instant{&e.AcceptedAt}, instant{&e.SendAt},
		bytes32{(*[32]byte)(&e.Body.Salt)}, &e.Body.Ref.Day, &e.Body.Ref.Segment, &e.Body.Ref.Offset, &e.Body.Ref.Length, &e.TLS, document{&e.Tags}}, w.columns()...)...)
	e.Recipient = recipientOf(canonical, local)
	e.Body.Message = message.Of(e.Delivery)
	return e, err
}

// setOwner gives the deliveries to an epoch.
func (s *Store) setOwner(ctx context.Context, q querier, t tenant.ID, owner queue.Epoch, entries []queue.Entry) error {
	ids := make([]message.DeliveryID, len(entries))
	for i := range entries {
		ids[i] = entries[i].Delivery
	}
	for part := range slices.Chunk(ids, inListMax) {
		list, args := inList(s.dialect, 3, part)
		_, err := q.ExecContext(ctx, "UPDATE deliveries SET owner = $2 WHERE tenant = $1 AND id "+list,
			append([]any{t[:], int64(owner)}, args...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Release implements queue.Store.
func (s *Store) Release(ctx context.Context, e queue.Epoch, entries []queue.Entry) error {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b queue.Entry) int {
		return cmp.Or(slices.Compare(a.Tenant[:], b.Tenant[:]), slices.Compare(a.Delivery[:], b.Delivery[:]))
	})
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for i := range list {
			v := &list[i]
			_, err := tx.ExecContext(ctx, `UPDATE deliveries SET owner = 0, due_at = $4
				WHERE tenant = $1 AND id = $2 AND owner = $3 AND state IN ('queued', 'deferred')`,
				v.Tenant[:], v.Delivery[:], int64(e), millis(v.DueAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release deliveries: %w", err)
	}
	return nil
}

// Depth implements queue.Store. Both sums are read off an index alone.
func (s *Store) Depth(ctx context.Context) (map[event.State]int64, error) {
	depth := map[event.State]int64{event.Queued: 0, event.Deferred: 0, event.Held: 0}
	var waiting int64
	err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'deferred')").Scan(&waiting)
	if err != nil {
		return nil, fmt.Errorf("count queue: %w", s.refusal(err))
	}
	rows, err := s.read.QueryContext(ctx, "SELECT state, count(*) FROM deliveries WHERE state IN ('deferred', 'held') GROUP BY state")
	err = scan(rows, err, func(row *sql.Rows) error {
		var state event.State
		var n int64
		err := row.Scan(&state, &n)
		depth[state] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count queue: %w", s.refusal(err))
	}
	// Two statements see two moments; the difference must not go below zero.
	depth[event.Queued] = max(0, waiting-depth[event.Deferred])
	return depth, nil
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// spending is one tenant's UTC day.
type spending struct {
	tenant tenant.ID
	day    time.Time // its midnight
}

// allowances is how many deliveries the tenants with a quota may still have accepted
// on their days, and what is left to those with a plan, as long as the transaction lasts
// that asked.
type allowances struct {
	days  map[spending]*int64
	plans charges
}

func spendingOf(a *ingest.Acceptance) spending {
	return spending{a.Message.Tenant, a.Message.ID.Time().UTC().Truncate(24 * time.Hour)}
}

// allowances asks for what is left to the tenants of a group that have a quota. Their
// rows are locked until the commit, in one order: no other node can count at the same
// time, and the quota holds exactly. Tenants without one cost nothing.
func (s *Store) allowances(ctx context.Context, tx *sql.Tx, group []*work) (left allowances, err error) {
	if left.days, err = s.dayAllowances(ctx, tx, group); err != nil {
		return left, err
	}
	left.plans, err = s.charges(ctx, tx, group)
	return left, err
}

func (s *Store) dayAllowances(ctx context.Context, tx *sql.Tx, group []*work) (map[spending]*int64, error) {
	var asked []spending
	for _, w := range group {
		if w.err == nil && w.accept.Quota > 0 {
			asked = append(asked, spendingOf(w.accept))
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	slices.SortFunc(asked, func(a, b spending) int {
		if c := slices.Compare(a.tenant[:], b.tenant[:]); c != 0 {
			return c
		}
		return a.day.Compare(b.day)
	})
	left := map[spending]*int64{}
	for _, of := range slices.Compact(asked) {
		var quota int64
		err := tx.QueryRowContext(ctx, "SELECT daily_quota FROM tenants WHERE id = $1"+s.dialect.lockRow(), of.tenant[:]).Scan(&quota)
		if err != nil {
			return nil, fmt.Errorf("of %s: %w", of.tenant, err)
		}
		if quota == 0 {
			continue // lifted since the tenant was last looked at
		}
		used, err := hourSum(ctx, tx, of.tenant, of.day, of.day.Add(24*time.Hour))
		if err != nil {
			return nil, fmt.Errorf("of %s: %w", of.tenant, err)
		}
		quota -= used
		left[of] = &quota
	}
	return left, nil
}

// take counts the deliveries of a work, all or none; if they do not fit, the work is
// refused.
func (l allowances) take(w *work) bool {
	of := spendingOf(w.accept)
	left := l.days[of]
	if left == nil {
		return l.plans.take(w)
	}
	n := int64(len(w.accept.Deliveries))
	if n > *left {
		w.err = ingest.QuotaSpent(of.day.Add(24 * time.Hour).Sub(w.accept.Message.ID.Time()))
		return false
	}
	if !l.plans.take(w) {
		return false
	}
	*left -= n
	return true
}

// takeRest does so for what has no idempotency key and was not counted with it.
func (l allowances) takeRest(group []*work) {
	for _, w := range group {
		if w.err == nil && w.accept.Idempotency == nil {
			l.take(w)
		}
	}
}

// giveBack counts a work no more that was refused for another reason.
func (l allowances) giveBack(w *work) {
	l.plans.giveBack(w)
	if left := l.days[spendingOf(w.accept)]; left != nil {
		*left += int64(len(w.accept.Deliveries))
	}
}
